package world

import (
	"slices"
	"time"
)

// rollout replaces the pods of one service after the other, as a deployment of a new version does, every few hours.
type rollout struct {
	next time.Time // when it goes on
	// old are the pods that it has yet to replace.
	old []*host
}

// between is the time from one pod's replacement to the next one's.
const between = 40 * time.Second

// calm is the time from one rollout to the next: three to seven hours.
func (w *World) calm() time.Duration {
	return (3*time.Hour + time.Duration(w.rand.Int64N(int64(4*time.Hour)))).Truncate(time.Second)
}

func (w *World) rollOut() {
	r := &w.rolling
	if w.now.Before(r.next) {
		return
	}
	if len(r.old) == 0 {
		f := w.fleets[w.rand.IntN(len(w.fleets))]
		for _, h := range w.hosts {
			if h.fleet == f {
				r.old = append(r.old, h)
			}
		}
	}
	if old := r.old[0]; !old.gone && slices.Contains(w.hosts, old) {
		w.replace(old)
	}
	if r.old = r.old[1:]; len(r.old) > 0 {
		r.next = w.now.Add(between)
	} else {
		r.next = w.now.Add(w.calm())
	}
}

// comeAndGo sees to what faults take away: it comes back as something new, with its counters at zero.
func (w *World) comeAndGo() {
	w.podsVersion++
	for _, h := range slices.Clone(w.hosts) {
		back := h.gone && !w.absent(h)
		switch {
		case !back:
			h.gone = w.absent(h)
		case h.fleet != nil:
			w.replace(h)
		default:
			h.gone = false
			w.start(h)
		}
	}
}
