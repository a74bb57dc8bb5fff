// Package stack reads the directory that a platform team owns and deploys (stack/): what components there are, the
// files each of them is configured by, and where a running stack answers. It knows no mode: embedded mode, containers
// and the smoke checks all start from the values read here.
package stack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// FileName is the file that makes a directory a stack.
const FileName = "stack.yaml"

// Stack is a stack directory with its stack.yaml.
type Stack struct {
	// Dir is the stack directory, absolute.
	Dir string `yaml:"-"`
	// Programs are the real programs that embedded mode builds from their Go modules.
	Programs []Program `yaml:"programs"`
	// Runbook is where the alerts' runbook_url leads.
	Runbook Runbook `yaml:"runbook"`
	// Components are in the order of the file; StartOrder sorts them by their needs.
	Components []Component `yaml:"components"`
}

// Runbook is a Markdown file and the address it is published at.
type Runbook struct {
	URL  string `yaml:"url"`
	File string `yaml:"file"`
}

// Program is one real program, built from a Go module that pins its version.
type Program struct {
	Name string `yaml:"name"`
	// Module is the directory of the pinning go.mod, relative to the parent of the stack directory or, for a stack that
	// brings none, to the repository that the command runs in.
	Module string `yaml:"module"`
	// Dir is that directory's path.
	Dir string `yaml:"-"`
	// Package is the main package's import path.
	Package string `yaml:"package"`
	// Tags are the build tags.
	Tags []string `yaml:"tags"`
	// Line is where the program stands in its file.
	Line int `yaml:"-"`
}

// Component is one part of the stack.
type Component struct {
	Name string `yaml:"name"`
	// Image is the container image with its tag; empty for what the sandbox itself serves in both modes.
	Image string `yaml:"image"`
	// Program names the real program that embedded mode runs; empty where the sandbox serves a stand-in.
	Program string `yaml:"program"`
	Ports   []Port `yaml:"ports"`
	// Config are the files below the stack directory that configure the component.
	Config []string `yaml:"config"`
	Ready  Ready    `yaml:"ready"`
	// Setup are requests made once when the component is ready, before whatever needs it starts.
	Setup []Setup `yaml:"setup"`
	// Needs are the components that must be ready before this one starts.
	Needs []string `yaml:"needs"`
	// Line is where the component stands in its file; ImageLine and NeedsLine are those of its keys.
	Line, ImageLine, NeedsLine int `yaml:"-"`
}

// Port is a named port at its usual number.
type Port struct {
	Name   string `yaml:"name"`
	Number int    `yaml:"port"`
	// UDP ports are not forwarded out of containers.
	UDP bool `yaml:"udp"`
}

// Ready says how one sees that a component is ready to work, as opposed to merely listening.
type Ready struct {
	// Port is the name of the port to ask.
	Port string `yaml:"port"`
	// Path is asked with GET over HTTP; any 2xx is ready.
	Path string `yaml:"path"`
	// Kafka asks for the cluster's metadata over Kafka's protocol instead.
	Kafka bool `yaml:"kafka"`
}

// Setup is one HTTP PUT with a file of the stack directory as its JSON body.
type Setup struct {
	Put  string `yaml:"put"`
	File string `yaml:"file"`
	// Line is where it stands in its file.
	Line int `yaml:"-"`
}

// Find walks up from dir to the nearest directory that is a stack or has one called stack.
func Find(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the stack directory: %w", err)
	}
	for at := dir; ; at = filepath.Dir(at) {
		for _, candidate := range []string{at, filepath.Join(at, "stack")} {
			if _, err := os.Stat(filepath.Join(candidate, FileName)); err == nil {
				return candidate, nil
			}
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("no stack/%s in %s or above it: run inside the repository or give --stack-dir", FileName, dir)
		}
	}
}

