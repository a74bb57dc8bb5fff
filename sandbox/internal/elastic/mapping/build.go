package mapping

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"obsandbox/sandbox/internal/elastic/analysis"
	"obsandbox/sandbox/internal/elastic/dates"
	"obsandbox/sandbox/internal/elastic/eserr"
)

func fail(format string, args ...any) *eserr.Error {
	return eserr.New(400, "mapper_parsing_exception", format, args...)
}

// Empty is a mapping without fields.
func Empty(limits Limits) *Mapping {
	limits = limits.filled()
	return &Mapping{
		Root:          &Object{Enabled: true, Objects: map[string]*Object{}, Fields: map[string]*Field{}},
		SourceEnabled: true, DateDetection: true, root: map[string]any{}, byName: map[string]*Field{},
		objects: map[string]*Object{}, limits: limits,
		DynamicDates: []*dates.Format{dates.MustCompile("strict_date_optional_time"), dates.MustCompile("yyyy/MM/dd HH:mm:ss Z||yyyy/MM/dd Z")},
	}
}

// WithLimits is the mapping under other limits.
func (m *Mapping) WithLimits(limits Limits) *Mapping {
	c := *m
	c.limits = limits.filled()
	return &c
}

// filled has Elasticsearch's defaults where nothing is said.
func (l Limits) filled() Limits {
	if l.TotalFields == 0 {
		l.TotalFields = 1000
	}
	if l.NestedFields == 0 {
		l.NestedFields = 50
	}
	if l.NestedObjects == 0 {
		l.NestedObjects = 10_000
	}
	return l
}

// Merge adds a mapping as it stands in requests, {"properties":…}, and is a new mapping; m stays as it is.
func (m *Mapping) Merge(src map[string]any) (*Mapping, error) {
	out := *m
	out.root = maps.Clone(m.root)
	out.Root = m.Root.clone()
	out.byName, out.objects = map[string]*Field{}, map[string]*Object{}
	for key, value := range src {
		if err := out.setRoot(key, value); err != nil {
			return nil, err
		}
	}
	if dyn, ok := src["dynamic"]; ok {
		d, err := dynamic(dyn)
		if err != nil {
			return nil, err
		}
		out.Root.Dynamic = d
	}
	if props, ok := src["properties"]; ok {
		p, ok := props.(map[string]any)
		if !ok {
			return nil, fail("Expected map for property [properties] on field [_doc] but got a %s", typeName(props))
		}
		if err := out.mergeProps(out.Root, p); err != nil {
			return nil, err
		}
	}
	out.nested, out.shape = nil, ""
	if err := out.index(out.Root); err != nil {
		return nil, err
	}
	if err := out.indexNested(); err != nil {
		return nil, err
	}
	return &out, nil
}

func typeName(v any) string {
	switch v.(type) {
	case string:
		return "class java.lang.String"
	case []any:
		return "class java.util.ArrayList"
	case bool:
		return "class java.lang.Boolean"
	case json.Number:
		return "class java.lang.Integer"
	}
	return fmt.Sprintf("%T", v)
}

func dynamic(v any) (string, error) {
	switch text := fmt.Sprint(v); text {
	case "true", "false", "strict":
		return text, nil
	case "runtime":
		return "", eserr.Unsupported("[dynamic: runtime] in a mapping")
	default:
		return "", fail("Could not convert [dynamic] to boolean: Failed to parse value [%s] as only [true] or [false] are allowed.", text)
	}
}

func (m *Mapping) setRoot(key string, value any) (err error) {
	switch key {
	case "properties":
		return nil
	case "dynamic":
	case "_meta":
		m.Meta = value
		return nil
	case "date_detection":
		m.DateDetection, err = toBool(key, value)
	case "numeric_detection":
		m.NumericDetection, err = toBool(key, value)
	case "dynamic_date_formats":
		m.DynamicDates = nil
		for _, name := range toStrings(value) {
			f, ferr := dates.Compile(name)
			if ferr != nil {
				return fail("%s", ferr)
			}
			m.DynamicDates = append(m.DynamicDates, f)
		}
	case "dynamic_templates":
		m.Templates, err = dynamicTemplates(value)
	case "_source":
		o, ok := value.(map[string]any)
		for k, v := range o {
			switch {
			case k == "enabled":
				m.SourceEnabled, err = toBool("enabled", v)
			case k == "mode" && fmt.Sprint(v) == "stored":
			default:
				return eserr.Unsupported("mapping parameter [_source.%s]", k)
			}
		}
		if !ok {
			return fail("[_source] config must be an object")
		}
	case "_routing":
		o, _ := value.(map[string]any)
		if r, ok := o["required"]; ok {
			m.RoutingRequired, err = toBool("required", r)
		}
	case "_data_stream_timestamp":
		m.DataStream = true
	case "runtime":
		if o, ok := value.(map[string]any); ok && len(o) == 0 {
			return nil
		}
		return eserr.Unsupported("mapping parameter [runtime]")
	default:
		return fail("Root mapping definition has unsupported parameters:  [%s : %s]", key, brief(value))
	}
	if err == nil {
		m.root[key] = value
	}
	return err
}

