package stack

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// CheckAlerts says which alerts of the stack's rule files would not reach anybody who can make sense of them: a
// notification is made of summary and description, and routed by the severity, which the stack's Alertmanager must know.
func (s *Stack) CheckAlerts() error {
	files, err := s.RuleFiles()
	if err != nil {
		return err
	}
	known, err := s.severities()
	if err != nil {
		return err
	}
	errs := eachAlert(files, func(alert *yaml.Node, fail failAt) {
		name := mapValue(alert, "alert")
		annotations := mapValue(alert, "annotations")
		for _, key := range []string{"summary", "description"} {
			if text := mapValue(annotations, key); text == nil || strings.TrimSpace(text.Value) == "" {
				fail(name, "no %s among its annotations: its notification would be blank", key)
			}
		}
		if len(known) == 0 {
			return
		}
		switch severity := mapValue(mapValue(alert, "labels"), "severity"); {
		case severity == nil:
			fail(name, "no label severity: alertmanager routes by it")
		case !slices.Contains(known, severity.Value) && !strings.Contains(severity.Value, "{{"):
			fail(severity, "severity is %q, and alertmanager's routes know %s", severity.Value, strings.Join(known, ", "))
		}
	})
	errs = append(errs, s.checkAlertLabels(files)...)
	return errors.Join(append(errs, s.checkAlertRelabeling(files, known)...)...)
}

// failAt notes what is wrong with an alert, and where.
type failAt func(at *yaml.Node, format string, args ...any)

// eachAlert goes through the alerts of rule files, and has what is wrong with them or with the files.
func eachAlert(files []string, look func(alert *yaml.Node, fail failAt)) []error {
	var errs []error
	for _, file := range files {
		var doc yaml.Node
		if _, err := DecodeFile(file, &doc); err != nil {
			errs = append(errs, err)
			continue
		}
		walkAlerts(doc.Content[0], func(alert *yaml.Node) {
			look(alert, func(at *yaml.Node, format string, args ...any) {
				msg := "alert " + mapValue(alert, "alert").Value + ": " + fmt.Sprintf(format, args...)
				errs = append(errs, &FileError{File: file, Line: at.Line, Msg: msg})
			})
		})
	}
	return errs
}

var severityMatcher = regexp.MustCompile(`\bseverity\s*(?:=~?|:)\s*["']?([\w|]+)`)

// severities are those that the routes and inhibitions of the stack's Alertmanager name; none where it routes by
// something else.
func (s *Stack) severities() ([]string, error) {
	c, err := s.Component("alertmanager")
	if err != nil || len(c.Config) == 0 {
		return nil, nil // a stack without one
	}
	data, err := os.ReadFile(s.Path(c.Config[0]))
	if err != nil {
		return nil, fmt.Errorf("read which severities are routed: %w", err)
	}
	var known []string
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil || len(doc.Content) == 0 {
		return nil, nil // Alertmanager's own to say
	}
	var walk func(node *yaml.Node)
	walk = func(node *yaml.Node) {
		if node.Kind == yaml.ScalarNode {
			for _, m := range severityMatcher.FindAllStringSubmatch(node.Value, -1) {
				known = append(known, strings.Split(m[1], "|")...)
			}
		}
		for i, child := range node.Content {
			// match: {severity: critical}, the older way.
			if node.Kind == yaml.MappingNode && i%2 == 1 && node.Content[i-1].Value == "severity" && child.Kind == yaml.ScalarNode {
				known = append(known, strings.Split(child.Value, "|")...)
			}
			walk(child)
		}
	}
	for _, key := range []string{"route", "inhibit_rules"} {
		if node := mapValue(doc.Content[0], key); node != nil {
			walk(node)
		}
	}
	slices.Sort(known)
	return slices.Compact(known), nil
}
