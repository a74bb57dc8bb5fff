package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"obsandbox/ci/internal/dagger"
)

// withoutDashboards, among what a test reads (the programs that it runs are built from tools/), stands for stack/ without
// the dashboards and what makes them.
const withoutDashboards = "stack without dashboards"

// part is a part of the tests; it answers with the results as `sandbox --format json` writes them.
type part func(ctx context.Context) (*dagger.File, error)

// Runs every test, and returns the reports: junit.xml, report.json and report.html.
//
// All kinds that `sandbox test` has, the programs' own checks in the images that will run, then the stack in containers
// with the smoke checks. Fails with what failed, or returns the reports all the same with --report.
// +cache="session"
func (m *Obsandbox) Test(ctx context.Context,
	// Run the stack and judge it.
	// +default=true
	smoke bool,
	// Without images: the smoke checks judge the embedded stack, and the programs' own checks are left out.
	// +optional
	embedded bool,
	// Return the reports of what failed, too, instead of failing.
	// +optional
	report bool,
) (*dagger.Directory, error) {
	parts := []part{m.command([]string{"stack/", "tests/", "tools/"}, "test")}
	if !embedded {
		parts = append(parts, m.originals)
	}
	if smoke && embedded {
		parts = append(parts, m.command([]string{"stack/", "tests/", "tools/"}, "smoke"))
	} else if smoke {
		parts = append(parts, m.smoke)
	}
	reports, err := m.report(ctx, parts...)
	if err == nil && !report {
		err = verdict(ctx, reports)
	}
	if err != nil {
		return nil, err
	}
	return reports.Directory("/reports"), nil
}

// One kind of test, as `sandbox test KIND` runs it, whatever kinds there are.
func (m *Obsandbox) Kind(ctx context.Context,
	// The kind, as in `sandbox test --help`.
	name string,
) error {
	return m.check(ctx, m.command([]string{"stack/", "tests/", "tools/"}, "test", name))
}

// The configuration is what the programs accept, and files refer to what there is.
// +check
func (m *Obsandbox) Configuration(ctx context.Context) error {
	return m.check(ctx, m.command([]string{withoutDashboards, "tools/"}, "test", "configuration"))
}

// Every alert and every query of the rules does what its tests say.
// +check
func (m *Obsandbox) Rules(ctx context.Context) error {
	return m.check(ctx, m.command([]string{withoutDashboards, "tools/", "tests/rules/"}, "test", "rules"))
}

// Every alert reaches whom it should.
// +check
func (m *Obsandbox) Routes(ctx context.Context) error {
	return m.check(ctx, m.command([]string{withoutDashboards, "tools/", "tests/rules/", "tests/routes/"}, "test", "routes"))
}

// Prometheus, Alertmanager, Logstash, Jaeger and Elasticsearch accept their configuration: their own checks, in the images
// that will run.
// +check
func (m *Obsandbox) Originals(ctx context.Context) error {
	return m.check(ctx, m.originals)
}

// The stack in containers works end to end.
// +check
// +cache="session"
func (m *Obsandbox) Smoke(ctx context.Context) error {
	return m.check(ctx, m.smoke)
}

func (m *Obsandbox) check(ctx context.Context, p part) error {
	reports, err := m.report(ctx, p)
	if err != nil {
		return err
	}
	return verdict(ctx, reports)
}

// command runs the sandbox command in a container of its own, with the files that it reads: what else changes does not
// run it again.
func (m *Obsandbox) command(paths []string, args ...string) part {
	return func(ctx context.Context) (*dagger.File, error) {
		r, err := m.newRun(ctx, options{})
		if err != nil {
			return nil, err
		}
		var all []string
		for _, p := range paths {
			if p != withoutDashboards {
				all = append(all, p)
				continue
			}
			entries, err := m.Source.Directory("stack").Entries(ctx)
			if err != nil {
				return nil, err
			}
			for _, e := range entries {
				all = append(all, strings.ReplaceAll("stack/"+e, "stack/grafana/", "stack/grafana/provisioning/"))
			}
		}
		return results(ctx, r.tool(all...), args)
	}
}

// smoke starts the whole stack and judges it.
func (m *Obsandbox) smoke(ctx context.Context) (*dagger.File, error) {
	r, err := m.newRun(ctx, options{})
	if err != nil {
		return nil, err
	}
	if err := r.up(ctx); err != nil {
		return nil, err
	}
	return results(ctx, r.judge(), []string{"smoke", "--stack=" + addressesFile, "--deadline=180s"})
}

