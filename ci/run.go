package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
	o.memory, o.seed = cmp.Or(o.memory, "512m"), cmp.Or(o.seed, 1)
	r := &run{options: o, m: m, stack: s, id: time.Now().UTC().Format(time.RFC3339Nano)}
	r.selected, err = s.selection(o.only, o.without)
	return r, err
}

// platform is this run's, nil where it does not run.
func (r *run) platform() *dagger.Service {
	for _, c := range r.selected {
		if c.Name == "platform" {
			return r.service(c, c.Name)
		}
	}
	return nil
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
	if len(nodes) > 1 { // under the component's own name, the first of them
		port := c.Ports[0].Number
		services = append(services, r.tool().WithExposedPort(port).
			AsService(dagger.ContainerAsServiceOpts{Args: []string{"sandbox", "front", fmt.Sprintf("--forward=%d=%s:%[1]d", port, nodes[0])}}).
			WithHostname(c.Name))
	}
	if c.Name == "grafana" && !slices.Contains(r.without, rendererName) {
		services = append(services, dag.Container().From(r.m.imageOf(rendererName, rendererImage)).
			WithEnvVariable("AUTH_TOKEN", rendererToken).WithExposedPort(rendererPort).
			AsService(dagger.ContainerAsServiceOpts{UseEntrypoint: true}).WithHostname(rendererName))
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, s := range services { // at once: the nodes of a cluster wait for each other
		g.Go(func() error {
			_, err := s.Start(gctx)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	_, err := r.judge().WithExec([]string{"sandbox", "await", "--stack=" + addressesFile, c.Name}).Sync(ctx)
	return err
}

func (r *run) nodes(c component) []string {
	if r.production && len(recipes()[c.Name].production) > 0 {
		return recipes()[c.Name].production
	}
	return []string{c.Name}
}

func (r *run) service(c component, node string) *dagger.Service {
	return r.container(c, node).AsService(r.command(c)).WithHostname(node)
}

// command is what a component runs: its image's own command with the recipe's flags, unless the cluster's network has to
// run beside it.
func (r *run) command(c component) dagger.ContainerAsServiceOpts {
	args, port := recipes()[c.Name].args, c.tcp()
	shell := func(format string, a ...any) dagger.ContainerAsServiceOpts {
		return dagger.ContainerAsServiceOpts{Args: []string{"sh", "-c", fmt.Sprintf(format, a...)}}
	}
	switch {
	case c.Image == "": // the platform listens on loopback only
		return shell("sandbox front --own --forward=%d=127.0.0.1:%[1]d & "+
			"sandbox cluster --own --proxy=127.0.0.1:%[2]d --kubernetes=127.0.0.1:%[3]d --listen-proxy=%[2]d --listen-kubernetes=%[3]d "+
			"--hosts=%[4]s --tls=%[5]s --cert=/certificates/cert.pem --key=/certificates/key.pem --name=%[6]s=127.0.0.1:%[1]d & "+
			"exec sandbox serve %[7]s --stack-dir=stack --api=127.0.0.1:%[1]d --proxy=127.0.0.1:%[2]d --kubernetes=127.0.0.1:%[3]d "+
			"--kafka=kafka:9092 --otlp=http://jaeger:4318 --seed=%[8]d",
			port["api"], port["proxy"], port["kubernetes"], strings.Join(slices.Compact(slices.Sorted(slices.Values(r.stack.ports))), ","),
			securePort, pagerDuty, c.Name, r.seed)
	case c.Name == "prometheus" && r.platform() != nil:
		platform, _ := r.stack.component("platform") // it runs
		return shell("%s cluster --hosts=%s --proxy=platform:%d & exec prometheus %s", binary, podPort, platform.tcp()["proxy"], strings.Join(args, " "))
	}
	return dagger.ContainerAsServiceOpts{Args: args, UseEntrypoint: true}
}

// judge is the command beside the running stack, with its addresses.json.
func (r *run) judge() *dagger.Container {
	return r.tool().WithNewFile(addressesFile, r.addresses("")).WithEnvVariable("SANDBOX_RUN", r.id)
}

// addresses is the addresses.json of a stack that runs on one host, or (none) in a container for each component.
func (r *run) addresses(host string) string {
	components := map[string]map[string]string{}
	for _, c := range r.selected {
		components[c.Name] = map[string]string{}
		for _, p := range c.Ports {
			components[c.Name][p.Name] = fmt.Sprintf("%s:%d", cmp.Or(host, c.Name), p.Number)
		}
	}
	text, err := json.Marshal(map[string]any{"mode": "containers", "stack_dir": "/src/stack", "components": components})
	if err != nil {
		panic(err) // strings only
	}
	return string(text)
}

// front is one service with every component's usual port.
func (r *run) front(ctx context.Context) (*dagger.Service, error) {
	ctr, args := r.tool(), []string{"sandbox", "front"}
	lead := func(port int, host string, to int) {
		ctr, args = ctr.WithExposedPort(port), append(args, fmt.Sprintf("--forward=%d=%s:%d", port, host, to))
	}
	for _, c := range r.selected {
		nodes := r.nodes(c)
		for _, number := range slices.Sorted(maps.Values(c.tcp())) {
			if c.Name != "kafka" {
				lead(number, c.Name, number)
				continue
			}
			for i, node := range nodes {
				lead(hostPort(i), node, hostListener)
			}
		}
	}
	// Started here: a service that the caller starts would not know this module's host names.
	return ctr.AsService(dagger.ContainerAsServiceOpts{Args: args}).WithHostname("front").Start(ctx)
}

// embedded is the stack without images: one container runs the command as a laptop would. Its ports are led out of the
// container when all is ready: the first run compiles for some minutes.
func (r *run) embedded(ctx context.Context) (*dagger.Service, error) {
	ctr := r.tool("stack/", "tools/").WithNewFile(addressesFile, r.addresses("127.0.0.1"))
	await, front, up := "true", "sandbox front --own", fmt.Sprintf("sandbox up --seed=%d", r.seed)
	for _, c := range r.selected {
		ctr, up = exposed(ctr, c), up+" --only="+c.Name
		await += fmt.Sprintf(" && sandbox await --timeout=60m --stack=%s %s", addressesFile, c.Name)
		for _, number := range slices.Sorted(maps.Values(c.tcp())) {
			front += fmt.Sprintf(" --forward=%d=127.0.0.1:%[1]d", number)
		}
	}
	s, err := ctr.AsService(dagger.ContainerAsServiceOpts{Args: []string{"sh", "-c", fmt.Sprintf("(%s && exec %s) & exec %s", await, front, up)}}).
		WithHostname("sandbox").Start(ctx)
	return s, plain(err)
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
