// Package record makes a unit test of rules out of what a Prometheus has seen: a window of series as promtool's
// input_series, with the alerts that fired in it as what is expected.
package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/recorded"
	"obsandbox/sandbox/internal/simulate"
)

// Options say what is recorded.
type Options struct {
	// Source is what package recorded reads.
	Source   string
	From, To time.Time
	// Interval is the time between the values that are written; that of the scrapes.
	Interval time.Duration
	// Match are selectors; the ones of all rules where there are none.
	Match [][]*labels.Matcher
	// Rules are the rule files that the test is of, as the test names them.
	Rules []string
	// RuleFiles are the same as they are found here.
	RuleFiles []string
}

// Test is the test file.
type Test struct {
	// Data is the YAML.
	Data []byte
	// Series and Alerts are how many it has.
	Series, Alerts int
}

// input is one series of promtool's.
type input struct{ series, values string }

// Record reads the window, and has the rules evaluated over it as promtool will.
func Record(ctx context.Context, o Options) (*Test, error) {
	if !o.To.After(o.From) {
		return nil, errors.New("--to must be after --from")
	}
	external, err := recorded.External(ctx, o.Source)
	if err != nil {
		return nil, err
	}
	if o.From, err = o.begin(ctx); err != nil {
		return nil, err
	}
	store := simulate.NewStore(true)
	rules, err := simulate.LoadRules(ctx, simulate.RulesConfig{Files: o.RuleFiles, Interval: o.Interval, External: external}, store)
	if err != nil {
		return nil, err
	}
	defer rules.Close()
	match := o.Match
	if len(match) == 0 {
		match = rules.Matchers()
	}
	all, err := recorded.Read(ctx, o.Source, o.From, o.To, match)
	if err != nil {
		return nil, err
	}
	records := rules.Records()
	steps := int(o.To.Sub(o.From) / o.Interval)
	var in []input
	zero := time.Unix(0, 0).UTC()
	for _, s := range all {
		name := s.Labels.Get(model.MetricNameLabel)
		if name == "ALERTS" || name == "ALERTS_FOR_STATE" || records[name] {
			continue // the test's rules make them again
		}
		values := sampled(s, o.From, o.Interval, steps)
		if values == nil {
			continue
		}
		in = append(in, input{s.Labels.String(), Encode(values)})
		series := store.Open(s.Labels)
		for i, v := range values {
			if v != nil {
				if err := series.Add(zero.Add(time.Duration(i)*o.Interval).UnixMilli(), *v); err != nil {
					return nil, fmt.Errorf("%s: %w", s.Labels, err)
				}
			}
		}
	}
	if len(in) == 0 {
		return nil, errors.New("no series is there in the window: look at --from, --to and --match")
	}
	sort.Slice(in, func(i, j int) bool { return in[i].series < in[j].series })
	// promtool evaluates every group at every step of evaluation_interval.
	end := time.Duration(steps) * o.Interval
	for d := time.Duration(0); d <= end; d += o.Interval {
		if err := rules.EvalAll(ctx, zero.Add(d)); err != nil {
			return nil, err
		}
	}
	t := &Test{Series: len(in)}
	t.Data, t.Alerts, err = o.write(in, rules, external, end)
	return t, err
}

// begin is when the recording begins: not before the Prometheus did, or what it has not seen yet would count as gone.
func (o Options) begin(ctx context.Context) (time.Time, error) {
	up, err := recorded.Read(ctx, o.Source, o.From, o.To, [][]*labels.Matcher{{labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, "up")}})
	if err != nil || len(up) == 0 {
		return o.From, err
	}
	if first, _ := recorded.Span(up); first.Sub(o.From) > o.Interval {
		return first.Truncate(time.Second), nil
	}
	return o.From, nil
}

// sampled are the values at each step: the last one since the step before. nil is none; a mark of staleness stays one.
func sampled(s recorded.Series, from time.Time, interval time.Duration, steps int) []*float64 {
	out := make([]*float64, steps+1)
	found := false
	for i, t := range s.Times {
		at := time.UnixMilli(t).Sub(from)
		k := int((at + interval - 1) / interval) // the first step at which it is known
		if at < 0 || k > steps {
			continue
		}
		v := s.Values[i]
		// A sample stands above the mark that came just after it in the same step.
		if out[k] != nil && value.IsStaleNaN(v) && k < steps {
			k++
		}
		out[k] = &v
		found = true
	}
	if !found {
		return nil
	}
	return out
}

