package mapping

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"obsandbox/sandbox/internal/elastic/eserr"
)

// nest reads a document of a nested object.
func (p *Parser) nest(o *Object, read func() error) error {
	if p.nested++; p.nested > p.m.limits.NestedObjects {
		return p.failAt(p.ahead(), "The number of nested documents has exceeded the allowed limit of [%d]. "+
			"This limit can be set by changing the [index.mapping.nested_objects.limit] index level setting.", p.m.limits.NestedObjects)
	}
	around := p.doc
	p.doc = &Document{Path: o.Name}
	around.Nested, p.within = append(around.Nested, p.doc), append(p.within, around)
	err := read()
	p.doc, p.within = around, p.within[:len(p.within)-1]
	return err
}

// copyTo gives a value to another field: in the present document or the one around it that the field belongs to.
func (p *Parser) copyTo(target *Field, s string, quoted bool) error {
	present := p.doc
	for i := len(p.within) - 1; i >= 0 && !inside(target.Name, p.doc.Path); i-- {
		p.doc = p.within[i]
	}
	err := p.put(target, s, quoted)
	for _, sub := range target.Subs {
		if err == nil {
			err = p.put(sub, s, quoted)
		}
	}
	p.doc = present
	return err
}

// inside says whether a field is below a path; everything is below the empty one.
func inside(name, path string) bool { return path == "" || strings.HasPrefix(name, path+".") }

// indexNested fills the list of nested paths and checks what bears on them.
func (m *Mapping) indexNested() error {
	var shapes []any
	for name, o := range m.objects {
		if o.Nested {
			m.nested = append(m.nested, name)
		}
	}
	if len(m.nested) == 0 {
		return nil
	}
	slices.Sort(m.nested)
	if len(m.nested) > m.limits.NestedFields {
		return eserr.Illegal("Limit of nested fields [%d] has been exceeded", m.limits.NestedFields)
	}
	for _, name := range m.nested {
		shapes = append(shapes, name, m.objects[name].props())
	}
	raw, err := json.Marshal(shapes)
	if err != nil {
		return fmt.Errorf("print the nested mappings: %w", err)
	}
	m.shape = string(raw)
	for _, f := range m.byName {
		for _, to := range f.CopyTo {
			if from, dest := m.NestedPath(f.Name), m.NestedPath(to); from != dest && !inside(from, dest) {
				return eserr.Illegal("Illegal combination of [copy_to] and [nested] mappings: [copy_to] may only copy data to the current nested document or any of its parents, however one [copy_to] directive is trying to copy data from nested object [%s] to [%s]", orNull(from), orNull(dest))
			}
		}
	}
	return nil
}

func orNull(path string) string {
	if path == "" {
		return "null"
	}
	return path
}

// Nested are the nested paths, outer ones before inner ones.
func (m *Mapping) Nested() []string { return m.nested }

// NestedShape is the same for mappings that read nested objects alike.
func (m *Mapping) NestedShape() string { return m.shape }

// NestedPath is the innermost nested path that a field, or an object with its own path, is in; empty at the root.
func (m *Mapping) NestedPath(name string) string {
	best := ""
	for _, path := range m.nested {
		if name == path || inside(name, path) {
			best = path
		}
	}
	return best
}

// Copies are the fields that each field is copied to.
func (m *Mapping) Copies() map[string][]string {
	var out map[string][]string
	for name, f := range m.byName {
		if len(f.CopyTo) > 0 {
			if out == nil {
				out = map[string][]string{}
			}
			out[name] = f.CopyTo
		}
	}
	return out
}
