// Package probes runs Kubernetes' probes as a kubelet runs them (pkg/kubelet/prober): when a probe is due, what counts as
// success, and how many results in a row it takes to change its mind. The rules (Worker) know no clock and no network;
// HTTP asks a container, and Run does one after the other until it is told to stop.
package probes

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Kind says what a probe is for.
type Kind int

// The kinds of probe. Before its first result a liveness probe counts as succeeded and a readiness probe as failed.
const (
	Liveness Kind = iota
	Readiness
)

func (k Kind) String() string {
	if k == Liveness {
		return "liveness"
	}
	return "readiness"
}

// Outcome is what one attempt found.
type Outcome struct {
	OK bool
	// Message says what was answered, or why there was no answer, as a pod's events would.
	Message string
}

// State is what a probe says of its container.
type State struct {
	// Up is whether the container lives, or is ready.
	Up bool
	// Since is when that last changed; the container's start, until it does.
	Since time.Time
	// Attempts is the number of outcomes so far, and InARow how many of the last ones were alike.
	Attempts, InARow int
	// Last is the newest outcome.
	Last Outcome
}

func (s State) String() string {
	words := map[bool]string{true: "up", false: "down"}
	return fmt.Sprintf("%s since %s after %d attempts, the last %d alike: %s", words[s.Up], s.Since.UTC().Format(time.TimeOnly), s.Attempts, s.InARow, s.Last.Message)
}

// Worker judges one container by one probe.
type Worker struct {
	kind  Kind
	probe corev1.Probe
	state State
	// next is when the probe is due.
	next time.Time
}

// NewWorker is for a container that started at the given time. The probe needs the defaults that the API server fills
// in, as stack.LoadHealth does.
func NewWorker(kind Kind, probe corev1.Probe, started time.Time) *Worker {
	w := &Worker{kind: kind, probe: probe, state: State{Up: kind == Liveness, Since: started}}
	// A kubelet looks once every period from the start on, and skips what lies within the initial delay.
	for w.next = started; w.next.Sub(started) < time.Duration(probe.InitialDelaySeconds)*time.Second; w.next = w.next.Add(w.Period()) {
	}
	return w
}

// Kind is what the probe is for.
func (w *Worker) Kind() Kind { return w.kind }

// Period is the time between two attempts.
func (w *Worker) Period() time.Duration {
	return time.Duration(max(w.probe.PeriodSeconds, 1)) * time.Second
}

// Timeout is how long one attempt may take.
func (w *Worker) Timeout() time.Duration {
	return time.Duration(max(w.probe.TimeoutSeconds, 1)) * time.Second
}

// Next is when the next attempt is due.
func (w *Worker) Next() time.Time { return w.next }

// Due says whether an attempt is due at the given time.
func (w *Worker) Due(now time.Time) bool { return !now.Before(w.next) }

// State is what the probe says by now.
func (w *Worker) State() State { return w.state }

// Record takes the outcome of the attempt that was due, and reports whether the state changed. Attempts that were missed
// because the last one took too long are not made up for. A liveness probe that has failed often enough asks for a
// restart; its worker goes on judging the old container, and the new one needs a new worker.
func (w *Worker) Record(now time.Time, o Outcome) (changed bool) {
	for !w.next.After(now) {
		w.next = w.next.Add(w.Period())
	}
	if w.state.Attempts == 0 || w.state.Last.OK != o.OK {
		w.state.InARow = 0
	}
	w.state.Attempts++
	w.state.InARow++
	w.state.Last = o
	threshold := w.probe.FailureThreshold
	if o.OK {
		threshold = w.probe.SuccessThreshold
	}
	if w.state.InARow < int(threshold) || w.state.Up == o.OK {
		return false
	}
	w.state.Up, w.state.Since = o.OK, now
	return true
}
