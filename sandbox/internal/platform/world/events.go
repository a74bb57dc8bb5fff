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
	// Carrier and Tracking are the shipment's; for other types the partner's name and its reference.
	Carrier, Tracking string
	// Validate, Transform and Enrich are the times that the stages took, in order; Total is from receipt to storage.
	Validate, Transform, Enrich, Total time.Duration
	// Failed is the stage that failed, "validate", "transform" or "enrich", and Error what it said; empty for success.
	Failed, Error string
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
			weight := collectorShare(h.service) / w.running(h.service)
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

	spread := func(median float64) time.Duration {
		return time.Duration(median * math.Exp(0.6*r.NormFloat64()) * w.load.of("pipeline") * float64(time.Second))
	}
	transformation, violations := 0.008, 0.003
	if w.faults.on("slow-transformation", "flink") {
		transformation = 9
	}
	if w.faults.on("schema-violations", "flink") {
		violations = 0.05
	}
	e.Validate, e.Transform, e.Enrich = spread(0.002), spread(transformation), spread(0.015)
	e.Total = e.Validate + e.Transform + e.Enrich + time.Duration(w.flow.delay*float64(time.Second))
	// Drawn more often than they happen, so that a trickle of log lines shows them too.
	switch p := r.Float64(); {
	case p < violations:
		e.Failed, e.Error = "validate", "schema_violation: required property 'quantity' is missing"
	case p < violations+0.001:
		e.Failed, e.Error = "transform", "cannot convert weight: unknown unit 'stone'"
	case p < violations+0.003:
		e.Failed, e.Error = "enrich", "enrichment API answered 503 Service Unavailable"
	}
	return e
}
