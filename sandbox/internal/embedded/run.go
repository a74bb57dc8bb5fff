package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"obsandbox/sandbox/internal/ports"
	"obsandbox/sandbox/internal/stack"
)

// Options of a run; the zero value runs everything at the usual ports and keeps nothing.
type Options struct {
	// Only and Without select components by name.
	Only, Without []string
	// Data is the run directory, whose state is kept; empty for one that is removed at the end.
	Data string
	// AutoPorts takes free ports instead of the usual ones.
	AutoPorts bool
	// Seed of the simulated platform.
	Seed uint64
	// Replace and Join are real services that take part in the platform, SERVICE=HOST:PORT.
	Replace, Join []string
	// Factor is how many times as fast the monitoring goes, up to stack.MaxFactor; 0 and 1 for as it is checked in.
	Factor float64
	// Faults are broken from the start on: NAME, or NAME:SERVICE.
	Faults []string
	// Serves are the components that this program can serve itself; nil is all of them.
	Serves []string
	// Self is this program's command line without its arguments; empty is the running executable.
	Self []string
	// Cache is the directory of built programs and run directories; empty is CacheDir.
	Cache string
	// Checks are made before anything starts; nil is Checks().
	Checks []Check
	// OnEvent is called with every change, by one goroutine at a time; it must not block.
	OnEvent func(Event)
	// Log takes what concerns no component; nil discards.
	Log *slog.Logger
}

// Run is a stack that runs.
type Run struct {
	// Addresses say where it answers, from the start on.
	Addresses stack.Addresses
	// Dir is the run directory.
	Dir string
	// AddressesFile is the addresses.json in it.
	AddressesFile string

	began   time.Time
	ready   chan struct{}
	done    chan struct{}
	err     error
	readyIn time.Duration
	cancel  context.CancelFunc
	keepDir atomic.Bool
	sup     *supervisor
}

// Start checks the configuration and starts a stack, which runs until ctx ends or Stop is called. It returns as soon as
// the components are being started. Its errors are of configuration (*ConfigError), taken ports and the like: then
// nothing runs.
func Start(ctx context.Context, s *stack.Stack, opt Options) (_ *Run, err error) {
	began := time.Now()
	if opt, err = opt.complete(); err != nil {
		return nil, err
	}
	if opt.Factor != 0 && !(opt.Factor >= 1 && opt.Factor <= stack.MaxFactor) {
		return nil, fmt.Errorf("a factor of %g: expected one from 1 to %d", opt.Factor, stack.MaxFactor)
	}
	selected, err := s.Select(opt.Only, opt.Without)
	if err != nil {
		return nil, err
	}
	for _, c := range selected {
		if c.Program == "" && opt.Serves != nil && !slices.Contains(opt.Serves, c.Name) {
			return nil, fmt.Errorf("this program cannot serve %s yet: leave it out with --without %s", c.Name, c.Name)
		}
	}
	order, err := s.StartOrder(selected)
	if err != nil {
		return nil, err
	}
	dir, err := openRunDir(opt.Cache, opt.Data)
	if err != nil {
		return nil, err
	}
	// From here on, what was made is taken back when something fails.
	var undo []func()
	undo = append(undo, func() { dir.close(true) })
	defer func() {
		if err != nil {
			for _, f := range slices.Backward(undo) {
				f()
			}
		}
	}()
	ports, err := reserve(ctx, order, opt.AutoPorts)
	if err != nil {
		return nil, err
	}
	undo = append(undo, ports.releaseAll)
	progs, err := newPrograms(ctx, s, filepath.Join(opt.Cache, "bin"))
	if err != nil {
		return nil, err
	}
	spawn, err := newSpawner(opt.Self)
	if err != nil {
		return nil, err
	}
	undo = append(undo, spawn.close)

	r := &Run{
		Addresses: stack.Addresses{Mode: "embedded", StackDir: s.Dir, PID: os.Getpid(), Factor: opt.Factor, Components: ports.addresses},
		Dir:       dir.path, AddressesFile: filepath.Join(dir.path, addressesFile),
		began: began, ready: make(chan struct{}), done: make(chan struct{}),
	}
	st := &starter{
		stack: s, opt: opt, running: r.Addresses, files: map[string][]stack.Rendered{}, paths: map[string]string{},
		run: stack.RunContext{Addresses: withAbsent(s, r.Addresses, opt.AutoPorts), Dir: dir.path, Keep: dir.keep, Factor: opt.Factor},
	}
	if err := st.render(order); err != nil {
		return nil, err
	}
	if err := runChecks(ctx, opt.Checks, st.input(order)); err != nil {
		return nil, err
	}
	judged, err := st.judgeBuilt(ctx, spawn, progs, order)
	if err != nil {
		return nil, err
	}
	if err := r.Addresses.Write(r.AddressesFile); err != nil {
		return nil, err
	}
	if err := dir.announce(opt.Cache, s.Dir); err != nil {
		return nil, err
	}

	units, err := st.units(order, ports, progs, spawn, judged)
	if err != nil {
		return nil, err
	}
	var events sync.Mutex
	r.sup = newSupervisor(units, spawn, usualTiming(), func(e Event) {
		events.Lock()
		defer events.Unlock()
		opt.OnEvent(e)
	})
	ctx, r.cancel = context.WithCancel(ctx)
	go r.writeStatus(ctx, opt.Log)
	go func() {
		defer close(r.done)
		err := r.sup.run(ctx, func() {
			r.readyIn = time.Since(r.began)
			close(r.ready)
		})
		r.cancel()
		ports.releaseAll()
		spawn.close()
		dir.close(err == nil && !r.keepDir.Load())
		r.err = err
	}()
	return r, nil
}

