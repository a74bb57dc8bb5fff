package routes

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/common/model"
	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/paths"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/stack"
)

// Suite is the name of the results' suite.
const Suite = "routes"

// Options say what is judged.
type Options struct {
	// Config is Alertmanager's configuration file.
	Config string
	// Tests are test files, patterns of them, or directories.
	Tests []string
	// Alertmanager is the real program, which every case is asked again of; without it only its packages are.
	Alertmanager string
	// Run judges only the cases whose "file: name" matches; coverage is left out then.
	Run *regexp.Regexp
	// Coverage is the least share of routes and inhibition rules in percent that tests go through; 0 asks for none.
	Coverage float64
	// Root is what file names in results are relative to; the working directory where it is empty.
	Root string
}

// Outcome is what Run has found.
type Outcome struct {
	Report   report.Report
	Coverage Coverage
}

// Coverage says which routes and inhibition rules a passed expectation has gone through.
type Coverage struct {
	Items   []Item  `json:"items"`
	Percent float64 `json:"percent"`
}

// Item is a route or an inhibition rule.
type Item struct {
	Kind string `json:"kind"` // route or inhibition
	Name string `json:"name"`
	Line int    `json:"line"`
	// Covered is the first such expectation's file:line; empty where there is none.
	Covered string `json:"covered"`
}

// Run judges the tests. The error says that it could not: a missing path, a configuration that does not load.
func Run(ctx context.Context, opts Options) (*Outcome, error) {
	router, err := Load(opts.Config)
	if err != nil {
		return nil, err
	}
	files, err := TestFiles(opts.Tests)
	if err != nil {
		return nil, err
	}
	out := &Outcome{}
	cov := newCoverage(router, opts.Config)
	for _, path := range files {
		rel := paths.Relative(opts.Root, path)
		f, err := ReadFile(path)
		if err != nil {
			at := &stack.FileError{}
			_ = errors.As(err, &at)
			out.Report.Add(report.Result{Suite: Suite, Name: rel + ": is a test file", Status: report.Fail, Detail: err.Error(), File: rel, Line: at.Line})
			continue
		}
		for i := range f.Tests {
			c := &f.Tests[i]
			name := rel + ": " + c.Name
			if opts.Run != nil && !opts.Run.MatchString(name) {
				continue
			}
			began := time.Now()
			faults, err := router.judge(ctx, c, cov, rel)
			if err != nil {
				return nil, err
			}
			if opts.Alertmanager != "" {
				more, err := askReal(ctx, opts.Alertmanager, opts.Config, c)
				if err != nil {
					return nil, err
				}
				faults = append(faults, more...)
			}
			res := report.Result{Suite: Suite, Name: name, Status: report.Pass, File: rel, Line: c.line, Duration: time.Since(began)}
			if len(faults) > 0 {
				res.Status, res.Line = report.Fail, faults[0].line
				var lines []string
				for _, f := range faults {
					lines = append(lines, fmt.Sprintf("%s:%d: %s", rel, f.line, f.text))
				}
				res.Detail = strings.Join(lines, "\n")
			}
			out.Report.Add(res)
		}
	}
	if opts.Run == nil {
		out.Coverage = cov.result()
		out.Report.Add(opts.coverageResults(out.Coverage)...)
	}
	return out, nil
}

// fault is an expectation that is not met.
type fault struct {
	line int
	text string
}

// Passes says whether all that a case expects is met, as Alertmanager's packages see it.
func (r *Router) Passes(ctx context.Context, c *Case) (bool, error) {
	faults, err := r.judge(ctx, c, nil, "")
	return len(faults) == 0, err
}

// judge compares what the alerts of a case do with what is expected of them. cov may be nil.
func (r *Router) judge(ctx context.Context, c *Case, cov *coverage, file string) ([]fault, error) {
	sets := make([]model.LabelSet, len(c.Alerts))
	for i, a := range c.Alerts {
		sets[i] = a.Labels
	}
	inhibited, err := r.Inhibited(ctx, sets)
	if err != nil {
		return nil, err
	}
	var faults []fault
	for i, a := range c.Alerts {
		before := len(faults)
		fail := func(format string, args ...any) {
			faults = append(faults, fault{a.line, a.Labels.String() + ": " + fmt.Sprintf(format, args...)})
		}
		destinations, err := r.Route(a.Labels, c.Time)
		if err != nil {
			return nil, err
		}
		silenced := len(inhibited[i].Rules) > 0
		switch {
		case !silenced && len(inhibited[i].Chance) > 0:
			fail("rule %d of inhibit_rules silences it or not as the alerts happen to come: Alertmanager remembers one source for equal labels, and one of these is a target of the rule, too; make its target_matchers tell sources and targets apart", inhibited[i].Chance[0]+1)
		case a.Inhibited && !silenced:
			fail("is expected to be inhibited, and no inhibition rule silences it")
		case !a.Inhibited && silenced:
			fail("is inhibited by rule %d of inhibit_rules, and is expected to be sent", inhibited[i].Rules[0]+1)
		}
		var receivers []string
		var groups []Group
		for _, d := range destinations {
			if !d.Muted {
				receivers = append(receivers, d.Receiver)
				groups = append(groups, Group{d.Receiver, d.Group})
			}
		}
		if a.Receivers != nil && !a.Inhibited && !slices.Equal(*a.Receivers, receivers) {
			fail("receivers\n- expected\n+ got\n- %s\n+ %s", names(*a.Receivers), names(receivers))
		}
		if a.Groups != nil && !slices.EqualFunc(a.Groups, groups, func(x, y Group) bool { return x.Receiver == y.Receiver && x.Labels.Equal(y.Labels) }) {
			fail("groups\n- expected\n+ got\n- %s\n+ %s", groupNames(a.Groups), groupNames(groups))
		}
		if len(faults) > before || cov == nil {
			continue
		}
		at := fmt.Sprintf("%s:%d", file, a.line)
		for _, rule := range inhibited[i].Rules {
			cov.inhibition(rule, at)
		}
		if a.Receivers != nil || a.Groups != nil {
			for _, d := range destinations {
				cov.route(d.route, at)
			}
		}
	}
	return faults, nil
}

