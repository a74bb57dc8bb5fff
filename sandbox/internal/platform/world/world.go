// Package world is the model of the simulated ingestion platform: what happens in it, second by second, and what its
// programs would say of themselves. It speaks no protocol; package exporter writes its series, other packages serve its
// probes, logs and traces.
//
//	w, err := world.New(world.Config{Seed: 1, Start: now}, catalogue)
//	w.Advance(now)                              // as often as one likes; catches up in ticks
//	for _, h := range w.Hosts() { … }           // whatever can be scraped now: pods and fixed hosts
//	w.Read(h.Name, func(s *world.Series) { … }) // the series that a host exposes
//	w.PodsVersion()                             // changes with the pods; Host.Pod says whether one is ready
//	w.Health("query-api")                       // kafka, database, cache
//	world.Faults()                              // what can break, and which alert tells of it
//	w.Set("kafka-unreachable", "", until)       // break something; w.Clear mends it
//	w.Broken("log-flood", "flink")              // whether something is broken, for faults that others act out
//	w.Events(n)                                 // n of the events that flow now, for logs and traces
//	world.Layer("query-api")                    // collection, processing, storage, infrastructure
//
// It all hangs together: what collectors publish is what Flink processes is what storage writes, whatever is in between
// waits in Kafka and is its lag. Counters only rise; a pod that comes anew starts at zero. The same seed and start, and
// the same faults at the same times, give the same world, however the time is cut into calls of Advance. A healthy world
// fires no alert of the stack and keeps its objectives.
//
// A tick is a handful of microseconds and allocates nothing, so that a world can catch up on a week in seconds. Within it
// every program on a host (collector, task manager, router, broker …) has its turn, in the order of the events' way.
package world

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"obsandbox/sandbox/internal/stack"
)

// Namespace is the Kubernetes namespace of every pod.
const Namespace = "data-ingestion"

// Config of a world.
type Config struct {
	// Seed makes worlds differ; equal seeds give equal worlds.
	Seed uint64
	// Start is the world's first moment. Its history is empty before it.
	Start time.Time
	// Tick is the length of a step; 1 s where it is 0. Simulations of days take longer ones.
	Tick time.Duration
	// Noise is how far the load strays, in times of what is usual; 1 where it is 0.
	Noise float64
	// Factor is how many times as fast things come about that need their time: disks and pools that fill up, records that
	// pile up, checkpoints. 1 where it is 0. Rates stay what they are: it is for monitoring whose windows are as much
	// shorter.
	Factor float64
}

// World is the platform at one moment. All methods may be called from many goroutines.
type World struct {
	mu   sync.RWMutex
	cfg  Config
	cat  *stack.Catalogue
	now  time.Time
	dt   float64 // seconds of a tick
	rand *rand.Rand

	hosts    []*host // in the order of their names
	fleets   []*fleet
	backends [backendCount]backend
	rolling  rollout
	// podsVersion counts the changes of the pods, so that whoever lists them can tell.
	podsVersion uint64

	faults faultState
	load   load
	flow   flow
	made   uint64 // events that were handed out
	// disagreements of the model with the catalogue; none once New has returned.
	disagreements []stack.FileError
}

// Host is something that can be scraped.
type Host struct {
	// Name is the pod's name, or the fixed host's.
	Name string
	// Address is "host:port" as a scrape target has it.
	Address string
	// Service is the program: shipping-collector, flink, kafka, postgres …
	Service string
	// Path is where its metrics are, if not at /metrics: see MetricsPath.
	Path string
	// Pod is set for pods alone.
	Pod *Pod
	// Hanging says that the host accepts requests and never answers.
	Hanging bool
}

// MetricsPath is where the host's metrics are, as an annotation of its pod says.
func (h Host) MetricsPath() string { return cmp.Or(h.Path, "/metrics") }

// Pod is what Kubernetes knows of a pod.
type Pod struct {
	Name, App, IP, Node string
	// Job is the job that the pod was of and has ended with; empty for one that runs.
	Job     string
	Started time.Time
	// Ready says that it has started up and that all its dependencies answer.
	Ready bool
}

