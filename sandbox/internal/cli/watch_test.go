package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConcerns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind  string
		paths []string
		saved string
		want  bool
	}{
		{"rules", nil, "/repo/tests/rules/CollectorDown.yml", true},
		{"rules", nil, "/repo/stack/prometheus/alerts/storage-layer.yml", true},
		{"rules", nil, "/repo/stack/grafana/dashboards/slo.json", false},
		{"dashboards", nil, "/repo/stack/grafana/dashboards/slo.json", true},
		{"pipelines", nil, "/repo/stack/slos.yaml", false},
		{"slos", nil, "/repo/stack/slos.yaml", true},
		{"configuration", nil, "/repo/stack/jaeger/config.yaml", true},
		{"rules", []string{"/elsewhere/tests"}, "/elsewhere/tests/x.yml", true},
		{"a kind that is new", nil, "/repo/stack/jaeger/config.yaml", true},
	} {
		assert.Equal(t, c.want, concerns(c.kind, "/repo", c.paths, []string{c.saved}), "%s, %s", c.kind, c.saved)
	}
	for _, k := range kinds() {
		assert.NotEmpty(t, touched(k.name), "%s would run after every save: say what touches it", k.name)
	}
}

// A saved test file is judged, and no other; a saved rule file has those judged that load it.
func TestWatchJudgesWhatIsTouched(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	for _, name := range []string{"a", "b"} {
		write(name+".rules.yml", "groups: [{name: g, rules: [{record: "+name+", expr: x > 0}]}]")
		write(name+".yml", "rule_files: ["+name+".rules.yml]\nevaluation_interval: 1m\ntests: [{name: case "+name+", interval: 1m, "+
			"input_series: [{series: x, values: 1}], promql_expr_test: [{expr: "+name+", eval_time: 0s, exp_samples: [{labels: "+name+", value: 1}]}]}]")
	}
	s, err := stackFlag{}.load()
	require.NoError(t, err)
	for _, c := range []struct {
		saved string
		want  []string
	}{
		{"a.yml", []string{"case a"}},
		{"b.rules.yml", []string{"case b"}},
		{"notes.md", []string{"case a", "case b"}},
	} {
		run := &testRun{stack: s, paths: []string{dir}, saved: []string{filepath.Join(dir, c.saved)}, progress: func(string) {}}
		found, err := judgeRules(0, true, false, "")(t.Context(), run)
		require.NoError(t, err)
		var got []string
		for _, res := range found.report.Results {
			if _, name, ok := strings.Cut(res.Name, ": "); ok {
				got = append(got, name)
			}
		}
		assert.Equal(t, c.want, got, c.saved)
	}
	mutations := func(saved string) string {
		run := &testRun{stack: s, paths: []string{dir}, saved: []string{filepath.Join(dir, saved)}, progress: func(string) {}}
		found, err := judgeMutations(t.Context(), run)
		require.NoError(t, err)
		return found.summary
	}
	assert.Equal(t, mutations("a.yml"), mutations("b.rules.yml"))
	assert.NotEqual(t, mutations("a.yml"), mutations("notes.md"))
	read, err := readBy([]string{filepath.Join(dir, "a.yml")}, []kind{{name: "rules"}})
	require.NoError(t, err)
	assert.Equal(t, []string{filepath.Join(dir, "a.rules.yml"), filepath.Join(dir, "a.yml")}, read)
}

func TestNextSave(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	watcher, err := fsnotify.NewWatcher()
	require.NoError(t, err)
	t.Cleanup(func() { _ = watcher.Close() })
	require.NoError(t, watchTree(watcher, dir))
	write := func(name string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o644))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	write(".hidden.swp")
	write("a.yml")
	write("a.yml")
	write("b.yml")
	saved, err := nextSave(ctx, watcher)
	require.NoError(t, err)
	assert.Equal(t, []string{filepath.Join(dir, "a.yml"), filepath.Join(dir, "b.yml")}, saved)

	cancel()
	saved, err = nextSave(ctx, watcher)
	require.NoError(t, err)
	assert.Empty(t, saved, "the end is no save")
	require.NoError(t, watchTree(watcher, filepath.Join(dir, "gone")))
}
