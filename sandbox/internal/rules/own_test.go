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
	got, err := rules.Run(t.Context(), rules.Options{
		Tests:    []string{filepath.Join(s.Root(), "tests", "rules")},
		Rules:    ruleFiles,
		Promtool: progtest.Program(t, "promtool"),
		Coverage: 100,
		Root:     s.Root(),
	})
	require.NoError(t, err)
	requireGreen(t, &got.Report)
}

func requireGreen(t *testing.T, r *report.Report) {
	t.Helper()
	var b strings.Builder
	require.NoError(t, r.HumanEnd(&b, false))
	require.True(t, r.OK(), b.String())
}
