package slo_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/rules/progtest"
	"obsandbox/sandbox/internal/slo"
	"obsandbox/sandbox/internal/stack"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestCheckedInRulesAreGenerated(t *testing.T) {
	t.Parallel()
	results := slo.Check(progtest.Stack(t))
	require.Equal(t, report.Pass, results[0].Status, results[0].Detail)
}

// The document's figures: 43, 21 and 4 minutes a month. tests/rules/slo-budgets.yml proves them of the rules.
func TestErrorBudgets(t *testing.T) {
	t.Parallel()
	slos, err := stack.LoadSLOs(progtest.Stack(t).Path(slo.Source))
	require.NoError(t, err)
	budgets := map[string]time.Duration{}
	for _, s := range slos.SLOs {
		budgets[s.Name] = s.ErrorBudget(time.Duration(slos.Window)).Round(time.Second)
	}
	require.Len(t, budgets, 11)
	require.Equal(t, 43*time.Minute+12*time.Second, budgets["collection-availability"])
	require.Equal(t, 21*time.Minute+36*time.Second, budgets["processing-availability"])
	require.Equal(t, 4*time.Minute+19*time.Second, budgets["storage-availability"])
}

// The workbook: a burn rate that lasts for the long window uses 2 %, 5 %, 10 % and 10 % of a month's budget.
func TestBurnsUseTheWorkbooksShares(t *testing.T) {
	t.Parallel()
	var shares []float64
	for _, b := range slo.Burns() {
		shares = append(shares, 100*b.Rate*b.Long.Hours()/(30*24))
		require.Equal(t, b.Long, 12*b.Short, "the short window is a twelfth of the long one")
	}
	require.InDeltaSlice(t, []float64{2, 5, 10, 10}, shares, 1e-9)
}

// example is a stack with two objectives, and its generated rules.
func example(t *testing.T) *stack.Stack {
	t.Helper()
	s := &stack.Stack{Dir: t.TempDir(), Runbook: stack.Runbook{URL: "https://runbooks.example.com"}}
	data, err := os.ReadFile("testdata/slos.yaml")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.Path(slo.Source), data, 0o600))
	require.NoError(t, slo.Write(s))
	return s
}

func TestGenerate(t *testing.T) {
	t.Parallel()
	s := example(t)
	files, err := filepath.Glob(s.Path(slo.Dir + "/*.yml"))
	require.NoError(t, err)
	var names []string
	for _, file := range files {
		names = append(names, filepath.Base(file))
		got, err := os.ReadFile(file)
		require.NoError(t, err)
		golden := filepath.Join("testdata", filepath.Base(file))
		if *update {
			require.NoError(t, os.WriteFile(golden, got, 0o600))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err, "run the test with -update to write it")
		require.Equal(t, string(want), string(got))
	}
	require.Equal(t, []string{"api-layer.yml", "error-budget.yml"}, names)
}

func TestCheckSeesDrift(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(t *testing.T, s *stack.Stack)
		file   string
		line   int
		want   string
	}{
		"a changed rule": {func(t *testing.T, s *stack.Stack) {
			file := s.Path(slo.Dir + "/error-budget.yml")
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(data), "14.4", "14", 1)), 0o600))
		}, slo.Dir + "/error-budget.yml", 17, "> 14.4\n+             slo:sli_error:ratio_rate5m / on (slo, layer) slo:error_budget:ratio > 14\n"},
		"a changed objective": {func(t *testing.T, s *stack.Stack) {
			data, err := os.ReadFile(s.Path(slo.Source))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(s.Path(slo.Source), []byte(strings.Replace(string(data), "99.9", "99.5", 1)), 0o600))
		}, slo.Dir + "/api-layer.yml", 97, "vector(0.995)"},
		"a missing file": {func(t *testing.T, s *stack.Stack) {
			require.NoError(t, os.Remove(s.Path(slo.Dir+"/api-layer.yml")))
		}, slo.Dir + "/api-layer.yml", 0, "is missing"},
		"a file too many": {func(t *testing.T, s *stack.Stack) {
			require.NoError(t, os.WriteFile(s.Path(slo.Dir+"/old-layer.yml"), nil, 0o600))
		}, slo.Dir + "/old-layer.yml", 1, "generates no such file"},
		"no objectives": {func(t *testing.T, s *stack.Stack) {
			require.NoError(t, os.WriteFile(s.Path(slo.Source), []byte("window: 30d\nslos:\n  - name: x\n"), 0o600))
		}, slo.Source, 3, "layer is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := example(t)
			require.Equal(t, report.Pass, slo.Check(s)[0].Status)
			c.change(t, s)
			res := slo.Check(s)[0]
			require.Equal(t, report.Fail, res.Status)
			require.Equal(t, s.Path(c.file), res.File)
			require.Equal(t, c.line, res.Line)
			require.Contains(t, res.Detail, c.want)
			// Where nothing can be generated, it is no use to say so.
			require.Equal(t, c.file != slo.Source, strings.Contains(res.Detail, "go generate ./sandbox/internal/slo"), res.Detail)
		})
	}
}

func TestWriteTakesOldFilesAway(t *testing.T) {
	t.Parallel()
	s := example(t)
	old := s.Path(slo.Dir + "/old-layer.yml")
	require.NoError(t, os.WriteFile(old, nil, 0o600))
	require.NoError(t, slo.Write(s))
	require.NoFileExists(t, old)
	require.Equal(t, report.Pass, slo.Check(s)[0].Status)
}
