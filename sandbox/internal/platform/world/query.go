package world

// queryRate is the queries/s of all query API pods together at the mean load.
const queryRate = 600.0

// endpoint is one path of the query API.
type endpoint struct {
	share         float64 // of the queries
	refused, late *Series
	time          *Series
	requests      route
}

// cache is one of the query API's.
type cache struct {
	usual, cold  float64 // share of lookups that it answers, warm and without its content
	hits, misses *Series
}

// queryAPI is a pod that answers queries, asking each of its caches once.
type queryAPI struct {
	host      *host
	endpoints [3]endpoint
	caches    [2]cache
	process   process
}

func (w *World) newQueryAPI(h *host) *queryAPI {
	newEndpoint := func(path string, share float64) endpoint {
		return endpoint{
			share:    share,
			refused:  w.counter(h, "storage_query_errors_total", path, "connection_refused"),
			late:     w.counter(h, "storage_query_errors_total", path, "timeout"),
			time:     w.histogram(h, "storage_query_duration_seconds", path),
			requests: w.newRoute(h, "GET", path),
		}
	}
	newCache := func(name string, usual, cold float64) cache {
		return cache{
			usual: usual, cold: cold,
			hits: w.counter(h, "storage_cache_hits_total", name), misses: w.counter(h, "storage_cache_misses_total", name),
		}
	}
	return &queryAPI{
		host: h,
		endpoints: [3]endpoint{
			newEndpoint("/api/v1/shipments", 0.6), newEndpoint("/api/v1/inventory", 0.3), newEndpoint("/api/v1/suppliers", 0.1),
		},
		caches:  [2]cache{newCache("query_results", 0.86, 0.05), newCache("reference_data", 0.97, 0.1)},
		process: w.newProcess(h, 0.6, 380e6, 1.5e6),
	}
}

func (q *queryAPI) step(w *World, dt float64) {
	service := q.host.service
	queries := queryRate * w.load.share * w.load.of(asking) / max(1, q.host.fleet.running) * w.jitter(0.05) * dt
	health := w.health(service)
	cold := w.faults.on("cache-cold", service)
	for i := range q.caches {
		c := &q.caches[i]
		hit := min(0.995, c.usual*w.load.of(caching))
		switch {
		case !health.Cache:
			hit = 0
		case cold:
			hit = c.cold
		}
		c.hits.add(queries * hit)
		c.misses.add(queries * (1 - hit))
		if health.Cache { // what does not get there is not counted there
			w.flow.lookUp(w, queries, hit)
		}
	}
	median := 0.009 * w.load.pace(asking)
	if cold || !health.Cache {
		median *= 2.2
	}
	late, refused := 0.00004*w.load.of(failing), 0.0
	switch {
	case !health.Database:
		late, refused = 0, 0.9 // the caches answer the rest
	case w.faults.on("query-errors", service):
		late = 0.25
	case w.faults.on("slow-queries", service):
		late, median = 0.3, median*100
	}
	for i := range q.endpoints {
		e := &q.endpoints[i]
		n := queries * e.share
		e.refused.add(n * refused)
		e.late.add(n * late)
		e.time.observe(n, median, 0.6)
		e.requests.serve(n, median*1.15, late+refused)
	}
	q.process.step(w, dt)
}
