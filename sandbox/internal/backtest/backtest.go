// Package backtest evaluates rules over what a Prometheus has recorded: what would have fired, with the rules of a change
// and with those before it, for whoever reviews the change.
package backtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"obsandbox/sandbox/internal/picture"
	"obsandbox/sandbox/internal/recorded"
	"obsandbox/sandbox/internal/simulate"
)

// Options say what is evaluated.
type Options struct {
	// Rules are the rule files; Base those before the change, none where it is empty.
	Rules, Base []string
	// Data is what package recorded reads, From and To a part of it.
	Data     string
	From, To time.Time
	// Interval is that of groups that say none.
	Interval time.Duration
	// Slow evaluates groups that record series no more often than this.
	Slow time.Duration

	external labels.Labels
}

// Episode is one time in which an alert fired.
type Episode struct {
	Alert  string         `json:"alert"`
	Labels model.LabelSet `json:"labels"`
	From   time.Time      `json:"from"`
	// To is zero where it still fired at the end.
	To time.Time `json:"to,omitzero"`
}

// Outcome is what would have fired.
type Outcome struct {
	From, To time.Time
	// Series and Samples are what was read.
	Series, Samples int
	// HasBase says that rules from before the change were evaluated.
	HasBase       bool
	Before, After []Episode
	before, after []simulate.Transition
}

// Run reads the data once and evaluates both sets of rules over it.
func Run(ctx context.Context, o Options) (*Outcome, error) {
	if len(o.Rules) == 0 {
		return nil, errors.New("no rules: give --rules")
	}
	var matchers [][]*labels.Matcher
	records := map[string]bool{}
	for _, files := range [][]string{o.Rules, o.Base} {
		if len(files) == 0 {
			continue
		}
		r, err := simulate.LoadRules(ctx, simulate.RulesConfig{Files: files, Interval: o.Interval}, simulate.NewStore(false))
		if err != nil {
			return nil, err
		}
		matchers = append(matchers, r.Matchers()...)
		for name := range r.Records() {
			records[name] = true
		}
		r.Close()
	}
	if !o.From.IsZero() && !o.To.IsZero() && !o.To.After(o.From) {
		return nil, errors.New("--to must be after --from")
	}
	data, err := recorded.Read(ctx, o.Data, o.From, o.To, matchers)
	if err != nil {
		return nil, err
	}
	data = slices.DeleteFunc(data, func(s recorded.Series) bool {
		name := s.Labels.Get(model.MetricNameLabel)
		return records[name] || name == "ALERTS" || name == "ALERTS_FOR_STATE" // made again by the rules
	})
	if len(data) == 0 {
		return nil, fmt.Errorf("%s has no series that the rules ask for%s", o.Data, window(o.From, o.To))
	}
	if o.external, err = recorded.External(ctx, o.Data); err != nil {
		return nil, err
	}
	out := &Outcome{Series: len(data), HasBase: len(o.Base) > 0}
	out.From, out.To = recorded.Span(data)
	for _, s := range data {
		out.Samples += len(s.Times)
	}
	if out.after, err = o.evaluate(ctx, o.Rules, data, out.From, out.To); err != nil {
		return nil, err
	}
	out.After = episodes(out.after)
	if out.HasBase {
		if out.before, err = o.evaluate(ctx, o.Base, data, out.From, out.To); err != nil {
			return nil, err
		}
		out.Before = episodes(out.before)
	}
	return out, nil
}

// window says which part was looked at; nothing where it was all.
func window(from, to time.Time) string {
	text := ""
	if !from.IsZero() {
		text += " from " + from.UTC().Format(time.RFC3339)
	}
	if !to.IsZero() {
		text += " to " + to.UTC().Format(time.RFC3339)
	}
	return text
}

// chunk is how much is worked out ahead at a time.
const chunk = 12 * time.Hour

