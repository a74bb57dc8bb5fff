package catalogue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"obsandbox/sandbox/internal/stack"
)

// Lint asks `promtool check metrics` what it thinks of the metrics of a catalogue, as their programs expose them. It
// must agree on which names are foreign. Every fault is a *stack.FileError.
func Lint(ctx context.Context, promtool, file string) error {
	known, err := stack.LoadMetrics(file)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, promtool, "check", "metrics")
	cmd.Stdin = bytes.NewReader(exposition(known))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("run promtool check metrics: %w", err)
	}
	var errs []error
	for line := range strings.Lines(string(out)) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch m, ok := known.Metric(name); {
		case !ok: // not about a metric: promtool itself has failed
			errs = append(errs, &stack.FileError{File: file, Msg: "promtool check metrics: " + strings.TrimSpace(line)})
		case !m.Foreign:
			errs = append(errs, &stack.FileError{File: file, Line: m.Line, Msg: "promtool check metrics: " + name + " " + text})
		}
	}
	if err != nil && len(out) == 0 {
		errs = append(errs, fmt.Errorf("promtool check metrics: %w", err))
	}
	return errors.Join(errs...)
}

// exposition is a catalogue in Prometheus' text format: one series of each metric.
func exposition(c *stack.Catalogue) []byte {
	var b bytes.Buffer
	for _, m := range c.Metrics {
		meaning := strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(m.Meaning)
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", m.Name, meaning, m.Name, m.Type)
		var pairs []string
		for _, l := range m.Labels {
			value := "x"
			if len(l.Values) > 0 {
				value = l.Values[0]
			}
			pairs = append(pairs, l.Name+"="+strconv.Quote(value))
		}
		labels := strings.Join(pairs, ",")
		if m.Type != stack.Histogram {
			fmt.Fprintf(&b, "%s{%s} 0\n", m.Name, labels)
			continue
		}
		for _, bound := range append(strings.Fields(strings.Trim(fmt.Sprint(m.Buckets), "[]")), "+Inf") {
			fmt.Fprintf(&b, "%s_bucket{%s} 0\n", m.Name, strings.TrimPrefix(labels+`,le="`+bound+`"`, ","))
		}
		fmt.Fprintf(&b, "%s_sum{%s} 0\n%s_count{%s} 0\n", m.Name, labels, m.Name, labels)
	}
	return b.Bytes()
}
