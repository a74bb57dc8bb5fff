package edge_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/platform/edge"
	"obsandbox/sandbox/internal/platform/world"
)

// fake is a cluster of a pod, an exporter and a hanging exporter.
type fake struct{ health world.Health }

func (f *fake) Hosts() []world.Host {
	return []world.Host{
		{Name: "billing-1", Address: "10.244.6.4:8080", Service: "billing", Path: "/internal/metrics", Pod: &world.Pod{Name: "billing-1"}},
		{Name: "kafka-0.kafka", Address: "kafka-0.kafka:7071", Service: "kafka"},
		{Name: "query-api-1", Address: "10.244.5.4:8080", Service: "query-api", Pod: &world.Pod{Name: "query-api-1"}},
		{Name: "redis-exporter", Address: "redis-exporter:9121", Service: "redis", Hanging: true},
	}
}

// Host finds hosts by their names too, as the world does.
func (f *fake) Host(address string) (world.Host, bool) {
	for _, h := range f.Hosts() {
		if h.Address == address || h.Name == address || h.Name+":80" == address {
			return h, true
		}
	}
	return world.Host{}, false
}

func (f *fake) Health(string) world.Health { return f.health }

// serve runs a proxy and returns it with a client that goes through it.
func serve(t *testing.T, f *fake, upstreams map[string]string) (proxy string, client *http.Client) {
	t.Helper()
	p := edge.New(edge.Config{
		Cluster: f, Upstreams: upstreams, List: "http://api/api/state",
		Metrics: func(w http.ResponseWriter, _ *http.Request, h world.Host) {
			fmt.Fprintf(w, "up_since{host=%q} 1\n", h.Name)
		},
	}, slog.New(slog.DiscardHandler))
	server := httptest.NewServer(p)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	return server.URL, &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(u)}}
}

func get(t *testing.T, client *http.Client, method, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

func TestThroughTheProxy(t *testing.T) {
	t.Parallel()
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "upstream %s %s", r.Host, r.URL) }))
	t.Cleanup(up.Close)
	gone := httptest.NewServer(nil)
	gone.Close()
	_, client := serve(t, &fake{world.Health{Kafka: true, Database: true, Cache: true}}, map[string]string{
		"alertmanager:9093": strings.TrimPrefix(up.URL, "http://"), "jaeger:13133": strings.TrimPrefix(gone.URL, "http://"),
	})
	for name, test := range map[string]struct {
		method, url string
		code        int
		want        string
	}{
		"a pod's metrics":          {url: "http://10.244.5.4:8080/metrics", code: 200, want: `up_since{host="query-api-1"} 1`},
		"metrics elsewhere":        {url: "http://10.244.6.4:8080/internal/metrics", code: 200, want: `up_since{host="billing-1"} 1`},
		"and not where others are": {url: "http://10.244.6.4:8080/metrics", code: 404, want: "not found"},
		"where they are, is said":  {url: "http://10.244.6.4:8080/", code: 200, want: "simulated\n\n/internal/metrics\n"},
		"an exporter's metrics":    {url: "http://kafka-0.kafka:7071/metrics", code: 200, want: `up_since{host="kafka-0.kafka"} 1`},
		"names have no case":       {url: "http://KAFKA-0.kafka:7071/metrics", code: 200, want: "up_since"},
		"a pod's description":      {url: "http://10.244.5.4:8080/", code: 200, want: "query-api-1 (query-api), simulated\n\n/metrics\n/health/live\n/health/ready\n"},
		"an exporter's":            {url: "http://kafka-0.kafka:7071", code: 200, want: "kafka-0.kafka (kafka), simulated\n\n/metrics\n"},
		"liveness":                 {url: "http://10.244.5.4:8080/health/live", code: 200, want: `{"status":"alive"}`},
		"readiness":                {url: "http://10.244.5.4:8080/health/ready", code: 200, want: `{"status":"ready","checks":{"kafka":true,"database":true,"cache":true}}`},
		"no health of an exporter": {url: "http://kafka-0.kafka:7071/health/live", code: 404, want: "not found"},
		"another path":             {url: "http://10.244.5.4:8080/debug", code: 404, want: "not found"},
		"another method":           {method: http.MethodPost, url: "http://10.244.5.4:8080/metrics", code: 405, want: "Method Not Allowed"},
		"an upstream":              {url: "http://alertmanager:9093/metrics?x=1", code: 200, want: "upstream alertmanager:9093 /metrics?x=1"},
		"an upstream that is down": {url: "http://jaeger:13133/status", code: 502, want: "jaeger:13133 runs at"},
		"an unknown pod":           {url: "http://10.244.5.9:8080/metrics", code: 502, want: "connect to 10.244.5.9:8080: no route to host: no pod of the simulated cluster has this address (GET http://api/api/state lists"},
		"an unknown name":          {url: "http://nowhere:9/metrics", code: 502, want: "look up nowhere: no such host in the simulated cluster (GET http://api/api/state lists the hosts; --upstream nowhere:9=HOST:PORT adds one)"},
		"another port of a host":   {url: "http://kafka-0.kafka:9092/metrics", code: 502, want: "connection refused: kafka-0.kafka listens on port 7071, not 9092"},
		"another port of upstream": {url: "http://alertmanager:1/", code: 502, want: "alertmanager listens on port 9093, not 1"},
		"a host without a port":    {url: "http://query-api-1/metrics", code: 502, want: "look up query-api-1: no such host"},
		"something real":           {url: "http://example.com/", code: 502, want: "look up example.com: no such host in the simulated cluster"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.method == "" {
				test.method = http.MethodGet
			}
			code, body := get(t, client, test.method, test.url)
			require.Equal(t, test.code, code, body)
			require.Contains(t, body, test.want)
		})
	}
	t.Run("https", func(t *testing.T) {
		t.Parallel()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://10.244.5.4:8080/", nil)
		require.NoError(t, err)
		_, err = client.Do(req)
		require.ErrorContains(t, err, "Method Not Allowed")
	})
}

