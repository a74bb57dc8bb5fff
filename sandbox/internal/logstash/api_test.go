package logstash

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/ports"
)

// at follows keys and indexes into decoded JSON.
func at(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, ok := v.(map[string]any)
			require.True(t, ok, "%v in %v", p, v)
			v = m[p]
		case int:
			v = v.([]any)[p]
		}
	}
	return v
}

func TestMonitoringAPI(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := filepath.Join(dir, "out.log")
	// The third input never ends, so that the pipeline goes on.
	r := startPipeline(t, dir, fmt.Sprintf(`
input {
  generator { id => "one" count => 3 message => "a" }
  generator { id => "two" count => 2 message => "b" }
  tcp { id => "three" host => "127.0.0.1" port => %d }
}
filter {
  if [message] == "a" { drop { id => "gone" percentage => 0 } } else { drop { id => "dropped" } }
}
output { file { id => "file" path => "%s" codec => line } }`, ports.Number(t), out))
	stats := func() map[string]any {
		status, body := r.get(t, "/_node/stats/pipelines/main")
		require.Equal(t, http.StatusOK, status)
		return body
	}
	eventually(t, func() bool { return at(t, stats(), "pipelines", "main", "events", "out") == 3.0 })
	body := stats()
	require.Equal(t, []any{5.0, 3.0, 3.0}, []any{at(t, body, "pipelines", "main", "events", "in"), at(t, body, "pipelines", "main", "events", "filtered"), at(t, body, "pipelines", "main", "events", "out")})
	plugins := at(t, body, "pipelines", "main", "plugins")
	require.Equal(t, []any{"one", 3.0}, []any{at(t, plugins, "inputs", 0, "id"), at(t, plugins, "inputs", 0, "events", "out")})
	require.Equal(t, []any{"two", 2.0}, []any{at(t, plugins, "inputs", 1, "id"), at(t, plugins, "inputs", 1, "events", "out")})
	require.Equal(t, []any{"gone", "drop", 3.0, 3.0}, []any{at(t, plugins, "filters", 0, "id"), at(t, plugins, "filters", 0, "name"), at(t, plugins, "filters", 0, "events", "in"), at(t, plugins, "filters", 0, "events", "out")})
	require.Equal(t, []any{"dropped", 2.0, 0.0}, []any{at(t, plugins, "filters", 1, "id"), at(t, plugins, "filters", 1, "events", "in"), at(t, plugins, "filters", 1, "events", "out")})
	require.Equal(t, []any{"file", 3.0}, []any{at(t, plugins, "outputs", 0, "id"), at(t, plugins, "outputs", 0, "events", "in")})

	for path, check := range map[string]func(body map[string]any){
		"/":                     func(b map[string]any) { require.Equal(t, "green", b["status"]) },
		"/_node/stats":          func(b map[string]any) { require.Equal(t, 5.0, at(t, b, "events", "in")) },
		"/_node/stats/events":   func(b map[string]any) { require.Equal(t, 3.0, at(t, b, "events", "out")) },
		"/_node/pipelines":      func(b map[string]any) { require.Equal(t, 1.0, at(t, b, "pipelines", "main", "workers")) },
		"/_node/pipelines/main": func(b map[string]any) { require.Equal(t, 5.0, at(t, b, "pipelines", "main", "batch_delay")) },
		"/_node/plugins":        func(b map[string]any) { require.Greater(t, b["total"], 20.0) },
	} {
		status, body := r.get(t, path)
		require.Equal(t, http.StatusOK, status, path)
		require.Equal(t, Version, body["version"])
		check(body)
	}
	for _, path := range []string{"/nope", "/_node/stats/pipelines/nope"} {
		status, body := r.get(t, path)
		require.Equal(t, http.StatusNotFound, status)
		require.Equal(t, "Not Found", at(t, body, "error", "message"))
	}
}

// Until its pipelines run, the node is not ready.
func TestNotReady(t *testing.T) {
	t.Parallel()
	p, err := Compile(filepath.Join(stackDir, "pipeline", "logstash.conf"))
	require.NoError(t, err)
	a := newAPI([]*Pipeline{p}, "x", clock)
	require.False(t, a.ready())
	a.started(p, nil)
	require.True(t, a.ready())
}
