package logstash

import (
	"os"
	"path/filepath"
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
