package logstash

import (
	"strings"
	"time"

	"obsandbox/sandbox/internal/logstash/event"
	"obsandbox/sandbox/internal/logstash/grok"
)

// multiline joins lines that belong together: those that match a pattern (or do not) go to the previous or next one.
type multiline struct {
	config *multilineConfig
	buffer []string
	size   int
	since  time.Time
}

type multilineConfig struct {
	text               charset
	pattern            *grok.Expression
	next, negate       bool
	tag                string
	maxLines, maxBytes int
	ecs                bool
	now                func() time.Time
	// flushAfter is how long lines wait for more; 0 is for ever.
	flushAfter time.Duration
}

func newMultiline(b *build) (codecMaker, error) {
	b.required("pattern", "what")
	c := &multilineConfig{
		text:     b.charset(),
		next:     b.oneOf("what", "previous", "previous", "next") == "next",
		negate:   b.boolean("negate", false),
		tag:      b.str("multiline_tag", "multiline"),
		maxLines: b.integer("max_lines", 500),
		maxBytes: b.bytes("max_bytes", 10<<20),
		ecs:      b.ecs() != "disabled",
		now:      b.now,
	}
	c.flushAfter = time.Duration(b.number("auto_flush_interval", 0) * float64(time.Second))
	patterns, err := grok.Builtin(false)
	if err != nil {
		return nil, err
	}
	for _, dir := range b.list("patterns_dir") {
		if err := addPatterns(patterns, b.pipeline.path(dir), "*"); err != nil {
			b.fail("patterns_dir", "%v", err)
		}
	}
	if c.pattern, err = patterns.Compile(b.str("pattern", ""), false, 30*time.Second); err != nil {
		b.fail("pattern", "%v", err)
	}
	return func() codec { return &multiline{config: c} }, nil
}

func (m *multiline) decode(data []byte, emit func(*event.Event)) error {
	text := strings.TrimRight(m.config.text(data), "\n")
	if text == "" {
		return nil
	}
	for _, line := range strings.Split(text, "\n") {
		matched, err := m.config.pattern.Match(line, func(string, any) {})
		if err != nil {
			return err
		}
		belongs := matched != m.config.negate
		full := len(m.buffer) > m.config.maxLines || m.size >= m.config.maxBytes
		if m.config.next {
			m.add(line)
			full = len(m.buffer) > m.config.maxLines || m.size >= m.config.maxBytes
			if !belongs || full {
				m.flush(emit)
			}
			continue
		}
		if !belongs || full {
			m.flush(emit)
		}
		m.add(line)
	}
	return nil
}

func (m *multiline) add(line string) {
	if len(m.buffer) == 0 {
		m.since = m.config.now()
	}
	m.buffer = append(m.buffer, line)
	m.size += len(line)
}

func (m *multiline) flush(emit func(*event.Event)) {
	if len(m.buffer) == 0 {
		return
	}
	e := event.New(m.config.now())
	text := strings.Join(m.buffer, "\n")
	_ = e.Set(messageRef, text)
	if m.config.ecs {
		_ = e.Set(originalRef, text)
	}
	if m.config.tag != "" && len(m.buffer) > 1 {
		e.Tag(m.config.tag)
	}
	if m.size >= m.config.maxBytes {
		e.Tag("multiline_codec_max_bytes_reached")
	}
	if len(m.buffer) > m.config.maxLines {
		e.Tag("multiline_codec_max_lines_reached")
	}
	m.buffer, m.size = nil, 0
	emit(e)
}

// overdue says whether the lines have waited for more as long as they may.
func (m *multiline) overdue() bool {
	return m.config.flushAfter > 0 && len(m.buffer) > 0 && m.config.now().Sub(m.since) >= m.config.flushAfter
}

func (m *multiline) encode(e *event.Event) ([]byte, error) { return eventText(nil, e), nil }
