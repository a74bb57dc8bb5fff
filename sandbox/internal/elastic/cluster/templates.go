package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
)

// Body is what templates give an index.
type Body struct {
	Settings map[string]any `json:"settings,omitempty"`
	Mappings map[string]any `json:"mappings,omitempty"`
	Aliases  map[string]any `json:"aliases,omitempty"`
}

// Template is an index template.
type Template struct {
	Patterns   []string       `json:"index_patterns"`
	Template   *Body          `json:"template,omitempty"`
	ComposedOf []string       `json:"composed_of"`
	Priority   *int64         `json:"priority,omitempty"`
	Version    *int64         `json:"version,omitempty"`
	Meta       map[string]any `json:"_meta,omitempty"`
	DataStream map[string]any `json:"data_stream,omitempty"`
	Ignore     []string       `json:"ignore_missing_component_templates,omitempty"`
	AllowAuto  *bool          `json:"allow_auto_create,omitempty"`
	Deprecated *bool          `json:"deprecated,omitempty"`
}

// Component is a component template.
type Component struct {
	Template *Body          `json:"template"`
	Version  *int64         `json:"version,omitempty"`
	Meta     map[string]any `json:"_meta,omitempty"`
}

func (t *Template) priority() int64 {
	if t.Priority == nil {
		return 0
	}
	return *t.Priority
}

// normalize makes the template's parts what they are kept as, and checks them.
func (b *Body) normalize(what, name string) error {
	if b == nil {
		return nil
	}
	if b.Settings != nil {
		b.Settings = FlatSettings(b.Settings)
		if err := checkSettings(b.Settings, false); err != nil {
			return err
		}
	}
	limits, err := limitsOf(b.Settings)
	if err != nil {
		return err
	}
	limits.TotalFields = 1 << 30
	if b.Mappings != nil {
		if inner, ok := b.Mappings["_doc"].(map[string]any); ok && len(b.Mappings) == 1 {
			b.Mappings = inner
		}
		if _, err := mapping.Empty(limits).Merge(b.Mappings); err != nil {
			e := eserr.From(err)
			return eserr.Illegal("%s template [%s] invalid", what, name).CausedBy(e)
		}
	}
	for alias, v := range b.Aliases {
		if _, err := parseAlias(alias, v); err != nil {
			return err
		}
	}
	return nil
}

// PutTemplate adds or replaces an index template.
func (c *Cluster) PutTemplate(name string, t *Template, create bool) error {
	if len(t.Patterns) == 0 {
		return eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: index patterns are missing;")
	}
	if t.ComposedOf == nil {
		t.ComposedOf = []string{}
	}
	if err := t.Template.normalize("composable", name); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if create && c.meta.Templates[name] != nil {
		return eserr.Illegal("index template [%s] already exists", name)
	}
	var missing []string
	for _, comp := range t.ComposedOf {
		if c.meta.Components[comp] == nil && !slices.Contains(t.Ignore, comp) {
			missing = append(missing, comp)
		}
	}
	if len(missing) > 0 {
		return eserr.New(400, "invalid_index_template_exception", "index_template [%s] invalid, cause [index template [%s] specifies component templates [%s] that do not exist]", name, name, strings.Join(missing, ", "))
	}
	var conflicts []string
	for _, other := range slices.Sorted(maps.Keys(c.meta.Templates)) {
		o := c.meta.Templates[other]
		if other != name && o.priority() == t.priority() && overlap(o.Patterns, t.Patterns) {
			conflicts = append(conflicts, fmt.Sprintf("%s => [%s]", other, strings.Join(o.Patterns, ", ")))
		}
	}
	if len(conflicts) > 0 {
		var names []string
		for _, x := range conflicts {
			n, _, _ := strings.Cut(x, " ")
			names = append(names, n)
		}
		return eserr.Illegal("index template [%s] has index patterns [%s] matching patterns from existing templates [%s] with patterns (%s) that have the same priority [%d], multiple index templates may not match during index creation, please use a different priority",
			name, strings.Join(t.Patterns, ", "), strings.Join(names, ","), strings.Join(conflicts, ","), t.priority())
	}
	old := c.meta.Templates[name]
	c.meta.Templates[name] = t
	if _, err := c.compose(t, name); err != nil {
		if c.meta.Templates[name] = old; old == nil {
			delete(c.meta.Templates, name)
		}
		return err
	}
	return c.saveMeta()
}

// overlap says whether some name could fit a pattern of both lists.
func overlap(a, b []string) bool {
	for _, x := range a {
		for _, y := range b {
			if intersects(x, y) {
				return true
			}
		}
	}
	return false
}

