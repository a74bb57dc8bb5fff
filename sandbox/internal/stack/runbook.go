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

// Section is a heading of the runbook with what stands below it, up to the next heading.
type Section struct {
	// Anchor is the heading's, as the publisher makes it: "## High Load" is "high-load".
	Anchor, Title string
	Level, Line   int
	// Queries says that there is a block of PromQL; Before and After that there is text before and after the blocks.
	Queries, Before, After bool
}

// Sections are a Markdown file's sections, in order.
func Sections(file string) ([]Section, error) {
	source, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the runbook: %s: %w", file, errors.Unwrap(err))
	}
	doc := goldmark.New(goldmark.WithParserOptions(parser.WithAutoHeadingID())).Parser().Parse(text.NewReader(source))
	var all []Section
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		if heading, ok := n.(*ast.Heading); ok {
			s := Section{Level: heading.Level, Title: string(heading.Lines().Value(source))}
			if id, ok := heading.AttributeString("id"); ok {
				if id, ok := id.([]byte); ok {
					s.Anchor = string(id)
				}
			}
			if heading.Lines().Len() > 0 {
				s.Line = 1 + strings.Count(string(source[:heading.Lines().At(0).Start]), "\n")
			}
			all = append(all, s)
			continue
		}
		if len(all) == 0 {
			continue
		}
		last := &all[len(all)-1]
		block, isBlock := n.(*ast.FencedCodeBlock)
		switch {
		case isBlock && string(block.Language(source)) == "promql":
			last.Queries = true
		case last.Queries:
			last.After = true
		default:
			last.Before = true
		}
	}
	return all, nil
}

// CheckRunbook follows the runbook_url of every alert in the stack's rule files to its heading. What stands there must
// say what the alert means, how to look (PromQL) and what to do; a heading beside these that no alert leads to is an
// error, too.
func (s *Stack) CheckRunbook() error {
	if s.Runbook.File == "" {
		return nil
	}
	runbook := s.Path(s.Runbook.File)
	sections, err := Sections(runbook)
	if err != nil {
		return err
	}
	byAnchor := map[string]Section{}
	for _, section := range sections {
		byAnchor[section.Anchor] = section
	}
	files, err := s.RuleFiles()
	if err != nil {
		return err
	}
	used, levels := map[string]bool{}, map[int]bool{}
	errs := eachAlert(files, func(alert *yaml.Node, fail failAt) {
		url := mapValue(mapValue(alert, "annotations"), "runbook_url")
		if url == nil {
			fail(mapValue(alert, "alert"), "no runbook_url among its annotations")
			return
		}
		page, anchor, _ := strings.Cut(url.Value, "#")
		section, there := byAnchor[anchor]
		switch {
		case page != s.Runbook.URL:
			fail(url, "runbook_url must start with %s# (runbook.url in %s)", s.Runbook.URL, FileName)
		case !there:
			fail(url, "runbook_url leads to #%s, and %s has no such heading", anchor, s.Runbook.File)
		default:
			used[anchor], levels[section.Level] = true, true
		}
	})
	for _, section := range sections {
		fail := func(format string, args ...any) {
			errs = append(errs, &FileError{File: runbook, Line: section.Line, Msg: section.Title + ": " + fmt.Sprintf(format, args...)})
		}
		switch {
		case !used[section.Anchor] && levels[section.Level]:
			fail("no alert's runbook_url leads to this heading: take it out, or give the alert its name")
		case !used[section.Anchor]:
		case !section.Before:
			fail("say what the alert means before how to look")
		case !section.Queries:
			fail("say how to look, with queries in blocks of ```promql")
		case !section.After:
			fail("say what to do, after how to look")
		}
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
		if dir := directory(found); err == nil && dir != "" {
			err = fmt.Errorf("matches the directory %s, which is no rule file", dir)
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
