package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"obsandbox/sandbox/internal/containers"
	"obsandbox/sandbox/internal/front"
	"obsandbox/sandbox/internal/platform"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/stack"
)

// containersCmd plans the stack in containers, for whoever starts them.
type containersCmd struct {
	stackFlag
	Only     []string `placeholder:"NAME,…" help:"These components only."`
	Without  []string `placeholder:"NAME,…" help:"All components but these."`
	Topology string   `enum:"single,production" default:"single" help:"The nodes that a component has."`
	Memory   string   `default:"512m" help:"The heap of each Java program, as Java writes it."`
	Seed     uint64   `default:"1" help:"Seed of the simulated platform."`
	Fault    []string `placeholder:"NAME[:SERVICE],…" help:"Broken in the platform from the start on."`
	Preview  bool     `help:"What pictures of dashboards need, without anything that fills it."`
	Given    []string `placeholder:"NAME,…" help:"Secrets that the user gives; their receivers are not simulated."`
}

func (c *containersCmd) Run(con *console) error {
	s, err := c.load()
	if err != nil {
		return err
	}
	p, err := containers.New(s, containers.Options{
		Only: c.Only, Without: c.Without, Production: c.Topology == "production", Memory: c.Memory, Seed: c.Seed, Faults: c.Fault, Preview: c.Preview, Given: c.Given,
	})
	if err != nil {
		return err
	}
	if len(c.Fault) > 0 { // before anything starts
		if err := platform.Check(platform.Config{StackDir: s.Dir, Faults: c.Fault}); err != nil {
			return err
		}
	}
	p.Addresses.StackDir = s.Dir
	return json.NewEncoder(con.out).Encode(p)
}

// kindsCmd lists the kinds of test and what each of them reads, so that a run can be saved where nothing of it has changed.
type kindsCmd struct{ stackFlag }

// kindReads is a kind of test and what it reads below the repository: directories end with a slash. Named are the files
// that stack.yaml names and the kind does not read: they have to be there, whatever is in them.
type kindReads struct {
	Name  string   `json:"name"`
	Reads []string `json:"reads"`
	Named []string `json:"named"`
}

func (c *kindsCmd) Run(con *console) error {
	s, err := c.load()
	if err != nil {
		return err
	}
	all := []kindReads{}
	for _, k := range kinds() {
		reads, err := reads(s, k.name)
		if err != nil {
			return err
		}
		all = append(all, kindReads{k.name, reads, unread(s, reads)})
	}
	return json.NewEncoder(con.out).Encode(all)
}

// unread are the files that stack.yaml names and that are none of those that are read.
func unread(s *stack.Stack, reads []string) []string {
	all := []string{}
	for _, c := range s.Components {
		for _, name := range c.Config {
			path := filepath.Base(s.Dir) + "/" + name
			if !slices.ContainsFunc(reads, func(read string) bool {
				return read == path || strings.HasSuffix(read, "/") && strings.HasPrefix(path, read)
			}) {
				all = append(all, path)
			}
		}
	}
	return all
}

// reads is all of the repository that a kind may read; of stack/grafana, and of tests/, what it has to do with.
func reads(s *stack.Stack, kind string) ([]string, error) {
	prefixes := touched(kind)
	concerned := func(path string) bool {
		return len(prefixes) == 0 || slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(path, p) || strings.HasPrefix(p, path) })
	}
	all := []string{"go.mod", "go.sum", "tools/"}
	for _, dir := range []string{filepath.Base(s.Dir), "tests"} {
		entries, err := os.ReadDir(filepath.Join(s.Root(), dir))
		if err != nil && !os.IsNotExist(err) {
			return nil, fmt.Errorf("list what the tests read: %w", err)
		}
		for _, e := range entries {
			path := dir + "/" + e.Name()
			if e.IsDir() {
				path += "/"
			}
			switch {
			case path == "stack/grafana/" && !concerned(path):
				path += "provisioning/"
			case dir == "tests" && e.IsDir() && !concerned(path):
				continue
			}
			all = append(all, path)
		}
	}
	return all, nil
}

