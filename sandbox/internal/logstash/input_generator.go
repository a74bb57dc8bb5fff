package logstash

import (
	"context"
	"fmt"
	"os"

	"obsandbox/sandbox/internal/logstash/event"
)

// generator makes the same lines again and again.
type generator struct {
	codec          codecMaker
	deco           inputDecorator
	lines          []string
	count          int
	host, sequence event.Ref
}

func newGenerator(b *build) (input, error) {
	in := &generator{codec: b.codec("plain"), deco: b.inputDecorator(), count: b.integer("count", 0)}
	in.lines = b.list("lines", b.str("message", "Hello world!"))
	in.host, in.sequence = event.MustRef("host"), event.MustRef("sequence")
	if b.ecs() != "disabled" {
		in.host, in.sequence = event.MustRef("[host][name]"), event.MustRef("[event][sequence]")
	}
	if len(in.lines) == 1 && in.lines[0] == "stdin" {
		b.fail("message", "reading the message from standard input is not supported")
	}
	b.ignore("threads")
	return in, b.done()
}

func (in *generator) run(ctx context.Context, q *queue) error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("generator input: %w", err)
	}
	c := in.codec()
	for n := 0; ctx.Err() == nil && (in.count <= 0 || n < in.count); n++ {
		emit := func(e *event.Event) {
			in.deco.decorate(e)
			if _, have := e.Lookup(in.host); !have {
				_ = e.Set(in.host, host)
			}
			_ = e.Set(in.sequence, int64(n))
			_ = q.push(ctx, e, nil)
		}
		for _, line := range in.lines {
			if err := c.decode([]byte(line), emit); err != nil {
				return err
			}
		}
		if n == in.count-1 {
			c.flush(emit)
		}
	}
	return nil
}
