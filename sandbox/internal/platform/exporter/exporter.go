// Package exporter writes the series of the simulated platform's hosts as Prometheus scrapes them.
package exporter

import (
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"obsandbox/sandbox/internal/platform/world"
	"obsandbox/sandbox/internal/stack"
)

// Handler serves the metrics of a host of the world, in the text format of Prometheus or OpenMetrics as the scraper
// asks. A host that is gone by the time it is asked is an error.
func Handler(w *world.World, host string, log *slog.Logger) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(&collector{world: w, host: host})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelError),
		ErrorHandling:     promhttp.HTTPErrorOnError,
		EnableOpenMetrics: speaksOpenMetrics(w, host),
	})
}

// speaksOpenMetrics: in that format every counter's name ends in _total, so that a counter of another project without the
// ending would be called something else there. Exporters that have such counters speak the text format alone, as the
// original of Postgres does.
func speaksOpenMetrics(w *world.World, host string) bool {
	all := true
	w.Read(host, func(s *world.Series) {
		all = all && (s.Metric.Type != stack.Counter || strings.HasSuffix(s.Metric.Name, "_total"))
	})
	return all
}

// collector turns a host's series into metrics at every scrape; none are kept.
type collector struct {
	world *world.World
	host  string
}

// Describe sends nothing: which series there are depends on the moment.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the host's series.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	descs := map[*stack.Metric]*prometheus.Desc{}
	ok := c.world.Read(c.host, func(s *world.Series) {
		desc, ok := descs[s.Metric]
		if !ok {
			names := make([]string, len(s.Metric.Labels))
			for i, l := range s.Metric.Labels {
				names[i] = l.Name
			}
			desc = prometheus.NewDesc(s.Metric.Name, s.Metric.Meaning, names, nil)
			descs[s.Metric] = desc
		}
		out <- metric(desc, s)
	})
	if !ok {
		out <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(errGone{c.host}), errGone{c.host})
	}
}

type errGone struct{ host string }

func (e errGone) Error() string { return fmt.Sprintf("%s is gone", e.host) }

func metric(desc *prometheus.Desc, s *world.Series) prometheus.Metric {
	switch s.Metric.Type {
	case stack.Counter:
		value := s.Value
		if s.Metric.Unit != "seconds" {
			// The world counts in fractions of a message; what is shown are whole ones.
			value = math.Floor(value)
		}
		return prometheus.MustNewConstMetric(desc, prometheus.CounterValue, value, s.Labels...)
	case stack.Histogram:
		// As with counters. Buckets stay cumulative by it.
		buckets := make(map[float64]uint64, len(s.Buckets))
		for i, bound := range s.Metric.Buckets {
			buckets[bound] = uint64(s.Buckets[i])
		}
		return prometheus.MustNewConstHistogram(desc, uint64(s.Count), s.Sum, buckets, s.Labels...)
	}
	return prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, s.Value, s.Labels...)
}