func names(list []string) string {
	if len(list) == 0 {
		return "(none)"
	}
	return strings.Join(list, ", ")
}

func groupNames(groups []Group) string {
	var out []string
	for _, g := range groups {
		out = append(out, g.Receiver+" "+g.Labels.String())
	}
	return names(out)
}

// coverage collects what expectations go through.
type coverage struct {
	items   []Item
	byRoute map[*dispatch.Route]int
	rules   []int
}

func newCoverage(r *Router, file string) *coverage {
	cov := &coverage{byRoute: map[*dispatch.Route]int{}}
	routeLines, ruleLines := configLines(file)
	var walk func(route *dispatch.Route, conf *config.Route)
	walk = func(route *dispatch.Route, conf *config.Route) {
		line := 0
		if n := len(cov.byRoute); n < len(routeLines) {
			line = routeLines[n]
		}
		cov.byRoute[route] = len(cov.items)
		cov.items = append(cov.items, Item{Kind: "route", Name: route.ID() + " → " + route.RouteOpts.Receiver, Line: line})
		for i, child := range route.Routes {
			walk(child, conf.Routes[i])
		}
	}
	walk(r.root, r.conf.Route)
	for i, rule := range r.conf.InhibitRules {
		name := rule.Name
		if name == "" {
			name = fmt.Sprintf("rule %d", i+1)
		}
		line := 0
		if i < len(ruleLines) {
			line = ruleLines[i]
		}
		cov.rules = append(cov.rules, len(cov.items))
		cov.items = append(cov.items, Item{Kind: "inhibition", Name: name, Line: line})
	}
	return cov
}

func (c *coverage) route(route *dispatch.Route, at string) { c.mark(c.byRoute[route], at) }
func (c *coverage) inhibition(rule int, at string)         { c.mark(c.rules[rule], at) }

func (c *coverage) mark(i int, at string) {
	if c.items[i].Covered == "" {
		c.items[i].Covered = at
	}
}

func (c *coverage) result() Coverage {
	out := Coverage{Items: c.items, Percent: 100}
	covered := 0
	for _, it := range c.items {
		if it.Covered != "" {
			covered++
		}
	}
	if len(c.items) > 0 {
		out.Percent = 100 * float64(covered) / float64(len(c.items))
	}
	return out
}

func (o Options) coverageResults(cov Coverage) []report.Result {
	if o.Coverage <= 0 {
		return nil
	}
	res := report.Result{
		Suite: Suite, Name: fmt.Sprintf("the tests go through at least %g %% of routes and inhibition rules", o.Coverage),
		Status: report.Pass, Detail: fmt.Sprintf("%.1f %%", cov.Percent),
	}
	out := []report.Result{res}
	if cov.Percent >= o.Coverage {
		return out
	}
	out[0].Status = report.Fail
	file := paths.Relative(o.Root, o.Config)
	for _, it := range cov.Items {
		if it.Covered == "" {
			out = append(out, report.Result{
				Suite: Suite, Name: it.Kind + " " + it.Name + " is covered", Status: report.Fail, File: file, Line: it.Line,
				Detail: "no alert of a test that passes goes through it",
			})
		}
	}
	sort.SliceStable(out[1:], func(i, j int) bool { return out[1+i].Line < out[1+j].Line })
	return out
}

// configLines are the lines of the routes, parents before their children, and of the inhibition rules.
func configLines(file string) (routes, rules []int) {
	root, err := ReadYAML(file)
	if err != nil {
		return nil, nil
	}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		routes = append(routes, n.Line)
		for _, child := range stack.Child(n, "routes").Content {
			walk(child)
		}
	}
	walk(stack.Child(root, "route"))
	for _, rule := range stack.Child(root, "inhibit_rules").Content {
		rules = append(rules, rule.Line)
	}
	return routes, rules
}
