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

// validate notes the lines of what stands in stack.yaml and says what cannot be meant so.
func (s *Stack) validate(root *yaml.Node) error {
	if len(s.Components) == 0 {
		return s.fault(1, "no components: list them under the key components")
	}
	for i := range s.Programs {
		if err := s.validateProgram(&s.Programs[i], element(mapValue(root, "programs"), i)); err != nil {
			return err
		}
	}
	ports := map[int]string{}
	for i := range s.Components {
		if err := s.validateComponent(i, element(mapValue(root, "components"), i), ports); err != nil {
			return err
		}
	}
	_, err := s.StartOrder(s.Components)
	var circle *circleError
	if errors.As(err, &circle) {
		c, _ := s.Component(circle.path[len(circle.path)-2])
		return s.fault(c.NeedsLine, "%v", err)
	}
	return err
}

func (s *Stack) fault(line int, format string, args ...any) error {
	return &FileError{File: s.Path(FileName), Line: line, Msg: fmt.Sprintf(format, args...)}
}

func (s *Stack) validateProgram(p *Program, node *yaml.Node) error {
	p.Line = lineOr(node, 1)
	fail := func(key, format string, args ...any) error {
		return s.fault(lineOr(mapValue(node, key), p.Line), "program %q: "+format, append([]any{p.Name}, args...)...)
	}
	if p.Name == "" {
		return fail("name", "a program has no name")
	}
	if first, _ := s.Program(p.Name); first.Line != p.Line {
		return fail("name", "named twice")
	}
	if p.Module == "" || p.Package == "" {
		return fail("name", "a program needs the directory of the go.mod that pins it (module) and its import path (package)")
	}
	return nil
}

// findModule finds the directory of the module that a program is built from.
func (s *Stack) findModule(p *Program, node *yaml.Node) error {
	for _, root := range s.moduleRoots() {
		p.Dir = filepath.Join(root, filepath.FromSlash(p.Module))
		if _, err := os.Stat(filepath.Join(p.Dir, "go.mod")); err == nil {
			return nil
		}
	}
	return s.fault(lineOr(mapValue(node, "module"), p.Line), "program %q: no go.mod in %s: put one there that pins it, or run the command in a repository that has %s",
		p.Name, filepath.Join(s.Root(), filepath.FromSlash(p.Module)), p.Module)
}

// moduleRoots are the directories that programs' modules are looked for in: beside the stack, and beside the one that the
// command runs in, so that somebody else's stack directory needs no modules of its own.
func (s *Stack) moduleRoots() []string {
	roots := []string{s.Root()}
	if here, err := Find("."); err == nil && filepath.Dir(here) != s.Root() {
		roots = append(roots, filepath.Dir(here))
	}
	return roots
}

// validateComponent looks at component i; ports are those of the components before it.
func (s *Stack) validateComponent(i int, node *yaml.Node, ports map[int]string) error {
	c := &s.Components[i]
	c.Line = lineOr(node, 1)
	c.ImageLine = lineOr(mapValue(node, "image"), c.Line)
	c.NeedsLine = lineOr(mapValue(node, "needs"), c.Line)
	fail := func(at *yaml.Node, format string, args ...any) error {
		return s.fault(lineOr(at, c.Line), "component %q: "+format, append([]any{c.Name}, args...)...)
	}
	if c.Name == "" {
		return fail(node, "a component has no name")
	}
	if slices.IndexFunc(s.Components, func(o Component) bool { return o.Name == c.Name }) != i {
		return fail(mapValue(node, "name"), "named twice")
	}
	for j, p := range c.Ports {
		at := element(mapValue(node, "ports"), j)
		if p.Number < 1 || p.Number > 65535 || p.Name == "" {
			return fail(at, "a port needs a name and a number from 1 to 65535")
		}
		if other, taken := ports[p.Number]; taken {
			return fail(at, "port %d is also a port of %s", p.Number, other)
		}
		if slices.IndexFunc(c.Ports, func(o Port) bool { return o.Name == p.Name }) != j {
			return fail(at, "two ports are called %s", p.Name)
		}
		ports[p.Number] = c.Name
	}
	ready := mapValue(node, "ready")
	if _, ok := c.Port(c.Ready.Port); !ok {
		return fail(ready, "ready.port %q is none of its ports", c.Ready.Port)
	}
	if c.Ready.Kafka == (c.Ready.Path != "") {
		return fail(ready, "ready needs either path or kafka: true")
	}
	if c.Ready.Path != "" && !strings.HasPrefix(c.Ready.Path, "/") {
		return fail(ready, "ready.path is %q, and must begin with a slash", c.Ready.Path)
	}
	if c.Program != "" {
		if _, err := s.Program(c.Program); err != nil {
			return fail(mapValue(node, "program"), "program %q is not listed under programs", c.Program)
		}
	}
	for j, name := range c.Needs {
		if _, err := s.Component(name); err != nil {
			return fail(element(mapValue(node, "needs"), j), "needs %q, which is no component", name)
		}
	}
	for j, name := range c.Config {
		if _, err := os.Stat(s.Path(name)); err != nil {
			return fail(element(mapValue(node, "config"), j), "%s: %v", name, errors.Unwrap(err))
		}
		if name == "" {
			return fail(element(mapValue(node, "config"), j), "config names a file without a name")
		}
	}
	for j := range c.Setup {
		put := &c.Setup[j]
		at := element(mapValue(node, "setup"), j)
		put.Line = lineOr(at, c.Line)
		if !strings.HasPrefix(put.Put, "/") {
			return fail(at, "setup: put is %q, and must begin with a slash", put.Put)
		}
		if !slices.Contains(c.Config, put.File) {
			return fail(at, "setup: %q is not among the files of its config", put.File)
		}
	}
	return nil
}

// element is an element of a sequence; nil where there is none.
func element(node *yaml.Node, i int) *yaml.Node {
	if node == nil || node.Kind != yaml.SequenceNode || i >= len(node.Content) {
		return nil
	}
	return node.Content[i]
}

// lineOr is a node's line, or another one where there is no node.
func lineOr(node *yaml.Node, otherwise int) int {
	if node == nil {
		return otherwise
	}
	return node.Line
}
