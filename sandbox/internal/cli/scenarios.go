package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"obsandbox/sandbox/internal/embedded"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/scenarios"
	"obsandbox/sandbox/internal/stack"
)

type testScenarios struct {
	testFlags
	Out      string   `type:"path" placeholder:"DIR" help:"Write a picture, a page and the course of each scenario there."`
	Realtime bool     `help:"Play them in real time, one after the other: against the running stack that --stack names, or one that is started for them."`
	Stack    string   `type:"path" placeholder:"FILE" help:"With --realtime: the addresses.json of a running stack, or its run directory."`
	Factor   float64  `placeholder:"N" help:"With --realtime: N times as fast, in a stack whose intervals, windows, for and waits of groups are as much shorter (default: that of the running stack, or 1)."`
	Tests    []string `arg:"" optional:"" type:"path" help:"Scenario files, patterns or directories (default: tests/scenarios beside the stack directory)."`
}

// Validate is called by the parser.
func (c *testScenarios) Validate() error {
	if !c.Realtime && (c.Stack != "" || c.Factor != 0) {
		return errors.New("--stack and --factor go with --realtime")
	}
	if c.Factor != 0 && (c.Factor < 1 || c.Factor > stack.MaxFactor) {
		return fmt.Errorf("--factor is from 1 to %d", stack.MaxFactor)
	}
	return nil
}

func (c *testScenarios) Run(ctx context.Context, con *console) error {
	return c.run(ctx, con, c.Tests, kind{"scenarios", func(ctx context.Context, t *testRun) (*judged, error) {
		o := scenarios.Options{Out: c.Out}
		if !c.Realtime {
			return scenariosWith(ctx, t, o)
		}
		addresses, end, err := c.realtime(ctx, t)
		if err != nil {
			return nil, err
		}
		o.Play, o.Parallel = scenarios.Realtime(addresses, t.progress), 1
		j, err := scenariosWith(ctx, t, o)
		return j, errors.Join(err, end())
	}})
}

// realtime is the stack that is played against, and what ends it where it was started for this.
func (c *testScenarios) realtime(ctx context.Context, t *testRun) (stack.Addresses, func() error, error) {
	if c.Stack != "" {
		file := addressesFile(c.Stack)
		a, err := stack.ReadAddresses(file)
		if is := max(a.Factor, 1); err == nil && c.Factor != 0 && c.Factor != is {
			err = fmt.Errorf("%s runs %g times as fast as checked in, not %g times: start it with `sandbox up --factor %g`, or leave --stack out", file, is, c.Factor, c.Factor)
		}
		return a, func() error { return nil }, err
	}
	run, err := embedded.Start(ctx, t.stack, embedded.Options{AutoPorts: true, Seed: 1, Factor: c.Factor, Serves: served(), Checks: checks(), OnEvent: func(e embedded.Event) {
		if e.State == embedded.Building || e.State == embedded.Restarting || e.State == embedded.Failed {
			t.progress(strings.TrimSpace(fmt.Sprintf("%s is %s %s", e.Component, e.State, e.Message)))
		}
	}})
	if err != nil {
		return stack.Addresses{}, nil, err
	}
	if err := run.AwaitReady(ctx); err != nil {
		return stack.Addresses{}, nil, errors.Join(err, run.Stop())
	}
	t.progress("all ready in " + report.Seconds(run.ReadyIn()))
	return run.Addresses, run.Stop, nil
}

func scenariosWith(ctx context.Context, t *testRun, o scenarios.Options) (*judged, error) {
	o.Stack, o.Tests, o.Run, o.Root = t.stack, t.tests("scenarios"), t.match, t.root()
	o.Every = len(t.paths) == 0
	r, err := scenarios.Run(ctx, o)
	if err != nil {
		return nil, err
	}
	return &judged{report: r}, nil
}
