// Package platform runs the simulated ingestion platform: a world that goes on in real time, and everything that can be
// seen of it from outside. Its pods are in a Kubernetes API, its hosts answer behind a proxy, its services log to Kafka
// and trace to an OTLP receiver, and who notifies people of its troubles finds Slack and PagerDuty there.
package platform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"obsandbox/sandbox/internal/platform/cluster"
	"obsandbox/sandbox/internal/platform/edge"
	"obsandbox/sandbox/internal/platform/exporter"
	"obsandbox/sandbox/internal/platform/guest"
	"obsandbox/sandbox/internal/platform/inbox"
	"obsandbox/sandbox/internal/platform/world"
	"obsandbox/sandbox/internal/stack"
)

// Config of the platform. Addresses are "host:port".
type Config struct {
	// StackDir is the stack directory, for the metric catalogue and the probes.
	StackDir string
	// API, Proxy and Kubernetes are where the platform listens: its own API with the stand-ins of Slack and PagerDuty,
	// the proxy to the simulated hosts, and the Kubernetes API.
	API, Proxy, Kubernetes string
	// Kafka is the broker for log lines; without it none are written.
	Kafka string
	// OTLP is the base URL of the receiver of traces; without it none are sent.
	OTLP string
	// Upstreams are further hosts behind the proxy: NAME=HOST:PORT for a component of the stack at its usual port, or
	// HOST:PORT=HOST:PORT.
	Upstreams []string
	// Replace and Join are real services, SERVICE=HOST:PORT: in the place of a service's simulated pods, or beside them.
	Replace, Join []string
	// Seed makes worlds differ.
	Seed uint64
	// Factor is the world's: how many times as fast things come about that need their time.
	Factor float64
	// Faults are set from the start on: NAME, or NAME:SERVICE.
	Faults []string
	// LogRate and TraceRate are lines and traces per second.
	LogRate, TraceRate float64
}

// platform is a running one.
type platform struct {
	cfg     Config
	log     *slog.Logger
	started time.Time
	world   *world.World
	// cluster is the world with its guests.
	cluster *guest.Cluster
	pods    *cluster.Server
	inbox   *inbox.Inbox
	kubelet *kubelet
	tell    *activity
	flow    *flow
	proxy   string
}

// tick is how often the world is brought up to date; it moves in whole seconds.
const tick = 200 * time.Millisecond

// closing is how long the last lines and spans may take on their way out.
const closing = 500 * time.Millisecond

// Run serves the platform until ctx ends, and returns nil then.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	p, health, err := load(cfg, log)
	if err != nil {
		return err
	}
	upstreams, err := p.upstreams()
	if err != nil {
		return err
	}
	if p.tell, err = newActivity(ctx, cfg, p.cluster.Simulated(), p.started, log); err != nil {
		return err
	}
	var listeners [3]net.Listener
	for i, l := range []struct{ flag, address string }{{"--api", cfg.API}, {"--proxy", cfg.Proxy}, {"--kubernetes", cfg.Kubernetes}} {
		if listeners[i], err = listen(ctx, l.flag, l.address); err != nil {
			for _, open := range listeners[:i] {
				open.Close()
			}
			p.close(ctx)
			return err
		}
	}
	p.proxy = listeners[1].Addr().String()
	api := listeners[0].Addr().String()
	p.kubelet = newKubelet(p.cluster, p.pods, health, p.proxy, log)
	network := edge.New(edge.Config{
		Cluster: p.cluster, Upstreams: upstreams, List: "http://" + api + "/api/state",
		Metrics: func(w http.ResponseWriter, r *http.Request, host world.Host) {
			exporter.Handler(p.world, host.Name, log).ServeHTTP(w, r)
		},
	}, log)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var work sync.WaitGroup
	var servers []*http.Server
	for i, handler := range []http.Handler{p.api(), network, p.pods} {
		// Whoever still waits for an answer (a watch, a hanging exporter) is let go when ctx ends.
		server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx },
			ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
		work.Go(func() {
			if err := server.Serve(listeners[i]); !errors.Is(err, http.ErrServerClosed) {
				cancel(fmt.Errorf("serve %s: %w", listeners[i].Addr(), err))
			}
		})
		servers = append(servers, server)
	}
	work.Go(func() { p.tell.run(ctx) })
	work.Go(func() { p.kubelet.run(ctx) })
	log.Info("platform runs", "api", api, "proxy", p.proxy, "kubernetes", listeners[2].Addr().String(), "hosts", len(p.cluster.Hosts()), "seed", cfg.Seed)

	clock := time.NewTicker(tick)
	defer clock.Stop()
	for {
		select {
		case <-ctx.Done():
			for _, server := range servers {
				server.Close()
			}
			work.Wait()
			p.close(ctx)
			if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
			return nil
		case now := <-clock.C:
			p.world.Advance(now)
			p.flow.look(p.world)
		}
	}
}

