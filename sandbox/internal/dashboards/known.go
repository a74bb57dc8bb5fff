package dashboards

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/catalogue"
	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/querystring"
	"obsandbox/sandbox/internal/stack"
)

// KnownSeries makes Options.PromQL: it holds queries against a metric catalogue and the series that rule files record.
func KnownSeries(metrics string, ruleFiles []string) (func(expr string) error, error) {
	known, err := stack.LoadMetrics(metrics)
	if err != nil {
		return nil, err
	}
	checker := catalogue.New(known)
	type rule struct {
		Record, Expr string
		Labels       map[string]string
	}
	var recorded []rule
	for _, file := range ruleFiles {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the recorded series: %w", err)
		}
		var doc struct{ Groups []struct{ Rules []rule } }
		if err := yaml.Unmarshal(data, &doc); err != nil {
			return nil, fmt.Errorf("read the recorded series: %s: %w", file, err)
		}
		for _, group := range doc.Groups {
			recorded = append(recorded, group.Rules...)
		}
	}
	for range 2 { // a rule may read what another records further down
		for _, r := range recorded {
			if r.Record != "" {
				checker.Record(r.Record, r.Expr, r.Labels)
			}
		}
	}
	return func(expr string) error {
		var errs []error
		for _, f := range checker.Expr(expr) {
			errs = append(errs, fmt.Errorf("%s: %s", f.Text, f.Hint))
		}
		return errors.Join(errs...)
	}, nil
}

// KnownFields makes Options.Lucene: it parses queries as the log store does, and holds their fields and values against
// the mapping of an index template.
func KnownFields(template string) (func(query string) error, error) {
	data, err := os.ReadFile(template)
	if err != nil {
		return nil, fmt.Errorf("read the log store's fields: %w", err)
	}
	var doc struct {
		Template struct{ Mappings map[string]any }
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("read the log store's fields: %s: %w", template, err)
	}
	fields, err := mapping.Empty(mapping.Limits{}).Merge(doc.Template.Mappings)
	if err != nil {
		return nil, fmt.Errorf("read the log store's fields: %s: %w", template, err)
	}
	return func(query string) error {
		tree, err := querystring.Parse(query, false)
		if err != nil {
			return fmt.Errorf("%w: write Lucene's query syntax", err)
		}
		return errors.Join(judgeFields(fields, tree)...)
	}, nil
}

func judgeFields(m *mapping.Mapping, n *querystring.Node) []error {
	var errs []error
	for _, c := range n.Clauses {
		errs = append(errs, judgeFields(m, c.Node)...)
	}
	if n.Field == "" || n.Field == "*" || strings.HasPrefix(n.Field, "_") || n.Kind == querystring.Bool {
		return errs
	}
	if strings.Contains(n.Field, "*") {
		if len(m.Matching(n.Field)) == 0 {
			errs = append(errs, fmt.Errorf("no field of the index template matches %s", n.Field))
		}
		return errs
	}
	f := m.Field(n.Field)
	switch {
	case f == nil:
		names := map[string]bool{}
		m.Fields(func(f *mapping.Field) { names[f.Name] = true })
		return append(errs, fmt.Errorf("no field %s in the index template, whose fields are %s", n.Field, strings.Join(slices.Sorted(maps.Keys(names)), ", ")))
	case !f.Searchable():
		return append(errs, fmt.Errorf("the field %s is not indexed: nothing can be found by it", n.Field))
	}
	if f.Numeric() && n.Kind != querystring.Exists && !n.Wild {
		for _, text := range []string{n.Text, n.Low, n.High} {
			if text == "" || text == "*" {
				continue
			}
			if _, err := f.Number(text, true); err != nil {
				errs = append(errs, fmt.Errorf("%s is %s: %q is none", n.Field, f.Type, text))
			}
		}
	}
	return errs
}