// Each dependency by itself makes a service unready, and says so; it lives all the same.
func TestNotReady(t *testing.T) {
	t.Parallel()
	for _, health := range []world.Health{{Database: true, Cache: true}, {Kafka: true, Cache: true}, {Kafka: true, Database: true}} {
		_, client := serve(t, &fake{health}, nil)
		code, body := get(t, client, http.MethodGet, "http://10.244.5.4:8080/health/ready")
		require.Equal(t, http.StatusServiceUnavailable, code)
		require.JSONEq(t, fmt.Sprintf(`{"status":"not_ready","checks":{"kafka":%t,"database":%t,"cache":%t}}`, health.Kafka, health.Database, health.Cache), body)
		code, body = get(t, client, http.MethodGet, "http://10.244.5.4:8080/health/live")
		require.Equal(t, http.StatusOK, code)
		require.JSONEq(t, `{"status":"alive"}`, body)
	}
}

func TestHangingExporter(t *testing.T) {
	t.Parallel()
	_, client := serve(t, &fake{}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://redis-exporter:9121/metrics", nil)
	require.NoError(t, err)
	_, err = client.Do(req)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	code, _ := get(t, client, http.MethodGet, "http://redis-exporter:9121/")
	require.Equal(t, http.StatusOK, code, "only the metrics hang")
}

func TestTheProxyItself(t *testing.T) {
	t.Parallel()
	proxy, _ := serve(t, &fake{}, map[string]string{"alertmanager:9093": "127.0.0.1:1"})
	code, body := get(t, http.DefaultClient, http.MethodGet, proxy+"/")
	require.Equal(t, http.StatusOK, code)
	require.True(t, strings.HasSuffix(body, "\n\n10.244.5.4:8080\n10.244.6.4:8080\nalertmanager:9093\nkafka-0.kafka:7071\nredis-exporter:9121\n"), body)
	code, body = get(t, http.DefaultClient, http.MethodGet, proxy+"/metrics")
	require.Equal(t, http.StatusNotFound, code)
	require.Contains(t, body, "this is a proxy: set it as one")
	code, _ = get(t, http.DefaultClient, http.MethodGet, proxy+"/-/ready")
	require.Equal(t, http.StatusOK, code)

	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(proxy, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprint(conn, "CONNECT kafka-0.kafka:7071 HTTP/1.1\r\nHost: kafka-0.kafka:7071\r\nConnection: close\r\n\r\n")
	require.NoError(t, err)
	all, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(all), "405 Method Not Allowed")
	require.Contains(t, string(all), "this proxy opens no tunnels")
}

func TestParseUpstreams(t *testing.T) {
	t.Parallel()
	got, err := edge.ParseUpstreams([]string{"Alertmanager:9093=127.0.0.1:1", "jaeger:13133=[::1]:2"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"alertmanager:9093": "127.0.0.1:1", "jaeger:13133": "[::1]:2"}, got)
	for flag, want := range map[string]string{
		"alertmanager":               "--upstream alertmanager: expected HOST:PORT=HOST:PORT",
		"alertmanager=127.0.0.1:1":   "expected HOST:PORT=HOST:PORT",
		"alertmanager:9093=loopback": "expected HOST:PORT=HOST:PORT",
	} {
		_, err := edge.ParseUpstreams([]string{flag})
		require.ErrorContains(t, err, want)
	}
	_, err = edge.ParseUpstreams([]string{"a:1=b:1", "a:1=c:1", "x"})
	require.ErrorContains(t, err, "a:1 already leads to b:1")
	require.ErrorContains(t, err, "--upstream x:", "every fault is named")
}
