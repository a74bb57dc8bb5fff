// Package mutate tests the tests of rules: it changes one thing in one rule at a time, as a slip of the hand would,
// and asks whether a unit test notices. A change that none notices is a survivor: either a test is missing or the
// change means nothing, which a person must say, with the reason.
package mutate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/rules/unittest"
)

// Mutant is a rule with one change.
type Mutant struct {
	File string `json:"file"`
	Line int    `json:"line"`
	// Rule is the alert's name, or the recorded metric's with the labels that the rule sets.
	Rule string `json:"rule"`
	// Mutation says what was changed: "expr: > 10 → >= 10". It is unique within the rule.
	Mutation string `json:"mutation"`
	// Expr is the whole changed field.
	Expr string `json:"expr"`

	id   unittest.RuleID
	rule rulefmt.Rule
	// group, where it is set, stands for the rule's whole group.
	group *rulefmt.RuleGroup
	// config is Alertmanager's changed configuration.
	config string
}

// Mutants are all changes of all rules of a file.
func Mutants(rf *unittest.RuleFile) []Mutant {
	var all []Mutant
	for g, group := range rf.Groups {
		all = append(all, groupMutants(rf, g, group)...)
		for r, rule := range group.Rules {
			id := unittest.RuleID{File: rf.Path, Group: g, Rule: r}
			seen := map[string]int{}
			for _, m := range ruleMutants(rf, id, rule) {
				m.id, m.File, m.Rule = id, rf.Path, unittest.RuleName(rule)
				seen[m.Mutation]++
				if n := seen[m.Mutation]; n > 1 {
					m.Mutation += fmt.Sprintf(" (%d)", n)
				}
				all = append(all, m)
			}
		}
	}
	return all
}

func ruleMutants(rf *unittest.RuleFile, id unittest.RuleID, rule rulefmt.Rule) []Mutant {
	var all []Mutant
	node := rf.Node(id, "expr")
	for _, e := range exprMutants(rule.Expr) {
		changed := rule
		changed.Expr = e.expr
		all = append(all, Mutant{Line: lineIn(node, e.pos), Mutation: "expr: " + e.what, Expr: e.expr, rule: changed})
	}
	field := func(key, value, from, to string, change func(*rulefmt.Rule)) {
		changed := rule
		changed.Labels, changed.Annotations = maps.Clone(rule.Labels), maps.Clone(rule.Annotations)
		change(&changed)
		all = append(all, Mutant{Line: rf.Line(id, key), Mutation: fmt.Sprintf("%s: %s → %s", key, from, to), Expr: value, rule: changed})
	}
	durations := func(key string, d model.Duration, set func(*rulefmt.Rule, model.Duration)) {
		if d == 0 {
			return
		}
		for _, to := range []model.Duration{0, d / 2, d + d/2} {
			field(key, to.String(), d.String(), to.String(), func(r *rulefmt.Rule) { set(r, to) })
		}
	}
	durations("for", rule.For, func(r *rulefmt.Rule, d model.Duration) { r.For = d })
	durations("keep_firing_for", rule.KeepFiringFor, func(r *rulefmt.Rule, d model.Duration) { r.KeepFiringFor = d })
	for _, name := range slices.Sorted(maps.Keys(rule.Labels)) {
		value := rule.Labels[name]
		to := otherLabel(value)
		field("labels", to, name+"="+value, name+"="+to, func(r *rulefmt.Rule) { r.Labels[name] = to })
		field("labels", "", name+"="+value, "(none)", func(r *rulefmt.Rule) { delete(r.Labels, name) })
	}
	for _, name := range slices.Sorted(maps.Keys(rule.Annotations)) {
		field("annotations", "", name, "(none)", func(r *rulefmt.Rule) { delete(r.Annotations, name) })
	}
	return all
}

// otherLabel is a value that a label might have by mistake.
func otherLabel(value string) string {
	switch value {
	case "critical":
		return "warning"
	case "warning":
		return "critical"
	}
	return value + "-changed"
}

