package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"obsandbox/sandbox/internal/elastic/dates"
	"obsandbox/sandbox/internal/elastic/eserr"
)

// params are the parameters of a type; nil where the type is unknown. The second list is known to Elasticsearch and
// not to this store.
func params(typ string) []string {
	common := []string{"type", "meta", "fields", "copy_to"}
	number := append([]string{"index", "doc_values", "store", "ignore_malformed", "coerce", "null_value", "boost"}, common...)
	switch typ {
	case "long", "integer", "short", "byte", "double", "float", "half_float", "unsigned_long":
		return append([]string{"time_series_metric"}, number...)
	case "scaled_float":
		return append([]string{"scaling_factor", "time_series_metric"}, number...)
	case "boolean":
		return append([]string{"index", "doc_values", "store", "null_value", "ignore_malformed"}, common...)
	case "date", "date_nanos":
		return append([]string{"index", "doc_values", "store", "null_value", "ignore_malformed", "format"}, common...)
	case "keyword":
		return append([]string{"index", "doc_values", "store", "null_value", "ignore_above", "normalizer", "eager_global_ordinals",
			"norms", "time_series_dimension", "split_queries_on_whitespace"}, common...)
	case "wildcard":
		return append([]string{"null_value", "ignore_above"}, common...)
	case "constant_keyword":
		return []string{"type", "meta", "value"}
	case "ip":
		return append([]string{"index", "doc_values", "store", "null_value", "ignore_malformed", "time_series_dimension"}, common...)
	case "text":
		return append([]string{"index", "store", "analyzer", "search_analyzer", "norms", "index_options", "fielddata",
			"position_increment_gap", "eager_global_ordinals"}, common...)
	case "match_only_text":
		return []string{"type", "meta", "fields", "copy_to"}
	case "flattened":
		return []string{"type", "meta", "index", "doc_values", "ignore_above", "depth_limit", "null_value", "eager_global_ordinals"}
	case "alias":
		return []string{"type", "path"}
	case "version":
		return []string{"type", "meta"}
	}
	return nil
}

// known are Elasticsearch's types that this store has not.
const known = " join binary geo_point geo_shape point shape ip_range date_range long_range integer_range float_range double_range " +
	"completion search_as_you_type token_count percolator rank_feature rank_features dense_vector sparse_vector semantic_text " +
	"histogram aggregate_metric_double murmur3 annotated_text passthrough counted_keyword rank_vectors exponential_histogram "