// intersects says whether two patterns with * have a name in common.
func intersects(a, b string) bool {
	type pair struct{ a, b int }
	seen := map[pair]bool{}
	var walk func(i, j int) bool
	walk = func(i, j int) bool {
		if seen[pair{i, j}] {
			return false
		}
		seen[pair{i, j}] = true
		switch {
		case i == len(a) && j == len(b):
			return true
		case i < len(a) && a[i] == '*':
			return walk(i+1, j) || j < len(b) && walk(i, j+1)
		case j < len(b) && b[j] == '*':
			return walk(i, j+1) || i < len(a) && walk(i+1, j)
		}
		return i < len(a) && j < len(b) && a[i] == b[j] && walk(i+1, j+1)
	}
	return walk(0, 0)
}

// PutComponent adds or replaces a component template.
func (c *Cluster) PutComponent(name string, t *Component, create bool) error {
	if t.Template == nil {
		return eserr.Illegal("Required [template]")
	}
	if err := t.Template.normalize("component", name); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if create && c.meta.Components[name] != nil {
		return eserr.Illegal("component template [%s] already exists", name)
	}
	c.meta.Components[name] = t
	return c.saveMeta()
}

// Templates are the index templates whose names fit a pattern; empty takes all.
func (c *Cluster) Templates(pattern string) map[string]*Template {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return pick(c.meta.Templates, pattern)
}

// Components are the component templates whose names fit a pattern.
func (c *Cluster) Components(pattern string) map[string]*Component {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return pick(c.meta.Components, pattern)
}

func pick[T any](m map[string]T, pattern string) map[string]T {
	out := map[string]T{}
	for name, v := range m {
		for _, p := range strings.Split(pattern, ",") {
			if p == "" || p == "_all" || mapping.Glob(p, name) {
				out[name] = v
			}
		}
	}
	return out
}

// DeleteTemplate removes index templates.
func (c *Cluster) DeleteTemplate(pattern string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := pick(c.meta.Templates, pattern)
	if len(found) == 0 && !strings.Contains(pattern, "*") {
		return eserr.New(404, "resource_not_found_exception", "index_template [%s] missing", pattern)
	}
	for name, t := range found {
		for _, s := range c.meta.Streams {
			if s.Template == name {
				return eserr.Illegal("unable to remove composable templates [%s] as they are in use by a data streams [%s]", name, s.Name)
			}
		}
		_ = t
		delete(c.meta.Templates, name)
	}
	return c.saveMeta()
}

// DeleteComponent removes component templates.
func (c *Cluster) DeleteComponent(pattern string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := pick(c.meta.Components, pattern)
	if len(found) == 0 && !strings.Contains(pattern, "*") {
		return eserr.New(404, "resource_not_found_exception", "component_template [%s] missing", pattern)
	}
	for name := range found {
		for tname, t := range c.meta.Templates {
			if slices.Contains(t.ComposedOf, name) {
				return eserr.Illegal("component templates [%s] cannot be removed as they are still in use by index templates [%s]", name, tname)
			}
		}
		delete(c.meta.Components, name)
	}
	return c.saveMeta()
}

// match is the template of the highest priority for a name; c.mu is held.
func (c *Cluster) match(index string) (string, *Template) {
	var best *Template
	bestName := ""
	for name, t := range c.meta.Templates {
		for _, p := range t.Patterns {
			if mapping.Glob(p, index) && (best == nil || t.priority() > best.priority()) {
				best, bestName = t, name
			}
		}
	}
	return bestName, best
}

// Overlapping are the templates that would fit too, but have less priority.
func (c *Cluster) Overlapping(index string, patterns []string) []map[string]any {
	c.mu.RLock()
	defer c.mu.RUnlock()
	out := []map[string]any{}
	chosen := ""
	if index != "" {
		chosen, _ = c.match(index)
	}
	for _, name := range slices.Sorted(maps.Keys(c.meta.Templates)) {
		t := c.meta.Templates[name]
		if name == chosen {
			continue
		}
		fits := overlap(t.Patterns, patterns)
		if index != "" {
			fits = overlap(t.Patterns, []string{index})
		}
		if fits {
			out = append(out, map[string]any{"name": name, "index_patterns": t.Patterns})
		}
	}
	return out
}

