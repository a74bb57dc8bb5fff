package logstash

import (
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// readFile is a file's text; empty where there is none yet.
func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	return string(data)
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
}

// settingsDir is a copy of our settings with one more option for the output.
func settingsDir(t *testing.T, outputOption string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"logstash.yml", "pipelines.yml", "pipeline/logstash.conf", "pipeline/dead-letters.conf"} {
		text := readFile(t, filepath.Join(stackDir, name))
		text = strings.Replace(text, "manage_template => false", "manage_template => false\n    "+outputOption, 1)
		writeFile(t, filepath.Join(dir, name), text)
	}
	return dir
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// startPipeline runs a pipeline file by itself.
func startPipeline(t *testing.T, data, text string) *runner {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "logstash.yml"), "pipeline.workers: 1\npipeline.batch.delay: 5\n")
	writeFile(t, filepath.Join(dir, "pipelines.yml"), "- pipeline.id: main\n  path.config: pipeline\n")
	writeFile(t, filepath.Join(dir, "pipeline", "main.conf"), text)
	return startRunner(t, dir, data, nil)
}

func readText(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(data)
}

func itoa(n int) string { return strconv.Itoa(n) }
