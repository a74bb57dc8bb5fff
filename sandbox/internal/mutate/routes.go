package mutate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	amlabels "github.com/prometheus/alertmanager/pkg/labels"
	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/amconfig"
	"obsandbox/sandbox/internal/routes"
	"obsandbox/sandbox/internal/stack"
)

// RouteOptions say which Alertmanager configuration is mutated, and by which tests.
type RouteOptions struct {
	// Config is Alertmanager's configuration file.
	Config string
	// Tests are files of route tests, patterns or directories.
	Tests []string
	// Equivalents is as in Options.
	Equivalents string
	// Root is what file names in results are relative to.
	Root string
}

// Routes judges every mutant of the routes, inhibition rules and time intervals: matchers dropped and turned around,
// receivers, continue, grouping, the order of routes, what must be equal, when a route is silent. How long
// Alertmanager waits (group_wait and the like) is not changed: the tests are about who hears of an alert, not when.
// The error says that it could not, as when the tests fail without any mutation.
func Routes(ctx context.Context, opts RouteOptions) (*Outcome, error) {
	files, err := routes.TestFiles(opts.Tests)
	if err != nil {
		return nil, err
	}
	own := Options{Equivalents: opts.Equivalents, Root: opts.Root, what: "the routes and of inhibition"}
	equivalents, equivalentsFile, err := own.equivalents(files)
	if err != nil {
		return nil, err
	}
	var cases []*routes.Case
	router, err := routes.Load(opts.Config)
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		f, err := routes.ReadFile(path)
		if err != nil {
			return nil, err
		}
		for i := range f.Tests {
			ok, err := router.Passes(ctx, &f.Tests[i])
			if err != nil {
				return nil, err
			}
			if !ok {
				return nil, fmt.Errorf("%s: test %q fails without any mutation: make the route tests pass first", path, f.Tests[i].Name)
			}
			cases = append(cases, &f.Tests[i])
		}
	}
	mutants, err := RouteMutants(opts.Config)
	if err != nil {
		return nil, err
	}
	killed := make([]bool, len(mutants))
	for i := range mutants {
		if killed[i], err = routeNoticed(ctx, mutants[i].config, cases); err != nil {
			return nil, err
		}
	}
	return own.outcome(mutants, killed, equivalents, equivalentsFile), nil
}

func routeNoticed(ctx context.Context, config string, cases []*routes.Case) (bool, error) {
	router, err := routes.Parse(config)
	if err != nil {
		return true, nil // amtool refuses it
	}
	for _, c := range cases {
		if ok, err := router.Passes(ctx, c); err != nil || !ok {
			return err == nil, err
		}
	}
	return false, ctx.Err()
}

// RouteMutants are all changes of an Alertmanager configuration.
func RouteMutants(file string) ([]Mutant, error) {
	root, err := routes.ReadYAML(file)
	if err != nil {
		return nil, err
	}
	m := &routeMutator{file: file, root: root, seen: map[string]int{}}
	for _, r := range stack.Child(root, "receivers").Content {
		m.receivers = append(m.receivers, stack.Child(r, "name").Value)
	}
	m.route(stack.Child(root, "route"), "route", nil)
	m.inhibition(stack.Child(root, "inhibit_rules"))
	m.intervals(stack.Child(root, "time_intervals"))
	m.intervals(stack.Child(root, "mute_time_intervals"))
	return m.all, m.err
}

type routeMutator struct {
	file      string
	root      *yaml.Node
	receivers []string
	seen      map[string]int
	all       []Mutant
	err       error
}

// add notes a mutant: what node is while change holds. The node is put back.
func (m *routeMutator) add(line int, rule, mutation, shown string, node *yaml.Node, change func(*yaml.Node)) {
	before := *node
	node.Content = slices.Clone(before.Content)
	change(node)
	text, err := yaml.Marshal(m.root)
	*node = before
	if err != nil {
		m.err = errors.Join(m.err, fmt.Errorf("%s:%d: %w", m.file, line, err))
		return
	}
	key := rule + "\x00" + mutation
	if m.seen[key]++; m.seen[key] > 1 {
		mutation += fmt.Sprintf(" (%d)", m.seen[key])
	}
	m.all = append(m.all, Mutant{File: m.file, Line: line, Rule: rule, Mutation: mutation, Expr: shown, config: string(text)})
}

// route mutates a route and those below it; siblings are those that are asked after it.
func (m *routeMutator) route(node *yaml.Node, name string, siblings []*yaml.Node) {
	if node = stack.Follow(node); node.Kind != yaml.MappingNode {
		return
	}
	if receiver := stack.Child(node, "receiver"); receiver.Value != "" {
		for _, other := range m.receivers {
			if other != receiver.Value {
				m.add(receiver.Line, name, "receiver: "+receiver.Value+" → "+other, "receiver: "+other, receiver, func(n *yaml.Node) { n.Value = other })
				break
			}
		}
	}
	if name != "route" && len(siblings) > 0 {
		on := stack.Child(node, "continue").Value == "true"
		line := max(stack.Child(node, "continue").Line, node.Line)
		m.add(line, name, fmt.Sprintf("continue: %t → %t", on, !on), fmt.Sprintf("continue: %t", !on), node, func(n *yaml.Node) {
			setChild(n, "continue", &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(!on)})
		})
	}
	m.matchers(node, name, "matchers")
	for _, key := range []string{"match", "match_re"} {
		m.keys(stack.Child(node, key), name, key)
	}
	for _, key := range []string{"group_by", "mute_time_intervals", "active_time_intervals"} {
		m.items(stack.Child(node, key), name, key)
	}
	children := stack.Child(node, "routes")
	for i, c := range children.Content {
		below := name + " > " + routeName(c)
		m.add(c.Line, below, "left out", "(none)", children, func(n *yaml.Node) { n.Content = slices.Delete(n.Content, i, i+1) })
		if i+1 < len(children.Content) {
			m.add(c.Line, below, "after the next one", routeName(children.Content[i+1])+" first", children, func(n *yaml.Node) {
				n.Content[i], n.Content[i+1] = n.Content[i+1], n.Content[i]
			})
		}
		m.route(c, below, children.Content[i+1:])
	}
}

