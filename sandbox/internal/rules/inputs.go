package rules

import (
	"fmt"

	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/rules/unittest"
	"obsandbox/sandbox/internal/stack"
)

// Queries are the named queries of an slos.yaml that stand for no objective: no rule has them, so tests must.
func Queries(file string) ([]Query, error) {
	slos, err := stack.LoadSLOs(file)
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	root, err := stack.DecodeFile(file, &doc)
	if err != nil {
		return nil, err
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value != "queries" {
			continue
		}
		for _, q := range root.Content[i+1].Content {
			for k := 0; k+1 < len(q.Content); k += 2 {
				if q.Content[k].Value == "name" {
					lines[q.Content[k+1].Value] = q.Line
				}
			}
		}
	}
	var out []Query
	for _, q := range slos.Queries {
		out = append(out, Query{Name: q.Name, Expr: q.Expr, File: file, Line: lines[q.Name]})
	}
	return out, nil
}

// Alert is an alert as Prometheus sends it, but for its times.
type Alert struct {
	Labels, Annotations map[string]string
}

// ExpectedAlerts are all alerts that tests expect to fire, each once: with what they really look like, notifications
// can be tried.
func ExpectedAlerts(tests []string) ([]Alert, error) {
	paths, err := TestFiles(tests)
	if err != nil {
		return nil, err
	}
	var out []Alert
	seen := map[string]bool{}
	for _, path := range paths {
		f, err := unittest.ReadFile(path)
		if err != nil {
			return nil, err
		}
		for _, c := range f.Cases {
			for _, t := range c.Alerts {
				for _, e := range t.Expect {
					a := Alert{Labels: map[string]string{"alertname": t.Name}, Annotations: e.Annotations}
					for name, value := range e.Labels {
						a.Labels[name] = value
					}
					if key := fmt.Sprint(a.Labels); !seen[key] {
						seen[key] = true
						out = append(out, a)
					}
				}
			}
		}
	}
	return out, nil
}
