package world

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Where the hosts of the platform listen, as the scrape configuration names them.
const (
	podPort    = 8080
	lastBroker = "kafka-2.kafka"
)

// deployment is a service that runs as pods.
type deployment struct {
	name     string
	replicas int
	// subnet is the third number of the pods' addresses, 10.244.subnet.N.
	subnet int
}

func deployments() []deployment {
	return []deployment{
		{"shipping-collector", 3, 1}, {"inventory-collector", 2, 2}, {"supplier-collector", 2, 3},
		{"storage-router", 2, 4}, {"query-api", 2, 5},
	}
}

// fixed are the hosts that are no pods.
func fixed() []host {
	return []host{
		{name: "flink-jobmanager", address: "flink-jobmanager:9249", service: "flink"},
		{name: "flink-taskmanager-0", address: "flink-taskmanager-0:9249", service: "flink", replica: 0},
		{name: "flink-taskmanager-1", address: "flink-taskmanager-1:9249", service: "flink", replica: 1},
		{name: "flink-taskmanager-2", address: "flink-taskmanager-2:9249", service: "flink", replica: 2},
		{name: "kafka-0.kafka", address: "kafka-0.kafka:7071", service: "kafka", replica: 0},
		{name: "kafka-1.kafka", address: "kafka-1.kafka:7071", service: "kafka", replica: 1},
		{name: lastBroker, address: lastBroker + ":7071", service: "kafka", replica: 2},
		{name: "postgres-exporter", address: "postgres-exporter:9187", service: "postgres"},
		{name: "timescale-exporter", address: "timescale-exporter:9187", service: "timescaledb"},
		{name: "redis-exporter", address: "redis-exporter:9121", service: "redis"},
	}
}

// churn is how long a pod lives at the least before the next one of its service is replaced: a rolling restart every
// few hours, as deployments make them.
const churn = 3 * time.Hour

// build makes the first hosts and every series that they start with.
func (w *World) build() error {
	for _, h := range fixed() {
		w.join(&h)
	}
	for _, d := range deployments() {
		for i := range d.replicas {
			w.join(w.newPod(d, i, w.now.Add(-time.Hour*time.Duration(30+i))))
		}
	}
	w.load.init(w)
	w.flow.free = map[string]float64{}
	for _, b := range backends() {
		w.flow.free[b.name] = b.size * (1 - b.used)
	}
	w.flow.nextCheckpt = checkpointEvery
	w.flow.uptime = 40 * 3600
	w.flow.completed = w.flow.uptime / checkpointEvery
	w.flow.checkpointMs, w.flow.checkpointLen = 2600, 280e6
	// A program exposes its series from its start, at zero.
	for _, h := range w.hosts {
		w.declare(h)
	}
	return w.undeclared()
}

// undeclared is what the catalogue says of a host and the model does not expose.
func (w *World) undeclared() error {
	var missing []string
	for _, m := range w.cat.Metrics {
		for _, who := range m.ExposedBy {
			has := slices.ContainsFunc(w.hosts, func(h *host) bool {
				return h.exposer() == who && slices.ContainsFunc(h.series, func(s *Series) bool { return s.Metric == m })
			})
			if !has {
				missing = append(missing, m.Name+" of "+who)
			}
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s names what the simulated platform does not expose: %s", w.cat.File, strings.Join(missing, ", "))
	}
	return nil
}

// exposer is the host's name in the catalogue's exposed_by.
func (h *host) exposer() string {
	if h.service != "flink" {
		return h.service
	}
	return strings.TrimRight(h.name, "-0123456789")
}

// Exposer is the name in the catalogue's exposed_by that a host goes by.
func (h Host) Exposer() string { return (&host{name: h.Name, service: h.Service}).exposer() }

func (w *World) newPod(d deployment, replica int, started time.Time) *host {
	const letters = "bcdfghjklmnpqrstvwxz2456789" // as Kubernetes makes names
	random := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = letters[w.rand.IntN(len(letters))]
		}
		return string(b)
	}
	var ip string
	for taken := true; taken; {
		ip = fmt.Sprintf("10.244.%d.%d", d.subnet, 4+w.rand.IntN(250))
		taken = slices.ContainsFunc(w.hosts, func(h *host) bool { return h.pod != nil && h.pod.IP == ip })
	}
	name := fmt.Sprintf("%s-%s-%s", d.name, random(9), random(5))
	return &host{
		name: name, address: fmt.Sprintf("%s:%d", ip, podPort), service: d.name, replica: replica,
		pod: &Pod{Name: name, App: d.name, IP: ip, Node: fmt.Sprintf("worker-%d", 1+(d.subnet+replica)%3), Started: started},
	}
}

// join adds a host at its place.
func (w *World) join(h *host) {
	h.byKey = map[string]*Series{}
	at, _ := slices.BinarySearchFunc(w.hosts, h.name, func(o *host, name string) int { return strings.Compare(o.name, name) })
	w.hosts = slices.Insert(w.hosts, at, h)
	w.byName[h.name] = h
	w.podsVersion++
}

// roll replaces the pod that has lived longest of all, once it is old enough.
func (w *World) roll() {
	var oldest *host
	newest := w.cfg.Start
	for _, h := range w.hosts {
		if h.pod == nil {
			continue
		}
		if oldest == nil || h.pod.Started.Before(oldest.pod.Started) {
			oldest = h
		}
		if h.pod.Started.After(newest) {
			newest = h.pod.Started
		}
	}
	if oldest == nil || w.now.Sub(newest) < churn {
		return
	}
	for _, d := range deployments() {
		if d.name == oldest.service {
			w.hosts = slices.DeleteFunc(w.hosts, func(h *host) bool { return h == oldest })
			delete(w.byName, oldest.name)
			fresh := w.newPod(d, oldest.replica, w.now)
			w.join(fresh)
			w.declare(fresh)
		}
	}
}

// PodsVersion changes whenever the pods or their state may have changed.
func (w *World) PodsVersion() uint64 {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.podsVersion
}
