package logstash

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// Version is the release of Logstash whose behaviour is followed.
const Version = "9.2.0"

// api is Logstash's monitoring API, as far as it is asked for: the node, its pipelines and their figures.
type api struct {
	mux     http.ServeMux
	addr    string
	start   time.Time
	mu      sync.Mutex
	all     []*Pipeline
	workers map[*Pipeline][]*worker
}

func newAPI(pipelines []*Pipeline, addr string, start time.Time) *api {
	a := &api{addr: addr, start: start, all: pipelines, workers: map[*Pipeline][]*worker{}}
	handle := func(path string, body func() map[string]any) {
		a.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { a.write(w, http.StatusOK, body()) })
	}
	handle("/{$}", func() map[string]any { return nil })
	handle("/_node", func() map[string]any { return map[string]any{"pipelines": a.pipelines()} })
	handle("/_node/pipelines", func() map[string]any { return map[string]any{"pipelines": a.pipelines()} })
	handle("/_node/stats", func() map[string]any {
		return map[string]any{"events": a.events(), "pipelines": a.stats()}
	})
	handle("/_node/stats/events", func() map[string]any { return map[string]any{"events": a.events()} })
	handle("/_node/plugins", func() map[string]any { return a.plugins() })
	a.mux.HandleFunc("GET /_node/stats/pipelines", func(w http.ResponseWriter, _ *http.Request) {
		// Whoever waits for readiness asks this: it fails until every pipeline runs.
		status := http.StatusOK
		if !a.ready() {
			status = http.StatusServiceUnavailable
		}
		a.write(w, status, map[string]any{"pipelines": a.stats()})
	})
	one := func(path string, of func(*Pipeline) map[string]any) {
		a.mux.HandleFunc("GET "+path+"/{id}", func(w http.ResponseWriter, r *http.Request) {
			for _, p := range a.all {
				if p.settings.ID == r.PathValue("id") {
					a.write(w, http.StatusOK, map[string]any{"pipelines": map[string]any{p.settings.ID: of(p)}})
					return
				}
			}
			a.notFound(w, r)
		})
	}
	one("/_node/stats/pipelines", a.pipelineStats)
	one("/_node/pipelines", a.pipelineInfo)
	a.mux.HandleFunc("/", a.notFound)
	return a
}

// ServeHTTP answers a request.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

func (a *api) notFound(w http.ResponseWriter, r *http.Request) {
	a.write(w, http.StatusNotFound, map[string]any{
		"path": r.URL.Path, "status": http.StatusNotFound, "error": map[string]any{"message": "Not Found"},
	})
}

func (a *api) started(p *Pipeline, workers []*worker) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.workers[p] = workers
}

func (a *api) ready() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.workers) == len(a.all)
}

// write sends a body under the head that every answer of Logstash has.
func (a *api) write(w http.ResponseWriter, status int, body map[string]any) {
	health := "green"
	if !a.ready() {
		health = "yellow"
	}
	first := a.all[0].settings
	answer := map[string]any{
		"host": first.Node, "name": first.Node, "version": Version, "http_address": a.addr, "id": first.Node,
		"ephemeral_id": first.Node, "status": health, "snapshot": false,
		"pipeline": map[string]any{"workers": first.Workers, "batch_size": first.BatchSize, "batch_delay": first.BatchDelay.Milliseconds()},
	}
	for k, v := range body {
		answer[k] = v
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

func (a *api) pipelines() map[string]any {
	out := map[string]any{}
	for _, p := range a.all {
		out[p.settings.ID] = a.pipelineInfo(p)
	}
	return out
}

func (a *api) pipelineInfo(p *Pipeline) map[string]any {
	return map[string]any{
		"ephemeral_id": p.settings.ID, "workers": p.settings.Workers, "batch_size": p.settings.BatchSize,
		"batch_delay": p.settings.BatchDelay.Milliseconds(), "config_reload_automatic": false,
		"dead_letter_queue_enabled": p.settings.DeadLetters,
	}
}

func (a *api) stats() map[string]any {
	out := map[string]any{}
	for _, p := range a.all {
		out[p.settings.ID] = a.pipelineStats(p)
	}
	return out
}

func (a *api) pipelineStats(p *Pipeline) map[string]any {
	a.mu.Lock()
	workers := a.workers[p]
	a.mu.Unlock()
	plugins := map[string][]any{"inputs": {}, "codecs": {}, "filters": {}, "outputs": {}}
	for _, n := range p.nodes {
		var in, out, nanos, failures int64
		for _, w := range workers {
			c := &w.plugins[n.index]
			in, out, nanos, failures = in+c.in.Load(), out+c.out.Load(), nanos+c.nanos.Load(), failures+c.failures.Load()
		}
		stat := map[string]any{"id": n.id, "name": n.name}
		events := map[string]any{"in": in, "out": out, "duration_in_millis": nanos / int64(time.Millisecond)}
		if n.kind == "input" {
			q := p.inputQueue(n)
			events = map[string]any{"out": q.in.Load(), "queue_push_duration_in_millis": q.blocked.Load() / int64(time.Millisecond)}
		}
		if failures > 0 {
			stat["failures"] = failures
		}
		stat["events"] = events
		plugins[n.kind+"s"] = append(plugins[n.kind+"s"], stat)
	}
	in, millis := p.queue.in.Load(), p.totals.nanos.Load()/int64(time.Millisecond)
	stats := map[string]any{
		"events": map[string]any{
			"in": in, "filtered": p.totals.filtered.Load(), "out": p.totals.out.Load(),
			"duration_in_millis": millis, "queue_push_duration_in_millis": p.queue.blocked.Load() / int64(time.Millisecond),
		},
		"plugins": plugins,
		"reloads": map[string]any{"successes": 0, "failures": 0, "last_error": nil},
		"queue":   map[string]any{"type": "memory", "events_count": len(p.queue.items), "queue_size_in_bytes": 0, "max_queue_size_in_bytes": 0},
	}
	if p.settings.DeadLetters {
		stats["dead_letter_queue"] = map[string]any{"entries_written": p.dead.count()}
	}
	return stats
}

func (a *api) events() map[string]any {
	var in, filtered, out, nanos, blocked int64
	for _, p := range a.all {
		in += p.queue.in.Load()
		filtered += p.totals.filtered.Load()
		out += p.totals.out.Load()
		nanos += p.totals.nanos.Load()
		blocked += p.queue.blocked.Load()
	}
	return map[string]any{
		"in": in, "filtered": filtered, "out": out,
		"duration_in_millis": nanos / int64(time.Millisecond), "queue_push_duration_in_millis": blocked / int64(time.Millisecond),
	}
}

func (a *api) plugins() map[string]any {
	var list []any
	r := plugins()
	add := func(kind string, names []string) {
		for _, n := range names {
			list = append(list, map[string]any{"name": "logstash-" + kind + "-" + n, "version": Version})
		}
	}
	add("codec", sortedKeys(r.codecs))
	add("filter", sortedKeys(r.filters))
	add("input", sortedKeys(r.inputs))
	add("output", sortedKeys(r.outputs))
	return map[string]any{"total": len(list), "plugins": list}
}

// inputQueue is the queue as the input sees it.
func (p *Pipeline) inputQueue(n *pluginInfo) *queue {
	for _, in := range p.inputs {
		if in.pluginInfo == n {
			return in.queue
		}
	}
	return p.queue
}
