package logstash

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"obsandbox/sandbox/internal/logstash/event"
)

// counters of one plugin in one worker; only the worker writes them.
type counters struct {
	in, out, nanos, failures atomic.Int64
}

type totals struct {
	filtered, out, nanos atomic.Int64
}

// worker runs batches through filters and outputs.
type worker struct {
	pipeline *Pipeline
	plugins  []counters
	// taken counts, for each conditional, the events that took each arm and none.
	taken [][]atomic.Int64
}

func newWorker(p *Pipeline) *worker {
	w := &worker{pipeline: p, plugins: make([]counters, len(p.nodes)), taken: make([][]atomic.Int64, len(p.branches))}
	for i, b := range p.branches {
		w.taken[i] = make([]atomic.Int64, len(b.arms)+1)
	}
	return w
}

// run works off batches until the queue is closed and empty, or ctx has ended. It fails where an output cannot go on.
func (w *worker) run(ctx context.Context) error {
	s := w.pipeline.settings
	var items []queued
	var events []*event.Event
	for {
		items = w.pipeline.queue.batch(ctx, items, s.BatchSize, s.BatchDelay)
		if len(items) == 0 {
			return nil
		}
		start := time.Now()
		events = events[:0]
		for i, item := range items {
			item.event.Seq = i
			events = append(events, item.event)
		}
		out := w.filterAll(w.pipeline.filters, events)
		w.pipeline.totals.filtered.Add(int64(len(out)))
		if err := w.sendAll(ctx, w.pipeline.outputs, out); err != nil {
			// Nothing is acknowledged: the source has the events still.
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("pipeline %s: %w", s.ID, err)
		}
		for _, item := range items {
			if item.done != nil {
				item.done()
			}
		}
		w.pipeline.totals.out.Add(int64(len(out)))
		w.pipeline.totals.nanos.Add(int64(time.Since(start)))
		clear(items)
		clear(events)
	}
}

// filterAll runs a batch through nodes in order. The slice it is given is its own to change.
func (w *worker) filterAll(nodes []node, batch []*event.Event) []*event.Event {
	for _, n := range nodes {
		if len(batch) == 0 {
			return batch
		}
		switch n := n.(type) {
		case *filterNode:
			batch = w.filter(n, batch)
		case *branchNode:
			batch = w.branch(n, batch)
		}
	}
	return batch
}

func (w *worker) filter(n *filterNode, batch []*event.Event) []*event.Event {
	c := &w.plugins[n.index]
	start := time.Now()
	c.in.Add(int64(len(batch)))
	if s, ok := n.filter.(splitter); ok {
		batch = w.split(n, s, batch)
	} else {
		kept := batch[:0]
		for _, e := range batch {
			if err := n.filter.filter(e); err != nil {
				w.failed(n, e, err)
			}
			if !e.Cancelled() {
				kept = append(kept, e)
			}
		}
		batch = kept
	}
	c.out.Add(int64(len(batch)))
	c.nanos.Add(int64(time.Since(start)))
	return batch
}

func (w *worker) split(n *filterNode, s splitter, batch []*event.Event) []*event.Event {
	var out []*event.Event
	for _, e := range batch {
		made, err := s.split(e)
		if err != nil {
			w.failed(n, e, err)
		}
		for _, m := range append([]*event.Event{e}, made...) {
			m.Seq = e.Seq
			if !m.Cancelled() {
				out = append(out, m)
			}
		}
	}
	return out
}

// failed marks an event that a filter could not work on. Logstash would stop the pipeline there.
func (w *worker) failed(n *filterNode, e *event.Event, err error) {
	w.plugins[n.index].failures.Add(1)
	w.pipeline.log.Error("a filter failed", "plugin", n.name, "id", n.id, "line", n.pos.Line, "error", err)
	e.Tag("_filter_error")
}

// branch sends each event down the first arm whose condition it fulfils, and puts them together again in order.
func (w *worker) branch(n *branchNode, batch []*event.Event) []*event.Event {
	taken, whole := w.choose(n, batch)
	if whole >= 0 {
		return w.filterAll(n.nodes(whole), batch)
	}
	var out []*event.Event
	for i, events := range taken {
		if len(events) > 0 {
			out = append(out, w.filterAll(n.nodes(i), events)...)
		}
	}
	slices.SortStableFunc(out, func(a, b *event.Event) int { return a.Seq - b.Seq })
	return out
}

// nodes is what an arm leads to; the one after the last is the else.
func (n *branchNode) nodes(arm int) []node {
	if arm < len(n.arms) {
		return n.arms[arm]
	}
	return n.els
}

// choose says which events take which arm; where all of them take one, whole is that arm and nothing is copied.
func (w *worker) choose(n *branchNode, batch []*event.Event) (taken [][]*event.Event, whole int) {
	whole = -1
	for i, e := range batch {
		arm := w.arm(n, e)
		switch {
		case arm < 0:
			arm = -1
		case i == 0:
			whole = arm
		}
		if arm >= 0 {
			w.taken[n.index][arm].Add(1)
		}
		if taken == nil && arm != whole {
			taken = make([][]*event.Event, len(n.arms)+1)
			if whole >= 0 {
				taken[whole] = append(taken[whole], batch[:i]...)
			}
		}
		if taken != nil && arm >= 0 {
			taken[arm] = append(taken[arm], e)
		}
	}
	if taken != nil {
		whole = -1
	}
	return taken, whole
}

// arm is the first arm that an event fulfils. A condition that cannot be evaluated takes the event out of the pipeline
// into the dead letter queue, as in Logstash; the arm is -1 then.
func (w *worker) arm(n *branchNode, e *event.Event) int {
	for i, a := range n.branch.Arms {
		ok, err := a.Cond(e)
		if err != nil {
			w.pipeline.log.Warn("a condition cannot be evaluated, the event goes to the dead letter queue", "condition", a.Text, "line", a.Pos.Line, "error", err)
			if err := w.pipeline.dead.write(e, "if-statement", a.Text, err.Error()); err != nil {
				w.pipeline.log.Error("an event is lost", "error", err)
			}
			e.Cancel()
			return -1
		}
		if ok {
			return i
		}
	}
	return len(n.arms)
}

// sendAll hands a batch to the outputs.
func (w *worker) sendAll(ctx context.Context, nodes []node, batch []*event.Event) error {
	for _, n := range nodes {
		if len(batch) == 0 {
			return nil
		}
		switch n := n.(type) {
		case *outputNode:
			c := &w.plugins[n.index]
			start := time.Now()
			c.in.Add(int64(len(batch)))
			if err := n.output.send(ctx, batch); err != nil {
				return err
			}
			c.out.Add(int64(len(batch)))
			c.nanos.Add(int64(time.Since(start)))
		case *branchNode:
			taken, whole := w.choose(n, batch)
			if whole >= 0 {
				if err := w.sendAll(ctx, n.nodes(whole), batch); err != nil {
					return err
				}
				continue
			}
			for i, events := range taken {
				if err := w.sendAll(ctx, n.nodes(i), events); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
