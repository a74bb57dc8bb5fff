package world

// program is what runs on a host. It owns the host's series.
type program interface {
	// step lets dt seconds pass; none when the program has just started, to set its gauges.
	step(w *World, dt float64)
}

// flow is what moves between the layers, and what outlives the programs.
type flow struct {
	kafka log
	job   job

	// Of this tick: records published, read by Flink, handed to storage; lookups in the cache, found and not.
	published, processed, stored float64
	hits, misses                 float64
	// drained are the records that collectors have published while they were stopped.
	drained float64

	// delay is the time in seconds that an event waits in Kafka.
	delay float64
	// disks are the backends' free bytes, in their order.
	disks [backendCount]float64
}

// step is one tick of the whole platform, from the collectors to the caches.
func (w *World) step() {
	w.expire()
	w.rollOut()
	w.load.step(w, w.dt)
	for i := range w.fleets {
		w.fleets[i].running = 0
	}
	for _, h := range w.hosts {
		if h.fleet == nil {
			continue
		}
		if !w.absent(h) {
			h.fleet.running++
		}
		if !h.warm && !w.now.Before(h.pod.Started.Add(startup)) {
			h.warm = true
			w.podsVersion++
		}
	}
	f := &w.flow
	f.published, f.drained = f.drained, 0
	f.stored, f.hits, f.misses = 0, 0, 0
	w.turn(collecting)
	f.kafka.append(f.published)
	f.job.step(w, w.dt)
	for p := processing; p < phases; p++ {
		w.turn(p)
	}
	w.stepDisks(w.dt)
}

// phase is when in a tick a program has its turn: the events' way through the platform.
type phase int

const (
	collecting phase = iota
	processing
	writing
	reporting // whatever tells of the others
	phases
)

func (w *World) turn(p phase) {
	for _, h := range w.hosts {
		if h.phase == p && !w.absent(h) {
			h.program.step(w, w.dt)
		}
	}
}

// start makes a host's program anew: its counters begin at zero.
func (w *World) start(h *host) {
	h.series = nil
	switch {
	case h.fleet != nil && isCollector(h.service):
		h.phase, h.program = collecting, w.newCollector(h)
	case h.service == "storage-router":
		h.phase, h.program = writing, w.newRouter(h)
	case h.service == "query-api":
		h.phase, h.program = writing, w.newQueryAPI(h)
	case h.name == jobManagerName:
		h.phase, h.program = reporting, w.newJobManager(h)
	case h.service == "flink":
		h.phase, h.program = processing, w.newTaskManager(h)
	case h.service == "kafka":
		h.phase, h.program = reporting, w.newBroker(h)
	case h.service == "redis":
		h.phase, h.program = reporting, w.newRedis(h)
	default:
		h.phase, h.program = reporting, w.newDatabase(h)
	}
	h.program.step(w, 0)
}
