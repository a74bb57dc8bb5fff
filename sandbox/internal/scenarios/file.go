// Package scenarios plays incidents: a timeline of faults of the simulated platform, and what the stack's monitoring is to
// make of it: which alerts are pending, fire and resolve by when and which stay silent, who is told what, which are
// inhibited, what metrics and error budgets are. Files are played on simulated time, or against a running stack.
package scenarios

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/platform/world"
	"obsandbox/sandbox/internal/rules/unittest"
	"obsandbox/sandbox/internal/stack"
)

// Scenario is one file. All times are since its start.
type Scenario struct {
	File string `yaml:"-"`

	Name string `yaml:"name"`
	Seed uint64 `yaml:"seed"`
	// Start is the time of day that it begins at; the first Monday of 2025 at nine where it is missing.
	Start    time.Time      `yaml:"start"`
	Duration stack.Duration `yaml:"duration"`
	// Noise makes the load stray more than usual: 1 is the usual.
	Noise float64 `yaml:"noise"`
	// Slow evaluates groups that record series no more often than this, which makes long scenarios short.
	Slow     stack.Duration `yaml:"slow"`
	Timeline []Event        `yaml:"timeline"`
	Expect   Expect         `yaml:"expect"`
}

// Event sets a fault, or clears one.
type Event struct {
	At      stack.Duration `yaml:"at"`
	Fault   string         `yaml:"fault"`
	Clear   string         `yaml:"clear"`
	Service string         `yaml:"service"`
	// For ends the fault by itself.
	For  stack.Duration `yaml:"for"`
	Line int            `yaml:"-"`
}

// Expect is what is to come of it. An alert that fires and is named in none of Alerts and Tolerate is a failure.
type Expect struct {
	Alerts []AlertExpectation `yaml:"alerts"`
	// Silent alerts are neither pending nor firing at any time.
	Silent []string `yaml:"silent"`
	// Tolerate are alerts that may fire as well: consequences that the scenario is not about.
	Tolerate      []string                  `yaml:"tolerate"`
	Metrics       []MetricExpectation       `yaml:"metrics"`
	Notifications []NotificationExpectation `yaml:"notifications"`
	Inhibited     []InhibitionExpectation   `yaml:"inhibited"`
	Logs          []LogExpectation          `yaml:"logs"`
	Traces        []TraceExpectation        `yaml:"traces"`
	Budgets       []BudgetExpectation       `yaml:"budgets"`
}

// Window is a time in which something is to happen: not before From, and by By.
type Window struct {
	From stack.Duration `yaml:"from"`
	By   stack.Duration `yaml:"by"`
}

// AlertExpectation is the course of the alerts of a name that have the labels.
type AlertExpectation struct {
	Alert    string            `yaml:"alert"`
	Labels   map[string]string `yaml:"labels"`
	Pending  *Window           `yaml:"pending"`
	Firing   *Window           `yaml:"firing"`
	Resolved *Window           `yaml:"resolved"`
	Line     int               `yaml:"-"`
}

// MetricExpectation is about every value of an expression: at a time, or at every 15 s of a window.
type MetricExpectation struct {
	Expr      string         `yaml:"expr"`
	At        stack.Duration `yaml:"at"`
	From      stack.Duration `yaml:"from"`
	By        stack.Duration `yaml:"by"`
	Value     *float64       `yaml:"value"`
	Tolerance float64        `yaml:"tolerance"`
	Above     *float64       `yaml:"above"`
	Below     *float64       `yaml:"below"`
	// Absent says that there is no value.
	Absent bool `yaml:"absent"`
	Line   int  `yaml:"-"`
}

// NotificationExpectation is a notification that is sent in a window; with Absent, one that is not.
type NotificationExpectation struct {
	Receiver string            `yaml:"receiver"`
	Group    map[string]string `yaml:"group"`
	// Status is firing or resolved; firing where it is missing.
	Status string         `yaml:"status"`
	From   stack.Duration `yaml:"from"`
	By     stack.Duration `yaml:"by"`
	// Contains are texts that stand in its title or its text.
	Contains []string `yaml:"contains"`
	Absent   bool     `yaml:"absent"`
	Line     int      `yaml:"-"`
}

