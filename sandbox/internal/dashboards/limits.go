package dashboards

import (
	"fmt"
	"os"
	"slices"

	"github.com/prometheus/prometheus/promql/parser"
	"gopkg.in/yaml.v3"
)

// ReadLimits reads from rule files the numbers that each alert's expression is compared with, by the alert's name: one, or
// several where conditions are joined, as for burn rates. Alerts that compare with no number are left out.
func ReadLimits(files []string) (map[string][]float64, error) {
	limits := map[string][]float64{}
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
				if found := comparedWith(expr); len(found) > 0 {
					limits[rule.Alert] = found
				}
			}
		}
	}
	return limits, nil
}

// comparedWith are the numbers of "something > number", also of several that "or" or "and" joins, each once.
func comparedWith(expr parser.Expr) []float64 {
	switch e := expr.(type) {
	case *parser.ParenExpr:
		return comparedWith(e.Expr)
	case *parser.BinaryExpr:
		if e.Op == parser.LOR || e.Op == parser.LAND {
			all := comparedWith(e.LHS)
			for _, n := range comparedWith(e.RHS) {
				if !slices.Contains(all, n) {
					all = append(all, n)
				}
			}
			return all
		}
		if number, ok := e.RHS.(*parser.NumberLiteral); ok && e.Op.IsComparisonOperator() {
			return []float64{number.Val}
		}
	}
	return nil
}
