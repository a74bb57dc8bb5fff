package elastic

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"syscall"

	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/stack"
)

// node is what elasticsearch.yml says that matters on one node.
type node struct {
	cluster, name string
	settings      map[string]string
}

// knownSettings are the node settings that are read or that have no meaning on one node without security; a pattern
// ends in *. Anything else is unknown, as it is to Elasticsearch, or not supported here.
var knownSettings = []string{
	"cluster.name", "node.name", "node.roles", "node.attr.*", "path.data", "path.logs", "path.repo", "network.host",
	"network.bind_host", "network.publish_host", "http.port", "http.host", "http.publish_host", "http.bind_host", "http.max_content_length",
	"http.compression", "http.cors.*", "transport.port", "transport.host", "transport.publish_host", "discovery.type",
	"discovery.seed_hosts", "discovery.seed_providers", "cluster.initial_master_nodes", "cluster.routing.*", "cluster.max_shards_per_node",
	"bootstrap.memory_lock", "action.auto_create_index", "action.destructive_requires_name", "gateway.*", "indices.fielddata.cache.size",
	"indices.breaker.*", "indices.memory.*", "indices.queries.cache.size", "indices.query.bool.max_clause_count",
	"indices.lifecycle.poll_interval", "indices.recovery.*", "ingest.geoip.downloader.enabled", "thread_pool.*", "search.max_buckets",
	"search.default_search_timeout", "xpack.license.self_generated.type", "xpack.ml.enabled", "xpack.watcher.enabled",
	"xpack.security.*", "xpack.monitoring.*", "logger.*", "stack.templates.enabled",
}

// wrongTypes are settings whose place in Elasticsearch is elsewhere.
func misplaced(key string) string {
	if strings.HasPrefix(key, "index.") {
		return "index level settings can not be set in the node's configuration: set them in an index template or with the update settings API"
	}
	return ""
}

func known(key string) bool {
	for _, k := range knownSettings {
		if k == key || strings.HasSuffix(k, "*") && strings.HasPrefix(key, strings.TrimSuffix(k, "*")) {
			return true
		}
	}
	return false
}

var placeholder = regexp.MustCompile(`\$\{([^}:]+)(?::([^}]*))?\}`)

// readNode reads an elasticsearch.yml; a setting that comes out empty counts as not set.
func readNode(file string, getenv func(string) (string, bool)) (node, error) {
	n := node{cluster: "elasticsearch", settings: map[string]string{}}
	n.name, _ = os.Hostname()
	if file == "" {
		return n, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return n, fmt.Errorf("read Elasticsearch's configuration: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		line := 1
		_, _ = fmt.Sscanf(err.Error(), "yaml: line %d:", &line)
		return n, &stack.FileError{File: file, Line: line, Msg: strings.TrimPrefix(err.Error(), "yaml: ")}
	}
	if len(doc.Content) == 0 {
		return n, nil
	}
	fail := func(at *yaml.Node, format string, args ...any) error {
		return &stack.FileError{File: file, Line: at.Line, Msg: fmt.Sprintf(format, args...)}
	}
	lines := map[string]*yaml.Node{}
	var walk func(prefix string, v *yaml.Node) error
	walk = func(prefix string, v *yaml.Node) error {
		switch v.Kind {
		case yaml.MappingNode:
			for i := 0; i+1 < len(v.Content); i += 2 {
				if err := walk(prefix+v.Content[i].Value+".", v.Content[i+1]); err != nil {
					return err
				}
			}
			return nil
		case yaml.SequenceNode:
			var items []string
			for _, item := range v.Content {
				items = append(items, item.Value)
			}
			return set(&n, lines, strings.TrimSuffix(prefix, "."), strings.Join(items, ","), v, getenv, fail)
		case yaml.ScalarNode:
			return set(&n, lines, strings.TrimSuffix(prefix, "."), v.Value, v, getenv, fail)
		}
		return fail(v, "a setting must be a value or a list")
	}
	if doc.Content[0].Kind != yaml.MappingNode {
		return n, fail(doc.Content[0], "the file must consist of settings, \"name: value\"")
	}
	if err := walk("", doc.Content[0]); err != nil {
		return n, err
	}
	keys := make([]string, 0, len(lines))
	for key := range lines {
		keys = append(keys, key)
	}
	sort.Slice(keys, func(i, j int) bool { return lines[keys[i]].Line < lines[keys[j]].Line })
	for _, key := range keys {
		if !known(key) {
			if hint := misplaced(key); hint != "" {
				return n, fail(lines[key], "node setting [%s]: %s", key, hint)
			}
			return n, fail(lines[key], "unknown setting [%s] please check that any required plugins are installed, or check the breaking changes documentation for removed settings", key)
		}
	}
	if v := n.settings["discovery.type"]; v != "" && v != "multi-node" && v != "single-node" {
		return n, fail(lines["discovery.type"], "Unknown discovery type [%s]: Elasticsearch has single-node and multi-node", v)
	}
	if v := n.settings["discovery.type"]; v == "single-node" && n.settings["cluster.initial_master_nodes"] != "" {
		return n, fail(lines["cluster.initial_master_nodes"], "setting [cluster.initial_master_nodes] is not allowed when [discovery.type] is set to [single-node]")
	}
	if v := n.settings["cluster.name"]; v != "" {
		n.cluster = v
	}
	if v := n.settings["node.name"]; v != "" {
		n.name = v
	}
	return n, nil
}

func set(n *node, lines map[string]*yaml.Node, key, value string, at *yaml.Node, getenv func(string) (string, bool), fail func(*yaml.Node, string, ...any) error) error {
	if _, twice := lines[key]; twice {
		return fail(at, "setting [%s] is set twice", key)
	}
	var missing string
	value = placeholder.ReplaceAllStringFunc(value, func(m string) string {
		parts := placeholder.FindStringSubmatch(m)
		if v, ok := getenv(parts[1]); ok {
			return v
		}
		if strings.Contains(m, ":") {
			return parts[2]
		}
		if parts[1] == "HOSTNAME" {
			h, err := os.Hostname()
			if err == nil {
				return h
			}
		}
		missing = parts[1]
		return ""
	})
	if missing != "" {
		return fail(at, "could not resolve placeholder '%s': set it in the environment, or give it a default, ${%s:…}", missing, missing)
	}
	lines[key] = at
	if value != "" {
		n.settings[key] = value
	}
	return nil
}

// lock makes sure that no other process uses the directory; the lock ends with the process.
func lock(dir string) (func(), error) {
	path := filepath.Join(dir, "node.lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("failed to obtain node lock on %s: is another node running with this data directory? %w", dir, err)
	}
	return func() { f.Close() }, nil
}
