// Package guest lets real services take part in the simulated platform: in the place of a service's simulated pods, or
// beside them. A guest is shown as one pod, at an address of the cluster's network that leads to where it really runs.
package guest

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"obsandbox/sandbox/internal/platform/traces"
	"obsandbox/sandbox/internal/platform/world"
)

// Guest is a real service.
type Guest struct {
	Service string
	// Address is the "host:port" where it runs.
	Address string
	// Replaces says that the service's simulated pods are not there.
	Replaces bool
}

// serviceName is what a pod's label app may be: a DNS label, as a Service of that name must be too.
var serviceName = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$`)

// Parse reads the values of --replace and --join, each SERVICE=HOST:PORT. Only a simulated service can be replaced; one
// that joins is simulated too, or known, which is to say that it has probes.
func Parse(replace, join, simulated, known []string) ([]Guest, error) {
	var all []Guest
	var errs []error
	for _, f := range []struct {
		flag   string
		values []string
	}{{"--replace", replace}, {"--join", join}} {
		for _, value := range f.values {
			g, err := parse(value)
			g.Replaces = f.flag == "--replace"
			switch {
			case err != nil:
			case g.Replaces && !slices.Contains(simulated, g.Service):
				err = fmt.Errorf("no simulated service %q to replace: there are %s", g.Service, strings.Join(simulated, ", "))
			case !g.Replaces && !slices.Contains(simulated, g.Service) && !slices.Contains(known, g.Service):
				err = fmt.Errorf("nobody would look at a service %q: there are %s; a new one needs its probes in health.yaml and a job of its name in prometheus.yml",
					g.Service, strings.Join(simulated, ", "))
			case g.Replaces && slices.ContainsFunc(all, func(o Guest) bool { return o.Service == g.Service }):
				err = fmt.Errorf("%s is replaced already; give its second pod with --join", g.Service)
			case slices.ContainsFunc(all, func(o Guest) bool { return o.Address == g.Address }):
				err = fmt.Errorf("%s is named twice: one process is one pod", g.Address)
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("%s %s: %w", f.flag, value, err))
				continue
			}
			all = append(all, g)
		}
	}
	return all, errors.Join(errs...)
}

func parse(value string) (Guest, error) {
	form := errors.New("expected SERVICE=HOST:PORT, as in shipping-collector=127.0.0.1:8080")
	service, address, ok := strings.Cut(value, "=")
	if !ok || !serviceName.MatchString(service) {
		return Guest{}, form
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return Guest{}, form
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return Guest{}, fmt.Errorf("port %q: expected 1 to 65535", port)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return Guest{Service: service, Address: net.JoinHostPort(host, port)}, nil
}

// Cluster is a world with its guests: what can be discovered, scraped and probed.
type Cluster struct {
	world    *world.World
	guests   []Guest
	hosts    []world.Host
	replaced map[string]Guest
}

const (
	// podPort is where every service listens in the cluster, wherever the guest really does.
	podPort = 8080
	// settled is how long a guest is taken to have run before the platform: its probes need no more patience.
	settled = time.Minute
)

// NewCluster lets guests into a world that starts at the given time.
func NewCluster(w *world.World, guests []Guest, started time.Time) *Cluster {
	c := &Cluster{world: w, guests: guests, replaced: map[string]Guest{}}
	for i, g := range guests {
		name := fmt.Sprintf("%s-local-%d", g.Service, i+1)
		// A subnet of their own: the simulated pods have 10.244.1 to 10.244.5.
		ip := fmt.Sprintf("10.244.9.%d", i+1)
		c.hosts = append(c.hosts, world.Host{
			Name: name, Address: net.JoinHostPort(ip, strconv.Itoa(podPort)), Service: g.Service,
			Pod: &world.Pod{Name: name, App: g.Service, IP: ip, Node: "worker-1", Started: started.Add(-settled)},
		})
		if g.Replaces {
			c.replaced[g.Service] = g
		}
	}
	return c
}

// Hosts are the scrape targets of the moment, in the order of their names.
func (c *Cluster) Hosts() []world.Host {
	all := append(c.simulated(), c.hosts...)
	slices.SortFunc(all, func(a, b world.Host) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Host finds a scrape target by its name or its address.
func (c *Cluster) Host(name string) (world.Host, bool) {
	for _, h := range c.hosts {
		if h.Name == name || h.Address == name {
			return h, true
		}
	}
	h, ok := c.world.Host(name)
	if _, gone := c.replaced[h.Service]; gone && h.Pod != nil {
		return world.Host{}, false
	}
	return h, ok
}

// Health is what the readiness checks of a simulated service find.
func (c *Cluster) Health(service string) world.Health { return c.world.Health(service) }

// Guest says whether a pod is a guest's, and whose.
func (c *Cluster) Guest(pod string) (Guest, bool) {
	i := slices.IndexFunc(c.hosts, func(h world.Host) bool { return h.Name == pod })
	if i < 0 {
		return Guest{}, false
	}
	return c.guests[i], true
}

// Replaced says whether a service is not simulated, and who is there for it.
func (c *Cluster) Replaced(service string) (Guest, bool) {
	g, ok := c.replaced[service]
	return g, ok
}

// Upstreams are the guests' addresses in the cluster, each with the one where it runs.
func (c *Cluster) Upstreams() map[string]string {
	all := map[string]string{}
	for i, h := range c.hosts {
		all[h.Address] = c.guests[i].Address
	}
	return all
}

func (c *Cluster) simulated() []world.Host {
	return slices.DeleteFunc(c.world.Hosts(), func(h world.Host) bool {
		_, gone := c.replaced[h.Service]
		return gone && h.Pod != nil
	})
}

// Simulated is the cluster without its guests, for whoever makes up what services log and trace: a replaced service says
// itself what it does, and nobody speaks for it.
func (c *Cluster) Simulated() *Simulated { return &Simulated{c} }

// Simulated is a cluster without its guests.
type Simulated struct{ cluster *Cluster }

var _ traces.Cluster = (*Simulated)(nil)

// Hosts are the simulated ones that are not replaced.
func (s *Simulated) Hosts() []world.Host { return s.cluster.simulated() }

// Broken says whether a fault is set for a service.
func (s *Simulated) Broken(fault, service string) bool { return s.cluster.world.Broken(fault, service) }

// Events draws n events, or fewer where most are a replaced collector's.
func (s *Simulated) Events(n int) []world.Event {
	var all []world.Event
	// At the worst one collector of the three is left, which has a fifth of the events.
	for tries := 0; len(all) < n && tries < 40*n; tries++ {
		drawn := s.cluster.world.Events(1)
		if len(drawn) == 0 {
			break
		}
		if _, gone := s.cluster.replaced[drawn[0].Collector.Service]; !gone {
			all = append(all, drawn[0])
		}
	}
	return all
}
