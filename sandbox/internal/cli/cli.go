// Package cli is the command line: what is asked for, where it is written, and the exit code. What the commands do is in
// the packages they call.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"obsandbox/sandbox/internal/embedded"
	"obsandbox/sandbox/internal/platform"
	"obsandbox/sandbox/internal/stack"
)

// The exit codes, as --help says them.
const (
	exitOK = iota
	// exitFailed: everything ran, and checks failed.
	exitFailed
	// exitBroken: it could not run.
	exitBroken
)

const description = `The monitoring stack in stack/ as a whole, on this machine and without containers.

Exit codes: 0 it went well, 1 checks failed, 2 it could not run (the reason is on stderr).`

// commands is the command line.
type commands struct {
	Up          upCmd          `cmd:"" help:"Run the stack until Ctrl-C, and show how it does."`
	Smoke       smokeCmd       `cmd:"" help:"Check a running stack end to end, or one that is started for it."`
	Test        testCmd        `cmd:"" help:"Judge what can be judged without a running stack: configuration, rules, routes, pipelines, dashboards."`
	Check       checkCmd       `cmd:"" help:"Say what of the platform's contract a service of yours keeps."`
	Export      exportCmd      `cmd:"" help:"Write the stack's configuration for production."`
	Preview     previewCmd     `cmd:"" help:"Draw all dashboards with simulated data, and what has changed in them, for reviewers."`
	Backtest    backtestCmd    `cmd:"" help:"Evaluate rules over recorded data: what would have fired, before a change against after."`
	Record      recordCmd      `cmd:"" help:"Turn a window of a Prometheus into a unit test of rules."`
	Config      configCmd      `cmd:"" help:"Print the configuration that a component runs with, or what differs from what is checked in."`
	Status      statusCmd      `cmd:"" help:"List the stacks that run on this machine."`
	Logs        logsCmd        `cmd:"" help:"Print the log of a component of a running stack."`
	Fault       faultCmd       `cmd:"" help:"Break something in the simulated platform, or mend it."`
	Down        downCmd        `cmd:"" help:"End a running stack."`
	Version     versionCmd     `cmd:"" help:"Print the versions of this command and of the programs of the stack."`
	Serve       serveCmd       `cmd:"" help:"Run one stand-in by itself; 'up' does this."`
	Guard       guardCmd       `cmd:"" hidden:""`
	Front       frontCmd       `cmd:"" hidden:"" help:"Lead ports to the components of a stack that runs in containers."`
	Cluster     clusterCmd     `cmd:"" hidden:"" help:"Serve the network of the simulated cluster in a container."`
	Reports     reportsCmd     `cmd:"" hidden:"" help:"Make one report of several, in every format."`
	Containers  containersCmd  `cmd:"" hidden:"" help:"Plan the stack in containers."`
	Kinds       kindsCmd       `cmd:"" hidden:"" help:"List the kinds of test, and what each of them reads."`
	Judge       judgeCmd       `cmd:"" hidden:"" help:"Run a program as one check, and report."`
	Conformance conformanceCmd `cmd:"" hidden:"" help:"Judge an Elasticsearch by the cases of the store that stands in for it."`
	Pod         podCmd         `cmd:"" hidden:"" help:"Serve the platform and the cluster's network in a container."`
	Await       awaitCmd       `cmd:"" hidden:"" help:"Wait until a component is ready, and set it up."`
}

// console is where a command writes, and what it may assume of the terminal.
type console struct {
	out, err io.Writer
}

// exitError carries an exit code; a nil err has been reported already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// Main runs the command line and returns the exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ctx, cancel := embedded.WithParent(ctx)
	defer cancel()

	var cmds commands
	exited := -1
	parser, err := kong.New(&cmds,
		kong.Name("sandbox"), kong.Description(description), kong.Writers(stdout, stderr), kong.ShortUsageOnError(),
		kong.Exit(func(code int) {
			if exited < 0 {
				exited = code
			}
		}),
		kong.Vars{
			"components": "kafka, platform, prometheus, …",
			"log_rate":   fmt.Sprint(platform.UsualLogRate), "trace_rate": fmt.Sprint(platform.UsualTraceRate),
		},
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(&console{out: stdout, err: stderr}),
	)
	if err != nil {
		fmt.Fprintln(stderr, "sandbox:", err)
		return exitBroken
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 { // --help was printed
		return exited
	}
	if err != nil {
		fmt.Fprintf(stderr, "sandbox: %v (sandbox --help)\n", err)
		return exitBroken
	}
	err = parsed.Run()
	var coded *exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &coded):
		if coded.err != nil {
			complain(stderr, coded.err)
		}
		return coded.code
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errors.New("stopped before it was done")
	}
	complain(stderr, err)
	return exitBroken
}

// place is how an error begins that belongs to a file: path:line: or path:
var place = regexp.MustCompile(`^/[^\n:]+:(\d+:)? `)

// complain writes an error; an error at a place in a file starts its line, so that editors find it.
func complain(w io.Writer, err error) {
	text := strings.TrimRight(err.Error(), "\n")
	if place.MatchString(text) {
		fmt.Fprintln(w, text)
		return
	}
	fmt.Fprintln(w, "sandbox:", text)
}

// stackFlag finds the stack directory.
type stackFlag struct {
	StackDir string `type:"path" placeholder:"DIR" help:"The stack directory (default: stack/ here or in a directory above)."`
}

func (f stackFlag) load() (*stack.Stack, error) {
	dir := f.StackDir
	if dir == "" {
		found, err := stack.Find(".")
		if err != nil {
			return nil, err
		}
		dir = found
	}
	return stack.Load(dir)
}
