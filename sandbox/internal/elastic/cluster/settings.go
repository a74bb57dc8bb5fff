package cluster

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"obsandbox/sandbox/internal/elastic/analysis"
	"obsandbox/sandbox/internal/elastic/dates"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
)

// staticSettings can be set only when an index is made; dynamicSettings any time. What has no meaning on one node is
// taken, kept and shown; what would change answers and is not built here is not in the lists and refused.
const (
	staticSettings = " number_of_shards codec mode shard.check_on_startup routing_partition_size number_of_routing_shards " +
		"load_fixed_bitset_filters_eagerly mapping.coerce mapping.ignore_malformed sort.field sort.order soft_deletes.enabled store.type " +
		"uuid version.created creation_date provided_name mapping.source.mode soft_deletes.retention_lease.period "
	dynamicSettings = " number_of_replicas auto_expand_replicas refresh_interval max_result_window max_inner_result_window max_rescore_window " +
		"max_docvalue_fields_search max_script_fields max_ngram_diff max_shingle_diff max_refresh_listeners analyze.max_token_count " +
		"highlight.max_analyzed_offset max_terms_count max_regex_length query.default_field query.max_nested_depth hidden priority final_pipeline default_pipeline " +
		"blocks.read_only blocks.read_only_allow_delete blocks.read blocks.write blocks.metadata lifecycle.name lifecycle.rollover_alias " +
		"lifecycle.parse_origination_date lifecycle.origination_date lifecycle.indexing_complete lifecycle.prefer_ilm lifecycle.step.wait_time_threshold " +
		"mapping.total_fields.limit mapping.total_fields.ignore_dynamic_beyond_limit mapping.depth.limit mapping.nested_fields.limit " +
		"mapping.nested_objects.limit mapping.field_name_length.limit mapping.dimension_fields.limit " +
		"translog.durability translog.sync_interval translog.flush_threshold_size translog.retention.age translog.retention.size " +
		"merge.policy.max_merged_segment merge.policy.segments_per_tier merge.scheduler.max_thread_count merge.scheduler.auto_throttle " +
		"unassigned.node_left.delayed_timeout gc_deletes search.idle.after search.throttled requests.cache.enable write.wait_for_active_shards indexing_complete " +
		"routing.allocation.enable routing.rebalance.enable routing.allocation.total_shards_per_node warmer.enabled " +
		"indexing.slowlog.threshold.index.warn indexing.slowlog.threshold.index.info search.slowlog.threshold.query.warn " +
		"search.slowlog.threshold.query.info search.slowlog.threshold.fetch.warn search.slowlog.threshold.fetch.info "
)

// FlatSettings turns settings as requests have them into flat "index.…" keys.
func FlatSettings(src map[string]any) map[string]any {
	out := map[string]any{}
	var walk func(prefix string, v any)
	walk = func(prefix string, v any) {
		switch x := v.(type) {
		case map[string]any:
			for k, item := range x {
				walk(prefix+k+".", item)
			}
			return
		case []any:
			list := make([]any, len(x))
			for i, item := range x {
				list[i] = fmt.Sprint(item)
			}
			v = list
		case nil:
		default:
			v = fmt.Sprint(x)
		}
		key := strings.TrimSuffix(prefix, ".")
		if !strings.HasPrefix(key, "index.") {
			key = "index." + key
		}
		out[key] = v
	}
	walk("", src)
	delete(out, "index.")
	return out
}

// checkSettings refuses settings that Elasticsearch does not know and values it does not take.
func checkSettings(flat map[string]any, update bool) error {
	for _, key := range slices.Sorted(maps.Keys(flat)) {
		name := strings.TrimPrefix(key, "index.")
		static := strings.Contains(staticSettings, " "+name+" ")
		dynamic := strings.Contains(dynamicSettings, " "+name+" ")
		switch {
		case strings.HasPrefix(name, "analysis."):
			static = true
		case strings.HasPrefix(name, "routing.allocation."):
			dynamic = true
		case !static && !dynamic:
			return eserr.Illegal("unknown setting [%s] please check that any required plugins are installed, or check the breaking changes documentation for removed settings", key)
		}
		if update && static {
			return eserr.Illegal("Can't update non dynamic settings [[%s]] for open indices [[%s]]", key, "_")
		}
		if err := checkValue(key, name, flat[key]); err != nil {
			return err
		}
	}
	return nil
}

