package containers

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"

	"obsandbox/sandbox/internal/stack"
)

// pictured are the components that a preview needs.
var pictured = []string{"prometheus", "elasticsearch", "grafana"}

// platform is the component that the simulated cluster is of.
const platform = "platform"

// Options of a plan.
type Options struct {
	// Only and Without choose components, by name.
	Only, Without []string
	// Production has the nodes of the production topology.
	Production bool
	// Memory is the heap of each Java program, as Java writes it.
	Memory string
	// Seed of the simulated platform.
	Seed uint64
	// Faults are broken in the platform from the start on: NAME, or NAME:SERVICE. Whether there are such is not judged here.
	Faults []string
	// Preview has what Grafana's pictures of dashboards need, and nothing that fills it.
	Preview bool
	// Given are the secrets that the user gives; their receivers are not simulated.
	Given []string
}

// Plan is a stack in containers, or a part of it.
type Plan struct {
	Components []Component `json:"components"`
	// Addresses are where the components are for each other: every one under its own name.
	Addresses stack.Addresses `json:"addresses"`
	// Forwards lead the usual ports, on one host, to the components: arguments of `sandbox front`.
	Forwards []string `json:"forwards"`
	// Ports are those of Forwards.
	Ports []int `json:"ports"`
	// Embedded is the command that runs the same components in one container, without images.
	Embedded []string `json:"embedded"`
}

// Component is one of the stack.
type Component struct {
	Name string `json:"name"`
	// Needs are those of this plan that have to be ready before it starts, AllNeeds all that it cannot work without.
	Needs    []string `json:"needs"`
	AllNeeds []string `json:"all_needs"`
	// Containers start at the same time. The first is the component's own.
	Containers []Container `json:"containers"`
	Checks     []Check     `json:"checks"`
}

// Container is one to be started, under its host name.
type Container struct {
	Host string `json:"host"`
	// Image is empty for what is built from the repository.
	Image string `json:"image"`
	// Name is what an override of the image is named by.
	Name string `json:"name"`
	// Mounts lead directories of the stack directory to directories of the image.
	Mounts map[string]string `json:"mounts"`
	Env    map[string]string `json:"env"`
	Files  map[string]string `json:"files"`
	// Certificate is where the certificate of the simulated servers is trusted.
	Certificate string   `json:"certificate"`
	Secrets     []Secret `json:"secrets"`
	// Names are host names by which the container knows the platform.
	Names []string `json:"names"`
	// Args are the arguments of the image's entrypoint; or the whole command, where Command says so.
	Args    []string `json:"args"`
	Command bool     `json:"command"`
	Ports   []int    `json:"ports"`
}

// Secret is a file with a secret that the user may give by its name.
type Secret struct {
	Name  string `json:"name"`
	File  string `json:"file"`
	Value string `json:"value"`
}

// Check is made in the image that will run: a program's own check of its configuration, or cases of this repository that
// the program has to pass as the stand-in for it does.
type Check struct {
	Name string   `json:"name" yaml:"name"`
	Run  []string `json:"run" yaml:"run"`
	// Entrypoint says that Run are the arguments of the image's entrypoint.
	Entrypoint bool `json:"entrypoint" yaml:"entrypoint"`
	// Running says that the component has to run meanwhile.
	Running bool `json:"running" yaml:"running"`
	// Conformance says that Run, a command of the sandbox, judges cases, and writes a report of them.
	Conformance bool `json:"conformance" yaml:"conformance"`
	// Reads are what it reads of the repository: directories with a slash, and files.
	Reads []string `json:"reads" yaml:"reads"`
}

