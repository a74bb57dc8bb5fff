package routes_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/golden"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/routes"
	"obsandbox/sandbox/internal/rules/progtest"
)

func text(t *testing.T, r *report.Report) string {
	t.Helper()
	for i := range r.Results {
		r.Results[i].Duration = 0
	}
	var b bytes.Buffer
	require.NoError(t, r.Human(&b, false))
	return b.String()
}

const times = "testdata/times/alertmanager.yml"

func TestTimesGroupsAndInhibition(t *testing.T) {
	t.Parallel()
	out, err := routes.Run(t.Context(), routes.Options{
		Config: times, Tests: []string{"testdata/times/passes.yml"}, Alertmanager: progtest.Program(t, "alertmanager"),
	})
	require.NoError(t, err)
	require.True(t, out.Report.OK(), text(t, &out.Report))
}

// The packages and the program take the same, and find the same routes.
func TestEveryFormOfMatchers(t *testing.T) {
	t.Parallel()
	out, err := routes.Run(t.Context(), routes.Options{
		Config: "testdata/forms/alertmanager.yml", Tests: []string{"testdata/forms"}, Alertmanager: progtest.Program(t, "alertmanager"), Coverage: 100,
	})
	require.NoError(t, err)
	require.True(t, out.Report.OK(), text(t, &out.Report))
}

func TestFailuresAreTold(t *testing.T) {
	t.Parallel()
	out, err := routes.Run(t.Context(), routes.Options{
		Config: times, Tests: []string{"testdata/times/fails.yml"}, Alertmanager: progtest.Program(t, "alertmanager"),
	})
	require.NoError(t, err)
	golden.Check(t, "times/fails.txt", []byte(text(t, &out.Report)))
}

func TestCoverage(t *testing.T) {
	t.Parallel()
	opts := routes.Options{Config: times, Tests: []string{"testdata/times/passes.yml"}, Coverage: 100}
	out, err := routes.Run(t.Context(), opts)
	require.NoError(t, err)
	// Of 5 routes and 2 inhibition rules, the route of nobody and the rule of Never are not gone through.
	require.InDelta(t, 100*5.0/7, out.Coverage.Percent, 1e-9)
	var failed []string
	for _, res := range out.Report.Results {
		if res.Status == report.Fail {
			failed = append(failed, res.Place()+" "+res.Name)
		}
	}
	require.Equal(t, []string{
		" the tests go through at least 100 % of routes and inhibition rules",
		times + `:16 route {}/{team="nobody"}/2 → phone is covered`,
		times + ":27 inhibition rule 2 is covered",
	}, failed)

	opts.Coverage = 70
	out, err = routes.Run(t.Context(), opts)
	require.NoError(t, err)
	require.True(t, out.Report.OK())

	opts.Coverage, opts.Run = 100, regexp.MustCompile("Sunday")
	out, err = routes.Run(t.Context(), opts)
	require.NoError(t, err)
	require.Len(t, out.Report.Results, 1)
}

