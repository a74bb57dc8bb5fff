package logstash

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"obsandbox/sandbox/internal/logstash/event"
)

// rubydebug writes events for people. It cannot read.
type rubydebug struct{ metadata bool }

func newRubyDebug(b *build) (codecMaker, error) {
	c := &rubydebug{metadata: b.boolean("metadata", false)}
	return func() codec { return c }, nil
}

func (c *rubydebug) decode([]byte, func(*event.Event)) error {
	return errors.New("the codec rubydebug writes only")
}

func (c *rubydebug) flush(func(*event.Event)) {}

func (c *rubydebug) encode(e *event.Event) ([]byte, error) {
	fields := e.Data()
	if c.metadata {
		all := map[string]any{event.MetadataField: map[string]any{}}
		if e.Meta() != nil {
			all[event.MetadataField] = e.Meta()
		}
		for k, v := range fields {
			all[k] = v
		}
		fields = all
	}
	var out strings.Builder
	inspect(&out, fields, 0)
	out.WriteByte('\n')
	return []byte(out.String()), nil
}

// inspect writes a value as Ruby's amazing_print does, keys aligned at their end.
func inspect(out *strings.Builder, v any, indent int) {
	pad := strings.Repeat(" ", indent)
	switch t := v.(type) {
	case nil:
		out.WriteString("nil")
	case string:
		fmt.Fprintf(out, "%q", t)
	case time.Time:
		out.Write(event.AppendTimestamp(nil, t))
	case map[string]any:
		if len(t) == 0 {
			out.WriteString("{}")
			return
		}
		width := 0
		for k := range t {
			width = max(width, len(k)+2)
		}
		out.WriteString("{\n")
		keys := sortedKeys(t)
		for i, k := range keys {
			fmt.Fprintf(out, "%s    %*q => ", pad, width, k)
			inspect(out, t[k], indent+4)
			if i < len(keys)-1 {
				out.WriteByte(',')
			}
			out.WriteByte('\n')
		}
		out.WriteString(pad + "}")
	case []any:
		if len(t) == 0 {
			out.WriteString("[]")
			return
		}
		width := len(fmt.Sprint(len(t) - 1))
		out.WriteString("[\n")
		for i, item := range slices.Clone(t) {
			fmt.Fprintf(out, "%s    [%*d] ", pad, width, i)
			inspect(out, item, indent+4)
			if i < len(t)-1 {
				out.WriteByte(',')
			}
			out.WriteByte('\n')
		}
		out.WriteString(pad + "]")
	default:
		out.WriteString(event.ToString(v))
	}
}
