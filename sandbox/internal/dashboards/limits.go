package dashboards

import (
	"fmt"
	"os"

	"github.com/prometheus/prometheus/promql/parser"
	"gopkg.in/yaml.v3"
)

// ReadLimits reads from rule files the number that each alert's expression is compared with, by the alert's name. Alerts
// that compare with no number are left out.
func ReadLimits(files []string) (map[string]float64, error) {
	limits := map[string]float64{}
	promql := parser.NewParser(parser.Options{})
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the alerts' limits: %w", err)
		}
		var doc struct {
			Groups []struct {
				Rules []struct{ Alert, Expr string }
			}
		}
		if err := yaml.Unmarshal(data, &doc); err != nil {
			return nil, fmt.Errorf("read the alerts' limits: %s: %w", file, err)
		}
		for _, group := range doc.Groups {
			for _, rule := range group.Rules {
				if rule.Alert == "" {
					continue
				}
				expr, err := promql.ParseExpr(rule.Expr)
				if err != nil {
					return nil, fmt.Errorf("read the alerts' limits: %s: alert %s: %w", file, rule.Alert, err)
				}
				if limit, ok := comparedWith(expr); ok {
					limits[rule.Alert] = limit
				}
			}
		}
	}
	return limits, nil
}

// comparedWith is the number of "something > number", also where it is the first of several that an "or" joins.
func comparedWith(expr parser.Expr) (float64, bool) {
	switch e := expr.(type) {
	case *parser.ParenExpr:
		return comparedWith(e.Expr)
	case *parser.BinaryExpr:
		if e.Op == parser.LOR {
			return comparedWith(e.LHS)
		}
		if number, ok := e.RHS.(*parser.NumberLiteral); ok && e.Op.IsComparisonOperator() {
			return number.Val, true
		}
	}
	return 0, false
}
