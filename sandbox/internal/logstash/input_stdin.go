package logstash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"obsandbox/sandbox/internal/logstash/event"
)

// stdinInput reads standard input.
type stdinInput struct {
	codec codecMaker
	deco  inputDecorator
	host  event.Ref
	ecs   bool
	in    io.Reader
}

func newStdin(b *build) (input, error) {
	in := &stdinInput{codec: b.streamCodec("line"), deco: b.inputDecorator(), ecs: b.ecs() != "disabled", in: os.Stdin}
	in.host = event.MustRef("host")
	if in.ecs {
		in.host = event.MustRef("[host][hostname]")
	}
	return in, b.done()
}

// streamCodec is a codec for a stream of bytes: there, plain is line and json is json_lines.
func (b *build) streamCodec(def string) codecMaker {
	if o := b.find("codec"); o != nil {
		if name, ok := o.Value.String(); ok {
			switch name {
			case "plain":
				o.Value.Any = "line"
			case "json":
				o.Value.Any = "json_lines"
			}
		}
	}
	return b.codec(def)
}

func (in *stdinInput) run(ctx context.Context, q *queue) error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("stdin input: %w", err)
	}
	c := in.codec()
	emit := func(e *event.Event) {
		in.deco.decorate(e)
		if _, have := e.Lookup(in.host); !have {
			_ = e.Set(in.host, host)
		}
		_ = q.push(ctx, e, nil)
	}
	// A blocked read cannot be interrupted; the process ends over it.
	ended := make(chan error, 1)
	go func() { ended <- readStream(ctx, in.in, c, emit) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return nil
	}
}

// readStream hands a stream's bytes to a codec as they come, and flushes it at the end.
func readStream(ctx context.Context, r io.Reader, c codec, emit func(*event.Event)) error {
	buffer := make([]byte, 16<<10)
	for ctx.Err() == nil {
		n, err := r.Read(buffer)
		if n > 0 {
			if err := c.decode(buffer[:n], emit); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			c.flush(emit)
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
