package logstash

import (
	"errors"
	"maps"
	"slices"

	"obsandbox/sandbox/internal/logstash/event"
)

func joinErrors(errs []error) error { return errors.Join(errs...) }

// decorator is what every filter can do to an event when it succeeds: the options add_field, remove_field, add_tag and
// remove_tag, in that order.
type decorator struct {
	addField    []addition
	removeField []fieldName
	addTag      []*event.Template
	removeTag   []*event.Template
}

type addition struct {
	field  fieldName
	values []*event.Template
}

// decorator reads the options that all filters share.
func (b *build) decorator() decorator {
	var d decorator
	b.ignore("id", "enable_metric", "periodic_flush")
	for _, entry := range b.hash("add_field") {
		a := addition{field: b.fieldName("add_field", entry.Key)}
		for _, v := range entry.Value.List() {
			s, ok := v.String()
			if !ok {
				b.failAt(entry.Pos, "add_field", "the value of %s must be a string or a list of strings", entry.Key)
				continue
			}
			a.values = append(a.values, b.parseTemplate("add_field", s))
		}
		d.addField = append(d.addField, a)
	}
	for _, s := range b.list("remove_field") {
		d.removeField = append(d.removeField, b.fieldName("remove_field", s))
	}
	d.addTag = b.templates("add_tag")
	d.removeTag = b.templates("remove_tag")
	return d
}

// matched decorates an event.
func (d *decorator) matched(e *event.Event) error {
	for _, a := range d.addField {
		ref, err := a.field.ref(e)
		if err != nil {
			return err
		}
		for _, t := range a.values {
			value := any(t.Fill(e))
			if have, ok := e.Lookup(ref); ok {
				value = append(slices.Clone(event.ToList(have)), value)
			}
			if err := e.Set(ref, value); err != nil {
				return err
			}
		}
	}
	for _, n := range d.removeField {
		ref, err := n.ref(e)
		if err != nil {
			return err
		}
		e.Remove(ref)
	}
	if len(d.addTag) > 0 {
		tags := slices.Clone(e.Tags())
		for _, t := range d.addTag {
			tags = append(tags, t.Fill(e))
		}
		e.SetTags(tags)
	}
	if tags := e.Tags(); len(d.removeTag) > 0 && tags != nil {
		tags = slices.Clone(tags)
		for _, t := range d.removeTag {
			name := t.Fill(e)
			tags = slices.DeleteFunc(tags, func(have any) bool { return have == name })
		}
		e.SetTags(tags)
	}
	return nil
}

func tagAll(e *event.Event, tags []string) {
	for _, t := range tags {
		e.Tag(t)
	}
}

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
