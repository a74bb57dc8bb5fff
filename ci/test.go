package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"obsandbox/ci/internal/dagger"
)

// part is a part of the tests; it answers with reports, as `sandbox --format json` writes them.
type part func(ctx context.Context) ([]*dagger.File, error)

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
	parts := []part{m.kinds(nil)}
	if !embedded {
		parts = append(parts, m.originals(false), m.originals(true))
	}
	if smoke && embedded {
		parts = append(parts, m.command(nil, nil, "smoke"))
	} else if smoke {
		parts = append(parts, m.smoke)
	}
	reports, err := m.reports(ctx, parts...)
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
	return m.check(ctx, m.kinds(func(kind string) bool { return kind == name }))
}

// The configuration is what the programs accept, and files refer to what there is.
// +check
func (m *Obsandbox) Configuration(ctx context.Context) error {
	return m.Kind(ctx, "configuration")
}

// Every alert and every query of the rules does what its tests say.
// +check
func (m *Obsandbox) Rules(ctx context.Context) error {
	return m.Kind(ctx, "rules")
}

// Every alert reaches whom it should.
// +check
func (m *Obsandbox) Routes(ctx context.Context) error {
	return m.Kind(ctx, "routes")
}

// Every other kind of test that there is: dashboards, pipelines, objectives, the catalogue of metrics …
// +check
func (m *Obsandbox) OtherKinds(ctx context.Context) error {
	named := []string{"configuration", "rules", "routes"}
	return m.check(ctx, m.kinds(func(kind string) bool { return !slices.Contains(named, kind) }))
}

// The programs accept their configuration: promtool, amtool and the like, in the images that will run.
// +check
func (m *Obsandbox) Originals(ctx context.Context) error {
	return m.check(ctx, m.originals(false))
}

// Elasticsearch and Logstash do what the sandbox takes them to do: its own cases, in the images that will run.
// +check
func (m *Obsandbox) Conformance(ctx context.Context) error {
	return m.check(ctx, m.originals(true))
}

// The stack in containers works end to end.
// +check
// +cache="session"
func (m *Obsandbox) Smoke(ctx context.Context) error {
	return m.check(ctx, m.smoke)
}

func (m *Obsandbox) check(ctx context.Context, p part) error {
	reports, err := m.reports(ctx, p)
	if err != nil {
		return err
	}
	return verdict(ctx, reports)
}

// kinds runs the kinds of test that are chosen, or all; each in a container with what it reads, so that a change of
// something else does not run it again.
func (m *Obsandbox) kinds(chosen func(kind string) bool) part {
	return func(ctx context.Context) ([]*dagger.File, error) {
		var all []struct {
			Name         string
			Reads, Named []string
		}
		if err := m.ask(ctx, &all, "kinds"); err != nil {
			return nil, err
		}
		var names []string
		var parts []part
		for _, k := range all {
			if names = append(names, k.Name); chosen == nil || chosen(k.Name) {
				parts = append(parts, m.command(k.Reads, k.Named, "test", k.Name))
			}
		}
		if len(parts) == 0 {
			return nil, fmt.Errorf("no such kind of test (there are: %s)", strings.Join(names, ", "))
		}
		return together(ctx, parts...)
	}
}

// command runs the sandbox command in a container of its own, with the files that it reads. Those that are named only have
// to be there: they are empty, so that a change of them is none here.
func (m *Obsandbox) command(paths, named []string, args ...string) part {
	return func(ctx context.Context) ([]*dagger.File, error) {
		ctr := m.tool(paths...)
		for _, file := range named {
			ctr = ctr.WithNewFile("/src/"+file, "")
		}
		return results(ctx, ctr, append([]string{"sandbox"}, args...)...)
	}
}

