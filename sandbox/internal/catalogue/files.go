package catalogue

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/config"
	amlabels "github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/amconfig"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/rules/unittest"
	"obsandbox/sandbox/internal/stack"
)

// Suite is the name of the results' suite.
const Suite = "catalogue"

// Options say what is checked; a file that is not named is not.
type Options struct {
	// Catalogue is the metric catalogue.
	Catalogue string
	// Rules are rule files.
	Rules []string
	// SLOs, Alertmanager and Runbook are slos.yaml, alertmanager.yml and the runbook.
	SLOs, Alertmanager, Runbook string
	// Prometheus is prometheus.yml, whose external labels every alert has.
	Prometheus string
	// Root is what file names in results are relative to.
	Root string
}

// Of are the options for a stack, with the rule files that its Prometheus loads.
func Of(s *stack.Stack) (Options, error) {
	o := Options{Catalogue: s.Path(stack.MetricsFile), Root: s.Root()}
	if s.Has(stack.SLOsFile) {
		o.SLOs = s.Path(stack.SLOsFile)
	}
	if c, err := s.Component("alertmanager"); err == nil && len(c.Config) > 0 {
		o.Alertmanager = s.Path(c.Config[0])
	}
	if c, err := s.Component("prometheus"); err == nil && len(c.Config) > 0 {
		o.Prometheus = s.Path(c.Config[0])
	}
	if s.Runbook.File != "" {
		o.Runbook = s.Path(s.Runbook.File)
	}
	var err error
	o.Rules, err = s.RuleFiles()
	return o, err
}

// Run checks every query of the files. It is one result for each file that is in order, and one for each fault. The
// error says that it could not: a catalogue or a file that cannot be read.
func Run(o Options) (*report.Report, error) {
	known, err := stack.LoadMetrics(o.Catalogue)
	if err != nil {
		return nil, err
	}
	r := &run{o: o, checker: New(known), alertLabels: newLabels("alertname"), given: map[string]map[string]bool{}, report: &report.Report{}}
	if err := r.prometheus(); err != nil {
		return nil, err
	}
	r.layers = map[string]bool{}
	if slos, err := stack.LoadSLOs(o.SLOs); o.SLOs != "" && err == nil {
		for _, s := range slos.SLOs {
			r.layers[s.Layer] = true
		}
	}
	cache := unittest.NewRuleFiles()
	for _, path := range o.Rules {
		if rf := cache.Get(path); len(rf.Errs) > 0 {
			return nil, errors.Join(rf.Errs...)
		}
	}
	// Twice, as a rule may read what another records further down.
	for range 2 {
		for _, path := range o.Rules {
			for _, g := range cache.Get(path).Groups {
				for _, rule := range g.Rules {
					if rule.Record != "" {
						r.checker.Record(rule.Record, rule.Expr, rule.Labels)
					}
				}
			}
		}
	}
	for _, path := range o.Rules {
		if err := r.file(path, func() error { r.rules(cache.Get(path)); return nil }); err != nil {
			return nil, err
		}
	}
	for path, check := range map[string]func(string) error{o.SLOs: r.slos, o.Runbook: r.runbook, o.Alertmanager: r.alertmanager} {
		if path == "" {
			continue
		}
		if err := r.file(path, func() error { return check(path) }); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(r.report.Results, func(a, b report.Result) int {
		if a.File != b.File {
			return strings.Compare(a.File, b.File)
		}
		return a.Line - b.Line
	})
	return r.report, nil
}

type run struct {
	o       Options
	checker *Checker
	// alertLabels are all labels that some alert has.
	alertLabels labelSet
	// given has the values of those labels that only rules set; nil for one that may have any value.
	given map[string]map[string]bool
	// anyValue says that some alert's labels are not known.
	anyValue bool
	report   *report.Report
	// layers are those that have objectives; evaluated is how often Prometheus evaluates groups that do not say it.
	layers    map[string]bool
	evaluated time.Duration
	// path and lines are the file that is being checked.
	path  string
	lines []string
}

// file adds a passed result where a check finds nothing.
func (r *run) file(path string, check func() error) error {
	rel, err := filepath.Rel(r.o.Root, path)
	if r.o.Root == "" || err != nil || strings.HasPrefix(rel, "..") {
		rel = path
	}
	r.path = filepath.ToSlash(rel)
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, errors.Unwrap(err))
	}
	r.lines = strings.Split(string(data), "\n")
	before := len(r.report.Results)
	if err := check(); err != nil {
		return err
	}
	if len(r.report.Results) == before {
		r.report.Add(report.Result{Suite: Suite, Name: r.path + " fits the metric catalogue", Status: report.Pass, File: r.path})
	}
	return nil
}

func (r *run) fail(line int, what, text, hint string) { r.failAt(line, 0, what, text, hint) }

func (r *run) failAt(line, column int, what, text, hint string) {
	name := fmt.Sprintf("%s:%d: %s", r.path, line, what)
	detail := text + "\n" + hint
	for i := range r.report.Results {
		if r.report.Results[i].Name == name {
			r.report.Results[i].Detail += "\n" + detail
			return
		}
	}
	r.report.Add(report.Result{Suite: Suite, Name: name, Status: report.Fail, Detail: detail, File: r.path, Line: line, Column: column})
}

