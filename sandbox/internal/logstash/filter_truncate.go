package logstash

import (
	"unicode/utf8"

	"obsandbox/sandbox/internal/logstash/event"
)

// truncate shortens texts to a number of bytes, without cutting a character in two.
type truncate struct {
	decorator
	fields []event.Ref
	all    bool
	limit  int
}

func newTruncate(b *build) (filter, error) {
	b.required("length_bytes")
	f := &truncate{decorator: b.decorator(), fields: b.refs("fields"), limit: b.integer("length_bytes", 0)}
	f.all = b.find("fields") == nil
	return f, b.done()
}

func (f *truncate) filter(e *event.Event) error {
	fields := f.fields
	if f.all {
		for _, name := range sortedKeys(e.Data()) {
			ref, err := event.ParseRef("[" + name + "]")
			if err != nil {
				return err
			}
			fields = append(fields, ref)
		}
	}
	changed := false
	for _, ref := range fields {
		cut, did := f.trim(e.Get(ref))
		if !did {
			continue
		}
		changed = true
		if err := e.Set(ref, cut); err != nil {
			return err
		}
	}
	if changed {
		return f.matched(e)
	}
	return nil
}

// trim is a value with every text in it shortened, and whether there was one to shorten.
func (f *truncate) trim(v any) (any, bool) {
	changed := false
	switch t := v.(type) {
	case string:
		if len(t) <= f.limit {
			return t, false
		}
		n := max(f.limit, 0)
		for n > 0 && !utf8.RuneStart(t[n]) {
			n--
		}
		return t[:n], true
	case []any:
		out := make([]any, len(t))
		for i := range t {
			out[i] = t[i]
			// Only the texts of a list are shortened, not what lies deeper.
			if s, ok := t[i].(string); ok {
				var did bool
				out[i], did = f.trim(s)
				changed = changed || did
			}
		}
		return out, changed
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, item := range t {
			var did bool
			out[k], did = f.trim(item)
			changed = changed || did
		}
		return out, changed
	}
	return v, false
}
