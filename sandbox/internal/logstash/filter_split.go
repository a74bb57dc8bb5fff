package logstash

import (
	"strings"

	"obsandbox/sandbox/internal/logstash/event"
)

// splitFilter makes an event of each element of a list, or of each part of a text.
type splitFilter struct {
	decorator
	field, target event.Ref
	keepSource    bool
	terminator    string
}

func newSplit(b *build) (filter, error) {
	f := &splitFilter{decorator: b.decorator(), field: b.ref("field", "message"), terminator: b.str("terminator", "\n")}
	f.target = f.field
	if target, ok := b.target("target"); ok {
		f.target, f.keepSource = target, true
	}
	return f, b.done()
}

func (f *splitFilter) filter(e *event.Event) error {
	_, err := f.split(e)
	return err
}

func (f *splitFilter) split(e *event.Event) ([]*event.Event, error) {
	var parts []any
	switch v := e.Get(f.field).(type) {
	case []any:
		parts = v
		if !f.keepSource {
			e.Remove(f.field)
		}
	case string:
		for _, s := range strings.Split(v, f.terminator) {
			parts = append(parts, s)
		}
		if len(parts) == 1 {
			return nil, nil
		}
	default:
		e.Tag("_split_type_failure")
		return nil, nil
	}
	var out []*event.Event
	for _, part := range parts {
		if part == nil || part == "" {
			continue
		}
		made := e.Clone()
		if err := made.Set(f.target, part); err != nil {
			return out, err
		}
		if err := f.matched(made); err != nil {
			return out, err
		}
		out = append(out, made)
	}
	e.Cancel()
	return out, nil
}
