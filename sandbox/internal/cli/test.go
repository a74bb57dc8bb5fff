package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/stack"
)

// testCmd judges whatever can be judged without a running stack.
type testCmd struct {
	All           testAll           `cmd:"" default:"withargs" help:"Everything that takes seconds (the default): not scenarios and detection."`
	Configuration testConfiguration `cmd:"" help:"Every component's configuration, by the programs' own checkers and by the sandbox's; the runbook."`
	Rules         testRules         `cmd:"" help:"promtool's unit tests of rules, with coverage, and nothing that passes in vain."`
	Mutations     testMutations     `cmd:"" help:"Whether the rules' unit tests notice a slip in a rule: one at a time, in each."`
	Routes        testRoutes        `cmd:"" help:"Tests of Alertmanager's routes and inhibition."`
	Catalogue     testCatalogue     `cmd:"" help:"Whether every query asks for metrics and labels that the catalogue has, in a way that their type can answer."`
	Slos          testSLOs          `cmd:"" name:"slos" help:"Whether the objectives' rules are the ones that slos.yaml makes."`
	Pipelines     testPipelines     `cmd:"" help:"Case files of Logstash's pipelines, with coverage."`
	Scenarios     testScenarios     `cmd:"" help:"Incidents on simulated time: faults, and the alerts and notifications that come of them."`
	Detection     testDetection     `cmd:"" help:"Per alert: time to detect, time to notify, false alarms in a simulated week of normal and of noisy load."`
	Dashboards    testDashboards    `cmd:"" help:"Checks of dashboards: words, units, queries, limits, links."`
}

// AfterApply has garbage collected less often than Go's way is, unless the environment says how often: tests end before
// it matters, and a collection takes the time of what runs beside.
func (*testCmd) AfterApply() error {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(400)
		debug.SetMemoryLimit(1 << 30)
	}
	return nil
}

// testFlags are those of every kind of test.
type testFlags struct {
	stackFlag
	Match string `name:"run" placeholder:"REGEXP" help:"Only the cases whose name matches."`
	Watch bool   `help:"Judge again what a saved file touches, until Ctrl-C."`
	formatFlag
}

// offlineFlags are those of tests that have nothing to do with a running stack: there, --stack is no running one.
type offlineFlags struct {
	testFlags
	Stack string `type:"path" placeholder:"DIR" help:"The same as --stack-dir."`
}

func (f *offlineFlags) AfterApply() error {
	if f.Stack != "" && f.StackDir != "" {
		return errors.New("--stack and --stack-dir are the same: give one")
	}
	if f.Stack != "" {
		f.StackDir = f.Stack
	}
	return nil
}

func (f testFlags) match() (*regexp.Regexp, error) {
	if f.Match == "" {
		return nil, nil
	}
	re, err := regexp.Compile(f.Match)
	if err != nil {
		return nil, fmt.Errorf("--run: %w", err)
	}
	return re, nil
}

// judged is what one kind of test has found.
type judged struct {
	report *report.Report
	// tables are shown to people below the report, where no other kind is judged with it: coverage, scores.
	tables []func(io.Writer) error
	// summary is one line of figures, shown to people where other kinds are judged with it; empty for none.
	summary string
}

// kind is one kind of test; its name is its command's.
type kind struct {
	name string
	run  func(ctx context.Context, t *testRun) (*judged, error)
}

// testRun is what all kinds of one run share.
type testRun struct {
	stack *stack.Stack
	match *regexp.Regexp
	// paths are given by the user; without them, the repository's own.
	paths []string
	// saved are the files that a run is about, where it is about some only (--watch).
	saved    []string
	progress func(string)
}

// tests are the paths that are judged: those given, else a directory beside the stack directory.
func (t *testRun) tests(dir string) []string {
	if len(t.paths) > 0 {
		return t.paths
	}
	return []string{filepath.Join(t.stack.Root(), "tests", dir)}
}

// root is what file names in results are relative to: the repository, or, for paths that the user gave, where the user
// is.
func (t *testRun) root() string {
	if len(t.paths) > 0 {
		return ""
	}
	return t.stack.Root()
}

// kinds are all kinds that `test` runs: those that take seconds. A new one is a line here. Mutations, the slowest, come
// last.
func kinds() []kind {
	return []kind{
		{"configuration", judgeConfiguration}, {"catalogue", judgeCatalogue}, {"slos", judgeSLOs}, {"rules", judgeRules(100, false, false, "")}, {"routes", judgeRoutes("", 100)},
		{"pipelines", judgePipelines(100)}, {"dashboards", judgeDashboards},
		{"mutations", judgeMutations},
	}
}

// run judges kinds and writes one report, in their order; again and again with --watch.
func (f testFlags) run(ctx context.Context, con *console, paths []string, chosen ...kind) error {
	if f.Watch {
		return f.watch(ctx, con, paths, chosen)
	}
	return f.judge(ctx, con, paths, nil, chosen...)
}

// judge judges kinds at the same time; where saved is given, only what those files touch.
func (f testFlags) judge(ctx context.Context, con *console, paths, saved []string, chosen ...kind) error {
	s, err := f.load()
	if err != nil {
		return err
	}
	match, err := f.match()
	if err != nil {
		return err
	}
	t := &testRun{stack: s, match: match, paths: paths, saved: saved, progress: once(con.err)}
	found := make([]*judged, len(chosen))
	errs := make([]error, len(chosen))
	var wg sync.WaitGroup
	for i, k := range chosen {
		wg.Go(func() {
			if found[i], errs[i] = k.run(ctx, t); errs[i] != nil {
				errs[i] = fmt.Errorf("test %s: %w", k.name, errs[i])
			}
		})
	}
	wg.Wait()
	// What could not run must not hide what did.
	broken := errors.Join(errs...)
	if broken != nil && len(chosen) == 1 {
		return broken
	}
	all := &report.Report{}
	for _, j := range found {
		if j != nil {
			all.Add(j.report.Results...)
		}
	}
	if broken == nil && match != nil && !slices.ContainsFunc(all.Results, func(r report.Result) bool { return match.MatchString(r.Name) }) {
		return fmt.Errorf("--run %s: no case has a name that matches", f.Match)
	}
	all.Root = t.root()
	if f.Format != "human" {
		if err := f.write(con, all, false); err != nil {
			return err
		}
	} else if err := f.forPeople(con.out, all, found); err != nil {
		return err
	}
	if broken != nil {
		return broken
	}
	return verdict(all)
}

// forPeople writes a line for each check, tables and figures, and then, where it is read first, what has failed.
func (f testFlags) forPeople(w io.Writer, all *report.Report, found []*judged) error {
	colour := colourful(w)
	for _, res := range all.Results {
		if err := res.HumanLine(w, colour); err != nil {
			return err
		}
	}
	for _, j := range found {
		switch {
		case j == nil:
		case len(found) == 1:
			for _, table := range j.tables {
				if _, err := fmt.Fprintln(w); err != nil {
					return err
				}
				if err := table(w); err != nil {
					return err
				}
			}
		case j.summary != "":
			if _, err := fmt.Fprintln(w, j.summary); err != nil {
				return err
			}
		}
	}
	return all.HumanEnd(w, colour)
}

// once shows each line of progress, but not the same one twice in a row.
func once(w io.Writer) func(string) {
	var mu sync.Mutex
	last := ""
	return func(line string) {
		mu.Lock()
		defer mu.Unlock()
		what, _, _ := strings.Cut(line, ",")
		if what != last {
			fmt.Fprintln(w, line)
			last = what
		}
	}
}
