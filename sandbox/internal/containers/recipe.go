package containers

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/stack"
)

// judged is a container that is looked at, with what it takes to say what is wrong with it.
type judged struct {
	stack *stack.Stack
	file  *file
	root  *yaml.Node
	name  string
	errs  []error
}

func (j *judged) fail(keys []string, format string, args ...any) {
	j.errs = append(j.errs, &stack.FileError{
		File: j.stack.Path(FileName), Line: lineOf(j.root, append([]string{"containers", j.name}, keys...)...),
		Msg: fmt.Sprintf("container %q: ", j.name) + fmt.Sprintf(format, args...),
	})
}

// checkRecipes says what of the containers' recipes leads nowhere, or says nothing.
func checkRecipes(s *stack.Stack, f *file, root *yaml.Node) []error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(f.Containers)) {
		j, r := &judged{stack: s, file: f, root: root, name: name}, f.Containers[name]
		j.words(r)
		j.config(r)
		j.urls(r)
		j.secrets(r)
		j.production(r)
		errs = append(errs, j.errs...)
	}
	return errs
}

// words are command lines: an empty one among them is an argument that the program does not expect.
func (j *judged) words(r recipe) {
	empty := func(list []string, keys ...string) {
		if slices.Contains(list, "") {
			j.fail(keys, "an empty argument stands among %s", strings.Join(list, " "))
		}
	}
	empty(r.Args, "args")
	empty(r.Simulated.Run, "simulated", "run")
	if r.Preview != nil {
		empty(r.Preview.Args, "preview", "args")
	}
	for _, c := range r.Checks {
		empty(c.Run, "checks")
		if c.Name == "" || len(c.Run) == 0 {
			j.fail([]string{"checks"}, "a check needs a name, and a command to run")
		}
	}
}

// config is the file that the program is started with: a run without containers takes the component's first one.
func (j *judged) config(r recipe) {
	c, err := j.stack.Component(j.name)
	if err != nil || len(c.Config) == 0 {
		return
	}
	for _, arg := range r.Args {
		flag, file, ok := strings.Cut(arg, "=")
		if name := strings.TrimLeft(flag, "-"); !ok || name != "config.file" && name != "config" {
			continue
		}
		for from, to := range r.Mounts {
			rest, below := strings.CutPrefix(file, to+"/")
			if at := path.Join(from, rest); below && at != c.Config[0] {
				j.errs = append(j.errs, &stack.FileError{
					File: j.stack.Path(stack.FileName), Line: c.Line,
					Msg: fmt.Sprintf("component %q: %s is the first file of its config, and its container is started with %s (%s)", c.Name, c.Config[0], at, FileName),
				})
			}
		}
	}
}

var anyURL = regexp.MustCompile(`https?://[^\s"']+`)

// urls lead from one container to another: names without a dot are those of components and of what runs beside them.
func (j *judged) urls(r recipe) {
	look := func(text string, keys ...string) {
		for _, found := range anyURL.FindAllString(text, -1) {
			u, err := url.Parse(found)
			if err != nil || strings.ContainsAny(u.Hostname(), ".$") || u.Hostname() == "localhost" {
				continue
			}
			if ports, known := j.file.portsOf(j.stack, u.Hostname()); !known {
				j.fail(keys, "%s: no container is called %s", found, u.Hostname())
			} else if port := cmp.Or(u.Port(), "80"); !slices.Contains(ports, port) {
				j.fail(keys, "%s: %s has no port %s", found, u.Hostname(), port)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Env)) {
		look(r.Env[name], "env", name)
	}
	for _, c := range r.Checks {
		look(strings.Join(c.Run, " "), "checks")
	}
	for _, name := range slices.Sorted(maps.Keys(r.Secrets)) {
		look(r.Secrets[name].Value, "secrets", name)
	}
}

// portsOf are the ports at which others find a container, and whether there is one of that name.
func (f *file) portsOf(s *stack.Stack, host string) (ports []string, known bool) {
	if c, err := s.Component(host); err == nil {
		for _, p := range c.Ports {
			ports = append(ports, strconv.Itoa(p.Number))
		}
		return ports, true
	}
	for name, r := range f.Containers {
		if r.Beside != nil && r.Beside.Name == host {
			return []string{strconv.Itoa(r.Beside.Port)}, true
		}
		if slices.Contains(r.Production.Nodes, host) && name != host {
			return f.portsOf(s, name)
		}
	}
	return nil, false
}

func (j *judged) secrets(r recipe) {
	for _, name := range slices.Sorted(maps.Keys(r.Secrets)) {
		if s := r.Secrets[name]; s.File == "" || s.Value == "" {
			j.fail([]string{"secrets", name}, "secret %s needs a file, and a value for runs where the user gives none", name)
		}
	}
}

// replication are the variables that say how many brokers keep each of Kafka's own topics.
var replication = regexp.MustCompile(`^KAFKA_.*REPLICATION_FACTOR$`)

// production is the topology of several nodes: what is kept by one of them only is lost with it.
func (j *judged) production(r recipe) {
	nodes := len(r.Production.Nodes)
	if nodes == 0 {
		if len(r.Production.Env) > 0 {
			j.fail([]string{"production"}, "production has variables and no nodes: name them, or take it out")
		}
		return
	}
	env := r.env(true)
	for _, name := range slices.Sorted(maps.Keys(env)) {
		copies, err := strconv.Atoi(env[name])
		if !replication.MatchString(name) {
			continue
		}
		keys := []string{"production", "env", name}
		switch {
		case err != nil:
			j.fail(keys, "%s is %q, expected a number", name, env[name])
		case copies > nodes:
			j.fail(keys, "%s is %d, and there are %d nodes: Kafka makes no such topic", name, copies, nodes)
		case copies < 2 && nodes > 1:
			j.fail(keys, "%s is %d in production: what one of %d nodes keeps alone is lost with it", name, copies, nodes)
		}
	}
}

// checkTopics holds what topics ask of the brokers against how many there are in production: a topic that wants more of
// them to have a message than there are takes none.
func checkTopics(s *stack.Stack, f *file) []error {
	c, err := s.Component("kafka")
	if err != nil || len(c.Config) == 0 {
		return nil
	}
	topics, err := stack.LoadTopics(s.Path(c.Config[0]))
	if err != nil {
		return nil // said where topics are read
	}
	nodes := len(f.Containers[c.Name].Production.Nodes)
	if nodes == 0 {
		return nil // how many there are is not known
	}
	var errs []error
	for _, t := range topics {
		if n, err := strconv.Atoi(t.Config["min.insync.replicas"]); err == nil && n > nodes {
			errs = append(errs, &stack.FileError{File: s.Path(c.Config[0]), Line: t.Line, Msg: fmt.Sprintf(
				"topic %q: min.insync.replicas is %d, and production has %d brokers (%s): whoever waits for acknowledgements could write nothing", t.Name, n, nodes, FileName)})
		}
	}
	return errs
}
