package logstash

import "obsandbox/sandbox/internal/logstash/event"

// line is one event for each line of text.
type line struct {
	plain *plain
	lines lines
}

func newLine(b *build) (codecMaker, error) {
	p := &plain{text: b.charset(), format: b.template("format", ""), ecs: b.ecs() != "disabled", now: b.now}
	delimiter := b.delimiter()
	return func() codec { return &line{plain: p, lines: lines{delimiter: []byte(delimiter)}} }, nil
}

func (c *line) each(emit func(*event.Event)) func([]byte) {
	return func(data []byte) { _ = c.plain.decode(data, emit) }
}

func (c *line) decode(data []byte, emit func(*event.Event)) error {
	return c.lines.add(data, c.each(emit))
}

func (c *line) flush(emit func(*event.Event)) { c.lines.flush(c.each(emit)) }

func (c *line) encode(e *event.Event) ([]byte, error) {
	text, err := c.plain.encode(e)
	return append(text, c.lines.delimiter...), err
}
