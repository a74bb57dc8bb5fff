package stack

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// checkAlertLabels says which alert lacks a label that Alertmanager groups or inhibits by, where all others of its rule
// group have it: its notification would be of no group, and what is critical would keep no warning silent. A label that
// its series may have is not asked for.
func (s *Stack) checkAlertLabels(files []string) []error {
	if !s.Has(MetricsFile) {
		return nil // what labels series have is not known
	}
	catalogue, err := LoadMetrics(s.Path(MetricsFile))
	if err != nil {
		return nil // said where the platform is judged
	}
	docs := map[string]*yaml.Node{} // by file
	for _, file := range files {
		var doc yaml.Node
		if _, err := DecodeFile(file, &doc); err == nil { // said by whoever reads it first
			docs[file] = doc.Content[0]
		}
	}
	var errs []error
	for _, label := range s.groupingLabels() {
		if slices.ContainsFunc(catalogue.Metrics, func(m *Metric) bool {
			return slices.ContainsFunc(m.Labels, func(l Label) bool { return l.Name == label })
		}) {
			continue
		}
		for _, file := range files {
			_ = each(mapValue(docs[file], "groups"), func(group *yaml.Node) error {
				if alert := oneWithout(mapValue(group, "rules"), label); alert != nil {
					name := mapValue(alert, "alert")
					errs = append(errs, &FileError{File: file, Line: name.Line, Msg: fmt.Sprintf(
						"alert %s: no label %s, which the other alerts of its group have: alertmanager groups or inhibits by it", name.Value, label)})
				}
				return nil
			})
		}
	}
	return errs
}

// oneWithout is the one alert among at least three that does not have a label, and does not name it in its expression.
func oneWithout(rules *yaml.Node, label string) *yaml.Node {
	var without *yaml.Node
	with := 0
	word := regexp.MustCompile(`\b` + regexp.QuoteMeta(label) + `\b`)
	_ = each(rules, func(rule *yaml.Node) error {
		switch expr := mapValue(rule, "expr"); {
		case mapValue(rule, "alert") == nil || expr == nil:
		case Child(Child(rule, "labels"), label).Value != "": // one without a text is no label
			with++
		case without != nil || word.MatchString(expr.Value) || recorded.MatchString(expr.Value):
			with = -1 << 20 // it is not the only one, or may have the label from its series
		default:
			without = rule
		}
		return nil
	})
	if with < 2 {
		return nil
	}
	return without
}

// recorded is the name of a series that a rule records, which may have any label.
var recorded = regexp.MustCompile(`\w:\w`)

// groupingLabels are those of the stack's Alertmanager: group_by of its routes and equal of its inhibitions.
func (s *Stack) groupingLabels() []string {
	c, err := s.Component("alertmanager")
	if err != nil || len(c.Config) == 0 {
		return nil
	}
	var doc yaml.Node
	root, err := DecodeFile(s.Path(c.Config[0]), &doc)
	if err != nil {
		return nil // Alertmanager's own to say
	}
	var labels []string
	var walk func(node *yaml.Node)
	walk = func(node *yaml.Node) {
		for i, child := range node.Content {
			if key := node.Content[max(0, i-1)].Value; node.Kind == yaml.MappingNode && i%2 == 1 && (key == "group_by" || key == "equal") {
				for _, label := range child.Content {
					if label.Value != "alertname" && label.Value != "..." && !strings.Contains(label.Value, " ") {
						labels = append(labels, label.Value)
					}
				}
			}
			walk(child)
		}
	}
	walk(root)
	slices.Sort(labels)
	return slices.Compact(labels)
}
