package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// stackFile is what this module needs of stack/stack.yaml and of prometheus.yml.
type stackFile struct {
	Components []component `yaml:"components"`
	// hosts and ports are those that Prometheus scrapes under fixed names and that are no components.
	hosts, ports []string
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

// tcp are the ports that can be led out of the engine: one UDP port would fail a whole tunnel.
func (c component) tcp() map[string]int {
	ports := map[string]int{}
	for _, p := range c.Ports {
		if !p.UDP {
			ports[p.Name] = p.Number
		}
	}
	return ports
}

func (m *Obsandbox) readStack(ctx context.Context) (*stackFile, error) {
	var s stackFile
	var prometheus struct {
		Jobs []struct {
			Static []struct {
				Targets []string `yaml:"targets"`
			} `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	for name, into := range map[string]any{"stack/stack.yaml": &s, "stack/prometheus/prometheus.yml": &prometheus} {
		text, err := m.Source.File(name).Contents(ctx)
		if err != nil {
			return nil, err
		}
		if err := yaml.Unmarshal([]byte(text), into); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	for i, c := range s.Components {
		s.Components[i].Needs = append(c.Needs, recipes()[c.Name].needs...)
	}
	for _, job := range prometheus.Jobs {
		for _, static := range job.Static {
			for _, target := range static.Targets {
				host, port, err := net.SplitHostPort(target)
				if _, known := s.component(host); err != nil || known == nil {
					continue
				}
				s.hosts, s.ports = append(s.hosts, host), append(s.ports, port)
			}
		}
	}
	return &s, nil
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

// selection is what --only and --without leave.
func (s *stackFile) selection(only, without []string) ([]component, error) {
	for _, name := range slices.Concat(only, without) {
		if _, err := s.component(name); err != nil && name != "renderer" {
			return nil, err
		}
	}
	kept := slices.DeleteFunc(slices.Clone(s.Components), func(c component) bool {
		return len(only) > 0 && !slices.Contains(only, c.Name) || slices.Contains(without, c.Name)
	})
	if len(kept) == 0 {
		return nil, errors.New("--only and --without leave no component to run")
	}
	return kept, nil
}

// neededBy are the names of all that a component needs, some of them twice.
func (s *stackFile) neededBy(c component) []string {
	all := slices.Clone(c.Needs)
	for _, name := range c.Needs {
		if n, err := s.component(name); err == nil {
			all = append(all, s.neededBy(n)...)
		}
	}
	return all
}
