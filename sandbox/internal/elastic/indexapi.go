package elastic

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"obsandbox/sandbox/internal/elastic/cluster"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
)

var everything = cluster.Options{Open: true, Closed: true, AllowNone: true}

func (s *server) indexRoutes() {
	s.on("PUT /{index}", masterParams+"wait_for_active_shards", (*request).createIndex)
	s.on("GET /{index}", expandParams+masterParams+"flat_settings include_defaults local features", (*request).getIndex)
	s.on("DELETE /{index}", expandParams+masterParams, (*request).deleteIndex)
	mappings := expandParams + masterParams + "local write_index_only"
	s.on("GET /_mapping", mappings, (*request).getMapping)
	s.on("GET /{index}/_mapping", mappings, (*request).getMapping)
	s.on("PUT,POST /{index}/_mapping", mappings, (*request).putMapping)
	s.on("GET /{index}/_mapping/field/{fields}", mappings+" include_defaults", (*request).getFieldMapping)
	settings := expandParams + masterParams + "flat_settings include_defaults local preserve_existing reopen"
	s.on("GET /_settings", settings, (*request).getSettings)
	s.on("GET /{index}/_settings", settings, (*request).getSettings)
	s.on("GET /{index}/_settings/{name}", settings, (*request).getSettings)
	s.on("PUT /_settings", settings, (*request).putSettings)
	s.on("PUT /{index}/_settings", settings, (*request).putSettings)
	refresh := expandParams + "force"
	for _, m := range []string{"GET", "POST"} {
		s.on(m+" /_refresh", refresh, (*request).refresh)
		s.on(m+" /{index}/_refresh", refresh, (*request).refresh)
		s.on(m+" /_flush", refresh+" wait_if_ongoing", (*request).flush)
		s.on(m+" /{index}/_flush", refresh+" wait_if_ongoing", (*request).flush)
	}
	merge := expandParams + "max_num_segments only_expunge_deletes flush wait_for_completion"
	s.on("POST /_forcemerge", merge, (*request).forceMerge)
	s.on("POST /{index}/_forcemerge", merge, (*request).forceMerge)
	cache := expandParams + "fielddata fields query request"
	s.on("POST /_cache/clear", cache, (*request).clearCache)
	s.on("POST /{index}/_cache/clear", cache, (*request).clearCache)
	open := expandParams + masterParams + "wait_for_active_shards"
	s.on("POST /{index}/_open", open, func(r *request) (any, error) { return r.setClosed(false) })
	s.on("POST /{index}/_close", open, func(r *request) (any, error) { return r.setClosed(true) })
	s.aliasRoutes()
}

// shardsOf is the _shards of an operation over indices.
func shardsOf(list []cluster.Resolved) map[string]any {
	n := 0
	for _, r := range list {
		n += r.Index.Shards()
	}
	return map[string]any{"total": n, "successful": n, "failed": 0}
}

func acknowledged() map[string]any { return map[string]any{"acknowledged": true} }

// resolve is the list of indices in the path; none in the path are all.
func (r *request) resolve(def cluster.Options) ([]cluster.Resolved, error) {
	o, err := r.expand(def)
	if err != nil {
		return nil, err
	}
	return r.s.c.Resolve(r.vars["index"], o)
}

func indicesOf(list []cluster.Resolved) []*cluster.Index {
	out := make([]*cluster.Index, len(list))
	for i, r := range list {
		out[i] = r.Index
	}
	return out
}

// parseBody reads what an index or a template is made of.
func parseBody(m map[string]any, allowed string) (cluster.Body, error) {
	var b cluster.Body
	for _, key := range slices.Sorted(maps.Keys(m)) {
		obj, ok := m[key].(map[string]any)
		if !strings.Contains(" settings mappings aliases "+allowed+" ", " "+key+" ") {
			return b, eserr.New(400, "parse_exception", "unknown key [%s] for create index", key)
		}
		if !ok && m[key] != nil {
			return b, eserr.New(400, "parse_exception", "key [%s] must be an object", key)
		}
		switch key {
		case "settings":
			b.Settings = obj
		case "mappings":
			b.Mappings = obj
		case "aliases":
			b.Aliases = obj
		}
	}
	return b, nil
}

