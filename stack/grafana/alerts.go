package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
	"gopkg.in/yaml.v3"
)

// limits are the alerts' thresholds, in the unit of the alert's expression.
type limits struct {
	byAlert map[string]limit
	// missing are the alerts that a dashboard asked for and that have no limit.
	missing []string
}

// limit is where an alert's expression is compared with a number.
type limit struct {
	value float64
	// below says that what is under the value is bad; otherwise what is over it.
	below bool
}

// of is an alert's limit. One that is not there is noted, and no dashboard is written.
func (l *limits) of(alert string) *limit {
	found, ok := l.byAlert[alert]
	if !ok {
		l.missing = append(l.missing, alert)
	}
	return &found
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
	all := &limits{byAlert: map[string]limit{}}
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
				if found, ok := comparison(expr); ok {
					all.byAlert[rule.Alert] = found
				}
			}
		}
	}
	return all, nil
}

// comparison is the limit of "something > number", also where it is the first of several that an "or" joins.
func comparison(expr parser.Expr) (limit, bool) {
	switch e := expr.(type) {
	case *parser.ParenExpr:
		return comparison(e.Expr)
	case *parser.BinaryExpr:
		if e.Op == parser.LOR {
			return comparison(e.LHS)
		}
		number, ok := e.RHS.(*parser.NumberLiteral)
		if !ok || !e.Op.IsComparisonOperator() {
			return limit{}, false
		}
		return limit{value: number.Val, below: e.Op == parser.LSS || e.Op == parser.LTE || e.Op == parser.EQLC}, true
	}
	return limit{}, false
}
