package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"obsandbox/sandbox/internal/embedded"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/rules"
	"obsandbox/sandbox/internal/stack"
)

// suiteSize is the number of test files that promtool and this program judge side by side.
const suiteSize = 100

// testRuns is how often each command is measured.
const testRuns = 5

// benchTests measures `sandbox test`: the repository's own tests, and a suite of promtool test files against promtool.
func benchTests(ctx context.Context) error {
	dir, program, err := built(ctx)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Printf("%d processors, %s/%s, %s\n", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	found, err := stack.Find(".")
	if err != nil {
		return err
	}
	s, err := stack.Load(found)
	if err != nil {
		return err
	}
	programs, err := embedded.FindPrograms(ctx, s, "", []string{"promtool"}, func(line string) { fmt.Fprintln(os.Stderr, line) })
	if err != nil {
		return err
	}
	if err := sameVerdicts(ctx, programs[0], s, filepath.Join(dir, "broken")); err != nil {
		return err
	}
	suite, err := writeSuite(s, filepath.Join(dir, "suite"), false)
	if err != nil {
		return err
	}
	measured := []*measured{
		{what: "sandbox test --quick", promised: "under 10s", args: []string{program, "test", "--quick"}},
		{what: "sandbox test mutations", promised: "under 60s", args: []string{program, "test", "mutations"}},
		{what: fmt.Sprintf("promtool test rules, %d files in one call", suiteSize), promised: "-", args: append([]string{programs[0], "test", "rules"}, suite...)},
		{what: fmt.Sprintf("sandbox test rules, %d files", suiteSize), promised: "1.7 times as fast", args: append([]string{program, "test", "rules"}, suite...)},
		{what: fmt.Sprintf("sandbox test rules --in-process, %d files", suiteSize), promised: "-", args: append([]string{program, "test", "rules", "--in-process"}, suite...)},
	}
	// One after the other, again and again: whatever else the machine does meanwhile, it does to all of them.
	for range testRuns {
		for _, m := range measured {
			if err := m.run(ctx); err != nil {
				return err
			}
		}
	}
	for _, m := range measured {
		row(m.what, seconds(m.took)+", CPU "+seconds(m.cpu), m.promised)
	}
	promtool := measured[2]
	for _, m := range measured[3:] {
		var times, cpu []float64
		for i := range m.took {
			times = append(times, promtool.took[i].Seconds()/m.took[i].Seconds())
			cpu = append(cpu, promtool.cpu[i].Seconds()/m.cpu[i].Seconds())
		}
		show := func(x float64) string { return fmt.Sprintf("%.1f", x) }
		row(m.what+": times as fast as promtool", spread(times, show)+", CPU "+spread(cpu, show), m.promised)
	}
	return nil
}

type measured struct {
	what, promised string
	args           []string
	took, cpu      []time.Duration
}

func (m *measured) run(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, m.args[0], m.args[1:]...)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", m.what, err, out)
	}
	m.took = append(m.took, time.Since(began))
	m.cpu = append(m.cpu, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
	return nil
}

func seconds(all []time.Duration) string {
	return spread(append([]time.Duration(nil), all...), func(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) })
}

// sameVerdicts holds the verdicts in this process against promtool's, on a suite of which some fail.
func sameVerdicts(ctx context.Context, promtool string, s *stack.Stack, dir string) error {
	suite, err := writeSuite(s, dir, true)
	if err != nil {
		return err
	}
	theirs, err := rules.Promtool{Path: promtool}.Test(ctx, suite)
	if err != nil {
		return err
	}
	out, err := rules.Run(ctx, rules.Options{Tests: suite})
	if err != nil {
		return err
	}
	ours := map[string]int{}
	for _, r := range out.Report.Results {
		if r.Status == report.Fail {
			ours[r.File]++
		}
	}
	failed := 0
	for _, file := range suite {
		fails := 0
		for _, c := range theirs[file].Cases {
			if len(c.Messages) > 0 {
				fails++
			}
		}
		if fails != ours[file] {
			return fmt.Errorf("%s: %d cases fail by promtool, %d in this process", file, fails, ours[file])
		}
		failed += fails
	}
	fmt.Printf("%d files, of which %d cases fail by promtool and in this process alike\n\n", len(suite), failed)
	return nil
}

// writeSuite makes a suite of the repository's own tests of alerts, each of them several times; where some are to be
// broken, every tenth expects another severity.
func writeSuite(s *stack.Stack, dir string, broken bool) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	own, err := filepath.Glob(filepath.Join(s.Root(), "tests", "rules", "[A-Z]*.yml"))
	if err != nil || len(own) == 0 {
		return nil, errors.Join(errors.New("no rule tests of the repository's own"), err)
	}
	var files []string
	for i := range suiteSize {
		data, err := os.ReadFile(own[i%len(own)])
		if err != nil {
			return nil, err
		}
		file := filepath.Join(dir, fmt.Sprintf("%03d.yml", i))
		text := strings.ReplaceAll(string(data), "../../stack", filepath.ToSlash(s.Dir))
		if broken && i%10 == 9 {
			text = strings.Replace(text, "{severity: ", "{severity: not-", 1)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}
