package world

import (
	"errors"
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

// AdminPort is the other port that the containers of pods declare, as many do. Nothing answers there; Prometheus' discovery
// has a target for each port, and only a job that follows the annotation of the pod asks at the right one.
const AdminPort = 8081

// startup is how long a new pod takes until it is ready, and sees to its metrics all the while.
const startup = 12 * time.Second

// host is something that exposes series.
type host struct {
	name, address, service string
	// replica tells the hosts of a service apart.
	replica int
	phase   phase
	program program
	series  []*Series // in the order of their names
	gone    bool      // a fault has taken it away

	// Of pods alone.
	pod   *Pod
	fleet *fleet
	warm  bool // has been up for its startup time
}

// fleet is a service that runs as pods.
type fleet struct {
	name     string
	replicas int
	// subnet is the third number of the pods' addresses, 10.244.subnet.N.
	subnet int
	// path is where its pods' metrics are, if not at /metrics.
	path string
	// share is a collector's part of the events.
	share float64

	// running are its pods of the moment.
	running float64
}

func fleets() []*fleet {
	return []*fleet{
		{name: "shipping-collector", replicas: 3, subnet: 1, share: 0.5},
		{name: "inventory-collector", replicas: 2, subnet: 2, share: 0.3},
		{name: "supplier-collector", replicas: 2, subnet: 3, share: 0.2},
		{name: "storage-router", replicas: 2, subnet: 4},
		// In every cluster there is a service that has its metrics elsewhere; scrape jobs that disregard the annotation of
		// its pods do not find them.
		{name: "query-api", replicas: 2, subnet: 5, path: "/internal/metrics"},
	}
}

func (w *World) fleet(name string) *fleet {
	for _, f := range w.fleets {
		if f.name == name {
			return f
		}
	}
	panic("the world has no fleet " + name)
}

// Finished is a pod that has done its work, as a job's are: Kubernetes still lists it, with the labels and annotations that it
// ran with, and nothing answers at its address any more. Scrape jobs that do not leave out such pods have a target that
// is down for ever.
func Finished(started time.Time) Host {
	const job, ip = "storage-router-migration", "10.244.90.4" // a job names its pods after itself
	const name = job + "-x7k2p"
	return Host{
		Name: name, Address: fmt.Sprintf("%s:%d", ip, podPort), Service: "storage-router",
		Pod: &Pod{Name: name, App: "storage-router", Job: job, IP: ip, Node: "worker-1", Started: started},
	}
}

// fixed are the hosts that are no pods.
func fixed() []*host {
	return []*host{
		{name: jobManagerName, address: "flink-jobmanager:9249", service: "flink"},
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

// build makes the first hosts and every series that they start with.
func (w *World) build() error {
	w.fleets = fleets()
	for _, f := range w.fleets {
		f.running = float64(f.replicas)
	}
	w.load.init(w)
	for i, b := range w.backends {
		w.flow.disks[i] = b.size * (1 - b.used)
	}
	w.flow.job.init(w)
	for _, h := range fixed() {
		w.join(h)
	}
	for _, f := range w.fleets {
		for i := range f.replicas {
			pod := w.newPod(f, i, w.now.Add(-time.Hour*time.Duration(30+i)))
			pod.warm = true
			w.join(pod)
		}
	}
	w.rolling.next = w.now.Add(w.calm())
	return w.disagreed()
}

// disagreed is where the catalogue and the model differ: it names files and lines.
func (w *World) disagreed() error {
	for _, m := range w.cat.Metrics {
		for _, who := range m.ExposedBy {
			has := slices.ContainsFunc(w.hosts, func(h *host) bool {
				return h.exposer() == who && slices.ContainsFunc(h.series, func(s *Series) bool { return s.Metric == m })
			})
			if !has {
				w.disagree(m.Line, "%s is not exposed by %s in the simulated platform", m.Name, who)
			}
		}
	}
	var errs []error
	for _, d := range w.disagreements {
		errs = append(errs, &d)
	}
	return errors.Join(errs...)
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

func (w *World) newPod(f *fleet, replica int, started time.Time) *host {
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
		ip = fmt.Sprintf("10.244.%d.%d", f.subnet, 4+w.rand.IntN(250))
		taken = slices.ContainsFunc(w.hosts, func(h *host) bool { return h.pod != nil && h.pod.IP == ip })
	}
	name := fmt.Sprintf("%s-%s-%s", f.name, random(9), random(5))
	return &host{
		name: name, address: fmt.Sprintf("%s:%d", ip, podPort), service: f.name, replica: replica, fleet: f,
		pod: &Pod{Name: name, App: f.name, IP: ip, Node: fmt.Sprintf("worker-%d", 1+(f.subnet+replica)%3), Started: started},
	}
}

func (w *World) find(name string) (int, bool) {
	return slices.BinarySearchFunc(w.hosts, name, func(h *host, name string) int { return strings.Compare(h.name, name) })
}

// join adds a host at its place and starts its program.
func (w *World) join(h *host) {
	at, _ := w.find(h.name)
	w.hosts = slices.Insert(w.hosts, at, h)
	w.podsVersion++
	w.start(h)
}

// replace puts a new pod in the place of an old one, which stops in good order if it is still there.
func (w *World) replace(old *host) {
	if c, ok := old.program.(*collector); ok && !old.gone {
		c.stop(w)
	}
	w.hosts = slices.DeleteFunc(w.hosts, func(h *host) bool { return h == old })
	w.join(w.newPod(old.fleet, old.replica, w.now))
}
