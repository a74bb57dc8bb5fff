package preview

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"obsandbox/sandbox/internal/dashboards"
	"obsandbox/sandbox/internal/elastic/querystring"
)

// answers are what a scene answers to all queries of some dashboards, by the query's text as the pages ask it.
type answers struct {
	// Range holds a value for every step of the hour, Instant one of now.
	Range   map[string][]series `json:"range"`
	Instant map[string][]series `json:"instant"`
	// Logs are the newest documents that a query finds.
	Logs map[string][]map[string]any `json:"logs"`
	// Errors are the queries that cannot be asked, and why.
	Errors map[string]string `json:"errors"`
}

// series is one of an answer; a step without a value has null.
type series struct {
	Labels map[string]string `json:"m"`
	Values []any             `json:"v"`
}

// own are Grafana's variables as the pages fill them in over the hour that is shown.
func own(name string) (string, bool) {
	v, ok := map[string]string{
		"__rate_interval": "60s", "__interval": "15s", "__interval_ms": "15000", "__range": "3600s", "__range_s": "3600",
		"__range_ms": "3600000", "__from": strconv.FormatInt(now().Add(-shown).UnixMilli(), 10), "__to": strconv.FormatInt(now().UnixMilli(), 10),
	}[name]
	return v, ok
}

// newest is how many lines a log panel shows.
const newest = 100

// answers asks every query of the dashboards once.
func (sc *Scene) answers(ctx context.Context, all []*dashboards.Dashboard) (*answers, error) {
	a := &answers{Range: map[string][]series{}, Instant: map[string][]series{}, Logs: map[string][]map[string]any{}, Errors: map[string]string{}}
	for _, d := range all {
		for _, p := range d.Panels {
			for _, q := range p.Queries {
				if err := sc.answer(ctx, a, d, q); err != nil {
					return nil, err
				}
			}
		}
		for _, q := range d.Annotations() {
			if err := sc.answer(ctx, a, d, q); err != nil {
				return nil, err
			}
		}
	}
	return a, nil
}

func (sc *Scene) answer(ctx context.Context, a *answers, d *dashboards.Dashboard, q *dashboards.Query) error {
	text := d.ExpandedAs(q, own)
	var err error
	switch {
	case q.Datasource == "elasticsearch" && a.Logs[text] == nil:
		a.Logs[text], err = sc.search(text)
	case q.Datasource == "prometheus" && q.Instant() && a.Instant[text] == nil:
		a.Instant[text], err = sc.known(ctx, text, true)
	case q.Datasource == "prometheus" && !q.Instant() && a.Range[text] == nil:
		a.Range[text], err = sc.known(ctx, text, false)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("ask %s: %w", text, ctx.Err())
	}
	if err != nil { // the panel shows it, as with a real data source
		a.Errors[text] = err.Error()
	}
	return nil
}

// question is a query as it is asked.
type question struct {
	expr    string
	instant bool
}

// known is ask, once for each question: what a scene has recorded does not change, and a page that is watched asks most
// of its queries again.
func (sc *Scene) known(ctx context.Context, expr string, instant bool) ([]series, error) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	q := question{expr, instant}
	if found, ok := sc.answered[q]; ok {
		return found, nil
	}
	found, err := sc.ask(ctx, expr, instant)
	if err == nil {
		if sc.answered == nil {
			sc.answered = map[question][]series{}
		}
		sc.answered[q] = found
	}
	return found, err
}