// checkExpansion judges false, or a range such as 0-1 or 0-all.
func checkExpansion(text string) error {
	if text == "false" {
		return nil
	}
	dash := strings.Index(text, "-")
	low, high, _ := strings.Cut(text, "-")
	least, err := strconv.Atoi(low)
	most, errMost := strconv.Atoi(high)
	switch {
	case dash < 0 || err != nil || (high != "all" && errMost != nil):
		return eserr.Illegal("failed to parse [index.auto_expand_replicas] from value: [%s] at index %d", text, dash)
	case high != "all" && least > most:
		return eserr.Illegal("[index.auto_expand_replicas] minReplicas must be =< maxReplicas but wasn't %d > %d", least, most)
	}
	return nil
}

func checkValue(key, name string, v any) error {
	if v == nil {
		return nil
	}
	text := fmt.Sprint(v)
	bounds := func(lo int) error {
		n, err := strconv.Atoi(text)
		if err != nil {
			return eserr.Illegal("Failed to parse value [%s] for setting [%s]", text, key)
		}
		if n < lo {
			return eserr.Illegal("Failed to parse value [%s] for setting [%s] must be >= %d", text, key, lo)
		}
		return nil
	}
	switch name {
	case "number_of_shards":
		return bounds(1)
	case "number_of_replicas", "mapping.total_fields.limit":
		return bounds(0)
	case "max_result_window":
		return bounds(1)
	case "refresh_interval":
		if _, err := dates.Duration(text); err != nil {
			return eserr.Illegal("failed to parse setting [index.refresh_interval] with value [%s] as a time value: unit is missing or unrecognized", text)
		}
	case "mapping.ignore_malformed", "mapping.coerce", "hidden", "blocks.write", "blocks.read_only", "blocks.read", "blocks.metadata", "blocks.read_only_allow_delete", "lifecycle.indexing_complete",
		"requests.cache.enable":
		if text != "true" && text != "false" {
			return eserr.Illegal("Failed to parse value [%s] as only [true] or [false] are allowed.", text)
		}
	case "mode":
		if text != "standard" && text != "logsdb" {
			return eserr.Unsupported("setting [index.mode] with value [%s]", text)
		}
	case "auto_expand_replicas":
		return checkExpansion(text)
	case "codec":
		if !strings.Contains(" default best_compression legacy_default legacy_best_compression lucene_default ", " "+text+" ") {
			return eserr.Illegal("unknown value for [index.codec] must be one of [default, lz4, best_compression, zlib] but was: %s", text)
		}
	case "default_pipeline", "final_pipeline":
		if text != "_none" {
			return eserr.Unsupported("setting [index.%s] (ingest pipelines)", name)
		}
	case "translog.durability":
		if !strings.EqualFold(text, "request") && !strings.EqualFold(text, "async") {
			return eserr.Illegal("No enum constant org.elasticsearch.index.translog.Translog.Durability.%s", strings.ToUpper(text))
		}
	}
	return nil
}

// limitsOf are the settings that bear on mappings.
func limitsOf(flat map[string]any) (mapping.Limits, error) {
	l := mapping.Limits{TotalFields: 1000, Coerce: true}
	text := func(name string) string {
		if v := flat["index."+name]; v != nil {
			return fmt.Sprint(v)
		}
		return ""
	}
	if t := text("mapping.total_fields.limit"); t != "" {
		if l.TotalFields, _ = strconv.Atoi(t); l.TotalFields == 0 {
			l.TotalFields = -1
		}
	}
	if t := text("mapping.nested_fields.limit"); t != "" {
		l.NestedFields, _ = strconv.Atoi(t)
	}
	if t := text("mapping.nested_objects.limit"); t != "" {
		l.NestedObjects, _ = strconv.Atoi(t)
	}
	l.IgnoreMalformed = text("mapping.ignore_malformed") == "true"
	l.IgnoreBeyond = text("mapping.total_fields.ignore_dynamic_beyond_limit") == "true"
	if text("mapping.coerce") == "false" {
		l.Coerce = false
	}
	var err error
	l.Analyzers, l.Normalizers, err = analyzersOf(flat)
	return l, err
}

