package world

import (
	"fmt"
	"math"
	"slices"
	"strings"

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

	// The last distribution and the share of it in each bucket: distributions change seldom, and erf is dear.
	median, sigma float64
	shares        []float64
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
		for i, bound := range s.Metric.Buckets {
			s.shares[i] = 0.5 * math.Erfc(-math.Log(bound/median)/(sigma*math.Sqrt2))
		}
	}
	for i, share := range s.shares {
		s.Buckets[i] += n * share
	}
	s.Count += n
	s.Sum += n * median * math.Exp(sigma*sigma/2)
}

// host is something that exposes series.
type host struct {
	name, address, service string
	pod                    *Pod
	series                 []*Series
	byKey                  map[string]*Series
	// replica tells the pods of a service apart.
	replica int
}

func key(metric string, labels []string) string {
	k := metric
	for _, l := range labels {
		k += "\xff" + l
	}
	return k
}

// get is a host's series; it is made on first use. A metric or a number of labels that the catalogue does not have is a
// fault of the model, which the tests of this package run into.
func (w *World) get(h *host, metric string, labels ...string) *Series {
	k := key(metric, labels)
	if s, ok := h.byKey[k]; ok {
		return s
	}
	m, ok := w.cat.Metric(metric)
	if !ok || len(m.Labels) != len(labels) {
		panic(fmt.Sprintf("the world exposes %s with %d labels, and the catalogue does not", metric, len(labels)))
	}
	s := &Series{Metric: m, Labels: labels}
	if m.Type == stack.Histogram {
		s.Buckets, s.shares = make([]float64, len(m.Buckets)), make([]float64, len(m.Buckets))
	}
	h.byKey[k] = s
	at, _ := slices.BinarySearchFunc(h.series, k, func(o *Series, k string) int {
		return strings.Compare(key(o.Metric.Name, o.Labels), k)
	})
	h.series = slices.Insert(h.series, at, s)
	return s
}
