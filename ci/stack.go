package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"obsandbox/ci/internal/dagger"
)

// stack is a stack in containers, or a part of it, as `sandbox containers` plans it.
type stack struct {
	m          *Obsandbox
	Components []component
	Addresses  json.RawMessage
	Forwards   []string
	Ports      []int
	// Embedded is the command that runs the same in one container, without images.
	Embedded []string
	// given are the secrets of the user, by name.
	given map[string]*dagger.Secret
	// id keeps what waits for and judges this run from being answered out of the cache.
	id string
}

type component struct {
	Name       string
	Needs      []string
	AllNeeds   []string `json:"all_needs"`
	Containers []container
	Checks     []struct {
		Name                             string
		Run, Reads                       []string
		Entrypoint, Running, Conformance bool
	}
}

// container is one to be started; sandbox/internal/containers says what its fields mean.
type container struct {
	Host, Image, Name, Certificate string
	Mounts, Env, Files             map[string]string
	Secrets                        []struct{ Name, File, Value string }
	Names, Args                    []string
	Command                        bool
	Ports                          []int
}

// plan asks the command for the stack in containers.
func (m *Obsandbox) plan(ctx context.Context, given map[string]*dagger.Secret, args ...string) (*stack, error) {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		args = append(args, "--given="+name)
	}
	s := &stack{m: m, given: given, id: time.Now().UTC().Format(time.RFC3339Nano)}
	return s, m.ask(ctx, s, append([]string{"containers"}, args...)...)
}

// ask runs the command over the stack directory, and reads its JSON.
func (m *Obsandbox) ask(ctx context.Context, into any, args ...string) error {
	text, err := m.tool("stack/", "tools/", "tests/").WithExec(append([]string{"sandbox"}, args...)).Stdout(ctx)
	if err != nil {
		return plain(err)
	}
	return json.Unmarshal([]byte(text), into)
}

// one is a stack's only component.
func (m *Obsandbox) one(ctx context.Context, name string) (*stack, component, error) {
	s, err := m.plan(ctx, nil, "--only="+name)
	if err != nil {
		return nil, component{}, err
	}
	return s, s.Components[0], nil
}

