package scenarios

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/platform/world"
	"obsandbox/sandbox/internal/rules/unittest"
	"obsandbox/sandbox/internal/stack"
)

// checker finds what is wrong with a file beyond its form.
type checker struct {
	s     *Scenario
	root  *yaml.Node
	names Names
	errs  []error
}

func (c *checker) fail(line int, format string, args ...any) {
	c.errs = append(c.errs, &stack.FileError{File: c.s.File, Line: line, Msg: fmt.Sprintf(format, args...)})
}

// node is the value of a key or the item of a list that a path leads to, or the last on the way that is there: strings are
// keys, numbers are places.
func (c *checker) node(path ...any) *yaml.Node {
	n := c.root
	for _, p := range path {
		var next *yaml.Node
		switch p := p.(type) {
		case int:
			next = stack.Item(n, p)
		case string:
			next = stack.Child(n, p)
		}
		if next.Kind == 0 {
			break
		}
		n = next
	}
	return n
}

func (c *checker) line(path ...any) int { return c.node(path...).Line }

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

// window says whether a time is after another, both of the scenario.
func (c *checker) window(line int, what string, from, by stack.Duration) {
	c.within(line, from, by)
	if by <= from {
		c.fail(line, "%s: by must be after from", what)
	}
}

func (c *checker) known(line int, names ...string) {
	for _, n := range names {
		if !slices.Contains(c.names.Alerts, n) {
			c.fail(line, "no alert %q: there are %s", n, strings.Join(c.names.Alerts, ", "))
		}
	}
}

func (c *checker) receiver(line int, name string) {
	if len(c.names.Receivers) > 0 && !slices.Contains(c.names.Receivers, name) {
		c.fail(line, "no receiver %q: there are %s", name, strings.Join(c.names.Receivers, ", "))
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
				c.window(a.Line, "alert "+a.Alert, w.From, w.By)
			}
		}
	}
	c.known(c.line("expect", "silent"), e.Silent...)
	c.known(c.line("expect", "tolerate"), e.Tolerate...)
	for i := range e.Metrics {
		c.metric(i, &e.Metrics[i])
	}
	for i := range e.Notifications {
		n := &e.Notifications[i]
		n.Line = c.line("expect", "notifications", i)
		n.By = cmp.Or(n.By, c.s.Duration)
		c.window(n.Line, "notification", n.From, n.By)
		n.Status = cmp.Or(n.Status, "firing")
		if n.Status != "firing" && n.Status != "resolved" || n.Receiver == "" {
			c.fail(n.Line, "a notification has a receiver, and the status firing or resolved")
		} else {
			c.receiver(n.Line, n.Receiver)
		}
	}
	for i := range e.Inhibited {
		in := &e.Inhibited[i]
		in.Line = c.line("expect", "inhibited", i)
		c.known(in.Line, in.Alert)
		if in.Receiver != "" {
			c.receiver(in.Line, in.Receiver)
		}
	}
	for i := range e.Logs {
		l := &e.Logs[i]
		l.Line = c.counted("logs", i, l.From, &l.By, l.Count)
		if l.Query == "" {
			c.fail(l.Line, "lines are looked for by a query, such as service:flink AND level:ERROR")
		}
	}
	for i := range e.Traces {
		t := &e.Traces[i]
		t.Line = c.counted("traces", i, t.From, &t.By, t.Count)
		if t.Service == "" {
			c.fail(t.Line, "traces are looked for by the service of a span")
		}
	}
	for i := range e.Budgets {
		b := &e.Budgets[i]
		b.Line = c.line("expect", "budgets", i)
		c.within(b.Line, b.At)
		if b.SLO == "" || b.At == 0 || b.Burn == nil && b.Left == nil {
			c.fail(b.Line, "a budget has an slo, a time (at), and limits of burn or left")
		}
	}
}

func (c *checker) metric(i int, m *MetricExpectation) {
	m.Line = c.line("expect", "metrics", i)
	if _, err := parser.NewParser(unittest.ParserOptions()).ParseExpr(m.Expr); err != nil {
		c.fail(c.line("expect", "metrics", i, "expr"), "%v", err)
	}
	switch {
	case m.At != 0 && (m.From != 0 || m.By != 0):
		c.fail(m.Line, "a metric is looked at either at one time (at) or from one to another (from, by)")
	case m.At != 0:
		c.within(m.Line, m.At)
	case m.From == 0 && m.By == 0:
		c.fail(m.Line, "say when the metric is looked at: at a time, or from one to another (from, by)")
	default:
		m.By = cmp.Or(m.By, c.s.Duration)
		c.window(m.Line, "metric", m.From, m.By)
	}
	if (m.Value == nil && m.Above == nil && m.Below == nil) != m.Absent {
		c.fail(m.Line, "a metric has either a value, above or below, or is absent")
	}
}

// counted checks what is counted in a window, one of a list, and says on which line it stands.
func (c *checker) counted(list string, i int, from stack.Duration, by *stack.Duration, n Count) (line int) {
	line = c.line("expect", list, i)
	*by = cmp.Or(*by, c.s.Duration)
	c.window(line, list, from, *by)
	if n.Absent && (n.Above != nil || n.Below != nil) {
		c.fail(line, "%s: what is absent is neither above nor below a number", list)
	}
	return line
}
