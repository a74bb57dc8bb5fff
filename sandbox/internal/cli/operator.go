package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/stack"
)

var prometheusRule = regexp.MustCompile(`(?m)^kind:\s*["']?PrometheusRule\b`)

// isPrometheusRule says whether one of a file's documents is a PrometheusRule of the Prometheus operator.
func isPrometheusRule(data []byte) bool { return prometheusRule.Match(data) }

var template = regexp.MustCompile(`\{%|\{\{-|\{\{ *(\.Values|\.Release|include|template|if|range|with)\b`)

// noYAML is the result of a file that cannot be read: it is left out where it is a template, of Helm or Jinja, which is to
// be rendered before it is anything.
func noYAML(path, rel string) report.Result {
	res := report.Result{Suite: "configuration", Name: rel + " is YAML", Status: report.Fail, File: rel}
	data, err := os.ReadFile(path)
	if err == nil {
		err = stack.YAMLErrors(rel, data, yaml.Unmarshal(data, new(yaml.Node)))
	}
	var at *stack.FileError
	if errors.As(err, &at) {
		res.Line = at.Line
	}
	res.Detail = err.Error()
	if template.Match(data) {
		res.Status, res.Detail = report.Skip, "it is a template: render it first, and test what comes out"
	}
	return res
}

// specs are rules as Prometheus loads them, each from a PrometheusRule.
type specs struct {
	dir   string
	files []checked
}

// specsOf takes the rules out of PrometheusRules, into a new directory. Their lines keep their numbers.
func specsOf(manifests []string) (specs, error) {
	var s specs
	if len(manifests) == 0 {
		return s, nil
	}
	var err error
	if s.dir, err = os.MkdirTemp("", "prometheusrules-"); err != nil {
		return s, fmt.Errorf("read PrometheusRules: %w", err)
	}
	for _, path := range manifests {
		if err := s.add(path); err != nil {
			return s, errors.Join(err, os.RemoveAll(s.dir))
		}
	}
	return s, nil
}

func (s *specs) add(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, errors.Unwrap(err))
	}
	lines := strings.Split(string(data), "\n")
	for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return stack.YAMLErrors(path, data, err)
		}
		spec := stack.Child(doc.Content[0], "spec")
		if stack.Child(doc.Content[0], "kind").Value != "PrometheusRule" {
			continue
		}
		as := filepath.Join(s.dir, fmt.Sprintf("%d.yml", len(s.files)))
		text := block(lines, spec)
		if text == "" { // JSON, or an empty one
			out, err := yaml.Marshal(spec)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			text = string(out)
		}
		if err := os.WriteFile(as, []byte(text), 0o600); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		s.files = append(s.files, checked{path, as})
	}
}

// block is a mapping in YAML's block style by itself, on the lines that it has in its file; empty for any other node.
func block(lines []string, node *yaml.Node) string {
	if node.Kind != yaml.MappingNode || node.Style&yaml.FlowStyle != 0 || len(node.Content) == 0 {
		return ""
	}
	indent := strings.Repeat(" ", node.Column-1)
	if indent == "" || !strings.HasPrefix(lines[node.Line-1], indent) {
		return ""
	}
	out := make([]string, node.Line-1)
	for _, line := range lines[node.Line-1:] {
		rest, inside := strings.CutPrefix(line, indent)
		if !inside && strings.TrimSpace(line) != "" && !strings.HasPrefix(strings.TrimSpace(line), "#") {
			break
		}
		out = append(out, rest)
	}
	return strings.Join(out, "\n") + "\n"
}
