package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"obsandbox/sandbox/internal/embedded"
	"obsandbox/sandbox/internal/mutate"
	"obsandbox/sandbox/internal/pipelines"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/routes"
	"obsandbox/sandbox/internal/rules"
	"obsandbox/sandbox/internal/slo"
	"obsandbox/sandbox/internal/stack"
)

// testCmd judges whatever can be judged without a running stack.
type testCmd struct {
	All           testAll           `cmd:"" default:"withargs" help:"Everything but mutations (the default)."`
	Configuration testConfiguration `cmd:"" help:"Every component's configuration, by the programs' own checkers and by the sandbox's; the runbook."`
	Rules         testRules         `cmd:"" help:"promtool's unit tests of rules, with coverage, and nothing that passes in vain."`
	Mutations     testMutations     `cmd:"" help:"Whether the rules' unit tests notice a slip in a rule: one at a time, in each."`
	Routes        testRoutes        `cmd:"" help:"Tests of Alertmanager's routes and inhibition."`
	Slos          testSLOs          `cmd:"" name:"slos" help:"Whether the objectives' rules are the ones that slos.yaml makes."`
	Pipelines     testPipelines     `cmd:"" help:"Case files of Logstash's pipelines, with coverage."`
	Dashboards    testDashboards    `cmd:"" help:"Checks of dashboards: words, units, queries, limits, links."`
}

