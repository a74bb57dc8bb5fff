package viewer

import (
	"compress/gzip"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/stack"
)

// running is a viewer of the project's own stack directory, of which Prometheus and the platform answer what the test
// says, and nothing else runs.
func running(t *testing.T, alerts, notifications string) *httptest.Server {
	t.Helper()
	dir, err := stack.Find(".")
	require.NoError(t, err)
	serve := func(answers map[string]string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body := answers[r.Method+" "+r.URL.Path]
			if body == "" {
				http.NotFound(w, r)
				return
			}
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(server.Close)
		return strings.TrimPrefix(server.URL, "http://")
	}
	handler, err := Handler(stack.Addresses{StackDir: dir, Components: map[string]map[string]string{
		"prometheus": {"http": serve(map[string]string{
			"GET /api/v1/alerts": alerts, "POST /api/v1/query": `{"status":"success"}`,
		})},
		"platform": {"api": serve(map[string]string{
			"GET /api/notifications": notifications, "PUT /api/faults/cache-cold": `{"set":true}`,
		})},
		"kafka":        {"broker": "127.0.0.1:9092"},
		"alertmanager": {"http": "127.0.0.1:1"},
	}}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func ask(t *testing.T, method, url string, header ...string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(body), res.Header
}

const (
	someAlerts = `{"status":"success","data":{"alerts":[
		{"labels":{"alertname":"Later"},"state":"pending","activeAt":"2026-01-02T03:04:05Z"},
		{"labels":{"alertname":"CollectorDown"},"state":"firing","activeAt":"2026-01-02T03:04:05Z"}]}}`
	someNotifications = `[{"id":1,"kind":"slack","title":"old","received":"2026-01-02T03:04:05Z"},
		{"id":2,"kind":"pagerduty","title":"new","text":"page","received":"2026-01-02T03:05:05Z"}]`
)

func TestStatus(t *testing.T) {
	t.Parallel()
	_, body, _ := ask(t, http.MethodGet, running(t, someAlerts, someNotifications).URL+"/api/status")
	assert.Less(t, strings.Index(body, "CollectorDown"), strings.Index(body, "Later"), "firing stands before pending")
	assert.Less(t, strings.Index(body, `"new"`), strings.Index(body, `"old"`), "the newest notification stands first")
	assert.Contains(t, body, "127.0.0.1:9092")
	assert.NotContains(t, body, "problems")

	_, body, _ = ask(t, http.MethodGet, running(t, "", "{").URL+"/api/status")
	assert.Contains(t, body, "prometheus: GET")
	assert.Contains(t, body, "404 Not Found")
	assert.Contains(t, body, "platform: GET")
}

func TestAPI(t *testing.T) {
	t.Parallel()
	server := running(t, someAlerts, someNotifications)
	for _, c := range []struct {
		method, path string
		code         int
		want         string
	}{
		{"GET", "/api/health", 200, `"database": "ok"`},
		{"GET", "/api/search", 200, `"url": "/d/overview"`},
		{"GET", "/api/dashboards/uid/storage", 200, `"title": "Storage layer"`},
		{"GET", "/api/dashboards/uid/gone", 404, "no file in grafana/dashboards has the uid \\\"gone\\\""},
		{"GET", "/api/org", 404, "GET /api/org is not served"},
		{"POST", "/api/datasources/proxy/uid/prometheus/api/v1/query", 200, `{"status":"success"}`},
		{"GET", "/api/datasources/proxy/uid/elasticsearch/_search", 502, "this component does not run"},
		{"GET", "/api/datasources/proxy/uid/alertmanager/api/v2/alerts", 502, "does not answer"},
		{"GET", "/api/datasources/proxy/uid/mysql/x", 404, "no data source has the uid"},
		{"PUT", "/api/faults/cache-cold?for=1m", 200, `{"set":true}`},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			t.Parallel()
			code, body, _ := ask(t, c.method, server.URL+c.path)
			assert.Equal(t, c.code, code)
			assert.Contains(t, body, c.want)
		})
	}
}

func TestAnotherSitesPageMayBreakNothing(t *testing.T) {
	t.Parallel()
	server := running(t, someAlerts, someNotifications)
	code, _, _ := ask(t, http.MethodPut, server.URL+"/api/faults/cache-cold", "Sec-Fetch-Site", "cross-site")
	assert.Equal(t, http.StatusForbidden, code)
	code, _, _ = ask(t, http.MethodPut, server.URL+"/api/faults/cache-cold", "Sec-Fetch-Site", "same-origin")
	assert.Equal(t, http.StatusOK, code)
}

func TestPages(t *testing.T) {
	t.Parallel()
	server := running(t, someAlerts, someNotifications)
	code, index, header := ask(t, http.MethodGet, server.URL+"/", "Accept-Encoding", "identity")
	require.Equal(t, http.StatusOK, code)
	assert.Equal(t, "no-store", header.Get("Cache-Control"))
	script := regexp.MustCompile(`src="(/assets/[^"]+\.js)"`).FindStringSubmatch(index)
	require.Len(t, script, 2, index)

	for _, path := range []string{"/d/overview", "/explore", "/alerting"} {
		_, body, _ := ask(t, http.MethodGet, server.URL+path, "Accept-Encoding", "identity")
		assert.Equal(t, index, body, "%s is a page of the same program", path)
	}
	code, plain, header := ask(t, http.MethodGet, server.URL+script[1], "Accept-Encoding", "identity")
	require.Equal(t, http.StatusOK, code)
	assert.Contains(t, header.Get("Content-Type"), "text/javascript")
	assert.Contains(t, header.Get("Cache-Control"), "immutable")
	_, zipped, header := ask(t, http.MethodGet, server.URL+script[1], "Accept-Encoding", "gzip")
	require.Equal(t, "gzip", header.Get("Content-Encoding"))
	reader, err := gzip.NewReader(strings.NewReader(zipped))
	require.NoError(t, err)
	unzipped, err := io.ReadAll(reader)
	require.NoError(t, err)
	assert.Equal(t, plain, string(unzipped))
	code, _, _ = ask(t, http.MethodGet, server.URL+"/assets/gone.js")
	assert.Equal(t, http.StatusNotFound, code)
}

// TestBundleIsSmall holds what a browser loads against what was promised: 900 KB.
func TestBundleIsSmall(t *testing.T) {
	t.Parallel()
	sizes, err := Sizes()
	require.NoError(t, err)
	total := 0
	for name, size := range sizes {
		total += size
		if strings.HasPrefix(name, "assets/index-") {
			assert.Less(t, size, 400_000, "%s: what the first page needs; is something in it that could come later?", name)
		}
	}
	assert.Less(t, total, 900_000)
	assert.Greater(t, total, 100_000, "is this the bundle?")
}

func TestDatasourcesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"datasources: [{uid: x, name: X, url: nowhere}]": `data source "X" has the url "nowhere"`,
		"datasources: [": "yaml",
	} {
		dir := t.TempDir()
		at := filepath.Join(dir, "grafana", "provisioning", "datasources")
		require.NoError(t, os.MkdirAll(at, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(at, "x.yaml"), []byte(text), 0o644))
		_, err := Handler(stack.Addresses{StackDir: dir}, slog.New(slog.DiscardHandler))
		assert.ErrorContains(t, err, want)
	}
}
