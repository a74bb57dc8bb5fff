package main

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// eventsRoute is where partners may push events. Probes and scrapes are not counted: they are no users' requests.
const eventsRoute = "/api/v1/events"

// metrics are those of the platform's catalogue (stack/metrics.yaml) that a collector has.
type metrics struct {
	registry                            *prometheus.Registry
	received, failed, requests          *prometheus.CounterVec
	published, rateLimited, sent, acked prometheus.Counter
	processing, apiRequests             prometheus.Histogram
	inFlight                            prometheus.Gauge
	answered                            *prometheus.HistogramVec
}

func newMetrics() *metrics {
	registry := prometheus.NewRegistry()
	// process_*: CPU, memory, files and, on Linux, the network.
	registry.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewGoCollector())
	make := promauto.With(registry)
	counter := func(name, help string) prometheus.Counter {
		return make.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	// The bounds are the catalogue's: quantiles over all services need the same ones everywhere.
	durations := []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 2.5, 5, 10, 30}
	histogram := func(name, help string) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Name: name, Help: help, Buckets: durations}
	}
	m := &metrics{
		registry:    registry,
		received:    make.NewCounterVec(prometheus.CounterOpts{Name: "collector_messages_received_total", Help: "Messages received from the partner's API."}, []string{"status"}),
		failed:      make.NewCounterVec(prometheus.CounterOpts{Name: "collector_errors_total", Help: "Messages that were not collected."}, []string{"error_type"}),
		requests:    make.NewCounterVec(prometheus.CounterOpts{Name: "http_requests_total", Help: "Requests answered."}, []string{"method", "handler", "code"}),
		published:   counter("collector_messages_published_total", "Messages published and acknowledged."),
		rateLimited: counter("collector_rate_limit_exceeded_total", "Requests that the partner's API refused."),
		sent:        counter("kafka_producer_record_send_total", "Records handed to Kafka's producer."),
		acked:       counter("kafka_producer_record_ack_total", "Records that Kafka has acknowledged."),
		inFlight:    make.NewGauge(prometheus.GaugeOpts{Name: "kafka_producer_records_in_flight", Help: "Records sent and not yet acknowledged."}),
		processing:  make.NewHistogram(histogram("collector_processing_duration_seconds", "From a message's arrival to its publication.")),
		apiRequests: make.NewHistogram(histogram("collector_api_request_duration_seconds", "Requests to the partner's API.")),
		answered: make.NewHistogramVec(prometheus.HistogramOpts{
			Name: "http_request_duration_seconds", Help: "Requests answered.",
			Buckets: []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
		}, []string{"method", "handler"}),
	}
	// Known values are there from the start: rate() sees the first error only if there was a 0 before it.
	for _, status := range []string{"success", "error"} {
		m.received.WithLabelValues(status)
	}
	for _, kind := range []string{"api_timeout", "rate_limited", "publish_failed", "invalid_payload"} {
		m.failed.WithLabelValues(kind)
	}
	m.requests.WithLabelValues(http.MethodPost, eventsRoute, "202")
	m.answered.WithLabelValues(http.MethodPost, eventsRoute)
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// counted counts a handler's requests under its route, not under the path that was asked for.
func (m *metrics) counted(route string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		began, status := time.Now(), &statusWriter{ResponseWriter: w, code: http.StatusOK}
		next(status, r)
		m.requests.WithLabelValues(r.Method, route, strconv.Itoa(status.code)).Inc()
		m.answered.WithLabelValues(r.Method, route).Observe(time.Since(began).Seconds())
	}
}

type statusWriter struct {
	http.ResponseWriter
	code int
}

func (w *statusWriter) WriteHeader(code int) {
	w.code = code
	w.ResponseWriter.WriteHeader(code)
}
