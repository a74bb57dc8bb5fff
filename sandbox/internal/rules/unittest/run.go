package unittest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
)

// Failure is what a case expects and does not get.
type Failure struct {
	// Line is the line of the expectation in the test file; the case's own line where no single one is at fault.
	Line int
	Text string
}

// Outcome is what the evaluation of one case has shown.
type Outcome struct {
	Failures []Failure
	// Timelines has the states of every alerting rule at each evaluation; nil where Options.Timelines is not set.
	Timelines map[RuleID][]State
	// Unmentioned are alerts that fire though the case says nothing about them, where Options.Unmentioned is set.
	Unmentioned []Unmentioned
	Duration    time.Duration
}

// State is an alert's state at a time since the start of the case.
type State struct {
	At time.Duration
	rules.AlertState
}

// Options change how a case is evaluated.
type Options struct {
	// Load gives the groups of a rule file, as RuleFiles does; what is on disk where it is nil. Rules are told apart
	// by their place, so a changed file keeps its rules in order.
	Load func(path string) ([]rulefmt.RuleGroup, []error)
	// Keep says which rules are evaluated; all of them where it is nil.
	Keep func(RuleID) bool
	// Unmentioned looks for alerts that fire and are not mentioned. Their rules are not evaluated step by step then,
	// and Keep is not asked.
	Unmentioned bool
	// Timelines records the states of alerts.
	Timelines bool
	// Where says where a rule is, for failures that name it; they name none where it is nil.
	Where func(RuleID) string
	// FirstFailure ends the evaluation at the first failure.
	FirstFailure bool
}

// Run evaluates one case of a test file. An error of a rule file or of the evaluation is a failure of the case.
func (f *File) Run(ctx context.Context, c *Case, opts Options) *Outcome {
	began := time.Now()
	if opts.Load == nil {
		opts.Load = NewRuleFiles().Load
	}
	r := &run{file: f, c: c, opts: opts, out: &Outcome{}}
	r.eval(ctx)
	if st := r.suite; r.doubtful || st != nil && st.store != nil && st.store.histograms {
		again := &run{file: f, c: c, out: &Outcome{}, database: true}
		again.opts = opts
		again.opts.Unmentioned = false
		again.eval(ctx)
		again.out.Unmentioned = r.out.Unmentioned
		r = again
	}
	r.out.Duration = time.Since(began)
	return r.out
}

type run struct {
	file   *File
	c      *Case
	opts   Options
	out    *Outcome
	suite  *suite
	groups []*rules.Group
	// ids has the place of each rule of groups.
	ids   [][]RuleID
	equal cmp.Options
	// doubtful says that only the evaluation of every rule can tell the verdict.
	doubtful bool
	// database says that the series are to be in a database, as promtool's are.
	database bool
}

func (r *run) fail(line int, format string, args ...any) {
	if line == 0 {
		line = r.c.Line
	}
	r.out.Failures = append(r.out.Failures, Failure{Line: line, Text: fmt.Sprintf(format, args...)})
}

// done says whether enough is known.
func (r *run) done() bool { return r.opts.FirstFailure && len(r.out.Failures) > 0 }

func (r *run) eval(ctx context.Context) {
	var err error
	if r.suite, err = newSuite(r.c, r.file.interval, r.database); err != nil {
		r.fail(0, "%v", err)
		return
	}
	defer func() {
		if err := r.suite.close(); err != nil {
			r.fail(0, "%v", err)
		}
	}()
	var set *ruleSet
	if r.opts.Unmentioned {
		set = newRuleSet(r.file.RuleFiles, r.opts.Load)
		need := set.needed(r.c.Mentions())
		r.opts.Keep = func(id RuleID) bool { return need[id] || set.rules[id].Record != "" || set.limited[id] }
	}
	if !r.load(ctx) {
		return
	}
	r.equal = cmp.Options{cmp.Comparer(labels.Equal)}
	if r.file.fuzzy {
		r.equal = append(r.equal, cmp.Comparer(func(x, y float64) bool {
			return x == y || math.Nextafter(x, math.Inf(-1)) == y || math.Nextafter(x, math.Inf(1)) == y
		}))
	}
	tests := map[time.Duration][]AlertTest{}
	var times []time.Duration
	for _, t := range r.c.Alerts {
		if t.Name == "" {
			r.fail(t.Line, "an item under alert_rule_test misses required attribute alertname at eval_time %s", model.Duration(t.At))
			return
		}
		if _, ok := tests[t.At]; !ok {
			times = append(times, t.At)
		}
		tests[t.At] = append(tests[t.At], t)
	}
	slices.Sort(times)

	start := r.c.begin()
	end := start.Add(r.c.end())
	for ts := start; !ts.After(end); ts = ts.Add(r.file.interval) {
		if ctx.Err() != nil {
			r.fail(0, "%v", ctx.Err())
			return
		}
		if err := r.suite.loadTill(ts); err != nil {
			r.fail(0, "%v", err)
			continue
		}
		if !r.tick(ctx, ts, ts.Sub(start)) {
			return
		}
		// Alerts are looked at right after the last evaluation before their time.
		for len(times) > 0 && ts.Sub(start) <= times[0] && times[0] < ts.Add(r.file.interval).Sub(start) {
			for _, t := range tests[times[0]] {
				r.checkAlerts(ctx, t, ts)
			}
			times = times[1:]
		}
		if r.done() {
			return
		}
	}
	if set != nil {
		r.findUnmentioned(ctx, set, start, end)
	}
	for _, t := range r.c.Exprs {
		r.checkExpr(ctx, t, start.Add(t.At))
		if r.done() {
			return
		}
	}
}

