package catalogue

import (
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"obsandbox/sandbox/internal/stack"
)

// labelSet are the labels that the series of an expression may have. any says that nothing is known about them.
type labelSet struct {
	names map[string]bool
	any   bool
}

func newLabels(names ...string) labelSet {
	s := labelSet{names: map[string]bool{}}
	for _, n := range names {
		s.names[n] = true
	}
	return s
}

func (s labelSet) has(name string) bool { return s.any || s.names[name] }

func (s labelSet) list() string { return strings.Join(slices.Sorted(maps.Keys(s.names)), ", ") }

func (s labelSet) with(names ...string) labelSet {
	out := labelSet{names: maps.Clone(s.names), any: s.any}
	for _, n := range names {
		out.names[n] = true
	}
	return out
}

func (s labelSet) without(names ...string) labelSet {
	out := labelSet{names: maps.Clone(s.names), any: s.any}
	for _, n := range names {
		delete(out.names, n)
	}
	return out
}

func (s labelSet) only(names ...string) labelSet {
	out := newLabels()
	for _, n := range names {
		if s.has(n) {
			out.names[n] = true
		}
	}
	return out
}

func (s labelSet) union(o labelSet) labelSet {
	out := s.with(slices.Collect(maps.Keys(o.names))...)
	out.any = s.any || o.any
	return out
}

// shape is which labels an expression's series may have.
func (c *Checker) shape(expr parser.Expr) labelSet {
	switch n := expr.(type) {
	case *parser.VectorSelector:
		return c.seriesLabels(n)
	case *parser.MatrixSelector:
		return c.shape(n.VectorSelector)
	case *parser.SubqueryExpr:
		return c.shape(n.Expr)
	case *parser.ParenExpr:
		return c.shape(n.Expr)
	case *parser.UnaryExpr:
		return c.shape(n.Expr)
	case *parser.StepInvariantExpr:
		return c.shape(n.Expr)
	case *parser.AggregateExpr:
		return c.aggregateShape(n)
	case *parser.BinaryExpr:
		return c.binaryShape(n)
	case *parser.Call:
		return c.callShape(n)
	}
	return newLabels()
}

func (c *Checker) seriesLabels(n *parser.VectorSelector) labelSet {
	if known, ok := c.recorded[n.Name]; ok {
		return known
	}
	target := newLabels(stack.TargetLabels()...)
	if scraped(n.Name) {
		return target
	}
	m, suffix, ok := c.catalogue.Series(n.Name)
	if !ok {
		return labelSet{names: map[string]bool{}, any: true}
	}
	for _, l := range m.Labels {
		target.names[l.Name] = true
	}
	if suffix == "_bucket" {
		target.names["le"] = true
	}
	return target
}

func (c *Checker) aggregateShape(n *parser.AggregateExpr) labelSet {
	inner := c.shape(n.Expr)
	switch n.Op {
	case parser.TOPK, parser.BOTTOMK, parser.LIMITK, parser.LIMIT_RATIO:
		return inner
	}
	if n.Without {
		return inner.without(n.Grouping...)
	}
	out := inner.only(n.Grouping...)
	if value, ok := n.Param.(*parser.StringLiteral); ok && n.Op == parser.COUNT_VALUES {
		out = out.with(value.Val)
	}
	return out
}

func (c *Checker) binaryShape(n *parser.BinaryExpr) labelSet {
	left, right := c.shape(n.LHS), c.shape(n.RHS)
	m := n.VectorMatching
	switch {
	case n.LHS.Type() == parser.ValueTypeScalar:
		return right
	case n.RHS.Type() == parser.ValueTypeScalar || m == nil:
		return left
	case n.Op == parser.LOR:
		return left.union(right)
	case n.Op == parser.LAND || n.Op == parser.LUNLESS:
		return left
	case m.Card == parser.CardManyToOne:
		return left.with(m.Include...)
	case m.Card == parser.CardOneToMany:
		return right.with(m.Include...)
	case m.On:
		return left.only(m.MatchingLabels...)
	}
	return left.without(m.MatchingLabels...)
}

func (c *Checker) callShape(n *parser.Call) labelSet {
	switch n.Func.Name {
	case "absent", "absent_over_time":
		return absentLabels(n.Args[0])
	case "histogram_quantile", "histogram_fraction":
		return c.shape(n.Args[len(n.Args)-1]).without("le")
	case "vector", "scalar", "time":
		return newLabels()
	}
	out := newLabels()
	for _, arg := range n.Args {
		switch arg.Type() {
		case parser.ValueTypeVector, parser.ValueTypeMatrix:
			out = out.union(c.shape(arg))
		}
	}
	if n.Func.Name == "label_replace" || n.Func.Name == "label_join" {
		if name, ok := n.Args[1].(*parser.StringLiteral); ok {
			out = out.with(name.Val)
		}
	}
	return out
}

// absentLabels are those that absent() gives its result: what the selector says must be equal.
func absentLabels(expr parser.Expr) labelSet {
	out := newLabels()
	if m, ok := expr.(*parser.MatrixSelector); ok {
		expr = m.VectorSelector
	}
	if s, ok := expr.(*parser.VectorSelector); ok {
		for _, m := range s.LabelMatchers {
			if m.Type == labels.MatchEqual && m.Name != model.MetricNameLabel {
				out.names[m.Name] = true
			}
		}
	}
	return out
}

// scraped are the series that Prometheus itself adds to every target.
func scraped(name string) bool {
	return slices.Contains([]string{"up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_samples_post_metric_relabeling", "scrape_series_added"}, name)
}

// alerts are the series that Prometheus writes about alerts.
func alerts(name string) bool { return name == "ALERTS" || name == "ALERTS_FOR_STATE" }
