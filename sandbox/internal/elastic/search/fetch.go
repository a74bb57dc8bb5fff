package search

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"obsandbox/sandbox/internal/elastic/dates"
	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/segment"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// HitJSON prints hits: the objects of hits.hits.
func (r *Request) HitJSON(res *Result) ([]map[string]any, error) {
	return r.print(res.Hits, res)
}

func (r *Request) print(hits []*Hit, res *Result) ([]map[string]any, error) {
	out := make([]map[string]any, 0, len(hits))
	readers := map[*engine.View]*segment.Sources{}
	for _, h := range hits {
		obj := map[string]any{"_index": h.target.Index, "_score": nil}
		if res.scored {
			obj["_score"] = float32(h.score)
		}
		if len(h.sorts) > 0 {
			obj["sort"] = h.sorts
		}
		if !r.NoStored {
			obj["_id"] = h.view.ID(h.doc)
		}
		if r.Version {
			obj["_version"] = h.view.Version.At(h.doc)
		}
		if r.SeqNo {
			obj["_seq_no"], obj["_primary_term"] = h.view.Segment.Seq.At(h.doc), 1
		}
		reader := readers[h.view]
		if reader == nil {
			reader = h.view.Sources()
			readers[h.view] = reader
		}
		var src []byte
		needs := !r.Source.Off && !r.NoStored || len(r.Fields) > 0 || r.Highlight != nil
		if needs && h.target.Mapping.SourceEnabled {
			raw, err := reader.Get(h.doc)
			if err != nil {
				return nil, err
			}
			src = slices.Clone(raw)
			if !r.Source.Off && !r.NoStored {
				kept, err := r.Source.Apply(src)
				if err != nil {
					return nil, err
				}
				obj["_source"] = json.RawMessage(kept)
			}
		}
		fields := map[string]any{}
		if err := r.docValues(h, fields); err != nil {
			return nil, err
		}
		if len(r.Fields) > 0 && src != nil {
			ignored := map[string]any{}
			if err := r.sourceFields(h, src, fields, ignored); err != nil {
				return nil, err
			}
			if len(ignored) > 0 {
				obj["ignored_field_values"] = ignored
			}
		}
		if len(fields) > 0 {
			obj["fields"] = fields
		}
		if ig := ignoredOf(h); len(ig) > 0 {
			obj["_ignored"] = ig
		}
		if r.Highlight != nil && src != nil {
			hl, err := r.Highlight.of(h.target, res.marks[h.target], src)
			if err != nil {
				return nil, err
			}
			if len(hl) > 0 {
				obj["highlight"] = hl
			}
		}
		out = append(out, obj)
	}
	return out, nil
}

func ignoredOf(h *Hit) []string {
	f := h.view.Field("_ignored")
	if f == nil {
		return nil
	}
	var out []string
	for i, end := f.Ords.Range(h.doc); i < end; i++ {
		out = append(out, strings.Clone(f.Dict.Term(int(f.Ords.At(i)))))
	}
	return out
}

// docValues adds the values of docvalue_fields.
func (r *Request) docValues(h *Hit, out map[string]any) error {
	for _, spec := range r.DocValues {
		for _, f := range h.target.Mapping.Matching(spec.Field) {
			if !f.Aggregatable() {
				if strings.Contains(spec.Field, "*") {
					continue
				}
				return ShardFail(h.target.Index, "Can't load fielddata on [%s] because fielddata is unsupported on fields of type [%s]. Use doc values instead.", f.Name, f.Type)
			}
			format := f.Format
			if spec.Format != "" && spec.Format != "use_field_mapping" {
				var err error
				if !f.IsDate() {
					return ShardFail(h.target.Index, "Field [%s] of type [%s] doesn't support formats.", f.Name, f.Type)
				}
				if format, err = dates.Compile(spec.Format); err != nil {
					return eserr.Illegal("%s", err)
				}
			}
			if values := Values(f, h.view, h.doc, format); len(values) > 0 {
				out[f.Name] = values
			}
		}
	}
	return nil
}

// Values are a field's values in a document, from its columns; dates in a format.
func Values(f *mapping.Field, v *engine.View, doc int, format *dates.Format) []any {
	sf := v.Field(storageName(f))
	if sf == nil {
		return nil
	}
	var out []any
	if sf.Num != nil {
		for i, end := sf.Num.Range(doc); i < end; i++ {
			raw := sf.Num.At(i)
			switch {
			case f.IsDate():
				out = append(out, format.Print(f.Time(raw)))
			case f.Type == "boolean":
				out = append(out, raw != 0)
			default:
				out = append(out, f.Output(raw))
			}
		}
		return out
	}
	if sf.Ords == nil {
		return nil
	}
	for i, end := sf.Ords.Range(doc); i < end; i++ {
		term := sf.Dict.Term(int(sf.Ords.At(i)))
		if f.Key != "" && !strings.HasPrefix(term, f.Key+"\x00") {
			continue
		}
		out = append(out, strings.Clone(f.TermText(term)))
	}
	return out
}

// sourceFields adds the values of fields: from the source, as the mapping reads them. What a field did not take is put
// apart.
func (r *Request) sourceFields(h *Hit, src []byte, out, ignored map[string]any) error {
	tree, err := xcontent.Parse(src)
	if err != nil {
		return fmt.Errorf("read a source for its fields: %w", err)
	}
	return r.fieldsOf(h.target.Mapping, "", tree, out, ignored)
}

