package stack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"gopkg.in/yaml.v3"
)

// Headings are the anchors of a Markdown file's headings, as its publisher makes them: "## High Load" is "high-load".
func Headings(file string) (map[string]bool, error) {
	source, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the runbook: %s: %w", file, errors.Unwrap(err))
	}
	doc := goldmark.New(goldmark.WithParserOptions(parser.WithAutoHeadingID())).Parser().Parse(text.NewReader(source))
	anchors := map[string]bool{}
	err = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if heading, ok := n.(*ast.Heading); ok && entering {
			if id, ok := heading.AttributeString("id"); ok {
				if id, ok := id.([]byte); ok {
					anchors[string(id)] = true
				}
			}
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the runbook %s: %w", file, err)
	}
	return anchors, nil
}

// CheckRunbook follows the runbook_url of every alert in the stack's rule files to its heading.
func (s *Stack) CheckRunbook() error {
	if s.Runbook.File == "" {
		return nil
	}
	anchors, err := Headings(s.Path(s.Runbook.File))
	if err != nil {
		return err
	}
	files, err := s.RuleFiles()
	if err != nil {
		return err
	}
	var errs []error
	for _, file := range files {
		var doc yaml.Node
		if _, err := DecodeFile(file, &doc); err != nil {
			errs = append(errs, err)
			continue
		}
		walkAlerts(doc.Content[0], func(alert *yaml.Node) {
			name := mapValue(alert, "alert")
			fail := func(node *yaml.Node, format string, args ...any) {
				errs = append(errs, &FileError{File: file, Line: node.Line, Msg: "alert " + name.Value + ": " + fmt.Sprintf(format, args...)})
			}
			url := mapValue(mapValue(alert, "annotations"), "runbook_url")
			if url == nil {
				fail(name, "no runbook_url among its annotations")
				return
			}
			page, anchor, _ := strings.Cut(url.Value, "#")
			if page != s.Runbook.URL {
				fail(url, "runbook_url must start with %s# (runbook.url in %s)", s.Runbook.URL, FileName)
			} else if !anchors[anchor] {
				fail(url, "runbook_url leads to #%s, and %s has no such heading", anchor, s.Runbook.File)
			}
		})
	}
	return errors.Join(errs...)
}

// RuleFiles are the rule files that the stack's prometheus.yml loads. A pattern that matches no file is an error:
// Prometheus would start without the rules and say nothing.
func (s *Stack) RuleFiles() ([]string, error) {
	c, err := s.Component("prometheus")
	if err != nil || len(c.Config) == 0 {
		return nil, err
	}
	config := s.Path(c.Config[0])
	var doc yaml.Node
	if _, err := DecodeFile(config, &doc); err != nil {
		return nil, err
	}
	var files []string
	err = each(mapValue(doc.Content[0], "rule_files"), func(pattern *yaml.Node) error {
		found, err := filepath.Glob(hostPath(prometheusDir, config, pattern.Value))
		if err == nil && len(found) == 0 {
			err = errors.New("matches no file: no rule of it would be loaded")
		}
		if err != nil {
			return &FileError{File: config, Line: pattern.Line, Msg: fmt.Sprintf("rule_files: %s: %v", pattern.Value, err)}
		}
		files = append(files, found...)
		return nil
	})
	return files, err
}

// walkAlerts calls fn for every alerting rule of a rule file.
func walkAlerts(root *yaml.Node, fn func(alert *yaml.Node)) {
	groups := mapValue(root, "groups")
	if groups == nil {
		return
	}
	for _, group := range groups.Content {
		rules := mapValue(group, "rules")
		if rules == nil {
			continue
		}
		for _, rule := range rules.Content {
			if mapValue(rule, "alert") != nil {
				fn(rule)
			}
		}
	}
}
