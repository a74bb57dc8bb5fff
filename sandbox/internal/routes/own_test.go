package routes_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/routes"
	"obsandbox/sandbox/internal/rules/progtest"
)

// TestOwnRoutes judges the repository's routes as `sandbox test` does.
func TestOwnRoutes(t *testing.T) {
	t.Parallel()
	s := progtest.Stack(t)
	got, err := routes.Run(t.Context(), routes.Options{
		Config:       s.Path("alertmanager/alertmanager.yml"),
		Tests:        []string{filepath.Join(s.Root(), "tests", "routes")},
		Alertmanager: progtest.Program(t, "alertmanager"),
		Coverage:     100,
		Root:         s.Root(),
	})
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, got.Report.Human(&b, false))
	require.True(t, got.Report.OK(), b.String())
	t.Log(b.String())
}