// InhibitionExpectation is an alert that fires and is not sent to a receiver because of another.
type InhibitionExpectation struct {
	Alert    string            `yaml:"alert"`
	Labels   map[string]string `yaml:"labels"`
	Receiver string            `yaml:"receiver"`
	Line     int               `yaml:"-"`
}

// BudgetExpectation is about an objective at a time: how many times too fast its error budget burns, and the share of it
// that is left.
type BudgetExpectation struct {
	SLO  string         `yaml:"slo"`
	At   stack.Duration `yaml:"at"`
	Burn *Limits        `yaml:"burn"`
	Left *Limits        `yaml:"left"`
	Line int            `yaml:"-"`
}

// Limits of a value.
type Limits struct {
	Above *float64 `yaml:"above"`
	Below *float64 `yaml:"below"`
}

// defaultStart is a working morning; Alertmanager's templates need it to be past.
func defaultStart() time.Time { return time.Date(2025, 1, 6, 9, 0, 0, 0, time.UTC) }

// ReadFile reads one scenario; alerts are the names of the stack's alerting rules. Every error names file and line.
func ReadFile(file string, alerts []string) (*Scenario, error) {
	s := &Scenario{File: file}
	root, err := stack.DecodeFile(file, s)
	if err != nil {
		return nil, err
	}
	if s.Start.IsZero() {
		s.Start = defaultStart()
	}
	c := &checker{s: s, root: root, alerts: alerts}
	c.check()
	return s, errors.Join(c.errs...)
}

type checker struct {
	s      *Scenario
	root   *yaml.Node
	alerts []string
	errs   []error
}

func (c *checker) fail(line int, format string, args ...any) {
	c.errs = append(c.errs, &stack.FileError{File: c.s.File, Line: line, Msg: fmt.Sprintf(format, args...)})
}

// line is where a key of a mapping or an item of a list stands: strings are keys, numbers are places.
func (c *checker) line(path ...any) int {
	n := c.root
	for _, p := range path {
		var next *yaml.Node
		switch p := p.(type) {
		case int:
			if n.Kind == yaml.SequenceNode && p < len(n.Content) {
				next = n.Content[p]
			}
		case string:
			for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == p {
					next = n.Content[i+1]
				}
			}
		}
		if next == nil {
			break
		}
		n = next
	}
	return n.Line
}

func (c *checker) check() {
	s := c.s
	if s.Name == "" {
		c.fail(1, "name is missing")
	}
	if s.Duration <= 0 {
		c.fail(c.line("duration"), "duration is missing: how long the scenario goes on, such as 1h")
	}
	if s.Start.Add(time.Duration(s.Duration)).After(time.Now()) {
		c.fail(c.line("start"), "the scenario must be over by now: begin it in the past")
	}
	faults := map[string]world.Fault{}
	for _, f := range world.Faults() {
		faults[f.Name] = f
	}
	for i := range s.Timeline {
		e := &s.Timeline[i]
		e.Line = c.line("timeline", i)
		name := e.Fault + e.Clear
		f, ok := faults[name]
		switch {
		case (e.Fault == "") == (e.Clear == ""):
			c.fail(e.Line, "an event has either fault or clear")
		case !ok:
			c.fail(e.Line, "no fault %q: `sandbox fault --list` names them", name)
		case e.Service != "" && !slices.Contains(f.Services, e.Service):
			c.fail(e.Line, "fault %s cannot be set for %q: it is for %s", name, e.Service, strings.Join(f.Services, ", "))
		}
		c.within(e.Line, e.At)
	}
	c.expectations()
}

// within says whether a time is one of the scenario's.
func (c *checker) within(line int, times ...stack.Duration) {
	for _, at := range times {
		if at > c.s.Duration {
			c.fail(line, "%s is after the end of the scenario (duration: %s)", at, c.s.Duration)
		}
	}
}

