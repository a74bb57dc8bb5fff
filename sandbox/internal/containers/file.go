// Package containers says how the stack runs in containers: which there are, from which images, with which files, flags
// and variables, and how they are reached. stack.yaml names the components, containers.yaml what their official images want
// to be told; a Plan is what is left to do for whoever starts containers.
package containers

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/stack"
)

// FileName is the file of the stack directory that this package reads besides stack.yaml.
const FileName = "containers.yaml"

type file struct {
	Containers map[string]recipe `yaml:"containers"`
}

// recipe is what one image wants to be told.
type recipe struct {
	Image  string            `yaml:"image"`
	Mounts map[string]string `yaml:"mounts"`
	Args   []string          `yaml:"args"`
	Env    map[string]string `yaml:"env"`
	Needs  []string          `yaml:"needs"`
	// Outside is the port for clients outside, which come through the Doors, one for each node.
	Outside int               `yaml:"outside"`
	Doors   []int             `yaml:"doors"`
	Secrets map[string]secret `yaml:"secrets"`
	Checks  []Check           `yaml:"checks"`
	Beside  *struct {
		Name  string            `yaml:"name"`
		Image string            `yaml:"image"`
		Port  int               `yaml:"port"`
		Env   map[string]string `yaml:"env"`
	} `yaml:"beside"`
	Production struct {
		Nodes []string          `yaml:"nodes"`
		Env   map[string]string `yaml:"env"`
	} `yaml:"production"`
	Preview *struct {
		Mounts map[string]string `yaml:"mounts"`
		Files  map[string]string `yaml:"files"`
		Args   []string          `yaml:"args"`
	} `yaml:"preview"`
	Simulated struct {
		Certificate string            `yaml:"certificate"`
		Files       map[string]string `yaml:"files"`
		Env         map[string]string `yaml:"env"`
		Names       []string          `yaml:"names"`
		Cluster     bool              `yaml:"cluster"`
		Run         []string          `yaml:"run"`
	} `yaml:"simulated"`
}

// env are the variables of the recipe's containers, by themselves or as the nodes of the production topology.
func (r recipe) env(production bool) map[string]string {
	all := map[string]string{}
	maps.Copy(all, r.Env)
	if production {
		maps.Copy(all, r.Production.Env)
	}
	return all
}

type secret struct {
	File  string `yaml:"file"`
	Value string `yaml:"value"`
	// Name is the host that the platform stands in for, where the secret is not given.
	Name string `yaml:"name"`
}

func load(s *stack.Stack) (*file, error) {
	var f file
	file := s.Path(FileName)
	root, err := stack.DecodeFile(file, &f)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(f.Containers)) {
		if _, err := s.Component(name); err != nil {
			return nil, &stack.FileError{File: file, Line: lineOf(root, "containers", name), Msg: fmt.Sprintf("container %q: %v", name, err)}
		}
		r := f.Containers[name]
		for dir, to := range r.Mounts {
			if !path.IsAbs(to) {
				return nil, &stack.FileError{File: file, Line: lineOf(root, "containers", name, "mounts"), Msg: fmt.Sprintf("container %q: mounts %s at %q, expected a directory of its image, with a slash at the beginning", name, dir, to)}
			}
			if !s.Has(dir) {
				return nil, &stack.FileError{File: file, Line: lineOf(root, "containers", name, "mounts"), Msg: fmt.Sprintf("container %q: mounts %s, which is not there", name, dir)}
			}
		}
		if (len(r.Doors) > 0 || r.Outside > 0) && len(r.Doors) < max(1, len(r.Production.Nodes)) {
			return nil, &stack.FileError{File: file, Line: lineOf(root, "containers", name, "doors"), Msg: fmt.Sprintf("container %q: every node needs a door", name)}
		}
	}
	return &f, nil
}

// lineOf is the line of the deepest of these keys that there is.
func lineOf(node *yaml.Node, keys ...string) int {
	for _, key := range keys {
		if node.Kind == yaml.DocumentNode && len(node.Content) > 0 {
			node = node.Content[0]
		}
		i := 0
		for i+1 < len(node.Content) && node.Content[i].Value != key {
			i += 2
		}
		if i+1 >= len(node.Content) {
			break
		}
		node = node.Content[i+1]
	}
	return max(1, node.Line)
}

// Targets are the fixed targets of prometheus.yml that are no components: hosts of the simulated cluster.
func Targets(s *stack.Stack) (hosts, ports []string, err error) {
	const name = "prometheus/prometheus.yml"
	var config struct {
		Jobs []struct {
			Static []struct {
				Targets []string `yaml:"targets"`
			} `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	text, err := os.ReadFile(s.Path(name))
	if os.IsNotExist(err) {
		return nil, nil, nil // a stack without Prometheus
	}
	if err == nil {
		err = yaml.Unmarshal(text, &config)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the targets of %s: %w", s.Path(name), err)
	}
	for _, job := range config.Jobs {
		for _, static := range job.Static {
			for _, target := range static.Targets {
				host, port, err := net.SplitHostPort(target)
				if err == nil && !slices.Contains(s.Names(), host) && !strings.HasPrefix(host, "localhost") {
					hosts, ports = append(hosts, host), append(ports, port)
				}
			}
		}
	}
	slices.Sort(hosts)
	slices.Sort(ports)
	return slices.Compact(hosts), slices.Compact(ports), nil
}
