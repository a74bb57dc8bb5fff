package simulate

import (
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/kubernetes"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/scrape"
	"k8s.io/apimachinery/pkg/fields"
	k8slabels "k8s.io/apimachinery/pkg/labels"

	"obsandbox/sandbox/internal/platform/world"
	"obsandbox/sandbox/internal/stack"
)

// scraper is Prometheus' service discovery and scraping, without the network: what a scrape would read is read from the
// world. Only series that somebody asks for are stored.
type scraper struct {
	world   *world.World
	store   *Store
	configs []*config.ScrapeConfig
	// wanted are the selectors of all who ask; nil stores everything.
	wanted []selector

	round       int
	podsVersion uint64
	found       bool
	targets     map[string]*target
}

// selector is the matchers of one selector of an expression.
type selector struct {
	name     string // of the metric; empty where it is not one
	matchers []*labels.Matcher
}

// target is a scrape target with its series.
type target struct {
	key     string
	conf    *config.ScrapeConfig
	labels  labels.Labels
	address string // as the world knows the host
	path    string // of the URL
	up      *Series
	series  map[*world.Series]*bound
	round   int // of the last discovery that had it
}

// bound is a world's series and the ones that the database has of it; there are none where nobody asks.
type bound struct {
	parts []part
	round int
}

type part struct {
	series *Series
	value  func() float64
}

// newScraper needs the configurations that embedded mode runs with or those checked in: both are the same in what counts
// here.
func newScraper(w *world.World, st *Store, conf *config.Config, wanted []selector) (*scraper, error) {
	configs, err := conf.GetScrapeConfigs()
	if err != nil {
		return nil, fmt.Errorf("simulate the scrapes: %w", err)
	}
	for _, c := range configs {
		for _, sd := range c.ServiceDiscoveryConfigs {
			switch sd.(type) {
			case discovery.StaticConfig, *kubernetes.SDConfig:
			default:
				return nil, fmt.Errorf("simulate the scrapes: job %s: service discovery by %s is not simulated", c.JobName, sd.Name())
			}
		}
	}
	return &scraper{world: w, store: st, configs: configs, wanted: wanted, targets: map[string]*target{}}, nil
}

// discover finds the targets of the moment, and ends the series of those that are gone.
func (sc *scraper) discover(hosts []world.Host, at int64) error {
	lb := labels.NewBuilder(labels.EmptyLabels())
	for _, c := range sc.configs {
		var groups []*targetgroup.Group
		for _, sd := range c.ServiceDiscoveryConfigs {
			switch sd := sd.(type) {
			case discovery.StaticConfig:
				groups = append(groups, sd...)
			case *kubernetes.SDConfig:
				groups = append(groups, pods(hosts, sd)...)
			}
		}
		for _, g := range groups {
			found, errs := scrape.TargetsFromGroup(g, c, nil, lb)
			if len(errs) > 0 {
				return fmt.Errorf("simulate the scrapes: job %s: %w", c.JobName, errs[0])
			}
			for _, t := range found {
				lset := t.Labels(lb)
				if lset.IsEmpty() {
					continue // dropped by relabelling
				}
				key := lset.String() + t.URL().String()
				known, ok := sc.targets[key]
				if !ok {
					known = &target{
						key: key, conf: c, labels: lset, address: t.URL().Host, path: t.URL().Path, series: map[*world.Series]*bound{},
						up: sc.store.Open(withName(lset, "up")),
					}
					sc.targets[key] = known
				}
				known.round = sc.round
			}
		}
	}
	for key, t := range sc.targets {
		if t.round != sc.round {
			if err := t.end(at); err != nil {
				return err
			}
			if err := t.up.Add(at, math.Float64frombits(value.StaleNaN)); err != nil {
				return err
			}
			delete(sc.targets, key)
		}
	}
	return nil
}

func withName(lset labels.Labels, name string) labels.Labels {
	b := labels.NewBuilder(lset)
	b.Set(model.MetricNameLabel, name)
	return b.Labels()
}

// pods are the target groups that Kubernetes' service discovery makes of the world's pods.
func pods(hosts []world.Host, sd *kubernetes.SDConfig) []*targetgroup.Group {
	if sd.Role != kubernetes.RolePod {
		return nil
	}
	if names := sd.NamespaceDiscovery.Names; len(names) > 0 {
		here := false
		for _, n := range names {
			here = here || n == world.Namespace
		}
		if !here {
			return nil
		}
	}
	var groups []*targetgroup.Group
	for _, h := range append(hosts[:len(hosts):len(hosts)], world.Finished(time.Time{})) {
		if h.Pod != nil && selected(sd, h) {
			groups = append(groups, podGroup(h))
		}
	}
	return groups
}