// withAbsent adds addresses for the components that do not run this time, because configuration that names them must be
// written all the same. They are of this machine, so that nothing leaves it: the usual ones, or, where ports are
// automatic and the usual ones may be another stack's, one that nobody listens at.
func withAbsent(s *stack.Stack, a stack.Addresses, auto bool) stack.Addresses {
	const nobody = 1 // tcpmux; an ordinary user cannot listen there
	all := a
	all.Components = map[string]map[string]string{}
	for _, c := range s.Components {
		all.Components[c.Name] = map[string]string{}
		for _, p := range c.Ports {
			address := a.Of(c.Name, p.Name)
			if address == "" {
				number := p.Number
				if auto {
					number = nobody
				}
				address = net.JoinHostPort(ports.Host, strconv.Itoa(number))
			}
			all.Components[c.Name][p.Name] = address
		}
	}
	return all
}

func (opt Options) complete() (Options, error) {
	if len(opt.Self) == 0 {
		self, err := os.Executable()
		if err != nil {
			return opt, fmt.Errorf("find this program: %w", err)
		}
		opt.Self = []string{self}
	}
	if opt.Cache == "" {
		cache, err := CacheDir()
		if err != nil {
			return opt, err
		}
		opt.Cache = cache
	}
	if opt.Checks == nil {
		opt.Checks = Checks()
	}
	if opt.OnEvent == nil {
		opt.OnEvent = func(Event) {}
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	return opt, nil
}

// Ready is closed when every component is ready.
func (r *Run) Ready() <-chan struct{} { return r.ready }

// ReadyIn is the time from Start until everything was ready; valid when Ready is closed.
func (r *Run) ReadyIn() time.Duration { return r.readyIn }

// Done is closed when everything has ended.
func (r *Run) Done() <-chan struct{} { return r.done }

// Wait waits until everything has ended. An error is a component that could not be started (*StartError,
// *ConfigError); an end that was asked for is none.
func (r *Run) Wait() error {
	<-r.done
	return r.err
}

// AwaitReady waits until every component is ready. The error is that of Wait where the run ended before.
func (r *Run) AwaitReady(ctx context.Context) error {
	select {
	case <-r.ready:
		return nil
	case <-r.done:
		if r.err != nil {
			return r.err
		}
		return errors.New("the stack was stopped before it was ready")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stop ends everything, within 2 s, and waits for it.
func (r *Run) Stop() error {
	r.cancel()
	return r.Wait()
}

// KeepDir leaves a run directory that would be removed at the end where it is, for a day.
func (r *Run) KeepDir() { r.keepDir.Store(true) }

// Status is the state of every component.
func (r *Run) Status() []Status { return r.sup.all() }

// writeStatus keeps status.json up to date for other processes.
func (r *Run) writeStatus(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := ""
	for {
		data, err := json.Marshal(r.Status())
		if err == nil && string(data) != last {
			last = string(data)
			err = writeFile(filepath.Join(r.Dir, statusFile), data)
		}
		if err != nil && ctx.Err() == nil {
			log.Warn("write the status of the stack", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
