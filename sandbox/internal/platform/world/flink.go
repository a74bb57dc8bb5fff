package world

import "math"

// The Flink job's name and id, as Flink labels its series.
const (
	jobName = "ingestion-pipeline"
	jobID   = "6f1a2b3c4d5e6f708192a3b4c5d6e7f8"
	// checkpointEvery is the job's checkpoint interval in seconds.
	checkpointEvery = 60
	taskManagers    = 3
	jobManagerName  = "flink-jobmanager"
)

// job is the Flink job, which outlives the processes that it runs in.
type job struct {
	uptime            float64 // seconds; -1 for a job that has failed
	restarts          float64
	completed, failed float64 // checkpoints
	next              float64 // seconds until the next checkpoint
	duration, size    float64 // of the last checkpoint, milliseconds and bytes
	blocked           bool    // nobody takes what leaves the pipeline
}

func (j *job) init(w *World) {
	j.uptime = 40 * 3600
	j.next = checkpointEvery / w.cfg.Factor
	j.completed = j.uptime / checkpointEvery
	j.duration, j.size = 2600, 280e6
}

// step reads from Kafka what the job can take, and makes its checkpoints.
func (j *job) step(w *World, dt float64) {
	f := &w.flow
	waiting := f.kafka.waiting()
	f.processed = 0
	j.blocked = w.fleet("storage-router").running == 0
	if w.faults.on("flink-job-down", "flink") || w.faults.on("flink-jobmanager-gone", "flink") {
		j.uptime = -1
	} else {
		if j.uptime < 0 {
			j.uptime, j.next = 0, checkpointEvery/w.cfg.Factor
			j.restarts++
		} else {
			j.uptime += dt
		}
		can := taskManagers * capacity * dt
		switch {
		case j.blocked:
			can = 0
		case w.faults.on("slow-transformation", "flink"):
			can *= 0.2
		}
		// What has just come is still on its way: about 300 ms of it.
		onItsWay := f.published / max(dt, 1) * 0.3 * w.jitter(0.1)
		f.processed = min(can, max(0, waiting-onItsWay))
		f.kafka.read(f.processed)
		j.checkpoint(w, dt)
	}
	f.delay = 0.2 + (waiting-f.processed)/max(1, w.load.rate)
}

func (j *job) checkpoint(w *World, dt float64) {
	if j.next -= dt; j.next > 0 {
		return
	}
	j.next += checkpointEvery / w.cfg.Factor
	if w.faults.on("checkpoints-failing", "flink") {
		j.failed++
		return
	}
	j.completed++
	j.duration = math.Round(2600 * w.load.of(pipeline) * w.jitter(0.15))
	j.size = math.Round(280e6 * w.load.of(events) * w.jitter(0.03))
}

// jobManager tells of the job.
type jobManager struct {
	uptime, restarts, completed, failed, size, duration, registered *Series
}

func (w *World) newJobManager(h *host) *jobManager {
	of := func(metric string) *Series { return w.gauge(h, "flink_jobmanager_job_"+metric, jobID, jobName) }
	return &jobManager{
		uptime: of("uptime"), restarts: of("numRestarts"),
		completed: of("numberOfCompletedCheckpoints"), failed: of("numberOfFailedCheckpoints"),
		size: of("lastCheckpointSize"), duration: of("lastCheckpointDuration"),
		registered: w.gauge(h, "flink_jobmanager_numRegisteredTaskManagers"),
	}
}

func (m *jobManager) step(w *World, _ float64) {
	j := &w.flow.job
	m.uptime.Value = math.Round(j.uptime * 1000)
	if j.uptime < 0 {
		m.uptime.Value = -1
	}
	m.restarts.Value, m.completed.Value, m.failed.Value = j.restarts, j.completed, j.failed
	m.size.Value, m.duration.Value = j.size, j.duration
	m.registered.Value = taskManagers
}

// stage is a stage of the pipeline on a task manager.
type stage struct {
	median          float64 // seconds, usually
	success, failed *Series
	time            *Series
}

// task is an operator of the job; a slow one fills the buffers of those before it and its own.
type task struct{ buffers, alignment *Series }

