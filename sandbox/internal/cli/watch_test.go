package cli

import (
	"context"
	"os"
	"path/filepath"
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
