package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"obsandbox/ci/internal/dagger"
)

// addressesFile is where the command finds a running stack.
const addressesFile = "/run/addresses.json"

type options struct {
	only, without    []string
	production       bool
	memory           string
	seed             int
	slack, pagerduty *dagger.Secret
}

// run is one stack in containers, or a part of it.
type run struct {
	options
	m        *Obsandbox
	stack    *stackFile
	selected []component
	// id keeps what waits for and judges this run from being answered out of the cache.
	id string
}

func (m *Obsandbox) newRun(ctx context.Context, o options) (*run, error) {
	s, err := m.readStack(ctx)
	if err != nil {
		return nil, err
	}
	selected, err := s.selection(o.only, o.without)
	if err != nil {
		return nil, err
	}
	return &run{options: o, m: m, stack: s, selected: selected, id: time.Now().UTC().Format(time.RFC3339Nano)}, nil
}

func (r *run) runs(name string) bool {
	return slices.ContainsFunc(r.selected, func(c component) bool { return c.Name == name })
}

// up starts the components, each as soon as what it needs is ready.
func (r *run) up(ctx context.Context) error {
	ready := map[string]chan struct{}{}
	for _, c := range r.selected {
		ready[c.Name] = make(chan struct{})
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, c := range r.selected {
		g.Go(func() error {
			for _, need := range c.Needs {
				if ready[need] == nil {
					continue // not run this time
				}
				select {
				case <-ready[need]:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			if err := r.start(ctx, c); err != nil {
				return fmt.Errorf("%s did not get ready: %w", c.Name, plain(err))
			}
			close(ready[c.Name])
			return nil
		})
	}
	return g.Wait()
}

// start starts a component's nodes and waits until it is ready and set up.
func (r *run) start(ctx context.Context, c component) error {
	services := []*dagger.Service{}
	nodes := r.nodes(c)
	for _, node := range nodes {
		services = append(services, r.service(c, node))
	}
	if len(nodes) > 1 { // under the component's own name, one of them
		services = append(services, r.tool("tests", "tools").WithExposedPort(c.Ports[0].Number).
			AsService(dagger.ContainerAsServiceOpts{Args: []string{"sandbox", "front", fmt.Sprintf("--forward=%d=%s:%[1]d", c.Ports[0].Number, nodes[0])}}).
			WithHostname(c.Name))
	}
	if c.Name == "grafana" && !slices.Contains(r.without, rendererName) {
		services = append(services, dag.Container().From(r.m.imageOf(rendererName, rendererImage)).
			WithEnvVariable("AUTH_TOKEN", "sandbox").WithExposedPort(8081).
			AsService(dagger.ContainerAsServiceOpts{UseEntrypoint: true}).WithHostname(rendererName))
	}
	if err := startAll(ctx, services); err != nil {
		return err
	}
	_, err := r.judge("tests", "tools").WithExec([]string{"sandbox", "await", "--stack=" + addressesFile, c.Name}).Sync(ctx)
	return err
}

// startAll starts services at once: the nodes of a cluster wait for each other.
func startAll(ctx context.Context, services []*dagger.Service) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range services {
		g.Go(func() error {
			_, err := s.Start(ctx)
			return err
		})
	}
	return g.Wait()
}

func (r *run) nodes(c component) []string {
	if r.production && len(recipes[c.Name].production) > 0 {
		return recipes[c.Name].production
	}
	return []string{c.Name}
}

func (r *run) service(c component, node string) *dagger.Service {
	opts := dagger.ContainerAsServiceOpts{Args: recipes[c.Name].args, UseEntrypoint: true}
	if c.Name == "prometheus" && r.runs("platform") {
		opts = dagger.ContainerAsServiceOpts{Args: []string{"sh", "-c", fmt.Sprintf("/usr/local/bin/sandbox cluster --hosts=%s --proxy=platform:%d & exec prometheus %s",
			podPort, r.stack.port("platform", "proxy"), strings.Join(opts.Args, " "))}}
	}
	if c.Image == "" {
		opts = dagger.ContainerAsServiceOpts{Args: []string{"sh", "-c", r.platformCommand(c)}}
	}
	return r.container(c, node).AsService(opts).WithHostname(node)
}

// platformCommand runs the platform, which listens on loopback only, behind the cluster's network and a door to its API.
func (r *run) platformCommand(c component) string {
	_, ports := r.stack.fixedHosts()
	api, proxy, kubernetes := c.port("api"), c.port("proxy"), c.port("kubernetes")
	return fmt.Sprintf("sandbox front --own --forward=%d=127.0.0.1:%[1]d & ", api) +
		fmt.Sprintf("sandbox cluster --own --proxy=127.0.0.1:%d --kubernetes=127.0.0.1:%d --listen-proxy=%[1]d --listen-kubernetes=%[2]d", proxy, kubernetes) +
		fmt.Sprintf(" --hosts=%s --tls=%s --cert=/certificates/cert.pem --key=/certificates/key.pem --name=%s=127.0.0.1:%d & ",
			strings.Join(ports, ","), securePort, pagerDuty, api) +
		fmt.Sprintf("exec sandbox serve %s --stack-dir=stack --api=127.0.0.1:%d --proxy=127.0.0.1:%d --kubernetes=127.0.0.1:%d", c.Name, api, proxy, kubernetes) +
		fmt.Sprintf(" --kafka=kafka:9092 --otlp=http://jaeger:4318 --seed=%d", r.seed)
}

// judge is the command beside the running stack, with its addresses.json.
func (r *run) judge(exclude ...string) *dagger.Container {
	components := map[string]map[string]string{}
	for _, c := range r.selected {
		ports := map[string]string{}
		for _, p := range c.Ports {
			ports[p.Name] = fmt.Sprintf("%s:%d", c.Name, p.Number)
		}
		components[c.Name] = ports
	}
	addresses, err := json.MarshalIndent(map[string]any{"mode": "containers", "stack_dir": "/src/stack", "components": components}, "", "  ")
	if err != nil {
		panic(err) // strings only
	}
	return r.tool(exclude...).WithNewFile(addressesFile, string(addresses)).WithEnvVariable("SANDBOX_RUN", r.id)
}

// front is one service with every component's usual port.
func (r *run) front(ctx context.Context) (*dagger.Service, error) {
	ctr, args := r.tool("tests", "tools"), []string{"sandbox", "front"}
	for _, c := range r.selected {
		nodes := r.nodes(c)
		for _, p := range c.Ports {
			if p.UDP {
				continue
			}
			to := fmt.Sprintf("%s:%d", c.Name, p.Number)
			if inner := recipes[c.Name].front[p.Number]; inner != 0 {
				to = fmt.Sprintf("%s:%d", nodes[0], inner)
				for i, node := range nodes[1:] { // where the other brokers say they are
					ctr = ctr.WithExposedPort(19092 + i)
					args = append(args, fmt.Sprintf("--forward=%d=%s:%d", 19092+i, node, inner))
				}
			}
			ctr = ctr.WithExposedPort(p.Number)
			args = append(args, fmt.Sprintf("--forward=%d=%s", p.Number, to))
		}
	}
	// Started here: a service that the caller starts would not know this module's host names.
	return ctr.AsService(dagger.ContainerAsServiceOpts{Args: args}).WithHostname("front").Start(ctx)
}

// embedded is the stack without images: one container runs the command as a laptop would.
func (r *run) embedded(ctx context.Context) (*dagger.Service, error) {
	ctr := r.tool("tests")
	forwards, up := "sandbox front --own", fmt.Sprintf("sandbox up --seed=%d", r.seed)
	for _, c := range r.selected {
		up += " --only=" + c.Name
		for _, p := range c.Ports {
			if !p.UDP {
				ctr = ctr.WithExposedPort(p.Number)
				forwards += fmt.Sprintf(" --forward=%d=127.0.0.1:%[1]d", p.Number)
			}
		}
	}
	s, err := ctr.AsService(dagger.ContainerAsServiceOpts{Args: []string{"sh", "-c", forwards + " & exec " + up}}).
		WithHostname("sandbox").Start(ctx)
	if err != nil {
		return nil, plain(err)
	}
	return s, nil
}

// plain is an error as its program told it: what it wrote, without how it was run.
func plain(err error) error {
	var exec *dagger.ExecError
	if errors.As(err, &exec) {
		if text := strings.TrimSpace(exec.Stdout + "\n" + exec.Stderr); text != "" {
			return errors.New(text)
		}
	}
	return err
}
