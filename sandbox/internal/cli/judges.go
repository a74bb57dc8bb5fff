package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"obsandbox/sandbox/internal/catalogue"
	"obsandbox/sandbox/internal/embedded"
	"obsandbox/sandbox/internal/mutate"
	"obsandbox/sandbox/internal/pipelines"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/routes"
	"obsandbox/sandbox/internal/rules"
	"obsandbox/sandbox/internal/slo"
	"obsandbox/sandbox/internal/stack"
)

type testAll struct {
	offlineFlags
	Quick            bool     `help:"Leave the mutations out."`
	AllowUnmentioned bool     `help:"Let alerts fire in tests of rules that say nothing of them, as promtool does; for somebody else's files."`
	Paths            []string `arg:"" optional:"" type:"path" help:"Somebody else's rules, tests of rules and routes, and configuration of Alertmanager, as files, patterns or directories, instead of the stack."`
}

func (c *testAll) Run(ctx context.Context, con *console) error {
	if len(c.Paths) > 0 {
		found, err := sortFiles(c.Paths)
		if err != nil {
			return err
		}
		some, err := found.kinds(c.AllowUnmentioned)
		if err != nil {
			return err
		}
		return c.run(ctx, con, c.Paths, some...)
	}
	all := kinds()
	if c.Quick || c.Match != "" { // mutations have no cases to choose from
		all = slices.DeleteFunc(all, func(k kind) bool { return k.name == "mutations" })
	}
	return c.run(ctx, con, nil, all...)
}

type testConfiguration struct{ offlineFlags }

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
	if _, err := t.stack.Component("prometheus"); err == nil {
		began := time.Now()
		r.Add(resultOf(suite, "every alert says what its notification needs", t.stack.CheckAlerts(), time.Since(began)))
	}
	if file := t.stack.Path(stack.MetricsFile); t.stack.Has(stack.MetricsFile) {
		promtool, err := embedded.FindPrograms(ctx, t.stack, "", []string{"promtool"}, t.progress)
		if err != nil {
			return nil, err
		}
		began := time.Now()
		err = catalogue.Lint(ctx, promtool[0], file)
		r.Add(resultOf(suite, "the metric catalogue is in Prometheus' style (promtool check metrics)", err, time.Since(began)))
	}
	if t.stack.Runbook.File != "" {
		began := time.Now()
		err := t.stack.CheckRunbook()
		r.Add(resultOf(suite, "the runbook has a heading for every alert, and none without", err, time.Since(began)))
	}
	t.keep(r)
	return &judged{report: r}, nil
}

