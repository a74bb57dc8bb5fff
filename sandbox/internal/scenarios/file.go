// Package scenarios plays incidents: a timeline of faults of the simulated platform, and what the stack's monitoring is to
// make of it: which alerts are pending, fire and resolve by when and which stay silent, who is told what, which are
// inhibited, what metrics and error budgets are. Files are played on simulated time, or against a running stack.
package scenarios

import (
	"errors"
	"time"

	"github.com/prometheus/common/model"

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

// Names are what a scenario may name of the stack.
type Names struct {
	Alerts []string
	// Receivers are not looked at where there are none.
	Receivers []string
}

// ReadFile reads one scenario. Every error names file and line.
func ReadFile(file string, names Names) (*Scenario, error) {
	s := &Scenario{File: file}
	root, err := stack.DecodeFile(file, s)
	if err != nil {
		return nil, err
	}
	if s.Start.IsZero() {
		s.Start = defaultStart()
	}
	c := &checker{s: s, root: root, names: names}
	c.check()
	return s, errors.Join(c.errs...)
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
