package logstash

import (
	"time"

	"obsandbox/sandbox/internal/logstash/event"
)

var (
	messageRef  = event.MustRef("message")
	originalRef = event.MustRef("[event][original]")
)

// plain makes one event of whatever arrives, and writes events by a format.
type plain struct {
	text   charset
	format *event.Template
	ecs    bool
	now    func() time.Time
}

func newPlain(b *build) (codecMaker, error) {
	p := &plain{text: b.charset(), format: b.template("format", ""), ecs: b.ecs() != "disabled", now: b.now}
	return func() codec { return p }, nil
}

func (p *plain) decode(data []byte, emit func(*event.Event)) error {
	e := event.New(p.now())
	text := p.text(data)
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
