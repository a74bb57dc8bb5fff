package elastic

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"obsandbox/sandbox/internal/elastic/cluster"
	"obsandbox/sandbox/internal/elastic/eserr"
)

func (s *server) templateRoutes() {
	params := masterParams + "create cause local flat_settings include_defaults"
	s.on("PUT,POST /_index_template/{name}", params, (*request).putTemplate)
	s.on("GET /_index_template", params, (*request).getTemplate)
	s.on("GET /_index_template/{name}", params, (*request).getTemplate)
	s.on("DELETE /_index_template/{name}", params, func(r *request) (any, error) {
		return acknowledged(), r.s.c.DeleteTemplate(r.vars["name"])
	})
	s.on("PUT,POST /_component_template/{name}", params, (*request).putComponent)
	s.on("GET /_component_template", params, (*request).getComponent)
	s.on("GET /_component_template/{name}", params, (*request).getComponent)
	s.on("DELETE /_component_template/{name}", params, func(r *request) (any, error) {
		return acknowledged(), r.s.c.DeleteComponent(r.vars["name"])
	})
	s.on("POST /_index_template/_simulate_index/{name}", params, (*request).simulateIndex)
	s.on("POST /_index_template/_simulate", params, (*request).simulate)
	s.on("POST /_index_template/_simulate/{name}", params, (*request).simulate)
	legacy := func(*request) (any, error) {
		return nil, eserr.Unsupported("API [_template] (legacy index templates): use [_index_template]")
	}
	s.on("PUT,POST,DELETE /_template/{name}", params+" order", legacy)
	s.on("GET /_template/{name}", params, func(*request) (any, error) { return reply{status: 404, body: map[string]any{}}, nil })
	s.on("GET /_template", params, func(*request) (any, error) { return map[string]any{}, nil })
	stream := expandParams + masterParams + "include_defaults verbose"
	s.on("PUT /_data_stream/{name}", stream, func(r *request) (any, error) {
		return acknowledged(), r.s.c.CreateStream(r.vars["name"])
	})
	s.on("GET /_data_stream", stream, (*request).getStream)
	s.on("GET /_data_stream/{name}", stream, (*request).getStream)
	s.on("DELETE /_data_stream/{name}", stream, func(r *request) (any, error) {
		return acknowledged(), r.s.c.DeleteStream(r.vars["name"])
	})
}

// strict decodes a body into a value; an unknown key is Elasticsearch's error.
func (r *request) strict(what string, to any) error {
	v, err := r.json()
	if err != nil {
		return err
	}
	if v == nil {
		return eserr.New(400, "parse_exception", "request body is required")
	}
	dec := json.NewDecoder(bytes.NewReader(r.body))
	dec.UseNumber()
	dec.DisallowUnknownFields()
	if err := dec.Decode(to); err != nil {
		msg := err.Error()
		if _, field, ok := strings.Cut(msg, "unknown field "); ok {
			name := strings.Trim(field, `"`)
			line, col := v.Pos()
			if at := v.Get(name); at != nil {
				line, col = at.Pos()
			}
			return eserr.XContent(line, col, "[%s] unknown field [%s]", what, name)
		}
		return eserr.XContent(1, 1, "[%s] failed to parse: %s", what, strings.TrimPrefix(msg, "json: "))
	}
	return nil
}

// template is a cluster.Template whose patterns may be a single text.
type templateBody struct {
	cluster.Template
	Patterns any `json:"index_patterns"`
}

func (r *request) parseTemplate() (*cluster.Template, error) {
	var body templateBody
	if err := r.strict("index_template", &body); err != nil {
		return nil, err
	}
	t := body.Template
	if body.Patterns != nil {
		t.Patterns = stringList(body.Patterns)
	}
	return &t, nil
}

func (r *request) putTemplate() (any, error) {
	t, err := r.parseTemplate()
	if err != nil {
		return nil, err
	}
	create, err := r.flag("create", false)
	if err != nil {
		return nil, err
	}
	if err := r.s.c.PutTemplate(r.vars["name"], t, create); err != nil {
		return nil, err
	}
	return acknowledged(), nil
}

// printBody is a template's part with its settings as a tree.
func printBody(b *cluster.Body) map[string]any {
	out := map[string]any{}
	if b == nil {
		return out
	}
	if b.Settings != nil {
		out["settings"] = cluster.Nested(b.Settings)
	}
	if b.Mappings != nil {
		out["mappings"] = b.Mappings
	}
	if b.Aliases != nil {
		out["aliases"] = b.Aliases
	}
	return out
}

