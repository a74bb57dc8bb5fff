package mapping

import (
	"strconv"
	"strings"

	"obsandbox/sandbox/internal/elastic/eserr"
)

func (p *Parser) strict(prefix, key string) error {
	within := prefix
	if within == "" {
		within = "_doc"
	}
	line, col := p.at(p.ahead())
	return eserr.New(400, "strict_dynamic_mapping_exception",
		"[%d:%d] mapping set to strict, dynamic introduction of [%s] within [%s] is not allowed", line, col, key, within)
}

// unknown reads a value that the mapping has no field for.
func (p *Parser) unknown(prefix, key, dyn string) error {
	kind := p.dec.PeekKind()
	switch {
	case kind == 0 || kind == '}' || kind == ']':
		_, err := p.dec.ReadToken()
		return err
	case dyn == "strict":
		return p.strict(prefix, key)
	case dyn == "false" || kind == 'n':
		return p.dec.SkipValue()
	}
	full := join(prefix, key)
	switch kind {
	case '{':
		t := p.template(full, key, "object")
		if t != nil && (t["type"] != nil && t["type"] != "object" || t["properties"] != nil || t["dynamic"] != nil || t["enabled"] != nil) {
			p.add2New(full, t)
			return p.dec.SkipValue()
		}
		if p.m.objects[full] == nil {
			p.add2New(full, map[string]any{"type": "object"})
		}
		return p.object(full, p.m.objects[full], dyn)
	case '[':
		if _, err := p.dec.ReadToken(); err != nil {
			return err
		}
		for p.dec.PeekKind() != ']' {
			if err := p.unknown(prefix, key, dyn); err != nil {
				return err
			}
		}
		_, err := p.dec.ReadToken()
		return err
	case '"':
		s, err := p.text()
		if err != nil {
			return err
		}
		return p.learn(full, s, true)
	}
	raw, err := p.dec.ReadValue()
	if err != nil {
		return err
	}
	return p.learn(full, string(raw), false)
}

// learn adds a field for a value to the mapping of new fields.
func (p *Parser) learn(full, s string, quoted bool) error {
	typ := "string"
	var spec map[string]any
	switch {
	case !quoted && (s == "true" || s == "false"):
		typ, spec = "boolean", map[string]any{"type": "boolean"}
	case !quoted && !strings.ContainsAny(s, ".eE"):
		typ, spec = "long", map[string]any{"type": "long"}
		if _, err := strconv.ParseInt(s, 10, 64); err != nil {
			typ, spec = "double", map[string]any{"type": "float"}
		}
	case !quoted:
		typ, spec = "double", map[string]any{"type": "float"}
	default:
		typ, spec = p.ofString(s)
	}
	leaf := base(full)
	if t := p.template(full, leaf, typ); t != nil {
		spec = t
		if spec["type"] == nil {
			spec["type"] = map[string]string{"string": "text", "long": "long", "double": "float", "boolean": "boolean", "date": "date"}[typ]
		}
	}
	p.add2New(full, spec)
	return nil
}

func (p *Parser) ofString(s string) (string, map[string]any) {
	if p.m.DateDetection && len(s) > 3 && strings.ContainsAny(s, ":-/") {
		for _, f := range p.m.DynamicDates {
			if _, err := f.Parse(s, nil); err == nil {
				spec := map[string]any{"type": "date"}
				if f.Name != "strict_date_optional_time" {
					spec["format"] = f.Name
				}
				return "date", spec
			}
		}
	}
	if p.m.NumericDetection {
		if _, err := strconv.ParseInt(s, 10, 64); err == nil {
			return "long", map[string]any{"type": "long"}
		}
		if _, err := strconv.ParseFloat(s, 64); err == nil {
			return "double", map[string]any{"type": "float"}
		}
	}
	return "string", map[string]any{"type": "text", "fields": map[string]any{"keyword": map[string]any{"type": "keyword", "ignore_above": 256}}}
}

// template is the mapping that the first fitting dynamic template gives.
func (p *Parser) template(full, leaf, typ string) map[string]any {
	for _, t := range p.m.Templates {
		if t.matches(full, leaf, typ) {
			dynType := map[string]string{"string": "text", "long": "long", "double": "double", "boolean": "boolean", "date": "date", "object": "object"}[typ]
			return expand(t.Mapping, strings.NewReplacer("{name}", leaf, "{dynamic_type}", dynType, "{dynamicType}", dynType)).(map[string]any)
		}
	}
	return nil
}

func expand(v any, r *strings.Replacer) any {
	switch x := v.(type) {
	case string:
		return r.Replace(x)
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, item := range x {
			out[r.Replace(k)] = expand(item, r)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, item := range x {
			out[i] = expand(item, r)
		}
		return out
	}
	return v
}

// add2New puts a field into the mapping of new fields; the first value of a document decides the type.
func (p *Parser) add2New(full string, spec map[string]any) {
	if p.root.New == nil {
		p.root.New = map[string]any{"properties": map[string]any{}}
	}
	at := p.root.New
	parts := strings.Split(full, ".")
	for i, part := range parts {
		props, _ := at["properties"].(map[string]any)
		if props == nil {
			props = map[string]any{}
			at["properties"] = props
		}
		child, ok := props[part].(map[string]any)
		if i == len(parts)-1 {
			if !ok {
				props[part] = spec
			}
			return
		}
		if !ok {
			child = map[string]any{}
			if o := p.m.objects[strings.Join(parts[:i+1], ".")]; o != nil && o.Nested {
				child["type"] = "nested"
			}
			props[part] = child
		}
		at = child
	}
}

// MergeDynamic is Merge for what documents brought: the limit of fields has its own error.
func (m *Mapping) MergeDynamic(src map[string]any) (*Mapping, error) {
	out, err := m.Merge(src)
	if err == nil {
		return out, nil
	}
	if e := eserr.From(err); strings.HasPrefix(e.Reason, "Limit of total fields") {
		wide := *m
		wide.limits.TotalFields = 1 << 30
		if all, werr := wide.Merge(src); werr == nil {
			return nil, docFail("[1:1] failed to parse: %s while adding new fields [%d]", e.Reason, all.Total()-m.Total()).
				CausedBy(eserr.Illegal("%s while adding new fields [%d]", e.Reason, all.Total()-m.Total()))
		}
	}
	return nil, err
}