func (c *checker) known(line int, names ...string) {
	for _, n := range names {
		if !slices.Contains(c.alerts, n) {
			c.fail(line, "no alert %q: there are %s", n, strings.Join(c.alerts, ", "))
		}
	}
}

func (c *checker) expectations() {
	e := &c.s.Expect
	for i := range e.Alerts {
		a := &e.Alerts[i]
		a.Line = c.line("expect", "alerts", i)
		c.known(a.Line, a.Alert)
		if a.Pending == nil && a.Firing == nil && a.Resolved == nil {
			c.fail(a.Line, "alert %s: say when it is pending, firing or resolved", a.Alert)
		}
		for _, w := range []*Window{a.Pending, a.Firing, a.Resolved} {
			if w != nil {
				c.within(a.Line, w.From, w.By)
				if w.By <= w.From {
					c.fail(a.Line, "alert %s: by must be after from", a.Alert)
				}
			}
		}
	}
	c.known(c.line("expect", "silent"), e.Silent...)
	c.known(c.line("expect", "tolerate"), e.Tolerate...)
	p := parser.NewParser(unittest.ParserOptions())
	for i := range e.Metrics {
		m := &e.Metrics[i]
		m.Line = c.line("expect", "metrics", i)
		if _, err := p.ParseExpr(m.Expr); err != nil {
			c.fail(c.line("expect", "metrics", i, "expr"), "%v", err)
		}
		c.within(m.Line, m.At, m.From, m.By)
		if m.At != 0 && m.By != 0 {
			c.fail(m.Line, "a metric is looked at either at one time or from one to another (by)")
		}
		if (m.Value == nil && m.Above == nil && m.Below == nil) != m.Absent {
			c.fail(m.Line, "a metric has either a value, above or below, or is absent")
		}
	}
	for i := range e.Notifications {
		n := &e.Notifications[i]
		n.Line = c.line("expect", "notifications", i)
		c.within(n.Line, n.From, n.By)
		if n.By == 0 {
			n.By = c.s.Duration
		}
		if n.Status == "" {
			n.Status = "firing"
		}
		if n.Status != "firing" && n.Status != "resolved" || n.Receiver == "" {
			c.fail(n.Line, "a notification has a receiver, and the status firing or resolved")
		}
	}
	for i := range e.Inhibited {
		e.Inhibited[i].Line = c.line("expect", "inhibited", i)
		c.known(e.Inhibited[i].Line, e.Inhibited[i].Alert)
	}
	for i := range e.Logs {
		l := &e.Logs[i]
		l.Line = c.line("expect", "logs", i)
		l.By = cmp.Or(l.By, c.s.Duration)
		c.within(l.Line, l.From, l.By)
		if l.Query == "" {
			c.fail(l.Line, "lines are looked for by a query, such as service:flink AND level:ERROR")
		}
		if wrong := l.check(l.From, l.By); wrong != "" {
			c.fail(l.Line, "lines: %s", wrong)
		}
	}
	for i := range e.Traces {
		t := &e.Traces[i]
		t.Line = c.line("expect", "traces", i)
		t.By = cmp.Or(t.By, c.s.Duration)
		c.within(t.Line, t.From, t.By)
		if t.Service == "" {
			c.fail(t.Line, "traces are looked for by the service of a span")
		}
		if wrong := t.check(t.From, t.By); wrong != "" {
			c.fail(t.Line, "traces: %s", wrong)
		}
	}
	for i := range e.Budgets {
		b := &e.Budgets[i]
		b.Line = c.line("expect", "budgets", i)
		c.within(b.Line, b.At)
		if b.SLO == "" || b.Burn == nil && b.Left == nil {
			c.fail(b.Line, "a budget has an slo, and limits of burn or left")
		}
	}
}

// asks are the expressions that are evaluated.
func (s *Scenario) asks() []string {
	var out []string
	for _, m := range s.Expect.Metrics {
		out = append(out, m.Expr)
	}
	return out
}

// has says whether a set of labels has the wanted ones.
func has(all model.LabelSet, wanted map[string]string) bool {
	for name, v := range wanted {
		if string(all[model.LabelName(name)]) != v {
			return false
		}
	}
	return true
}