// New plans the stack in containers.
func New(s *stack.Stack, opt Options) (*Plan, error) {
	f, err := load(s)
	if err != nil {
		return nil, err
	}
	if opt.Preview {
		opt.Only = pictured
	}
	hosts, _, err := Targets(s)
	if err != nil {
		return nil, err
	}
	// What runs beside a component goes by its own name, too.
	without := slices.DeleteFunc(slices.Clone(opt.Without), f.isBeside)
	selected, err := s.Select(slices.DeleteFunc(slices.Clone(opt.Only), f.isBeside), without)
	if err != nil {
		return nil, err
	}
	if len(opt.Only) > 0 && !slices.ContainsFunc(opt.Only, func(name string) bool { return !f.isBeside(name) }) {
		return nil, fmt.Errorf("--only %s: it runs beside a component, not by itself", opt.Only[0])
	}
	runs := func(name string) bool {
		return slices.ContainsFunc(selected, func(c stack.Component) bool { return c.Name == name })
	}
	if len(opt.Faults) > 0 && !runs(platform) {
		return nil, fmt.Errorf("--fault %s: it needs the component %s, which --only or --without leaves out", opt.Faults[0], platform)
	}
	p := &Plan{
		Addresses: stack.Addresses{Mode: "containers", Components: map[string]map[string]string{}},
		Embedded:  append([]string{"sandbox", "up", "--doors", fmt.Sprintf("--seed=%d", opt.Seed)}, opt.faults()...),
	}
	for _, c := range selected {
		p.Embedded = append(p.Embedded, "--only="+c.Name)
		r := f.Containers[c.Name]
		out := Component{Name: c.Name, Needs: []string{}, AllNeeds: f.needs(s, c), Checks: r.Checks}
		for _, need := range slices.Concat(c.Needs, r.Needs) {
			if runs(need) {
				out.Needs = append(out.Needs, need)
			}
		}
		nodes := []string{c.Name}
		if opt.Production && len(r.Production.Nodes) > 0 {
			nodes = r.Production.Nodes
		}
		for id, node := range nodes {
			out.Containers = append(out.Containers, r.container(c, opt, node, id, runs(platform), hosts))
		}
		ports := out.Containers[0].Ports
		if len(nodes) > 1 { // under the component's own name, the first of them
			out.Containers = append(out.Containers, Container{Host: c.Name, Name: c.Name, Command: true, Ports: ports[:1],
				Args: []string{"sandbox", "front", fmt.Sprintf("--forward=%d=%s:%[1]d", ports[0], nodes[0])}})
		}
		if b := r.Beside; b != nil && !slices.Contains(opt.Without, b.Name) {
			out.Containers = append(out.Containers, Container{Host: b.Name, Name: b.Name, Image: b.Image, Env: b.Env, Ports: []int{b.Port}})
		}
		p.Components = append(p.Components, out)

		p.Addresses.Components[c.Name] = map[string]string{}
		for _, port := range c.Ports {
			p.Addresses.Components[c.Name][port.Name] = fmt.Sprintf("%s:%d", c.Name, port.Number)
		}
		for i, port := range ports {
			if r.Outside == 0 {
				p.lead(port, c.Name, port)
			} else if i == 0 {
				for id, node := range nodes {
					p.lead(r.Doors[id], node, r.Outside)
				}
			}
		}
	}
	return p, nil
}

// faults are arguments of a command that runs the platform.
func (o Options) faults() []string {
	var args []string
	for _, f := range o.Faults {
		args = append(args, "--fault="+f)
	}
	return args
}

func (p *Plan) lead(port int, host string, to int) {
	p.Ports = append(p.Ports, port)
	p.Forwards = append(p.Forwards, fmt.Sprintf("--forward=%d=%s:%d", port, host, to))
}

func (r recipe) container(c stack.Component, opt Options, node string, id int, simulated bool, hosts []string) Container {
	out := Container{Host: node, Name: c.Name, Image: c.Image, Mounts: r.Mounts, Env: r.env(opt.Production), Command: c.Image == ""}
	args := r.Args
	if opt.Preview && r.Preview != nil {
		args, out.Mounts, out.Files = r.Preview.Args, r.Preview.Mounts, r.Preview.Files
	}
	if simulated && c.Name != platform {
		maps.Copy(out.Env, r.Simulated.Env)
		out.Certificate, out.Files, out.Names = r.Simulated.Certificate, r.Simulated.Files, slices.Clone(r.Simulated.Names)
		if r.Simulated.Cluster {
			out.Names = append(out.Names, hosts...)
		}
		if len(r.Simulated.Run) > 0 {
			args, out.Command = slices.Concat(r.Simulated.Run, args), true
		}
	}
	door := 0
	if id < len(r.Doors) {
		door = r.Doors[id]
	}
	expand := func(text string) string {
		return os.Expand(text, func(key string) string {
			value, ok := map[string]string{
				"NODE": node, "ID": strconv.Itoa(id), "DOOR": strconv.Itoa(door), "MEMORY": opt.Memory, "SEED": strconv.FormatUint(opt.Seed, 10),
			}[key]
			if !ok {
				return "$" + key // the shell's
			}
			return value
		})
	}
	for name, value := range out.Env {
		out.Env[name] = expand(value)
	}
	for _, arg := range args {
		out.Args = append(out.Args, expand(arg))
	}
	if c.Name == platform {
		out.Args = append(out.Args, opt.faults()...)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Secrets)) {
		secret := r.Secrets[name]
		out.Secrets = append(out.Secrets, Secret{Name: name, File: secret.File, Value: secret.Value})
		if secret.Name != "" && simulated && !slices.Contains(opt.Given, name) {
			out.Names = append(out.Names, secret.Name)
		}
	}
	for _, port := range c.Ports {
		if !port.UDP { // one UDP port would fail a whole tunnel
			out.Ports = append(out.Ports, port.Number)
		}
	}
	return out
}

// isBeside says whether something of this name runs beside a component.
func (f *file) isBeside(name string) bool {
	for _, r := range f.Containers {
		if r.Beside != nil && r.Beside.Name == name {
			return true
		}
	}
	return false
}

// needs are all components that one needs, directly or not.
func (f *file) needs(s *stack.Stack, c stack.Component) []string {
	all := []string{}
	for _, name := range slices.Concat(c.Needs, f.Containers[c.Name].Needs) {
		need, err := s.Component(name)
		if err != nil || slices.Contains(all, name) {
			continue
		}
		for _, n := range append(f.needs(s, need), name) {
			if !slices.Contains(all, n) {
				all = append(all, n)
			}
		}
	}
	return all
}
