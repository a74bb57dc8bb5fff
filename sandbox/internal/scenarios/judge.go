package scenarios

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"obsandbox/sandbox/internal/simulate"
	"obsandbox/sandbox/internal/stack"
)

// Course is what happened when a scenario was played; times are since its start.
type Course struct {
	Transitions   []simulate.Transition   `json:"transitions"`
	Notifications []simulate.Notification `json:"notifications"`
	Inhibitions   []simulate.Inhibition   `json:"inhibitions"`
	start         time.Time
	end           time.Time
	// factor is how much faster than written down it was played.
	factor float64
	// note is said of the course beside the result.
	note     string
	done     func() error
	evidence evidence
	ask      func(ctx context.Context, expr string, at time.Time) ([]value, error)
}

// close gives back what the course was asked with.
func (c *Course) close() error {
	if c.done != nil {
		return c.done()
	}
	return nil
}

func labelSet(l labels.Labels) model.LabelSet {
	out := model.LabelSet{}
	l.Range(func(l labels.Label) { out[model.LabelName(l.Name)] = model.LabelValue(l.Value) })
	return out
}

// value is one of an expression.
type value struct {
	labels model.LabelSet
	v      float64
}

// fault is an expectation that is not met.
type fault struct {
	line int
	text string
}

// judge compares a course with what is expected.
func (s *Scenario) judge(ctx context.Context, c *Course) ([]fault, error) {
	j := &judgement{s: s, c: c}
	for _, a := range s.Expect.Alerts {
		j.alert(a)
	}
	j.unexpected()
	for _, n := range s.Expect.Notifications {
		j.notification(n)
	}
	for _, in := range s.Expect.Inhibited {
		j.inhibition(in)
	}
	for _, m := range s.Expect.Metrics {
		if err := j.metric(ctx, m); err != nil {
			return nil, err
		}
	}
	for _, l := range s.Expect.Logs {
		if err := j.logs(ctx, l); err != nil {
			return nil, err
		}
	}
	for _, t := range s.Expect.Traces {
		if err := j.traced(ctx, t); err != nil {
			return nil, err
		}
	}
	for _, b := range s.Expect.Budgets {
		if err := j.budget(ctx, b); err != nil {
			return nil, err
		}
	}
	return j.faults, nil
}

type judgement struct {
	s      *Scenario
	c      *Course
	faults []fault
}

func (j *judgement) fail(line int, format string, args ...any) {
	j.faults = append(j.faults, fault{line, fmt.Sprintf(format, args...)})
}

// since is a time as the file writes it.
func (j *judgement) since(at time.Time) time.Duration {
	return time.Duration(float64(at.Sub(j.c.start)) * j.c.factor).Round(time.Second)
}

// at is the moment of a time of the file.
func (j *judgement) at(d stack.Duration) time.Time {
	return j.c.start.Add(time.Duration(float64(d) / j.c.factor))
}

func (j *judgement) alert(a AlertExpectation) {
	name := a.Alert
	if len(a.Labels) > 0 {
		name += fmt.Sprint(a.Labels)[3:]
	}
	// One is pending in the window, whatever was pending before (at the start, rates have nothing to look back on); none
	// fires before it, and one in it; it is resolved when the last alert that fired has ended.
	for _, w := range []struct {
		state string
		*Window
	}{{"pending", a.Pending}, {"firing", a.Firing}} {
		if w.Window == nil {
			continue
		}
		var seen []time.Duration
		for _, t := range j.c.Transitions {
			if t.Alert == a.Alert && t.State == w.state && has(t.Labels, a.Labels) {
				seen = append(seen, j.since(t.At))
			}
		}
		early := w.state == "firing" && slices.ContainsFunc(seen, func(d time.Duration) bool { return d < time.Duration(w.From) })
		in := slices.ContainsFunc(seen, func(d time.Duration) bool { return d >= time.Duration(w.From) && d <= time.Duration(w.By) })
		switch {
		case early:
			j.fail(a.Line, "%s is %s before %s: %s", name, w.state, w.From, j.story(a.Alert))
		case !in:
			j.fail(a.Line, "%s is not %s between %s and %s: %s", name, w.state, w.From, w.By, j.story(a.Alert))
		}
	}
	if a.Resolved == nil {
		return
	}
	open := map[string]bool{}
	last, resolved := time.Duration(0), false
	for _, t := range j.c.Transitions {
		if t.Alert != a.Alert || !has(t.Labels, a.Labels) {
			continue
		}
		switch {
		case t.State == "firing":
			open[t.Labels.String()] = true
		case t.State == "inactive" && open[t.Labels.String()]:
			delete(open, t.Labels.String())
			last, resolved = j.since(t.At), true
		}
	}
	if len(open) > 0 || !resolved || last < time.Duration(a.Resolved.From) || last > time.Duration(a.Resolved.By) {
		j.fail(a.Line, "%s is not resolved between %s and %s: %s", name, a.Resolved.From, a.Resolved.By, j.story(a.Alert))
	}
}

// story is what an alert did.
func (j *judgement) story(alert string) string {
	var parts []string
	for _, t := range j.c.Transitions {
		if t.Alert == alert {
			parts = append(parts, fmt.Sprintf("%s at %s", t.State, j.since(t.At)))
		}
	}
	switch {
	case len(parts) == 0:
		return "it is inactive all the time"
	case len(parts) > 12:
		parts = append(parts[:12], "…")
	}
	return "it is " + strings.Join(parts, ", ")
}

