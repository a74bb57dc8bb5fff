package logstash

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"obsandbox/sandbox/internal/logstash/event"
)

// stdoutOutput writes events to standard output.
type stdoutOutput struct {
	codec codecMaker
	mu    sync.Mutex
	out   io.Writer
}

func newStdout(b *build) (output, error) {
	o := &stdoutOutput{codec: b.codec("rubydebug"), out: os.Stdout}
	b.outputCommon()
	return o, b.done()
}

// outputCommon accepts what every output may have.
func (b *build) outputCommon() { b.ignore("id", "enable_metric", "workers") }

// encodeAll is what a codec makes of events, one after the other.
func (m codecMaker) encodeAll(events []*event.Event) ([]byte, error) {
	c := m()
	var text []byte
	for _, e := range events {
		part, err := c.encode(e)
		if err != nil {
			return nil, err
		}
		text = append(text, part...)
	}
	return text, nil
}

func (o *stdoutOutput) send(_ context.Context, events []*event.Event) error {
	text, err := o.codec.encodeAll(events)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, err := o.out.Write(text); err != nil {
		return fmt.Errorf("stdout output: %w", err)
	}
	return nil
}

func (o *stdoutOutput) close() error { return nil }