// Load reads DIR/stack.yaml, and finds the modules that its programs are built from. Every error names the file and the line.
func Load(dir string) (*Stack, error) {
	s, root, err := read(dir)
	if err != nil {
		return nil, err
	}
	for i := range s.Programs {
		if err := s.findModule(&s.Programs[i], element(mapValue(root, "programs"), i)); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Read reads DIR/stack.yaml for what builds nothing: a component that runs works in a directory of its own, where the
// modules that a stack elsewhere is built from are not found.
func Read(dir string) (*Stack, error) {
	s, _, err := read(dir)
	return s, err
}

func read(dir string) (*Stack, *yaml.Node, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("load the stack: %w", err)
	}
	s := &Stack{Dir: dir}
	root, err := DecodeFile(filepath.Join(dir, FileName), s)
	if err != nil {
		return nil, nil, err
	}
	if err := s.validate(root); err != nil {
		return nil, nil, err
	}
	return s, root, nil
}

// Path is the absolute path of a file of the stack directory.
func (s *Stack) Path(name string) string { return filepath.Join(s.Dir, filepath.FromSlash(name)) }

// Has says whether the stack directory has such a file or directory.
func (s *Stack) Has(name string) bool {
	_, err := os.Stat(s.Path(name))
	return err == nil
}

// Root is the directory that holds the stack directory: the repository.
func (s *Stack) Root() string { return filepath.Dir(s.Dir) }

// Component finds a component by its name; the error lists the names there are.
func (s *Stack) Component(name string) (Component, error) {
	for _, c := range s.Components {
		if c.Name == name {
			return c, nil
		}
	}
	return Component{}, fmt.Errorf("no component %q in %s (there are: %s)", name, s.Path(FileName), strings.Join(s.Names(), ", "))
}

// Names lists the components in the file's order.
func (s *Stack) Names() []string {
	names := make([]string, len(s.Components))
	for i, c := range s.Components {
		names[i] = c.Name
	}
	return names
}

// Program finds a program by its name.
func (s *Stack) Program(name string) (Program, error) {
	for _, p := range s.Programs {
		if p.Name == name {
			return p, nil
		}
	}
	return Program{}, fmt.Errorf("no program %q in %s", name, s.Path(FileName))
}

// Port finds a port of a component by its name.
func (c Component) Port(name string) (Port, bool) {
	i := slices.IndexFunc(c.Ports, func(p Port) bool { return p.Name == name })
	if i < 0 {
		return Port{}, false
	}
	return c.Ports[i], true
}

// Select keeps the components named by only (all of them, where it is empty) less those named by without. What a kept
// component needs is not added: a part of the stack may be run by itself, and says so in its own log.
func (s *Stack) Select(only, without []string) ([]Component, error) {
	for _, name := range slices.Concat(only, without) {
		if _, err := s.Component(name); err != nil {
			return nil, err
		}
	}
	var kept []Component
	for _, c := range s.Components {
		if (len(only) == 0 || slices.Contains(only, c.Name)) && !slices.Contains(without, c.Name) {
			kept = append(kept, c)
		}
	}
	if len(kept) == 0 {
		return nil, errors.New("no component is left to run: --only and --without exclude everything")
	}
	return kept, nil
}

// circleError is a component that needs itself, by way of others: path begins and ends with it, or leads to it.
type circleError struct{ path []string }

func (e *circleError) Error() string {
	return "components need each other in a circle: " + strings.Join(e.path, " → ")
}

// StartOrder sorts the given components so that each comes after those of them that it needs.
func (s *Stack) StartOrder(components []Component) ([]Component, error) {
	const (
		unseen = iota
		open
		done
	)
	state := map[string]int{}
	var order []Component
	var visit func(c Component, path []string) error
	visit = func(c Component, path []string) error {
		path = append(path, c.Name)
		switch state[c.Name] {
		case done:
			return nil
		case open:
			return &circleError{path}
		}
		state[c.Name] = open
		for _, name := range c.Needs {
			i := slices.IndexFunc(components, func(o Component) bool { return o.Name == name })
			if i < 0 {
				continue // not run this time
			}
			if err := visit(components[i], path); err != nil {
				return err
			}
		}
		state[c.Name] = done
		order = append(order, c)
		return nil
	}
	for _, c := range components {
		if err := visit(c, nil); err != nil {
			return nil, err
		}
	}
	return order, nil
}
