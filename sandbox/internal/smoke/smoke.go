// Package smoke checks a running stack end to end, whatever runs it: it knows the stack directory and the addresses,
// speaks the components' public APIs and nothing else. Input (log lines, a trace, alerts, faults) is driven once, under
// ids that no other run uses; what should come of it is asserted again and again until it holds or time is up.
package smoke

import (
	"context"
	"fmt"
	"regexp"
	"sync"
	"time"

	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/stack"
)

// Suite is the suite of every result.
const Suite = "smoke"

// DefaultDeadline is how long all checks together may take.
const DefaultDeadline = 60 * time.Second

// Options of a run; the zero value is a full run.
type Options struct {
	// Deadline is how long all checks together may take; 0 is DefaultDeadline.
	Deadline time.Duration
	// Patience is how long a check asks on while all it sees is the same fault, besides the time that the configuration
	// itself lets pass; 0 is until the deadline. Only who knows how fast the stack is can say it.
	Patience time.Duration
	// Run selects the checks whose name matches; nil is all of them. Input that no selected check waits for is not sent.
	Run *regexp.Regexp
	// Files are checks of the stack's files among themselves, which need no running stack.
	Files []FileCheck
	// OnResult is called once for each result as it is known, never by two goroutines at a time.
	OnResult func(report.Result)

	// For tests: the run's id, the pause between attempts, how often a check is tried (0: until the deadline), and how
	// much faster than a kubelet's the clock of the probes runs.
	id         string
	pause      time.Duration
	attempts   int
	probeSpeed float64
}

// FileCheck is a check of files; an error names the place (*stack.FileError).
type FileCheck struct {
	// Name says what holds when nothing is found.
	Name  string
	Judge func(context.Context) error
}

// Run judges the stack that answers at addr and is configured by s. The report lists the results in a fixed order; a
// check of a component that is not in addr is skipped. The error is for a run that could not judge: no check selected,
// or ctx ended before the checks did.
func Run(ctx context.Context, addr stack.Addresses, s *stack.Stack, opt Options) (*report.Report, error) {
	if opt.Deadline <= 0 {
		opt.Deadline = DefaultDeadline
	}
	if opt.pause <= 0 {
		opt.pause = 100 * time.Millisecond
	}
	if opt.probeSpeed <= 0 {
		opt.probeSpeed = probeSpeed
	}
	e, err := newEnv(addr, s, opt)
	if err != nil {
		return nil, err
	}
	var checks []*check
	for _, c := range append(e.checks(), fileChecks(opt.Files)...) {
		if opt.Run == nil || opt.Run.MatchString(c.name) {
			checks = append(checks, c)
		}
	}
	if len(checks) == 0 {
		return nil, fmt.Errorf("no smoke check has a name that matches %q", opt.Run)
	}
	deadline, cancel := context.WithTimeout(ctx, opt.Deadline)
	defer cancel()
	defer e.close()

	results := make([]report.Result, len(checks))
	var announce sync.Mutex
	var wg sync.WaitGroup
	for _, c := range checks {
		c.done = make(chan struct{})
	}
	for i, c := range checks {
		wg.Go(func() {
			defer close(c.done)
			results[i] = e.judge(deadline, c)
			if opt.OnResult != nil {
				announce.Lock()
				defer announce.Unlock()
				opt.OnResult(results[i])
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("run the smoke checks: stopped before they had ended: %w", context.Cause(ctx))
	}
	return &report.Report{Results: results}, nil
}