// compose is what a template and its components give together; c.mu is held.
func (c *Cluster) compose(t *Template, name string) (Body, error) {
	out := Body{Settings: map[string]any{}, Mappings: map[string]any{}, Aliases: map[string]any{}}
	parts := []*Body{}
	for _, comp := range t.ComposedOf {
		if ct := c.meta.Components[comp]; ct != nil {
			parts = append(parts, ct.Template)
		}
	}
	for _, b := range append(parts, t.Template) {
		if b == nil {
			continue
		}
		maps.Copy(out.Settings, b.Settings)
		maps.Copy(out.Aliases, b.Aliases)
		out.Mappings = overlay(out.Mappings, b.Mappings)
	}
	limits, err := limitsOf(out.Settings)
	if err != nil {
		return out, err
	}
	if _, err := mapping.Empty(limits).Merge(out.Mappings); err != nil {
		return out, eserr.Illegal("composable template [%s] template after composition is invalid", name).
			CausedBy(eserr.New(400, "illegal_argument_exception", "invalid composite mappings for [%s]", name).CausedBy(err))
	}
	return out, nil
}

// overlay lays one mapping over another: fields of the same name are replaced, objects merged.
func overlay(under, over map[string]any) map[string]any {
	out := maps.Clone(under)
	if out == nil {
		out = map[string]any{}
	}
	for key, v := range over {
		switch key {
		case "properties":
			a, _ := out[key].(map[string]any)
			b, _ := v.(map[string]any)
			props := maps.Clone(a)
			if props == nil {
				props = map[string]any{}
			}
			for name, spec := range b {
				s, _ := spec.(map[string]any)
				o, _ := props[name].(map[string]any)
				if s["properties"] != nil && o["properties"] != nil {
					props[name] = overlay(o, s)
				} else {
					props[name] = spec
				}
			}
			out[key] = props
		case "dynamic_templates":
			a, _ := out[key].([]any)
			b, _ := v.([]any)
			list := slices.Clone(a)
			for _, item := range b {
				entry, _ := item.(map[string]any)
				list = slices.DeleteFunc(list, func(x any) bool {
					old, _ := x.(map[string]any)
					for name := range entry {
						if _, same := old[name]; same {
							return true
						}
					}
					return false
				})
				list = append(list, item)
			}
			out[key] = list
		case "_meta":
			a, _ := out[key].(map[string]any)
			b, _ := v.(map[string]any)
			m := maps.Clone(a)
			if m == nil {
				m = map[string]any{}
			}
			maps.Copy(m, b)
			out[key] = m
		default:
			out[key] = v
		}
	}
	return out
}

// Simulate is what a new index of a name would get, or what a template gives by itself.
func (c *Cluster) Simulate(index, template string, t *Template) (Body, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := template
	switch {
	case t != nil:
		if err := t.Template.normalize("composable", name); err != nil {
			return Body{}, err
		}
		if index != "" {
			if _, other := c.match(index); other != nil && other.priority() > t.priority() {
				t = other
			}
		}
	case template != "":
		if t = c.meta.Templates[template]; t == nil {
			return Body{}, eserr.Illegal("unable to simulate template [%s] that does not exist", template)
		}
	default:
		if name, t = c.match(index); t == nil {
			return Body{}, nil
		}
	}
	return c.compose(t, name)
}

// builtin adds the templates that Elasticsearch brings and that bear on names of logs: an index logs-*-* that no
// template of a higher priority takes becomes a data stream.
func (c *Cluster) builtin() {
	priority, version := int64(100), int64(1)
	for _, kind := range []string{"logs", "metrics", "synthetics"} {
		c.meta.Templates[kind] = &Template{Patterns: []string{kind + "-*-*"}, ComposedOf: []string{}, Priority: &priority, Version: &version,
			DataStream: map[string]any{}, Meta: map[string]any{"managed": true, "description": "default " + kind + " template, as Elasticsearch installs it"},
			Template: &Body{Mappings: map[string]any{
				"date_detection": false,
				"dynamic_templates": []any{map[string]any{"all_strings_to_keywords": map[string]any{
					"match_mapping_type": "string", "unmatch": []any{"message"}, "mapping": map[string]any{"type": "keyword", "ignore_above": "1024"}}},
					map[string]any{"message": map[string]any{"match": "message", "match_mapping_type": "string", "mapping": map[string]any{"type": "match_only_text"}}}},
				"properties": map[string]any{"@timestamp": map[string]any{"type": "date"},
					"data_stream": map[string]any{"properties": map[string]any{"type": map[string]any{"type": "constant_keyword"},
						"dataset": map[string]any{"type": "constant_keyword"}, "namespace": map[string]any{"type": "constant_keyword"}}}}}}}
	}
}
