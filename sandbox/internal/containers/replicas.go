package containers

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/stack"
)

// templateSetting is one of an index template, with its place.
type templateSetting struct {
	value, file string
	line        int
}

// checkReplicas holds the copies that index templates ask for against the nodes in production: no node keeps two copies of
// a shard, so that an index which wants as many replicas as there are nodes never becomes green.
func checkReplicas(s *stack.Stack, f *file) []error {
	c, err := s.Component("elasticsearch")
	if err != nil {
		return nil
	}
	nodes := len(f.Containers[c.Name].Production.Nodes)
	if nodes == 0 {
		return nil // how many there are is not known
	}
	const index, component = "/_index_template/", "/_component_template/"
	parts := map[string]map[string]templateSetting{}
	for _, setup := range c.Setup {
		if name, ok := strings.CutPrefix(setup.Put, component); ok {
			parts[name] = templateSettings(s.Path(setup.File), nil)
		}
	}
	var errs []error
	for _, setup := range c.Setup {
		if !strings.HasPrefix(setup.Put, index) {
			continue
		}
		found := templateSettings(s.Path(setup.File), parts)
		if expand := found["auto_expand_replicas"].value; expand != "" && expand != "false" {
			continue // as many as there is room for
		}
		replicas := found["number_of_replicas"]
		if n, err := strconv.Atoi(replicas.value); err == nil && n >= nodes {
			errs = append(errs, &stack.FileError{File: replicas.file, Line: replicas.line, Msg: fmt.Sprintf(
				"number_of_replicas is %d, and production has %d nodes (%s): there is room for %d beside the primary, and no index would ever be green", n, nodes, FileName, nodes-1)})
		}
	}
	return errs
}

// templateSettings are those of a template's indices: its own before those of the parts that it is composed of, of which
// the last counts. A file that cannot be read has none; that is said where it is put.
func templateSettings(file string, parts map[string]map[string]templateSetting) map[string]templateSetting {
	found := map[string]templateSetting{}
	var root yaml.Node // JSON is YAML
	if _, err := stack.DecodeFile(file, &root); err != nil {
		return found
	}
	for _, name := range stack.Child(root.Content[0], "composed_of").Content {
		maps.Copy(found, parts[name.Value])
	}
	flat(stack.Child(stack.Child(root.Content[0], "template"), "settings"), "", func(name string, value *yaml.Node) {
		found[strings.TrimPrefix(name, "index.")] = templateSetting{value.Value, file, value.Line}
	})
	return found
}

// flat calls fn for every setting by its whole name: Elasticsearch takes them nested, with dots, or both.
func flat(node *yaml.Node, prefix string, fn func(name string, value *yaml.Node)) {
	if node.Kind != yaml.MappingNode {
		fn(prefix, node)
		return
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		flat(node.Content[i+1], strings.TrimPrefix(prefix+"."+node.Content[i].Value, "."), fn)
	}
}