func (r *request) createIndex() (any, error) {
	var m map[string]any
	var err error
	if len(r.body) > 0 {
		if m, err = r.object(); err != nil {
			return nil, err
		}
	}
	body, err := parseBody(m, "")
	if err != nil {
		return nil, err
	}
	idx, err := r.s.c.Create(r.vars["index"], body)
	if err != nil {
		return nil, err
	}
	return map[string]any{"acknowledged": true, "shards_acknowledged": true, "index": idx.Name}, nil
}

func (r *request) getIndex() (any, error) {
	list, err := r.resolve(everything)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for _, res := range list {
		idx := res.Index
		obj := map[string]any{"aliases": aliasesOf(idx, nil), "mappings": idx.Shard.Mapping().JSON(), "settings": r.settingsOf(idx, "")}
		if idx.Stream != "" {
			obj["data_stream"] = idx.Stream
		}
		out[idx.Name] = obj
	}
	if len(out) == 0 && r.http.Method == "HEAD" {
		return reply{status: 404, text: " "}, nil
	}
	return out, nil
}

func (r *request) deleteIndex() (any, error) {
	o, err := r.expand(everything)
	if err != nil {
		return nil, err
	}
	for _, name := range strings.Split(r.vars["index"], ",") {
		for _, idx := range r.s.c.Aliased(name) {
			return nil, eserr.Illegal("The provided expression [%s] matches an alias, specify the corresponding concrete indices instead.", name).With("index", idx.Name)
		}
		if len(r.s.c.Streams(name)) > 0 && !strings.Contains(name, "*") {
			return nil, eserr.Illegal("The provided expression [%s] matches a data stream, specify the corresponding concrete indices instead.", name)
		}
		if name == "_all" || name == "*" {
			return nil, eserr.Illegal("Wildcard expressions or all indices are not allowed")
		}
		if strings.Contains(name, "*") && !strings.HasPrefix(name, "-") {
			return nil, eserr.Illegal("Wildcard expressions or all indices are not allowed")
		}
	}
	list, err := r.s.c.Resolve(r.vars["index"], o)
	if err != nil {
		return nil, err
	}
	if err := r.s.c.Delete(indicesOf(list)); err != nil {
		return nil, err
	}
	return acknowledged(), nil
}

func (r *request) getMapping() (any, error) {
	list, err := r.resolve(everything)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for _, res := range list {
		out[res.Index.Name] = map[string]any{"mappings": res.Index.Shard.Mapping().JSON()}
	}
	return out, nil
}

func (r *request) putMapping() (any, error) {
	list, err := r.resolve(cluster.Options{Open: true, Closed: true})
	if err != nil {
		return nil, err
	}
	m, err := r.object()
	if err != nil {
		return nil, err
	}
	if err := r.s.c.PutMapping(indicesOf(list), m); err != nil {
		return nil, err
	}
	return acknowledged(), nil
}

func (r *request) getFieldMapping() (any, error) {
	list, err := r.resolve(everything)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for _, res := range list {
		fields := map[string]any{}
		m := res.Index.Shard.Mapping()
		for _, pattern := range strings.Split(r.vars["fields"], ",") {
			m.Fields(func(f *mapping.Field) {
				if mapping.Glob(pattern, f.Name) {
					fields[f.Name] = map[string]any{"full_name": f.Name, "mapping": map[string]any{f.Leaf: f.JSON()}}
				}
			})
		}
		out[res.Index.Name] = map[string]any{"mappings": fields}
	}
	return out, nil
}

