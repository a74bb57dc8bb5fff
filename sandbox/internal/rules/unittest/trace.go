package unittest

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
)

// Trace finds the states of all alerts of a case, and those that fire unmentioned, without judging the case: one range
// query for each alert stands for the evaluation of its rule at every step, at a fraction of the time. Where that would
// not be exact (recording rules, alerts about alerts, limits, templates in labels) it is Run with Timelines and
// Unmentioned.
func (f *File) Trace(ctx context.Context, c *Case, load func(string) ([]rulefmt.RuleGroup, []error)) *Outcome {
	began := time.Now()
	t := &tracer{file: f, c: c, set: newRuleSet(f.RuleFiles, load), out: &Outcome{Timelines: map[RuleID][]State{}}}
	if !t.exact() || !t.run(ctx) {
		return f.Run(ctx, c, Options{Load: load, Unmentioned: true, Timelines: true})
	}
	t.out.Duration = time.Since(began)
	return t.out
}

type tracer struct {
	file *File
	c    *Case
	set  *ruleSet
	out  *Outcome
}

func (t *tracer) exact() bool {
	if slices.ContainsFunc(t.c.Input, notInMemory) {
		return false
	}
	for _, id := range t.set.ids {
		rule, uses := t.set.rules[id], t.set.uses[id]
		if rule.Record != "" || len(uses.Alerts) > 0 || uses.Anything || t.set.limited[id] {
			return false
		}
		for _, value := range rule.Labels {
			if strings.Contains(value, "{{") {
				return false
			}
		}
	}
	return true
}

func (t *tracer) run(ctx context.Context) bool {
	suite, err := newSuite(t.c, t.file.interval, false)
	if err != nil {
		return false
	}
	defer func() { _ = suite.close() }()
	start := t.c.begin()
	end := start.Add(t.c.end())
	if suite.loadTill(end) != nil {
		return false
	}
	engine := rangeEngine(t.file.interval)
	defer func() { _ = engine.Close() }()
	mentioned := t.c.Mentions()
	for _, id := range t.set.ids {
		rule := t.set.rules[id]
		q, err := engine.NewRangeQuery(ctx, suite.queryable, nil, rule.Expr, start, end, t.file.interval)
		if err != nil {
			return false
		}
		matrix, err := q.Exec(ctx).Matrix()
		if err != nil || clash(matrix, rule.Labels) {
			q.Close()
			return false
		}
		states := newStates(start, end, t.file.interval)
		for _, series := range matrix {
			first := states.add(series, rule, start)
			if first >= 0 && !mentioned.Alerts[rule.Alert] && !mentioned.Anything &&
				!slices.ContainsFunc(t.out.Unmentioned, func(u Unmentioned) bool { return u.Rule == id }) {
				t.out.Unmentioned = append(t.out.Unmentioned, Unmentioned{Rule: id, Name: rule.Alert, At: first, Labels: alertLabels(series)})
			}
		}
		t.out.Timelines[id] = states
		q.Close()
	}
	return true
}

// rangeEngine evaluates over a whole case at once; the limits of a single step do not hold for it.
func rangeEngine(interval time.Duration) *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{
		MaxSamples: 50_000_000, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return interval.Milliseconds() },
	})
}

// states has an alert's state at each evaluation.
type states []State

func newStates(start, end time.Time, interval time.Duration) states {
	var all states
	for ts := start; !ts.After(end); ts = ts.Add(interval) {
		all = append(all, State{At: ts.Sub(start), AlertState: rules.StateInactive})
	}
	return all
}

// add takes in one series of the alert's expression, and returns when it fires first; -1 where it never does.
func (s states) add(series promql.Series, rule rulefmt.Rule, start time.Time) time.Duration {
	present := map[int64]bool{}
	for _, p := range series.Floats {
		present[p.T] = true
	}
	for _, p := range series.Histograms {
		present[p.T] = true
	}
	first := time.Duration(-1)
	var since, missing time.Duration = -1, -1
	firing := false
	for i := range s {
		at := s[i].At
		state := rules.StateInactive
		if present[start.Add(at).UnixMilli()] {
			missing = -1
			if since < 0 {
				since = at
			}
			firing = firing || at-since >= time.Duration(rule.For)
			state = rules.StatePending
		} else {
			if missing < 0 {
				missing = at
			}
			// keep_firing_for counts from the first evaluation without the series.
			if !firing || at-missing >= time.Duration(rule.KeepFiringFor) {
				since, firing = -1, false
			}
		}
		if firing {
			state = rules.StateFiring
			if first < 0 {
				first = at
			}
		}
		s[i].AlertState = max(s[i].AlertState, state)
	}
	return first
}

// clash says whether the labels of an alert may make two series the same, which is an error of its evaluation.
func clash(matrix promql.Matrix, alertLabels map[string]string) bool {
	seen := map[string]bool{}
	for _, series := range matrix {
		b := labels.NewBuilder(series.Metric)
		b.Del("__name__")
		for name := range alertLabels {
			b.Del(name)
		}
		key := b.Labels().String()
		if seen[key] {
			return true
		}
		seen[key] = true
	}
	return false
}
