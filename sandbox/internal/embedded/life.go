package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"obsandbox/sandbox/internal/stack"
)

// StartError is a component that cannot be started: its own words say why.
type StartError struct {
	Component string
	// Fate says how its process ended.
	Fate string
	// Lines are the last lines of its log.
	Lines []string
	Log   string
	// Err is the reason where it did not come from the process.
	Err error
}

func (e *StartError) Unwrap() error { return e.Err }

func (e *StartError) Error() string {
	var at *stack.FileError
	if errors.As(e.Err, &at) {
		return e.Err.Error()
	}
	if e.Err != nil {
		return fmt.Sprintf("%s cannot start: %v", e.Component, e.Err)
	}
	return fmt.Sprintf("%s cannot start (%s):\n  %s\nits log: %s", e.Component, e.Fate, strings.Join(e.Lines, "\n  "), e.Log)
}

// life is what became of one process.
type life struct {
	code     int
	fate     string
	lines    []string
	readyFor time.Duration
}

// live runs a unit's process once. An error means that there is no sense in another try.
func (s *supervisor) live(ctx context.Context, u *unit, cmd command) (life, error) {
	if err := os.MkdirAll(filepath.Dir(u.log), 0o755); err != nil {
		return life{}, fmt.Errorf("log of %s: %w", u.name, err)
	}
	log, err := os.OpenFile(u.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return life{}, fmt.Errorf("log of %s: %w", u.name, err)
	}
	defer log.Close()
	from := fileSize(u.log)
	if u.release != nil {
		u.release()
	}
	began := time.Now()
	p, err := s.spawn.start(cmd, log)
	if err != nil {
		return life{}, &StartError{Component: u.name, Err: err, Log: u.log}
	}
	s.set(u, func(st *Status) { st.State, st.PID, st.Message = Starting, p.pid, "" })

	probing, stopProbing := context.WithCancel(ctx)
	defer stopProbing()
	outcome := make(chan error, 1) // of probing: nil when it is ready
	go func() { outcome <- s.awaitReady(probing, u) }()
	var readyAt time.Time
	timeout := time.NewTimer(s.timing.readyTimeout)
	defer timeout.Stop()
	for {
		select {
		case <-p.done:
			l := life{code: p.code, fate: p.fate, lines: lastLines(u.log, from, shownLines)}
			if !readyAt.IsZero() {
				l.readyFor = time.Since(readyAt)
			}
			return l, nil
		case <-ctx.Done():
			s.end(u, p)
			return life{}, nil
		case err := <-outcome:
			if err != nil && probing.Err() != nil {
				continue
			}
			if err != nil && !s.everReady(u) {
				p.stop(s.timing.grace)
				return life{}, &StartError{Component: u.name, Err: err, Log: u.log}
			}
			readyAt = time.Now()
			s.set(u, func(st *Status) {
				st.State, st.ReadyAfter, st.Memory, st.LastLines = Ready, readyAt.Sub(began), residentBytes(p.pid), nil
				if err != nil {
					st.Message = err.Error()
				}
			})
			s.markReady(u)
		case <-timeout.C:
			if readyAt.IsZero() && !s.everReady(u) {
				lines := lastLines(u.log, from, shownLines)
				p.stop(s.timing.grace)
				return life{}, &StartError{Component: u.name, Fate: fmt.Sprintf("not ready after %s", s.timing.readyTimeout), Lines: lines, Log: u.log}
			}
		}
	}
}

// end stops a unit's process after those of the units that need it, which may have something to bring there still. That
// is waited for a while only: all of it has to be over within the grace.
func (s *supervisor) end(u *unit, p *process) {
	began := time.Now()
	patience := time.After(s.timing.grace / 3)
	for _, other := range s.units {
		if !slices.Contains(other.needs, u.name) {
			continue
		}
		select {
		case <-s.ended[other.name]:
		case <-p.done:
		case <-patience:
			patience = closedTime()
		}
	}
	p.stop(s.timing.grace - time.Since(began))
}

// closedTime is a timer's channel that has fired and always will.
func closedTime() <-chan time.Time {
	c := make(chan time.Time)
	close(c)
	return c
}

// awaitReady asks until the unit is ready, then sets it up. Only setting up can fail.
func (s *supervisor) awaitReady(ctx context.Context, u *unit) error {
	const first, last = 5 * time.Millisecond, 250 * time.Millisecond
	for pause := first; ; pause = min(pause*5/4, last) {
		if u.probe(ctx) == nil {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
	if u.setup == nil {
		return nil
	}
	return u.setup(ctx)
}

func fileSize(file string) int64 {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return info.Size()
}

// lastLines are the last lines of a file, of what was written at from and later.
func lastLines(file string, from int64, n int) []string {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	const enough = 64 << 10
	size := fileSize(file)
	buf := make([]byte, min(size-from, enough))
	if _, err := f.ReadAt(buf, size-int64(len(buf))); err != nil && !errors.Is(err, os.ErrClosed) && len(buf) == 0 {
		return nil
	}
	lines := strings.Split(strings.TrimRight(string(buf), "\n"), "\n")
	return slices.DeleteFunc(tail(lines, n), func(l string) bool { return strings.TrimSpace(l) == "" })
}
