package embedded

import (
	"context"
	"fmt"
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
	// explain is what the last lines of a process that was never ready say of its configuration, nil where they say
	// nothing of it; nil where nothing is known of its lines.
	explain func(lines []string) error
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

// supervisor runs units and keeps them running.
type supervisor struct {
	units   []*unit
	spawn   *spawner
	timing  timing
	onEvent func(Event)

	// telling keeps events in their order; mu is not held meanwhile, so that whoever is told may ask for the status.
	telling sync.Mutex

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
			if u.explain != nil {
				if err := u.explain(life.lines); err != nil {
					return fail(&StartError{Component: u.name, Fate: life.fate, Lines: life.lines, Log: u.log, Err: err})
				}
			}
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
	s.telling.Lock()
	defer s.telling.Unlock()
	s.mu.Lock()
	st := s.status[u.name]
	before := *st
	change(st)
	now := *st
	s.mu.Unlock()
	if before.State == now.State && before.Message == now.Message && before.PID == now.PID {
		return
	}
	if s.onEvent != nil {
		s.onEvent(Event{Time: time.Now(), Status: now})
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