// keep leaves the results whose name matches.
func (t *testRun) keep(r *report.Report) {
	r.Results = slices.DeleteFunc(r.Results, func(res report.Result) bool { return t.match != nil && !t.match.MatchString(res.Name) })
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

type testSLOs struct{ offlineFlags }

func (c *testSLOs) Run(ctx context.Context, con *console) error {
	return c.run(ctx, con, nil, kind{"slos", judgeSLOs})
}

type testCatalogue struct{ offlineFlags }

func (c *testCatalogue) Run(ctx context.Context, con *console) error {
	return c.run(ctx, con, nil, kind{"catalogue", judgeCatalogue})
}

func judgeCatalogue(_ context.Context, t *testRun) (*judged, error) {
	if !t.stack.Has(stack.MetricsFile) {
		return &judged{report: &report.Report{Results: []report.Result{{
			Suite: catalogue.Suite, Name: "queries ask for what is there", Status: report.Skip, Detail: "the stack has no " + stack.MetricsFile,
		}}}}, nil
	}
	opt, err := catalogue.Of(t.stack)
	if err != nil {
		return nil, err
	}
	opt.Root = t.stack.Root()
	r, err := catalogue.Run(opt)
	if err != nil {
		return nil, err
	}
	t.keep(r)
	return &judged{report: r}, nil
}

func judgeSLOs(_ context.Context, t *testRun) (*judged, error) {
	r := &report.Report{Results: slo.Check(t.stack)}
	t.keep(r)
	return &judged{report: r}, nil
}

type testRules struct {
	offlineFlags
	coverageFlag
	InProcess        bool     `help:"Judge by Prometheus' own packages in this process instead of by promtool: the same verdicts, several times as fast."`
	CoverageFile     string   `type:"path" placeholder:"FILE" help:"Write the coverage of every rule and query as JSON."`
	AllowUnmentioned bool     `help:"Let alerts fire in cases that say nothing of them, as promtool does."`
	Tests            []string `arg:"" optional:"" type:"path" help:"Test files, patterns or directories (default: tests/rules beside the stack directory, and the stack's own rules and queries)."`
}

func (c *testRules) Run(ctx context.Context, con *console) error {
	return c.run(ctx, con, c.Tests, kind{"rules", judgeRules(c.of(c.Tests), c.InProcess, c.AllowUnmentioned, c.CoverageFile)})
}

// coverageFlag is the least coverage that is asked for.
type coverageFlag struct {
	Coverage float64 `default:"-1" placeholder:"PERCENT" help:"The least coverage; 0 asks for none (default: 100 for the stack's own tests, 0 for others)."`
}

func (f coverageFlag) of(paths []string) float64 {
	switch {
	case f.Coverage >= 0:
		return f.Coverage
	case len(paths) > 0:
		return 0
	}
	return 100
}

func judgeRules(coverage float64, inProcess, allowUnmentioned bool, coverageFile string) func(context.Context, *testRun) (*judged, error) {
	return func(ctx context.Context, t *testRun) (*judged, error) {
		opt := rules.Options{
			Tests: t.tests("rules"), Run: t.match, Coverage: coverage, Root: t.root(), AllowUnmentioned: allowUnmentioned,
		}
		if !inProcess {
			promtool, err := embedded.FindPrograms(ctx, t.stack, "", []string{"promtool"}, t.progress)
			if err != nil {
				return nil, err
			}
			opt.Promtool = promtool[0]
		}
		var err error
		only, _, some := rules.Touched(opt.Tests, t.saved)
		some = some && len(t.saved) > 0
		if some {
			opt.Tests, opt.Coverage = only, 0
		}
		if len(t.paths) == 0 && !some { // what nobody tests is seen only where the rules are known
			if opt.Rules, err = t.stack.RuleFiles(); err != nil {
				return nil, err
			}
			if t.stack.Has(slo.Source) {
				if opt.Queries, err = rules.Queries(t.stack.Path(slo.Source)); err != nil {
					return nil, err
				}
			}
		}
		out, err := rules.Run(ctx, opt)
		if err != nil {
			return nil, err
		}
		j := &judged{report: &out.Report}
		if t.match != nil || some {
			return j, nil
		}
		j.tables = append(j.tables, out.Coverage.Table)
		j.summary = fmt.Sprintf("rules and queries: %.1f %% covered", out.Coverage.Percent)
		if coverageFile != "" {
			if err := writeFile(coverageFile, func(w io.Writer) error {
				encoder := json.NewEncoder(w)
				encoder.SetIndent("", "  ")
				return encoder.Encode(out.Coverage)
			}); err != nil {
				return nil, fmt.Errorf("write the coverage: %w", err)
			}
		}
		return j, nil
	}
}

type testMutations struct {
	offlineFlags
	Tests []string `arg:"" optional:"" type:"path" help:"Test files, patterns or directories (default: tests/rules beside the stack directory)."`
}

func (c *testMutations) Run(ctx context.Context, con *console) error {
	return c.run(ctx, con, c.Tests, kind{"mutations", judgeMutations})
}

func judgeMutations(ctx context.Context, t *testRun) (*judged, error) {
	all, score := &report.Report{}, mutate.Score{}
	add := func(out *mutate.Outcome, err error) error {
		if err != nil {
			return err
		}
		all.Add(out.Report.Results...)
		score = score.Add(out.Score)
		return nil
	}
	touches := func(kind string) bool {
		return len(t.saved) == 0 || concerns(kind, t.stack.Root(), t.paths, t.saved)
	}
	if config := t.routesConfig(); config != "" && touches("routes") {
		if err := add(mutate.Routes(ctx, mutate.RouteOptions{Config: config, Tests: t.tests("routes"), Root: t.root()})); err != nil {
			return nil, err
		}
	}
	if touches("rules") {
		tests := t.tests("rules")
		var only []string
		if len(t.saved) > 0 {
			_, only, _ = rules.Touched(tests, t.saved)
		}
		err := add(mutate.Run(ctx, mutate.Options{Tests: tests, Rules: only, Root: t.root(), Progress: func(done, all int) {
			if done%50 == 0 || done == all {
				t.progress(fmt.Sprintf("%d of %d mutants", done, all))
			}
		}}))
		if err != nil {
			return nil, err
		}
	}
	return &judged{report: all, summary: score.String(), tables: []func(io.Writer) error{func(w io.Writer) error {
		_, err := fmt.Fprintln(w, score)
		return err
	}}}, nil
}

// routesConfig is Alertmanager's configuration where the stack has route tests for it; empty where it has none, and for
// paths that the user gave.
func (t *testRun) routesConfig() string {
	c, err := t.stack.Component("alertmanager")
	if err != nil || len(c.Config) == 0 || len(t.paths) > 0 || !exists(t.tests("routes")[0]) {
		return ""
	}
	return t.stack.Path(c.Config[0])
}

type testRoutes struct {
	offlineFlags
	coverageFlag
	Config string   `type:"path" placeholder:"FILE" help:"Alertmanager's configuration (default: the stack's)."`
	Tests  []string `arg:"" optional:"" type:"path" help:"Test files, patterns or directories (default: tests/routes beside the stack directory)."`
}

func (c *testRoutes) Run(ctx context.Context, con *console) error {
	return c.run(ctx, con, c.Tests, kind{"routes", judgeRoutes(c.Config, c.of(c.Tests))})
}

func judgeRoutes(config string, coverage float64) func(context.Context, *testRun) (*judged, error) {
	return func(ctx context.Context, t *testRun) (*judged, error) { return routesWith(ctx, t, config, coverage) }
}

func routesWith(ctx context.Context, t *testRun, config string, coverage float64) (*judged, error) {
	alertmanager, err := embedded.FindPrograms(ctx, t.stack, "", []string{"alertmanager"}, t.progress)
	if err != nil {
		return nil, err
	}
	foreign := config != ""
	if !foreign {
		c, err := t.stack.Component("alertmanager")
		if err != nil {
			return nil, err
		}
		if len(c.Config) == 0 {
			return nil, errors.New("alertmanager has no configuration file in " + t.stack.Path(stack.FileName))
		}
		config = t.stack.Path(c.Config[0])
	}
	out, err := routes.Run(ctx, routes.Options{
		Config: config, Tests: t.tests("routes"), Alertmanager: alertmanager[0], Run: t.match, Coverage: coverage, Root: t.root(),
	})
	if err != nil || foreign || len(t.paths) > 0 || t.match != nil {
		if err != nil {
			return nil, err
		}
		return &judged{report: &out.Report}, nil
	}
	results, err := notifications(ctx, t, alertmanager[0])
	out.Report.Add(results...)
	return &judged{report: &out.Report, summary: fmt.Sprintf("routes and inhibition: %.1f %% covered", out.Coverage.Percent)}, err
}

// notifications sends every alert that the rules' tests expect through the real Alertmanager, and reads what comes out.
func notifications(ctx context.Context, t *testRun, alertmanager string) ([]report.Result, error) {
	expected, err := rules.ExpectedAlerts(t.tests("rules"))
	if err != nil {
		return nil, err
	}
	alerts := make([]routes.Posted, len(expected))
	for i, a := range expected {
		labels := model.LabelSet{}
		for name, value := range a.Labels {
			labels[model.LabelName(name)] = model.LabelValue(value)
		}
		alerts[i] = routes.Posted{Labels: labels, Annotations: a.Annotations}
	}
	return routes.CheckNotifications(ctx, routes.NotifyOptions{Stack: t.stack, Alertmanager: alertmanager, Alerts: alerts})
}

type testPipelines struct {
	offlineFlags
	coverageFlag
	Update  bool     `help:"Write what comes out into the case files as what is expected."`
	Against string   `placeholder:"PROGRAM|URL" help:"Run the cases through another Logstash: its program (bin/logstash), or the URL of one that runs with what --harness has written."`
	Harness string   `placeholder:"DIR" type:"path" help:"Only write the settings of a Logstash that --against URL can use, with ports from the URL's on (default: http://127.0.0.1:8080)."`
	Tests   []string `arg:"" optional:"" type:"path" help:"Case files, patterns or directories (default: tests/pipelines beside the stack directory)."`
}

func (c *testPipelines) Run(ctx context.Context, con *console) error {
	opts := pipelines.Options{Coverage: c.of(c.Tests), Update: c.Update, Against: c.Against}
	if c.Harness == "" {
		return c.run(ctx, con, c.Tests, kind{"pipelines", judgePipelinesWith(opts)})
	}
	s, err := c.load()
	if err != nil {
		return err
	}
	t := &testRun{stack: s, paths: c.Tests}
	if opts, err = t.pipelines(opts); err != nil {
		return err
	}
	if err := pipelines.WriteHarness(c.Harness, cmp.Or(c.Against, "http://127.0.0.1:8080"), opts); err != nil {
		return err
	}
	_, err = fmt.Fprintf(con.out, "written: %s; start a Logstash with --path.settings %s, then give its address to --against\n", c.Harness, c.Harness)
	return err
}

// pipelines fills in what the run says: where settings and cases are, and which cases.
func (t *testRun) pipelines(opts pipelines.Options) (pipelines.Options, error) {
	c, err := t.stack.Component("logstash")
	if err != nil {
		return opts, err
	}
	if len(c.Config) == 0 {
		return opts, errors.New("logstash has no configuration file in " + t.stack.Path(stack.FileName))
	}
	opts.Settings, opts.Tests, opts.Run = filepath.Dir(t.stack.Path(c.Config[0])), t.tests("pipelines"), t.match
	opts.Progress, opts.Root = t.progress, t.root()
	return opts, nil
}

func judgePipelines(coverage float64) func(context.Context, *testRun) (*judged, error) {
	return judgePipelinesWith(pipelines.Options{Coverage: coverage})
}

func judgePipelinesWith(opts pipelines.Options) func(context.Context, *testRun) (*judged, error) {
	return func(ctx context.Context, t *testRun) (*judged, error) {
		opts, err := t.pipelines(opts)
		if err != nil {
			return nil, err
		}
		out, err := pipelines.Run(ctx, opts)
		if err != nil {
			return nil, err
		}
		for _, file := range out.Updated {
			t.progress("written: " + file)
		}
		return &judged{report: &out.Report}, nil
	}
}
