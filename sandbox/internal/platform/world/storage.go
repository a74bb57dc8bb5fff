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

// slowWrites is how many times as long a write takes under the fault slow-writes.
const slowWrites = 150

func backends() []backend {
	return []backend{
		{"timescaledb", "insert", 1, 200, 0.018, 2e12, 0.58, 60, true},
		{"postgres", "upsert", 0.2, 50, 0.012, 500e9, 0.52, 40, true},
		{"s3", "put", 1, 5000, 0.035, 50e12, 0.41, 0, false},
		{"redis", "set", 0.4, 100, 0.0015, 32e9, 0.47, 0, false},
	}
}

// write is a storage router's tick: each event goes to timescaledb and to the archive, some to the other backends.
func (w *World) write(h *host) {
	f := &w.flow
	events := 0.0
	if w.dt > 0 {
		events = f.stored / w.running(h.service)
	}
	refused := !w.health(h.service).Database
	answered, failed := 0.0, 0.0
	if f.active == nil {
		f.active = map[string]float64{}
	}
	for _, b := range backends() {
		n := events * b.share
		median, wrong, kind := b.median*w.load.of("storage"), 0.000015*w.load.of("errors"), "timeout"
		if b.name == "redis" && !w.health(h.service).Cache || b.database && refused {
			wrong, kind = 1, "connection_refused"
		}
		if w.faults.on("slow-writes", h.service) {
			median *= slowWrites
		}
		for _, t := range []string{"connection_refused", "constraint_violation", "timeout"} {
			v := 0.0
			switch {
			case t == kind:
				v = n * wrong * 0.8
			case t == "constraint_violation":
				v = n * wrong * 0.2
			}
			if wrong == 1 && t == kind {
				v = n
			} else if wrong == 1 {
				v = 0
			}
			w.get(h, "storage_write_errors_total", b.name, t).add(v)
		}
		w.get(h, "storage_writes_total", b.name, b.operation, "error").add(n * wrong)
		w.get(h, "storage_writes_total", b.name, b.operation, "success").add(n * (1 - wrong))
		w.get(h, "storage_write_latency_seconds", b.name, b.operation).observe(n/b.batch*(1-wrong), median, 0.5)
		answered += n / b.batch
		failed += n / b.batch * wrong

		free := f.free[b.name]
		w.get(h, "storage_capacity_bytes", b.name).Value = b.size
		w.get(h, "storage_capacity_free_bytes", b.name).Value = math.Round(free)
		w.get(h, "storage_capacity_utilization", b.name).Value = 1 - free/b.size
		if b.pool > 0 {
			w.pool(h, b, n/b.batch*median)
		}
	}
	wrong := 0.00003
	if refused && answered > 0 {
		wrong = failed / answered
	}
	w.serve(h, "POST", "/api/v1/write", answered, 0.03*w.load.of("storage"), wrong)
}

// pool is the use of a router's connections to a backend: by Little's law what writes keep busy, and what other work does.
func (w *World) pool(h *host, b backend, busy float64) {
	key := h.name + b.name
	want := b.pool*0.25*w.load.of("storage")*w.jitter(0.15) + busy/max(w.dt, 1)
	if w.faults.on("pool-exhausted", h.service) {
		want = w.flow.active[key] + b.pool/60*w.dt // all gone within a minute
	}
	if !w.health(h.service).Database {
		want = 0
	}
	active := min(b.pool, want)
	w.flow.active[key] = active
	active = math.Round(active)
	w.get(h, "storage_connection_pool_active", b.name).Value = active
	w.get(h, "storage_connection_pool_idle", b.name).Value = math.Round(min(b.pool-active, b.pool*0.2))
	w.get(h, "storage_connection_pool_max", b.name).Value = b.pool
}

// stepDisks fills the backends with what is written and empties them of what has grown too old, so that the used share
// moves around its usual one.
func (w *World) stepDisks() {
	for _, b := range backends() {
		used := 1 - w.flow.free[b.name]/b.size
		target := b.used + 0.04*(w.load.of("storage")-1)
		speed := 1 - math.Exp2(-w.dt/3600)
		if b.database && w.faults.on("disk-filling", "storage-router") {
			target, speed = 0.97, 1-math.Exp2(-w.dt/60)
		} else if used > target+0.05 {
			speed = 1 - math.Exp2(-w.dt/120) // someone has made room
		}
		used += (target - used) * speed
		w.flow.free[b.name] = b.size * (1 - used)
	}
}

