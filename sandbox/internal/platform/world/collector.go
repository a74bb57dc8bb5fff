package world

import "math"

// producerBuffer is how many records the producer's memory holds; what comes then is lost.
const producerBuffer = 40_000

// collector is a pod that receives from partners' APIs and publishes to Kafka.
type collector struct {
	host *host
	// waiting are the records that Kafka has not acknowledged.
	waiting float64

	timeouts, invalid, lost, limited  *Series
	received, failed, published       *Series
	inFlight, sent, acked             *Series
	refusals, processingTime, apiTime *Series
	process                           process
	requests                          route
}

func (w *World) newCollector(h *host) *collector {
	errors := func(kind string) *Series { return w.counter(h, "collector_errors_total", kind) }
	return &collector{
		host:     h,
		timeouts: errors("api_timeout"), invalid: errors("invalid_payload"), lost: errors("publish_failed"), limited: errors("rate_limited"),
		received:       w.counter(h, "collector_messages_received_total", "success"),
		failed:         w.counter(h, "collector_messages_received_total", "error"),
		published:      w.counter(h, "collector_messages_published_total"),
		inFlight:       w.gauge(h, "kafka_producer_records_in_flight"),
		sent:           w.counter(h, "kafka_producer_record_send_total"),
		acked:          w.counter(h, "kafka_producer_record_ack_total"),
		refusals:       w.counter(h, "collector_rate_limit_exceeded_total"),
		processingTime: w.histogram(h, "collector_processing_duration_seconds"),
		apiTime:        w.histogram(h, "collector_api_request_duration_seconds"),
		process:        w.newProcess(h, 0.4, 220e6, 2.2e6),
		requests:       w.newRoute(h, "POST", "/api/v1/events"),
	}
}

// messagesPerRequest is how many messages one answer of a partner's API brings.
const messagesPerRequest = 50

func (c *collector) step(w *World, dt float64) {
	service := c.host.service
	received := w.load.rate * c.host.fleet.share / max(1, c.host.fleet.running) * w.jitter(0.02) * dt

	// Shares of the messages that fail, and how.
	wrong := w.load.of(failing)
	timeouts, limited, invalid := 0.00008*wrong, 0.00004*wrong, 0.0001*wrong
	api := 0.12 * w.load.pace(partners)
	if w.faults.on("api-timeouts", service) {
		timeouts, api = 0.05, 1.8
	}
	if w.faults.on("rate-limiting", service) {
		limited = 0.1
	}
	good := received * (1 - timeouts - limited - invalid)
	acked, lost := c.publish(w, good, dt)

	c.timeouts.add(received * timeouts)
	c.invalid.add(received * invalid)
	c.lost.add(lost)
	c.limited.add(received * limited)
	failed := received*(timeouts+limited+invalid) + lost
	c.received.add(received - failed)
	c.failed.add(failed)
	c.published.add(acked)
	c.refusals.add(received * limited / messagesPerRequest)
	c.processingTime.observe(good, 0.06*w.load.pace(pipeline), 0.6)
	c.apiTime.observe(received/messagesPerRequest, api, 0.5)
	c.requests.serve(received/messagesPerRequest, 0.02*w.load.pace(pipeline), 0.0002)
	c.process.step(w, dt)
}

// publish hands records to Kafka, which acknowledges all but what it is slow with or unreachable for.
func (c *collector) publish(w *World, records, dt float64) (acked, lost float64) {
	service := c.host.service
	c.sent.add(records)
	c.waiting += records
	switch {
	case w.faults.on("kafka-unreachable", service):
		lost = max(0, c.waiting-producerBuffer)
	case w.faults.on("producer-lag", service):
		acked = max(records*max(0, 1-0.02*w.cfg.Factor), c.waiting-producerBuffer)
	case dt > 0:
		// What waits comes first; in steady state it is what 10 ms bring.
		acked = max(0, c.waiting-records/dt*0.01*w.jitter(0.2))
	}
	c.waiting -= acked + lost
	c.acked.add(acked)
	c.inFlight.Value = math.Round(c.waiting)
	w.flow.published += acked
	return acked, lost
}

// stop is a pod's orderly end: it waits for Kafka to take what is on its way.
func (c *collector) stop(w *World) {
	if !w.faults.on("kafka-unreachable", c.host.service) {
		w.flow.drained += c.waiting
	}
	c.waiting = 0
}