func (sc *Scene) ask(ctx context.Context, expr string, instant bool) ([]series, error) {
	var q promql.Query
	var err error
	from, steps := now().Add(-shown), int(shown/scrape)+1
	if instant {
		from, steps = now(), 1
		q, err = sc.engine.NewInstantQuery(ctx, sc.db, nil, expr, now())
	} else {
		q, err = sc.engine.NewRangeQuery(ctx, sc.db, nil, expr, from, now(), scrape)
	}
	if err != nil {
		return nil, err
	}
	defer q.Close()
	res := q.Exec(ctx)
	if res.Err != nil {
		return nil, res.Err
	}
	out := []series{}
	add := func(metric labels.Labels, points []promql.FPoint) {
		s := series{Labels: metric.Map(), Values: make([]any, steps)}
		for _, p := range points {
			s.Values[(p.T-from.UnixMilli())/scrape.Milliseconds()] = number(p.F)
		}
		out = append(out, s)
	}
	switch v := res.Value.(type) {
	case promql.Matrix:
		for _, s := range v {
			add(s.Metric, s.Floats)
		}
	case promql.Vector:
		if !sorts(expr) { // then its order is that of the database, where alerts that come together may be either way
			slices.SortFunc(v, func(a, b promql.Sample) int { return labels.Compare(a.Metric, b.Metric) })
		}
		for _, s := range v {
			add(s.Metric, []promql.FPoint{{T: from.UnixMilli(), F: s.F}})
		}
	case promql.Scalar:
		add(labels.EmptyLabels(), []promql.FPoint{{T: from.UnixMilli(), F: v.V}})
	default:
		return nil, fmt.Errorf("answers a %s, which no panel draws", res.Value.Type())
	}
	return out, nil
}

// sorts says whether a query puts its series in order.
func sorts(expr string) bool {
	parsed, err := newParser().ParseExpr(expr)
	if err != nil {
		return false
	}
	switch e := parsed.(type) {
	case *parser.Call:
		return strings.HasPrefix(e.Func.Name, "sort")
	case *parser.AggregateExpr:
		return e.Op == parser.TOPK || e.Op == parser.BOTTOMK
	}
	return false
}

// number keeps the digits that can be seen; what JSON has no number for is text, as in Prometheus' answers.
func number(f float64) any {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "+Inf"
	case math.IsInf(f, -1):
		return "-Inf"
	}
	return json.Number(strconv.FormatFloat(f, 'g', 7, 64))
}

// search finds the newest lines of a query in Lucene's syntax. It compares words in whole fields, and in the message.
func (sc *Scene) search(query string) ([]map[string]any, error) {
	tree, err := querystring.Parse(cmp.Or(strings.TrimSpace(query), "*:*"), false)
	if err != nil {
		return nil, err
	}
	found := []map[string]any{}
	from := now().Add(-shown)
	for i := len(sc.lines) - 1; i >= 0 && len(found) < newest; i-- {
		if l := sc.lines[i]; !l.at.Before(from) && !l.at.After(now()) && matches(tree, l.source) {
			found = append(found, l.source)
		}
	}
	slices.SortStableFunc(found, func(a, b map[string]any) int {
		return strings.Compare(b["@timestamp"].(string), a["@timestamp"].(string))
	})
	return found, nil
}

func matches(n *querystring.Node, doc map[string]any) bool {
	switch n.Kind {
	case querystring.All:
		return true
	case querystring.Bool:
		should, any := false, false
		for _, c := range n.Clauses {
			m := matches(c.Node, doc)
			switch {
			case c.Occur == querystring.Must && !m, c.Occur == querystring.MustNot && m:
				return false
			case c.Occur == querystring.Should:
				should, any = true, any || m
			case c.Occur == querystring.Must:
				any = true
			}
		}
		return any || !should
	}
	if n.Field == "" || n.Field == "message" {
		text, _ := doc["message"].(string)
		return strings.Contains(strings.ToLower(text), strings.ToLower(strings.Trim(n.Text, "*")))
	}
	var at any = doc
	for _, part := range strings.Split(n.Field, ".") {
		object, _ := at.(map[string]any)
		at = object[part]
	}
	switch {
	case at == nil:
		return false
	case n.Kind == querystring.Exists:
		return true
	case n.Kind == querystring.Range:
		value, err := strconv.ParseFloat(fmt.Sprint(at), 64)
		low, lowErr := strconv.ParseFloat(n.Low, 64)
		high, highErr := strconv.ParseFloat(n.High, 64)
		return err == nil && (lowErr != nil || value > low || n.IncludeLow && value == low) &&
			(highErr != nil || value < high || n.IncludeHigh && value == high)
	case n.Wild:
		ok, _ := path.Match(n.Text, fmt.Sprint(at))
		return ok
	}
	return fmt.Sprint(at) == n.Text
}
