// The observability sandbox in containers: the stack of this repository with the official images, and the tests of it.
//
// `dagger call sandbox up` runs the whole stack and leads every component's usual port to this machine; `dagger call test`
// judges it. What runs is what is checked in under stack/: images, ports, files, readiness and order come from
// stack/stack.yaml, and the tests are those of `sandbox test`.
package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"obsandbox/ci/internal/dagger"
)

// Obsandbox is the repository and where images come from.
type Obsandbox struct {
	// +private
	Source *dagger.Directory
	// +private
	Image []string
	// +private
	Registry string
}

func New(
	// The repository.
	// +defaultPath="/"
	// +ignore=["*", "!go.mod", "!go.sum", "!sandbox", "!stack", "!tests", "!tools", "**/node_modules"]
	source *dagger.Directory,
	// Run another image, as in prometheus=registry.example.com/prometheus:v3. The names are those of stack.yaml, and
	// renderer and golang.
	// +optional
	image []string,
	// Pull from this registry instead of docker.io and docker.elastic.co: a mirror that has the same paths.
	// +optional
	registry string,
) (*Obsandbox, error) {
	for _, i := range image {
		if name, ref, ok := strings.Cut(i, "="); !ok || name == "" || ref == "" {
			return nil, fmt.Errorf("--image %s: expected NAME=IMAGE, as in prometheus=docker.io/prom/prometheus:v3.15.1", i)
		}
	}
	return &Obsandbox{Source: source, Image: image, Registry: strings.TrimSuffix(registry, "/")}, nil
}

// Runs the stack: `dagger call sandbox up` leads every component's usual port to this machine, until Ctrl-C.
//
// Components start as soon as what they need is ready. The ports are those of stack.yaml; `up --random` picks free ones.
// +cache="session"
func (m *Obsandbox) Sandbox(ctx context.Context,
	// Run these components only.
	// +optional
	only []string,
	// Run all components but these.
	// +optional
	without []string,
	// single, or production: three Kafka brokers and three Elasticsearch nodes.
	// +default="single"
	topology string,
	// The heap of each Java program, as Java writes it.
	// +default="512m"
	memory string,
	// Seed of the simulated platform: the same seed, the same world.
	// +default=1
	seed int,
	// Break these from the start on, as NAME or NAME:SERVICE: `sandbox fault --list` has them.
	// +optional
	fault []string,
	// Run the stack without its images: real Prometheus, Alertmanager and Jaeger and stand-ins, in one Go container.
	// +optional
	embedded bool,
	// Slack's incoming webhook; the platform records what is sent where none is given.
	// +optional
	slack *dagger.Secret,
	// PagerDuty's routing key; the platform records what is sent where none is given.
	// +optional
	pagerduty *dagger.Secret,
) (*dagger.Service, error) {
	args := []string{"--topology=" + topology, "--memory=" + memory, fmt.Sprintf("--seed=%d", seed)}
	for flag, names := range map[string][]string{"only": only, "without": without, "fault": fault} {
		if len(names) > 0 {
			args = append(args, "--"+flag+"="+strings.Join(names, ","))
		}
	}
	given := map[string]*dagger.Secret{"slack": slack, "pagerduty": pagerduty}
	maps.DeleteFunc(given, func(_ string, s *dagger.Secret) bool { return s == nil })
	s, err := m.plan(ctx, given, args...)
	if err != nil {
		return nil, err
	}
	if embedded {
		return s.embedded(ctx)
	}
	if err := s.up(ctx); err != nil {
		return nil, err
	}
	return s.front(ctx)
}

// A component's container with its configuration: `dagger call component --name logstash terminal` looks inside.
func (m *Obsandbox) Component(ctx context.Context,
	// The component, as in stack.yaml.
	name string,
) (*dagger.Container, error) {
	s, c, err := m.one(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.container(c.Containers[0]), nil
}

// Starts a component with all that it needs, and returns what it writes for a while.
// +cache="never"
func (m *Obsandbox) Logs(ctx context.Context,
	// The component, as in stack.yaml.
	name string,
	// How long to listen.
	// +default=20
	seconds int,
) (string, error) {
	alone, c, err := m.one(ctx, name)
	if err != nil {
		return "", err
	}
	all, err := m.plan(ctx, nil, "--only="+strings.Join(append(c.AllNeeds, name), ","))
	if err != nil {
		return "", err
	}
	if c = all.component(name); len(c.AllNeeds) > 0 {
		all.Components = slices.DeleteFunc(all.Components, func(other component) bool { return other.Name == name })
		if err := all.up(ctx); err != nil {
			return "", err
		}
	}
	ctr, args := all.container(c.Containers[0]), c.Containers[0].Args
	if !c.Containers[0].Command {
		if args, err = program(ctx, ctr, args); err != nil {
			return "", err
		}
	}
	return ctr.WithEnvVariable("SANDBOX_RUN", alone.id).
		WithExec(append([]string{"timeout", fmt.Sprint(seconds)}, args...), dagger.ContainerWithExecOpts{Expect: dagger.ReturnTypeAny}).CombinedOutput(ctx)
}

// Lists the containers and the images that run.
func (m *Obsandbox) Versions(ctx context.Context) (string, error) {
	s, err := m.plan(ctx, nil)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, c := range s.Components {
		for _, ctr := range c.Containers {
			image := "built from this repository"
			if ctr.Image != "" {
				image = m.imageOf(ctr.Name, ctr.Image)
			}
			fmt.Fprintf(&b, "%-15s %s\n", ctr.Name, image)
		}
	}
	fmt.Fprintf(&b, "%-15s %s\n", "golang", m.imageOf("golang", golangImage))
	return b.String(), nil
}