// settingsOf prints an index's settings; names narrows them.
func (r *request) settingsOf(idx *cluster.Index, names string) map[string]any {
	flat := map[string]any{}
	for k, v := range idx.State().Settings {
		keep := names == ""
		for _, p := range strings.Split(names, ",") {
			keep = keep || mapping.Glob(p, k)
		}
		if keep && v != nil {
			flat[k] = v
		}
	}
	if on, _ := r.flag("flat_settings", false); on {
		return flat
	}
	return cluster.Nested(flat)
}

func (r *request) getSettings() (any, error) {
	list, err := r.resolve(everything)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for _, res := range list {
		obj := map[string]any{"settings": r.settingsOf(res.Index, r.vars["name"])}
		if on, _ := r.flag("include_defaults", false); on {
			obj["defaults"] = map[string]any{"index": map[string]any{"refresh_interval": "1s", "max_result_window": "10000",
				"mapping": map[string]any{"total_fields": map[string]any{"limit": "1000"}, "coerce": "true", "ignore_malformed": "false"}}}
		}
		out[res.Index.Name] = obj
	}
	return out, nil
}

func (r *request) putSettings() (any, error) {
	list, err := r.resolve(everything)
	if err != nil {
		return nil, err
	}
	m, err := r.object()
	if err != nil {
		return nil, err
	}
	if inner, ok := m["settings"].(map[string]any); ok && len(m) == 1 {
		m = inner
	}
	preserve, err := r.flag("preserve_existing", false)
	if err != nil {
		return nil, err
	}
	if err := r.s.c.UpdateSettings(indicesOf(list), m, preserve); err != nil {
		return nil, err
	}
	return acknowledged(), nil
}

// each does something with every open index of the path.
func (r *request) each(do func(*cluster.Index) error) (any, error) {
	list, err := r.resolve(cluster.Options{Open: true, Hidden: true, AllowNone: true})
	if err != nil {
		return nil, err
	}
	for _, res := range list {
		if err := do(res.Index); err != nil {
			return nil, err
		}
	}
	return map[string]any{"_shards": shardsOf(list)}, nil
}

func (r *request) refresh() (any, error) {
	return r.each(func(idx *cluster.Index) error { return idx.Shard.Refresh() })
}

func (r *request) flush() (any, error) {
	out, err := r.each(func(*cluster.Index) error { return nil })
	if err == nil {
		err = r.s.c.Store.Flush()
	}
	return out, err
}

func (r *request) forceMerge() (any, error) {
	return r.each(func(idx *cluster.Index) error {
		if err := idx.Shard.Refresh(); err != nil {
			return err
		}
		return idx.Shard.ForceMerge()
	})
}

func (r *request) clearCache() (any, error) {
	return r.each(func(*cluster.Index) error { return nil })
}

func (r *request) setClosed(closed bool) (any, error) {
	list, err := r.resolve(cluster.Options{Open: true, Closed: true})
	if err != nil {
		return nil, err
	}
	if err := r.s.c.SetClosed(indicesOf(list), closed); err != nil {
		return nil, err
	}
	out := map[string]any{"acknowledged": true, "shards_acknowledged": true}
	if closed {
		names := map[string]any{}
		for _, res := range list {
			names[res.Index.Name] = map[string]any{"closed": true}
		}
		out["indices"] = names
	}
	return out, nil
}

func aliasesOf(idx *cluster.Index, patterns []string) map[string]any {
	out := map[string]any{}
	for name, a := range idx.State().Aliases {
		if patterns != nil && !matchesAny(patterns, name) {
			continue
		}
		obj := map[string]any{}
		if len(a.Filter) > 0 {
			obj["filter"] = json.RawMessage(a.Filter)
		}
		if a.IsWriteIndex != nil {
			obj["is_write_index"] = *a.IsWriteIndex
		}
		if a.IsHidden {
			obj["is_hidden"] = true
		}
		if a.Index != "" {
			obj["index_routing"] = a.Index
		}
		if a.Search != "" {
			obj["search_routing"] = a.Search
		}
		out[name] = obj
	}
	return out
}

func matchesAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if p == "_all" || mapping.Glob(p, name) {
			return true
		}
	}
	return false
}