func (m *routeMutator) inhibition(list *yaml.Node) {
	for i, rule := range list.Content {
		name := stack.Child(rule, "name").Value
		if name == "" {
			name = fmt.Sprint(i + 1)
		}
		name = "inhibition rule " + name
		m.add(rule.Line, name, "left out", "(none)", list, func(n *yaml.Node) { n.Content = slices.Delete(n.Content, i, i+1) })
		m.matchers(rule, name, "source_matchers")
		m.matchers(rule, name, "target_matchers")
		for _, key := range []string{"source_match", "source_match_re", "target_match", "target_match_re"} {
			m.keys(stack.Child(rule, key), name, key)
		}
		m.items(stack.Child(rule, "equal"), name, "equal")
	}
}

// intervals drops one condition of a time interval at a time.
func (m *routeMutator) intervals(list *yaml.Node) {
	for _, interval := range list.Content {
		name := "time interval " + stack.Child(interval, "name").Value
		times := stack.Child(interval, "time_intervals")
		for _, t := range times.Content {
			m.keys(t, name, "time_intervals")
		}
		if len(times.Content) > 1 {
			m.items(times, name, "time_intervals")
		}
	}
}

// matchers drops each matcher of a list, and turns it around.
func (m *routeMutator) matchers(node *yaml.Node, name, key string) {
	list := stack.Child(node, key)
	var all []*amlabels.Matcher
	var lines []int
	for _, item := range list.Content {
		parsed, err := amconfig.Matchers(stack.Follow(item).Value)
		if err != nil {
			return
		}
		for _, p := range parsed {
			all, lines = append(all, p), append(lines, item.Line)
		}
	}
	opposite := map[amlabels.MatchType]amlabels.MatchType{
		amlabels.MatchEqual: amlabels.MatchNotEqual, amlabels.MatchNotEqual: amlabels.MatchEqual,
		amlabels.MatchRegexp: amlabels.MatchNotRegexp, amlabels.MatchNotRegexp: amlabels.MatchRegexp,
	}
	write := func(matchers []*amlabels.Matcher) func(*yaml.Node) {
		return func(n *yaml.Node) {
			n.Content = nil
			for _, p := range matchers {
				n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: p.String()})
			}
		}
	}
	shown := func(matchers []*amlabels.Matcher) string { return key + ": " + amlabels.Matchers(matchers).String() }
	for i, p := range all {
		without := slices.Delete(slices.Clone(all), i, i+1)
		m.add(lines[i], name, fmt.Sprintf("%s: %s → without it", key, p), shown(without), list, write(without))
		turned := slices.Clone(all)
		var err error
		if turned[i], err = amlabels.NewMatcher(opposite[p.Type], p.Name, p.Value); err != nil {
			continue
		}
		m.add(lines[i], name, fmt.Sprintf("%s: %s → %s", key, p, turned[i].Type), shown(turned), list, write(turned))
	}
}

// keys drops each key of a mapping.
func (m *routeMutator) keys(node *yaml.Node, name, key string) {
	if node = stack.Follow(node); node.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		what := node.Content[i]
		m.add(what.Line, name, fmt.Sprintf("%s: without %s", key, what.Value), "(none)", node, func(n *yaml.Node) {
			n.Content = slices.Delete(n.Content, i, i+2)
		})
	}
}

// items drops each item of a list.
func (m *routeMutator) items(node *yaml.Node, name, key string) {
	if node.Kind != yaml.SequenceNode {
		return
	}
	for i, item := range node.Content {
		what := item.Value
		if item.Kind != yaml.ScalarNode {
			what = fmt.Sprintf("its item %d", i+1)
		}
		m.add(item.Line, name, fmt.Sprintf("%s: without %s", key, what), key+" without "+what, node, func(n *yaml.Node) {
			n.Content = slices.Delete(n.Content, i, i+1)
		})
	}
}

// routeName is what a route matches, as Alertmanager writes it.
func routeName(node *yaml.Node) string {
	var parts []string
	for _, item := range stack.Child(node, "matchers").Content {
		parts = append(parts, strings.Trim(item.Value, "{}"))
	}
	for key, op := range map[string]string{"match": "=", "match_re": "=~"} {
		match := stack.Child(node, key)
		for i := 0; i+1 < len(match.Content); i += 2 {
			parts = append(parts, fmt.Sprintf("%s%s%q", match.Content[i].Value, op, match.Content[i+1].Value))
		}
	}
	slices.Sort(parts)
	return "{" + strings.Join(parts, ", ") + "}"
}

func setChild(node *yaml.Node, key string, value *yaml.Node) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			node.Content[i+1] = value
			return
		}
	}
	node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, value)
}
