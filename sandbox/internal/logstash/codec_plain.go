package logstash

import (
	"strings"
	"time"

	"obsandbox/sandbox/internal/logstash/event"
)

var (
	messageRef  = event.MustRef("message")
	originalRef = event.MustRef("[event][original]")
)

// plain makes one event of whatever arrives, and writes events by a format.
type plain struct {
	format *event.Template
	ecs    bool
	now    func() time.Time
}

func newPlain(b *build) (codecMaker, error) {
	b.charset()
	p := &plain{format: b.template("format", ""), ecs: b.ecs() != "disabled", now: b.now}
	return func() codec { return p }, nil
}

// charset accepts the only encoding there is.
func (b *build) charset() {
	if s := b.str("charset", "UTF-8"); !strings.EqualFold(s, "UTF-8") && !strings.EqualFold(s, "US-ASCII") {
		b.fail("charset", "%q is not supported, only UTF-8 is", s)
	}
}

// utf8Text is text as Logstash takes it in: what is not UTF-8 is written as escapes, byte for byte.
func utf8Text(data []byte) string {
	return strings.ToValidUTF8(string(data), "\ufffd")
}

func (p *plain) decode(data []byte, emit func(*event.Event)) error {
	e := event.New(p.now())
	text := utf8Text(data)
	e.Data()["message"] = text
	if p.ecs {
		e.Data()["event"] = map[string]any{"original": text}
	}
	emit(e)
	return nil
}

func (p *plain) flush(func(*event.Event)) {}

func (p *plain) encode(e *event.Event) ([]byte, error) {
	if p.format != nil {
		return p.format.Append(nil, e), nil
	}
	return eventText(nil, e), nil
}

var hostRef = event.MustRef("host")

// eventText is an event as Logstash's to_s: timestamp, host and message.
func eventText(dst []byte, e *event.Event) []byte {
	if t, ok := e.Timestamp(); ok {
		dst = append(event.AppendTimestamp(dst, t), ' ')
	}
	for i, ref := range []event.Ref{hostRef, messageRef} {
		if i > 0 {
			dst = append(dst, ' ')
		}
		if v := e.Get(ref); v != nil {
			dst = event.AppendString(dst, v)
		} else {
			dst = append(append(append(dst, "%{"...), ref.String()...), '}')
		}
	}
	return dst
}