func TestBadTestFiles(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"unknownkey.yml": `testdata/bad/unknownkey.yml:5: unknown key "expected_reciever"`,
		"nothing.yml":    "testdata/bad/nothing.yml:4: nothing is expected of the alert: expected_receivers, expected_groups or expected_inhibited is needed",
		"noalerts.yml":   "testdata/bad/noalerts.yml:2: a test has no name\ntestdata/bad/noalerts.yml:2: test \"\" has no alerts",
		"both.yml":       "testdata/bad/both.yml:4: an alert that is inhibited reaches no receiver: expect one or the other",
		"empty.yml":      "testdata/bad/empty.yml:1: no tests",
		"notime.yml":     `testdata/bad/notime.yml:3: parsing time "tomorrow" as "2006-01-02T15:04:05Z07:00": cannot parse "tomorrow" as "2006"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("testdata", "bad", name)
			_, err := routes.ReadFile(path)
			require.EqualError(t, err, want)
			out, err := routes.Run(t.Context(), routes.Options{Config: times, Tests: []string{path}})
			require.NoError(t, err)
			require.False(t, out.Report.OK())
			require.NotZero(t, out.Report.Results[0].Line)
		})
	}
}

// The program is pinned, and its packages may be of a later version.
func TestWhatOnlyThePackagesTake(t *testing.T) {
	t.Parallel()
	const config = "testdata/bad/later.config"
	_, err := routes.Load(config)
	require.NoError(t, err)
	_, err = routes.Run(t.Context(), routes.Options{
		Config: config, Tests: []string{"testdata/times/passes.yml"}, Alertmanager: progtest.Program(t, "alertmanager"),
	})
	require.EqualError(t, err, config+`:5: unknown key "labels" (Alertmanager itself does not start with it)`)
}

func TestCannotRun(t *testing.T) {
	t.Parallel()
	_, err := routes.Run(t.Context(), routes.Options{Config: "testdata/none.yml", Tests: []string{"testdata/times"}})
	require.ErrorContains(t, err, "testdata/none.yml")
	_, err = routes.Run(t.Context(), routes.Options{Config: times, Tests: []string{"testdata/none"}})
	require.ErrorContains(t, err, "testdata/none: no such file or directory")
	_, err = routes.Run(t.Context(), routes.Options{Config: times, Tests: []string{t.TempDir()}})
	require.ErrorContains(t, err, "no route tests in")
	_, err = routes.Run(t.Context(), routes.Options{Config: times, Tests: []string{"testdata/times/passes.yml"}, Alertmanager: "testdata/none"})
	require.ErrorContains(t, err, "start Alertmanager")
}

// TestReceiversEqualAmtools holds the packages, which are of a later version than the program, against amtool.
func TestReceiversEqualAmtools(t *testing.T) {
	t.Parallel()
	s := progtest.Stack(t)
	amtool := progtest.Program(t, "amtool")
	compared := 0
	for config, tests := range map[string]string{
		s.Path("alertmanager/alertmanager.yml"): filepath.Join(s.Root(), "tests", "routes"),
		times:                                   "testdata/times",
	} {
		router, err := routes.Load(config)
		require.NoError(t, err)
		files, err := routes.TestFiles([]string{tests})
		require.NoError(t, err)
		for _, path := range files {
			if path == times {
				continue
			}
			f, err := routes.ReadFile(path)
			require.NoError(t, err)
			for _, c := range f.Tests {
				for _, a := range c.Alerts {
					args := []string{"config", "routes", "test", "--config.file=" + config}
					for name, value := range a.Labels {
						args = append(args, string(name)+"="+string(value))
					}
					out, err := exec.CommandContext(t.Context(), amtool, args...).Output()
					require.NoError(t, err)
					destinations, err := router.Route(a.Labels, nil)
					require.NoError(t, err)
					var got []string
					for _, d := range destinations {
						got = append(got, d.Receiver)
					}
					require.Equal(t, strings.TrimSpace(string(out)), strings.Join(got, ","), a.Labels)
					compared++
				}
			}
		}
	}
	require.Greater(t, compared, 30)
}

// Two alerts are sources of the rule for the same labels, and one of them is a target of it, too: Alertmanager remembers
// the one that came last.
func TestInhibitionByChanceIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	config := write("alertmanager.yml", `
route: {receiver: all}
receivers: [{name: all}]
inhibit_rules:
  - source_matchers: ['severity =~ "critical|warning"']
    target_matchers: ['severity = "warning"']
    equal: [service]
`)
	tests := write("tests.yml", `
tests:
  - name: both are sources
    alerts:
      - {labels: {alertname: Down, severity: critical, service: a}, expected_receivers: [all]}
      - {labels: {alertname: Slow, severity: warning, service: a}, expected_inhibited: true}
`)
	for range 5 {
		out, err := routes.Run(t.Context(), routes.Options{Config: config, Tests: []string{tests}})
		require.NoError(t, err)
		require.False(t, out.Report.OK())
		require.Contains(t, out.Report.Results[0].Detail, "rule 1 of inhibit_rules silences it or not as the alerts happen to come")
		require.Equal(t, 6, out.Report.Results[0].Line)
	}
}
