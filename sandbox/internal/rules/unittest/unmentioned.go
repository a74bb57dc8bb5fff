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
	// Labels are those of the series that makes it fire, less the metric's name, which no alert has.
	Labels labels.Labels
}

// findUnmentioned asks for each alert that the case does not mention over the whole case in one range query: much
// less work than evaluating its rule at each step.
func (r *run) findUnmentioned(ctx context.Context, set *ruleSet, start, end time.Time) {
	engine := rangeEngine(r.file.interval)
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
			if at := newStates(start, end, r.file.interval).add(series, rule, start); at >= 0 {
				r.out.Unmentioned = append(r.out.Unmentioned, Unmentioned{Rule: id, Name: rule.Alert, At: at, Labels: alertLabels(series)})
				break
			}
		}
		q.Close()
	}
}

// String is what a person reads: the alert, when and for what it fires.
func (u Unmentioned) String() string {
	return fmt.Sprintf("%s fires at %s for %s", u.Name, u.At, u.Labels)
}

// alertLabels are those that an alert has of a series.
func alertLabels(s promql.Series) labels.Labels {
	return labels.NewBuilder(s.Metric).Del(model.MetricNameLabel).Labels()
}