// Encode writes values as promtool reads them: "1x3" for one value four times, "1+2x3" for a rise, "_" for none and
// "stale" for the end of a series.
func Encode(values []*float64) string {
	var parts []string
	for i := 0; i < len(values); {
		if values[i] == nil {
			n := run(values, i, func(a, b *float64) bool { return b == nil })
			if n == 1 {
				parts = append(parts, "_")
			} else {
				parts = append(parts, "_x"+strconv.Itoa(n)) // _xN is N of them
			}
			i += n
			continue
		}
		v := *values[i]
		if value.IsStaleNaN(v) {
			parts = append(parts, "stale")
			i++
			continue
		}
		if n := run(values, i, func(_, b *float64) bool { return b != nil && math.Float64bits(*b) == math.Float64bits(v) }); n > 2 && v-v == 0 { // NaN and Inf take no xN
			parts = append(parts, number(v)+"x"+strconv.Itoa(n-1))
			i += n
			continue
		}
		if n, step := rise(values[i:]); n > 2 {
			sign := "+"
			if step < 0 {
				sign, step = "-", -step
			}
			parts = append(parts, number(v)+sign+number(step)+"x"+strconv.Itoa(n-1))
			i += n
			continue
		}
		parts = append(parts, number(v))
		i++
	}
	return strings.Join(parts, " ")
}

func run(values []*float64, from int, same func(first, next *float64) bool) int {
	n := 1
	for from+n < len(values) && same(values[from], values[from+n]) {
		n++
	}
	return n
}

// rise is how many values follow each other by the same step exactly as promtool adds it up.
func rise(values []*float64) (int, float64) {
	if len(values) < 3 || values[1] == nil {
		return 1, 0
	}
	step := *values[1] - *values[0]
	if step == 0 || step != step || math.IsInf(step, 0) {
		return 1, 0
	}
	n, at := 1, *values[0]
	for n < len(values) && values[n] != nil {
		at += step
		if *values[n] != at || value.IsStaleNaN(*values[n]) {
			break
		}
		n++
	}
	return n, step
}

func number(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	case v != v:
		return "NaN"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// write is the file: what fires at the last evaluation before each change of an alert, and at the end.
func (o Options) write(in []input, rules *simulate.Rules, external labels.Labels, end time.Duration) ([]byte, int, error) {
	type alert struct {
		Labels      map[string]string `yaml:"exp_labels"`
		Annotations map[string]string `yaml:"exp_annotations,omitempty"`
	}
	type test struct {
		At     string  `yaml:"eval_time"`
		Name   string  `yaml:"alertname"`
		Alerts []alert `yaml:"exp_alerts"`
	}
	type series struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	}
	type group struct {
		Name     string            `yaml:"name"`
		Interval string            `yaml:"interval"`
		External map[string]string `yaml:"external_labels,omitempty"`
		Input    []series          `yaml:"input_series"`
		Alerts   []test            `yaml:"alert_rule_test"`
	}
	g := group{Name: "recorded from " + o.From.UTC().Format(time.RFC3339) + " to " + o.To.UTC().Format(time.RFC3339), Interval: model.Duration(o.Interval).String(), External: external.Map()}
	for _, s := range in {
		g.Input = append(g.Input, series{s.series, s.values})
	}
	fired := 0
	for _, name := range rules.Alerts {
		times := map[time.Duration]bool{end: true}
		for _, t := range rules.Transitions {
			if t.Alert == name && t.State != "pending" {
				times[t.At.Sub(time.Unix(0, 0))] = true
			}
		}
		var sorted []time.Duration
		for d := range times {
			sorted = append(sorted, d)
		}
		sort.Slice(sorted, func(i, j int) bool { return sorted[i] < sorted[j] })
		for _, d := range sorted {
			t := test{At: model.Duration(d).String(), Name: name, Alerts: []alert{}}
			for _, f := range rules.FiredAt(name, time.Unix(0, 0).UTC().Add(d)) {
				l := map[string]string{}
				for k, v := range f.Labels {
					if k != model.AlertNameLabel {
						l[string(k)] = string(v)
					}
				}
				a := map[string]string{}
				for k, v := range f.Annotations {
					a[string(k)] = string(v)
				}
				t.Alerts = append(t.Alerts, alert{l, a})
				fired++
			}
			g.Alerts = append(g.Alerts, t)
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# What %s has seen, with the alerts that the rules of today make of it. promtool test rules runs it.\n", o.Source)
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	err := enc.Encode(map[string]interface{}{"rule_files": o.Rules, "evaluation_interval": model.Duration(o.Interval).String(), "tests": []group{g}})
	return b.Bytes(), fired, err
}
