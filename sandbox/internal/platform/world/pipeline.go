package world

import (
	"fmt"
	"math"
)

// The Flink job's name and id, as Flink labels its series.
const (
	jobName = "ingestion-pipeline"
	jobID   = "6f1a2b3c4d5e6f708192a3b4c5d6e7f8"
	// checkpointEvery is the job's checkpoint interval in seconds.
	checkpointEvery = 60
)

// tasks are the operators that backpressure is told of; a slow one fills the buffers of those before it and its own.
func tasks() []string { return []string{"validation", "transformation", "enrichment", "sink"} }

// stepKafka puts what was published into the partitions, as evenly as keys are.
func (w *World) stepKafka() {
	for p := range w.flow.backlog {
		w.flow.backlog[p] += w.flow.published / partitions
	}
}

// stepJob is the Flink job's tick: what it reads, and its checkpoints.
func (w *World) stepJob() {
	f := &w.flow
	down := w.faults.on("flink-job-down", "flink") || w.faults.on("flink-jobmanager-gone", "flink")
	waiting := 0.0
	for _, b := range f.backlog {
		waiting += b
	}
	f.processed = 0
	switch {
	case down:
		f.uptime = -1
	case f.uptime < 0:
		f.uptime = 0
		f.restarts++
		f.nextCheckpt = checkpointEvery
	default:
		f.uptime += w.dt
	}
	if !down {
		can := 3 * capacity * w.dt
		if w.faults.on("slow-transformation", "flink") {
			can *= 0.2
		}
		// What has just come is still on its way: about 300 ms of it.
		f.processed = min(can, max(0, waiting-f.published*0.3/max(w.dt, 1)*w.jitter(0.1)))
	}
	f.delay = 0.2 + max(0, waiting-f.processed)/max(1, w.load.rate)
	if waiting > 0 {
		for p := range f.backlog {
			f.backlog[p] *= 1 - f.processed/waiting
		}
	}
	if f.nextCheckpt -= w.dt; f.nextCheckpt <= 0 && !down {
		f.nextCheckpt += checkpointEvery
		if w.faults.on("checkpoints-failing", "flink") {
			f.failed++
		} else {
			f.completed++
			f.checkpointMs = math.Round(2600 * w.load.of("pipeline") * w.jitter(0.15))
			f.checkpointLen = math.Round(280e6 * w.load.of("rate") * w.jitter(0.03))
		}
	}
}

func (w *World) stepJobManager(h *host) {
	f := &w.flow
	set := func(metric string, v float64) { w.get(h, "flink_jobmanager_job_"+metric, jobID, jobName).Value = v }
	uptime := f.uptime * 1000
	if f.uptime < 0 {
		uptime = -1
	}
	set("uptime", math.Round(uptime))
	set("numRestarts", f.restarts)
	set("numberOfCompletedCheckpoints", f.completed)
	set("numberOfFailedCheckpoints", f.failed)
	set("lastCheckpointSize", f.checkpointLen)
	set("lastCheckpointDuration", f.checkpointMs)
	w.get(h, "flink_jobmanager_numRegisteredTaskManagers").Value = 3
}