// container is a container as it is planned: the image, its files as they are checked in, and what it wants to be told.
func (s *stack) container(c container) *dagger.Container {
	ctr := s.m.tool().WithMountedDirectory("/certificates", s.m.certificates())
	if c.Image != "" {
		ctr = dag.Container().From(s.m.imageOf(c.Name, c.Image))
	}
	for _, dir := range slices.Sorted(maps.Keys(c.Mounts)) {
		ctr = ctr.WithDirectory(c.Mounts[dir], s.m.Source.Directory("stack/"+dir))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		ctr = ctr.WithEnvVariable(name, c.Env[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.Files)) {
		ctr = ctr.WithNewFile(name, c.Files[name])
	}
	for _, secret := range c.Secrets {
		value := s.given[secret.Name]
		if value == nil {
			value = dag.SetSecret("sandbox-"+secret.Name, secret.Value)
		}
		ctr = ctr.WithMountedSecret(secret.File, value, dagger.ContainerWithMountedSecretOpts{Mode: 0o444})
	}
	if c.Certificate != "" {
		ctr = ctr.WithMountedFile(c.Certificate, s.m.certificates().File("cert.pem"))
	}
	if len(c.Names) > 0 {
		platform := s.service(s.component("platform").Containers[0])
		ctr = ctr.WithMountedFile(binary, s.m.binary())
		for _, name := range c.Names {
			ctr = ctr.WithServiceBinding(name, platform)
		}
	}
	return ctr
}

// service is a container that runs. An engine does not end what is still getting ready when a session ends, so it is not
// asked to wait for open ports; the command waits for more than those.
func (s *stack) service(c container) *dagger.Service {
	return s.served(s.container(c), c, true)
}

func (s *stack) served(ctr *dagger.Container, c container, atOnce bool) *dagger.Service {
	for _, port := range c.Ports {
		ctr = ctr.WithExposedPort(port, dagger.ContainerWithExposedPortOpts{ExperimentalSkipHealthcheck: atOnce})
	}
	return ctr.AsService(dagger.ContainerAsServiceOpts{Args: c.Args, UseEntrypoint: !c.Command}).WithHostname(c.Host)
}

// component is one that the stack has.
func (s *stack) component(name string) component {
	return s.Components[slices.IndexFunc(s.Components, func(c component) bool { return c.Name == name })]
}

// up starts the components, each as soon as what it needs is ready.
func (s *stack) up(ctx context.Context) error {
	ready := map[string]chan struct{}{}
	for _, c := range s.Components {
		ready[c.Name] = make(chan struct{})
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, c := range s.Components {
		g.Go(func() error {
			for _, need := range c.Needs {
				select {
				case <-ready[need]:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			if err := s.start(ctx, c); err != nil {
				return fmt.Errorf("%s did not get ready: %w", c.Name, plain(err))
			}
			close(ready[c.Name])
			return nil
		})
	}
	return g.Wait()
}

// start starts a component and waits until it is ready and set up.
func (s *stack) start(ctx context.Context, c component) error {
	if err := s.launch(ctx, c); err != nil {
		return err
	}
	_, err := s.beside().WithExec(await(c)).Sync(ctx)
	return s.why(ctx, c, err)
}

// why is what a component has written that has ended before it was ready: it is started once more, and watched.
func (s *stack) why(ctx context.Context, c component, err error) error {
	var exec *dagger.ExecError
	if !errors.As(err, &exec) || exec.ExitCode != 1 {
		return err
	}
	for _, ctr := range c.Containers {
		if _, ended := s.served(s.container(ctr), ctr, false).Start(ctx); ended != nil {
			return ended
		}
	}
	return err
}

// launch starts a component's containers, at once, as the nodes of a cluster wait for each other. An engine does not end
// what is only being started when a session ends: what takes time, the image above all, is made before, and a start that
// has begun is waited for, whatever else has failed.
func (s *stack) launch(ctx context.Context, c component) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, ctr := range c.Containers {
		g.Go(func() error {
			if _, err := s.container(ctr).Sync(ctx); err != nil {
				return err
			}
			_, err := s.service(ctr).Start(context.WithoutCancel(ctx))
			return err
		})
	}
	return g.Wait()
}

func await(c component) []string {
	return []string{"sandbox", "await", "--stack=" + addressesFile, c.Name}
}

// addressesFile is where the command finds a running stack.
const addressesFile = "/run/addresses.json"

// beside is the command beside the running stack.
func (s *stack) beside() *dagger.Container {
	return s.m.tool().WithNewFile(addressesFile, string(s.Addresses)).WithEnvVariable("SANDBOX_RUN", s.id)
}

// front is one service with every component's usual port. It is started here: a service that the caller starts would not
// know this module's host names.
func (s *stack) front(ctx context.Context) (*dagger.Service, error) {
	door := container{Host: "front", Command: true, Args: append([]string{"sandbox", "front"}, s.Forwards...), Ports: s.Ports}
	return s.served(s.m.tool(), door, false).Start(ctx)
}

// embedded is the stack without images: one container runs the command as a laptop would. Its ports open when all is
// ready: the first run compiles for some minutes.
func (s *stack) embedded(ctx context.Context) (*dagger.Service, error) {
	all := container{Host: "sandbox", Command: true, Args: s.Embedded, Ports: s.Ports}
	wait := []string{"sandbox", "await", "--stack=" + addressesFile, "--host=" + all.Host, "--timeout=60m"}
	for _, c := range s.Components {
		wait = append(wait, c.Name)
	}
	_, err := s.container(all).Sync(ctx)
	if err != nil {
		return nil, plain(err)
	}
	up, err := s.service(all).Start(context.WithoutCancel(ctx))
	if err == nil {
		_, err = s.beside().WithExec(wait).Sync(ctx)
		err = s.why(ctx, component{Containers: []container{all}}, err)
	}
	return up, plain(err)
}

// program is the whole command of a container: arguments of the image's entrypoint (its own ones, where there are none).
func program(ctx context.Context, ctr *dagger.Container, args []string) ([]string, error) {
	entrypoint, err := ctr.Entrypoint(ctx)
	if err == nil && args == nil {
		args, err = ctr.DefaultArgs(ctx)
	}
	return append(entrypoint, args...), err
}
