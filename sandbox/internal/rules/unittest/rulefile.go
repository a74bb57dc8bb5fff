package unittest

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/stack"
)

// ParserOptions are the ones that promtool parses rules with.
func ParserOptions() parser.Options { return parser.Options{ExperimentalDurationExpr: true} }

// RuleFile is a rule file with the places of its rules.
type RuleFile struct {
	Path   string
	Groups []rulefmt.RuleGroup
	// Nodes has each rule's YAML, by group and rule.
	Nodes  [][]*yaml.Node
	groups []*yaml.Node
	// Errs is what promtool says of a file that it does not load; Groups may be incomplete then.
	Errs []error
}

// RuleFiles reads each rule file once. It may be used by many goroutines.
type RuleFiles struct {
	mu    sync.Mutex
	files map[string]*RuleFile
}

// NewRuleFiles returns an empty cache.
func NewRuleFiles() *RuleFiles { return &RuleFiles{files: map[string]*RuleFile{}} }

// Get reads and checks a rule file as promtool does.
func (r *RuleFiles) Get(path string) *RuleFile {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, ok := r.files[path]
	if !ok {
		f = readRuleFile(path)
		r.files[path] = f
	}
	return f
}

// Load is the groups of a rule file, or why promtool does not load it.
func (r *RuleFiles) Load(path string) ([]rulefmt.RuleGroup, []error) {
	f := r.Get(path)
	return f.Groups, f.Errs
}

func readRuleFile(path string) *RuleFile {
	f := &RuleFile{Path: path}
	data, err := os.ReadFile(path)
	if err != nil {
		f.Errs = []error{fmt.Errorf("%s: %w", path, errors.Unwrap(err))}
		return f
	}
	groups, errs := rulefmt.Parse(data, false, model.UTF8Validation, parser.NewParser(ParserOptions()), promslog.NewNopLogger())
	for _, err := range errs {
		f.Errs = append(f.Errs, fmt.Errorf("%s: %w", path, err))
	}
	if groups == nil {
		return f
	}
	f.Groups = groups.Groups
	var doc yaml.Node
	_ = yaml.Unmarshal(data, &doc) // lines only
	root := &doc
	if len(doc.Content) > 0 {
		root = doc.Content[0]
	}
	for i, g := range f.Groups {
		var nodes []*yaml.Node
		for j := range g.Rules {
			nodes = append(nodes, stack.Item(stack.Child(stack.Item(stack.Child(root, "groups"), i), "rules"), j))
		}
		f.Nodes = append(f.Nodes, nodes)
		f.groups = append(f.groups, stack.Item(stack.Child(root, "groups"), i))
	}
	return f
}

// RuleID names a rule: alerts of the same name may stand in several places.
type RuleID struct {
	File        string
	Group, Rule int
}

// Line is the line of a key of a rule ("expr", "labels"), of the rule itself where it has no such key.
func (f *RuleFile) Line(id RuleID, key string) int {
	node := f.Nodes[id.Group][id.Rule]
	if n := stack.Child(node, key); key != "" && n.Line > 0 {
		return n.Line
	}
	return node.Line
}

// GroupLine is the line of a group.
func (f *RuleFile) GroupLine(group int) int { return f.groups[group].Line }

// Node is the YAML of a rule's key; an empty node where it has none.
func (f *RuleFile) Node(id RuleID, key string) *yaml.Node {
	return stack.Child(f.Nodes[id.Group][id.Rule], key)
}

// RuleName is an alert's name, or a recorded metric with the labels that its rule sets: several rules may record one
// metric.
func RuleName(rule rulefmt.Rule) string {
	if rule.Alert != "" || len(rule.Labels) == 0 {
		return rule.Alert + rule.Record
	}
	return rule.Record + labels.FromMap(rule.Labels).String()
}
