package mutate_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/golden"
	"obsandbox/sandbox/internal/mutate"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/rules/unittest"
)

func TestMutants(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	for _, m := range mutate.Mutants(unittest.NewRuleFiles().Get("testdata/weak/rules.yml")) {
		fmt.Fprintf(&b, "%d %s: %s\n    %s\n", m.Line, m.Rule, m.Mutation, m.Expr)
	}
	golden.Check(t, "mutants.txt", b.Bytes())
}

func TestWeakTestsAreFound(t *testing.T) {
	t.Parallel()
	last := 0
	out, err := mutate.Run(t.Context(), mutate.Options{
		Tests: []string{"testdata/weak/test.yml"}, Equivalents: "testdata/weak/entries.yml", Jobs: 1,
		Progress: func(done, all int) { last = all - done },
	})
	require.NoError(t, err)
	require.Zero(t, last)
	require.Equal(t, out.Score.Mutants, out.Score.Killed+out.Score.Equivalent+len(out.Score.Survivors))
	require.Equal(t, 1, out.Score.Equivalent)
	var b bytes.Buffer
	for _, m := range out.Score.Survivors {
		fmt.Fprintf(&b, "%s:%d: %s: %s\n", m.File, m.Line, m.Rule, m.Mutation)
	}
	golden.Check(t, "survivors.txt", b.Bytes())

	var failed []string
	for _, res := range out.Report.Results {
		if res.Status == report.Fail && res.File == "testdata/weak/entries.yml" {
			failed = append(failed, fmt.Sprintf("%d: %s", res.Line, res.Detail))
		}
	}
	require.Equal(t, []string{
		"5: a test notices this mutation: take the entry out",
		"8: there is no such mutation (any more): take the entry out",
	}, failed)
}

func TestCannotMutate(t *testing.T) {
	t.Parallel()
	_, err := mutate.Run(t.Context(), mutate.Options{Tests: []string{"testdata/weak/test.yml"}, Equivalents: "testdata/weak/noreason.yml"})
	require.EqualError(t, err, "testdata/weak/noreason.yml:2: an equivalent mutation needs rule, mutation and reason")

	dir := t.TempDir()
	data, err := os.ReadFile("testdata/weak/test.yml")
	require.NoError(t, err)
	rulesFile, err := filepath.Abs("testdata/weak/rules.yml")
	require.NoError(t, err)
	text := strings.NewReplacer("[rules.yml]", "["+rulesFile+"]", "summary: api is slow", "summary: api is fast").Replace(string(data))
	file := filepath.Join(dir, "test.yml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	_, err = mutate.Run(t.Context(), mutate.Options{Tests: []string{dir}})
	require.EqualError(t, err, file+`:11: case "weak" fails without any mutation: make the rule tests pass first`)
}
