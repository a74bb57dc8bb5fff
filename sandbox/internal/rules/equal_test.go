package rules_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/rules"
	"obsandbox/sandbox/internal/rules/progtest"
	"obsandbox/sandbox/internal/rules/unittest"
)

// upstream is the directory of Prometheus' own test files, in the version that this module evaluates with.
func upstream(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", "github.com/prometheus/prometheus").Output()
	require.NoError(t, err)
	var module struct{ Dir string }
	require.NoError(t, json.Unmarshal(out, &module))
	return filepath.Join(module.Dir, "cmd", "promtool", "testdata")
}

// TestVerdictsEqualPromtools holds the evaluation in this process against promtool, case by case.
func TestVerdictsEqualPromtools(t *testing.T) {
	t.Parallel()
	own := filepath.Join(progtest.Stack(t).Root(), "tests", "rules")
	files, err := rules.TestFiles([]string{own, "testdata/corpus", upstream(t)})
	require.NoError(t, err)
	require.Greater(t, len(files), 35)
	verdicts, err := rules.Promtool{Path: progtest.Program(t, "promtool")}.Test(t.Context(), files)
	require.NoError(t, err)
	passed, failed := 0, 0
	for _, path := range files {
		verdict := verdicts[path]
		require.NotNil(t, verdict, path)
		f, err := unittest.ReadFile(path)
		require.Equal(t, len(verdict.Errors) > 0, err != nil, "%s: promtool: %v, here: %v", path, verdict.Errors, err)
		if err != nil {
			failed++
			continue
		}
		require.Len(t, f.Cases, len(verdict.Cases), path)
		for i := range f.Cases {
			c := &f.Cases[i]
			require.Equal(t, verdict.Cases[i].Name, c.Name, path)
			for name, opts := range map[string]unittest.Options{
				"every rule": {},
				"only the rules that matter, as in mutation tests": {Keep: keep(f, c)},
				"with a search for unmentioned alerts":             {Unmentioned: true, Timelines: true},
			} {
				out := f.Run(t.Context(), c, opts)
				if opts.Keep != nil && len(verdict.Cases[i].Messages) > 0 && strings.Contains(verdict.Cases[i].Messages[0], "rule: ") {
					continue // a rule that cannot be evaluated and that the case does not need
				}
				require.Equal(t, len(verdict.Cases[i].Messages) == 0, len(out.Failures) == 0, "%s: %s (%s)\npromtool: %v\nhere: %v", path, c.Name, name, verdict.Cases[i].Messages, out.Failures)
				if len(out.Failures) > 0 {
					failed++
				} else {
					passed++
				}
			}
		}
	}
	// Both verdicts must occur, or nothing was compared.
	require.Greater(t, passed, 100)
	require.Greater(t, failed, 40, fmt.Sprint(failed))
}

func keep(f *unittest.File, c *unittest.Case) func(unittest.RuleID) bool {
	needed := f.Needed(c, unittest.NewRuleFiles().Load)
	return func(id unittest.RuleID) bool { return needed[id] }
}

// TestTracesEqualEvaluations holds the states that range queries give against those of the rules' evaluation.
func TestTracesEqualEvaluations(t *testing.T) {
	t.Parallel()
	own := filepath.Join(progtest.Stack(t).Root(), "tests", "rules")
	files, err := rules.TestFiles([]string{own, "testdata/corpus", "testdata/vacuous", upstream(t)})
	require.NoError(t, err)
	compared := 0
	for _, path := range files {
		f, err := unittest.ReadFile(path)
		if err != nil {
			continue
		}
		cache := unittest.NewRuleFiles()
		for i := range f.Cases {
			c := &f.Cases[i]
			want := f.Run(t.Context(), c, unittest.Options{Load: cache.Load, Timelines: true})
			if len(want.Failures) > 0 {
				continue
			}
			got := f.Trace(t.Context(), c, cache.Load)
			for id, states := range got.Timelines {
				if len(states) > 0 {
					require.Equal(t, want.Timelines[id], states, "%s: %s: %+v", path, c.Name, id)
					compared++
				}
			}
		}
	}
	require.Greater(t, compared, 100)
}
