package stack

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

func (s *Stack) renderJaeger(e *editor, run RunContext) ([]Rendered, error) {
	c, err := s.Component("jaeger")
	if err != nil {
		return nil, err
	}
	listening := map[string]bool{} // names of ports
	// Every endpoint moves to loopback, and to the port that this run has for it.
	var endpoints func(node *yaml.Node) error
	endpoints = func(node *yaml.Node) error {
		for i, child := range node.Content {
			isValue := node.Kind == yaml.MappingNode && i%2 == 1
			if isValue && node.Content[i-1].Value == "endpoint" && child.Kind == yaml.ScalarNode {
				host, port, err := net.SplitHostPort(child.Value)
				if err != nil {
					return e.fail(child, "endpoint %q is no host:port", child.Value)
				}
				if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
					return e.fail(child, "endpoint %s is Jaeger's own loopback, where no other reaches it; 0.0.0.0:%s listens everywhere", child.Value, port)
				}
				j := slices.IndexFunc(c.Ports, func(p Port) bool { return strconv.Itoa(p.Number) == port })
				if j < 0 {
					return e.fail(child, "port %s of jaeger is not in %s: list it there", port, s.Path(FileName))
				}
				listening[c.Ports[j].Name] = true
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
	if err := checkUsed(e); err != nil {
		return nil, err
	}
	if err := checkProtocols(e); err != nil {
		return nil, err
	}
	for _, p := range c.Ports {
		if at := mapValue(e.root, "extensions"); at != nil && !listening[p.Name] {
			return nil, e.fail(at, "no endpoint has port %d (%s of jaeger in %s), and its default is Jaeger's own loopback, where no other reaches it", p.Number, p.Name, FileName)
		}
	}
	if err := checkHealth(e); err != nil {
		return nil, err
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
				if err := s.checkStorage(e, backend.Content[0].Value, backend.Content[1]); err != nil {
					return nil, err
				}
				e.replaceEntry(backend.Content[0], backend.Content[1], storage)
			}
		}
	}
	return nil, nil
}

// checkUsed says which extension would not be started: that one is described is not enough.
func checkUsed(e *editor) error {
	extensions, used := mapValue(e.root, "extensions"), map[string]bool{}
	_ = each(mapValue(mapValue(e.root, "service"), "extensions"), func(n *yaml.Node) error {
		used[n.Value] = true
		return nil
	})
	for i := 0; extensions != nil && i+1 < len(extensions.Content); i += 2 {
		if key := extensions.Content[i]; !used[key.Value] {
			return e.fail(key, "extension %s is not among service.extensions: Jaeger does not start it", key.Value)
		}
	}
	return nil
}

// checkProtocols says which of the receivers' protocols has no endpoint: its default is loopback, in a container and
// here, at a port that this run has not chosen.
func checkProtocols(e *editor) error {
	receivers := mapValue(e.root, "receivers")
	if receivers == nil {
		return nil
	}
	for i := 1; i < len(receivers.Content); i += 2 {
		protocols := mapValue(receivers.Content[i], "protocols")
		for j := 0; protocols != nil && j+1 < len(protocols.Content); j += 2 {
			if key := protocols.Content[j]; mapValue(protocols.Content[j+1], "endpoint") == nil {
				return e.fail(key, "receiver %s: protocol %s has no endpoint, and its default is Jaeger's own loopback, where no other reaches it: write endpoint: 0.0.0.0:PORT",
					receivers.Content[i-1].Value, key.Value)
			}
		}
	}
	return nil
}

// checkHealth says where Jaeger's health is not to be found: by its first version, which is the default, the extension reads
// none of what the second is told and listens elsewhere.
func checkHealth(e *editor) error {
	extensions := mapValue(e.root, "extensions")
	if extensions == nil {
		return nil
	}
	for i := 0; i+1 < len(extensions.Content); i += 2 {
		key, value := extensions.Content[i], extensions.Content[i+1]
		if kind, _, _ := strings.Cut(key.Value, "/"); kind != "healthcheckv2" || mapValue(value, "http") == nil {
			continue
		}
		switch v2 := mapValue(value, "use_v2"); {
		case v2 == nil:
			return e.fail(key, "%s has no use_v2: true, without which it does not read http", key.Value)
		case v2.Value != "true":
			return e.fail(v2, "use_v2 is %s, and %s reads http only where it is true", v2.Value, key.Value)
		}
	}
	return nil
}

// checkStorage says what is wrong with the storage that is not used here: where it would lead nowhere, and what Jaeger
// takes without a word.
func (s *Stack) checkStorage(e *editor, kind string, backend *yaml.Node) error {
	err := each(mapValue(backend, "server_urls"), func(n *yaml.Node) error {
		to, err := url.Parse(n.Value)
		if err != nil || to.Host == "" {
			return e.fail(n, "%q is no URL", n.Value)
		}
		_, _, err = s.leadsTo(e, n, to.Host)
		return err
	})
	if err != nil || kind == "cassandra" {
		return err
	}
	indices := mapValue(backend, "indices")
	if indices == nil {
		return nil
	}
	if n := mapValue(indices, "index_prefix"); n != nil && n.Value != strings.ToLower(n.Value) {
		return e.fail(n, "index_prefix is %q, and an index's name has no upper-case letters", n.Value)
	}
	for i := 0; i+1 < len(indices.Content); i += 2 {
		if err := checkIndices(e, indices.Content[i].Value, indices.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// checkIndices judges one kind of Jaeger's indices (spans, services, dependencies, sampling).
func checkIndices(e *editor, kind string, node *yaml.Node) error {
	step := 24 * time.Hour
	if n := mapValue(node, "rollover_frequency"); n != nil {
		switch n.Value {
		case "day":
		case "hour":
			step = time.Hour
		default: // taken for day
			return e.fail(n, "rollover_frequency of %s is %q, expected day or hour", kind, n.Value)
		}
	}
	if n := mapValue(node, "date_layout"); n != nil {
		// As Jaeger names an index after a span's time: two indices that follow each other have two names.
		at := time.Date(2026, 1, 10, 22, 0, 0, 0, time.UTC)
		name := at.Format(n.Value)
		if name == at.Add(step).Format(n.Value) || name == at.AddDate(0, 1, 0).Format(n.Value) || name == at.AddDate(1, 0, 0).Format(n.Value) {
			return e.fail(n, "date_layout of %s is %q, which gives indices of different times the name %s: write a Go time, as 2006-01-02 for days", kind, n.Value, name)
		}
		if name != strings.ToLower(name) {
			return e.fail(n, "date_layout of %s is %q, and an index's name has no upper-case letters", kind, n.Value)
		}
	}
	for least, key := range []string{"replicas", "shards"} {
		n := mapValue(node, key)
		if n == nil {
			continue
		}
		if count, err := strconv.Atoi(n.Value); err == nil && count < least {
			return e.fail(n, "%s of %s is %d, expected at least %d", key, kind, count, least)
		}
	}
	return nil
}
