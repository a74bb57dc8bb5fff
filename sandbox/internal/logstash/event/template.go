package event

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"obsandbox/sandbox/internal/logstash/joda"
)

// Template is a parsed sprintf string: "logs-%{[layer]}-%{+yyyy.MM.dd}".
type Template struct {
	text  string
	parts []part
	plain bool
}

type part struct {
	// Exactly one of these is set; now and epoch are the clock and the timestamp's seconds.
	literal    string
	ref        *Ref
	date       *joda.Format
	now, epoch bool
}

// ParseTemplate reads a sprintf string by Logstash's rules: what does not close is text.
func ParseTemplate(text string) (*Template, error) {
	t := &Template{text: text}
	rest := text
	for {
		open := strings.Index(rest, "%{")
		if open < 0 {
			break
		}
		length := strings.IndexByte(rest[open:], '}')
		if length < 0 {
			break
		}
		end := open + length
		if open > 0 {
			t.parts = append(t.parts, part{literal: rest[:open]})
		}
		inner := rest[open+2 : end]
		var p part
		var err error
		switch {
		case strings.HasPrefix("+%s", inner):
			// Logstash compares no further than to the brace: %{+%s}, and so %{} and %{+} too.
			p.epoch = true
		case strings.HasPrefix(inner, "{") && end+1 < len(rest) && rest[end+1] == '}':
			end++
			if inner[1:] == "TIME_NOW" {
				p.now = true
			} else {
				p.date, err = joda.ParseJavaFormat(inner[1:])
			}
		case strings.HasPrefix(inner, "+"):
			p.date, err = joda.ParseFormat(inner[1:])
		default:
			var ref Ref
			ref, err = ParseRef(inner)
			p.ref = &ref
		}
		if err != nil {
			return nil, fmt.Errorf("in %q: %w", text, err)
		}
		t.parts = append(t.parts, p)
		rest = rest[end+1:]
	}
	if len(t.parts) == 0 {
		t.plain = true
	} else if rest != "" {
		t.parts = append(t.parts, part{literal: rest})
	}
	return t, nil
}

// String is the template as it was written.
func (t *Template) String() string { return t.text }

// Plain says whether the template has no references: it always gives its own text.
func (t *Template) Plain() bool { return t.plain }

// Fill is the template's text for an event. A field that the event does not have leaves its %{reference} standing.
func (t *Template) Fill(e *Event) string {
	if t.plain {
		return t.text
	}
	if len(t.parts) == 1 && t.parts[0].ref != nil {
		if s, ok := e.Get(*t.parts[0].ref).(string); ok {
			return s
		}
	}
	var room [128]byte
	return string(t.Append(room[:0], e))
}

// Append appends what Fill gives.
func (t *Template) Append(dst []byte, e *Event) []byte {
	if t.plain {
		return append(dst, t.text...)
	}
	for _, p := range t.parts {
		switch {
		case p.ref != nil:
			if v := e.Get(*p.ref); v != nil {
				dst = AppendString(dst, v)
			} else {
				dst = append(append(append(dst, "%{"...), p.ref.text...), '}')
			}
		case p.date != nil:
			if ts, ok := e.Timestamp(); ok {
				dst = p.date.Append(dst, ts.UTC())
			}
		case p.epoch:
			if ts, ok := e.Timestamp(); ok {
				dst = strconv.AppendInt(dst, ts.Unix(), 10)
			}
		case p.now:
			dst = AppendTimestamp(dst, time.Now())
		default:
			dst = append(dst, p.literal...)
		}
	}
	return dst
}

// Missing names the first reference that the event has no value for; empty where the template can be filled.
func (t *Template) Missing(e *Event) string {
	for _, p := range t.parts {
		if p.ref != nil && e.Get(*p.ref) == nil {
			return p.ref.text
		}
	}
	return ""
}