// results runs the command and returns its JSON. Exit code 2 says that it could not judge.
func results(ctx context.Context, ctr *dagger.Container, args []string) (*dagger.File, error) {
	const file = "/run/results.json"
	done := ctr.WithExec(slices.Concat([]string{"sandbox"}, args, []string{"--format=json"}),
		dagger.ContainerWithExecOpts{Expect: dagger.ReturnTypeAny, RedirectStdout: file})
	code, err := done.ExitCode(ctx)
	if err != nil {
		return nil, err
	}
	if code > 1 {
		text, err := done.Stderr(ctx)
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("sandbox %s: %s", strings.Join(args, " "), strings.TrimSpace(text))
	}
	return done.File(file), nil
}

// report runs parts at once and writes the reports of them all; its exit code is the verdict.
func (m *Obsandbox) report(ctx context.Context, parts ...part) (*dagger.Container, error) {
	files := make([]*dagger.File, len(parts))
	g, gctx := errgroup.WithContext(ctx)
	for i, p := range parts {
		g.Go(func() (err error) {
			files[i], err = p(gctx)
			return plain(err)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	r, err := m.newRun(ctx, options{})
	if err != nil {
		return nil, err
	}
	ctr, args := r.tool(), []string{"sandbox", "reports", "--dir=/reports"}
	for i, f := range files {
		name := fmt.Sprintf("/run/results-%d.json", i)
		ctr, args = ctr.WithMountedFile(name, f), append(args, name)
	}
	return ctr.WithExec(args, dagger.ContainerWithExecOpts{Expect: dagger.ReturnTypeAny}), nil
}

func verdict(ctx context.Context, reports *dagger.Container) error {
	code, err := reports.ExitCode(ctx)
	if err != nil || code == 0 {
		return err
	}
	text, err := reports.CombinedOutput(ctx)
	if err != nil {
		return err
	}
	return errors.New(text)
}

// result is a result as the command writes it.
type result struct {
	Suite    string        `json:"suite"`
	Name     string        `json:"name"`
	Status   string        `json:"status"`
	Detail   string        `json:"detail,omitempty"`
	Duration time.Duration `json:"duration_ns"`
}

// originals asks the programs themselves, all at once; Elasticsearch by running it.
func (m *Obsandbox) originals(ctx context.Context) (*dagger.File, error) {
	s, err := m.readStack(ctx)
	if err != nil {
		return nil, err
	}
	var all []*result
	var g errgroup.Group
	for _, c := range s.Components {
		for _, name := range slices.Sorted(maps.Keys(recipes()[c.Name].checks)) {
			res := &result{Suite: "originals", Name: name, Status: "pass"}
			all = append(all, res)
			g.Go(func() error {
				began := time.Now()
				err := m.original(ctx, c, recipes()[c.Name].checks[name], res)
				res.Duration = time.Since(began)
				return err
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	text, err := json.Marshal(map[string]any{"results": all})
	if err != nil {
		return nil, err
	}
	return dag.Directory().WithNewFile("results.json", string(text)).File("results.json"), nil
}

// original makes one check, in the component's container by itself. A component that does not get ready has failed it.
func (m *Obsandbox) original(ctx context.Context, c component, command []string, res *result) error {
	r, err := m.newRun(ctx, options{only: []string{c.Name}})
	if err != nil {
		return err
	}
	ctr := r.container(c, c.Name).WithWorkdir("/src").
		WithMountedDirectory("/src", m.pick("stack/prometheus/", "tests/rules/"))
	if recipes()[c.Name].checkRunning {
		if err := r.up(ctx); err != nil {
			res.Status, res.Detail = "fail", err.Error()
			return nil
		}
		ctr = ctr.WithEnvVariable("SANDBOX_RUN", r.id)
	}
	done := ctr.WithExec(command, dagger.ContainerWithExecOpts{Expect: dagger.ReturnTypeAny, UseEntrypoint: command[0] == "validate"})
	code, err := done.ExitCode(ctx)
	if err != nil || code == 0 {
		return err
	}
	text, err := done.CombinedOutput(ctx)
	res.Status, res.Detail = "fail", fmt.Sprintf("exit code %d\n%s", code, strings.TrimSpace(text))
	return err
}
