// Package catalogue holds queries against the metric catalogue: that what they name is there, and that they ask a
// counter, a gauge or a histogram what it can answer.
package catalogue

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"obsandbox/sandbox/internal/stack"
)

// Finding is a fault of an expression.
type Finding struct {
	// Pos is where it is, in bytes from the expression's beginning.
	Pos int
	// Text says what is wrong, Hint what to do.
	Text, Hint string
}

// Checker checks expressions.
type Checker struct {
	catalogue *stack.Catalogue
	recorded  map[string]labelSet
	// scraped is how often targets are scraped; 0 where that is not known.
	scraped time.Duration
}

// New makes a checker that knows the catalogue's metrics.
func New(c *stack.Catalogue) *Checker { return &Checker{catalogue: c, recorded: map[string]labelSet{}} }

// Record makes a recording rule's metric known, with the labels of its expression and its own.
func (c *Checker) Record(name, expr string, own map[string]string) {
	set := newLabels()
	if parsed, err := parse(expr); err == nil {
		set = c.shape(parsed)
	}
	for label := range own {
		set = set.with(label)
	}
	c.recorded[name] = c.recorded[name].unionOrNew(set)
}

func (s labelSet) unionOrNew(o labelSet) labelSet {
	if s.names == nil {
		return o
	}
	return s.union(o)
}

func parse(expr string) (parser.Expr, error) {
	return parser.NewParser(parser.Options{ExperimentalDurationExpr: true}).ParseExpr(expr)
}

// Expr checks an expression.
func (c *Checker) Expr(expr string) []Finding {
	parsed, err := parse(expr)
	if err != nil {
		f := Finding{Text: err.Error(), Hint: "write PromQL"}
		var perrs parser.ParseErrors
		if errors.As(err, &perrs) && len(perrs) > 0 {
			f.Pos, f.Text = int(perrs[0].PositionRange.Start), perrs[0].Err.Error()
		}
		return []Finding{f}
	}
	var all []Finding
	parser.Inspect(parsed, func(node parser.Node, path []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			all = append(all, c.selector(n)...)
			all = append(all, c.bareCounter(n, path)...)
		case *parser.Call:
			all = append(all, c.call(n)...)
		case *parser.AggregateExpr:
			all = append(all, c.aggregate(n)...)
		case *parser.BinaryExpr:
			all = append(all, c.matching(n)...)
			all = append(all, c.shares(n)...)
		}
		return nil
	})
	return all
}

// selector checks that the series exist.
func (c *Checker) selector(n *parser.VectorSelector) []Finding {
	pos := int(n.PositionRange().Start)
	if _, ok := c.recorded[n.Name]; ok || scraped(n.Name) || alerts(n.Name) || n.Name == "" {
		return nil
	}
	m, _, ok := c.catalogue.Series(n.Name)
	if !ok {
		return []Finding{{pos, "no metric " + n.Name + " in the catalogue", c.likeliest(n.Name)}}
	}
	var all []Finding
	has := c.seriesLabels(n)
	for _, matcher := range n.LabelMatchers {
		if matcher.Name == model.MetricNameLabel {
			continue
		}
		own, _ := m.Label(matcher.Name)
		values := own.Values
		switch {
		case !has.has(matcher.Name):
			all = append(all, Finding{pos, fmt.Sprintf("%s has no label %s", n.Name, matcher.Name), "its labels are " + has.list()})
			continue
		case matcher.Name == "le":
			for _, b := range m.Buckets {
				values = append(values, labels.FormatOpenMetricsFloat(b))
			}
			values = append(values, "+Inf")
		case matcher.Name == "service":
			for _, name := range m.ExposedBy {
				program, _, _ := strings.Cut(name, "-")
				values = append(values, name, program)
			}
		}
		negative := matcher.Type == labels.MatchNotEqual || matcher.Type == labels.MatchNotRegexp
		positive := matcher
		if negative {
			positive, _ = matcher.Inverse()
		}
		if len(values) > 0 && positive != nil && !slices.ContainsFunc(values, positive.Matches) && matcher.Value != "" {
			hint := "it is one of " + strings.Join(values, ", ")
			if f, err := strconv.ParseFloat(matcher.Value, 64); matcher.Name == "le" && err == nil && slices.Contains(m.Buckets, f) {
				hint = fmt.Sprintf("Prometheus writes the bound as a float: %q", labels.FormatOpenMetricsFloat(f))
			}
			all = append(all, Finding{pos, fmt.Sprintf("%s of %s is never %q", matcher.Name, n.Name, matcher.Value), hint})
		}
	}
	return all
}

// likeliest is a hint at the name that was meant.
func (c *Checker) likeliest(name string) string {
	if m, ok := c.catalogue.Metric(name); ok && m.Type == stack.Histogram {
		return "a histogram's series end in _bucket, _sum and _count"
	}
	best, distance := "", len(name)/2
	for _, m := range c.catalogue.Metrics {
		if d := levenshtein(name, m.Name); d < distance {
			best, distance = m.Name, d
		}
	}
	if best == "" {
		return "add it to " + stack.MetricsFile + " with its type, unit and labels"
	}
	return "is " + best + " meant?"
}

func levenshtein(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		previous := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := previous
			if a[i] != b[j] {
				cost++
			}
			previous = row[j+1]
			row[j+1] = min(cost, row[j]+1, previous+1)
		}
	}
	return row[len(b)]
}

// rises says whether a series is cumulative.
func rises(m *stack.Metric) bool { return m.Type != stack.Gauge || m.Cumulative }