// fieldsOf adds the values of the fields of a tree at a nested path. Nested objects inside it are objects of the
// answer too, with names relative to their path.
func (r *Request) fieldsOf(m *mapping.Mapping, scope string, tree *xcontent.Value, out, ignored map[string]any) error {
	var err error
	relative := func(name string) string {
		if scope == "" {
			return name
		}
		return name[len(scope)+1:]
	}
	inner := map[string][]*xcontent.Value{}
	leaves := map[string][]*xcontent.Value{}
	var order []string
	add := func(path string, v *xcontent.Value) {
		if leaves[path] == nil {
			order = append(order, path)
		}
		leaves[path] = append(leaves[path], v)
	}
	walk(scope, tree, func(path string, v *xcontent.Value) bool {
		if o := m.Object(path); path != scope && o != nil && o.Nested {
			inner[path] = append(inner[path], v)
			return false
		}
		if f := m.Field(path); path != "" && f != nil && f.Keyed != nil {
			add(path, v)
		}
		return true
	}, func(path string, v *xcontent.Value) {
		if m.NestedPath(path) == scope { // else a dotted name that leads into a nested object
			add(path, v)
		}
	})
	if scope == "" {
		order = copied(m, tree, leaves, order)
	}
	for path, objects := range inner {
		var found []any
		for _, v := range objects {
			below := map[string]any{}
			if err := r.fieldsOf(m, path, v, below, map[string]any{}); err != nil {
				return err
			}
			if len(below) > 0 {
				found = append(found, below)
			}
		}
		if len(found) > 0 {
			out[relative(path)] = found
		}
	}
	answer := func(name string, f *mapping.Field, spec FieldSpec, values []*xcontent.Value) error {
		var format *dates.Format
		if f != nil && f.IsDate() {
			format = f.Format
			if spec.Format != "" {
				if format, err = dates.Compile(spec.Format); err != nil {
					return eserr.Illegal("%s", err)
				}
			}
		}
		var printed, refused []any
		for _, v := range values {
			if v.Is(xcontent.Null) {
				if f == nil || f.Null == nil {
					continue
				}
				v = &xcontent.Value{Kind: xcontent.String, Str: *f.Null}
			}
			if p, ok := fieldValue(f, v, format); ok {
				printed = append(printed, p)
			} else {
				refused = append(refused, v.Any())
			}
		}
		if len(refused) > 0 {
			ignored[name] = refused
		}
		if len(printed) > 0 {
			out[relative(name)] = printed
		}
		return nil
	}
	for _, spec := range r.Fields {
		for _, path := range order {
			f := m.Field(path)
			if f == nil {
				if spec.IncludeUnmapped && mapping.Glob(spec.Field, path) {
					if err := answer(path, nil, spec, leaves[path]); err != nil {
						return err
					}
				}
				continue
			}
			if f.Key != "" && (strings.Contains(spec.Field, "*") || spec.Field != path) {
				continue
			}
			if mapping.Glob(spec.Field, path) {
				if err := answer(path, f, spec, leaves[path]); err != nil {
					return err
				}
			}
			for _, sub := range f.Subs {
				if mapping.Glob(spec.Field, sub.Name) {
					if err := answer(sub.Name, sub, spec, leaves[path]); err != nil {
						return err
					}
				}
			}
		}
		if f := m.Field(spec.Field); f != nil && m.NestedPath(spec.Field) == scope && out[relative(spec.Field)] == nil && leaves[f.Name] != nil {
			if err := answer(spec.Field, f, spec, leaves[f.Name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// walk visits the objects and the other values of a tree by their dotted names; what lists have in them has their name. It
// goes into the objects for which into is true.
func walk(path string, v *xcontent.Value, into func(path string, object *xcontent.Value) bool, leaf func(path string, v *xcontent.Value)) {
	switch {
	case v.Is(xcontent.Array):
		for _, item := range v.Items {
			walk(path, item, into, leaf)
		}
	case !v.Is(xcontent.Object):
		leaf(path, v)
	case into(path, v):
		for _, member := range v.Members {
			full := member.Key
			if path != "" {
				full = path + "." + member.Key
			}
			walk(full, member.Value, into, leaf)
		}
	}
}

// copied adds to the fields that others are copied to the values of those, wherever they are in the tree.
func copied(m *mapping.Mapping, tree *xcontent.Value, leaves map[string][]*xcontent.Value, order []string) []string {
	targets := m.Copies()
	if len(targets) == 0 {
		return order
	}
	into := func(string, *xcontent.Value) bool { return true }
	walk("", tree, into, func(path string, v *xcontent.Value) {
		for _, to := range targets[path] {
			if leaves[to] == nil {
				order = append(order, to)
			}
			leaves[to] = append(leaves[to], v)
		}
	})
	return order
}

// fieldValue is a value of a source as its field prints it; false for what the field did not take.
func fieldValue(f *mapping.Field, v *xcontent.Value, format *dates.Format) (any, bool) {
	if f == nil || f.Keyed != nil || f.Key != "" {
		return v.Any(), true
	}
	text := v.Text()
	switch {
	case f.Kind == mapping.Text:
		return text, true
	case f.Numeric():
		n, err := f.Number(text, v.Is(xcontent.String))
		if err != nil {
			return nil, false
		}
		switch {
		case f.IsDate():
			return format.Print(f.Time(n)), true
		case f.Type == "boolean":
			return n != 0, true
		}
		return f.Output(n), true
	}
	if f.TooLong(text) {
		return nil, false
	}
	if f.Normalize != nil {
		return f.Normalize(text), true
	}
	if f.Type == "ip" {
		term, err := f.Term(text)
		return f.TermText(term), err == nil
	}
	return text, true
}
