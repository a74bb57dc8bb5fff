package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// stackFile is what this module needs of stack/stack.yaml and of the files beside it.
type stackFile struct {
	Components []component `yaml:"components"`

	// golang is the image that this repository's go.mod asks for.
	golang string
	// targets are the "host:port" that Prometheus scrapes under fixed names.
	targets []string
}

type component struct {
	Name  string `yaml:"name"`
	Image string `yaml:"image"`
	Ports []struct {
		Name   string `yaml:"name"`
		Number int    `yaml:"port"`
		UDP    bool   `yaml:"udp"`
	} `yaml:"ports"`
	Needs []string `yaml:"needs"`
}

func (c component) port(name string) int {
	for _, p := range c.Ports {
		if p.Name == name {
			return p.Number
		}
	}
	return 0
}

var goDirective = regexp.MustCompile(`(?m)^go (\d+\.\d+)`)

func (m *Obsandbox) readStack(ctx context.Context) (*stackFile, error) {
	var s stackFile
	if err := m.readYAML(ctx, "stack/stack.yaml", &s); err != nil {
		return nil, err
	}
	for i, c := range s.Components {
		s.Components[i].Needs = append(c.Needs, recipes[c.Name].needs...)
	}
	mod, err := m.Source.File("go.mod").Contents(ctx)
	if err != nil {
		return nil, err
	}
	version := goDirective.FindStringSubmatch(mod)
	if version == nil {
		return nil, errors.New("go.mod says nothing of its Go version")
	}
	s.golang = "docker.io/library/golang:" + version[1] + "-alpine"

	var prometheus struct {
		Jobs []struct {
			Static []struct {
				Targets []string `yaml:"targets"`
			} `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := m.readYAML(ctx, "stack/prometheus/prometheus.yml", &prometheus); err != nil {
		return nil, err
	}
	for _, job := range prometheus.Jobs {
		for _, static := range job.Static {
			s.targets = append(s.targets, static.Targets...)
		}
	}
	return &s, nil
}

func (m *Obsandbox) readYAML(ctx context.Context, name string, into any) error {
	text, err := m.Source.File(name).Contents(ctx)
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (s *stackFile) component(name string) (component, error) {
	var names []string
	for _, c := range s.Components {
		if c.Name == name {
			return c, nil
		}
		names = append(names, c.Name)
	}
	return component{}, fmt.Errorf("no component %q in stack/stack.yaml (there are: %s)", name, strings.Join(names, ", "))
}

// port is a component's port, 0 where there is none.
func (s *stackFile) port(name, port string) int {
	c, err := s.component(name)
	if err != nil {
		return 0
	}
	return c.port(port)
}

// selection is what --only and --without leave.
func (s *stackFile) selection(only, without []string) ([]component, error) {
	for _, name := range slices.Concat(only, without) {
		if _, err := s.component(name); err != nil && name != "renderer" {
			return nil, err
		}
	}
	var kept []component
	for _, c := range s.Components {
		if (len(only) == 0 || slices.Contains(only, c.Name)) && !slices.Contains(without, c.Name) {
			kept = append(kept, c)
		}
	}
	if len(kept) == 0 {
		return nil, errors.New("--only and --without leave no component to run")
	}
	return kept, nil
}

// neededBy is all that a component needs, without itself.
func (s *stackFile) neededBy(c component) []component {
	var all []component
	for _, name := range c.Needs {
		n, err := s.component(name)
		if err != nil || slices.ContainsFunc(all, func(o component) bool { return o.Name == name }) {
			continue
		}
		for _, deeper := range append(s.neededBy(n), n) {
			if !slices.ContainsFunc(all, func(o component) bool { return o.Name == deeper.Name }) {
				all = append(all, deeper)
			}
		}
	}
	return all
}

// fixedHosts are the host names that Prometheus scrapes and that are no components, and their ports.
func (s *stackFile) fixedHosts() (names []string, ports []string) {
	for _, target := range s.targets {
		host, port, err := net.SplitHostPort(target)
		if err != nil {
			continue
		}
		if _, err := s.component(host); err == nil {
			continue
		}
		if _, err := strconv.Atoi(port); err == nil && !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
		names = append(names, host)
	}
	return names, ports
}
