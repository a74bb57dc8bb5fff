package logstash

import (
	"regexp"

	"obsandbox/sandbox/internal/logstash/event"
)

// urldecode replaces %41 and its like by the characters they stand for.
type urldecode struct {
	decorator
	field        event.Ref
	all          bool
	tagOnFailure []string
	text         charset
}

func newURLDecode(b *build) (filter, error) {
	f := &urldecode{
		decorator:    b.decorator(),
		field:        b.ref("field", "message"),
		all:          b.boolean("all_fields", false),
		tagOnFailure: b.list("tag_on_failure", "_urldecodefailure"),
		text:         b.charset(),
	}
	return f, b.done()
}

func (f *urldecode) filter(e *event.Event) error {
	var err error
	if f.all {
		for _, name := range sortedKeys(e.Data()) {
			ref, bad := event.ParseRef(name)
			if bad != nil {
				err = bad
				break
			}
			if err = e.Set(ref, f.decode(e.Get(ref))); err != nil {
				break
			}
		}
	} else {
		err = e.Set(f.field, f.decode(e.Get(f.field)))
	}
	if err != nil {
		tagAll(e, f.tagOnFailure)
	}
	return f.matched(e)
}

var percent = regexp.MustCompile(`(?:%[0-9a-fA-F]{2})+`)

func (f *urldecode) decode(v any) any {
	switch t := v.(type) {
	case string:
		return f.text(percent.ReplaceAllFunc([]byte(t), func(s []byte) []byte {
			out := make([]byte, 0, len(s)/3)
			for i := 0; i < len(s); i += 3 {
				out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
			}
			return out
		}))
	case []any:
		out := make([]any, len(t))
		for i := range t {
			out[i] = f.decode(t[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, item := range t {
			out[k] = f.decode(item)
		}
		return out
	}
	return v
}

func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}
