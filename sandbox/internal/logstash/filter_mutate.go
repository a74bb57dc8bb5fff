package logstash

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"unicode"

	"obsandbox/sandbox/internal/logstash/event"
	"obsandbox/sandbox/internal/logstash/rubyre"
)

// mutate changes fields. Its operations run in Logstash's order, whatever the order in the file: coerce, rename,
// update, replace, convert, gsub, uppercase, capitalize, lowercase, strip, split, join, merge, copy.
type mutate struct {
	decorator
	steps        []func(e *event.Event) error
	tagOnFailure string
	log          *slog.Logger
}

func newMutate(b *build) (filter, error) {
	m := &mutate{decorator: b.decorator(), tagOnFailure: b.str("tag_on_failure", "_mutate_error"), log: b.log}
	m.templated(b, "coerce", func(e *event.Event, ref event.Ref, t *event.Template) error {
		if v, ok := e.Lookup(ref); !ok || v != nil {
			return nil
		}
		return e.Set(ref, t.Fill(e))
	})
	m.rename(b)
	m.templated(b, "update", func(e *event.Event, ref event.Ref, t *event.Template) error {
		if _, ok := e.Lookup(ref); !ok {
			return nil
		}
		return e.Set(ref, t.Fill(e))
	})
	m.templated(b, "replace", func(e *event.Event, ref event.Ref, t *event.Template) error { return e.Set(ref, t.Fill(e)) })
	m.convert(b)
	m.gsub(b)
	m.strings(b, "uppercase", uppercase)
	m.strings(b, "capitalize", capitalize)
	m.strings(b, "lowercase", strings.ToLower)
	m.strings(b, "strip", func(s string) string { return strings.Trim(s, " \t\n\v\f\r\x00") })
	m.split(b)
	m.join(b)
	m.merge(b)
	m.copy(b)
	return m, b.done()
}

func (m *mutate) filter(e *event.Event) error {
	for _, step := range m.steps {
		if err := step(e); err != nil {
			m.log.Warn("mutate: an operation failed", "error", err)
			e.Tag(m.tagOnFailure)
			return nil
		}
	}
	if err := m.matched(e); err != nil {
		m.log.Warn("mutate: an operation failed", "error", err)
		e.Tag(m.tagOnFailure)
	}
	return nil
}

func (m *mutate) step(f func(e *event.Event) error) { m.steps = append(m.steps, f) }

// templated adds an operation of the form field => text with references.
func (m *mutate) templated(b *build, option string, apply func(*event.Event, event.Ref, *event.Template) error) {
	for _, entry := range b.hash(option) {
		ref, err := event.ParseRef(entry.Key)
		text, ok := entry.Value.String()
		if err != nil || !ok {
			b.failAt(entry.Pos, option, "expected field => \"text\"")
			continue
		}
		t := b.parseTemplate(option, text)
		m.step(func(e *event.Event) error { return apply(e, ref, t) })
	}
}

func (m *mutate) rename(b *build) {
	for _, entry := range b.hash("rename") {
		to, ok := entry.Value.String()
		if !ok {
			b.failAt(entry.Pos, "rename", "expected the old name => the new name")
			continue
		}
		from, into := b.fieldName("rename", entry.Key), b.fieldName("rename", to)
		m.step(func(e *event.Event) error {
			src, err := from.ref(e)
			if err != nil {
				return err
			}
			dst, err := into.ref(e)
			if err != nil {
				return err
			}
			if _, ok := e.Lookup(src); !ok {
				return nil
			}
			return e.Set(dst, e.Remove(src))
		})
	}
}

// strings adds an operation on text and on the texts of a list.
func (m *mutate) strings(b *build, option string, change func(string) string) {
	for _, ref := range b.refs(option) {
		m.step(func(e *event.Event) error {
			switch v := e.Get(ref).(type) {
			case string:
				return e.Set(ref, change(v))
			case []any:
				list := slices.Clone(v)
				for i := range list {
					if s, ok := list[i].(string); ok {
						list[i] = change(s)
					} else if option == "strip" {
						return fmt.Errorf("strip: %s holds a %T", ref, list[i])
					}
				}
				return e.Set(ref, list)
			}
			return nil
		})
	}
}

// uppercase is Ruby's: ß is SS.
func uppercase(s string) string { return strings.ReplaceAll(strings.ToUpper(s), "ß", "SS") }

// capitalize is Ruby's: the first letter large, all others small.
func capitalize(s string) string {
	for i, r := range s {
		return string(unicode.ToTitle(r)) + strings.ToLower(s[i+len(string(r)):])
	}
	return s
}

