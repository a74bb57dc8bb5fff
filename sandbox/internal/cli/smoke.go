package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"golang.org/x/term"

	"obsandbox/sandbox/internal/embedded"
	"obsandbox/sandbox/internal/paths"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/smoke"
	"obsandbox/sandbox/internal/stack"
)

type smokeCmd struct {
	selectFlags
	Stack    string        `type:"path" placeholder:"FILE" help:"The addresses.json of a running stack, or its run directory; without it, one is started at free ports, and ended."`
	Match    string        `name:"run" placeholder:"REGEXP" help:"Make only the checks whose name matches."`
	Deadline time.Duration `default:"60s" help:"How long all checks together may take."`
	formatFlag
}

// formatFlag is how a report is written.
type formatFlag struct {
	Format string `enum:"human,json,junit,github" default:"human" help:"human, json, junit or github (annotations)."`
}

// write writes a report that has ended; human is true where its lines were shown one by one.
func (f formatFlag) write(con *console, r *report.Report, shown bool) error {
	if f.Format != "human" {
		r = below(r)
	}
	switch f.Format {
	case "json":
		return r.JSON(con.out)
	case "junit":
		return r.JUnit(con.out)
	case "github":
		return r.GitHub(con.out)
	}
	if shown {
		return r.HumanEnd(con.out, colourful(con.out))
	}
	return r.Human(con.out, colourful(con.out))
}

// below is the report with every file as its path below the report's root: who shows results beside the code finds it by
// that, wherever a container or a machine of a CI has the repository.
func below(r *report.Report) *report.Report {
	out := &report.Report{Root: r.Root}
	for _, res := range r.Results {
		if filepath.IsAbs(res.File) {
			res.File = paths.Relative(r.Root, res.File)
		}
		out.Add(res)
	}
	return out
}

// verdict is the exit code of a report.
func verdict(r *report.Report) error {
	if !r.OK() {
		return &exitError{code: exitFailed}
	}
	return nil
}

func colourful(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(f.Fd()))
}

func (c *smokeCmd) Run(ctx context.Context, con *console) error {
	s, err := c.load()
	if err != nil {
		return err
	}
	opt := smoke.Options{Deadline: c.Deadline}
	if c.Match != "" {
		if opt.Run, err = regexp.Compile(c.Match); err != nil {
			return fmt.Errorf("--run: %w", err)
		}
	}
	human := c.Format == "human"
	if human {
		opt.OnResult = func(res report.Result) { _ = res.HumanLine(con.out, colourful(con.out)) }
	}
	if c.Stack != "" {
		addresses, err := stack.ReadAddresses(addressesFile(c.Stack))
		if err != nil {
			return err
		}
		return c.judge(ctx, con, addresses, s, opt)
	}

	// Progress is not the report: it goes to stderr.
	progress := newView(con.err, false)
	progress.terminal = false
	start := c.options(true)
	start.OnEvent = func(e embedded.Event) {
		if e.State == embedded.Building || e.State == embedded.Restarting || e.State == embedded.Failed {
			progress.event(e)
		}
	}
	run, err := embedded.Start(ctx, s, start)
	if err != nil {
		return err
	}
	if err := run.AwaitReady(ctx); err != nil {
		return errors.Join(err, run.Stop())
	}
	fmt.Fprintf(con.err, "all ready in %s\n", report.Seconds(run.ReadyIn()))
	opt.Patience = patienceWith(run.ReadyIn())
	judged := c.judge(ctx, con, run.Addresses, s, opt)
	var coded *exitError
	if errors.As(judged, &coded) && coded.code == exitFailed {
		run.KeepDir()
		fmt.Fprintf(con.err, "the logs of the stack: %s\n", run.Dir+"/logs")
	}
	if err := run.Stop(); err != nil {
		return err
	}
	return judged
}

// patienceWith is how long a stack that this machine has made ready in that time may show a check the same fault: what is
// wrong in a file is told soon, and a slow machine is waited for.
func patienceWith(readyIn time.Duration) time.Duration { return 10*time.Second + 5*readyIn }

func (c *smokeCmd) judge(ctx context.Context, con *console, a stack.Addresses, s *stack.Stack, opt smoke.Options) error {
	opt.Files = fileChecks(s)
	r, err := smoke.Run(ctx, a, s, opt)
	if err != nil {
		return err
	}
	r.Root = s.Root()
	if err := c.write(con, r, opt.OnResult != nil); err != nil {
		return err
	}
	return verdict(r)
}
