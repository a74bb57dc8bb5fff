package logstash

import (
	"context"
	"sync/atomic"
	"time"

	"obsandbox/sandbox/internal/logstash/event"
)

// queue carries events from the inputs to the workers. It holds little: what is not worked on stays at its source.
type queue struct {
	items chan queued
	// in counts events; blocked is how long inputs have waited for room.
	in, blocked atomic.Int64
	// whole is the pipeline's queue, of which this is one input's part; nil for the whole itself.
	whole *queue
}

// queued is an event and what is to be told when the outputs have it.
type queued struct {
	event *event.Event
	done  func()
}

func newQueue(size int) *queue { return &queue{items: make(chan queued, size)} }

// part is the queue as one input sees it: the same items, its own figures.
func (q *queue) part() *queue { return &queue{items: q.items, whole: q} }

// push hands an event over; done may be nil. It fails when ctx ends first.
func (q *queue) push(ctx context.Context, e *event.Event, done func()) error {
	item := queued{event: e, done: done}
	select {
	case q.items <- item:
		q.count(0)
		return nil
	default:
	}
	start := time.Now()
	select {
	case q.items <- item:
		q.count(time.Since(start))
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (q *queue) count(blocked time.Duration) {
	for ; q != nil; q = q.whole {
		q.in.Add(1)
		q.blocked.Add(int64(blocked))
	}
}

// batch waits for a first event, then takes what comes within delay, up to size. It is empty when the queue is closed
// and drained, or ctx has ended.
func (q *queue) batch(ctx context.Context, into []queued, size int, delay time.Duration) []queued {
	into = into[:0]
	select {
	case item, ok := <-q.items:
		if !ok {
			return into
		}
		into = append(into, item)
	case <-ctx.Done():
		return into
	}
	var timer *time.Timer
	for len(into) < size {
		select {
		case item, ok := <-q.items:
			if !ok {
				return into
			}
			into = append(into, item)
			continue
		default:
		}
		if timer == nil {
			timer = time.NewTimer(delay)
			defer timer.Stop()
		}
		select {
		case item, ok := <-q.items:
			if !ok {
				return into
			}
			into = append(into, item)
		case <-timer.C:
			return into
		}
	}
	return into
}