// judgeCmd runs a program as one check, and writes what came of it as a report: a container of the program's own image
// takes part in the tests so.
type judgeCmd struct {
	Suite   string   `required:"" help:"The suite of the check."`
	Name    string   `required:"" help:"The name of the check."`
	Program []string `arg:"" passthrough:"" help:"The program and its arguments; exit code 0 is a pass."`
	formatFlag
}

func (c *judgeCmd) Run(ctx context.Context, con *console) error {
	program := c.Program
	if program[0] == "--" {
		program = program[1:]
	}
	var text bytes.Buffer
	began := time.Now()
	cmd := exec.CommandContext(ctx, program[0], program[1:]...)
	cmd.Stdout, cmd.Stderr = &text, &text
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	res := report.Result{Suite: c.Suite, Name: c.Name, Status: report.Pass, Duration: time.Since(began)}
	if err != nil {
		res.Status, res.Detail = report.Fail, fmt.Sprintf("%v\n%s", err, strings.TrimSpace(text.String()))
	}
	r := &report.Report{Results: []report.Result{res}}
	if err := c.write(con, r, false); err != nil {
		return err
	}
	return verdict(r)
}

// podCmd is the platform in a container of its own. Other containers find its ports at this one's address, and the hosts
// of the simulated cluster under their names, which lead here; the platform itself is on loopback behind that.
type podCmd struct {
	stackFlag
	Certificates string   `required:"" type:"path" placeholder:"DIR" help:"cert.pem and key.pem of the servers that are stood in for."`
	Seed         uint64   `default:"1" help:"The same seed, the same world."`
	Fault        []string `sep:"none" placeholder:"NAME[:SERVICE]" help:"Broken from the start on."`
}

// stoodIn are the services on the internet that the platform stands in for, at the port of HTTPS.
const (
	stoodIn   = "events.pagerduty.com"
	httpsPort = 443
)

func (c *podCmd) Run(ctx context.Context) error {
	s, err := c.load()
	if err != nil {
		return err
	}
	own, err := front.OwnAddress()
	if err != nil {
		return err
	}
	_, targets, err := containers.Targets(s)
	if err != nil {
		return err
	}
	var ports []int
	for _, text := range targets {
		port, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("serve the hosts of the cluster at port %q: %w", text, err)
		}
		ports = append(ports, port)
	}
	port := func(component, name string) int {
		found, err := s.Component(component)
		p, _ := found.Port(name)
		if err != nil {
			return 0
		}
		return p.Number
	}
	at := func(host, component, name string) string {
		return net.JoinHostPort(host, strconv.Itoa(port(component, name)))
	}
	local := func(name string) string { return at("127.0.0.1", "platform", name) }
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return platform.Run(ctx, platform.Config{
			StackDir: s.Dir, API: local("api"), Proxy: local("proxy"), Kubernetes: local("kubernetes"), Seed: c.Seed, Faults: c.Fault, LogRate: platform.UsualLogRate, TraceRate: platform.UsualTraceRate,
			Kafka: at("kafka", "kafka", "broker"), OTLP: "http://" + at("jaeger", "jaeger", "otlp-http"),
		}, serveLog())
	})
	g.Go(func() error {
		return front.Serve(ctx, own, []front.Forward{{Port: port("platform", "api"), To: local("api")}}, serveLog(), nil)
	})
	g.Go(func() error {
		return front.ServeCluster(ctx, front.ClusterConfig{
			Address: own, Proxy: local("proxy"), Kubernetes: local("kubernetes"), Hosts: ports,
			ListenProxy: port("platform", "proxy"), ListenKubernetes: port("platform", "kubernetes"), TLS: httpsPort,
			CertFile: filepath.Join(c.Certificates, "cert.pem"), KeyFile: filepath.Join(c.Certificates, "key.pem"),
			Names: map[string]string{stoodIn: local("api")},
		}, serveLog())
	})
	return g.Wait()
}
