package unittest

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

// Unmentioned is an alert that fires in a case that says nothing about it.
type Unmentioned struct {
	Rule RuleID
	Name string
	// At is when it fires first, since the start of the case.
	At time.Duration
	// Labels are those of the series that makes it fire.
	Labels labels.Labels
}

// findUnmentioned asks for each alert that the case does not mention over the whole case in one range query: much
// less work than evaluating its rule at each step.
func (r *run) findUnmentioned(ctx context.Context, set *ruleSet, start, end time.Time) {
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 50_000_000, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return r.file.interval.Milliseconds() },
	})
	defer func() { _ = engine.Close() }()
	mentioned := r.c.Mentions()
	for _, id := range set.ids {
		rule := set.rules[id]
		if rule.Alert == "" || mentioned.Alerts[rule.Alert] || mentioned.Anything {
			continue
		}
		q, err := engine.NewRangeQuery(ctx, r.suite.queryable, nil, rule.Expr, start, end, r.file.interval)
		if err != nil {
			r.doubtful = true
			continue
		}
		result := q.Exec(ctx)
		matrix, err := result.Matrix()
		if err != nil || clash(matrix, rule.Labels) {
			r.doubtful = true
			continue
		}
		for _, series := range matrix {
			if at, ok := firstFiring(series, r.file.interval, time.Duration(rule.For)); ok {
				r.out.Unmentioned = append(r.out.Unmentioned, Unmentioned{
					Rule: id, Name: rule.Alert, At: time.UnixMilli(at).Sub(start), Labels: series.Metric.Copy(),
				})
				break
			}
		}
		q.Close()
	}
}

// clash says whether the labels of an alert may make two series the same, which is an error of its evaluation.
func clash(matrix promql.Matrix, alertLabels map[string]string) bool {
	seen := map[string]bool{}
	for _, series := range matrix {
		b := labels.NewBuilder(series.Metric)
		b.Del(model.MetricNameLabel)
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

// firstFiring is the time in milliseconds at which a series has been there for the whole of hold.
func firstFiring(series promql.Series, step, hold time.Duration) (int64, bool) {
	var times []int64
	for _, p := range series.Floats {
		times = append(times, p.T)
	}
	for _, p := range series.Histograms {
		times = append(times, p.T)
	}
	since := int64(0)
	for i, t := range times {
		if i == 0 || t-times[i-1] > step.Milliseconds() {
			since = t
		}
		if t-since >= hold.Milliseconds() {
			return t, true
		}
	}
	return 0, false
}

// String is what a person reads: the alert, when and for what it fires.
func (u Unmentioned) String() string {
	return fmt.Sprintf("%s fires at %s for %s", u.Name, u.At, u.Labels)
}