func (o Options) evaluate(ctx context.Context, files []string, data []recorded.Series, from, to time.Time) ([]simulate.Transition, error) {
	store := simulate.NewStore(false)
	for _, s := range data {
		series := store.Open(s.Labels)
		for i, t := range s.Times {
			if err := series.Add(t, s.Values[i]); err != nil {
				return nil, fmt.Errorf("%s: %w", s.Labels, err)
			}
		}
	}
	rules, err := simulate.LoadRules(ctx, simulate.RulesConfig{Files: files, Interval: o.Interval, Slow: o.Slow, External: o.external}, store)
	if err != nil {
		return nil, err
	}
	defer rules.Close()
	// Whole seconds: what is evaluated at a time has seen what came before it.
	start := from.Truncate(time.Second).Add(time.Second)
	for at := start; !at.After(to); at = at.Add(chunk) {
		end := at.Add(chunk - time.Second)
		if end.After(to) {
			end = to
		}
		if err := rules.Play(ctx, start, at, end); err != nil {
			return nil, err
		}
	}
	return rules.Transitions, nil
}

// episodes are the times of firing.
func episodes(all []simulate.Transition) []Episode {
	var out []Episode
	open := map[string]int{}
	for _, t := range all {
		key := t.Alert + t.Labels.String()
		i, firing := open[key]
		switch {
		case t.State == "firing" && !firing:
			open[key] = len(out)
			out = append(out, Episode{Alert: t.Alert, Labels: t.Labels, From: t.At})
		case t.State != "firing" && firing:
			out[i].To = t.At
			delete(open, key)
		}
	}
	return out
}

// Table writes what fired: for each alert how often and how long, before against after, and each episode of it.
func (o *Outcome) Table(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "%s to %s, %d series, %d samples\n", o.From.UTC().Format(time.RFC3339), o.To.UTC().Format(time.RFC3339), o.Series, o.Samples)
	fmt.Fprintln(tw, "ALERT\tBEFORE\tAFTER\tFIRED BEFORE\tFIRED AFTER")
	for _, name := range o.names() {
		before, lasted := o.sum(o.Before, name)
		after, lasts := o.sum(o.After, name)
		was, long := fmt.Sprint(before), lasted.String()
		if !o.HasBase {
			was, long = "-", "-"
		}
		fmt.Fprintf(tw, "%s\t%s\t%d\t%s\t%s\n", name, was, after, long, lasts)
	}
	if len(o.names()) == 0 {
		fmt.Fprintln(tw, "(nothing would have fired)")
	}
	for _, part := range []struct {
		name string
		all  []Episode
	}{{"before", o.Before}, {"after", o.After}} {
		for _, e := range part.all {
			end := "still firing"
			if !e.To.IsZero() {
				end = e.To.UTC().Format(time.RFC3339)
			}
			fmt.Fprintf(tw, "%s:\t%s\t%s\t%s\t%s\n", part.name, e.Alert, e.From.UTC().Format(time.RFC3339), end, e.Labels)
		}
	}
	return tw.Flush()
}

func (o *Outcome) names() []string {
	var names []string
	for _, e := range slices.Concat(o.Before, o.After) {
		if !slices.Contains(names, e.Alert) {
			names = append(names, e.Alert)
		}
	}
	slices.Sort(names)
	return names
}

func (o *Outcome) sum(all []Episode, name string) (int, time.Duration) {
	n, d := 0, time.Duration(0)
	for _, e := range all {
		if e.Alert != name {
			continue
		}
		n++
		to := e.To
		if to.IsZero() {
			to = o.To
		}
		d += to.Sub(e.From)
	}
	return n, d.Round(time.Second)
}

// SVG draws the states of the alerts, before above after.
func (o *Outcome) SVG() string {
	p := picture.Timeline{Title: "What would have fired from " + o.From.UTC().Format(time.RFC3339), End: o.To.Sub(o.From)}
	since := func(t time.Time) time.Duration { return t.Sub(o.From) }
	named := func(prefix string, all []simulate.Transition) []simulate.Transition {
		out := slices.Clone(all)
		for i := range out {
			out[i].Alert = strings.TrimSpace(prefix + " " + out[i].Alert)
		}
		return out
	}
	if o.HasBase {
		p.AddStates(named("before:", o.before), since)
		p.AddStates(named("after:", o.after), since)
	} else {
		p.AddStates(o.after, since)
	}
	return p.SVG()
}
