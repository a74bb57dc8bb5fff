package world

import "math"

// backend is where a router writes, and how much of the events goes there in one write.
type backend struct {
	name, operation string
	share, batch    float64
	// median is a write's usual time in seconds, size the backend's in bytes, used its usual used share.
	median, size, used float64
	// pool is the limit of a router's connections; 0 for backends without a pool.
	pool float64
	// database says that it is one of those that "database-unreachable" is about.
	database bool
}

const backendCount = 4

// backends: each event goes to timescaledb and to the archive, some to the others.
func backends() [backendCount]backend {
	return [backendCount]backend{
		{"timescaledb", "insert", 1, 200, 0.018, 2e12, 0.58, 60, true},
		{"postgres", "upsert", 0.2, 50, 0.012, 500e9, 0.52, 40, true},
		{"s3", "put", 1, 5000, 0.035, 50e12, 0.41, 0, false},
		{"redis", "set", 0.4, 100, 0.0015, 32e9, 0.47, 0, false},
	}
}

// slowWrites is how many times as long a write takes under the fault slow-writes.
const slowWrites = 150

// target is a router's view of a backend.
type target struct {
	refused, violating, late *Series // errors
	success, failed          *Series
	time                     *Series
	capacity, free, used     *Series
	active, idle, most       *Series // of its pool, if it has one
	inUse                    float64 // connections
}

// router is a pod that writes what leaves the pipeline.
type router struct {
	host     *host
	targets  [backendCount]target
	requests route
	process  process
}

func (w *World) newRouter(h *host) *router {
	r := &router{
		host:     h,
		requests: w.newRoute(h, "POST", "/api/v1/write"),
		process:  w.newProcess(h, 1.1, 510e6, 8e6),
	}
	for i, b := range w.backends {
		errors := func(kind string) *Series { return w.counter(h, "storage_write_errors_total", b.name, kind) }
		t := &r.targets[i]
		*t = target{
			refused: errors("connection_refused"), violating: errors("constraint_violation"), late: errors("timeout"),
			success:  w.counter(h, "storage_writes_total", b.name, b.operation, "success"),
			failed:   w.counter(h, "storage_writes_total", b.name, b.operation, "error"),
			time:     w.histogram(h, "storage_write_latency_seconds", b.name, b.operation),
			capacity: w.gauge(h, "storage_capacity_bytes", b.name),
			free:     w.gauge(h, "storage_capacity_free_bytes", b.name),
			used:     w.gauge(h, "storage_capacity_utilization", b.name),
			inUse:    b.pool * 0.25,
		}
		if b.pool > 0 {
			t.active = w.gauge(h, "storage_connection_pool_active", b.name)
			t.idle = w.gauge(h, "storage_connection_pool_idle", b.name)
			t.most = w.gauge(h, "storage_connection_pool_max", b.name)
		}
	}
	return r
}

func (r *router) step(w *World, dt float64) {
	events := 0.0
	if dt > 0 {
		events = w.flow.stored / max(1, r.host.fleet.running)
	}
	health := w.health(r.host.service)
	writes, refused := 0.0, 0.0
	for i := range r.targets {
		b := &w.backends[i]
		n := events * b.share
		r.targets[i].write(w, b, n, b.database && !health.Database || b.name == "redis" && !health.Cache)
		r.targets[i].measure(b, w.flow.disks[i])
		if b.pool > 0 {
			r.targets[i].connect(w, b, n/b.batch, dt, health.Database)
		}
		writes += n / b.batch
		if b.database && !health.Database {
			refused += n / b.batch
		}
	}
	wrong := 0.00003
	if refused > 0 {
		wrong = refused / writes
	}
	r.requests.serve(writes, 0.03*w.load.pace(storing), wrong)
	r.process.step(w, dt)
}

// write writes n records, unless the backend refuses connections.
func (t *target) write(w *World, b *backend, n float64, refused bool) {
	if refused {
		t.refused.add(n)
		t.failed.add(n)
		return
	}
	wrong := 0.000015 * w.load.of(failing)
	t.late.add(n * wrong * 0.8)
	t.violating.add(n * wrong * 0.2)
	t.failed.add(n * wrong)
	t.success.add(n * (1 - wrong))
	t.time.observe(n/b.batch, t.median(w, b), 0.5)
}

// median is the time in seconds that a write takes.
func (t *target) median(w *World, b *backend) float64 {
	m := b.median * w.load.pace(storing)
	if w.faults.on("slow-writes", "storage-router") {
		m *= slowWrites
	}
	return m
}

// measure says how full a backend is.
func (t *target) measure(b *backend, free float64) {
	t.capacity.Value = b.size
	t.free.Value = math.Round(free)
	t.used.Value = 1 - t.free.Value/b.size
}

// connect is the use of the router's connections: by Little's law what writes keep busy, and what other work does.
func (t *target) connect(w *World, b *backend, writes, dt float64, reachable bool) {
	want := b.pool*0.25*w.load.of(storing)*w.jitter(0.15) + writes/max(dt, 1)*t.median(w, b)
	if w.faults.on("pool-exhausted", "storage-router") {
		want = t.inUse + b.pool/60*w.cfg.Factor*dt // all gone within a minute
	}
	if !reachable {
		want = 0
	}
	t.inUse = min(b.pool, want)
	t.active.Value = math.Round(t.inUse)
	t.idle.Value = math.Round(min(b.pool-t.active.Value, b.pool*0.2))
	t.most.Value = b.pool
}

// stepDisks fills the backends with what is written and empties them of what has grown too old, so that the used share
// moves around its usual one.
func (w *World) stepDisks(dt float64) {
	for i := range w.backends {
		b := &w.backends[i]
		used := 1 - w.flow.disks[i]/b.size
		towards, half := b.used+0.04*(w.load.of(storing)-1), 3600.0
		if b.database && w.faults.on("disk-filling", "storage-router") {
			towards, half = 0.97, 60
		} else if used > towards+0.05 {
			half = 120 // someone has made room
		}
		used += (towards - used) * (1 - math.Exp2(-dt*w.cfg.Factor/half))
		w.flow.disks[i] = b.size * (1 - used)
	}
}