// meta begins the names of the labels that discovery gives to targets.
const meta = "__meta_kubernetes_"

func podGroup(h world.Host) *targetgroup.Group {
	_, port, err := net.SplitHostPort(h.Address)
	if err != nil {
		return &targetgroup.Group{Source: "pod/" + h.Name}
	}
	ls := model.LabelSet{
		meta + "namespace": world.Namespace, meta + "pod_name": model.LabelValue(h.Name), meta + "pod_ip": model.LabelValue(h.Pod.IP),
		meta + "pod_phase": model.LabelValue(phaseOf(h.Pod)), meta + "pod_ready": model.LabelValue(strconv.FormatBool(h.Pod.Ready)),
		meta + "pod_node_name": model.LabelValue(h.Pod.Node), meta + "pod_controller_kind": "ReplicaSet",
		meta + "pod_controller_name": model.LabelValue(h.Service),
	}
	if h.Pod.Job != "" {
		ls[meta+"pod_controller_kind"], ls[meta+"pod_controller_name"] = "Job", model.LabelValue(h.Pod.Job)
	}
	set := func(kind, name, v string) {
		name = strings.NewReplacer(".", "_", "/", "_", "-", "_").Replace(name)
		ls[model.LabelName(meta+"pod_"+kind+"_"+name)] = model.LabelValue(v)
		ls[model.LabelName(meta+"pod_"+kind+"present_"+name)] = "true"
	}
	for name, v := range h.Pod.Labels() {
		set("label", name, v)
	}
	set("annotation", "prometheus.io/scrape", "true")
	set("annotation", "prometheus.io/path", h.MetricsPath())
	set("annotation", "prometheus.io/port", port)
	g := &targetgroup.Group{Source: "pod/" + h.Name, Labels: ls}
	for name, number := range map[string]string{"http": port, "admin": strconv.Itoa(world.AdminPort)} {
		g.Targets = append(g.Targets, model.LabelSet{
			model.AddressLabel: model.LabelValue(net.JoinHostPort(h.Pod.IP, number)), meta + "pod_container_name": ls[meta+"pod_controller_name"],
			meta + "pod_container_port_name": model.LabelValue(name), meta + "pod_container_port_number": model.LabelValue(number),
			meta + "pod_container_port_protocol": "TCP", meta + "pod_container_init": "false",
		})
	}
	return g
}

func phaseOf(p *world.Pod) string {
	if p.Job != "" {
		return "Succeeded"
	}
	return "Running"
}

// selected says whether the selectors of a discovery, which Kubernetes itself follows, leave a pod in.
func selected(sd *kubernetes.SDConfig, h world.Host) bool {
	known := fields.Set{
		"metadata.name": h.Name, "metadata.namespace": world.Namespace, "spec.nodeName": h.Pod.Node, "status.phase": phaseOf(h.Pod), "status.podIP": h.Pod.IP,
		"spec.restartPolicy": "Always", "spec.schedulerName": "default-scheduler", "spec.serviceAccountName": "default", "spec.hostNetwork": "false",
	}
	if h.Pod.Job != "" {
		known["spec.restartPolicy"] = "Never"
	}
	for _, s := range sd.Selectors {
		byLabel, labelErr := k8slabels.Parse(s.Label)
		byField, fieldErr := fields.ParseSelector(s.Field)
		if s.Role != kubernetes.RolePod || labelErr != nil || fieldErr != nil {
			continue // Prometheus' own to refuse
		}
		if !byLabel.Matches(k8slabels.Set(h.Pod.Labels())) || !byField.Matches(known) {
			return false
		}
	}
	return true
}