// bareCounter finds counters whose value since the start is used as it is.
func (c *Checker) bareCounter(n *parser.VectorSelector, path []parser.Node) []Finding {
	m, _, ok := c.catalogue.Series(n.Name)
	if !ok || m.Type == stack.Gauge {
		return nil
	}
	for _, p := range path {
		switch p := p.(type) {
		case *parser.MatrixSelector:
			return nil
		case *parser.SubqueryExpr:
			return nil
		case *parser.AggregateExpr:
			if p.Op == parser.COUNT || p.Op == parser.GROUP {
				return nil
			}
		case *parser.Call:
			if p.Func.Name == "absent" || p.Func.Name == "timestamp" {
				return nil
			}
		}
	}
	return []Finding{{int(n.PositionRange().Start), n.Name + " counts since its program started, and its value says nothing by itself", "take rate() or increase() of it"}}
}

// call checks functions against the types of what they are given.
func (c *Checker) call(n *parser.Call) []Finding {
	pos := int(n.PositionRange().Start)
	switch n.Func.Name {
	case "rate", "increase", "irate", "delta", "idelta", "deriv", "predict_linear":
		if all := c.window(n); len(all) > 0 {
			return all
		}
	case "quantile_over_time":
		return share("quantile_over_time()", n.Args[0])
	}
	switch n.Func.Name {
	case "rate", "increase", "irate", "resets":
		if m, name, ok := c.of(n.Args[0]); ok && !rises(m) {
			return []Finding{{pos, fmt.Sprintf("%s() of the gauge %s", n.Func.Name, name), "a gauge goes up and down: take deriv(), delta() or avg_over_time(), or mark it cumulative in the catalogue if it only rises"}}
		}
	case "delta", "idelta", "deriv", "predict_linear":
		if m, name, ok := c.of(n.Args[0]); ok && m.Type != stack.Gauge {
			return []Finding{{pos, fmt.Sprintf("%s() of the counter %s", n.Func.Name, name), "it falls to 0 when the program restarts: take rate() or increase()"}}
		}
	case "sum_over_time":
		if m, name, ok := c.of(n.Args[0]); ok && m.Unit == "ratio" {
			return []Finding{{pos, "sum_over_time() of the ratio " + name, "shares do not add up: take avg_over_time() or max_over_time()"}}
		}
	case "histogram_quantile":
		return append(share("histogram_quantile()", n.Args[0]), c.quantile(n)...)
	}
	return nil
}

// of is the metric that a function's argument selects directly.
func (c *Checker) of(arg parser.Expr) (*stack.Metric, string, bool) {
	switch a := arg.(type) {
	case *parser.MatrixSelector:
		return c.of(a.VectorSelector)
	case *parser.ParenExpr:
		return c.of(a.Expr)
	case *parser.SubqueryExpr:
		return c.of(a.Expr)
	case *parser.VectorSelector:
		m, _, ok := c.catalogue.Series(a.Name)
		return m, a.Name, ok
	}
	return nil, "", false
}

func (c *Checker) quantile(n *parser.Call) []Finding {
	pos := int(n.PositionRange().Start)
	var all []Finding
	aggregated := false
	parser.Inspect(n.Args[1], func(node parser.Node, _ []parser.Node) error {
		switch s := node.(type) {
		case *parser.AggregateExpr:
			aggregated = true
		case *parser.VectorSelector:
			if m, suffix, ok := c.catalogue.Series(s.Name); ok && suffix != "_bucket" {
				hint := fmt.Sprintf("%s is a %s", m.Name, m.Type)
				if m.Type == stack.Histogram {
					hint = "take " + m.Name + "_bucket"
				}
				all = append(all, Finding{pos, "histogram_quantile() of " + s.Name + ", which has no buckets", hint})
			}
		}
		return nil
	})
	if len(all) > 0 {
		return all
	}
	if !c.shape(n.Args[1]).has("le") {
		return []Finding{{pos, "histogram_quantile() of an aggregation without le", "sum by (le, …): the bounds of the buckets are needed"}}
	}
	if !aggregated {
		return []Finding{{pos, "histogram_quantile() over buckets of single series: one value for each pod and label set", "sum by (le, …) the rates first"}}
	}
	return nil
}

// aggregate checks the labels of an aggregation, and that shares are not added up.
func (c *Checker) aggregate(n *parser.AggregateExpr) []Finding {
	pos := int(n.PositionRange().Start)
	var all []Finding
	if n.Op == parser.QUANTILE {
		all = share("quantile()", n.Param)
	}
	inner := c.shape(n.Expr)
	for _, label := range n.Grouping {
		if !inner.has(label) {
			all = append(all, Finding{pos, fmt.Sprintf("nothing in %s has the label %s", n.Expr, label), "the labels there are " + inner.list()})
		}
	}
	if m, name, ok := c.of(n.Expr); ok && n.Op == parser.SUM && m.Unit == "ratio" {
		all = append(all, Finding{pos, "sum of the ratio " + name, "shares do not add up: take avg or max, or divide sums"})
	}
	return all
}

// matching checks the labels that two sides are matched by.
func (c *Checker) matching(n *parser.BinaryExpr) []Finding {
	m := n.VectorMatching
	if m == nil || !m.On {
		return nil
	}
	var all []Finding
	for _, side := range []parser.Expr{n.LHS, n.RHS} {
		has := c.shape(side)
		for _, label := range m.MatchingLabels {
			if !has.has(label) {
				all = append(all, Finding{int(side.PositionRange().Start), fmt.Sprintf("on (%s): nothing in %s has that label", label, side), "the labels there are " + has.list()})
			}
		}
	}
	return all
}