// groupMutants change what a group gives to its rules: the labels that it adds, and how far back it looks.
func groupMutants(rf *unittest.RuleFile, g int, group rulefmt.RuleGroup) []Mutant {
	if len(group.Rules) == 0 {
		return nil
	}
	var all []Mutant
	add := func(from, to, value string, change func(*rulefmt.RuleGroup)) {
		changed := group
		changed.Labels = maps.Clone(group.Labels)
		change(&changed)
		all = append(all, Mutant{
			File: rf.Path, Line: rf.GroupLine(g), Rule: "group " + group.Name, Mutation: from + " → " + to, Expr: value,
			id: unittest.RuleID{File: rf.Path, Group: g}, group: &changed,
		})
	}
	for _, name := range slices.Sorted(maps.Keys(group.Labels)) {
		value := group.Labels[name]
		to := otherLabel(value)
		add("labels: "+name+"="+value, name+"="+to, to, func(c *rulefmt.RuleGroup) { c.Labels[name] = to })
		add("labels: "+name+"="+value, "(none)", "", func(c *rulefmt.RuleGroup) { delete(c.Labels, name) })
	}
	return all
}

// lineIn is the line of a position in an expression.
func lineIn(node *yaml.Node, pos int) int {
	if node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		return node.Line
	}
	pos = min(pos, len(node.Value))
	return node.Line + 1 + strings.Count(node.Value[:pos], "\n")
}

// exprMutant is an expression with one change.
type exprMutant struct {
	expr, what string
	// pos is where the change is in the original, in bytes.
	pos int
}

// edit changes a parsed expression in place and can take that back.
type edit struct {
	what       string
	pos        int
	apply, out func()
}

func exprMutants(text string) []exprMutant {
	p := parser.NewParser(unittest.ParserOptions())
	root, err := p.ParseExpr(text)
	if err != nil {
		return nil
	}
	original := root.String()
	var all []exprMutant
	add := func(e edit, changed parser.Expr) {
		e.apply()
		got := changed.String()
		e.out()
		if _, err := p.ParseExpr(got); err != nil || got == original {
			return
		}
		all = append(all, exprMutant{expr: got, what: e.what, pos: e.pos})
	}
	parser.Inspect(root, func(node parser.Node, path []parser.Node) error {
		for _, e := range nodeEdits(node, path) {
			add(e, root)
		}
		return nil
	})
	// A side of a set operator left out, wherever it stands.
	parser.Inspect(root, func(node parser.Node, path []parser.Node) error {
		b, ok := node.(*parser.BinaryExpr)
		if !ok || !b.Op.IsSetOperator() {
			return nil
		}
		for _, side := range []parser.Expr{b.LHS, b.RHS} {
			what := fmt.Sprintf("%s → only %s", b.Op, short(side.String()))
			pos := int(b.PositionRange().Start)
			if len(path) == 0 {
				add(edit{what: what, pos: pos, apply: func() {}, out: func() {}}, side)
				continue
			}
			if set := slot(path[len(path)-1], b); set != nil {
				add(edit{what: what, pos: pos, apply: func() { set(side) }, out: func() { set(b) }}, root)
			}
		}
		return nil
	})
	return all
}

// slot is how a parent's child is replaced; nil where the parent is of no kind that has set operators in it.
func slot(parent parser.Node, child parser.Expr) func(parser.Expr) {
	switch n := parent.(type) {
	case *parser.BinaryExpr:
		if n.LHS == child {
			return func(e parser.Expr) { n.LHS = e }
		}
		return func(e parser.Expr) { n.RHS = e }
	case *parser.ParenExpr:
		return func(e parser.Expr) { n.Expr = e }
	case *parser.AggregateExpr:
		return func(e parser.Expr) { n.Expr = e }
	case *parser.SubqueryExpr:
		return func(e parser.Expr) { n.Expr = e }
	case *parser.Call:
		for i, arg := range n.Args {
			if arg == child {
				return func(e parser.Expr) { n.Args[i] = e }
			}
		}
	}
	return nil
}

// short keeps a mutation's name readable.
func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 60 {
		s = s[:57] + "…"
	}
	return s
}

func duration(d time.Duration) string { return model.Duration(d).String() }