// scrape reads every target once.
func (sc *scraper) scrape() error {
	at := sc.world.Now().UnixMilli()
	sc.round++
	hosts := sc.world.Hosts()
	byAddress := make(map[string]world.Host, len(hosts))
	for _, h := range hosts {
		byAddress[h.Address] = h
	}
	if v := sc.world.PodsVersion(); !sc.found || v != sc.podsVersion {
		if err := sc.discover(hosts, at); err != nil {
			return err
		}
		sc.podsVersion, sc.found = v, true
	}
	for _, t := range sc.targets {
		h, ok := byAddress[t.address]
		if !ok || h.Hanging || t.path != h.MetricsPath() {
			if err := t.end(at); err != nil {
				return err
			}
			if err := t.up.Add(at, 0); err != nil {
				return err
			}
			continue
		}
		if err := t.up.Add(at, 1); err != nil {
			return err
		}
		if err := sc.read(t, h.Name, at); err != nil {
			return err
		}
	}
	return nil
}

func (sc *scraper) read(t *target, host string, at int64) error {
	var failed error
	sc.world.Read(host, func(s *world.Series) {
		b, ok := t.series[s]
		if !ok {
			b = &bound{parts: sc.open(t, s)}
			t.series[s] = b
		}
		b.round = sc.round
		for _, p := range b.parts {
			if err := p.series.Add(at, p.value()); err != nil && failed == nil {
				failed = fmt.Errorf("simulate a scrape: %s: %w", p.series.labels, err)
			}
		}
	})
	for s, b := range t.series {
		if b.round != sc.round {
			if err := b.end(at); err != nil {
				return err
			}
			delete(t.series, s)
		}
	}
	return failed
}

// end marks all series of a target as gone, as Prometheus does when a scrape fails.
func (t *target) end(at int64) error {
	for s, b := range t.series {
		if err := b.end(at); err != nil {
			return err
		}
		delete(t.series, s)
	}
	return nil
}

func (b *bound) end(at int64) error {
	for _, p := range b.parts {
		if err := p.series.Add(at, math.Float64frombits(value.StaleNaN)); err != nil {
			return fmt.Errorf("simulate the end of %s: %w", p.series.labels, err)
		}
	}
	return nil
}

// open makes the series that Prometheus would have of one of the world's: a histogram has many. Values are those that
// package exporter shows.
func (sc *scraper) open(t *target, s *world.Series) []part {
	m := s.Metric
	var parts []part
	add := func(name, le string, v func() float64) {
		lb := labels.NewBuilder(labels.EmptyLabels())
		for i, l := range m.Labels {
			lb.Set(l.Name, s.Labels[i])
		}
		if le != "" {
			lb.Set(model.BucketLabel, le)
		}
		lb.Set(model.MetricNameLabel, name)
		lset, keep := t.mutate(lb.Labels())
		if keep && sc.wants(lset) {
			parts = append(parts, part{sc.store.Open(lset), v})
		}
	}
	switch {
	case m.Type == stack.Histogram:
		add(m.Name+"_count", "", func() float64 { return math.Floor(s.Count) })
		add(m.Name+"_sum", "", func() float64 { return s.Sum })
		for i, bound := range m.Buckets {
			add(m.Name+"_bucket", labels.FormatOpenMetricsFloat(bound), func() float64 { return math.Floor(s.Buckets[i]) })
		}
		add(m.Name+"_bucket", "+Inf", func() float64 { return math.Floor(s.Count) })
	case m.Type == stack.Counter && m.Unit != "seconds":
		add(m.Name, "", func() float64 { return math.Floor(s.Value) })
	default:
		add(m.Name, "", func() float64 { return s.Value })
	}
	return parts
}

// mutate gives a sample the target's labels and the job's relabelling, as Prometheus does; false drops it.
func (t *target) mutate(lset labels.Labels) (labels.Labels, bool) {
	lb := labels.NewBuilder(lset)
	t.labels.Range(func(l labels.Label) {
		if was := lset.Get(l.Name); was != "" {
			if t.conf.HonorLabels {
				return
			}
			name := l.Name
			for ok := true; ok; ok = lb.Get(name) != "" {
				name = model.ExportedLabelPrefix + name
			}
			lb.Set(name, was)
		}
		lb.Set(l.Name, l.Value)
	})
	if !relabel.ProcessBuilder(lb, t.conf.MetricRelabelConfigs...) {
		return labels.EmptyLabels(), false
	}
	return lb.Labels(), true
}

func (sc *scraper) wants(lset labels.Labels) bool {
	if sc.wanted == nil {
		return true
	}
	name := lset.Get(model.MetricNameLabel)
	for _, w := range sc.wanted {
		if (w.name == "" || w.name == name) && matches(lset, w.matchers) {
			return true
		}
	}
	return false
}