// unexpected are alerts that fire and are not named, and those that are to be silent.
func (j *judgement) unexpected() {
	seen := map[string]bool{}
	for _, t := range j.c.Transitions {
		silent := slices.Contains(j.s.Expect.Silent, t.Alert)
		if seen[t.Alert] || t.State == "inactive" || t.State == "pending" && !silent {
			continue
		}
		named := slices.Contains(j.s.Expect.Tolerate, t.Alert) ||
			slices.ContainsFunc(j.s.Expect.Alerts, func(a AlertExpectation) bool {
				return a.Alert == t.Alert && (a.Firing != nil || a.Resolved != nil) && has(t.Labels, a.Labels)
			})
		if silent || !named {
			seen[t.Alert] = true
			what := "and the scenario does not expect it (name it under expect.alerts or expect.tolerate)"
			if silent {
				what = "and is to be silent"
			}
			j.fail(1, "%s of %s is %s at %s, %s", t.Alert, t.Labels, t.State, j.since(t.At), what)
		}
	}
}

func (j *judgement) notification(n NotificationExpectation) {
	var near []string
	for _, got := range j.c.Notifications {
		if got.Receiver != n.Receiver || got.Status != n.Status || !has(got.Group, n.Group) {
			continue
		}
		at := j.since(got.At)
		text := got.Title + "\n" + got.Text
		missing := slices.IndexFunc(n.Contains, func(part string) bool { return !strings.Contains(text, part) })
		if at >= time.Duration(n.From) && at <= time.Duration(n.By) && missing < 0 {
			if n.Absent {
				j.fail(n.Line, "%s is notified at %s, and is not to be: %s", n.Receiver, at, text)
			}
			return
		}
		near = append(near, fmt.Sprintf("at %s: %s", at, text))
	}
	if n.Absent {
		return
	}
	what := "nothing of the kind is sent"
	if len(near) > 0 {
		what = "what is sent\n" + strings.Join(near, "\n")
	}
	j.fail(n.Line, "%s is not notified of %v (%s) between %s and %s with %q: %s",
		n.Receiver, n.Group, n.Status, n.From, n.By, n.Contains, what)
}

func (j *judgement) inhibition(in InhibitionExpectation) {
	for _, got := range j.c.Inhibitions {
		if string(got.Labels[model.AlertNameLabel]) == in.Alert && has(got.Labels, in.Labels) && (in.Receiver == "" || in.Receiver == got.Receiver) {
			return
		}
	}
	j.fail(in.Line, "%s %v is not inhibited: %s", in.Alert, in.Labels, j.story(in.Alert))
}

func (j *judgement) metric(ctx context.Context, m MetricExpectation) error {
	from, to := j.at(m.At), j.at(m.At)
	if m.By > 0 {
		from, to = j.at(m.From), j.at(m.By)
	}
	for at := from; !at.After(to); at = at.Add(15 * time.Second) {
		got, err := j.c.ask(ctx, m.Expr, at)
		var unreachable *url.Error
		if err != nil && ctx.Err() == nil && !errors.As(err, &unreachable) { // the expression cannot be evaluated
			j.fail(m.Line, "%s at %s: %v", m.Expr, j.since(at), err)
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", j.s.File, m.Line, err)
		}
		if m.Absent != (len(got) == 0) {
			j.fail(m.Line, "%s has %d values at %s", m.Expr, len(got), j.since(at))
			return nil
		}
		for _, v := range got {
			limits := Limits{m.Above, m.Below}
			if m.Value != nil && !(math.Abs(v.v-*m.Value) <= m.Tolerance) {
				j.fail(m.Line, "%s is %g at %s, not %g (tolerance %g) %s", m.Expr, v.v, j.since(at), *m.Value, m.Tolerance, v.labels)
				return nil
			}
			if !j.within(m.Line, m.Expr, &limits, v.v, at) {
				return nil
			}
		}
	}
	return nil
}

// within says whether a value keeps its limits. One that is no number keeps none.
func (j *judgement) within(line int, what string, l *Limits, v float64, at time.Time) bool {
	switch {
	case l == nil:
	case l.Above != nil && !(v > *l.Above):
		j.fail(line, "%s is %g at %s, not above %g", what, v, j.since(at), *l.Above)
		return false
	case l.Below != nil && !(v < *l.Below):
		j.fail(line, "%s is %g at %s, not below %g", what, v, j.since(at), *l.Below)
		return false
	}
	return true
}

func (j *judgement) budget(ctx context.Context, b BudgetExpectation) error {
	at := j.at(b.At)
	for _, q := range []struct {
		what, metric string
		limits       *Limits
	}{{"burn rate", "slo:current_burn_rate:ratio", b.Burn}, {"error budget left", "slo:error_budget_remaining:ratio", b.Left}} {
		if q.limits == nil {
			continue
		}
		got, err := j.c.ask(ctx, fmt.Sprintf("%s{slo=%q}", q.metric, b.SLO), at)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", j.s.File, b.Line, err)
		}
		if len(got) != 1 {
			j.fail(b.Line, "%s of %s has %d values at %s", q.what, b.SLO, len(got), b.At)
			continue
		}
		j.within(b.Line, q.what+" of "+b.SLO, q.limits, got[0].v, at)
	}
	return nil
}
