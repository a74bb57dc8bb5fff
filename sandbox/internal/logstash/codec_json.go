package logstash

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"time"

	"obsandbox/sandbox/internal/logstash/event"
)

// jsonCodec reads one JSON document at a time: an object is an event, an array is an event for each of its objects.
type jsonCodec struct {
	text      charset
	target    event.Ref
	hasTarget bool
	ecs       bool
	now       func() time.Time
	log       *slog.Logger
}

func newJSONCodec(b *build) (codecMaker, error) {
	c := &jsonCodec{text: b.charset(), ecs: b.ecs() != "disabled", now: b.now, log: b.log}
	c.target, c.hasTarget = b.target("target")
	return func() codec { return c }, nil
}

func (c *jsonCodec) decode(data []byte, emit func(*event.Event)) error {
	text := c.text(data)
	events, err := c.events(text)
	if err != nil {
		c.log.Error("json codec: the data is in the field message", "error", err)
		events = []*event.Event{c.failed(text)}
	} else if len(events) == 1 && c.ecs {
		if _, have := events[0].Lookup(originalRef); !have {
			_ = events[0].Set(originalRef, text)
		}
	}
	for _, e := range events {
		emit(e)
	}
	return nil
}

func (c *jsonCodec) failed(text string) *event.Event {
	return event.FromMap(map[string]any{"message": text, "tags": []any{"_jsonparsefailure"}}, c.now())
}

func (c *jsonCodec) events(text string) ([]*event.Event, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	v, err := event.DecodeJSON(text)
	if err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var out []*event.Event
	for _, item := range list {
		fields, ok := item.(map[string]any)
		if !ok {
			return nil, errors.New("JSON: neither an object nor an array of objects")
		}
		if !c.hasTarget {
			out = append(out, event.FromMap(fields, c.now()))
			continue
		}
		e := event.New(c.now())
		if err := e.Set(c.target, fields); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

func (c *jsonCodec) flush(func(*event.Event)) {}

func (c *jsonCodec) encode(e *event.Event) ([]byte, error) { return e.JSON(), nil }

// lines cuts a stream at a delimiter.
type lines struct {
	delimiter []byte
	rest      []byte
	// limit bounds a line; 0 is no bound.
	limit int
}

var errLineTooLong = errors.New("a line is longer than decode_size_limit_bytes")

func (l *lines) add(data []byte, line func([]byte)) error {
	l.rest = append(l.rest, data...)
	for {
		at := bytes.Index(l.rest, l.delimiter)
		if at < 0 {
			if l.limit > 0 && len(l.rest) > l.limit {
				l.rest = nil
				return errLineTooLong
			}
			return nil
		}
		line(l.rest[:at])
		l.rest = l.rest[at+len(l.delimiter):]
	}
}

func (l *lines) flush(line func([]byte)) {
	if len(l.rest) > 0 {
		line(l.rest)
		l.rest = nil
	}
}

// jsonLines is JSON documents with a delimiter after each.
type jsonLines struct {
	jsonCodec
	lines lines
}

func newJSONLines(b *build) (codecMaker, error) {
	c := jsonCodec{text: b.charset(), now: b.now, log: b.log}
	b.ecs()
	c.target, c.hasTarget = b.target("target")
	delimiter := b.delimiter()
	limit := b.integer("decode_size_limit_bytes", 512<<20)
	return func() codec {
		return &jsonLines{jsonCodec: c, lines: lines{delimiter: []byte(delimiter), limit: limit}}
	}, nil
}

func (b *build) delimiter() string {
	d := b.str("delimiter", "\n")
	if d == "" {
		b.fail("delimiter", "must not be empty")
		return "\n"
	}
	return d
}

func (c *jsonLines) line(emit func(*event.Event)) func([]byte) {
	return func(data []byte) { _ = c.jsonCodec.decode(data, emit) }
}

func (c *jsonLines) decode(data []byte, emit func(*event.Event)) error {
	return c.lines.add(data, c.line(emit))
}

func (c *jsonLines) flush(emit func(*event.Event)) { c.lines.flush(c.line(emit)) }

func (c *jsonLines) encode(e *event.Event) ([]byte, error) {
	return append(e.JSON(), c.lines.delimiter...), nil
}
