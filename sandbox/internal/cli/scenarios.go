package cli

import (
	"context"
	"errors"

	"obsandbox/sandbox/internal/scenarios"
	"obsandbox/sandbox/internal/stack"
)

type testScenarios struct {
	testFlags
	Out      string   `type:"path" placeholder:"DIR" help:"Write a picture, a page and the course of each scenario there."`
	Realtime bool     `help:"Play them against the running stack that --stack names, in real time."`
	Stack    string   `type:"path" placeholder:"FILE" help:"The addresses.json of a running stack, for --realtime."`
	Factor   float64  `default:"1" placeholder:"N" help:"With --realtime: the stack runs with rules and group waits that are N times as short; its times count N times."`
	Tests    []string `arg:"" optional:"" type:"path" help:"Scenario files, patterns or directories (default: tests/scenarios beside the stack directory)."`
}

// Validate is called by the parser.
func (c *testScenarios) Validate() error {
	if c.Realtime != (c.Stack != "") {
		return errors.New("--realtime and --stack go together")
	}
	if c.Factor < 1 || c.Factor > 1 && !c.Realtime {
		return errors.New("--factor is 1 or more, and goes with --realtime")
	}
	return nil
}

func (c *testScenarios) Run(ctx context.Context, con *console) error {
	return c.run(ctx, con, c.Tests, kind{"scenarios", func(ctx context.Context, t *testRun) (*judged, error) {
		o := scenarios.Options{Out: c.Out}
		if c.Realtime {
			addresses, err := stack.ReadAddresses(c.Stack)
			if err != nil {
				return nil, err
			}
			o.Play, o.Parallel = scenarios.Realtime(addresses, c.Factor, t.progress), 1
		}
		return scenariosWith(ctx, t, o)
	}})
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