// testFlags are those of every kind of test.
type testFlags struct {
	stackFlag
	Match string `name:"run" placeholder:"REGEXP" help:"Only the cases whose name matches."`
	formatFlag
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
	paths    []string
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

// kinds are all kinds that `test` runs. A new one is a line here.
func kinds() []kind {
	return []kind{
		{"configuration", judgeConfiguration}, {"slos", judgeSLOs}, {"rules", judgeRules(100)}, {"routes", judgeRoutes},
		{"pipelines", judgePipelines(100, false)}, {"dashboards", judgeDashboards},
	}
}

// run judges kinds at the same time and writes one report, in their order.
func (f testFlags) run(ctx context.Context, con *console, paths []string, chosen ...kind) error {
	s, err := f.load()
	if err != nil {
		return err
	}
	match, err := f.match()
	if err != nil {
		return err
	}
	t := &testRun{stack: s, match: match, paths: paths, progress: once(con.err)}
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
	if match != nil && len(chosen) > 1 {
		// A kind that has no case of the name asked for is no fault, as long as another has.
		none := slices.IndexFunc(found, func(j *judged) bool { return j != nil }) < 0
		if !none {
			errs = nil
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	all := &report.Report{}
	for _, j := range found {
		if j != nil {
			all.Add(j.report.Results...)
		}
	}
	if err := f.write(con, all, false); err != nil {
		return err
	}
	if f.Format == "human" && len(chosen) == 1 {
		for _, table := range found[0].tables {
			if _, err := fmt.Fprintln(con.out); err != nil {
				return err
			}
			if err := table(con.out); err != nil {
				return err
			}
		}
	}
	return verdict(all)
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

type testAll struct{ testFlags }

func (c *testAll) Run(ctx context.Context, con *console) error {
	return c.run(ctx, con, nil, kinds()...)
}

type testConfiguration struct{ testFlags }

func (c *testConfiguration) Run(ctx context.Context, con *console) error {
	return c.run(ctx, con, nil, kind{"configuration", judgeConfiguration})
}

func judgeConfiguration(ctx context.Context, t *testRun) (*judged, error) {
	const suite = "configuration"
	all, err := embedded.Judge(ctx, t.stack, embedded.Options{Serves: served(), Checks: checks()}, t.progress)
	if err != nil {
		return nil, err
	}
	r := &report.Report{}
	for _, j := range all {
		name := j.Component + " accepts its configuration"
		if j.By != "" {
			name += " (" + j.By + ")"
		}
		r.Add(resultOf(suite, name, j.Err, j.Took))
	}
	for _, own := range []struct {
		name  string
		check func() error
	}{
		{"every alert's runbook_url leads to a heading", t.stack.CheckRunbook},
	} {
		began := time.Now()
		err := own.check()
		r.Add(resultOf(suite, own.name, err, time.Since(began)))
	}
	r.Results = slices.DeleteFunc(r.Results, func(res report.Result) bool { return t.match != nil && !t.match.MatchString(res.Name) })
	return &judged{report: r}, nil
}

// resultOf is a result whose failure is an error; its first place is the result's.
func resultOf(suite, name string, err error, took time.Duration) report.Result {
	res := report.Result{Suite: suite, Name: name, Status: report.Pass, Duration: took}
	if err == nil {
		return res
	}
	res.Status, res.Detail = report.Fail, err.Error()
	var at *stack.FileError
	if errors.As(err, &at) {
		res.File, res.Line = at.File, at.Line
	}
	return res
}

type testSLOs struct{ testFlags }

func (c *testSLOs) Run(ctx context.Context, con *console) error {
	return c.run(ctx, con, nil, kind{"slos", judgeSLOs})
}

func judgeSLOs(_ context.Context, t *testRun) (*judged, error) {
	r := &report.Report{Results: slo.Check(t.stack)}
	r.Results = slices.DeleteFunc(r.Results, func(res report.Result) bool { return t.match != nil && !t.match.MatchString(res.Name) })
	return &judged{report: r}, nil
}

type testRules struct {
	testFlags
	Coverage float64  `default:"100" placeholder:"PERCENT" help:"The least coverage; 0 asks for none."`
	Tests    []string `arg:"" optional:"" type:"path" help:"Test files, patterns or directories (default: tests/rules beside the stack directory, and the stack's own rules and queries)."`
}

func (c *testRules) Run(ctx context.Context, con *console) error {
	return c.run(ctx, con, c.Tests, kind{"rules", judgeRules(c.Coverage)})
}

func judgeRules(coverage float64) func(context.Context, *testRun) (*judged, error) {
	return func(ctx context.Context, t *testRun) (*judged, error) {
		promtool, err := embedded.FindPrograms(ctx, t.stack, "", []string{"promtool"}, t.progress)
		if err != nil {
			return nil, err
		}
		opt := rules.Options{
			Tests: t.tests("rules"), Promtool: promtool[0], Run: t.match, Coverage: coverage, Root: t.root(),
		}
		if len(t.paths) == 0 { // what nobody tests is seen only where the rules are known
			if opt.Rules, err = t.stack.RuleFiles(); err != nil {
				return nil, err
			}
		}
		out, err := rules.Run(ctx, opt)
		if err != nil {
			return nil, err
		}
		j := &judged{report: &out.Report}
		if t.match == nil {
			j.tables = append(j.tables, out.Coverage.Table)
		}
		return j, nil
	}
}

type testMutations struct {
	testFlags
	Tests []string `arg:"" optional:"" type:"path" help:"Test files, patterns or directories (default: tests/rules beside the stack directory)."`
}

func (c *testMutations) Run(ctx context.Context, con *console) error {
	return c.run(ctx, con, c.Tests, kind{"mutations", judgeMutations})
}

func judgeMutations(ctx context.Context, t *testRun) (*judged, error) {
	out, err := mutate.Run(ctx, mutate.Options{Tests: t.tests("rules"), Root: t.root(), Progress: func(done, all int) {
		if done%50 == 0 || done == all {
			t.progress(fmt.Sprintf("%d of %d mutants", done, all))
		}
	}})
	if err != nil {
		return nil, err
	}
	return &judged{report: &out.Report, tables: []func(io.Writer) error{func(w io.Writer) error {
		_, err := fmt.Fprintln(w, out.Score)
		return err
	}}}, nil
}

type testRoutes struct {
	testFlags
	Tests []string `arg:"" optional:"" type:"path" help:"Test files, patterns or directories (default: tests/routes beside the stack directory)."`
}

func (c *testRoutes) Run(ctx context.Context, con *console) error {
	return c.run(ctx, con, c.Tests, kind{"routes", judgeRoutes})
}

func judgeRoutes(ctx context.Context, t *testRun) (*judged, error) {
	alertmanager, err := embedded.FindPrograms(ctx, t.stack, "", []string{"alertmanager"}, t.progress)
	if err != nil {
		return nil, err
	}
	c, err := t.stack.Component("alertmanager")
	if err != nil {
		return nil, err
	}
	if len(c.Config) == 0 {
		return nil, errors.New("alertmanager has no configuration file in " + t.stack.Path(stack.FileName))
	}
	out, err := routes.Run(ctx, routes.Options{
		Config: t.stack.Path(c.Config[0]), Tests: t.tests("routes"), Alertmanager: alertmanager[0], Run: t.match, Coverage: 100, Root: t.root(),
	})
	if err != nil {
		return nil, err
	}
	return &judged{report: &out.Report}, nil
}

type testPipelines struct {
	testFlags
	Coverage float64  `default:"100" placeholder:"PERCENT" help:"The least share of plugins and branches that the cases reach; 0 asks for none."`
	Update   bool     `help:"Write what comes out into the case files as what is expected."`
	Tests    []string `arg:"" optional:"" type:"path" help:"Case files, patterns or directories (default: tests/pipelines beside the stack directory)."`
}

func (c *testPipelines) Run(ctx context.Context, con *console) error {
	return c.run(ctx, con, c.Tests, kind{"pipelines", judgePipelines(c.Coverage, c.Update)})
}

func judgePipelines(coverage float64, update bool) func(context.Context, *testRun) (*judged, error) {
	return func(_ context.Context, t *testRun) (*judged, error) {
		c, err := t.stack.Component("logstash")
		if err != nil {
			return nil, err
		}
		if len(c.Config) == 0 {
			return nil, errors.New("logstash has no configuration file in " + t.stack.Path(stack.FileName))
		}
		out, err := pipelines.Run(pipelines.Options{
			Settings: filepath.Dir(t.stack.Path(c.Config[0])), Tests: t.tests("pipelines"), Run: t.match, Update: update,
			Coverage: coverage, Root: t.root(),
		})
		if err != nil {
			return nil, err
		}
		for _, file := range out.Updated {
			t.progress("written: " + file)
		}
		return &judged{report: &out.Report}, nil
	}
}