// expr checks an expression that stands in a YAML value.
func (r *run) expr(node *yaml.Node, what, expr string) {
	for _, f := range r.checker.Expr(expr) {
		line, column := place(node, f.Pos, r.lines)
		r.failAt(line, column, what, f.Text, f.Hint)
	}
}

// place is where a position of a YAML value is in its file, whose lines are given; column 0 says that it is not known, as
// in text that is folded or escaped.
func place(node *yaml.Node, pos int, file []string) (line, column int) {
	before := node.Value[:min(pos, len(node.Value))]
	switch {
	case node.Style&yaml.LiteralStyle != 0:
		n := strings.Count(before, "\n")
		line = node.Line + 1 + n
		text := strings.Split(node.Value, "\n")[n]
		if line <= len(file) && text != "" {
			if indent := strings.Index(file[line-1], text); indent >= 0 {
				column = indent + 1 + len(before) - (strings.LastIndex(before, "\n") + 1)
			}
		}
		return line, column
	case node.Style&yaml.FoldedStyle != 0:
		return node.Line + 1, 0
	case strings.ContainsAny(before, "\n\"'\\"):
		return node.Line, 0
	case node.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		return node.Line, node.Column + 1 + len(before)
	}
	return node.Line, node.Column + len(before)
}

func (r *run) rules(rf *unittest.RuleFile) {
	for g, group := range rf.Groups {
		r.often(rf, g, group)
		for i, rule := range group.Rules {
			id := unittest.RuleID{File: rf.Path, Group: g, Rule: i}
			r.expr(rf.Node(id, "expr"), unittest.RuleName(rule), rule.Expr)
			if rule.Alert != "" {
				r.annotations(rf, id, group, rule)
				r.layer(rf, id, rule)
			}
		}
	}
}

var labelUse = regexp.MustCompile(`(?:\$labels|\.Labels)\.([a-zA-Z_][a-zA-Z0-9_]*)|index \$labels "([^"]+)"`)

// annotations finds labels that an alert's texts use and that its expression does not leave.
func (r *run) annotations(rf *unittest.RuleFile, id unittest.RuleID, group rulefmt.RuleGroup, rule rulefmt.Rule) {
	parsed, err := parse(rule.Expr)
	if err != nil {
		return
	}
	has := r.checker.shape(parsed)
	sent := has
	for _, own := range []map[string]string{group.Labels, rule.Labels} {
		sent = sent.with(slices.Collect(maps.Keys(own))...)
	}
	r.alertLabels = r.alertLabels.union(sent)
	r.values(has, group.Labels, rule.Labels, map[string]string{"alertname": rule.Alert})
	for _, key := range []string{"labels", "annotations"} {
		node := rf.Node(id, key)
		for i := 0; i+1 < len(node.Content); i += 2 {
			value := node.Content[i+1]
			r.text(rule.Alert, node.Content[i], value)
			for _, m := range labelUse.FindAllStringSubmatch(value.Value, -1) {
				name := m[1] + m[2]
				if !has.has(name) {
					r.fail(value.Line, rule.Alert, fmt.Sprintf("%s uses $labels.%s, and no series of the expression has that label", node.Content[i].Value, name),
						"its labels are "+has.list()+": keep the label in the aggregation (sum by (…))")
				}
			}
		}
	}
}

// values notes which values an alert's labels have: those of its rule, and any where they come from its series.
func (r *run) values(series labelSet, own ...map[string]string) {
	r.anyValue = r.anyValue || series.any
	for name := range series.names {
		r.given[name] = nil
	}
	for _, labels := range own {
		for name, value := range labels {
			known, ok := r.given[name]
			switch {
			case ok && known == nil:
			case strings.Contains(value, "{{"):
				r.given[name] = nil
			case !ok:
				r.given[name] = map[string]bool{value: true}
			default:
				known[value] = true
			}
		}
	}
}

// prometheus reads the labels that Prometheus gives to every alert that it sends.
func (r *run) prometheus() error {
	if r.o.Prometheus == "" {
		return nil
	}
	data, err := os.ReadFile(r.o.Prometheus)
	if err != nil {
		return fmt.Errorf("read %s: %w", r.o.Prometheus, errors.Unwrap(err))
	}
	var conf struct {
		Global struct {
			ExternalLabels map[string]string `yaml:"external_labels"`
			Scrape         model.Duration    `yaml:"scrape_interval"`
			Evaluation     model.Duration    `yaml:"evaluation_interval"`
		} `yaml:"global"`
		Alerting struct {
			Relabel []struct {
				TargetLabel string `yaml:"target_label"`
			} `yaml:"alert_relabel_configs"`
		} `yaml:"alerting"`
	}
	if err := yaml.Unmarshal(data, &conf); err != nil {
		return fmt.Errorf("%s: %w", r.o.Prometheus, err)
	}
	r.checker.scraped, r.evaluated = time.Duration(conf.Global.Scrape), time.Duration(conf.Global.Evaluation)
	sent := slices.Collect(maps.Keys(conf.Global.ExternalLabels))
	for _, rc := range conf.Alerting.Relabel {
		if rc.TargetLabel != "" {
			sent = append(sent, rc.TargetLabel)
		}
	}
	r.alertLabels = r.alertLabels.with(sent...)
	for _, name := range sent {
		r.given[name] = nil
	}
	return nil
}