// brief prints a value the way Java prints maps.
func brief(v any) string {
	switch x := v.(type) {
	case map[string]any:
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(x)) {
			parts = append(parts, k+"="+brief(x[k]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		var parts []string
		for _, item := range x {
			parts = append(parts, brief(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v)
}

func toBool(key string, v any) (bool, error) {
	switch fmt.Sprint(v) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fail("Could not convert [%s] to boolean: Failed to parse value [%v] as only [true] or [false] are allowed.", key, v)
}

// toFlag reads a parameter of a field.
func toFlag(v any) (bool, error) {
	switch fmt.Sprint(v) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fail("Failed to parse mapping: Failed to parse value [%v] as only [true] or [false] are allowed.", v)
}

func toStrings(v any) []string {
	if list, ok := v.([]any); ok {
		var out []string
		for _, item := range list {
			out = append(out, fmt.Sprint(item))
		}
		return out
	}
	return []string{fmt.Sprint(v)}
}

func (o *Object) clone() *Object {
	c := *o
	c.Objects, c.Fields = make(map[string]*Object, len(o.Objects)), maps.Clone(o.Fields)
	for k, child := range o.Objects {
		c.Objects[k] = child.clone()
	}
	return &c
}

func (m *Mapping) mergeProps(o *Object, props map[string]any) error {
	for _, key := range slices.Sorted(maps.Keys(props)) {
		spec, ok := props[key].(map[string]any)
		if !ok {
			if list, isList := props[key].([]any); isList && len(list) == 0 {
				continue
			}
			return fail("Expected map for property [fields] on field [%s] but got a class java.lang.String", key)
		}
		if strings.TrimSpace(key) == "" {
			return eserr.Illegal("field name cannot be an empty string")
		}
		parent, leaf := o, key
		// Dotted names are paths.
		for {
			head, rest, dotted := strings.Cut(leaf, ".")
			if !dotted {
				break
			}
			if parent.Fields[head] != nil {
				return eserr.Illegal("can't merge a non object mapping [%s] with an object mapping", join(parent.Name, head))
			}
			child := parent.Objects[head]
			if child == nil {
				child = newObject(join(parent.Name, head))
				parent.Objects[head] = child
			}
			parent, leaf = child, rest
		}
		if err := m.mergeProp(parent, leaf, spec); err != nil {
			return err
		}
	}
	return nil
}

func newObject(name string) *Object {
	return &Object{Name: name, Enabled: true, Objects: map[string]*Object{}, Fields: map[string]*Field{}}
}

func (m *Mapping) mergeProp(parent *Object, leaf string, spec map[string]any) error {
	full := join(parent.Name, leaf)
	typ, typed := spec["type"].(string)
	if !typed && spec["type"] != nil {
		return fail("The [type] of field [%s] must be a string", full)
	}
	_, hasProps := spec["properties"]
	if typ == "object" || typ == "nested" || !typed && (hasProps || len(spec) == 0 || spec["dynamic"] != nil || spec["enabled"] != nil) {
		if parent.Fields[leaf] != nil {
			if typ == "nested" {
				return eserr.Illegal("can't merge a non-nested mapping [%s] with a nested mapping", full)
			}
			return eserr.Illegal("can't merge a non object mapping [%s] with an object mapping", full)
		}
		child := parent.Objects[leaf]
		if child == nil {
			child = newObject(full)
			child.Nested = typ == "nested"
			parent.Objects[leaf] = child
		}
		if child.Nested != (typ == "nested") {
			return eserr.Illegal("can't merge a non-nested mapping [%s] with a nested mapping", full)
		}
		child.explicit = child.explicit || typed
		return m.mergeObject(child, spec)
	}
	if !typed {
		return fail("No type specified for field [%s]", full)
	}
	if o := parent.Objects[leaf]; o != nil && o.Nested {
		return eserr.Illegal("can't merge a non-nested mapping [%s] with a nested mapping", full)
	}
	if parent.Objects[leaf] != nil {
		return eserr.Illegal("can't merge a non object mapping [%s] with an object mapping", full)
	}
	f, err := m.field(full, leaf, spec, nil)
	if err != nil {
		return err
	}
	if old := parent.Fields[leaf]; old != nil {
		if f, err = m.mergeField(old, f, spec); err != nil {
			return err
		}
	}
	parent.Fields[leaf] = f
	return nil
}

func (m *Mapping) mergeObject(o *Object, spec map[string]any) error {
	for key, value := range spec {
		var err error
		switch key {
		case "type":
		case "dynamic":
			o.Dynamic, err = dynamic(value)
		case "enabled":
			o.Enabled, err = toBool(key, value)
		case "properties":
			p, ok := value.(map[string]any)
			if !ok {
				return fail("Expected map for property [properties] on field [%s] but got a %s", o.Name, typeName(value))
			}
			err = m.mergeProps(o, p)
		case "include_in_parent", "include_in_root":
			var on bool
			if !o.Nested {
				return fail("Mapping definition for [%s] has unsupported parameters:  [%s : %s]", o.Name, key, brief(value))
			}
			if on, err = toBool(key, value); err == nil && on {
				return eserr.Unsupported("mapping parameter [%s] on [%s]", key, o.Name)
			}
		case "subobjects":
			if fmt.Sprint(value) != "true" {
				return eserr.Unsupported("mapping parameter [subobjects] on [%s]", o.Name)
			}
		default:
			return fail("Mapping definition for [%s] has unsupported parameters:  [%s : %s]", o.Name, key, brief(value))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// updatable are the parameters that a mapping update may change.
func updatable(typ, param string) bool {
	switch param {
	case "ignore_above", "coerce", "ignore_malformed", "meta", "fields", "copy_to", "search_analyzer", "boost", "null_value_":
		return true
	case "norms":
		return true
	}
	return typ == "alias"
}

func (m *Mapping) mergeField(old, f *Field, spec map[string]any) (*Field, error) {
	if old.Type != f.Type {
		return nil, eserr.Illegal("mapper [%s] cannot be changed from type [%s] to [%s]", f.Name, old.Type, f.Type)
	}
	var conflicts []string
	for _, key := range slices.Sorted(maps.Keys(f.params)) {
		if a, b := old.params[key], f.params[key]; !updatable(f.Type, key) && !same(a, b) && !same(defaultParam(old.Type, key, a), defaultParam(f.Type, key, b)) {
			conflicts = append(conflicts, fmt.Sprintf("Cannot update parameter [%s] from [%v] to [%v]", key, defaultParam(old.Type, key, a), b))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(old.params)) {
		if _, kept := f.params[key]; !kept && !updatable(f.Type, key) && !same(old.params[key], defaultParam(f.Type, key, nil)) {
			conflicts = append(conflicts, fmt.Sprintf("Cannot update parameter [%s] from [%v] to [%v]", key, old.params[key], defaultParam(f.Type, key, nil)))
		}
	}
	if len(conflicts) > 0 {
		return nil, eserr.Illegal("Mapper for [%s] conflicts with existing mapper:\n\t%s", f.Name, strings.Join(conflicts, "\n\t"))
	}
	f.ID = old.ID
	if f.Keyed != nil && old.Keyed != nil {
		f.Keyed.ID = old.Keyed.ID
	}
	for _, sub := range old.Subs {
		i := slices.IndexFunc(f.Subs, func(s *Field) bool { return s.Leaf == sub.Leaf })
		if i < 0 {
			kept := *sub
			kept.Parent = f
			f.Subs = append(f.Subs, &kept)
			continue
		}
		merged, err := m.mergeField(sub, f.Subs[i], nil)
		if err != nil {
			return nil, err
		}
		f.Subs[i] = merged
	}
	return f, nil
}

func same(a, b any) bool {
	return reflect.DeepEqual(a, b) || a != nil && b != nil && fmt.Sprint(a) == fmt.Sprint(b)
}

func defaultParam(typ, key string, v any) any {
	if v != nil {
		return v
	}
	switch key {
	case "index", "doc_values":
		return true
	case "store":
		return false
	case "analyzer":
		return "default"
	case "format":
		return dates.Default
	case "norms":
		return typ == "text"
	}
	return nil
}

// index fills the tables by name and checks what only the whole can tell.
func (m *Mapping) index(o *Object) error {
	m.objects[o.Name] = o
	for _, f := range o.Fields {
		m.byName[f.Name] = f
		for _, sub := range f.Subs {
			m.byName[sub.Name] = sub
		}
	}
	for _, child := range o.Objects {
		if err := m.index(child); err != nil {
			return err
		}
	}
	if o.Name != "" {
		return nil
	}
	for _, f := range m.byName {
		if f.Type == "alias" && m.byName[f.Path] == nil {
			return fail("Invalid [path] value [%s] for field alias [%s]: an alias must refer to an existing field in the mappings.", f.Path, f.Name)
		}
		for _, to := range f.CopyTo {
			if m.objects[to] != nil {
				return eserr.Illegal("Cannot copy to field [%s] since it is mapped as an object", to)
			}
		}
	}
	if n, limit := m.Total(), max(0, m.limits.TotalFields); n > limit {
		return eserr.Illegal("Limit of total fields [%d] has been exceeded", limit)
	}
	return nil
}

// Total is the number of fields and objects, as index.mapping.total_fields.limit counts them.
func (m *Mapping) Total() int { return len(m.byName) + max(len(m.objects)-1, 0) }

// analyzer finds an analyzer of the index or a built-in one.
func (m *Mapping) analyzer(name string) (analysis.Analyzer, error) {
	if a := m.limits.Analyzers[name]; a != nil {
		return a, nil
	}
	if a := analysis.Builtin(name); a != nil {
		return a, nil
	}
	return nil, fail("Failed to parse mapping: analyzer [%s] has not been configured in mappings", name)
}

func atoi(v any) (int, error) { return strconv.Atoi(fmt.Sprint(v)) }
