package dashboards

import (
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

func findPromQL(d *Dashboard, _ []*Dashboard, opt Options) []finding {
	var found []finding
	promql := parser.NewParser(parser.Options{})
	for _, p := range d.Panels {
		for _, q := range p.Queries {
			if q.Datasource != "prometheus" {
				continue
			}
			if strings.TrimSpace(q.Text) == "" {
				found = append(found, finding{q.Line(), p.Title, "query " + q.RefID + " is empty"})
				continue
			}
			var err error
			for _, text := range d.tries(q) {
				_, failed := promql.ParseExpr(text)
				if failed == nil {
					err = nil
					if opt.PromQL != nil {
						err = opt.PromQL(text)
					}
					break
				}
				if err == nil { // the first says what is wrong
					err = failed
				}
			}
			for _, err := range each(err) {
				found = append(found, finding{q.Line(), p.Title, fmt.Sprintf("query %s: %v", q.RefID, err)})
			}
		}
	}
	return found
}

// each are the errors that are joined in one.
func each(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// longRange is the shortest fixed range that says something of its own ("of the last hour"); anything shorter is a rate
// of the present, which loses peaks when people zoom out and shows gaps when they zoom in.
const longRange = 30 * time.Minute

func findRateInterval(d *Dashboard, _ []*Dashboard, _ Options) []finding {
	var found []finding
	promql := parser.NewParser(parser.Options{})
	// Numbers of seconds that nobody writes, so that the variables are known again in the parsed expression.
	const mark, interval = 987 * time.Second, 986 * time.Second
	for _, p := range d.Panels {
		for _, q := range p.Queries {
			if q.Datasource != "prometheus" {
				continue
			}
			ranges := map[string]bool{}
			for _, m := range inRange.FindAllStringSubmatch(q.Text, -1) {
				ranges[m[1]] = true
			}
			stepped := q.node.str("interval") != "" || p.node.str("interval") != ""
			marked := Expand(q.Text, func(name string) (string, bool) {
				switch {
				case name == "__rate_interval":
					return "987s", true
				case name == "__interval" && stepped: // then it has a least length that somebody has thought of
					return "987s", true
				case name == "__interval" && ranges[name]:
					return "986s", true
				case ranges[name] && d.Variables[name] != nil: // people choose it
					return "987s", true
				}
				if v, ok := d.value(name); ok && v == unknown {
					return "value", true
				}
				return d.value(name)
			})
			expr, err := promql.ParseExpr(marked)
			if err != nil {
				continue // findPromQL says so
			}
			parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
				call, ok := n.(*parser.Call)
				if !ok || (call.Func.Name != "rate" && call.Func.Name != "irate" && call.Func.Name != "increase") {
					return nil
				}
				if m, ok := call.Args[0].(*parser.MatrixSelector); ok && m.Range != mark && m.Range < longRange {
					over := m.Range.String()
					if m.Range == interval {
						over = "$__interval, which may be shorter than two scrapes"
					}
					found = append(found, finding{q.Line(), p.Title, fmt.Sprintf("query %s: %s over %s: take $__rate_interval, which follows the panel's step and the scrape interval", q.RefID, call.Func.Name, over)})
				}
				return nil
			})
		}
	}
	return found
}

// oneSeries says that an expression gives a single series without labels, whose name nobody needs.
func oneSeries(text string) bool {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	return err == nil && unlabelled(expr)
}

func unlabelled(expr parser.Expr) bool {
	switch e := expr.(type) {
	case *parser.NumberLiteral:
		return true
	case *parser.ParenExpr:
		return unlabelled(e.Expr)
	case *parser.UnaryExpr:
		return unlabelled(e.Expr)
	case *parser.StepInvariantExpr:
		return unlabelled(e.Expr)
	case *parser.BinaryExpr:
		return unlabelled(e.LHS) && unlabelled(e.RHS)
	case *parser.AggregateExpr:
		many := e.Op == parser.TOPK || e.Op == parser.BOTTOMK || e.Op == parser.LIMITK || e.Op == parser.COUNT_VALUES
		return len(e.Grouping) == 0 && !e.Without && !many
	case *parser.Call:
		if e.Func.Name == "time" || e.Func.Name == "vector" || e.Func.Name == "scalar" {
			return true
		}
		vectors := 0
		for _, arg := range e.Args {
			if arg.Type() == parser.ValueTypeVector || arg.Type() == parser.ValueTypeMatrix {
				vectors++
				if !unlabelled(arg) {
					return false
				}
			}
		}
		return vectors > 0 && !strings.HasPrefix(e.Func.Name, "label_")
	}
	return false
}
