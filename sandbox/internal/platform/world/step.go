package world

import "math"

// flow is what moves between the layers.
type flow struct {
	// backlog are the records of each partition that Flink has not read.
	backlog [partitions]float64
	// inFlight are the records of each collector pod that Kafka has not acknowledged.
	inFlight map[string]float64

	// Of this tick: records published, read by Flink, handed to storage.
	published, processed, stored float64

	uptime        float64 // of the Flink job, seconds; -1 for one that has failed
	restarts      float64
	completed     float64
	failed        float64
	nextCheckpt   float64 // seconds until the next
	checkpointMs  float64
	checkpointLen float64 // bytes
	delay         float64 // seconds that an event waits in Kafka

	free   map[string]float64 // bytes free by backend
	active map[string]float64 // connections in use by pod and backend
}

// step is one tick of the whole platform, from the collectors to the query API.
func (w *World) step() {
	w.expire()
	w.roll()
	w.load.step(w)
	w.flow.published = 0
	for _, h := range w.hosts {
		if h.pod != nil && !w.absent(h) && isCollector(h.service) {
			w.collect(h)
		}
	}
	w.stepKafka()
	w.stepJob()
	for _, h := range w.hosts {
		if w.absent(h) {
			continue
		}
		w.stepHost(h)
	}
	w.stepDisks()
}

// stepHost is a tick of one host but for what a collector publishes, which comes before everything.
func (w *World) stepHost(h *host) {
	switch {
	case h.service == "storage-router":
		w.write(h)
	case h.service == "query-api":
		w.answer(h)
	case h.name == "flink-jobmanager":
		w.stepJobManager(h)
	case h.service == "flink":
		w.process(h)
	case h.service == "kafka":
		w.stepBroker(h)
	case h.service == "redis":
		w.stepRedis(h)
	case h.pod == nil:
		w.stepDatabase(h)
	}
	if h.pod != nil {
		w.stepProcess(h)
	}
}

// declare makes every series of a host, at zero: a tick that takes no time.
func (w *World) declare(h *host) {
	dt := w.dt
	w.dt = 0
	if isCollector(h.service) {
		w.collect(h)
	}
	w.stepHost(h)
	w.dt = dt
}

func isCollector(service string) bool {
	for _, name := range collectorNames() {
		if name == service {
			return true
		}
	}
	return false
}

// running is the number of a service's pods.
func (w *World) running(service string) float64 {
	n := 0.0
	for _, h := range w.hosts {
		if h.pod != nil && h.service == service && !w.absent(h) {
			n++
		}
	}
	return max(n, 1)
}

// collect is a collector pod's tick: it receives, publishes what it could use, and waits for Kafka.
func (w *World) collect(h *host) {
	f, service := &w.flow, h.service
	received := w.load.rate * collectorShare(service) / w.running(service) * w.jitter(0.02) * w.dt

	// Shares of the messages that fail, and how.
	wrong := w.load.of("errors")
	timeouts, limited, invalid := 0.00008*wrong, 0.00004*wrong, 0.0001*wrong
	api := 0.12 * w.load.of("api")
	if w.faults.on("api-timeouts", service) {
		timeouts, api = 0.05, 1.8
	}
	if w.faults.on("rate-limiting", service) {
		limited = 0.1
	}
	errors := map[string]float64{
		"api_timeout": received * timeouts, "rate_limited": received * limited, "invalid_payload": received * invalid,
	}
	good := received * (1 - timeouts - limited - invalid)

	// Kafka acknowledges all but what it is slow with or unreachable for.
	if f.inFlight == nil {
		f.inFlight = map[string]float64{}
	}
	sent, waiting := good, f.inFlight[h.name]
	acked, lost := 0.0, 0.0
	const buffer = 40_000 // records that the producer's memory holds
	switch {
	case w.faults.on("kafka-unreachable", service):
		waiting += sent
		lost = max(0, waiting-buffer)
		waiting -= lost
	case w.faults.on("producer-lag", service):
		acked = sent * 0.98
		waiting = min(waiting+sent-acked, buffer)
		if waiting == buffer {
			acked = sent
		}
	default:
		// What waits comes first; in steady state it is what 10 ms bring.
		steady := good / max(w.dt, 1e-9) * 0.01 * w.jitter(0.2)
		acked = max(0, waiting+sent-steady)
		waiting = waiting + sent - acked
	}
	errors["publish_failed"] = lost
	f.inFlight[h.name] = waiting
	f.published += acked

	failed := 0.0
	for _, kind := range []string{"api_timeout", "invalid_payload", "publish_failed", "rate_limited"} {
		w.get(h, "collector_errors_total", kind).add(errors[kind])
		failed += errors[kind]
	}
	w.get(h, "collector_messages_received_total", "success").add(received - failed)
	w.get(h, "collector_messages_received_total", "error").add(failed)
	w.get(h, "collector_messages_published_total").add(acked)
	w.get(h, "collector_processing_duration_seconds").observe(good, 0.06*w.load.of("pipeline"), 0.6)
	// A request brings fifty messages.
	w.get(h, "collector_api_request_duration_seconds").observe(received/50, api, 0.5)
	w.get(h, "collector_rate_limit_exceeded_total").add(errors["rate_limited"] / 50)
	w.get(h, "kafka_producer_records_in_flight").Value = math.Round(waiting)
	w.get(h, "kafka_producer_record_send_total").add(sent)
	w.get(h, "kafka_producer_record_ack_total").add(acked)
	w.serve(h, "POST", "/api/v1/events", received/50, 0.02*w.load.of("pipeline"), 0.0002)
}

// serve counts HTTP requests, of which a share is answered with a server error.
func (w *World) serve(h *host, method, handler string, n, median, wrong float64) {
	ok, cached := "200", 0.0
	if method == "POST" {
		ok = "202"
	} else {
		cached = 0.08
	}
	rest := 1 - wrong
	codes := []struct {
		code  string
		share float64
	}{{ok, rest * (0.995 - cached)}, {"400", rest * 0.004}, {"404", rest * 0.001}, {"500", wrong * 0.7}, {"503", wrong * 0.3}}
	if cached > 0 {
		codes = append(codes, struct {
			code  string
			share float64
		}{"304", rest * cached})
	}
	for _, c := range codes {
		w.get(h, "http_requests_total", c.code, handler, method).add(n * c.share)
	}
	w.get(h, "http_request_duration_seconds", handler, method).observe(n, median, 0.5)
}

// stepProcess is what the operating system says of a pod's process.
func (w *World) stepProcess(h *host) {
	share := w.load.rate / meanRate
	cores, memory, traffic := 0.4, 220e6, 2.2e6
	switch h.service {
	case "storage-router":
		cores, memory, traffic = 1.1, 510e6, 8e6
	case "query-api":
		cores, memory, traffic = 0.6, 380e6, 1.5e6
	}
	w.get(h, "process_cpu_seconds_total").add(cores * share * w.load.of("cpu") * w.jitter(0.1) * w.dt)
	w.get(h, "process_resident_memory_bytes").Value = math.Round(memory * (0.8 + 0.2*share) * w.load.of("memory"))
	w.get(h, "process_start_time_seconds").Value = float64(h.pod.Started.Unix())
	w.get(h, "process_open_fds").Value = math.Round(60 + 40*share*w.load.of("cpu"))
	w.get(h, "process_network_receive_bytes_total").add(traffic * share * w.jitter(0.05) * w.dt)
	w.get(h, "process_network_transmit_bytes_total").add(traffic * 0.9 * share * w.jitter(0.05) * w.dt)
}
