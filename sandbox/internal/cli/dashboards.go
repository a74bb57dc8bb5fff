package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"obsandbox/sandbox/internal/dashboards"
	"obsandbox/sandbox/internal/embedded"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/stack"
)

type testDashboards struct {
	testFlags
	Exclude    string        `type:"path" placeholder:"FILE" help:"Findings that may stand, each with a reason (default: tests/dashboards.yml, if it is there)."`
	Queries    bool          `help:"Ask every query of every panel of a stack that is started for it, too."`
	Stack      string        `type:"path" placeholder:"FILE" help:"Ask every query of this running stack: its addresses.json or run directory."`
	Wait       time.Duration `default:"3m" help:"How long panels may take until they show something."`
	Matrix     string        `type:"path" placeholder:"FILE" help:"Write what every query answered as JSON, too."`
	Dashboards []string      `arg:"" optional:"" type:"path" help:"Dashboards or directories of them (default: grafana/dashboards in the stack directory)."`
}

func (c *testDashboards) Run(ctx context.Context, con *console) error {
	return c.run(ctx, con, c.Dashboards, kind{"dashboards", func(ctx context.Context, t *testRun) (*judged, error) {
		all, j, err := dashboardsWith(t, c.Exclude)
		if err != nil || !c.Queries && c.Stack == "" {
			return j, err
		}
		cells, live, err := c.live(ctx, t, all)
		if err != nil {
			return nil, err
		}
		live.Results = slices.DeleteFunc(live.Results, func(res report.Result) bool { return t.match != nil && !t.match.MatchString(res.Name) })
		j.report.Add(live.Results...)
		j.tables = append(j.tables, func(w io.Writer) error { return matrix(w, cells) })
		if c.Matrix != "" {
			data, err := json.MarshalIndent(cells, "", "  ")
			if err != nil {
				return nil, fmt.Errorf("write the matrix: %w", err)
			}
			if err := os.WriteFile(c.Matrix, append(data, '\n'), 0o644); err != nil {
				return nil, fmt.Errorf("write the matrix: %w", err)
			}
		}
		return j, nil
	}})
}

func judgeDashboards(_ context.Context, t *testRun) (*judged, error) {
	_, j, err := dashboardsWith(t, "")
	return j, err
}

// dashboardsWith makes the checks that need no running stack. Queries are held against the catalogue and the index
// template where the stack has them.
func dashboardsWith(t *testRun, exclude string) ([]*dashboards.Dashboard, *judged, error) {
	paths := t.paths
	if len(paths) == 0 {
		paths = []string{t.stack.Path("grafana/dashboards")}
	}
	all, err := dashboards.Load(paths...)
	if err != nil {
		return nil, nil, err
	}
	if usual := t.tests("dashboards.yml")[0]; exclude == "" && len(t.paths) == 0 && exists(usual) {
		exclude = usual
	}
	opt := dashboards.Options{Exclude: exclude, Run: t.match}
	files, err := t.stack.RuleFiles()
	if err != nil {
		return nil, nil, err
	}
	if opt.Limits, err = dashboards.ReadLimits(files); err != nil {
		return nil, nil, err
	}
	if t.stack.Has(stack.MetricsFile) {
		if opt.PromQL, err = dashboards.KnownSeries(t.stack.Path(stack.MetricsFile), files); err != nil {
			return nil, nil, err
		}
	}
	if template := "elasticsearch/index-template.json"; t.stack.Has(template) {
		if opt.Lucene, err = dashboards.KnownFields(t.stack.Path(template)); err != nil {
			return nil, nil, err
		}
	}
	r, err := dashboards.Run(all, opt)
	if err != nil {
		return nil, nil, err
	}
	return all, &judged{report: r}, nil
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// live asks every query of the stack that is named, or of one that is started for it and ended.
func (c *testDashboards) live(ctx context.Context, t *testRun, all []*dashboards.Dashboard) (_ []dashboards.Cell, _ *report.Report, err error) {
	var addresses stack.Addresses
	if c.Stack != "" {
		if addresses, err = stack.ReadAddresses(addressesFile(c.Stack)); err != nil {
			return nil, nil, err
		}
	} else {
		run, err := embedded.Start(ctx, t.stack, embedded.Options{AutoPorts: true, Seed: 1, Serves: served(), Checks: checks()})
		if err != nil {
			return nil, nil, err
		}
		defer func() {
			if stopped := run.Stop(); stopped != nil && err == nil {
				err = stopped
			}
		}()
		if err := run.AwaitReady(ctx); err != nil {
			return nil, nil, err
		}
		t.progress(fmt.Sprintf("all ready in %s, the queries wait for data", report.Seconds(run.ReadyIn())))
		addresses = run.Addresses
	}
	return dashboards.AwaitLive(ctx, addresses, all, c.Wait, dashboards.LiveOptions{Step: 15 * time.Second})
}

// matrix is a table of what every query answered.
func matrix(w io.Writer, cells []dashboards.Cell) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "DASHBOARD\tPANEL\tQUERY\tSERIES\tLATENCY\tSAMPLE")
	var slowest time.Duration
	var errs []error
	for _, c := range cells {
		sample := c.Sample
		if c.Err != "" {
			sample = c.Err
		}
		sample = strings.Join(strings.Fields(sample), " ")
		if r := []rune(sample); len(r) > 60 {
			sample = string(r[:60]) + "…"
		}
		slowest = max(slowest, c.Latency)
		_, err := fmt.Fprintf(out, "%s\t%s\t%s\t%d\t%.1f ms\t%s\n", c.Dashboard, c.Panel, c.Query, c.Series, float64(c.Latency.Microseconds())/1000, sample)
		errs = append(errs, err)
	}
	_, err := fmt.Fprintf(out, "%d queries, the slowest %.1f ms\n", len(cells), float64(slowest.Microseconds())/1000)
	return errors.Join(append(errs, err, out.Flush())...)
}
