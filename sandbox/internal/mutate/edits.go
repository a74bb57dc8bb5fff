package mutate

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// nodeEdits are the changes of one node of an expression.
func nodeEdits(node parser.Node, path []parser.Node) []edit {
	switch n := node.(type) {
	case *parser.NumberLiteral:
		return numberEdits(n, path)
	case *parser.BinaryExpr:
		return binaryEdits(n)
	case *parser.MatrixSelector:
		return rangeEdits("["+duration(n.Range)+"]", &n.Range, int(n.PositionRange().Start))
	case *parser.SubqueryExpr:
		edits := rangeEdits("["+duration(n.Range)+":]", &n.Range, int(n.PositionRange().Start))
		if n.Step > 0 {
			edits = append(edits, rangeEdits("[:"+duration(n.Step)+"]", &n.Step, int(n.PositionRange().Start))...)
		}
		return edits
	case *parser.VectorSelector:
		return matcherEdits(n)
	case *parser.AggregateExpr:
		return aggregateEdits(n)
	}
	return nil
}

// numberEdits move a threshold by a tenth each way, a zero by one, and a quantile to its usual neighbours.
func numberEdits(n *parser.NumberLiteral, path []parser.Node) []edit {
	old := n.Val
	to := []float64{old * 1.1, old * 0.9, 0}
	switch {
	case isQuantile(n, path):
		to = []float64{0.5, 0.9, 0.99}
	case old == 0:
		to = []float64{1, -1}
	}
	var edits []edit
	for _, v := range to {
		v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 12, 64), 64) // 55, not 55.00000000000001
		if v == old {
			continue
		}
		edits = append(edits, edit{
			what: fmt.Sprintf("%g → %g", old, v), pos: int(n.PositionRange().Start),
			apply: func() { n.Val = v }, out: func() { n.Val = old },
		})
	}
	return edits
}

func isQuantile(n *parser.NumberLiteral, path []parser.Node) bool {
	if len(path) == 0 {
		return false
	}
	switch p := path[len(path)-1].(type) {
	case *parser.Call:
		return (p.Func.Name == "histogram_quantile" || p.Func.Name == "quantile_over_time") && p.Args[0] == parser.Expr(n)
	case *parser.AggregateExpr:
		return p.Op == parser.QUANTILE && p.Param == parser.Expr(n)
	}
	return false
}

var operators = map[parser.ItemType][]parser.ItemType{
	parser.GTR: {parser.GTE, parser.LSS}, parser.GTE: {parser.GTR, parser.LTE},
	parser.LSS: {parser.LTE, parser.GTR}, parser.LTE: {parser.LSS, parser.GTE},
	parser.EQLC: {parser.NEQ, parser.GTE, parser.LTE}, parser.NEQ: {parser.EQLC},
	parser.ADD: {parser.SUB}, parser.SUB: {parser.ADD}, parser.MUL: {parser.DIV}, parser.DIV: {parser.MUL},
	parser.LAND: {parser.LOR, parser.LUNLESS}, parser.LOR: {parser.LAND, parser.LUNLESS}, parser.LUNLESS: {parser.LAND, parser.LOR},
}

func binaryEdits(n *parser.BinaryExpr) []edit {
	old := n.Op
	pos := int(n.LHS.PositionRange().End)
	var edits []edit
	for _, op := range operators[old] {
		edits = append(edits, edit{
			what: fmt.Sprintf("%s %s → %s", old, short(n.RHS.String()), op), pos: pos,
			apply: func() { n.Op = op }, out: func() { n.Op = old },
		})
	}
	if n.ReturnBool {
		edits = append(edits, edit{
			what: old.String() + " bool → " + old.String(), pos: pos,
			apply: func() { n.ReturnBool = false }, out: func() { n.ReturnBool = true },
		})
	}
	if m := n.VectorMatching; m != nil && (m.On || len(m.MatchingLabels) > 0) {
		for i, label := range m.MatchingLabels {
			all := m.MatchingLabels
			edits = append(edits, edit{
				what: fmt.Sprintf("%s: match without %s", old, label), pos: pos,
				apply: func() { m.MatchingLabels = slices.Delete(slices.Clone(all), i, i+1) },
				out:   func() { m.MatchingLabels = all },
			})
		}
	}
	return edits
}

func rangeEdits(name string, d *time.Duration, pos int) []edit {
	old := *d
	var edits []edit
	for _, to := range []time.Duration{old / 2, old * 2} {
		edits = append(edits, edit{
			what: fmt.Sprintf("%s → %s", name, duration(to)), pos: pos,
			apply: func() { *d = to }, out: func() { *d = old },
		})
	}
	return edits
}

func matcherEdits(n *parser.VectorSelector) []edit {
	all := n.LabelMatchers
	opposite := map[labels.MatchType]labels.MatchType{
		labels.MatchEqual: labels.MatchNotEqual, labels.MatchNotEqual: labels.MatchEqual,
		labels.MatchRegexp: labels.MatchNotRegexp, labels.MatchNotRegexp: labels.MatchRegexp,
	}
	var edits []edit
	for i, m := range all {
		if m.Name == model.MetricNameLabel {
			continue
		}
		pos := int(n.PositionRange().Start)
		out := func() { n.LabelMatchers = all }
		edits = append(edits, edit{
			what: fmt.Sprintf("%s{%s} → without it", n.Name, m), pos: pos, out: out,
			apply: func() { n.LabelMatchers = slices.Delete(slices.Clone(all), i, i+1) },
		})
		changed, err := labels.NewMatcher(opposite[m.Type], m.Name, m.Value)
		if err != nil {
			continue
		}
		edits = append(edits, edit{
			what: fmt.Sprintf("%s{%s} → %s", n.Name, m, changed.Type), pos: pos, out: out,
			apply: func() {
				n.LabelMatchers = slices.Clone(all)
				n.LabelMatchers[i] = changed
			},
		})
	}
	return edits
}

var aggregations = map[parser.ItemType]parser.ItemType{
	parser.SUM: parser.MAX, parser.MAX: parser.MIN, parser.MIN: parser.MAX, parser.AVG: parser.SUM, parser.COUNT: parser.SUM,
}

func aggregateEdits(n *parser.AggregateExpr) []edit {
	all, old := n.Grouping, n.Op
	pos := int(n.PositionRange().Start)
	var edits []edit
	if to, ok := aggregations[old]; ok {
		edits = append(edits, edit{
			what: fmt.Sprintf("%s → %s", old, to), pos: pos,
			apply: func() { n.Op = to }, out: func() { n.Op = old },
		})
	}
	word := "by"
	if n.Without {
		word = "without"
	}
	for i, label := range all {
		edits = append(edits, edit{
			what: fmt.Sprintf("%s %s (…) → without its label %s", old, word, label), pos: pos,
			apply: func() { n.Grouping = slices.Delete(slices.Clone(all), i, i+1) }, out: func() { n.Grouping = all },
		})
	}
	return edits
}
