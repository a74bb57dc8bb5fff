package rules_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/rules"
	"obsandbox/sandbox/internal/rules/progtest"
)

// TestOwnRules judges the repository's rules as `sandbox test` does.
func TestOwnRules(t *testing.T) {
	t.Parallel()
	s := progtest.Stack(t)
	ruleFiles, err := s.RuleFiles()
	require.NoError(t, err)
	queries, err := rules.Queries(s.Path("slos.yaml"))
	require.NoError(t, err)
	require.Len(t, queries, 3)
	require.Positive(t, queries[2].Line)
	got, err := rules.Run(t.Context(), rules.Options{
		Tests:    []string{filepath.Join(s.Root(), "tests", "rules")},
		Rules:    ruleFiles,
		Queries:  queries,
		Promtool: progtest.Program(t, "promtool"),
		Coverage: 100,
		Root:     s.Root(),
	})
	require.NoError(t, err)
	requireGreen(t, &got.Report)
}

func TestExpectedAlerts(t *testing.T) {
	t.Parallel()
	alerts, err := rules.ExpectedAlerts([]string{filepath.Join(progtest.Stack(t).Root(), "tests", "rules")})
	require.NoError(t, err)
	names := map[string]bool{}
	for _, a := range alerts {
		names[a.Labels["alertname"]] = true
		require.NotEmpty(t, a.Labels["severity"])
		require.NotEmpty(t, a.Annotations["runbook_url"])
	}
	require.Len(t, names, 13)
}

func requireGreen(t *testing.T, r *report.Report) {
	t.Helper()
	var b strings.Builder
	require.NoError(t, r.HumanEnd(&b, false))
	require.True(t, r.OK(), b.String())
}