// analyzersOf reads index.analysis: what can be put together from the built-in parts.
func analyzersOf(flat map[string]any) (map[string]analysis.Analyzer, map[string]func(string) string, error) {
	type spec map[string]any
	groups := map[string]spec{}
	for key, v := range flat {
		rest, ok := strings.CutPrefix(key, "index.analysis.")
		if !ok {
			continue
		}
		parts := strings.SplitN(rest, ".", 3)
		if len(parts) != 3 || parts[0] != "analyzer" && parts[0] != "normalizer" {
			return nil, nil, eserr.Unsupported("setting [%s]", key)
		}
		name := parts[0] + "." + parts[1]
		if groups[name] == nil {
			groups[name] = spec{}
		}
		groups[name][parts[2]] = v
	}
	analyzers, normalizers := map[string]analysis.Analyzer{}, map[string]func(string) string{}
	for full, s := range groups {
		kind, name, _ := strings.Cut(full, ".")
		var filters []func(string) string
		list, _ := s["filter"].([]any)
		if one, ok := s["filter"].(string); ok && one != "" {
			list = []any{one}
		}
		for _, f := range list {
			switch fmt.Sprint(f) {
			case "lowercase":
				filters = append(filters, analysis.Lower)
			case "uppercase":
				filters = append(filters, strings.ToUpper)
			case "trim":
				filters = append(filters, strings.TrimSpace)
			default:
				return nil, nil, eserr.Unsupported("token filter [%v] of [%s]", f, name)
			}
		}
		apply := func(t string) string {
			for _, f := range filters {
				t = f(t)
			}
			return t
		}
		for key := range s {
			if key != "type" && key != "filter" && key != "tokenizer" {
				return nil, nil, eserr.Unsupported("setting [index.analysis.%s.%s]", full, key)
			}
		}
		if kind == "normalizer" {
			normalizers[name] = apply
			continue
		}
		typ := fmt.Sprint(s["type"])
		base := analysis.Builtin(typ)
		if s["type"] == nil || typ == "custom" {
			switch t := fmt.Sprint(s["tokenizer"]); t {
			case "standard", "whitespace", "keyword":
				base = analysis.Builtin(t)
			case "letter", "lowercase":
				base = analysis.Builtin("simple")
			default:
				return nil, nil, eserr.Unsupported("tokenizer [%s] of analyzer [%s]", t, name)
			}
		}
		if base == nil {
			return nil, nil, eserr.Unsupported("analyzer type [%s] of analyzer [%s]", typ, name)
		}
		analyzers[name] = func(text string, emit func(analysis.Token)) {
			base(text, func(t analysis.Token) {
				t.Term = apply(t.Term)
				emit(t)
			})
		}
	}
	return analyzers, normalizers, nil
}

func (i *Index) refreshInterval() time.Duration {
	if t := i.Setting("refresh_interval"); t != "" {
		if d, err := dates.Duration(t); err == nil {
			if t == "-1" {
				return -1
			}
			return d
		}
	}
	return time.Second
}

// MaxWindow is index.max_result_window.
func (i *Index) MaxWindow() int {
	if n, err := strconv.Atoi(i.Setting("max_result_window")); err == nil {
		return n
	}
	return 10_000
}

// Shards is the number of shards that the index says it has.
func (i *Index) Shards() int {
	n, _ := strconv.Atoi(i.Setting("number_of_shards"))
	return max(n, 1)
}

// DefaultField is index.query.default_field.
func (i *Index) DefaultField() []string {
	switch v := i.State().Settings["index.query.default_field"].(type) {
	case string:
		if v != "*" {
			return []string{v}
		}
	case []any:
		var out []string
		for _, item := range v {
			out = append(out, fmt.Sprint(item))
		}
		return out
	}
	return nil
}

