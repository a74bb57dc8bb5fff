package world

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"obsandbox/sandbox/internal/stack"
)

// Series is one series of a host. Which of its values counts is the metric's type.
type Series struct {
	Metric *stack.Metric
	// Labels are the values of Metric.Labels, in their order.
	Labels []string
	// Value is a counter's or a gauge's value.
	Value float64
	// Buckets are the cumulative counts of a histogram, one for each of Metric.Buckets; Count and Sum are over all.
	Buckets []float64
	Count   float64
	Sum     float64

	// hidden says that the host does not expose the series now.
	hidden bool
	// logs are the logarithms of the buckets' bounds. shares is the part of the last distribution that is in each
	// bucket: distributions change seldom, and the error function is dear.
	logs          []float64
	median, sigma float64
	shares        []float64
	mean          float64
}

// add raises a counter.
func (s *Series) add(v float64) {
	if v > 0 {
		s.Value += v
	}
}

// observe adds n observations of a log-normal distribution with the given median, and sigma as the deviation of its
// logarithm.
func (s *Series) observe(n, median, sigma float64) {
	if n <= 0 {
		return
	}
	if s.median != median || s.sigma != sigma {
		s.median, s.sigma = median, sigma
		centre := math.Log(median)
		for i, bound := range s.logs {
			s.shares[i] = 0.5 * math.Erfc((centre-bound)/(sigma*math.Sqrt2))
		}
		s.mean = median * math.Exp(sigma*sigma/2)
	}
	for i, share := range s.shares {
		s.Buckets[i] += n * share
	}
	s.Count += n
	s.Sum += n * s.mean
}

// coarse rounds a time to steps of 5 %, so that distributions keep still for every breath of the load.
func coarse(seconds float64) float64 {
	const steps = 20
	return math.Exp(math.Round(math.Log(seconds)*steps) / steps)
}

// counter, gauge and histogram make a series of a host, at zero: a program exposes its series from its start.
func (w *World) counter(h *host, metric string, labels ...string) *Series {
	return w.bind(h, stack.Counter, metric, labels)
}

func (w *World) gauge(h *host, metric string, labels ...string) *Series {
	return w.bind(h, stack.Gauge, metric, labels)
}

func (w *World) histogram(h *host, metric string, labels ...string) *Series {
	return w.bind(h, stack.Histogram, metric, labels)
}

// bind notes where the catalogue and the model do not agree, for New to report.
func (w *World) bind(h *host, kind stack.MetricType, metric string, labels []string) *Series {
	m, ok := w.cat.Metric(metric)
	if !ok {
		w.disagree(w.cat.Metrics[0].Line, "the simulated platform exposes %s %s, and the catalogue does not have it", kind, metric)
		return &Series{}
	}
	s := &Series{Metric: m, Labels: labels}
	switch {
	case m.Type != kind:
		w.disagree(m.Line, "%s is a %s here, and a %s in the simulated platform", metric, m.Type, kind)
		return s
	case len(m.Labels) != len(labels):
		w.disagree(m.Line, "%s has %d labels here, and %d in the simulated platform", metric, len(m.Labels), len(labels))
		return s
	case !slices.Contains(m.ExposedBy, h.exposer()):
		w.disagree(m.Line, "%s is exposed by %s in the simulated platform, and not here", metric, h.exposer())
	}
	for i, l := range m.Labels {
		if len(l.Values) > 0 && !slices.Contains(l.Values, labels[i]) {
			w.disagree(m.Line, "label %s of %s is %q in the simulated platform, and never here", l.Name, metric, labels[i])
		}
	}
	if kind == stack.Histogram {
		s.Buckets, s.shares = make([]float64, len(m.Buckets)), make([]float64, len(m.Buckets))
		s.logs = make([]float64, len(m.Buckets))
		for i, bound := range m.Buckets {
			s.logs[i] = math.Log(bound)
		}
	}
	at, _ := slices.BinarySearchFunc(h.series, s, func(a, b *Series) int {
		return cmp.Or(cmp.Compare(a.Metric.Name, b.Metric.Name), slices.Compare(a.Labels, b.Labels))
	})
	h.series = slices.Insert(h.series, at, s)
	return s
}

// disagree notes each thing once: hosts of a kind have the same series.
func (w *World) disagree(line int, format string, args ...any) {
	fault := stack.FileError{File: w.cat.File, Line: line, Msg: fmt.Sprintf(format, args...)}
	if !slices.Contains(w.disagreements, fault) {
		w.disagreements = append(w.disagreements, fault)
	}
}
