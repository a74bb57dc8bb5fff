package catalogue

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/template"
	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/rules/unittest"
	"obsandbox/sandbox/internal/stack"
)

// share checks that a quantile is one: Prometheus answers with an infinite value where it is none.
func share(of string, arg parser.Expr) []Finding {
	n, ok := arg.(*parser.NumberLiteral)
	if !ok || n.Val >= 0 && n.Val <= 1 {
		return nil
	}
	return []Finding{{int(n.PositionRange().Start), fmt.Sprintf("%s of %g is infinite", of, n.Val), fmt.Sprintf("a quantile is a share from 0 to 1: is %g meant?", n.Val/math.Pow(10, math.Ceil(math.Log10(max(1, math.Abs(n.Val))))))}}
}

// window checks that a range has the two samples that a function needs: with a shorter one there is never a result.
func (c *Checker) window(n *parser.Call) []Finding {
	m, ok := n.Args[0].(*parser.MatrixSelector)
	if !ok || c.scraped == 0 || m.Range == 0 || m.Range >= 2*c.scraped {
		return nil
	}
	return []Finding{{
		int(m.PositionRange().Start), fmt.Sprintf("%s() over %s, and targets are scraped every %s", n.Func.Name, model.Duration(m.Range), model.Duration(c.scraped)),
		fmt.Sprintf("two samples are needed: take %s at the least", model.Duration(4*c.scraped)),
	}}
}

// shares checks that nothing that is a share already is divided by an amount, or an amount by it.
func (c *Checker) shares(n *parser.BinaryExpr) []Finding {
	left, leftName := c.unit(n.LHS)
	right, rightName := c.unit(n.RHS)
	if n.Op != parser.DIV || left == "" || right == "" || (left == "ratio") == (right == "ratio") {
		return nil
	}
	return []Finding{{
		int(n.LHS.PositionRange().Start), fmt.Sprintf("%s, in %s, is divided by %s, in %s", leftName, left, rightName, right),
		"a ratio is a share already: divide amounts of one unit",
	}}
}

// unit is what an expression counts, where it is the value of a metric or of several that are put together.
func (c *Checker) unit(expr parser.Expr) (unit, name string) {
	switch e := expr.(type) {
	case *parser.ParenExpr:
		return c.unit(e.Expr)
	case *parser.AggregateExpr:
		switch e.Op {
		case parser.SUM, parser.MIN, parser.MAX, parser.AVG:
			return c.unit(e.Expr)
		}
	case *parser.VectorSelector:
		if m, _, ok := c.catalogue.Series(e.Name); ok && m.Type == stack.Gauge {
			return m.Unit, e.Name
		}
	}
	return "", ""
}

// slowest is how far apart two evaluations may be: an instant query looks no further back, so that between two evaluations
// what is recorded is gone.
const slowest = 5 * time.Minute

// often checks that a group is evaluated as often as its rules need.
func (r *run) often(rf *unittest.RuleFile, g int, group rulefmt.RuleGroup) {
	every, whose := time.Duration(group.Interval), "interval"
	if every == 0 {
		every, whose = r.evaluated, "evaluation_interval of Prometheus"
		if every > slowest {
			r.fail(rf.GroupLine(g), "group "+group.Name, fmt.Sprintf("it is evaluated every %s: what it records is gone in between", model.Duration(every)),
				fmt.Sprintf("an instant query looks back for %s: shorten the %s", model.Duration(slowest), whose))
			return
		}
	}
	for _, rule := range group.Rules {
		if hold := time.Duration(rule.For); rule.Alert != "" && hold > 0 && every > hold {
			r.fail(rf.GroupLine(g), "group "+group.Name, fmt.Sprintf("it is evaluated every %s, and %s is to fire after %s", model.Duration(every), rule.Alert, model.Duration(hold)),
				"shorten the "+whose)
			return
		}
	}
}

// text checks that a label or annotation prints what it is given: a verb of printf that does not fit is no error.
func (r *run) text(alert string, key, value *yaml.Node) {
	const head = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}"
	nothing := func(context.Context, string, time.Time) (promql.Vector, error) { return nil, nil }
	data := template.AlertTemplateData(map[string]string{}, map[string]string{}, "", promql.Sample{F: 1.5})
	got, err := template.NewTemplateExpander(context.Background(), head+value.Value, alert, data, 0, nothing, &url.URL{}, nil).Expand()
	if _, after, found := strings.Cut(got, "%!"); err == nil && found {
		verb, _, _ := strings.Cut(after, ")")
		r.fail(value.Line, alert, fmt.Sprintf("%s prints %%!%s)", key.Value, verb),
			`a value is a number with a fraction: printf "%.0f" or "%.1f"`)
	}
}

// layer checks that an alert is of a layer that has objectives, or of one with quite another name.
func (r *run) layer(rf *unittest.RuleFile, id unittest.RuleID, rule rulefmt.Rule) {
	given := rule.Labels["layer"]
	if given == "" || r.layers[given] {
		return
	}
	for known := range r.layers {
		if levenshtein(given, known) <= 2 {
			r.fail(stack.Child(rf.Node(id, "labels"), "layer").Line, rule.Alert, fmt.Sprintf("no objective is of the layer %q", given), "is "+known+" meant?")
		}
	}
}
