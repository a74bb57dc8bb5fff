package logstash

import (
	"sync"
	"time"
)

// ackLine keeps the places of a stream (offsets of a partition, of a file) in order until the events read there are
// delivered: what may be remembered is the newest place below which nothing is left to do.
type ackLine[T any] struct {
	mu      sync.Mutex
	pending []*ackItem[T]
	last    T
	have    bool
}

type ackItem[T any] struct {
	place T
	left  int
}

// expect notes a place with n events and returns what each of them calls when it is delivered.
func (l *ackLine[T]) expect(place T, n int) func() {
	item := &ackItem[T]{place: place, left: n}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = append(l.pending, item)
	if n == 0 {
		l.advance()
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if item.left--; item.left == 0 {
			l.advance()
		}
	}
}

func (l *ackLine[T]) advance() {
	n := 0
	for n < len(l.pending) && l.pending[n].left <= 0 {
		l.last, l.have = l.pending[n].place, true
		n++
	}
	l.pending = l.pending[n:]
}

// take gives the newest finished place, once.
func (l *ackLine[T]) take() (place T, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	place, ok = l.last, l.have
	l.have = false
	return place, ok
}

// putBack returns a place that could not be remembered, unless there is a newer one.
func (l *ackLine[T]) putBack(place T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.have {
		l.last, l.have = place, true
	}
}

// waiting is the number of places that are not finished.
func (l *ackLine[T]) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending)
}

// waitFor waits until waiting gives 0, at most for limit.
func waitFor(waiting func() int, limit time.Duration) {
	for end := time.Now().Add(limit); waiting() > 0 && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
}
