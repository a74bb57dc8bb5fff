package simulate

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"

	"obsandbox/sandbox/internal/rules/unittest"
)

// RulesConfig says which rules are evaluated, and how often.
type RulesConfig struct {
	Files []string
	// Interval is that of groups that say none.
	Interval time.Duration
	// Slow lets groups that record series be evaluated no more often than this; 0 evaluates as configured.
	Slow     time.Duration
	External labels.Labels
	// Notify is told of the alerts that Prometheus would send; it may be nil.
	Notify rules.NotifyFunc
}

// Rules are rule files over a Store. Methods are for one goroutine.
type Rules struct {
	// Transitions are the changes of alerts' states, in the order of time.
	Transitions []Transition
	// Alerts are the names of all alerting rules, sorted.
	Alerts []string

	store  *Store
	engine *promql.Engine
	groups []*ruleGroup

	mu    sync.RWMutex
	ahead map[string]map[int64]promql.Vector
	// fired is what EvalAll has seen, by alert and time.
	fired map[string]map[int64][]Fired
}

// ruleGroup is a group with what is known of it.
type ruleGroup struct {
	*rules.Group
	every    time.Duration
	alerting []*alertingRule
	rules    []rules.Rule
	// alone groups read nothing that another records: they are evaluated side by side.
	alone bool
}

type alertingRule struct {
	*rules.AlertingRule
	states map[uint64]known
}

type known struct {
	state  rules.AlertState
	labels model.LabelSet
	active time.Time
}

const prometheusURL = "http://prometheus.example.com"

// LoadRules loads rule files as Prometheus does.
func LoadRules(ctx context.Context, cfg RulesConfig, store *Store) (*Rules, error) {
	r := &Rules{store: store, ahead: map[string]map[int64]promql.Vector{}}
	r.engine = promql.NewEngine(promql.EngineOpts{
		MaxSamples: 200_000_000, Timeout: 5 * time.Minute, LookbackDelta: 5 * time.Minute, Parser: parser.NewParser(unittest.ParserOptions()),
	})
	if cfg.Notify == nil {
		cfg.Notify = func(context.Context, string, ...*rules.Alert) {}
	}
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc:   r.query(rules.EngineQueryFunc(r.engine, store)),
		Queryable:   store,
		Appendable:  store,
		Context:     ctx,
		NotifyFunc:  cfg.Notify,
		Logger:      promslog.NewNopLogger(),
		Parser:      parser.NewParser(unittest.ParserOptions()),
		ResendDelay: time.Minute,
		ExternalURL: &url.URL{Scheme: "http", Host: strings.TrimPrefix(prometheusURL, "http://")},
	})
	groups, errs := manager.LoadGroups(cfg.Interval, cfg.External, prometheusURL, nil, false, cfg.Files...)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	recorded := map[string]bool{}
	for _, g := range groups {
		rg := &ruleGroup{Group: g, every: g.Interval(), rules: g.Rules()}
		for _, rule := range rg.rules {
			a, ok := rule.(*rules.AlertingRule)
			if !ok {
				recorded[rule.Name()] = true
				continue
			}
			a.SetRestored(true) // there is nothing to restore, and no ALERTS would be written
			rg.alerting = append(rg.alerting, &alertingRule{AlertingRule: a, states: map[uint64]known{}})
			if !slices.Contains(r.Alerts, a.Name()) {
				r.Alerts = append(r.Alerts, a.Name())
			}
		}
		if len(rg.alerting) < len(rg.rules) {
			rg.every = max(rg.every, cfg.Slow)
		}
		r.groups = append(r.groups, rg)
	}
	for _, g := range r.groups {
		g.alone = len(g.alerting) == 0
		for _, sel := range g.selectors() {
			g.alone = g.alone && sel.name != "" && !recorded[sel.name]
		}
	}
	rank := func(g *ruleGroup) string {
		// What records comes before what asks; else by their names, so that a run is the same anywhere.
		first := "c"
		switch {
		case g.alone:
			first = "a"
		case len(g.alerting) < len(g.rules):
			first = "b"
		}
		return first + filepath.Base(g.File()) + " " + g.Name()
	}
	slices.SortFunc(r.groups, func(a, b *ruleGroup) int { return strings.Compare(rank(a), rank(b)) })
	slices.Sort(r.Alerts)
	return r, nil
}

// query answers out of what was worked out ahead.
func (r *Rules) query(ask rules.QueryFunc) rules.QueryFunc {
	return func(ctx context.Context, expr string, t time.Time) (promql.Vector, error) {
		r.mu.RLock()
		known, ok := r.ahead[expr]
		r.mu.RUnlock()
		if ok {
			if v, ok := known[t.UnixMilli()]; ok {
				return slices.Clone(v), nil
			}
		}
		return ask(ctx, expr, t)
	}
}

