package mutate_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/mutate"
	"obsandbox/sandbox/internal/rules/progtest"
)

// TestOwnRules mutates the repository's rules as `sandbox test mutations` does.
func TestOwnRules(t *testing.T) {
	t.Parallel()
	s := progtest.Stack(t)
	out, err := mutate.Run(t.Context(), mutate.Options{Tests: []string{filepath.Join(s.Root(), "tests", "rules")}, Root: s.Root()})
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, out.Report.HumanEnd(&b, false))
	require.True(t, out.Report.OK(), b.String())
	require.Greater(t, out.Score.Killed, 240, out.Score.String())
	t.Log(out.Score)
}
