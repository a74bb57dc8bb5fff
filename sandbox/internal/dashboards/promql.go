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
			expanded := d.Expanded(q)
			_, err := promql.ParseExpr(expanded)
			if err == nil && opt.PromQL != nil {
				err = opt.PromQL(expanded)
			}
			if err != nil {
				found = append(found, finding{q.Line(), p.Title, fmt.Sprintf("query %s: %v", q.RefID, err)})
			}
		}
	}
	return found
}

// longRange is the shortest fixed range that says something of its own ("of the last hour"); anything shorter is a rate
// of the present, which loses peaks when people zoom out and shows gaps when they zoom in.
const longRange = 30 * time.Minute

func findRateInterval(d *Dashboard, _ []*Dashboard, _ Options) []finding {
	var found []finding
	promql := parser.NewParser(parser.Options{})
	// A number of seconds that nobody writes, so that the variable is known again in the parsed expression.
	const mark = 987 * time.Second
	for _, p := range d.Panels {
		for _, q := range p.Queries {
			if q.Datasource != "prometheus" {
				continue
			}
			marked := Expand(q.Text, func(name string) (string, bool) {
				if name == "__rate_interval" {
					return "987s", true
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
					found = append(found, finding{q.Line(), p.Title, fmt.Sprintf("query %s: %s over %s: take $__rate_interval, which follows the panel's step and the scrape interval", q.RefID, call.Func.Name, m.Range)})
				}
				return nil
			})
		}
	}
	return found
}