// process is a task manager's tick: a third of what the job has read goes through its stages.
func (w *World) process(h *host) {
	f := &w.flow
	if h.replica == 0 {
		f.stored = 0
	}
	n := 0.0
	if w.dt > 0 {
		n = f.processed / 3
	}
	slow, broken := w.faults.on("slow-transformation", "flink"), w.faults.on("schema-violations", "flink")

	violations := 0.00018 * w.load.of("errors")
	if broken {
		violations = 0.05
	}
	missing, invalid := 0.00006*w.load.of("errors"), 0.00004*w.load.of("errors")
	for _, e := range []struct {
		kind  string
		share float64
	}{{"schema_violation", violations}, {"missing_field", missing}, {"invalid_value", invalid}} {
		w.get(h, "pipeline_validation_failures_total", e.kind).add(n * e.share)
	}
	latency := w.load.of("pipeline")
	transformation := 0.008
	if slow {
		transformation = 9
	}
	total := 0.0
	for _, s := range []struct {
		stage         string
		wrong, median float64
	}{
		{"validation", violations + missing + invalid, 0.002}, {"transformation", 0.00002, transformation}, {"enrichment", 0.00002, 0.015},
	} {
		w.get(h, "pipeline_processing_duration_seconds", s.stage).observe(n, s.median*latency, 0.6)
		w.get(h, "pipeline_messages_processed_total", s.stage, "error").add(n * s.wrong)
		n *= 1 - s.wrong
		w.get(h, "pipeline_messages_processed_total", s.stage, "success").add(n)
		total += s.median
	}
	hit := min(0.99, 0.92*w.load.of("cache"))
	if w.faults.on("cache-cold", "flink") {
		hit = 0.08
	}
	w.get(h, "pipeline_enrichment_cache_hits_total").add(n * hit)
	w.get(h, "pipeline_enrichment_cache_misses_total").add(n * (1 - hit))
	// Times are counted to 10 ms, so that the distribution need not be drawn anew for every breath of the load.
	w.get(h, "pipeline_end_to_end_latency_seconds").observe(n, math.Round((f.delay+total+0.2)*latency*100)/100, 0.45)
	f.stored += n

	for i, task := range tasks() {
		usage := 0.12 + 0.05*float64(i%2)
		alignment := 4e6 * float64(i)
		if slow && i <= 1 {
			usage, alignment = 0.99, 8e9
		}
		w.get(h, "flink_taskmanager_job_task_buffers_inPoolUsage", jobName, task).Value = min(1, usage*w.jitter(0.2))
		w.get(h, "flink_taskmanager_job_task_checkpointAlignmentTime", jobName, task).Value = math.Round(alignment * w.jitter(0.3))
	}
}

// stepBroker is a Kafka broker's tick. Each leads every third partition; the last one's go to the others when it is gone.
func (w *World) stepBroker(h *host) {
	brokers, gone := 3, w.faults.on("kafka-broker-down", "kafka")
	if gone {
		brokers = 2
	}
	leads := 0.0
	for p := range w.flow.backlog {
		name := fmt.Sprint(p)
		lag, logs := w.get(h, "kafka_consumergroup_lag", "flink-pipeline", name, "events"), w.get(h, "kafka_consumergroup_lag", "logstash-consumer", name, "application-logs")
		lag.Value, logs.Value = 0, 0
		if p%brokers == h.replica {
			leads++
			lag.Value, logs.Value = math.Round(w.flow.backlog[p]), math.Round(4*w.jitter(1))
		}
	}
	in := w.flow.published * leads / partitions
	if w.dt == 0 {
		in = 0
	}
	logs := 20.0 / float64(brokers) * w.dt
	for _, t := range []struct {
		topic string
		n     float64
		bytes float64
	}{{"events", in, 820}, {"application-logs", logs, 430}} {
		w.get(h, "kafka_server_brokertopicmetrics_messagesin_total", t.topic).add(t.n)
		w.get(h, "kafka_server_brokertopicmetrics_bytesin_total", t.topic).add(t.n * t.bytes)
		w.get(h, "kafka_server_brokertopicmetrics_bytesout_total", t.topic).add(t.n * t.bytes * 1.1)
	}
	under := 0.0
	if gone {
		under = 2 * leads
	}
	w.get(h, "kafka_server_replicamanager_underreplicatedpartitions").Value = under
	w.get(h, "kafka_server_replicamanager_partitioncount").Value = 2 * partitions
	controller := 0.0
	if h.replica == 0 {
		controller = 1
	}
	w.get(h, "kafka_controller_kafkacontroller_activecontrollercount").Value = controller
	w.get(h, "kafka_controller_kafkacontroller_offlinepartitionscount").Value = 0
}
