package viewer

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/stack"
)

// running is a stack of which Prometheus and the platform answer what the test says.
func running(t *testing.T, alerts, notifications string) *httptest.Server {
	t.Helper()
	serve := func(path, body string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != path || body == "" {
				http.NotFound(w, r)
				return
			}
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(server.Close)
		return strings.TrimPrefix(server.URL, "http://")
	}
	handler, err := Handler(stack.Addresses{Components: map[string]map[string]string{
		"prometheus": {"http": serve("/api/v1/alerts", alerts)},
		"platform":   {"api": serve("/api/notifications", notifications)},
		"kafka":      {"broker": "127.0.0.1:9092"},
	}}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(body)
}

func TestPageShowsAlertsNotificationsAndAddresses(t *testing.T) {
	t.Parallel()
	server := running(t,
		`{"status":"success","data":{"alerts":[
		  {"labels":{"alertname":"Later","service":"<b>x</b>"},"annotations":{},"state":"pending","activeAt":"2026-01-02T03:04:05Z","value":"1"},
		  {"labels":{"alertname":"CollectorDown","severity":"critical"},"annotations":{"description":"no pod"},"state":"firing","activeAt":"2026-01-02T03:04:05Z","value":"0"}]}}`,
		`[{"id":1,"kind":"slack","title":"old","received":"2026-01-02T03:04:05Z"},
		  {"id":2,"kind":"pagerduty","title":"new","text":"page","received":"2026-01-02T03:05:05Z"}]`)
	code, page := get(t, server.URL+"/")
	require.Equal(t, http.StatusOK, code)
	for _, want := range []string{"CollectorDown", "no pod", "pagerduty", "127.0.0.1:9092", "&lt;b&gt;x"} {
		assert.Contains(t, page, want)
	}
	assert.Less(t, strings.Index(page, "CollectorDown"), strings.Index(page, "Later"), "firing stands before pending")
	assert.Less(t, strings.Index(page, "new"), strings.Index(page, "old"), "the newest notification stands first")
	assert.NotContains(t, page, "role=\"alert\"")
}

func TestPageSaysWhatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	server := running(t, "", "{")
	code, page := get(t, server.URL+"/")
	require.Equal(t, http.StatusOK, code)
	assert.Contains(t, page, "prometheus: GET")
	assert.Contains(t, page, "404 Not Found")
	assert.Contains(t, page, "platform: GET")
}

func TestGrafanasAPI(t *testing.T) {
	t.Parallel()
	server := running(t, `{"data":{"alerts":[]}}`, `[]`)
	for _, c := range []struct {
		path string
		code int
		want string
	}{
		{"/api/health", http.StatusOK, `"database": "ok"`},
		{"/api/status", http.StatusOK, `"name": "kafka"`},
		{"/api/dashboards/uid/x", http.StatusNotFound, "GET /api/dashboards/uid/x is not served"},
	} {
		t.Run(c.path, func(t *testing.T) {
			t.Parallel()
			code, body := get(t, server.URL+c.path)
			assert.Equal(t, c.code, code)
			assert.Contains(t, body, c.want)
		})
	}
}
