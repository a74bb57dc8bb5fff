package containers

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/stack"
)

// listens are the settings that say where a program's server listens, of programs whose own file decides it; a host that
// stands first wins. A run without containers gives these servers addresses, and would never notice.
var listens = map[string]struct {
	hosts []string
	port  string
}{
	"elasticsearch": {[]string{"http.bind_host", "http.host", "network.bind_host", "network.host"}, "http.port"},
	"logstash":      {[]string{"api.http.host"}, "api.http.port"},
}

// clusters are the settings of Elasticsearch that name its nodes.
var clusters = []string{"discovery.seed_hosts", "cluster.initial_master_nodes"}

// numbers is what is meant as an address of numbers.
var numbers = regexp.MustCompile(`^\d+(\.\w*)+$`)

// setting is a value of a configuration file, and where it stands.
type setting struct {
	value string
	line  int
}

// expand fills in variables (${NAME:default}) as Elasticsearch and Logstash do.
func (s setting) expand(env map[string]string) string {
	return os.Expand(s.value, func(variable string) string {
		name, otherwise, _ := strings.Cut(variable, ":")
		if v, ok := env[name]; ok {
			return v
		}
		return otherwise
	})
}

// variable is the first of these that the value is made of.
func (s setting) variable(env map[string]string) (name string, ok bool) {
	_ = os.Expand(s.value, func(v string) string {
		if candidate, _, _ := strings.Cut(v, ":"); !ok {
			if _, ok = env[candidate]; ok {
				name = candidate
			}
		}
		return ""
	})
	return name, ok
}

// settings are the values of a file by their keys with dots between them; a list's are joined with commas.
func settings(file string) (map[string]setting, error) {
	var doc yaml.Node
	root, err := stack.DecodeFile(file, &doc)
	if err != nil {
		return nil, err
	}
	out := map[string]setting{}
	flat(root, "", func(key string, node *yaml.Node) {
		value := node.Value
		switch node.Kind {
		case yaml.AliasNode:
			return
		case yaml.SequenceNode:
			var items []string
			for _, child := range node.Content {
				items = append(items, child.Value)
			}
			value = strings.Join(items, ",")
		}
		out[key] = setting{value, node.Line}
	})
	return out, nil
}

// checkNodes holds what the files of Elasticsearch and Logstash say of their nodes against stack.yaml, which says where
// they are found, and against the nodes of the production topology.
func checkNodes(s *stack.Stack, f *file, root *yaml.Node) []error {
	var errs []error
	for i := range s.Components {
		c := &s.Components[i]
		r := f.Containers[c.Name]
		where, ok := listens[c.Name]
		if !ok || c.Image == "" || len(c.Config) == 0 {
			continue
		}
		file := s.Path(c.Config[0])
		set, err := settings(file)
		if err != nil {
			continue // the program's own to say, with its place
		}
		own := func(key string) stack.FileError { return stack.FileError{File: file, Line: max(1, set[key].line)} }
		// The images take settings from variables as well: Elasticsearch's by their names, Logstash's in capitals.
		given := func(key string, production bool) (string, stack.FileError) {
			env := r.env(production)
			from := func(name string) stack.FileError {
				keys := []string{"containers", c.Name, "env", name}
				if _, ok := r.Production.Env[name]; ok && production {
					keys = []string{"containers", c.Name, "production", "env", name}
				}
				return stack.FileError{File: s.Path(FileName), Line: lineOf(root, keys...)}
			}
			for _, name := range []string{key, strings.ToUpper(strings.ReplaceAll(key, ".", "_"))} {
				if v, ok := env[name]; ok {
					return v, from(name)
				}
			}
			if name, ok := set[key].variable(env); ok {
				return set[key].expand(env), from(name)
			}
			return set[key].expand(env), own(key)
		}
		errs = append(errs, checkListens(c, where.hosts, where.port, func(key string) (string, stack.FileError) { return given(key, false) })...)
		// A file that takes it from no variable is one of a cluster, and of that alone.
		if strings.Contains(set["discovery.type"].value, "${") {
			errs = append(errs, checkCluster(c, r, given)...)
		}
		for _, key := range clusters {
			at, ok := set[key]
			if !ok || len(r.Production.Nodes) == 0 {
				continue
			}
			if node, found := stranger(at.expand(nil), r.Production.Nodes); found {
				errs = append(errs, say(own(key), "%s: %s is no node: %s has %s", key, node, FileName, strings.Join(r.Production.Nodes, ", ")))
			}
			if name, ok := at.variable(r.Env); ok {
				if node, found := stranger(at.expand(r.Env), []string{c.Name, "${NODE}"}); found {
					at := stack.FileError{File: s.Path(FileName), Line: lineOf(root, "containers", c.Name, "env", name)}
					errs = append(errs, say(at, "container %q: %s, for %s: %s is no node; a node by itself knows none but %s", c.Name, name, key, node, c.Name))
				}
			}
			name, ok := at.variable(r.Production.Env)
			if node, found := stranger(at.expand(r.Production.Env), r.Production.Nodes); found && ok {
				at := stack.FileError{File: s.Path(FileName), Line: lineOf(root, "containers", c.Name, "production", "env", name)}
				errs = append(errs, say(at, "container %q: %s, for %s: %s is none of its nodes, %s", c.Name, name, key, node, strings.Join(r.Production.Nodes, ", ")))
			}
		}
	}
	return errs
}

