package stack

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"
)

func (s *Stack) renderJaeger(e *editor, run RunContext) ([]Rendered, error) {
	c, err := s.Component("jaeger")
	if err != nil {
		return nil, err
	}
	// Every endpoint moves to loopback, and to the port that this run has for it.
	var endpoints func(node *yaml.Node) error
	endpoints = func(node *yaml.Node) error {
		for i, child := range node.Content {
			isValue := node.Kind == yaml.MappingNode && i%2 == 1
			if isValue && node.Content[i-1].Value == "endpoint" && child.Kind == yaml.ScalarNode {
				_, port, err := net.SplitHostPort(child.Value)
				if err != nil {
					return e.fail(child, "endpoint %q is no host:port", child.Value)
				}
				j := slices.IndexFunc(c.Ports, func(p Port) bool { return strconv.Itoa(p.Number) == port })
				if j < 0 {
					return e.fail(child, "port %s of jaeger is not in %s: list it there", port, s.Path(FileName))
				}
				if err := e.replace(child, run.Addresses.Of("jaeger", c.Ports[j].Name)); err != nil {
					return err
				}
			} else if err := endpoints(child); err != nil {
				return err
			}
		}
		return nil
	}
	for _, section := range []string{"receivers", "extensions"} {
		if node := mapValue(e.root, section); node != nil {
			if err := endpoints(node); err != nil {
				return nil, err
			}
		}
	}
	// The log store is no Elasticsearch to Jaeger: spans live in memory, or on disk where state is kept.
	backends := mapValue(mapValue(mapValue(e.root, "extensions"), "jaeger_storage"), "backends")
	if backends == nil {
		return nil, e.fail(e.root, "no extensions.jaeger_storage.backends: Jaeger has nowhere to write spans")
	}
	storage := "memory:\n  max_traces: 50000\n"
	if run.Keep {
		dir := filepath.Join(run.Dir, "data", "jaeger")
		storage = fmt.Sprintf("badger:\n  ephemeral: false\n  directories:\n    keys: %s\n    values: %s\n",
			quote(filepath.Join(dir, "keys")), quote(filepath.Join(dir, "values")))
	}
	for i := 1; i < len(backends.Content); i += 2 {
		backend := backends.Content[i]
		if backend.Kind == yaml.MappingNode && len(backend.Content) == 2 && backend.Style&yaml.FlowStyle == 0 {
			switch backend.Content[0].Value {
			case "elasticsearch", "opensearch", "cassandra":
				if err := s.checkStorage(e, backend.Content[1]); err != nil {
					return nil, err
				}
				e.replaceEntry(backend.Content[0], backend.Content[1], storage)
			}
		}
	}
	return nil, nil
}

// checkStorage says where the storage that is not used here would lead nowhere.
func (s *Stack) checkStorage(e *editor, backend *yaml.Node) error {
	return each(mapValue(backend, "server_urls"), func(n *yaml.Node) error {
		to, err := url.Parse(n.Value)
		if err != nil || to.Host == "" {
			return e.fail(n, "%q is no URL", n.Value)
		}
		_, _, err = s.leadsTo(e, n, to.Host)
		return err
	})
}
