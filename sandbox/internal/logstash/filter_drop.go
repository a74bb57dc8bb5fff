package logstash

import (
	"math/rand/v2"

	"obsandbox/sandbox/internal/logstash/event"
)

// drop cancels events, or a percentage of them.
type drop struct {
	decorator
	percentage int
}

func newDrop(b *build) (filter, error) {
	d := &drop{decorator: b.decorator(), percentage: b.integer("percentage", 100)}
	return d, b.done()
}

func (d *drop) filter(e *event.Event) error {
	if d.percentage == 100 || rand.IntN(100) < d.percentage {
		e.Cancel()
	}
	return nil
}
