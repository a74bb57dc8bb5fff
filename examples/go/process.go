package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// event is what a collector collects.
type event struct {
	ID       string `json:"event_id"`
	Type     string `json:"type"`
	Tracking string `json:"tracking_id"`
	Carrier  string `json:"carrier"`
}

// processor does the work of the service.
type processor struct {
	log     *slog.Logger
	tracer  trace.Tracer
	metrics *metrics
}

// collect has an event now and then, until ctx ends.
func (p *processor) collect(ctx context.Context) {
	clock := time.NewTicker(250 * time.Millisecond)
	defer clock.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-clock.C:
			p.metrics.apiRequests.Observe(0.02 + 0.05*rand.Float64()) // what the partner's API would take
			p.metrics.received.WithLabelValues("success").Inc()
			p.process(ctx, event{fmt.Sprintf("evt-local-%d", n), "shipment.updated", fmt.Sprintf("LOC%09d", n), "fedex"})
		}
	}
}

// push takes an event that a partner sends.
func (p *processor) push(w http.ResponseWriter, r *http.Request) {
	var e event
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&e); err != nil || e.ID == "" || e.Type == "" {
		p.metrics.received.WithLabelValues("error").Inc()
		p.metrics.failed.WithLabelValues("invalid_payload").Inc()
		http.Error(w, "expected event_id and type", http.StatusBadRequest)
		return
	}
	p.metrics.received.WithLabelValues("success").Inc()
	p.process(r.Context(), e)
	w.WriteHeader(http.StatusAccepted)
}

// process is the event's four spans, and a log line with the ids of the first.
func (p *processor) process(ctx context.Context, e event) {
	began := time.Now()
	ctx, span := p.tracer.Start(ctx, "process_event", trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(attribute.String("event.id", e.ID), attribute.String("event.type", e.Type)))
	defer span.End()
	for _, stage := range []string{"validate", "transform", "enrich"} {
		_, step := p.tracer.Start(ctx, stage)
		time.Sleep(time.Duration(1+rand.IntN(4)) * time.Millisecond) // the work
		step.End()
	}
	p.metrics.sent.Inc()
	p.metrics.acked.Inc()
	p.metrics.published.Inc()
	p.metrics.processing.Observe(time.Since(began).Seconds())
	p.log.InfoContext(ctx, "Event processed successfully", "event_id", e.ID,
		"processing_time_ms", float64(time.Since(began).Microseconds())/1000,
		slog.Group("metadata", "tracking_id", e.Tracking, "carrier", e.Carrier))
}
