package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
	"gopkg.in/yaml.v3"
)

// limits are the alerts' thresholds, in the unit of the alert's expression.
type limits struct {
	byAlert map[string][]limit
	// missing are the alerts that a dashboard asked for and that have no limit.
	missing []string
}

// limit is where an alert's expression is compared with a number.
type limit struct {
	value float64
	// below says that what is under the value is bad; otherwise what is over it.
	below bool
}

// of is an alert's first limit. One that is not there is noted, and no dashboard is written.
func (l *limits) of(alert string) *limit { return l.nth(alert, 0) }

// nth is one of an alert's limits, in the order of its expression, each once: a burn rate has one for each pair of windows.
func (l *limits) nth(alert string, n int) *limit {
	found := l.byAlert[alert]
	if n >= len(found) {
		l.missing = append(l.missing, alert)
		return &limit{}
	}
	return &found[n]
}

func (l *limits) err() error {
	if len(l.missing) == 0 {
		return nil
	}
	return fmt.Errorf("no alert whose expression ends in a comparison with a number: %s", strings.Join(l.missing, ", "))
}

// readLimits reads the threshold of every alert from its own expression, so that it is written once.
func readLimits(pattern string) (*limits, error) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("read the alerts' limits: %s: %w", pattern, err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("read the alerts' limits: no rule file matches %s", pattern)
	}
	all := &limits{byAlert: map[string][]limit{}}
	promql := parser.NewParser(parser.Options{})
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the alerts' limits: %w", err)
		}
		var rules struct {
			Groups []struct {
				Rules []struct{ Alert, Expr string }
			}
		}
		if err := yaml.Unmarshal(data, &rules); err != nil {
			return nil, fmt.Errorf("read the alerts' limits: %s: %w", file, err)
		}
		for _, group := range rules.Groups {
			for _, rule := range group.Rules {
				if rule.Alert == "" {
					continue
				}
				expr, err := promql.ParseExpr(rule.Expr)
				if err != nil {
					return nil, fmt.Errorf("read the alerts' limits: %s: alert %s: %w", file, rule.Alert, err)
				}
				if found := comparisons(expr); len(found) > 0 {
					all.byAlert[rule.Alert] = found
				}
			}
		}
	}
	return all, nil
}

// comparisons are the limits of "something > number", also of several that "or" or "and" joins, each once.
func comparisons(expr parser.Expr) []limit {
	switch e := expr.(type) {
	case *parser.ParenExpr:
		return comparisons(e.Expr)
	case *parser.BinaryExpr:
		if e.Op == parser.LOR || e.Op == parser.LAND {
			all := comparisons(e.LHS)
			for _, l := range comparisons(e.RHS) {
				if !slices.Contains(all, l) {
					all = append(all, l)
				}
			}
			return all
		}
		if number, ok := e.RHS.(*parser.NumberLiteral); ok && e.Op.IsComparisonOperator() {
			return []limit{{value: number.Val, below: e.Op == parser.LSS || e.Op == parser.LTE || e.Op == parser.EQLC}}
		}
	}
	return nil
}
