package world

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Event is one of the events that flow through the platform: what its log lines and its trace tell of.
type Event struct {
	ID string
	// Type is what happened: shipment.updated, stock.changed, price.changed …
	Type string
	// Time is when a collector received it.
	Time time.Time
	// Collector is the pod that received it.
	Collector Host
	// Path are the services that it came to, in order: a collector, flink, storage-router. It ends where it failed.
	Path []string
	// Carrier and Tracking are the shipment's; for other types the partner's name and its reference.
	Carrier, Tracking string
	// Collect is the time in the collector; Validate, Transform and Enrich are those of the stages, in order; Store is the
	// write's. Each is zero where the event did not come to it. Total is from receipt to its end, waiting included.
	Collect, Validate, Transform, Enrich, Store, Total time.Duration
	// Failed is where it failed: "collect", "validate", "transform", "enrich" or "store"; empty for success.
	Failed string
	// ErrorType is the error_type that the failure is counted under, or the like of it; Error is what a log line says.
	ErrorType, Error string
}

// Layer is the layer that a service belongs to: collection, processing, storage or infrastructure.
func Layer(service string) string {
	switch {
	case isCollector(service):
		return "collection"
	case service == "flink":
		return "processing"
	case service == "storage-router" || service == "query-api":
		return "storage"
	}
	return "infrastructure"
}

// Events draws n of the events that the collectors have received in the last tick. The more of them are drawn the more
// of the load one sees; a world does not change by it. Which are drawn depends on the seed and on how many were before.
func (w *World) Events(n int) []Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	var pods []*host
	var weights []float64
	total := 0.0
	for _, h := range w.hosts {
		if h.pod != nil && isCollector(h.service) && !w.absent(h) {
			weight := h.fleet.share / max(1, h.fleet.running)
			pods, weights = append(pods, h), append(weights, weight)
			total += weight
		}
	}
	if len(pods) == 0 {
		return nil
	}
	out := make([]Event, n)
	for i := range out {
		w.made++
		r := rand.New(rand.NewPCG(w.cfg.Seed, w.made))
		pick, at := r.Float64()*total, 0
		for pick > weights[at] && at < len(pods)-1 {
			pick -= weights[at]
			at++
		}
		out[i] = w.event(r, pods[at])
	}
	return out
}

func (w *World) event(r *rand.Rand, collector *host) Event {
	e := Event{
		ID: fmt.Sprintf("evt-%d-%d", w.cfg.Seed, w.made), Collector: w.describe(collector),
		Time: w.now.Add(time.Duration(r.Float64() * float64(w.cfg.Tick))),
	}
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	switch collector.service {
	case "shipping-collector":
		e.Type, e.Carrier = one("shipment.created", "shipment.updated", "shipment.delivered"), one("fedex", "ups", "dhl", "usps")
	case "inventory-collector":
		e.Type, e.Carrier = one("stock.changed", "stock.counted"), one("warehouse-east", "warehouse-west")
	default:
		e.Type, e.Carrier = one("price.changed", "order.confirmed"), one("acme", "globex", "initech")
	}
	const letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
	for range 3 {
		e.Tracking += string(letters[r.IntN(len(letters))])
	}
	e.Tracking += fmt.Sprintf("%09d", r.IntN(1e9))

	spread := func(median, sigma float64) time.Duration {
		return time.Duration(median * math.Exp(sigma*r.NormFloat64()) * w.load.of(pipeline) * float64(time.Second))
	}
	transformation, store := 0.008, 0.018
	if w.faults.on("slow-transformation", "flink") {
		transformation = slowTransformation
	}
	if w.faults.on("slow-writes", "storage-router") {
		store *= slowWrites
	}
	e.Collect = spread(0.06, 0.6)
	e.Validate, e.Transform, e.Enrich = spread(0.002, 0.6), spread(transformation, 0.6), spread(0.015, 0.6)
	e.Store = spread(store, 0.5)
	w.fail(&e, r.Float64())
	return e
}

// failure is one way in which an event can fail.
type failure struct {
	// share of the events that fail so. In a healthy world it is more than the counters say, so that a trickle of log
	// lines shows each of them now and then; under a fault it is the fault's.
	share            float64
	at, kind, reason string
}

// failures are the ways in which an event that a collector received can fail now, in the order of its path.
func (w *World) failures(collector string) []failure {
	sick := func(healthy float64, fault, service string, share float64) float64 {
		if w.faults.on(fault, service) {
			return share
		}
		return healthy
	}
	return []failure{
		{sick(0.001, "api-timeouts", collector, 0.05), "collect", "api_timeout", "partner API did not answer within 10s"},
		{sick(0.0005, "rate-limiting", collector, 0.1), "collect", "rate_limited", "partner API answered 429 Too Many Requests, retry after 30s"},
		{0.0005, "collect", "invalid_payload", "payload is not JSON: unexpected end of input"},
		{sick(0, "kafka-unreachable", collector, 0.9), "collect", "publish_failed", "kafka: request timed out: no broker is reachable"},
		{sick(0.003, "schema-violations", "flink", 0.05), "validate", "schema_violation", "schema_violation: required property 'quantity' is missing"},
		{0.001, "transform", "unknown_unit", "cannot convert weight: unknown unit 'stone'"},
		{0.002, "enrich", "api_unavailable", "enrichment API answered 503 Service Unavailable"},
		{0.0005, "store", "timeout", "insert into timescaledb: canceling statement due to statement timeout"},
		{sick(0, "database-unreachable", "storage-router", 1), "store", "connection_refused", "insert into timescaledb: connect: connection refused"},
	}
}

// fail decides by a number from 0 to 1 whether and where an event fails, and cuts its path there.
func (w *World) fail(e *Event, chance float64) {
	service := e.Collector.Service
	for _, f := range w.failures(service) {
		if chance -= f.share; chance < 0 {
			e.Failed, e.ErrorType, e.Error = f.at, f.kind, f.reason
			break
		}
	}
	e.Path = []string{service, "flink", "storage-router"}
	waited := time.Duration(w.flow.delay * float64(time.Second))
	switch e.Failed {
	case "collect":
		e.Path, waited = e.Path[:1], 0
		e.Validate, e.Transform, e.Enrich, e.Store = 0, 0, 0, 0
	case "validate":
		e.Path, e.Transform, e.Enrich, e.Store = e.Path[:2], 0, 0, 0
	case "transform":
		e.Path, e.Enrich, e.Store = e.Path[:2], 0, 0
	case "enrich":
		e.Path, e.Store = e.Path[:2], 0
	}
	e.Total = e.Collect + waited + e.Validate + e.Transform + e.Enrich + e.Store
}
