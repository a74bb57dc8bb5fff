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

// bind makes a series of a host, at zero: a program exposes its series from its start. A metric or a number of labels
// that the catalogue does not have is a fault of the model, which the tests of this package run into.
func (w *World) bind(h *host, metric string, labels ...string) *Series {
	m, ok := w.cat.Metric(metric)
	if !ok || len(m.Labels) != len(labels) {
		panic(fmt.Sprintf("the world exposes %s with %d labels, and the catalogue does not", metric, len(labels)))
	}
	s := &Series{Metric: m, Labels: labels}
	if m.Type == stack.Histogram {
		s.Buckets, s.shares = make([]float64, len(m.Buckets)), make([]float64, len(m.Buckets))
		s.logs = make([]float64, len(m.Buckets))
		for i, bound := range m.Buckets {
			s.logs[i] = math.Log(bound)
		}
	}
	at, there := slices.BinarySearchFunc(h.series, s, func(a, b *Series) int {
		return cmp.Or(cmp.Compare(a.Metric.Name, b.Metric.Name), slices.Compare(a.Labels, b.Labels))
	})
	if there {
		panic(fmt.Sprintf("the world exposes %s%q of %s twice", metric, labels, h.name))
	}
	h.series = slices.Insert(h.series, at, s)
	return s
}