// checkCluster says whether Elasticsearch would become a cluster: a node by itself says that it is alone, and several
// nodes do not.
func checkCluster(c *stack.Component, r recipe, given func(key string, production bool) (string, stack.FileError)) []error {
	const discovery, masters = "discovery.type", "cluster.initial_master_nodes"
	var errs []error
	alone, at := given(discovery, false)
	first, where := given(masters, false)
	switch first = strings.NewReplacer("${NODE}", c.Name).Replace(first); {
	case alone == "single-node" && first != "":
		errs = append(errs, say(where, "%s: %s, and %s is single-node: Elasticsearch refuses both; leave it empty for a node by itself", masters, first, discovery))
	case alone != "single-node" && !slices.Contains(strings.Split(first, ","), c.Name):
		errs = append(errs, say(at, "%s is %q: a node by itself would wait for others for ever; in its container it must be single-node", discovery, alone))
	}
	if len(r.Production.Nodes) < 2 {
		return errs
	}
	providers, _ := given("discovery.seed_providers", true)
	if names, at := given("discovery.seed_hosts", true); names == "" && providers == "" {
		errs = append(errs, say(at, "discovery.seed_hosts is empty in production: %d nodes that know nothing of each other become no cluster", len(r.Production.Nodes)))
	}
	if together, at := given(discovery, true); together == "single-node" {
		errs = append(errs, say(at, "%s is single-node in production: each of %d nodes would be a cluster of its own", discovery, len(r.Production.Nodes)))
	}
	return errs
}

func say(at stack.FileError, format string, args ...any) error {
	at.Msg = fmt.Sprintf(format, args...)
	return &at
}

// checkListens says whether others reach a server at the component's ports; given is a setting's value, and where it stands.
func checkListens(c *stack.Component, hosts []string, port string, given func(key string) (string, stack.FileError)) []error {
	var errs []error
	key := hosts[len(hosts)-1]
	for _, candidate := range hosts {
		if v, _ := given(candidate); v != "" {
			key = candidate
			break
		}
	}
	host, at := given(key)
	switch ip := net.ParseIP(strings.Trim(host, "[]")); {
	case host == "":
		errs = append(errs, say(at, "%s is not set: %s would listen on its container's loopback, where no other reaches it; 0.0.0.0 listens everywhere", key, c.Name))
	case ip == nil && numbers.MatchString(host):
		errs = append(errs, say(at, "%s: %s is no address; 0.0.0.0 listens everywhere", key, host))
	case ip != nil && ip.IsLoopback(), host == "localhost", host == "_local_":
		errs = append(errs, say(at, "%s: %s is the container's own loopback, where no other reaches %s; 0.0.0.0 listens everywhere", key, host, c.Name))
	}
	value, at := given(port)
	first, _, _ := strings.Cut(value, "-") // of a range, a server that is alone takes the first
	if number, err := strconv.Atoi(first); value != "" && (err != nil || !slices.ContainsFunc(c.Ports, func(p stack.Port) bool { return p.Number == number })) {
		errs = append(errs, say(at, "%s: %s is no port of %s in %s", port, value, c.Name, stack.FileName))
	}
	return errs
}

// stranger is the first of names, with commas between them, that is no node.
func stranger(names string, nodes []string) (string, bool) {
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimSpace(name)
		host := name
		if h, _, err := net.SplitHostPort(name); err == nil {
			host = h
		}
		if host != "" && !slices.Contains(nodes, host) {
			return name, true
		}
	}
	return "", false
}
