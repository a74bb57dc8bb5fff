// The observability sandbox in containers: the stack of this repository with the official images, and the tests of it.
//
// `dagger call sandbox up` runs the whole stack and leads every component's usual port to this machine; `dagger call test`
// judges it. What runs is what is checked in under stack/: images, ports, files, readiness and order come from
// stack/stack.yaml, and the tests are those of `sandbox test`.
package main

import (
	"context"
	"fmt"
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
	if topology != "production" && topology != "single" {
		return nil, fmt.Errorf("--topology %s: there are single and production", topology)
	}
	r, err := m.newRun(ctx, options{only, without, topology == "production", memory, seed, slack, pagerduty})
	if err != nil {
		return nil, err
	}
	if embedded {
		return r.embedded(ctx)
	}
	if err := r.up(ctx); err != nil {
		return nil, err
	}
	return r.front(ctx)
}

// A component's container with its configuration: `dagger call component --name logstash terminal` looks inside.
func (m *Obsandbox) Component(ctx context.Context,
	// The component, as in stack.yaml.
	name string,
) (*dagger.Container, error) {
	r, err := m.newRun(ctx, options{only: []string{name}})
	if err != nil {
		return nil, err
	}
	return r.container(r.selected[0], r.selected[0].Name), nil
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
	r, err := m.newRun(ctx, options{only: []string{name}})
	if err != nil {
		return "", err
	}
	c := r.selected[0]
	if r.only = r.stack.neededBy(c); len(r.only) > 0 {
		if r.selected, err = r.stack.selection(r.only, nil); err != nil {
			return "", err
		}
		if err := r.up(ctx); err != nil {
			return "", err
		}
	}
	ctr, command := r.container(c, name), r.command(c)
	listen := []string{"timeout", fmt.Sprint(seconds)}
	if command.UseEntrypoint {
		entrypoint, err := ctr.Entrypoint(ctx)
		if err != nil {
			return "", err
		}
		listen = append(listen, entrypoint...)
	}
	if command.Args == nil {
		if command.Args, err = ctr.DefaultArgs(ctx); err != nil {
			return "", err
		}
	}
	return ctr.WithEnvVariable("SANDBOX_RUN", r.id).WithExec(append(listen, command.Args...), dagger.ContainerWithExecOpts{Expect: dagger.ReturnTypeAny}).CombinedOutput(ctx)
}

// Lists the components and the images that run.
func (m *Obsandbox) Versions(ctx context.Context) (string, error) {
	s, err := m.readStack(ctx)
	if err != nil {
		return "", err
	}
	all := append(s.Components, component{Name: rendererName, Image: rendererImage}, component{Name: "golang", Image: golangImage})
	var b strings.Builder
	for _, c := range all {
		image := "built from this repository"
		if c.Image != "" {
			image = m.imageOf(c.Name, c.Image)
		}
		fmt.Fprintf(&b, "%-15s %s\n", c.Name, image)
	}
	return b.String(), nil
}

// imageOf is the image that runs.
func (m *Obsandbox) imageOf(name, ref string) string {
	for _, i := range m.Image {
		if n, override, _ := strings.Cut(i, "="); n == name {
			return override
		}
	}
	if _, path, ok := strings.Cut(ref, "/"); ok && m.Registry != "" {
		return m.Registry + "/" + path
	}
	return ref
}
