package platform

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"obsandbox/sandbox/internal/platform/cluster"
	"obsandbox/sandbox/internal/platform/guest"
	"obsandbox/sandbox/internal/platform/probes"
	"obsandbox/sandbox/internal/platform/world"
	"obsandbox/sandbox/internal/stack"
)

// podPort is where every service listens.
const podPort = 8080

// kubelet runs the readiness probes of the world's pods and keeps the Kubernetes API up to date.
type kubelet struct {
	hosts  *guest.Cluster
	api    *cluster.Server
	health *stack.Health
	// network leads to the pods.
	network http.RoundTripper
	log     *slog.Logger
	// finished is the pod that has nothing left to be probed for.
	finished cluster.Pod

	mu   sync.Mutex
	pods map[string]*watched
}

// watched is a pod with its probes, which are nil where the service has none. Simulated processes always live: the
// liveness probe is for guests.
type watched struct {
	host        world.Host
	guest       *guest.Guest
	ready, live *asked
}

// asked is a probe at work. It is used under the kubelet's lock; busy says that an attempt is under way.
type asked struct {
	*probes.Worker
	kind  probes.Kind
	probe corev1.Probe
	busy  bool
}

func ask(kind probes.Kind, probe *corev1.Probe, started time.Time) *asked {
	if probe == nil {
		return nil
	}
	return &asked{Worker: probes.NewWorker(kind, *probe, started), kind: kind, probe: *probe}
}

// PodState is what the platform shows of a pod.
type PodState struct {
	Name    string    `json:"name"`
	Service string    `json:"service"`
	IP      string    `json:"ip"`
	Node    string    `json:"node"`
	Started time.Time `json:"started"`
	Ready   bool      `json:"ready"`
	// Probe is what the readiness probe last found.
	Probe string `json:"probe,omitempty"`
	// Address is where a real service runs that is this pod; empty for simulated ones. Live is what its liveness probe
	// says, and LiveProbe what that last found.
	Address   string `json:"address,omitempty"`
	Live      *bool  `json:"live,omitempty"`
	LiveProbe string `json:"live_probe,omitempty"`
}

func newKubelet(hosts *guest.Cluster, api *cluster.Server, health *stack.Health, proxy string, log *slog.Logger) *kubelet {
	return &kubelet{
		hosts: hosts, api: api, health: health, log: log, pods: map[string]*watched{}, finished: finished(time.Now()),
		network: &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: proxy})},
	}
}

