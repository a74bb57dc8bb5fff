package elastic

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"obsandbox/sandbox/internal/elastic/analysis"
	"obsandbox/sandbox/internal/elastic/cluster"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
)

// nodeID is what the only node calls itself.
const nodeID = "sandbox0000000000000000"

func (s *server) rootRoutes() {
	s.on("GET /", "", func(r *request) (any, error) {
		return map[string]any{"name": s.c.NodeName, "cluster_name": s.c.Name, "cluster_uuid": s.c.UUID, "tagline": "You Know, for Search",
			"version": map[string]any{"number": Version, "build_flavor": "default", "build_type": "tar", "build_hash": "obsandbox",
				"build_date": "2025-10-21T10:06:21.288851013Z", "build_snapshot": false, "lucene_version": "10.3.1",
				"minimum_wire_compatibility_version": "8.19.0", "minimum_index_compatibility_version": "8.0.0"}}, nil
	})
	s.on("GET /_license", "accept_enterprise local", func(*request) (any, error) {
		return map[string]any{"license": map[string]any{"status": "active", "uid": s.c.UUID, "type": "basic", "issue_date": stamp(s.started),
			"issue_date_in_millis": s.started.UnixMilli(), "max_nodes": 1000, "max_resource_units": nil, "issued_to": s.c.Name, "issuer": "elasticsearch", "start_date_in_millis": -1}}, nil
	})
	s.on("GET /_xpack", "categories accept_enterprise", func(*request) (any, error) {
		on := map[string]any{"available": true, "enabled": true}
		off := map[string]any{"available": true, "enabled": false}
		return map[string]any{"build": map[string]any{"hash": "obsandbox", "date": "2025-10-21T10:06:21.288Z"}, "tagline": "You know, for X",
			"license":  map[string]any{"uid": s.c.UUID, "type": "basic", "mode": "basic", "status": "active"},
			"features": map[string]any{"ilm": on, "data_streams": on, "security": off, "ml": off, "watcher": off}}, nil
	})
}

func (s *server) clusterRoutes() {
	health := expandParams + masterParams + "level local wait_for_status wait_for_nodes wait_for_no_relocating_shards wait_for_no_initializing_shards wait_for_active_shards wait_for_events"
	s.on("GET /_cluster/health", health, (*request).health)
	s.on("GET /_cluster/health/{index}", health, (*request).health)
	s.on("GET /_cluster/settings", masterParams+"flat_settings include_defaults", (*request).clusterSettings)
	s.on("PUT /_cluster/settings", masterParams+"flat_settings", (*request).putClusterSettings)
	s.on("GET /_cluster/stats", masterParams, (*request).clusterStats)
	s.on("GET /_nodes", masterParams+"flat_settings", (*request).nodes)
	s.on("GET /_nodes/{part}", masterParams+"flat_settings", (*request).nodes)
	s.on("GET /_nodes/{id}/{part}", masterParams+"flat_settings", (*request).nodes)
	s.on("GET /_stats", expandParams+"level", (*request).stats)
	s.on("GET /{index}/_stats", expandParams+"level", (*request).stats)
	s.on("GET /{index}/_stats/{metric}", expandParams+"level", (*request).stats)
	caps := expandParams + "fields include_unmapped filters types include_empty_fields"
	s.on("GET,POST /_field_caps", caps, (*request).fieldCaps)
	s.on("GET,POST /{index}/_field_caps", caps, (*request).fieldCaps)
	s.on("GET,POST /_analyze", "", (*request).analyze)
	s.on("GET,POST /{index}/_analyze", "", (*request).analyze)
	s.on("GET /_resolve/index/{name}", expandParams, (*request).resolveIndex)
	s.on("PUT,POST,GET,DELETE /_ingest/pipeline/{id}", masterParams+"summary", func(r *request) (any, error) {
		if r.http.Method == "GET" {
			return reply{status: 404, body: map[string]any{}}, nil
		}
		return nil, eserr.Unsupported("API [_ingest/pipeline]")
	})
}

