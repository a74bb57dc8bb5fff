package dashboards

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/stack"
)

// LiveOptions say how the queries of dashboards are asked.
type LiveOptions struct {
	// From and To are the time range of the dashboard; Step is the resolution of a panel.
	From, To time.Time
	Step     time.Duration
	// Index are the log store's indices, as the data source names them.
	Index string
	// Parallel is how many queries are asked at a time; 0 is 4.
	Parallel int
}

// Cell is one query of one panel and what it answered.
type Cell struct {
	Dashboard string `json:"dashboard"`
	Panel     string `json:"panel"`
	Query     string `json:"query"`
	// Text is the query as it was asked.
	Text string `json:"text"`
	// Series is the number of series, or of log lines.
	Series  int           `json:"series"`
	Latency time.Duration `json:"latency_ns"`
	// Sample is the last value of the first series, or the newest log line.
	Sample string `json:"sample,omitempty"`
	// Err says why there is nothing: an error of the data source, or no value but NaN.
	Err string `json:"error,omitempty"`
}

// Live asks every query of every panel of a running stack. There is one result for each panel: it fails when one of its
// queries is an error, and when all of them together show nothing, unless the panel itself says so (fieldConfig.noValue).
func Live(ctx context.Context, addr stack.Addresses, all []*Dashboard, opt LiveOptions) ([]Cell, *report.Report, error) {
	if addr.URL("prometheus", "http") == "" {
		return nil, nil, errors.New("ask the dashboards' queries: no Prometheus runs in this stack")
	}
	type place struct {
		d *Dashboard
		p *Panel
		q *Query
	}
	var places []place
	for _, d := range all {
		for _, p := range d.Panels {
			for _, q := range p.Queries {
				places = append(places, place{d, p, q})
			}
		}
	}
	cells := make([]Cell, len(places))
	slots := make(chan struct{}, cmp.Or(opt.Parallel, 4))
	var wg sync.WaitGroup
	for i, at := range places {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			cells[i] = ask(ctx, addr, at.d, at.p, at.q, opt)
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, nil, fmt.Errorf("ask the dashboards' queries: %w", err)
	}
	r := &report.Report{}
	for i := 0; i < len(cells); {
		at := places[i]
		res := report.Result{Suite: Suite, Name: at.d.UID + ": " + at.p.Title, Status: report.Pass}
		series, words := 0, []string{}
		for ; i < len(cells) && places[i].p == at.p; i++ {
			c := cells[i]
			res.Duration += c.Latency
			series += c.Series
			if c.Err != "" {
				words = append(words, fmt.Sprintf("query %s: %s\n  %s", c.Query, c.Err, c.Text))
			}
		}
		switch {
		case len(words) > 0:
			res.Status = report.Fail
		case series == 0 && at.p.node.str("fieldConfig", "defaults", "noValue") == "":
			res.Status = report.Fail
			words = append(words, "shows nothing: no query has a value in this time range; say in fieldConfig.defaults.noValue why, if that is right")
		case series == 0:
			words = append(words, "shows nothing, and says: "+at.p.node.str("fieldConfig", "defaults", "noValue"))
		default:
			words = append(words, fmt.Sprintf("%d series", series))
		}
		res.Detail = strings.Join(words, "\n")
		if res.Status == report.Fail {
			res.File, res.Line = at.d.File, at.p.Line()
		}
		r.Add(res)
	}
	return cells, r, nil
}

func ask(ctx context.Context, addr stack.Addresses, d *Dashboard, p *Panel, q *Query, opt LiveOptions) Cell {
	c := Cell{Dashboard: d.UID, Panel: p.Title, Query: q.RefID, Text: d.Expanded(q)}
	began := time.Now()
	var err error
	switch q.Datasource {
	case "prometheus":
		err = askPrometheus(ctx, addr.URL("prometheus", "http"), q, &c, opt)
	case "elasticsearch":
		err = askLogs(ctx, addr.URL("elasticsearch", "http"), q, &c, opt)
	default:
		err = fmt.Errorf("the sandbox cannot ask a data source of type %q: prometheus and elasticsearch are known", q.Datasource)
	}
	c.Latency = time.Since(began)
	if err != nil {
		c.Err = err.Error()
	}
	return c
}

func askPrometheus(ctx context.Context, base string, q *Query, c *Cell, opt LiveOptions) error {
	form := url.Values{"query": {c.Text}}
	path := "/api/v1/query_range"
	if q.Instant() {
		path = "/api/v1/query"
		form.Set("time", seconds(opt.To))
	} else {
		form.Set("start", seconds(opt.From))
		form.Set("end", seconds(opt.To))
		form.Set("step", strconv.FormatFloat(opt.Step.Seconds(), 'f', -1, 64))
	}
	var answer struct {
		Status, Error string
		Data          struct {
			ResultType string
			Result     json.RawMessage
		}
	}
	if err := post(ctx, base+path, "application/x-www-form-urlencoded", []byte(form.Encode()), &answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return errors.New(answer.Error)
	}
	if answer.Data.ResultType != "matrix" && answer.Data.ResultType != "vector" {
		return fmt.Errorf("answers a %s: a panel draws a vector", answer.Data.ResultType)
	}
	var series []struct {
		Value  []any
		Values [][]any
	}
	if err := json.Unmarshal(answer.Data.Result, &series); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	numbers := 0
	for _, s := range series {
		values := s.Values
		if s.Value != nil {
			values = append(values, s.Value)
		}
		for _, v := range values {
			if len(v) != 2 {
				continue
			}
			text, _ := v[1].(string)
			if f, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(f) {
				numbers++
				if c.Series == 0 {
					c.Sample = text
				}
			}
		}
		c.Series++
	}
	if c.Series > 0 && numbers == 0 {
		return fmt.Errorf("answers %d series of which every value is NaN", c.Series)
	}
	return nil
}

func askLogs(ctx context.Context, base string, q *Query, c *Cell, opt LiveOptions) error {
	if base == "" {
		return errors.New("no Elasticsearch runs in this stack")
	}
	field := cmp.Or(q.node.str("timeField"), "@timestamp")
	body, err := json.Marshal(map[string]any{
		"size":             1,
		"track_total_hits": true,
		"sort":             []any{map[string]any{field: map[string]any{"order": "desc"}}},
		"query": map[string]any{"bool": map[string]any{"filter": []any{
			map[string]any{"range": map[string]any{field: map[string]any{
				"gte": opt.From.UnixMilli(), "lte": opt.To.UnixMilli(), "format": "epoch_millis",
			}}},
			map[string]any{"query_string": map[string]any{"analyze_wildcard": true, "query": cmp.Or(c.Text, "*")}},
		}}},
	})
	if err != nil {
		return fmt.Errorf("write the query: %w", err)
	}
	var answer struct {
		Hits struct {
			Total struct{ Value int }
			Hits  []struct {
				Source json.RawMessage `json:"_source"`
			}
		}
	}
	if err := post(ctx, base+"/"+cmp.Or(opt.Index, "logs-*")+"/_search", "application/json", body, &answer); err != nil {
		return err
	}
	c.Series = answer.Hits.Total.Value
	if len(answer.Hits.Hits) > 0 {
		c.Sample = string(answer.Hits.Hits[0].Source)
	}
	return nil
}

func seconds(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

func post(ctx context.Context, target, contentType string, body []byte, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if res.StatusCode/100 != 2 && !bytes.Contains(answer, []byte(`"status":"error"`)) {
		return fmt.Errorf("answers %s: %s", res.Status, strings.TrimSpace(string(answer)))
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}
