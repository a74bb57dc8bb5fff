package world

import "math"

// table is a database of a server.
type table struct {
	connections, size float64 // usually; bytes

	backends, commits, rollbacks, bytes *Series
}

// database is the exporter of Postgres or of TimescaleDB.
type database struct {
	up, most *Series
	tables   [2]table
}

func (w *World) newDatabase(h *host) *database {
	newTable := func(name string, connections, size float64) table {
		return table{
			connections: connections, size: size,
			backends:  w.gauge(h, "pg_stat_database_numbackends", name),
			commits:   w.counter(h, "pg_stat_database_xact_commit", name),
			rollbacks: w.counter(h, "pg_stat_database_xact_rollback", name),
			bytes:     w.gauge(h, "pg_database_size_bytes", name),
		}
	}
	return &database{
		up: w.gauge(h, "pg_up"), most: w.gauge(h, "pg_settings_max_connections"),
		tables: [2]table{newTable("ingestion", 46, 240e9), newTable("metrics", 9, 18e9)},
	}
}

func (d *database) step(w *World, dt float64) {
	up := 1.0
	// Where nobody of those who use them reaches the databases, it is the databases that are down.
	if !w.health("storage-router").Database && !w.health("query-api").Database {
		up = 0
	}
	d.up.Value = up
	d.most.Value = 200
	for i := range d.tables {
		t := &d.tables[i]
		t.backends.Value = up * math.Round(t.connections*w.load.of(storing)*w.jitter(0.1))
		t.bytes.Value = math.Round(t.size * w.load.of(storing))
		if dt > 0 {
			transactions := up * w.flow.stored / 200 * t.connections / d.tables[0].connections
			t.commits.add(transactions * 0.9996)
			t.rollbacks.add(transactions * 0.0004)
		}
	}
}

// redis is the exporter of the cache that the enrichment and the query API use.
type redis struct {
	up, most, used, clients, hits, misses, commands *Series
}

func (w *World) newRedis(h *host) *redis {
	return &redis{
		up: w.gauge(h, "redis_up"), most: w.gauge(h, "redis_memory_max_bytes"), used: w.gauge(h, "redis_memory_used_bytes"),
		clients: w.gauge(h, "redis_connected_clients"), commands: w.counter(h, "redis_commands_processed_total"),
		hits: w.counter(h, "redis_keyspace_hits_total"), misses: w.counter(h, "redis_keyspace_misses_total"),
	}
}

// cacheUp says whether the cache is there. Where nobody of those who use it reaches it, it is not.
func (w *World) cacheUp() bool {
	return w.health("storage-router").Cache || w.health("query-api").Cache
}

// lookUp counts lookups that reach the cache, of which a share is answered.
func (f *flow) lookUp(w *World, n, hit float64) {
	if w.cacheUp() {
		f.hits += n * hit
		f.misses += n * (1 - hit)
	}
}

func (r *redis) step(w *World, dt float64) {
	r.up.Value = 0
	if w.cacheUp() {
		r.up.Value = 1
	}
	for i, b := range w.backends {
		if b.name == "redis" {
			r.most.Value = b.size
			r.used.Value = math.Round(b.size - w.flow.disks[i])
		}
	}
	r.clients.Value = r.up.Value * math.Round(38*w.load.of(asking))
	if dt == 0 {
		return
	}
	hits, misses := w.flow.hits, w.flow.misses
	r.hits.add(hits)
	r.misses.add(misses)
	r.commands.add((hits + misses) * 1.4)
}
