package stack

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"gopkg.in/yaml.v3"
)

// SLOsFile has the service level objectives, below the stack directory.
const SLOsFile = "slos.yaml"

// SLOs are the service level objectives of slos.yaml.
type SLOs struct {
	// Window is the time over which every objective holds, such as 30d.
	Window Duration `yaml:"window"`
	SLOs   []SLO    `yaml:"slos"`
	// Queries are service level indicators that stand for no objective of their own.
	Queries []Query `yaml:"queries"`
}

// SLO is one objective.
type SLO struct {
	Name        string `yaml:"name"`
	Layer       string `yaml:"layer"`
	Description string `yaml:"description"`
	// Objective is the share of good events in percent, more than 0 and less than 100.
	Objective float64 `yaml:"objective"`
	SLI       SLI     `yaml:"sli"`
}

// ErrorBudget is the share of the window that may be bad: 43 m 12 s of 30 days for an objective of 99.9.
func (s SLO) ErrorBudget(window time.Duration) time.Duration {
	return time.Duration((100 - s.Objective) / 100 * float64(window))
}

// SLI says how the share of bad events is measured, either from two rates or as a ratio.
type SLI struct {
	Events *struct {
		ErrorQuery string `yaml:"error_query"`
		TotalQuery string `yaml:"total_query"`
	} `yaml:"events"`
	Raw *struct {
		ErrorRatioQuery string `yaml:"error_ratio_query"`
	} `yaml:"raw"`
}

// ErrorRatio is the PromQL expression of the share of bad events over a window such as "5m". While there are no events
// it has no value.
func (s SLI) ErrorRatio(window string) string {
	query := ""
	switch {
	case s.Raw != nil:
		query = s.Raw.ErrorRatioQuery
	case s.Events != nil:
		query = "(\n" + indent(s.Events.ErrorQuery) + "\n)\n  /\n(\n" + indent(s.Events.TotalQuery) + "\n    > 0\n)"
	}
	return windowPlaceholder.ReplaceAllString(query, window)
}

// indent puts an expression two columns to the right.
func indent(expr string) string { return "  " + strings.ReplaceAll(expr, "\n", "\n  ") }

// Query is a named PromQL expression.
type Query struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
	Expr        string `yaml:"expr"`
}

// Duration is a length of time as Prometheus writes it: 30d, 5m.
type Duration time.Duration

// UnmarshalYAML reads "30d".
func (d *Duration) UnmarshalYAML(node *yaml.Node) error {
	v, err := model.ParseDuration(node.Value)
	if err != nil {
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %v", node.Line, err)}}
	}
	*d = Duration(v)
	return nil
}

// String writes it back as Prometheus does.
func (d Duration) String() string { return model.Duration(d).String() }

var windowPlaceholder = regexp.MustCompile(`\{\{\s*\.window\s*\}\}`)

// LoadSLOs reads slos.yaml. Every error names the file and the line; expressions must be PromQL.
func LoadSLOs(file string) (*SLOs, error) {
	s := &SLOs{}
	root, err := DecodeFile(file, s)
	if err != nil {
		return nil, err
	}
	var errs []error
	fail := func(node *yaml.Node, format string, args ...any) {
		errs = append(errs, &FileError{File: file, Line: node.Line, Msg: fmt.Sprintf(format, args...)})
	}
	promql := parser.NewParser(parser.Options{})
	parse := func(node *yaml.Node, what string) {
		if node == nil {
			return
		}
		if _, err := promql.ParseExpr(windowPlaceholder.ReplaceAllString(node.Value, "5m")); err != nil {
			line, msg := promqlError(node, err)
			errs = append(errs, &FileError{File: file, Line: line, Msg: what + ": " + msg})
		}
	}
	if s.Window <= 0 {
		fail(root, "window is missing: the objectives hold over a time such as 30d")
	}
	names := map[string]bool{}
	named := func(node *yaml.Node, name string) {
		switch {
		case name == "":
			fail(node, "name is missing")
		case names[name]:
			fail(node, "the name %q stands twice", name)
		}
		names[name] = true
	}
	for i, slo := range s.SLOs {
		node := mapValue(root, "slos").Content[i]
		named(node, slo.Name)
		if slo.Layer == "" {
			fail(node, "slo %q: layer is missing", slo.Name)
		}
		if slo.Objective <= 0 || slo.Objective >= 100 {
			fail(node, "slo %q: objective is a percentage of more than 0 and less than 100, not %v", slo.Name, slo.Objective)
		}
		sli := mapValue(node, "sli")
		if (slo.SLI.Events == nil) == (slo.SLI.Raw == nil) {
			fail(node, "slo %q: sli needs either events (error_query and total_query) or raw (error_ratio_query)", slo.Name)
			continue
		}
		for _, key := range [][2]string{{"events", "error_query"}, {"events", "total_query"}, {"raw", "error_ratio_query"}} {
			kind := mapValue(sli, key[0])
			if kind == nil {
				continue
			}
			query := mapValue(kind, key[1])
			if query == nil || !windowPlaceholder.MatchString(query.Value) {
				fail(kind, "slo %q: %s.%s must be PromQL over the window {{.window}}", slo.Name, key[0], key[1])
				continue
			}
			parse(query, fmt.Sprintf("slo %q: %s", slo.Name, key[1]))
		}
	}
	for i, q := range s.Queries {
		node := mapValue(root, "queries").Content[i]
		named(node, q.Name)
		if q.Expr == "" {
			fail(node, "query %q: expr is missing", q.Name)
			continue
		}
		parse(mapValue(node, "expr"), fmt.Sprintf("query %q", q.Name))
	}
	if len(s.SLOs) == 0 {
		fail(root, "no slos")
	}
	return s, errors.Join(errs...)
}

// promqlError is where in the file an expression's first error stands, and what it is.
func promqlError(node *yaml.Node, err error) (line int, msg string) {
	line, msg = node.Line, err.Error()
	var perrs parser.ParseErrors
	if errors.As(err, &perrs) && len(perrs) > 0 {
		msg = perrs[0].Err.Error()
		start := min(int(perrs[0].PositionRange.Start), len(node.Value))
		if node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
			line += 1 + strings.Count(node.Value[:start], "\n")
		}
	}
	return line, msg
}