// probed says whether the services of the file and those that run as pods are the same.
func probed(w *guest.Cluster, health *stack.Health, file string) error {
	running := map[string]bool{}
	for _, h := range w.Hosts() {
		if h.Pod != nil {
			running[h.Service] = true
		}
	}
	var unknown []string
	for _, name := range health.Names() {
		if !running[name] {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		return &stack.FileError{File: file, Line: health.Services[unknown[0]].Line, Msg: fmt.Sprintf("no pods of: %s (there are: %s)", strings.Join(unknown, ", "), strings.Join(sorted(running), ", "))}
	}
	return nil
}

// podServices are the services that run as simulated pods, in order.
func podServices(w *world.World) []string {
	running := map[string]bool{}
	for _, h := range w.Hosts() {
		if h.Pod != nil {
			running[h.Service] = true
		}
	}
	return sorted(running)
}

func sorted(set map[string]bool) []string {
	var names []string
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// run probes when it is time, until ctx ends.
func (k *kubelet) run(ctx context.Context) {
	var attempts sync.WaitGroup
	defer attempts.Wait()
	clock := time.NewTicker(tick)
	defer clock.Stop()
	// Pods that ran before us were ready or not: look before anybody is told.
	k.sync()
	k.probe(ctx, &attempts)
	attempts.Wait()
	k.publish()
	for {
		select {
		case <-ctx.Done():
			return
		case <-clock.C:
			k.sync()
			k.probe(ctx, &attempts)
			k.publish()
		}
	}
}

// sync takes on new pods and forgets those that are gone.
func (k *kubelet) sync() {
	hosts := k.hosts.Hosts()
	k.mu.Lock()
	defer k.mu.Unlock()
	there := map[string]bool{}
	for _, h := range hosts {
		if h.Pod == nil {
			continue
		}
		there[h.Name] = true
		if _, ok := k.pods[h.Name]; ok {
			continue
		}
		w := &watched{host: h}
		health := k.health.Services[h.Service]
		w.ready = ask(probes.Readiness, health.Readiness, h.Pod.Started)
		if g, ok := k.hosts.Guest(h.Name); ok {
			w.guest = &g
			w.live = ask(probes.Liveness, health.Liveness, h.Pod.Started)
		}
		k.pods[h.Name] = w
	}
	for name := range k.pods {
		if !there[name] {
			delete(k.pods, name)
		}
	}
}

// probe starts the attempts that are due.
func (k *kubelet) probe(ctx context.Context, attempts *sync.WaitGroup) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, w := range k.pods {
		for _, a := range []*asked{w.ready, w.live} {
			if a == nil || a.busy || !a.Due(time.Now()) {
				continue
			}
			a.busy = true
			attempts.Go(func() { k.attempt(ctx, w.host, a) })
		}
	}
}

// attempt asks a pod once.
func (k *kubelet) attempt(ctx context.Context, host world.Host, a *asked) {
	found := probes.HTTP(ctx, k.network, a.probe, probes.Target{IP: host.Pod.IP, Ports: map[string]int32{"http": podPort}})
	k.mu.Lock()
	defer k.mu.Unlock()
	a.busy = false
	if ctx.Err() != nil {
		return // cut short: it says nothing of the pod
	}
	if first := a.State().Attempts == 0; !a.Record(time.Now(), found) || first {
		return
	}
	if a.kind == probes.Liveness {
		k.log.Warn("liveness changed; Kubernetes would restart a container that does not live", "pod", host.Name, "live", a.State().Up, "probe", found.Message)
		return
	}
	k.log.Info("readiness changed", "pod", host.Name, "ready", a.State().Up, "probe", found.Message)
}

// publish tells the Kubernetes API, which tells its watchers of what is new.
func (k *kubelet) publish() {
	k.mu.Lock()
	defer k.mu.Unlock()
	pods := make([]cluster.Pod, 0, len(k.pods)+1)
	for _, w := range k.pods {
		pods = append(pods, w.pod(k.health.Services[w.host.Service]))
	}
	k.api.SetPods(append(pods, k.finished))
}

// up says whether a pod may get traffic: one without a readiness probe may at once.
func (w *watched) up() bool { return w.ready == nil || w.ready.State().Up }

func (w *watched) pod(health stack.Probes) cluster.Pod {
	p := podOf(w.host)
	if w.guest != nil {
		p.Image = "localhost/" + w.host.Service + ":local"
	}
	p.Ready, p.Liveness, p.Readiness = w.up(), clone(health.Liveness), clone(health.Readiness)
	return p
}

// finished is a job's pod of the day before, which took some minutes.
func finished(now time.Time) cluster.Pod {
	h := world.Finished(now.Add(-26 * time.Hour))
	p := podOf(h)
	p.App = h.Pod.Job
	p.Finished = p.Started.Add(4 * time.Minute)
	return p
}

func podOf(h world.Host) cluster.Pod {
	return cluster.Pod{
		Namespace: world.Namespace, Name: h.Name, App: h.Service, Image: "registry.example.com/data-ingestion/" + h.Service + ":1.0.0",
		IP: h.Pod.IP, Node: h.Pod.Node, HostIP: "10.0.0." + h.Pod.Node[len(h.Pod.Node)-1:], Port: podPort, AdminPort: world.AdminPort,
		Labels: h.Pod.Labels(),
		Annotations: map[string]string{
			"prometheus.io/scrape": "true", "prometheus.io/path": h.MetricsPath(), "prometheus.io/port": fmt.Sprint(podPort),
		},
		Started: h.Pod.Started,
	}
}

// clone keeps the API's objects, which are never modified again, apart from ours.
func clone(p *corev1.Probe) *corev1.Probe { return p.DeepCopy() }

// states are the pods in the order of their names.
func (k *kubelet) states() []PodState {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := []PodState{}
	for _, w := range k.pods {
		s := PodState{
			Name: w.host.Name, Service: w.host.Service, IP: w.host.Pod.IP, Node: w.host.Pod.Node, Started: w.host.Pod.Started.UTC(), Ready: w.up(),
		}
		if w.ready != nil {
			s.Probe = w.ready.State().Last.Message
		}
		if w.guest != nil {
			s.Address = w.guest.Address
		}
		if w.live != nil {
			up := w.live.State().Up
			s.Live, s.LiveProbe = &up, w.live.State().Last.Message
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b PodState) int { return strings.Compare(a.Name, b.Name) })
	return out
}