func (g *ruleGroup) selectors() []selector {
	var out []selector
	for _, r := range g.rules {
		out = append(out, selectorsOf(r.Query())...)
	}
	return out
}

func selectorsOf(e parser.Expr) []selector {
	var out []selector
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok {
			sel := selector{name: v.Name, matchers: v.LabelMatchers}
			for _, m := range v.LabelMatchers {
				if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
					sel.name = m.Value
				}
			}
			out = append(out, sel)
		}
		return nil
	})
	return out
}

// Matchers are those of every selector of the rules: what is to be stored for them.
func (r *Rules) Matchers() [][]*labels.Matcher {
	var out [][]*labels.Matcher
	for _, g := range r.groups {
		for _, s := range g.selectors() {
			out = append(out, s.matchers)
		}
	}
	return out
}

// Eval evaluates the groups whose time it is, since is the time from the start.
func (r *Rules) Eval(ctx context.Context, t time.Time, since time.Duration, which func(recording bool) bool) error {
	var wg sync.WaitGroup
	limit := make(chan struct{}, 2)
	for _, g := range r.groups {
		if g.alone && since%g.every == 0 && which(true) {
			wg.Go(func() {
				limit <- struct{}{}
				defer func() { <-limit }()
				g.Eval(ctx, t)
			})
		}
	}
	wg.Wait()
	for _, g := range r.groups {
		if since%g.every != 0 || !which(g.records()) {
			continue
		}
		if !g.alone {
			g.Eval(ctx, t)
		}
		for _, rule := range g.rules {
			if err := rule.LastError(); err != nil {
				return fmt.Errorf("%s: rule %s at %s: %w", g.File(), rule.Name(), t.UTC().Format(time.RFC3339), err)
			}
		}
		for _, a := range g.alerting {
			r.note(a, t)
		}
	}
	return nil
}

func (g *ruleGroup) records() bool { return len(g.alerting) < len(g.rules) }

// Due says whether any group of a kind is evaluated at a time.
func (r *Rules) Due(since time.Duration, recording bool) bool {
	return slices.ContainsFunc(r.groups, func(g *ruleGroup) bool { return g.records() == recording && since%g.every == 0 })
}

// Ahead works out what the groups that only have alerts will ask from one time to another, each as one range: their
// evaluation then finds the answers there. All that they read must be stored.
func (r *Rules) Ahead(ctx context.Context, start, from, to time.Time) error {
	return r.workOut(ctx, start, from, to, func(g *ruleGroup) bool { return !g.records() })
}

// AheadOfRecording is Ahead for the groups that record out of what is scraped every interval and of nothing else, where
// that is less work than asking time and again: not where few evaluations look back for long.
func (r *Rules) AheadOfRecording(ctx context.Context, start, from, to time.Time, interval time.Duration) error {
	return r.workOut(ctx, start, from, to, func(g *ruleGroup) bool {
		if !g.alone {
			return false
		}
		var longest time.Duration
		for _, rule := range g.rules {
			parser.Inspect(rule.Query(), func(n parser.Node, _ []parser.Node) error {
				switch n := n.(type) {
				case *parser.MatrixSelector:
					longest = max(longest, n.Range)
				case *parser.SubqueryExpr:
					longest = max(longest, n.Range)
				}
				return nil
			})
		}
		read := to.Sub(from) + min(longest, from.Sub(start)) // what is stored begins at the start
		return int(read/interval) <= 8*int(to.Sub(from)/g.every)
	})
}

