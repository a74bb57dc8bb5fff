package rules_test

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/golden"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/rules"
	"obsandbox/sandbox/internal/rules/progtest"
)

func failures(r report.Report) []string {
	var out []string
	for _, res := range r.Results {
		if res.Status == report.Fail {
			out = append(out, res.Place()+": "+res.Detail)
		}
	}
	return out
}

// Promtool passes each of these files.
func TestVacuousPasses(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"nomatch.yml": {"testdata/vacuous/nomatch.yml:3: rule_files: rulez.yml matches no file (it counts from the test file's directory): its tests judge nothing"},
		"typo.yml": {
			`testdata/vacuous/typo.yml:6: no rule of this test's rule_files is the alert "TargetDwon" (there are: JobGone, TargetDown)`,
			`testdata/vacuous/typo.yml:9: ALERTS{alertname="JobGoen"}: no rule of this test's rule_files is the alert "JobGoen"`,
		},
		"unmentioned.yml": {
			`testdata/vacuous/unmentioned.yml:3: case "another alert fires, too": JobGone fires at 0s for {job="api"}, and no test of the case says so: expect it or change the input series`,
			`testdata/vacuous/unmentioned.yml:7: case "and one more, after its time": TargetDown fires at 4m0s for {instance="1", job="api"}, and no test of the case says so: expect it or change the input series`,
		},
		"nothing.yml": {`testdata/vacuous/nothing.yml:3: case "only input" has neither alert_rule_test nor promql_expr_test: it passes whatever the rules do`},
		"empty.yml":   {`testdata/vacuous/empty.yml:1: no tests`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("testdata", "vacuous", name)
			verdicts, err := rules.Promtool{Path: progtest.Program(t, "promtool")}.Test(t.Context(), []string{path})
			require.NoError(t, err)
			require.True(t, verdicts[path].OK, "%+v", verdicts[path])
			out, err := rules.Run(t.Context(), rules.Options{Tests: []string{path}})
			require.NoError(t, err)
			require.Equal(t, want, failures(out.Report))
		})
	}
}

func TestCoverage(t *testing.T) {
	t.Parallel()
	opts := rules.Options{
		Tests: []string{"testdata/vacuous/half.yml"}, Rules: []string{"testdata/vacuous/rules.yml"}, Coverage: 80,
		Queries: []rules.Query{
			{Name: "targets", Expr: "job:up:count", File: "slos.yaml", Line: 3},
			{Name: "up", Expr: "avg(up)", File: "slos.yaml", Line: 5},
		},
	}
	out, err := rules.Run(t.Context(), opts)
	require.NoError(t, err)
	// 4 + 3 states, a recording rule and two queries; JobGone neither fires nor resolves, TargetDown does not resolve.
	require.InDelta(t, 100*6.0/10, out.Coverage.Percent, 1e-9)
	var table bytes.Buffer
	require.NoError(t, out.Coverage.Table(&table))
	golden.Check(t, "coverage.txt", table.Bytes())
	got := strings.Join(failures(out.Report), "\n")
	require.Contains(t, got, "testdata/vacuous/rules.yml:4: is looked at in no state resolved: add an alert_rule_test")
	require.Contains(t, got, "testdata/vacuous/rules.yml:7: is looked at in no state firing, resolved: add an alert_rule_test")
	require.Contains(t, got, "slos.yaml:5: is looked at by no promql_expr_test")

	opts.Coverage = 60
	out, err = rules.Run(t.Context(), opts)
	require.NoError(t, err)
	require.NotContains(t, strings.Join(failures(out.Report), "\n"), "looked at")
}

func TestResultsOfFailures(t *testing.T) {
	t.Parallel()
	out, err := rules.Run(t.Context(), rules.Options{Tests: []string{"testdata/corpus/*.test.yml"}, Promtool: progtest.Program(t, "promtool")})
	require.NoError(t, err)
	for i := range out.Report.Results {
		out.Report.Results[i].Duration = 0
	}
	var text bytes.Buffer
	require.NoError(t, out.Report.Human(&text, false))
	golden.Check(t, "corpus.txt", text.Bytes())
}

func TestRunSelects(t *testing.T) {
	t.Parallel()
	out, err := rules.Run(t.Context(), rules.Options{
		Tests: []string{"testdata/corpus/*.test.yml"}, Run: regexp.MustCompile("passes.*the recorded|fuzzy.*last bit|fuzzy.*more"), Coverage: 100,
	})
	require.NoError(t, err)
	require.Equal(t, "testdata/corpus/fuzzy.test.yml: the last bit", out.Report.Results[0].Name)
	require.Equal(t, "testdata/corpus/passes.test.yml: the recorded series", out.Report.Results[2].Name)
	require.Empty(t, out.Coverage.Items)
	require.Len(t, failures(out.Report), 1)
}

func TestCannotRun(t *testing.T) {
	t.Parallel()
	_, err := rules.Run(t.Context(), rules.Options{Tests: []string{"testdata/missing"}})
	require.ErrorContains(t, err, "testdata/missing: no such file or directory, and as a pattern it matches nothing")
	_, err = rules.Run(t.Context(), rules.Options{Tests: []string{t.TempDir()}})
	require.ErrorContains(t, err, "no rule tests in ")
	_, err = rules.Run(t.Context(), rules.Options{Tests: []string{"testdata/corpus"}, Promtool: "testdata/no-promtool"})
	require.ErrorContains(t, err, "run promtool on ")
}