func (r *request) health() (any, error) {
	list, err := r.resolve(cluster.Options{Open: true, Closed: true, Hidden: true, AllowNone: true, IgnoreMissing: true})
	if err != nil {
		return nil, err
	}
	active, unassigned := 0, 0
	status := "green"
	indices := map[string]any{}
	for _, res := range list {
		idx := res.Index
		n, missing := idx.Shards(), 0
		if idx.Setting("auto_expand_replicas") == "" {
			var replicas int
			if _, err := fmt.Sscan(idx.Setting("number_of_replicas"), &replicas); err == nil {
				missing = n * replicas
			}
		}
		own := "green"
		if missing > 0 {
			own, status = "yellow", "yellow"
		}
		active += n
		unassigned += missing
		indices[idx.Name] = map[string]any{"status": own, "number_of_shards": n, "active_primary_shards": n, "active_shards": n,
			"relocating_shards": 0, "initializing_shards": 0, "unassigned_shards": missing}
	}
	percent := 100.0
	if active+unassigned > 0 {
		percent = 100 * float64(active) / float64(active+unassigned)
	}
	rank := map[string]int{"green": 0, "yellow": 1, "red": 2}
	timedOut := false
	code := 200
	if want := strings.ToLower(r.q.Get("wait_for_status")); want != "" && rank[status] > rank[want] {
		timedOut, code = true, 408 // nothing will come that could make it better
	}
	if want := r.q.Get("wait_for_nodes"); want != "" {
		enough, err := oneNode(want)
		if err != nil {
			return nil, err
		}
		if !enough {
			timedOut, code = true, 408
		}
	}
	out := map[string]any{"cluster_name": r.s.c.Name, "status": status, "timed_out": timedOut, "number_of_nodes": 1, "number_of_data_nodes": 1,
		"active_primary_shards": active, "active_shards": active, "relocating_shards": 0, "initializing_shards": 0, "unassigned_shards": unassigned,
		"unassigned_primary_shards": 0, "delayed_unassigned_shards": 0, "number_of_pending_tasks": 0, "number_of_in_flight_fetch": 0,
		"task_max_waiting_in_queue_millis": 0, "active_shards_percent_as_number": percent}
	if r.q.Get("level") == "indices" || r.q.Get("level") == "shards" {
		out["indices"] = indices
	}
	return reply{status: code, body: out}, nil
}

// oneNode says whether a single node is what wait_for_nodes asks for: "2", ">=2", "<3", "ge(2)" and so on.
func oneNode(want string) (bool, error) {
	form := strings.NewReplacer("ge(", ">=", "le(", "<=", "gt(", ">", "lt(", "<", ")", "").Replace(want)
	digits := strings.TrimLeft(form, "<>=")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return false, eserr.New(400, "number_format_exception", "For input string: %q", digits)
	}
	switch strings.TrimSuffix(form, digits) {
	case ">=":
		return 1 >= n, nil
	case "<=":
		return 1 <= n, nil
	case ">":
		return 1 > n, nil
	case "<":
		return 1 < n, nil
	}
	return n == 1, nil
}

func (r *request) clusterSettings() (any, error) {
	flat := map[string]any{}
	for k, v := range r.s.c.Settings() {
		flat[k] = v
	}
	persistent := any(cluster.Nested(flat))
	if on, _ := r.flag("flat_settings", false); on {
		persistent = flat
	}
	out := map[string]any{"persistent": persistent, "transient": map[string]any{}}
	if on, _ := r.flag("include_defaults", false); on {
		out["defaults"] = map[string]any{}
	}
	return out, nil
}