// field reads a leaf's parameters.
func (m *Mapping) field(full, leaf string, spec map[string]any, parent *Field) (*Field, error) {
	typ, _ := spec["type"].(string)
	allowed := params(typ)
	if allowed == nil {
		if strings.Contains(known, " "+typ+" ") {
			return nil, fail("field [%s] has type [%s], which this store does not support", full, typ)
		}
		return nil, fail("The mapper type [%s] declared on field [%s] does not exist. It might have been created within a future version or requires a plugin to be installed. Check the documentation.", typ, leaf)
	}
	f := &Field{Name: full, Leaf: leaf, Type: typ, Parent: parent, Index: true, DocValues: true, Coerce: m.coerce(),
		IgnoreMalformed: m.limits.IgnoreMalformed, params: map[string]any{}}
	m.nextID++
	f.ID = m.nextID
	switch typ {
	case "long", "integer", "short", "byte", "unsigned_long", "boolean", "scaled_float", "date", "date_nanos":
		f.Kind = Num
	case "double", "float", "half_float":
		f.Kind = Float
	case "text", "match_only_text":
		f.Kind, f.DocValues, f.Norms = Text, false, typ == "text"
		f.AnalyzerName = "default"
		if m.limits.Analyzers["default"] == nil {
			f.AnalyzerName = "standard"
		}
		f.Analyzer, _ = m.analyzer(f.AnalyzerName)
		f.Search = f.Analyzer
	case "alias":
		f.Index, f.DocValues = false, false
	default:
		f.Kind = Keyword
	}
	if f.IsDate() {
		f.Format = dates.MustCompile(dates.Default)
		if typ == "date_nanos" {
			f.Format = dates.MustCompile("strict_date_optional_time_nanos||epoch_millis")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(spec)) {
		value := spec[key]
		if !slices.Contains(allowed, key) {
			return nil, fail("Failed to parse mapping: unknown parameter [%s] on mapper [%s] of type [%s]", key, leaf, typ)
		}
		if value == nil && key != "null_value" {
			return nil, fail("[%s] on mapper [%s] of type [%s] must not have a [null] value", key, leaf, typ)
		}
		if key != "type" && key != "fields" && key != "meta" {
			f.params[key] = value
		}
		if err := m.param(f, key, value); err != nil {
			return nil, err
		}
	}
	switch {
	case typ == "alias" && f.Path == "":
		return nil, fail("The [path] property must be specified for field [%s].", full)
	case typ == "scaled_float" && f.Scaling <= 0:
		return nil, fail("Failed to parse mapping: Field [scaling_factor] is required")
	case typ == "flattened":
		m.nextID++
		f.Keyed = &Field{ID: m.nextID, Name: full + "._keyed", Leaf: "_keyed", Type: "flattened", Kind: Keyword, Index: f.Index, DocValues: f.DocValues}
	}
	if f.Null != nil && f.Numeric() {
		if _, err := f.Number(*f.Null, false); err != nil {
			return nil, fail("Error parsing [null_value] on field [%s]: %s", full, err)
		}
	}
	return f, nil
}

func (m *Mapping) coerce() bool { return m.limits.Coerce }

func (m *Mapping) param(f *Field, key string, value any) (err error) {
	switch key {
	case "index":
		f.Index, err = toFlag(value)
	case "doc_values":
		f.DocValues, err = toFlag(value)
	case "norms":
		var norms bool
		norms, err = toFlag(value)
		if f.Kind == Text {
			f.Norms = norms
		}
	case "ignore_malformed":
		f.IgnoreMalformed, err = toFlag(value)
	case "coerce":
		f.Coerce, err = toFlag(value)
	case "store", "eager_global_ordinals", "time_series_dimension", "split_queries_on_whitespace":
		var on bool
		if on, err = toFlag(value); err == nil && on && key != "eager_global_ordinals" {
			return fail("parameter [%s] of field [%s] is not supported by this store", key, f.Name)
		}
	case "fielddata":
		var on bool
		if on, err = toFlag(value); err == nil && on {
			return fail("parameter [fielddata] of field [%s] is not supported by this store", f.Name)
		}
	case "ignore_above", "depth_limit":
		n, aerr := atoi(value)
		if aerr != nil || n < 0 {
			return fail("Failed to parse mapping: [%s] must be a positive number, got [%v]", key, value)
		}
		if key == "ignore_above" {
			f.IgnoreAbove = &n
		}
	case "scaling_factor":
		if f.Scaling, err = strconv.ParseFloat(fmt.Sprint(value), 64); err != nil || f.Scaling <= 0 {
			return fail("[scaling_factor] must be a positive number, got [%v]", value)
		}
	case "null_value":
		if value != nil {
			text := fmt.Sprint(value)
			f.Null = &text
		}
	case "value":
		text := fmt.Sprint(value)
		f.Null = &text
	case "format":
		format, ferr := dates.Compile(fmt.Sprint(value))
		if ferr != nil {
			return fail("Failed to parse mapping: %s", ferr)
		}
		f.Format = format
	case "analyzer":
		f.AnalyzerName = fmt.Sprint(value)
		if f.Analyzer, err = m.analyzer(f.AnalyzerName); err == nil {
			f.Search = f.Analyzer
		}
	case "search_analyzer":
		f.Search, err = m.analyzer(fmt.Sprint(value))
	case "normalizer":
		name := fmt.Sprint(value)
		if f.Normalize = m.limits.Normalizers[name]; f.Normalize == nil {
			if name != "lowercase" {
				return fail("Failed to parse mapping: normalizer [%s] not found for field [%s]", name, f.Leaf)
			}
			f.Normalize = strings.ToLower
		}
	case "index_options":
		if s := fmt.Sprint(value); s != "positions" && s != "docs" && s != "freqs" && s != "offsets" {
			return fail("Unknown value [%v] for field [index_options] - accepted values are [positions, docs, freqs, offsets]", value)
		}
	case "position_increment_gap":
		if fmt.Sprint(value) != "100" {
			return fail("parameter [position_increment_gap] of field [%s] is not supported by this store", f.Name)
		}
	case "boost", "time_series_metric":
		return fail("parameter [%s] of field [%s] is not supported by this store", key, f.Name)
	case "copy_to":
		f.CopyTo = toStrings(value)
	case "path":
		f.Path = fmt.Sprint(value)
	case "meta":
		f.meta, _ = value.(map[string]any)
	case "fields":
		subs, ok := value.(map[string]any)
		if !ok {
			return fail("expected map for property [fields] on field [%s]", f.Name)
		}
		for _, leaf := range slices.Sorted(maps.Keys(subs)) {
			spec, ok := subs[leaf].(map[string]any)
			if !ok {
				return fail("expected map for property [fields] on field [%s]", f.Name)
			}
			sub, err := m.field(f.Name+"."+leaf, leaf, spec, f)
			if err != nil {
				return err
			}
			if sub.Type == "alias" || sub.Type == "flattened" || len(sub.Subs) > 0 || len(sub.CopyTo) > 0 {
				return fail("Type [%s] cannot be used in multi field", sub.Type)
			}
			f.Subs = append(f.Subs, sub)
		}
	}
	return err
}

func dynamicTemplates(value any) ([]DynamicTemplate, error) {
	list, ok := value.([]any)
	if !ok {
		return nil, fail("Dynamic template syntax error. An array of named objects is expected.")
	}
	var out []DynamicTemplate
	for _, item := range list {
		entry, ok := item.(map[string]any)
		if !ok || len(entry) != 1 {
			return nil, fail("A dynamic template must be defined with a name")
		}
		for name, raw := range entry {
			spec, ok := raw.(map[string]any)
			if !ok {
				return nil, fail("Dynamic template syntax error. A template body is expected.")
			}
			t := DynamicTemplate{Name: name, raw: entry}
			for key, v := range spec {
				switch key {
				case "match":
					t.Match = toStrings(v)
				case "unmatch":
					t.Unmatch = toStrings(v)
				case "path_match":
					t.PathMatch = toStrings(v)
				case "path_unmatch":
					t.PathUnmat = toStrings(v)
				case "match_mapping_type":
					t.Types = toStrings(v)
					for _, typ := range t.Types {
						if !strings.Contains(" * string long double boolean date object binary ", " "+typ+" ") {
							return nil, eserr.Illegal("No field type matched on [%s], possible values are [object, string, long, double, boolean, date, binary]", typ)
						}
					}
				case "unmatch_mapping_type":
					t.UnmatchTypes = toStrings(v)
				case "match_pattern":
					t.Regex = fmt.Sprint(v) == "regex"
				case "mapping":
					t.Mapping, _ = v.(map[string]any)
				default:
					return nil, fail("Illegal dynamic template parameter: [%s]", key)
				}
			}
			if t.Mapping == nil {
				return nil, fail("template [%s] must have either mapping or runtime set", name)
			}
			if t.Match == nil && t.PathMatch == nil && t.Types == nil && t.Unmatch == nil && t.PathUnmat == nil && t.UnmatchTypes == nil {
				return nil, fail("template must have match, path_match or match_mapping_type set {%s}", brief(spec))
			}
			// Later templates of the same name replace earlier ones.
			out = append(slices.DeleteFunc(out, func(o DynamicTemplate) bool { return o.Name == name }), t)
		}
	}
	return out, nil
}

// JSON is the mapping as GET _mapping prints it.
func (m *Mapping) JSON() map[string]any {
	out := maps.Clone(m.root)
	if m.Meta != nil {
		out["_meta"] = m.Meta
	}
	if props := m.Root.props(); len(props) > 0 {
		out["properties"] = props
	}
	if m.Root.Dynamic != "" {
		out["dynamic"] = m.Root.Dynamic
	}
	return out
}

func (o *Object) props() map[string]any {
	out := map[string]any{}
	for leaf, f := range o.Fields {
		out[leaf] = f.JSON()
	}
	for leaf, child := range o.Objects {
		spec := map[string]any{}
		props := child.props()
		if len(props) > 0 {
			spec["properties"] = props
		}
		if child.Dynamic != "" {
			spec["dynamic"] = child.Dynamic
		}
		if !child.Enabled {
			spec["enabled"] = false
		}
		switch {
		case child.Nested:
			spec["type"] = "nested"
		case len(props) == 0:
			spec["type"] = "object"
		}
		out[leaf] = spec
	}
	return out
}

// JSON is the field as GET _mapping prints it.
func (f *Field) JSON() map[string]any {
	out := maps.Clone(f.params)
	if out == nil {
		out = map[string]any{}
	}
	if c, ok := out["copy_to"]; ok {
		if _, list := c.([]any); !list {
			out["copy_to"] = []any{c}
		}
	}
	out["type"] = f.Type
	if f.meta != nil {
		out["meta"] = f.meta
	}
	if len(f.Subs) > 0 {
		subs := map[string]any{}
		for _, sub := range f.Subs {
			subs[sub.Leaf] = sub.JSON()
		}
		out["fields"] = subs
	}
	return out
}

// Meta is the field's own metadata.
func (f *Field) Meta() map[string]any { return f.meta }
