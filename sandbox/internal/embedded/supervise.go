package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// unit is one component as the supervisor sees it.
type unit struct {
	name  string
	needs []string
	// addresses and address are what Status shows.
	addresses map[string]string
	address   string
	log       string
	// prepare makes the command, once; it may build a program and tell how far it is.
	prepare func(ctx context.Context, progress func(string)) (command, error)
	// release lets go of the ports that are held for the unit; called before every start.
	release func()
	// probe asks once whether it is ready.
	probe func(context.Context) error
	// setup is what is done each time it has become ready, before others may use it; nil for nothing.
	setup func(context.Context) error
}

// timing is how patient the supervisor is; tests are less so.
type timing struct {
	// firstBackoff is the pause before the first restart; it doubles up to maxBackoff and starts again after the
	// component was ready for stable.
	firstBackoff, maxBackoff, stable time.Duration
	// readyTimeout is how long a process may take to become ready at the first start.
	readyTimeout time.Duration
	grace        time.Duration
	memory       time.Duration
}

func usualTiming() timing {
	return timing{
		firstBackoff: time.Second, maxBackoff: 30 * time.Second, stable: time.Minute,
		readyTimeout: 2 * time.Minute, grace: stopGrace, memory: 2 * time.Second,
	}
}

const (
	// refusedCode is the exit code by which a program says that it will not run like this, whatever is tried.
	refusedCode = 2
	// maxEarlyDeaths is how often a component may die before it has ever been ready.
	maxEarlyDeaths = 3
	// shownLines is how much of its log is shown when a component has died.
	shownLines = 10
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
	if e.Err != nil {
		return fmt.Sprintf("%s cannot start: %v", e.Component, e.Err)
	}
	return fmt.Sprintf("%s cannot start (%s):\n  %s\nits log: %s", e.Component, e.Fate, strings.Join(e.Lines, "\n  "), e.Log)
}

// supervisor runs units and keeps them running.
type supervisor struct {
	units   []*unit
	spawn   *spawner
	timing  timing
	onEvent func(Event)

	mu     sync.Mutex
	status map[string]*Status
	ready  map[string]chan struct{} // closed when the unit is ready for the first time
	ended  map[string]chan struct{} // closed when the unit has ended for good
}

func newSupervisor(units []*unit, spawn *spawner, t timing, onEvent func(Event)) *supervisor {
	s := &supervisor{units: units, spawn: spawn, timing: t, onEvent: onEvent, status: map[string]*Status{}, ready: map[string]chan struct{}{}, ended: map[string]chan struct{}{}}
	for _, u := range units {
		s.status[u.name] = &Status{Component: u.name, State: Waiting, Addresses: u.addresses, Address: u.address, Log: u.log}
		s.ready[u.name] = make(chan struct{})
		s.ended[u.name] = make(chan struct{})
	}
	return s
}

// run starts the units and returns when all have ended: after ctx has, or one of them cannot be started. allReady is
// called once.
func (s *supervisor) run(ctx context.Context, allReady func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	var failed error
	var once sync.Once
	for _, u := range s.units {
		wg.Go(func() {
			defer close(s.ended[u.name])
			if err := s.keep(ctx, u); err != nil {
				once.Do(func() { failed = err })
				cancel(err)
			}
		})
	}
	wg.Go(func() {
		for _, u := range s.units {
			select {
			case <-s.ready[u.name]:
			case <-ctx.Done():
				return
			}
		}
		allReady()
	})
	wg.Go(func() { s.watchMemory(ctx) })
	wg.Wait()
	return failed
}

// keep runs one unit until ctx ends. Its error is a component that never was ready.
func (s *supervisor) keep(ctx context.Context, u *unit) error {
	for _, need := range u.needs {
		if ready := s.ready[need]; ready != nil {
			select {
			case <-ready:
			case <-ctx.Done():
				s.set(u, func(st *Status) { st.State = Stopped })
				return nil
			}
		}
	}
	fail := func(err error) error {
		if ctx.Err() != nil {
			s.set(u, func(st *Status) { st.State, st.Message = Stopped, "" })
			return nil
		}
		s.set(u, func(st *Status) { st.State, st.Message = Failed, err.Error() })
		return err
	}
	cmd, err := u.prepare(ctx, func(message string) {
		s.set(u, func(st *Status) { st.State, st.Message = Building, message })
	})
	if err != nil {
		return fail(err)
	}
	backoff := s.timing.firstBackoff
	for early := 0; ; {
		if ctx.Err() != nil {
			s.set(u, func(st *Status) { st.State, st.PID, st.Memory, st.Message = Stopped, 0, 0, "" })
			return nil
		}
		life, err := s.live(ctx, u, cmd)
		if err != nil {
			return fail(err)
		}
		if ctx.Err() != nil {
			continue
		}
		if !s.everReady(u) {
			early++
			if life.code == refusedCode || early >= maxEarlyDeaths {
				return fail(&StartError{Component: u.name, Fate: life.fate, Lines: life.lines, Log: u.log})
			}
		}
		if life.readyFor >= s.timing.stable {
			backoff = s.timing.firstBackoff
		}
		s.set(u, func(st *Status) {
			st.State, st.PID, st.Memory, st.ReadyAfter = Restarting, 0, 0, 0
			st.Restarts++
			st.Message = fmt.Sprintf("ended (%s), starts again in %s", life.fate, backoff)
			st.LastLines = life.lines
		})
		select {
		case <-ctx.Done():
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, s.timing.maxBackoff)
	}
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

func (s *supervisor) everReady(u *unit) bool {
	select {
	case <-s.ready[u.name]:
		return true
	default:
		return false
	}
}

func (s *supervisor) markReady(u *unit) {
	if !s.everReady(u) {
		close(s.ready[u.name])
	}
}

// set changes a unit's status and tells of it, unless nothing has changed.
func (s *supervisor) set(u *unit, change func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.status[u.name]
	before := *st
	change(st)
	if before.State == st.State && before.Message == st.Message && before.PID == st.PID {
		return
	}
	if s.onEvent != nil {
		s.onEvent(Event{Time: time.Now(), Status: *st})
	}
}

// all is every unit's status, in the order of the units.
func (s *supervisor) all() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Status, len(s.units))
	for i, u := range s.units {
		all[i] = *s.status[u.name]
	}
	return all
}

// watchMemory looks at the memory of the processes now and then.
func (s *supervisor) watchMemory(ctx context.Context) {
	tick := time.NewTicker(s.timing.memory)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, st := range s.all() {
			if st.PID == 0 {
				continue
			}
			memory := residentBytes(st.PID)
			s.mu.Lock()
			if now := s.status[st.Component]; now.PID == st.PID {
				now.Memory = memory
			}
			s.mu.Unlock()
		}
	}
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