func (r *request) putClusterSettings() (any, error) {
	m, err := r.object()
	if err != nil {
		return nil, err
	}
	for key := range m {
		if key != "persistent" && key != "transient" {
			return nil, eserr.Illegal("unknown field [%s] in cluster settings", key)
		}
	}
	persistent, _ := m["persistent"].(map[string]any)
	transient, _ := m["transient"].(map[string]any)
	all := maps.Clone(persistent)
	if all == nil {
		all = map[string]any{}
	}
	maps.Copy(all, transient)
	if err := r.s.c.PutSettings(all); err != nil {
		return nil, err
	}
	return map[string]any{"acknowledged": true, "persistent": orEmpty(persistent), "transient": orEmpty(transient)}, nil
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

func (r *request) clusterStats() (any, error) {
	list, err := r.s.c.Resolve("*", cluster.Options{Open: true, Closed: true, Hidden: true, AllowNone: true})
	if err != nil {
		return nil, err
	}
	docs, bytes := 0, int64(0)
	for _, res := range list {
		st := res.Index.Shard.Stats()
		docs, bytes = docs+st.Docs, bytes+st.Bytes
	}
	return map[string]any{"cluster_name": r.s.c.Name, "cluster_uuid": r.s.c.UUID, "timestamp": time.Now().UnixMilli(), "status": "green",
		"indices": map[string]any{"count": len(list), "docs": map[string]any{"count": docs, "deleted": 0}, "store": map[string]any{"size_in_bytes": bytes}},
		"nodes":   map[string]any{"count": map[string]any{"total": 1, "data": 1, "master": 1}, "versions": []string{Version}}}, nil
}

func (r *request) nodes() (any, error) {
	host, port, _ := strings.Cut(r.s.address, ":")
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	n := map[string]any{"name": r.s.c.NodeName, "transport_address": r.s.address, "host": host, "ip": host, "version": Version,
		"roles": []string{"data", "ingest", "master"}, "http": map[string]any{"publish_address": host + ":" + port, "bound_address": []string{r.s.address}},
		"os": map[string]any{"name": runtime.GOOS, "arch": runtime.GOARCH, "available_processors": runtime.NumCPU()}}
	if r.vars["part"] == "stats" || r.vars["id"] == "stats" {
		n = map[string]any{"name": r.s.c.NodeName, "timestamp": time.Now().UnixMilli(), "host": host, "ip": host, "roles": []string{"data", "ingest", "master"},
			"jvm": map[string]any{"mem": map[string]any{"heap_used_in_bytes": mem.HeapAlloc, "heap_max_in_bytes": mem.Sys}}}
	}
	return map[string]any{"_nodes": map[string]any{"total": 1, "successful": 1, "failed": 0}, "cluster_name": r.s.c.Name,
		"nodes": map[string]any{nodeID: n}}, nil
}

func (r *request) stats() (any, error) {
	list, err := r.resolve(cluster.Options{Open: true, Hidden: true, AllowNone: true})
	if err != nil {
		return nil, err
	}
	of := func(indices []cluster.Resolved) map[string]any {
		var docs, deleted, segments int
		var bytes, indexed, removed, searches, refreshes, merges, flushes int64
		for _, res := range indices {
			sh := res.Index.Shard
			st := sh.Stats()
			docs, deleted, segments, bytes = docs+st.Docs, deleted+st.Deleted, segments+st.Segments, bytes+st.Bytes
			indexed, removed, searches = indexed+sh.Indexed.Load(), removed+sh.Deleted.Load(), searches+sh.Searches.Load()
			refreshes, merges, flushes = refreshes+sh.Refreshes.Load(), merges+sh.Merges.Load(), flushes+sh.Flushes.Load()
		}
		return map[string]any{"docs": map[string]any{"count": docs, "deleted": deleted}, "store": map[string]any{"size_in_bytes": bytes, "total_data_set_size_in_bytes": bytes},
			"indexing": map[string]any{"index_total": indexed, "delete_total": removed}, "search": map[string]any{"query_total": searches},
			"segments": map[string]any{"count": segments}, "refresh": map[string]any{"total": refreshes}, "merges": map[string]any{"total": merges}, "flush": map[string]any{"total": flushes}}
	}
	indices := map[string]any{}
	for _, res := range list {
		one := of([]cluster.Resolved{res})
		indices[res.Index.Name] = map[string]any{"uuid": res.Index.UUID, "health": "green", "status": "open", "primaries": one, "total": one}
	}
	all := of(list)
	return map[string]any{"_shards": shardsOf(list), "_all": map[string]any{"primaries": all, "total": all}, "indices": indices}, nil
}

// fieldCaps says what can be done with fields, over all the indices that are asked for.
func (r *request) fieldCaps() (any, error) {
	names := strings.Split(r.q.Get("fields"), ",")
	body, err := r.json()
	if err != nil {
		return nil, err
	}
	for _, m := range membersOf(body) {
		switch m.Key {
		case "fields":
			if names, err = m.Value.Strings(); err != nil {
				return nil, err
			}
		default:
			return nil, eserr.Unsupported("field capabilities parameter [%s]", m.Key)
		}
	}
	if len(names) == 1 && names[0] == "" {
		return nil, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: no fields specified;")
	}
	for _, p := range []string{"filters", "types"} {
		if r.q.Get(p) != "" {
			return nil, eserr.Unsupported("field capabilities parameter [%s]", p)
		}
	}
	o, err := r.searchOptions()
	if err != nil {
		return nil, err
	}
	list, err := r.s.c.Resolve(r.vars["index"], o)
	if err != nil {
		return nil, err
	}
	type caps struct {
		searchable, aggregatable bool
		indices                  []string
	}
	fields := map[string]map[string]*caps{}
	indices := []string{}
	add := func(index, name, typ string, s, a bool) {
		if fields[name] == nil {
			fields[name] = map[string]*caps{}
		}
		c := fields[name][typ]
		if c == nil {
			c = &caps{searchable: true, aggregatable: true}
			fields[name][typ] = c
		}
		c.searchable, c.aggregatable = c.searchable && s, c.aggregatable && a
		c.indices = append(c.indices, index)
	}
	for _, res := range list {
		idx := res.Index
		indices = append(indices, idx.Name)
		m := idx.Shard.Mapping()
		m.Fields(func(f *mapping.Field) {
			if !matchesAny(names, f.Name) {
				return
			}
			name := f.Name
			if f.Type == "alias" {
				if f = m.Field(f.Path); f == nil {
					return
				}
			}
			add(idx.Name, name, family(f.Type), f.Searchable(), f.Aggregatable())
		})
		m.Objects(func(o *mapping.Object) {
			if matchesAny(names, o.Name) {
				typ := "object"
				if o.Nested {
					typ = "nested"
				}
				add(idx.Name, o.Name, typ, false, false)
			}
		})
		for _, f := range metadataFields {
			if matchesAny(names, f.name) {
				add(idx.Name, f.name, f.typ, f.searchable, f.aggregatable)
			}
		}
	}
	out := map[string]any{}
	for name, types := range fields {
		printed := map[string]any{}
		for typ, c := range types {
			obj := map[string]any{"type": typ, "metadata_field": strings.HasPrefix(name, "_"), "searchable": c.searchable, "aggregatable": c.aggregatable}
			if len(types) > 1 {
				slices.Sort(c.indices)
				obj["indices"] = c.indices
			}
			printed[typ] = obj
		}
		out[name] = printed
	}
	return map[string]any{"indices": indices, "fields": out}, nil
}

// metadataFields are the fields that every index has.
var metadataFields = []struct {
	name, typ                string
	searchable, aggregatable bool
}{
	{"_id", "_id", true, false}, {"_index", "_index", true, true}, {"_source", "_source", false, false}, {"_ignored", "_ignored", true, true},
	{"_seq_no", "_seq_no", true, true}, {"_version", "_version", false, true}, {"_routing", "_routing", true, false}, {"_doc_count", "integer", false, false},
	{"_field_names", "_field_names", true, false}, {"_nested_path", "_nested_path", true, false}, {"_ignored_source", "_ignored_source", false, false},
	{"_index_mode", "_index_mode", true, true}, {"_data_stream_timestamp", "_data_stream_timestamp", false, false},
}

// family is the type that field capabilities show.
func family(typ string) string {
	switch typ {
	case "constant_keyword", "wildcard":
		return "keyword"
	case "match_only_text":
		return "text"
	}
	return typ
}

func (r *request) analyze() (any, error) {
	body, err := r.json()
	if err != nil {
		return nil, err
	}
	var texts []string
	name := "standard"
	a := analysis.Builtin(name)
	for _, m := range membersOf(body) {
		switch m.Key {
		case "text":
			if texts, err = m.Value.Strings(); err != nil {
				return nil, err
			}
		case "analyzer":
			if a = analysis.Builtin(m.Value.Text()); a == nil {
				return nil, eserr.Illegal("failed to find global analyzer [%s]", m.Value.Text())
			}
		case "field":
			idx, err := r.s.one(r.vars["index"])
			if err != nil {
				return nil, err
			}
			a = analysis.Builtin("keyword")
			if f := idx.Shard.Mapping().Field(m.Value.Text()); f != nil && f.Analyzer != nil {
				a = f.Analyzer
			}
		default:
			return nil, eserr.Unsupported("analyze parameter [%s]", m.Key)
		}
	}
	if texts == nil {
		return nil, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: text is missing;")
	}
	tokens := []any{}
	base := 0
	for _, text := range texts {
		a(text, func(t analysis.Token) {
			tokens = append(tokens, map[string]any{"token": t.Term, "start_offset": len([]rune(text[:t.Start])), "end_offset": len([]rune(text[:t.End])), "type": tokenType(t.Term), "position": base + t.Pos})
		})
		base += 100
	}
	return map[string]any{"tokens": tokens}, nil
}

func tokenType(term string) string {
	if strings.Trim(term, "0123456789.,") == "" {
		return "<NUM>"
	}
	return "<ALPHANUM>"
}

func (r *request) resolveIndex() (any, error) {
	r.vars["index"] = r.vars["name"]
	list, err := r.resolve(cluster.Options{Open: true, AllowNone: true})
	if err != nil {
		return nil, err
	}
	indices, aliases := []any{}, map[string][]string{}
	for _, res := range list {
		obj := map[string]any{"name": res.Index.Name, "attributes": []string{"open"}, "mode": "standard"}
		names := slices.Sorted(maps.Keys(res.Index.State().Aliases))
		if len(names) > 0 {
			obj["aliases"] = names
		}
		if res.Index.Stream != "" {
			obj["data_stream"] = res.Index.Stream
		}
		for _, n := range names {
			aliases[n] = append(aliases[n], res.Index.Name)
		}
		indices = append(indices, obj)
	}
	al, ds := []any{}, []any{}
	for _, n := range slices.Sorted(maps.Keys(aliases)) {
		al = append(al, map[string]any{"name": n, "indices": aliases[n]})
	}
	for _, s := range r.s.c.Streams(r.vars["name"]) {
		ds = append(ds, map[string]any{"name": s.Name, "backing_indices": s.Indices, "timestamp_field": "@timestamp"})
	}
	return map[string]any{"indices": indices, "aliases": al, "data_streams": ds}, nil
}
