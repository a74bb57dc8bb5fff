package unittest

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
)

// sent is an alert as it would be sent.
type sent struct {
	Labels, Annotations labels.Labels
}

func (r *run) checkAlerts(ctx context.Context, t AlertTest, ts time.Time) {
	var got, want []sent
	var notes []string // notes below the difference
	for _, g := range r.groups {
		for _, rule := range g.Rules() {
			alert, ok := rule.(*rules.AlertingRule)
			if !ok || alert.Name() != t.Name {
				continue
			}
			for _, a := range alert.ActiveAlerts() {
				if a.State == rules.StateFiring {
					got = append(got, sent{a.Labels.Copy(), a.Annotations.Copy()})
				} else if a.State == rules.StatePending {
					notes = append(notes, fmt.Sprintf("pending since %s, fires at %s: %s",
						model.Duration(a.ActiveAt.Sub(r.c.begin())), model.Duration(a.ActiveAt.Add(alert.HoldDuration()).Sub(r.c.begin())), a.Labels))
				}
			}
		}
	}
	for _, e := range t.Expect {
		// As promtool does: a label without a value is expected to be there, which it never is.
		all := map[string]string{}
		for name, v := range e.Labels {
			all[name] = v
			if v == "" {
				notes = append(notes, fmt.Sprintf("%s is expected without a value, and no alert has such a label: leave it out of exp_labels", name))
			}
		}
		all[labels.AlertName] = t.Name
		want = append(want, sent{labels.FromMap(all), labels.FromMap(e.Annotations)})
	}
	for _, list := range [][]sent{got, want} {
		slices.SortFunc(list, func(a, b sent) int {
			if d := labels.Compare(a.Labels, b.Labels); d != 0 {
				return d
			}
			return labels.Compare(a.Annotations, b.Annotations)
		})
	}
	if !cmp.Equal(want, got, r.equal) {
		slices.Sort(notes)
		text := diff(alertLines(want), alertLines(got))
		for _, line := range append(notes, r.explain(ctx, t.Name, ts)...) {
			text += "\n  " + line
		}
		r.fail(t.Line, "alertname: %s, time: %s\n%s", t.Name, model.Duration(t.At), text)
	}
}

// explain says where an alert's rules are, and what it is that they compare at a time.
func (r *run) explain(ctx context.Context, alertname string, ts time.Time) []string {
	if r.opts.Where == nil {
		return nil
	}
	var out []string
	for i, g := range r.groups {
		for j, rule := range g.Rules() {
			alert, ok := rule.(*rules.AlertingRule)
			if !ok || alert.Name() != alertname {
				continue
			}
			out = append(out, fmt.Sprintf("%s: %s", r.opts.Where(r.ids[i][j]), oneLine(alert.Query().String())))
			compared, ok := alert.Query().(*parser.BinaryExpr)
			if !ok || !compared.Op.IsComparisonOperator() || compared.LHS.Type() != parser.ValueTypeVector {
				continue
			}
			left := oneLine(compared.LHS.String())
			vector, err := r.suite.query(ctx, compared.LHS.String(), ts)
			switch {
			case err != nil:
				out = append(out, fmt.Sprintf("%s: %v", left, err))
			case len(vector) == 0:
				out = append(out, left+" has no value")
			}
			for k, sample := range vector {
				if k == mostShown {
					out = append(out, fmt.Sprintf("… and %d more", len(vector)-mostShown))
					break
				}
				out = append(out, fmt.Sprintf("%s is %v for %s", left, sample.F, sample.Metric))
			}
		}
	}
	return out
}

// mostShown is the most values that are shown of an expression.
const mostShown = 5

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func alertLines(alerts []sent) []string {
	var out []string
	for _, a := range alerts {
		out = append(out, "labels "+a.Labels.String())
		a.Annotations.Range(func(l labels.Label) { out = append(out, "  "+l.Name+": "+l.Value) })
	}
	if out == nil {
		out = []string{"(no alert)"}
	}
	return out
}

type value struct {
	Labels    labels.Labels
	Value     float64
	Histogram string
}

func (v value) String() string {
	if v.Histogram != "" {
		return v.Labels.String() + " " + v.Histogram
	}
	return fmt.Sprintf("%s %v", v.Labels.String(), v.Value)
}

func (r *run) checkExpr(ctx context.Context, t ExprTest, at time.Time) {
	vector, err := r.suite.query(ctx, t.Expr, at)
	if err != nil {
		r.fail(t.Line, "expr: %q, time: %s, err: %v", t.Expr, model.Duration(t.At), err)
		return
	}
	var got, want []value
	for _, s := range vector {
		got = append(got, value{s.Metric.Copy(), s.F, promqltest.HistogramTestExpression(s.H)})
	}
	p := parser.NewParser(ParserOptions())
	for _, s := range t.Expect {
		lset, err := p.ParseMetric(s.Labels)
		var h *histogram.FloatHistogram
		if err == nil && s.Histogram != "" {
			var values []parser.SequenceValue
			_, values, err = p.ParseSeriesDesc("{} " + s.Histogram)
			switch {
			case err != nil:
			case len(values) != 1:
				err = fmt.Errorf("expected 1 value, got %d", len(values))
			case values[0].Histogram == nil:
				err = fmt.Errorf("expected histogram, got %v", values[0])
			default:
				h = values[0].Histogram
			}
		}
		if err != nil {
			r.fail(t.Line, "expr: %q, time: %s, err: labels %q: %v", t.Expr, model.Duration(t.At), s.Labels, err)
			return
		}
		want = append(want, value{lset, s.Value, promqltest.HistogramTestExpression(h)})
	}
	for _, list := range [][]value{got, want} {
		sort.SliceStable(list, func(i, j int) bool { return labels.Compare(list[i].Labels, list[j].Labels) < 0 })
	}
	if !cmp.Equal(want, got, r.equal) {
		r.fail(t.Line, "expr: %q, time: %s\n%s", t.Expr, model.Duration(t.At), diff(valueLines(want), valueLines(got)))
	}
}

func valueLines(values []value) []string {
	var out []string
	for _, v := range values {
		out = append(out, v.String())
	}
	if out == nil {
		out = []string{"(no sample)"}
	}
	return out
}

// diff shows what was expected with "-" and what was got with "+"; what both have stands once.
func diff(want, got []string) string {
	var b strings.Builder
	b.WriteString("- expected\n+ got\n")
	common := make([][]int, len(want)+1)
	for i := range common {
		common[i] = make([]int, len(got)+1)
	}
	for i := len(want) - 1; i >= 0; i-- {
		for j := len(got) - 1; j >= 0; j-- {
			if want[i] == got[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(want) || j < len(got) {
		switch {
		case i < len(want) && j < len(got) && want[i] == got[j]:
			b.WriteString("  " + want[i] + "\n")
			i, j = i+1, j+1
		case i < len(want) && (j == len(got) || common[i+1][j] >= common[i][j+1]):
			b.WriteString("- " + want[i] + "\n")
			i++
		default:
			b.WriteString("+ " + got[j] + "\n")
			j++
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}