func endpoints() []struct {
	path  string
	share float64
} {
	return []struct {
		path  string
		share float64
	}{{"/api/v1/shipments", 0.6}, {"/api/v1/inventory", 0.3}, {"/api/v1/suppliers", 0.1}}
}

// queryRate is the queries/s of all query API pods together at the mean load.
const queryRate = 600.0

// answer is a query API pod's tick.
func (w *World) answer(h *host) {
	queries := queryRate * w.load.rate / meanRate * w.load.of("queries") / w.running(h.service) * w.jitter(0.05) * w.dt
	health := w.health(h.service)
	hit := map[string]float64{"query_results": min(0.98, 0.86*w.load.of("cache")), "reference_data": min(0.995, 0.97*w.load.of("cache"))}
	if w.faults.on("cache-cold", h.service) || !health.Cache {
		hit = map[string]float64{"query_results": 0.05, "reference_data": 0.1}
		if !health.Cache {
			hit = map[string]float64{"query_results": 0, "reference_data": 0}
		}
	}
	for _, cache := range []string{"query_results", "reference_data"} {
		w.get(h, "storage_cache_hits_total", cache).add(queries * hit[cache])
		w.get(h, "storage_cache_misses_total", cache).add(queries * (1 - hit[cache]))
	}
	for _, e := range endpoints() {
		n := queries * e.share
		wrong, median, kind := 0.00004*w.load.of("errors"), 0.009*w.load.of("queries"), "timeout"
		if hit["query_results"] < 0.5 {
			median *= 2.2
		}
		switch {
		case !health.Database:
			wrong, kind = 0.9, "connection_refused"
		case w.faults.on("query-errors", h.service):
			wrong = 0.25
		case w.faults.on("slow-queries", h.service):
			wrong, median = 0.3, median*100
		}
		for _, t := range []string{"connection_refused", "timeout"} {
			v := 0.0
			if t == kind {
				v = n * wrong
			}
			w.get(h, "storage_query_errors_total", e.path, t).add(v)
		}
		w.get(h, "storage_query_duration_seconds", e.path).observe(n, median, 0.6)
		w.serve(h, "GET", e.path, n, median*1.15, wrong)
	}
}

// stepDatabase is what the exporter of Postgres or TimescaleDB says.
func (w *World) stepDatabase(h *host) {
	up := 1.0
	if w.faults.on("database-unreachable", "storage-router") && w.faults.on("database-unreachable", "query-api") {
		up = 0
	}
	w.get(h, "pg_up").Value = up
	w.get(h, "pg_settings_max_connections").Value = 200
	share := w.flow.stored / 200
	for _, db := range []struct {
		name        string
		connections float64
		size        float64
	}{{"ingestion", 46, 240e9}, {"metrics", 9, 18e9}} {
		w.get(h, "pg_stat_database_numbackends", db.name).Value = up * math.Round(db.connections*w.load.of("storage")*w.jitter(0.1))
		commits := 0.0
		if w.dt > 0 {
			commits = up * share * db.connections / 46
		}
		w.get(h, "pg_stat_database_xact_commit", db.name).add(commits)
		w.get(h, "pg_stat_database_xact_rollback", db.name).add(commits * 0.0004)
		w.get(h, "pg_database_size_bytes", db.name).Value = math.Round(db.size * w.load.of("storage"))
	}
}

// stepRedis is what Redis' exporter says.
func (w *World) stepRedis(h *host) {
	up := 1.0
	if w.faults.on("cache-unreachable", "storage-router") && w.faults.on("cache-unreachable", "query-api") {
		up = 0
	}
	w.get(h, "redis_up").Value = up
	w.get(h, "redis_memory_max_bytes").Value = 32e9
	w.get(h, "redis_memory_used_bytes").Value = math.Round(32e9 - w.flow.free["redis"])
	w.get(h, "redis_connected_clients").Value = up * math.Round(38*w.load.of("queries"))
	lookups := up * (queryRate + w.load.rate) * w.load.rate / meanRate * w.dt
	hit := min(0.99, 0.91*w.load.of("cache"))
	if w.faults.on("cache-cold", "flink") {
		hit = 0.08
	}
	w.get(h, "redis_keyspace_hits_total").add(lookups * hit)
	w.get(h, "redis_keyspace_misses_total").add(lookups * (1 - hit))
	w.get(h, "redis_commands_processed_total").add(lookups * 1.4)
}