func (r *request) getTemplate() (any, error) {
	found := r.s.c.Templates(r.vars["name"])
	if name := r.vars["name"]; len(found) == 0 && name != "" && !strings.Contains(name, "*") {
		return nil, eserr.New(404, "resource_not_found_exception", "index template matching [%s] not found", name)
	}
	list := []any{}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		t := found[name]
		obj := map[string]any{"index_patterns": t.Patterns, "composed_of": t.ComposedOf}
		if t.Template != nil {
			obj["template"] = printBody(t.Template)
		}
		if t.Priority != nil {
			obj["priority"] = *t.Priority
		}
		if t.Version != nil {
			obj["version"] = *t.Version
		}
		if t.Meta != nil {
			obj["_meta"] = t.Meta
		}
		if t.DataStream != nil {
			ds := map[string]any{"hidden": false, "allow_custom_routing": false}
			maps.Copy(ds, t.DataStream)
			obj["data_stream"] = ds
		}
		if t.Ignore != nil {
			obj["ignore_missing_component_templates"] = t.Ignore
		}
		if t.AllowAuto != nil {
			obj["allow_auto_create"] = *t.AllowAuto
		}
		list = append(list, map[string]any{"name": name, "index_template": obj})
	}
	return map[string]any{"index_templates": list}, nil
}

func (r *request) putComponent() (any, error) {
	var t cluster.Component
	if err := r.strict("component_template", &t); err != nil {
		return nil, err
	}
	create, err := r.flag("create", false)
	if err != nil {
		return nil, err
	}
	if err := r.s.c.PutComponent(r.vars["name"], &t, create); err != nil {
		return nil, err
	}
	return acknowledged(), nil
}

func (r *request) getComponent() (any, error) {
	found := r.s.c.Components(r.vars["name"])
	if name := r.vars["name"]; len(found) == 0 && name != "" && !strings.Contains(name, "*") {
		return nil, eserr.New(404, "resource_not_found_exception", "component template matching [%s] not found", name)
	}
	list := []any{}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		t := found[name]
		obj := map[string]any{"template": printBody(t.Template)}
		if t.Version != nil {
			obj["version"] = *t.Version
		}
		if t.Meta != nil {
			obj["_meta"] = t.Meta
		}
		list = append(list, map[string]any{"name": name, "component_template": obj})
	}
	return map[string]any{"component_templates": list}, nil
}

func simulated(b cluster.Body, overlapping []map[string]any) map[string]any {
	if b.Settings == nil {
		b.Settings = map[string]any{}
	}
	if b.Mappings == nil {
		b.Mappings = map[string]any{}
	}
	if b.Aliases == nil {
		b.Aliases = map[string]any{}
	}
	return map[string]any{"template": printBody(&b), "overlapping": overlapping}
}

func (r *request) simulateIndex() (any, error) {
	var t *cluster.Template
	var err error
	if len(r.body) > 0 {
		if t, err = r.parseTemplate(); err != nil {
			return nil, err
		}
	}
	b, err := r.s.c.Simulate(r.vars["name"], "", t)
	if err != nil {
		return nil, err
	}
	return simulated(b, r.s.c.Overlapping(r.vars["name"], nil)), nil
}

func (r *request) simulate() (any, error) {
	var t *cluster.Template
	var err error
	if len(r.body) > 0 {
		if t, err = r.parseTemplate(); err != nil {
			return nil, err
		}
	}
	if t == nil && r.vars["name"] == "" {
		return nil, eserr.New(400, "parse_exception", "request body is required")
	}
	b, err := r.s.c.Simulate("", r.vars["name"], t)
	if err != nil {
		return nil, err
	}
	patterns := []string{}
	if t != nil {
		patterns = t.Patterns
	} else if have := r.s.c.Templates(r.vars["name"])[r.vars["name"]]; have != nil {
		patterns = have.Patterns
	}
	overlapping := slices.DeleteFunc(r.s.c.Overlapping("", patterns), func(o map[string]any) bool { return o["name"] == r.vars["name"] })
	return simulated(b, overlapping), nil
}

func (r *request) getStream() (any, error) {
	found := r.s.c.Streams(r.vars["name"])
	if name := r.vars["name"]; len(found) == 0 && name != "" && !strings.Contains(name, "*") {
		return nil, eserr.IndexNotFound(name)
	}
	list := []any{}
	for _, s := range found {
		indices := []any{}
		policy := ""
		for _, name := range s.Indices {
			if idx := r.s.c.Index(name); idx != nil {
				policy = idx.Setting("lifecycle.name")
				entry := map[string]any{"index_name": name, "index_uuid": idx.UUID, "prefer_ilm": true, "managed_by": "Unmanaged", "index_mode": "standard"}
				if policy != "" {
					entry["ilm_policy"], entry["managed_by"] = policy, "Index Lifecycle Management"
				}
				indices = append(indices, entry)
			}
		}
		obj := map[string]any{"name": s.Name, "timestamp_field": map[string]any{"name": "@timestamp"}, "indices": indices, "generation": s.Generation,
			"status": "GREEN", "template": s.Template, "hidden": s.Hidden, "system": false, "allow_custom_routing": false, "replicated": false,
			"rollover_on_write": false, "prefer_ilm": true, "next_generation_managed_by": "Unmanaged"}
		if policy != "" {
			obj["ilm_policy"], obj["next_generation_managed_by"] = policy, "Index Lifecycle Management"
		}
		list = append(list, obj)
	}
	return map[string]any{"data_streams": list}, nil
}