func (r *Rules) workOut(ctx context.Context, start, from, to time.Time, which func(*ruleGroup) bool) error {
	r.ahead = map[string]map[int64]promql.Vector{}
	type job struct {
		expr  string
		first time.Time
		every time.Duration
	}
	var jobs []job
	for _, g := range r.groups {
		if !which(g) {
			continue
		}
		first := start.Add(from.Sub(start).Truncate(g.every))
		if first.Before(from) {
			first = first.Add(g.every)
		}
		for _, rule := range g.rules {
			if !first.After(to) {
				jobs = append(jobs, job{rule.Query().String(), first, g.every})
			}
		}
	}
	errs := make([]error, len(jobs))
	limit := make(chan struct{}, 2)
	var wg sync.WaitGroup
	for i, j := range jobs {
		wg.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			found, err := r.overTime(ctx, j.expr, j.first, to, j.every)
			if err != nil {
				errs[i] = fmt.Errorf("%s: %w", j.expr, err)
				return
			}
			r.mu.Lock()
			r.ahead[j.expr] = found
			r.mu.Unlock()
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (r *Rules) overTime(ctx context.Context, expr string, from, to time.Time, step time.Duration) (map[int64]promql.Vector, error) {
	q, err := r.engine.NewRangeQuery(ctx, r.store, nil, expr, from, to, step)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	res := q.Exec(ctx)
	if res.Err != nil {
		return nil, res.Err
	}
	matrix, err := res.Matrix()
	if err != nil {
		return nil, err
	}
	out := map[int64]promql.Vector{}
	for t := from; !t.After(to); t = t.Add(step) {
		out[t.UnixMilli()] = nil
	}
	for _, s := range matrix {
		for _, f := range s.Floats {
			out[f.T] = append(out[f.T], promql.Sample{T: f.T, F: f.F, Metric: s.Metric})
		}
	}
	return out, nil
}

// note writes down what has changed of an alert.
func (r *Rules) note(a *alertingRule, t time.Time) {
	now := map[uint64]known{}
	for _, active := range a.ActiveAlerts() {
		now[active.Labels.Hash()] = known{active.State, labelSet(active.Labels), active.ActiveAt}
	}
	if len(now) == 0 && len(a.states) == 0 {
		return
	}
	var changed []Transition
	for h, k := range now {
		if was, ok := a.states[h]; !ok || was.state != k.state {
			changed = append(changed, Transition{t, a.Name(), k.labels, k.state.String(), k.active})
		}
	}
	for h, k := range a.states {
		if _, ok := now[h]; !ok {
			changed = append(changed, Transition{t, a.Name(), k.labels, rules.StateInactive.String(), k.active})
		}
	}
	slices.SortFunc(changed, func(x, y Transition) int { return strings.Compare(x.Labels.String(), y.Labels.String()) })
	r.Transitions = append(r.Transitions, changed...)
	a.states = now
}

// Query evaluates an expression.
func (r *Rules) Query(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	return rules.EngineQueryFunc(r.engine, r.store)(ctx, expr, at)
}

// Close gives everything back.
func (r *Rules) Close() { _ = r.engine.Close() }

func labelSet(l labels.Labels) model.LabelSet {
	out := model.LabelSet{}
	l.Range(func(l labels.Label) { out[model.LabelName(l.Name)] = model.LabelValue(l.Value) })
	return out
}

// Records are the names of the series that the rules record.
func (r *Rules) Records() map[string]bool {
	out := map[string]bool{}
	for _, g := range r.groups {
		for _, rule := range g.rules {
			if _, ok := rule.(*rules.RecordingRule); ok {
				out[rule.Name()] = true
			}
		}
	}
	return out
}

// Fired is an alert that fires at an evaluation.
type Fired struct {
	Labels, Annotations model.LabelSet
}

// EvalAll evaluates every group, as promtool does at each of its steps, and keeps what fires for FiredAt.
func (r *Rules) EvalAll(ctx context.Context, t time.Time) error {
	if err := r.Eval(ctx, t, 0, func(bool) bool { return true }); err != nil {
		return err
	}
	for _, g := range r.groups {
		for _, a := range g.alerting {
			for _, active := range a.ActiveAlerts() {
				if active.State == rules.StateFiring {
					if r.fired == nil {
						r.fired = map[string]map[int64][]Fired{}
					}
					if r.fired[a.Name()] == nil {
						r.fired[a.Name()] = map[int64][]Fired{}
					}
					at := t.UnixMilli()
					r.fired[a.Name()][at] = append(r.fired[a.Name()][at], Fired{labelSet(active.Labels), labelSet(active.Annotations)})
				}
			}
		}
	}
	return nil
}

// FiredAt are the alerts of a name that fired at an evaluation of EvalAll, in the order of their labels.
func (r *Rules) FiredAt(alert string, t time.Time) []Fired {
	out := slices.Clone(r.fired[alert][t.UnixMilli()])
	slices.SortFunc(out, func(a, b Fired) int { return strings.Compare(a.Labels.String(), b.Labels.String()) })
	return out
}

// Play evaluates everything of a time over what is stored already: what is recorded first, then alerts. start is what
// the groups' intervals count from.
func (r *Rules) Play(ctx context.Context, start, from, to time.Time) error {
	for _, recording := range []bool{true, false} {
		if !recording {
			if err := r.Ahead(ctx, start, from, to); err != nil {
				return err
			}
		}
		for t := from; !t.After(to); t = t.Add(time.Second) {
			if !r.Due(t.Sub(start), recording) {
				continue
			}
			if err := r.Eval(ctx, t, t.Sub(start), func(rec bool) bool { return rec == recording }); err != nil {
				return err
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	slices.SortStableFunc(r.Transitions, func(a, b Transition) int { return a.At.Compare(b.At) })
	return nil
}