// Nested is a flat map of settings as a tree.
func Nested(flat map[string]any) map[string]any {
	out := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(flat)) {
		at := out
		parts := strings.Split(key, ".")
		for i, p := range parts {
			if i == len(parts)-1 {
				at[p] = flat[key]
				break
			}
			child, ok := at[p].(map[string]any)
			if !ok {
				if at[p] != nil {
					// "a" and "a.b" are both set: the rest stays flat.
					at[strings.Join(parts[i:], ".")] = flat[key]
					break
				}
				child = map[string]any{}
				at[p] = child
			}
			at = child
		}
	}
	return out
}

// UpdateSettings changes dynamic settings of indices; null takes a setting away.
func (c *Cluster) UpdateSettings(indices []*Index, src map[string]any, preserve bool) error {
	flat := FlatSettings(src)
	for _, idx := range indices {
		if err := checkSettings(flat, !idx.State().Closed); err != nil {
			e := eserr.From(err)
			e.Reason = strings.Replace(e.Reason, "indices [[_]]", "indices [["+idx.Name+"/"+idx.UUID+"]]", 1)
			return e
		}
	}
	c.mu.Lock()
	for _, idx := range indices {
		settings := maps.Clone(idx.State().Settings)
		for k, v := range flat {
			switch {
			case v == nil:
				delete(settings, k)
			case preserve && settings[k] != nil:
			default:
				settings[k] = v
			}
		}
		idx.change(func(st *State) { st.Settings = settings })
		limits, err := limitsOf(settings)
		if err == nil {
			err = idx.Shard.UpdateMapping(func(m *mapping.Mapping) (*mapping.Mapping, error) { return m.WithLimits(limits), nil })
		}
		if err != nil {
			c.mu.Unlock()
			return err
		}
		idx.Shard.SetRefreshInterval(idx.refreshInterval())
		c.touch(idx)
	}
	c.mu.Unlock()
	return c.Save()
}

var nameBad = regexp.MustCompile(`[\\/*?"<>| ,#:]`)

// checkName refuses names that Elasticsearch does not take for an index.
func checkName(name string) error {
	bad := func(why string) error {
		return eserr.New(400, "invalid_index_name_exception", "Invalid index name [%s], %s", name, why).With("index", name).With("index_uuid", "_na_")
	}
	switch {
	case name == "" || name == "." || name == "..":
		return bad("must not be '.' or '..'")
	case nameBad.MatchString(name):
		if strings.Contains(name, "#") {
			return bad("must not contain '#'")
		}
		if strings.Contains(name, ":") {
			return bad("must not contain ':'")
		}
		return bad("must not contain the following characters ['\\','/','*','?','\"','<','>','|',' ',',']")
	case strings.HasPrefix(name, "_") || strings.HasPrefix(name, "-") || strings.HasPrefix(name, "+"):
		return bad("must not start with '_', '-', or '+'")
	case strings.ToLower(name) != name:
		return bad("must be lowercase")
	case len(name) > 255:
		return bad(fmt.Sprintf("index name is too long, (%d > 255)", len(name)))
	}
	return nil
}

// Settings are the cluster's own, flat.
func (c *Cluster) Settings() map[string]string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return maps.Clone(c.meta.Settings)
}

// clusterSettings are the settings of the cluster that mean something here or are taken for their having no meaning on
// one node.
const clusterSettings = " action.auto_create_index action.destructive_requires_name indices.lifecycle.poll_interval search.max_buckets " +
	"search.default_search_timeout cluster.max_shards_per_node cluster.name indices.recovery.max_bytes_per_sec "

// PutSettings changes the cluster's settings; null takes one away.
func (c *Cluster) PutSettings(src map[string]any) error {
	flat := map[string]any{}
	for k, v := range FlatSettings(src) {
		flat[strings.TrimPrefix(k, "index.")] = v
	}
	for key := range flat {
		if !strings.Contains(clusterSettings, " "+key+" ") && !strings.HasPrefix(key, "cluster.routing.") && !strings.HasPrefix(key, "logger.") {
			return eserr.Illegal("persistent setting [%s], not recognized", key)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, v := range flat {
		if v == nil {
			delete(c.meta.Settings, key)
		} else {
			c.meta.Settings[key] = fmt.Sprint(v)
		}
	}
	return c.saveMeta()
}