// smoke starts the whole stack and judges it.
func (m *Obsandbox) smoke(ctx context.Context) ([]*dagger.File, error) {
	s, err := m.plan(ctx, nil)
	if err != nil {
		return nil, err
	}
	if err := s.up(ctx); err != nil {
		return nil, err
	}
	return results(ctx, s.beside(), "sandbox", "smoke", "--stack="+addressesFile, "--deadline=180s")
}

// originals asks the programs themselves, all at once; Elasticsearch by running it. It makes their own checks, or our cases.
func (m *Obsandbox) originals(conformance bool) part {
	return func(ctx context.Context) ([]*dagger.File, error) {
		s, err := m.plan(ctx, nil)
		if err != nil {
			return nil, err
		}
		var parts []part
		for _, c := range s.Components {
			for i, check := range c.Checks {
				if check.Conformance == conformance {
					parts = append(parts, func(ctx context.Context) ([]*dagger.File, error) { return m.original(ctx, c.Name, i) })
				}
			}
		}
		return together(ctx, parts...)
	}
}

// original makes one of a component's checks, in its container by itself.
func (m *Obsandbox) original(ctx context.Context, name string, i int) ([]*dagger.File, error) {
	s, c, err := m.one(ctx, name)
	if err != nil {
		return nil, err
	}
	check := c.Checks[i]
	judge := func(ctr *dagger.Container, name string, run []string) ([]*dagger.File, error) {
		if !check.Conformance || name != check.Name { // a report of one result
			run = append([]string{binary, "judge", "--suite=originals", "--name=" + name, "--format=json", "--"}, run...)
		}
		return results(ctx, ctr.WithMountedFile(binary, m.binary()), run...)
	}
	ctr := s.container(c.Containers[0]).WithWorkdir("/src").WithMountedDirectory("/src", m.pick(check.Reads...))
	if check.Entrypoint {
		if check.Run, err = program(ctx, ctr, check.Run); err != nil {
			return nil, err
		}
	}
	if !check.Running {
		return judge(ctr, check.Name, check.Run)
	}
	if err := s.launch(ctx, c); err != nil {
		return nil, err
	}
	ready, err := judge(s.beside(), name+" gets ready and takes what it is set up with", await(c))
	if err != nil {
		return nil, err
	}
	done, err := judge(ctr.WithEnvVariable("SANDBOX_RUN", s.id), check.Name, check.Run)
	return append(ready, done...), err
}

// together makes parts at the same time, and has the results in their order.
func together(ctx context.Context, parts ...part) ([]*dagger.File, error) {
	files := make([][]*dagger.File, len(parts))
	g, ctx := errgroup.WithContext(ctx)
	for i, p := range parts {
		g.Go(func() (err error) {
			files[i], err = p(ctx)
			return plain(err)
		})
	}
	err := g.Wait()
	return slices.Concat(files...), err
}

// results runs a command that writes a report. Exit code 2 says that it could not judge.
func results(ctx context.Context, ctr *dagger.Container, args ...string) ([]*dagger.File, error) {
	const file = "/tmp/results.json"
	if !slices.Contains(args, "--format=json") {
		args = append(args, "--format=json")
	}
	done := ctr.WithExec(args, dagger.ContainerWithExecOpts{Expect: dagger.ReturnTypeAny, RedirectStdout: file})
	code, err := done.ExitCode(ctx)
	if err != nil {
		return nil, err
	}
	if code > 1 {
		text, err := done.Stderr(ctx)
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%s: %s", strings.Join(args, " "), strings.TrimSpace(text))
	}
	return []*dagger.File{done.File(file)}, nil
}

// reports makes parts at the same time and writes the reports of them all; the exit code is the verdict.
func (m *Obsandbox) reports(ctx context.Context, parts ...part) (*dagger.Container, error) {
	files, err := together(ctx, parts...)
	if err != nil {
		return nil, err
	}
	ctr, args := m.tool(), []string{"sandbox", "reports", "--dir=/reports"}
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
	return errors.New(strings.TrimSpace(text))
}
