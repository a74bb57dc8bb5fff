package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// node under test.
type testNode struct {
	t    testing.TB
	url  string
	stop func() error
}

// start runs a node until the test ends, or until stop.
func start(t testing.TB, cfg Config) *testNode {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan net.Addr, 1), make(chan error, 1)
	cfg.Listen = "127.0.0.1:0"
	cfg.Ready = func(a net.Addr) { ready <- a }
	go func() { done <- Run(ctx, cfg, slog.New(slog.NewTextHandler(io.Discard, nil))) }()
	n := &testNode{t: t}
	stopped := false
	n.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() { require.NoError(t, n.stop()) })
	select {
	case a := <-ready:
		n.url = "http://" + a.String()
	case err := <-done:
		stopped = true
		cancel()
		require.NoError(t, err)
	case <-time.After(time.Minute):
		require.Fail(t, "the node does not get ready")
	}
	return n
}

// do sends a request and is the status and the body.
func (n *testNode) do(method, path, body string) (int, string) {
	n.t.Helper()
	req, err := http.NewRequest(method, n.url+path, strings.NewReader(body))
	require.NoError(n.t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(n.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(n.t, err)
	require.Equal(n.t, "Elasticsearch", res.Header.Get("X-Elastic-Product"))
	return res.StatusCode, string(raw)
}

// ok sends a request that must succeed and is the answer.
func (n *testNode) ok(method, path, body string) map[string]any {
	n.t.Helper()
	status, raw := n.do(method, path, body)
	require.Less(n.t, status, 300, "%s %s: %s", method, path, raw)
	out := map[string]any{}
	if strings.HasPrefix(raw, "{") {
		dec := json.NewDecoder(bytes.NewBufferString(raw))
		require.NoError(n.t, dec.Decode(&out))
	}
	return out
}

// at walks into an answer: keys of objects and indices of arrays.
func at(t testing.TB, v any, path ...any) any {
	t.Helper()
	for i, p := range path {
		switch key := p.(type) {
		case string:
			m, ok := v.(map[string]any)
			require.True(t, ok, "%v: no object before %v: %v", path, key, v)
			v, ok = m[key]
			require.True(t, ok, "%v: nothing at step %d: %v", path, i, m)
		case int:
			list, ok := v.([]any)
			require.True(t, ok && key < len(list), "%v: no element %d: %v", path, key, v)
			v = list[key]
		}
	}
	return v
}
