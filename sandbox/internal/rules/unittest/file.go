package unittest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	yamlv2 "go.yaml.in/yaml/v2"
	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/stack"
)

// File is one test file in promtool's format.
type File struct {
	Path string
	// Patterns are the entries of rule_files, each with the files it matches.
	Patterns []Pattern
	// RuleFiles are the files of all patterns.
	RuleFiles []string
	Cases     []Case

	interval   time.Duration
	fuzzy      bool
	groupOrder map[string]int
}

// Pattern is an entry of rule_files.
type Pattern struct {
	Text    string
	Line    int
	Matches []string
}

// Case is one entry of tests.
type Case struct {
	// Name is what promtool calls it: its own name, or "unnamed#0" with its index.
	Name string
	Line int
	// Alerts are the alert_rule_test entries, Exprs the promql_expr_test entries.
	Alerts []AlertTest
	Exprs  []ExprTest
	Input  []Series

	named          bool
	interval       model.Duration
	externalLabels labels.Labels
	externalURL    string
	start          time.Time
}

// Series is an input series; Text and Values are as the file has them.
type Series struct {
	Text, Values string
	Line         int
}

// AlertTest says which alerts of a name fire at a time.
type AlertTest struct {
	Line   int
	At     time.Duration
	Name   string
	Expect []ExpectedAlert
}

// ExpectedAlert is an alert as it is sent, without its label alertname.
type ExpectedAlert struct {
	Labels, Annotations map[string]string
}

// ExprTest says what an expression is at a time.
type ExprTest struct {
	Line   int
	At     time.Duration
	Expr   string
	Expect []ExpectedSample
}

// ExpectedSample is a series with its value; Histogram, where it is not empty, stands for the value.
type ExpectedSample struct {
	Labels    string
	Value     float64
	Histogram string
}

// The file's format, as promtool declares it.
type fileYAML struct {
	RuleFiles          []string       `yaml:"rule_files"`
	EvaluationInterval model.Duration `yaml:"evaluation_interval,omitempty"`
	GroupEvalOrder     []string       `yaml:"group_eval_order"`
	Tests              []caseYAML     `yaml:"tests"`
	FuzzyCompare       bool           `yaml:"fuzzy_compare,omitempty"`
}

type caseYAML struct {
	Interval    model.Duration `yaml:"interval"`
	InputSeries []struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	} `yaml:"input_series"`
	AlertRuleTests []struct {
		EvalTime  model.Duration `yaml:"eval_time"`
		Alertname string         `yaml:"alertname"`
		ExpAlerts []struct {
			ExpLabels      map[string]string `yaml:"exp_labels"`
			ExpAnnotations map[string]string `yaml:"exp_annotations"`
		} `yaml:"exp_alerts"`
	} `yaml:"alert_rule_test,omitempty"`
	PromqlExprTests []struct {
		Expr       string         `yaml:"expr"`
		EvalTime   model.Duration `yaml:"eval_time"`
		ExpSamples []struct {
			Labels    string  `yaml:"labels"`
			Value     float64 `yaml:"value"`
			Histogram string  `yaml:"histogram"`
		} `yaml:"exp_samples"`
	} `yaml:"promql_expr_test,omitempty"`
	ExternalLabels labels.Labels  `yaml:"external_labels,omitempty"`
	ExternalURL    string         `yaml:"external_url,omitempty"`
	TestGroupName  string         `yaml:"name,omitempty"`
	StartTimestamp startTimestamp `yaml:"start_timestamp,omitempty"`
}

// startTimestamp is a Unix time in seconds or an RFC 3339 time.
type startTimestamp struct{ time.Time }

func (t *startTimestamp) UnmarshalYAML(unmarshal func(any) error) error {
	var s string
	if err := unmarshal(&s); err != nil {
		return err
	}
	if seconds, err := strconv.ParseFloat(s, 64); err == nil {
		whole := int64(seconds)
		t.Time = time.Unix(whole, int64((seconds-float64(whole))*1e9)).UTC()
		return nil
	}
	parsed, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return fmt.Errorf("cannot parse %q to a valid timestamp", s)
	}
	t.Time = parsed
	return nil
}