// close sends what is queued, though ctx has ended.
func (p *platform) close(ctx context.Context) {
	last, stop := context.WithTimeout(context.WithoutCancel(ctx), closing)
	defer stop()
	p.tell.close(last)
}

// Check reads the stack's files and the guests, and starts nothing.
func Check(cfg Config) error {
	_, _, err := load(cfg, slog.New(slog.DiscardHandler))
	return err
}

// load reads the stack's files and makes the world.
func load(cfg Config, log *slog.Logger) (*platform, *stack.Health, error) {
	catalogue, err := stack.LoadMetrics(filepath.Join(cfg.StackDir, "metrics.yaml"))
	if err != nil {
		return nil, nil, err
	}
	file := filepath.Join(cfg.StackDir, stack.HealthFile)
	health, err := stack.LoadHealth(file)
	if err != nil {
		return nil, nil, err
	}
	started := time.Now()
	w, err := world.New(world.Config{Seed: cfg.Seed, Start: started, Factor: cfg.Factor}, catalogue)
	if err != nil {
		return nil, nil, err
	}
	guests, err := guest.Parse(cfg.Replace, cfg.Join, podServices(w), health.Names())
	if err != nil {
		return nil, nil, err
	}
	hosts := guest.NewCluster(w, guests, started)
	if err := probed(hosts, health, file); err != nil {
		return nil, nil, err
	}
	for _, f := range cfg.Faults {
		name, service, _ := strings.Cut(f, ":")
		if err := w.Set(name, service, time.Time{}); err != nil {
			return nil, nil, fmt.Errorf("--fault %s: %w", f, err)
		}
	}
	return &platform{
		cfg: cfg, log: log, started: started, world: w, cluster: hosts,
		flow: newFlow(w), pods: cluster.New(cluster.Config{}, log), inbox: inbox.New(inbox.Config{}, log),
	}, health, nil
}

// upstreams turns the names of components into the addresses that a scrape configuration has for them.
func (p *platform) upstreams() (map[string]string, error) {
	guests := p.cluster.Upstreams()
	if len(p.cfg.Upstreams) == 0 {
		return guests, nil
	}
	s, err := stack.Read(p.cfg.StackDir)
	if err != nil {
		return nil, err
	}
	flags := make([]string, len(p.cfg.Upstreams))
	for i, flag := range p.cfg.Upstreams {
		flags[i] = flag
		name, to, ok := strings.Cut(flag, "=")
		if !ok || strings.Contains(name, ":") {
			continue
		}
		c, err := s.Component(name)
		if err != nil {
			return nil, fmt.Errorf("--upstream %s: %w", flag, err)
		}
		port, _ := c.Port(c.Ready.Port)
		flags[i] = net.JoinHostPort(name, strconv.Itoa(port.Number)) + "=" + to
	}
	all, err := edge.ParseUpstreams(flags)
	maps.Copy(guests, all)
	return guests, err
}

// listen opens a port on loopback, and nowhere else: what is simulated here is nobody else's to see.
func listen(ctx context.Context, flag, address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", flag, address, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("%s %s: the platform listens on loopback only, such as 127.0.0.1", flag, address)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return l, nil
}