// tick evaluates all groups at a time; false where a rule cannot be evaluated.
func (r *run) tick(ctx context.Context, ts time.Time, since time.Duration) bool {
	before := len(r.out.Failures)
	for i, g := range r.groups {
		g.Eval(ctx, ts)
		for j, rule := range g.Rules() {
			if err := rule.LastError(); err != nil {
				r.fail(0, "rule: %s, time: %s, err: %v", rule.Name(), ts.Sub(time.Unix(0, 0).UTC()), err)
			}
			if alert, ok := rule.(*rules.AlertingRule); ok && r.opts.Timelines {
				id := r.ids[i][j]
				r.out.Timelines[id] = append(r.out.Timelines[id], State{At: since, AlertState: alert.State()})
			}
		}
	}
	return len(r.out.Failures) == before
}

// loader hands rule groups that have been read to Prometheus' rule manager.
type loader struct {
	load   func(path string) ([]rulefmt.RuleGroup, []error)
	parser parser.Parser
}

func (l loader) Load(path string, _ bool, _ model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	groups, errs := l.load(path)
	if len(errs) > 0 {
		return nil, errs
	}
	return &rulefmt.RuleGroups{Groups: groups}, nil
}

func (l loader) Parse(query string) (parser.Expr, error) { return l.parser.ParseExpr(query) }

func (r *run) load(ctx context.Context) bool {
	r.out.Timelines = map[RuleID][]State{}
	kept := map[string][]RuleID{}
	load := func(path string) ([]rulefmt.RuleGroup, []error) {
		groups, errs := r.opts.Load(path)
		if len(errs) > 0 {
			return nil, errs
		}
		groups = slices.Clone(groups)
		for i := range groups {
			key := rules.GroupKey(path, groups[i].Name)
			kept[key] = nil
			var keep []rulefmt.Rule
			for j, rule := range groups[i].Rules {
				if id := (RuleID{path, i, j}); r.opts.Keep == nil || r.opts.Keep(id) {
					keep = append(keep, rule)
					kept[key] = append(kept[key], id)
				}
			}
			groups[i].Rules = keep
		}
		return groups, nil
	}
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc:   rules.EngineQueryFunc(r.suite.engine, r.suite.queryable),
		Appendable:  r.suite.appender,
		Context:     ctx,
		NotifyFunc:  func(context.Context, string, ...*rules.Alert) {},
		Logger:      promslog.NewNopLogger(),
		Parser:      parser.NewParser(ParserOptions()),
		GroupLoader: loader{load: load, parser: parser.NewParser(ParserOptions())},
	})
	groups, errs := manager.LoadGroups(time.Duration(r.c.interval), r.c.externalLabels, r.c.externalURL, nil, false, r.file.RuleFiles...)
	if errs != nil {
		for _, err := range errs {
			r.fail(0, "%v", err)
		}
		return false
	}
	for _, g := range groups {
		r.groups = append(r.groups, g)
	}
	place := func(g *rules.Group) (file, group int) {
		ids := kept[rules.GroupKey(g.File(), g.Name())]
		if len(ids) == 0 {
			return math.MaxInt, 0
		}
		return slices.Index(r.file.RuleFiles, g.File()), ids[0].Group
	}
	sort.Slice(r.groups, func(i, j int) bool {
		a, b := r.groups[i], r.groups[j]
		if x, y := r.file.groupOrder[a.Name()], r.file.groupOrder[b.Name()]; x != y {
			return x < y
		}
		fa, ga := place(a)
		fb, gb := place(b)
		if fa != fb {
			return fa < fb
		}
		return ga < gb
	})
	for _, g := range r.groups {
		r.ids = append(r.ids, kept[rules.GroupKey(g.File(), g.Name())])
		for _, rule := range g.Rules() {
			if alert, ok := rule.(*rules.AlertingRule); ok {
				alert.SetRestored(true) // or no ALERTS series would be written
			}
		}
	}
	return true
}
