package rules_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/rules"
)

func TestTouched(t *testing.T) {
	t.Parallel()
	at := func(name string) string {
		abs, err := filepath.Abs(filepath.Join("testdata", "corpus", name))
		require.NoError(t, err)
		return abs
	}
	tests := []string{"testdata/corpus/passes.test.yml", "testdata/corpus/duplicates.test.yml"}
	for name, c := range map[string]struct {
		saved             string
		tests, ruleFiles  []string
		anythingIsTouched bool
	}{
		"a test file": {at("passes.test.yml"), tests[:1], []string{"testdata/corpus/rules.yml"}, false},
		"a rule file": {at("duplicates.yml"), tests[1:], []string{"testdata/corpus/duplicates.yml"}, false},
		"neither":     {at("notes.md"), nil, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files, ruleFiles, ok := rules.Touched(tests, []string{c.saved})
			require.Equal(t, !c.anythingIsTouched, ok)
			require.Equal(t, c.tests, files)
			require.Equal(t, c.ruleFiles, ruleFiles)
		})
	}
	_, _, ok := rules.Touched([]string{"testdata/corpus/*.test.yml"}, []string{at("rules.yml")})
	require.False(t, ok, "a test file that cannot be read may load anything")
	reads, err := rules.Reads(tests)
	require.NoError(t, err)
	require.Equal(t, []string{at("duplicates.test.yml"), at("duplicates.yml"), at("passes.test.yml"), at("rules.yml")}, reads)
}