func (m *mutate) gsub(b *build) {
	args := b.list("gsub")
	if len(args)%3 != 0 {
		b.fail("gsub", "expected three elements for each replacement: field, pattern, replacement")
		return
	}
	for i := 0; i < len(args); i += 3 {
		ref, err := event.ParseRef(args[i])
		if err != nil {
			b.fail("gsub", "%v", err)
			continue
		}
		needle := b.parseTemplate("gsub", args[i+1])
		replacement := b.parseTemplate("gsub", args[i+2])
		var fixed *rubyre.Regexp
		if !strings.Contains(args[i+1], "%{") {
			if fixed, err = rubyre.Compile(args[i+1]); err != nil {
				b.fail("gsub", "%v", err)
				continue
			}
		}
		m.step(func(e *event.Event) error {
			value := e.Get(ref)
			re := fixed
			if re == nil {
				var err error
				if re, err = rubyre.Compile(needle.Fill(e)); err != nil {
					return err
				}
			}
			switch v := value.(type) {
			case string:
				return e.Set(ref, re.ReplaceAll(v, replacement.Fill(e)))
			case []any:
				list := slices.Clone(v)
				for i := range list {
					if s, ok := list[i].(string); ok {
						list[i] = re.ReplaceAll(s, replacement.Fill(e))
					}
				}
				return e.Set(ref, list)
			}
			return nil
		})
	}
}

func (m *mutate) split(b *build) {
	m.pairs(b, "split", func(e *event.Event, ref event.Ref, separator string) error {
		s, ok := e.Get(ref).(string)
		if !ok {
			return nil
		}
		return e.Set(ref, rubySplit(s, separator))
	})
}

// rubySplit is Ruby's String#split with a text: a blank means runs of white space, empty pieces at the end go.
func rubySplit(s, separator string) []any {
	var parts []string
	switch separator {
	case " ":
		parts = strings.Fields(s)
	default:
		parts = strings.Split(s, separator)
		for len(parts) > 0 && parts[len(parts)-1] == "" {
			parts = parts[:len(parts)-1]
		}
	}
	out := make([]any, len(parts))
	for i, p := range parts {
		out[i] = p
	}
	return out
}

func (m *mutate) join(b *build) {
	m.pairs(b, "join", func(e *event.Event, ref event.Ref, separator string) error {
		list, ok := e.Get(ref).([]any)
		if !ok {
			return nil
		}
		var out []byte
		var add func(list []any)
		first := true
		add = func(list []any) {
			for _, v := range list {
				if inner, ok := v.([]any); ok {
					add(inner)
					continue
				}
				if !first {
					out = append(out, separator...)
				}
				first = false
				out = append(out, event.RubyString(v)...)
			}
		}
		add(list)
		return e.Set(ref, string(out))
	})
}

// pairs adds an operation of the form field => text, taken as it is.
func (m *mutate) pairs(b *build, option string, apply func(*event.Event, event.Ref, string) error) {
	for _, entry := range b.hash(option) {
		ref, err := event.ParseRef(entry.Key)
		text, ok := entry.Value.String()
		if err != nil || !ok {
			b.failAt(entry.Pos, option, "expected field => \"text\"")
			continue
		}
		m.step(func(e *event.Event) error { return apply(e, ref, text) })
	}
}

func (m *mutate) merge(b *build) {
	for _, entry := range b.hash("merge") {
		dest, err := event.ParseRef(entry.Key)
		if err != nil {
			b.failAt(entry.Pos, "merge", "%v", err)
			continue
		}
		var added []event.Ref
		for _, v := range entry.Value.List() {
			name, _ := v.String()
			ref, err := event.ParseRef(name)
			if err != nil || name == "" {
				b.failAt(entry.Pos, "merge", "expected the destination => a field or a list of fields")
				continue
			}
			added = append(added, ref)
		}
		m.step(func(e *event.Event) error { return m.mergeInto(e, dest, added) })
	}
}

// mergeInto adds fields to a list or a hash. As Logstash does, it looks at the destination once: several fields gather
// in a list or a hash, but of those added to a single value only the last one stays.
func (m *mutate) mergeInto(e *event.Event, dest event.Ref, added []event.Ref) error {
	have := event.CloneValue(e.Get(dest))
	for _, ref := range added {
		add := event.CloneValue(e.Get(ref))
		hash, isHash := have.(map[string]any)
		addHash, addIsHash := add.(map[string]any)
		if isHash != addIsHash {
			m.log.Error("mutate: not possible to merge a list and a hash", "dest_field", dest.String(), "added_field", ref.String())
			continue
		}
		if isHash {
			maps.Copy(hash, addHash)
			if err := e.Set(dest, event.CloneValue(hash)); err != nil {
				return err
			}
			continue
		}
		merged := slices.Concat(event.ToList(have), event.ToList(add))
		if err := e.Set(dest, merged); err != nil {
			return err
		}
		if _, isList := have.([]any); isList {
			have = slices.Clone(merged)
		}
	}
	return nil
}

func (m *mutate) copy(b *build) {
	m.pairs(b, "copy", func(e *event.Event, ref event.Ref, to string) error {
		dest, err := event.ParseRef(to)
		if err != nil {
			return err
		}
		v := e.Get(ref)
		if v == nil {
			return nil
		}
		return e.Set(dest, event.CloneValue(v))
	})
}
