package probes

import (
	"context"
	"time"
)

// Clock is the time that probes go by.
type Clock interface {
	Now() time.Time
	// Sleep waits until the clock shows t; it returns the context's error where that ends first.
	Sleep(ctx context.Context, t time.Time) error
}

// Wall is the real time.
func Wall() Clock { return Faster(time.Now(), 1) }

// Faster is a clock that shows start now and from then on runs the given times as fast as the real time: at 100, a probe's
// period of 10 s is over after 100 ms. An attempt's timeout is never shortened: it is the network's.
func Faster(start time.Time, times float64) Clock {
	return scaled{start: start, began: time.Now(), times: times}
}

type scaled struct {
	start, began time.Time
	times        float64
}

func (c scaled) Now() time.Time {
	return c.start.Add(time.Duration(float64(time.Since(c.began)) * c.times))
}

func (c scaled) Sleep(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(time.Duration(float64(t.Sub(c.Now())) / c.times))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Run makes the worker's attempts when they are due, and tells see of every one and whether it changed the state, until
// see returns false or ctx ends, whose error it then returns.
func Run(ctx context.Context, w *Worker, clock Clock, attempt func(context.Context) Outcome, see func(s State, changed bool) (goOn bool)) error {
	for {
		if err := clock.Sleep(ctx, w.Next()); err != nil {
			return err
		}
		o := attempt(ctx)
		if ctx.Err() != nil {
			return ctx.Err() // the attempt was cut short: it says nothing of the container
		}
		// A clock's sleep may be a moment short of the time it was asked for.
		now := clock.Now()
		if now.Before(w.Next()) {
			now = w.Next()
		}
		changed := w.Record(now, o)
		if !see(w.State(), changed) {
			return nil
		}
	}
}