// taskManager runs a third of the job.
type taskManager struct {
	schema, missing, invalid               *Series
	validation, transformation, enrichment stage
	hits, misses, latency                  *Series
	tasks                                  []task
}

func (w *World) newTaskManager(h *host) *taskManager {
	newStage := func(name string, median float64) stage {
		return stage{
			median:  median,
			success: w.counter(h, "pipeline_messages_processed_total", name, "success"),
			failed:  w.counter(h, "pipeline_messages_processed_total", name, "error"),
			time:    w.histogram(h, "pipeline_processing_duration_seconds", name),
		}
	}
	m := &taskManager{
		schema:     w.counter(h, "pipeline_validation_failures_total", "schema_violation"),
		missing:    w.counter(h, "pipeline_validation_failures_total", "missing_field"),
		invalid:    w.counter(h, "pipeline_validation_failures_total", "invalid_value"),
		validation: newStage("validation", 0.002), transformation: newStage("transformation", 0.008), enrichment: newStage("enrichment", 0.015),
		hits:    w.counter(h, "pipeline_enrichment_cache_hits_total"),
		misses:  w.counter(h, "pipeline_enrichment_cache_misses_total"),
		latency: w.histogram(h, "pipeline_end_to_end_latency_seconds"),
	}
	for _, name := range []string{"validation", "transformation", "enrichment", "sink"} {
		m.tasks = append(m.tasks, task{
			buffers:   w.gauge(h, "flink_taskmanager_job_task_buffers_inPoolUsage", jobName, name),
			alignment: w.gauge(h, "flink_taskmanager_job_task_checkpointAlignmentTime", jobName, name),
		})
	}
	return m
}

// pass takes n events through a stage, of which a share fails, and returns those that go on.
func (s *stage) pass(n, wrong, median float64) float64 {
	s.time.observe(n, median, 0.6)
	s.failed.add(n * wrong)
	s.success.add(n * (1 - wrong))
	return n * (1 - wrong)
}

// slowTransformation is the time in seconds that a transformation takes under the fault of that name.
const slowTransformation = 9.0

func (m *taskManager) step(w *World, dt float64) {
	f := &w.flow
	n := 0.0
	if dt > 0 {
		n = f.processed / taskManagers
	}
	wrong, pace := w.load.of(failing), w.load.pace(pipeline)
	schema, missing, invalid := 0.00018*wrong, 0.00006*wrong, 0.00004*wrong
	if w.faults.on("schema-violations", "flink") {
		schema = 0.05
	}
	slow := w.faults.on("slow-transformation", "flink")
	transformation := m.transformation.median
	if slow {
		transformation = slowTransformation
	}

	m.schema.add(n * schema)
	m.missing.add(n * missing)
	m.invalid.add(n * invalid)
	n = m.validation.pass(n, schema+missing+invalid, m.validation.median*pace)
	n = m.transformation.pass(n, 0.00002, transformation*pace)
	m.lookUp(w, n)
	n = m.enrichment.pass(n, 0.00002, m.enrichment.median*pace)
	m.latency.observe(n, coarse((f.delay+m.validation.median+transformation+m.enrichment.median+0.2)*pace), 0.45)
	f.stored += n

	for i, t := range m.tasks {
		usage, alignment := 0.12+0.05*float64(i%2), 4e6*float64(i)
		if f.job.blocked || slow && i <= 1 {
			usage, alignment = 0.99, 8e9
		}
		t.buffers.Value = min(1, usage*w.jitter(0.2))
		t.alignment.Value = math.Round(alignment * w.jitter(0.3))
	}
}

// lookUp asks the enrichment's cache once for each event.
func (m *taskManager) lookUp(w *World, n float64) {
	hit := min(0.99, 0.92*w.load.of(caching))
	if w.faults.on("cache-cold", "flink") {
		hit = 0.08
	}
	if !w.cacheUp() {
		hit = 0
	}
	m.hits.add(n * hit)
	m.misses.add(n * (1 - hit))
	w.flow.lookUp(w, n, hit)
}