func (r *run) slos(path string) error {
	slos, err := stack.LoadSLOs(path)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, errors.Unwrap(err))
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	root := doc.Content[0]
	window := regexp.MustCompile(`\{\{\s*\.window\s*\}\}`)
	for i, s := range slos.SLOs {
		sli := stack.Child(stack.Item(stack.Child(root, "slos"), i), "sli")
		for j := 0; j+1 < len(sli.Content); j += 2 {
			for k := 0; k+1 < len(sli.Content[j+1].Content); k += 2 {
				query := sli.Content[j+1].Content[k+1]
				r.expr(query, s.Name, window.ReplaceAllString(query.Value, "5m"))
			}
		}
	}
	for i, q := range slos.Queries {
		r.expr(stack.Child(stack.Item(stack.Child(root, "queries"), i), "expr"), q.Name, q.Expr)
	}
	return nil
}

// runbook checks the blocks of PromQL in a Markdown file.
func (r *run) runbook(path string) error {
	source, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the runbook: %s: %w", path, errors.Unwrap(err))
	}
	doc := goldmark.New().Parser().Parse(text.NewReader(source))
	heading := "the beginning"
	return ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			heading = string(n.Lines().Value(source))
		case *ast.FencedCodeBlock:
			if string(n.Language(source)) != "promql" || n.Lines().Len() == 0 {
				break
			}
			first := 1 + strings.Count(string(source[:n.Lines().At(0).Start]), "\n")
			expr := string(n.Lines().Value(source))
			for _, f := range r.checker.Expr(expr) {
				before := expr[:min(f.Pos, len(expr))]
				r.failAt(first+strings.Count(before, "\n"), len(before)-strings.LastIndex(before, "\n"), heading, f.Text, f.Hint)
			}
		}
		return ast.WalkContinue, nil
	})
}

// alertmanager checks that routes and inhibition rules name labels that some alert has.
func (r *run) alertmanager(path string) error {
	conf, err := amconfig.Load(path)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, errors.Unwrap(err))
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	root := doc.Content[0]
	check := func(line int, what, name string) {
		if name != "..." && !r.alertLabels.has(name) {
			r.fail(line, what, "no alert has the label "+name, "the labels of alerts are "+r.alertLabels.list())
		}
	}
	matcher := func(line int, what string, m *amlabels.Matcher) {
		check(line, what, m.Name)
		known, ok := r.given[m.Name]
		if r.anyValue || !ok || known == nil || m.Matches("") || m.Type == amlabels.MatchNotEqual || m.Type == amlabels.MatchNotRegexp {
			return
		}
		all := slices.Sorted(maps.Keys(known))
		if !slices.ContainsFunc(all, m.Matches) {
			r.fail(line, what, fmt.Sprintf("%s of an alert is never %q", m.Name, m.Value), "it is one of "+strings.Join(all, ", "))
		}
	}
	// Matchers as Alertmanager had them before 0.22, and still takes them.
	old := func(node *yaml.Node, what, key string, kind amlabels.MatchType) {
		pairs := stack.Child(node, key).Content
		for i := 0; i+1 < len(pairs); i += 2 {
			if m, err := amlabels.NewMatcher(kind, pairs[i].Value, stack.Follow(pairs[i+1]).Value); err == nil { // it has loaded
				matcher(pairs[i].Line, what, m)
			}
		}
	}
	var route func(node *yaml.Node, c *config.Route)
	route = func(node *yaml.Node, c *config.Route) {
		for _, name := range c.GroupByStr {
			check(stack.Child(node, "group_by").Line, "group_by", name)
		}
		for _, m := range c.Matchers {
			matcher(stack.Child(node, "matchers").Line, "a route", m)
		}
		old(node, "a route", "match", amlabels.MatchEqual)
		old(node, "a route", "match_re", amlabels.MatchRegexp)
		for i, child := range c.Routes {
			route(stack.Item(stack.Child(node, "routes"), i), child)
		}
	}
	route(stack.Child(root, "route"), conf.Route)
	for i, rule := range conf.InhibitRules {
		node := stack.Item(stack.Child(root, "inhibit_rules"), i)
		what := fmt.Sprintf("inhibition rule %d", i+1)
		for _, m := range rule.SourceMatchers {
			matcher(stack.Child(node, "source_matchers").Line, what, m)
		}
		for _, m := range rule.TargetMatchers {
			matcher(stack.Child(node, "target_matchers").Line, what, m)
		}
		for _, side := range []string{"source", "target"} {
			old(node, what, side+"_match", amlabels.MatchEqual)
			old(node, what, side+"_match_re", amlabels.MatchRegexp)
		}
		for _, name := range rule.Equal {
			check(stack.Child(node, "equal").Line, what, name)
		}
	}
	return nil
}