// ReadFile reads a test file as strictly as promtool does.
func ReadFile(path string) (*File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the test file %s: %w", path, errors.Unwrap(err))
	}
	var in fileYAML
	// promtool's own YAML library, for the same verdict on what is not quite YAML.
	if err := yamlv2.UnmarshalStrict(data, &in); err != nil {
		return nil, stack.YAMLErrors(path, data, err)
	}
	var doc yaml.Node
	_ = yaml.Unmarshal(data, &doc) // lines only; promtool's library has accepted the file
	root := &doc
	if len(doc.Content) > 0 {
		root = doc.Content[0]
	}
	f := &File{Path: path, interval: time.Duration(in.EvaluationInterval), fuzzy: in.FuzzyCompare, groupOrder: map[string]int{}}
	if f.interval == 0 {
		f.interval = time.Minute
	}
	for i, name := range in.GroupEvalOrder {
		if _, ok := f.groupOrder[name]; ok {
			return nil, &stack.FileError{
				File: path, Line: stack.Item(stack.Child(root, "group_eval_order"), i).Line, Msg: "group name repeated in evaluation order: " + name,
			}
		}
		f.groupOrder[name] = i
	}
	for i, text := range in.RuleFiles {
		pattern := text
		if pattern != "" && !filepath.IsAbs(pattern) {
			pattern = filepath.Join(filepath.Dir(path), pattern)
		}
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, &stack.FileError{
				File: path, Line: stack.Item(stack.Child(root, "rule_files"), i).Line, Msg: fmt.Sprintf("rule_files: %s: %v", text, err),
			}
		}
		f.Patterns = append(f.Patterns, Pattern{Text: text, Line: stack.Item(stack.Child(root, "rule_files"), i).Line, Matches: found})
		f.RuleFiles = append(f.RuleFiles, found...)
	}
	for i, c := range in.Tests {
		f.Cases = append(f.Cases, newCase(i, c, stack.Item(stack.Child(root, "tests"), i), f.interval))
	}
	return f, nil
}

func newCase(i int, in caseYAML, node *yaml.Node, interval time.Duration) Case {
	c := Case{
		Name: in.TestGroupName, Line: node.Line, named: in.TestGroupName != "", interval: in.Interval,
		externalLabels: in.ExternalLabels, externalURL: in.ExternalURL, start: in.StartTimestamp.Time,
	}
	if !c.named {
		c.Name = fmt.Sprintf("unnamed#%d", i)
	}
	if c.interval == 0 {
		c.interval = model.Duration(interval)
	}
	for j, s := range in.InputSeries {
		c.Input = append(c.Input, Series{Text: s.Series, Values: s.Values, Line: stack.Item(stack.Child(node, "input_series"), j).Line})
	}
	for j, a := range in.AlertRuleTests {
		t := AlertTest{Line: stack.Item(stack.Child(node, "alert_rule_test"), j).Line, At: time.Duration(a.EvalTime), Name: a.Alertname}
		for _, e := range a.ExpAlerts {
			t.Expect = append(t.Expect, ExpectedAlert{Labels: e.ExpLabels, Annotations: e.ExpAnnotations})
		}
		c.Alerts = append(c.Alerts, t)
	}
	for j, e := range in.PromqlExprTests {
		t := ExprTest{Line: stack.Item(stack.Child(node, "promql_expr_test"), j).Line, At: time.Duration(e.EvalTime), Expr: e.Expr}
		for _, s := range e.ExpSamples {
			t.Expect = append(t.Expect, ExpectedSample{Labels: s.Labels, Value: s.Value, Histogram: s.Histogram})
		}
		c.Exprs = append(c.Exprs, t)
	}
	return c
}

// begin is the time that the case's times count from.
func (c *Case) begin() time.Time {
	if c.start.IsZero() {
		return time.Unix(0, 0).UTC()
	}
	return c.start
}

// end is the latest time that the case looks at.
func (c *Case) end() time.Duration {
	var end time.Duration
	for _, a := range c.Alerts {
		end = max(end, a.At)
	}
	for _, e := range c.Exprs {
		end = max(end, e.At)
	}
	return end
}