// Labels are those that Kubernetes has of the pod.
func (p *Pod) Labels() map[string]string {
	if p.Job != "" {
		return map[string]string{"app": p.App, "job-name": p.Job}
	}
	hash, _, _ := strings.Cut(strings.TrimPrefix(p.Name, p.App+"-"), "-")
	return map[string]string{"app": p.App, "pod-template-hash": hash}
}

// Health says which dependencies of a service answer.
type Health struct {
	Kafka    bool `json:"kafka"`
	Database bool `json:"database"`
	Cache    bool `json:"cache"`
}

// Ready says whether all of them do.
func (h Health) Ready() bool { return h.Kafka && h.Database && h.Cache }

// New makes a world at its start. Where the catalogue and the model do not agree on what there is, the error names the
// lines of the catalogue.
func New(cfg Config, cat *stack.Catalogue) (*World, error) {
	if cfg.Tick == 0 {
		cfg.Tick = time.Second
	}
	if cfg.Noise == 0 {
		cfg.Noise = 1
	}
	cfg.Factor = max(cfg.Factor, 1)
	cfg.Start = cfg.Start.Truncate(cfg.Tick)
	w := &World{
		cfg: cfg, cat: cat, now: cfg.Start, dt: cfg.Tick.Seconds(),
		rand:     rand.New(rand.NewPCG(cfg.Seed, 0x6f62736e64626f78)),
		backends: backends(),
	}
	w.faults.init()
	if err := w.build(); err != nil {
		return nil, err
	}
	return w, nil
}

// Now is the moment that the world has come to.
func (w *World) Now() time.Time {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.now
}

// Advance steps to the last whole tick that is not after to.
func (w *World) Advance(to time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !w.now.Add(w.cfg.Tick).After(to) {
		w.now = w.now.Add(w.cfg.Tick)
		w.step()
	}
}

// Hosts are all scrape targets of the moment, in the order of their names.
func (w *World) Hosts() []Host {
	w.mu.RLock()
	defer w.mu.RUnlock()
	out := make([]Host, 0, len(w.hosts))
	for _, h := range w.hosts {
		if w.absent(h) {
			continue
		}
		out = append(out, w.describe(h))
	}
	return out
}

// Host finds a scrape target by its name or its address; false where nothing has it now.
func (w *World) Host(name string) (Host, bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, h := range w.hosts {
		if (h.name == name || h.address == name) && !w.absent(h) {
			return w.describe(h), true
		}
	}
	return Host{}, false
}

func (w *World) describe(h *host) Host {
	d := Host{Name: h.name, Address: h.address, Service: h.service, Hanging: w.faults.on("exporter-hanging", h.service)}
	if h.pod != nil {
		d.Path = h.fleet.path
		pod := *h.pod
		pod.Ready = h.warm && w.health(h.service).Ready()
		d.Pod = &pod
	}
	return d
}

// absent says whether a fault has taken a host away.
func (w *World) absent(h *host) bool {
	if len(w.faults.active) == 0 {
		return false
	}
	return h.pod != nil && w.faults.on("pod-gone", h.service) ||
		h.name == jobManagerName && w.faults.on("flink-jobmanager-gone", h.service) ||
		h.name == lastBroker && w.faults.on("kafka-broker-down", h.service)
}

// Health is what the readiness checks of a service would find.
func (w *World) Health(service string) Health {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.health(service)
}

func (w *World) health(service string) Health {
	return Health{
		Kafka:    !w.faults.on("kafka-unreachable", service),
		Database: !w.faults.on("database-unreachable", service),
		Cache:    !w.faults.on("cache-unreachable", service),
	}
}

// Read calls fn for every series of a host, those of one metric after each other; false where there is no such host.
// fn must not keep what it is given.
func (w *World) Read(name string, fn func(*Series)) bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	i, ok := w.find(name)
	if !ok || w.absent(w.hosts[i]) {
		return false
	}
	for _, s := range w.hosts[i].series {
		if !s.hidden {
			fn(s)
		}
	}
	return true
}

// Services are the names of all services, in order.
func (w *World) Services() []string {
	w.mu.RLock()
	defer w.mu.RUnlock()
	var names []string
	for _, h := range w.hosts {
		if !slices.Contains(names, h.service) {
			names = append(names, h.service)
		}
	}
	slices.Sort(names)
	return names
}

// PodsVersion changes whenever the pods or their state may have changed.
func (w *World) PodsVersion() uint64 {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.podsVersion
}
