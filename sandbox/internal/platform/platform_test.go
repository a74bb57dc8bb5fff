package platform_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
	corev1 "k8s.io/api/core/v1"

	"obsandbox/sandbox/internal/platform"
	"obsandbox/sandbox/internal/platform/logs"
	"obsandbox/sandbox/internal/stack"
)

// quickHealth probes every second and believes at once, so that a test need not wait.
const quickHealth = `services:
  shipping-collector: &service
    readinessProbe: {httpGet: {path: /health/ready, port: http}, periodSeconds: 1, failureThreshold: 1}
  inventory-collector: *service
  supplier-collector: *service
  storage-router: *service
  query-api: *service
`

// stackDir is a copy of the checked-in stack's files that the platform reads, with another health.yaml.
func stackDir(t *testing.T, health string) string {
	t.Helper()
	from, err := stack.Find(".")
	require.NoError(t, err)
	metrics, err := os.ReadFile(filepath.Join(from, "metrics.yaml"))
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "metrics.yaml"), metrics, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "health.yaml"), []byte(health), 0o644))
	return dir
}

// running is a platform at work.
type running struct {
	api, proxy, kubernetes string
	stop                   context.CancelFunc
	ended                  <-chan error
}

// logTo is a log that finds the line which says where the platform listens.
type logTo struct {
	mu    sync.Mutex
	lines bytes.Buffer
	runs  chan map[string]any
}

func (l *logTo) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var line map[string]any
	if json.Unmarshal(p, &line) == nil && line["msg"] == "platform runs" {
		l.runs <- line
	}
	return l.lines.Write(p)
}

func start(t *testing.T, cfg platform.Config) *running {
	t.Helper()
	cfg.API, cfg.Proxy, cfg.Kubernetes, cfg.Seed = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", 7
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	log := &logTo{runs: make(chan map[string]any, 1)}
	go func() { ended <- platform.Run(ctx, cfg, slog.New(slog.NewJSONHandler(log, nil))) }()
	select {
	case err := <-ended:
		t.Fatalf("the platform ended: %v", err)
		return nil
	case line := <-log.runs:
		r := &running{stop: stop, ended: ended}
		for key, to := range map[string]*string{"api": &r.api, "proxy": &r.proxy, "kubernetes": &r.kubernetes} {
			*to = "http://" + line[key].(string)
		}
		t.Cleanup(stop)
		return r
	}
}

func (r *running) client(t *testing.T) *http.Client {
	t.Helper()
	u, err := url.Parse(r.proxy)
	require.NoError(t, err)
	return &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(u)}}
}

func do(ctx context.Context, client *http.Client, method, url, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data), err
}

// ask fails where the answer has another status than code.
func ask(t require.TestingT, client *http.Client, method, url string, code int) string {
	got, body, err := do(context.Background(), client, method, url, "")
	require.NoError(t, err)
	require.Equal(t, code, got, body)
	return body
}

// pods is the readiness and address of a service's running pods in the Kubernetes API.
func (r *running) pods(t require.TestingT, service string) (ready []bool, targets []string) {
	var list corev1.PodList
	body := ask(t, http.DefaultClient, http.MethodGet, r.kubernetes+"/api/v1/namespaces/data-ingestion/pods?labelSelector=app%3D"+service, http.StatusOK)
	require.NoError(t, json.Unmarshal([]byte(body), &list))
	for _, p := range list.Items {
		if p.Status.Phase != corev1.PodRunning {
			continue
		}
		ready = append(ready, p.Status.ContainerStatuses[0].Ready)
		targets = append(targets, fmt.Sprintf("http://%s:%s%s", p.Status.PodIP, p.Annotations["prometheus.io/port"], p.Annotations["prometheus.io/path"]))
	}
	return ready, targets
}

func all(value bool, n int) []bool { return slices.Repeat([]bool{value}, n) }

// The pods that the Kubernetes API names are scraped through the proxy, become unready with their dependencies, and
// vanish with a fault.
func TestPodsFollowTheWorld(t *testing.T) {
	t.Parallel()
	r := start(t, platform.Config{StackDir: stackDir(t, quickHealth)})
	client := r.client(t)
	eventually := func(service string, want []bool) {
		t.Helper()
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			ready, _ := r.pods(c, service)
			require.Equal(c, want, ready)
		}, time.Minute, 20*time.Millisecond)
	}
	n := map[string]int{"shipping-collector": 3, "inventory-collector": 2, "supplier-collector": 2, "storage-router": 2, "query-api": 2}
	for service, n := range n {
		eventually(service, all(true, n))
		_, targets := r.pods(t, service)
		for _, target := range targets {
			require.Contains(t, ask(t, client, http.MethodGet, target, http.StatusOK), "process_cpu_seconds_total")
		}
	}
	ask(t, http.DefaultClient, http.MethodPut, r.api+"/api/faults/cache-unreachable?service=query-api", http.StatusOK)
	eventually("query-api", all(false, 2))
	eventually("storage-router", all(true, 2))
	ask(t, http.DefaultClient, http.MethodDelete, r.api+"/api/faults/cache-unreachable", http.StatusNoContent)
	eventually("query-api", all(true, 2))

	_, targets := r.pods(t, "supplier-collector")
	ask(t, http.DefaultClient, http.MethodPut, r.api+"/api/faults/pod-gone?service=supplier-collector&for=1h", http.StatusOK)
	eventually("supplier-collector", nil)
	require.Contains(t, ask(t, client, http.MethodGet, targets[0], http.StatusBadGateway), "no route to host")
	ask(t, http.DefaultClient, http.MethodDelete, r.api+"/api/faults", http.StatusNoContent)
	eventually("supplier-collector", all(true, 2))
}

// What scrape jobs have to leave out is there: ports and a finished pod that answer nothing.
func TestNothingAnswersWhereNothingRuns(t *testing.T) {
	t.Parallel()
	r := start(t, platform.Config{StackDir: stackDir(t, quickHealth)})
	var list corev1.PodList
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		list = corev1.PodList{}
		require.NoError(c, json.Unmarshal([]byte(ask(c, http.DefaultClient, http.MethodGet, r.kubernetes+"/api/v1/pods", http.StatusOK)), &list))
		require.Len(c, list.Items, 12, "eleven that run, and a finished one")
	}, time.Minute, 20*time.Millisecond)
	finished := 0
	for _, p := range list.Items {
		answers := map[string]string{"admin": "connection refused", "http": ""}
		if p.Status.Phase == corev1.PodSucceeded {
			finished++
			answers = map[string]string{"admin": "no route to host", "http": "no route to host"}
			require.Equal(t, "storage-router", p.Labels["app"])
			require.Equal(t, "true", p.Annotations["prometheus.io/scrape"])
			require.Nil(t, p.Spec.Containers[0].ReadinessProbe)
		}
		for _, port := range p.Spec.Containers[0].Ports {
			code, body, err := do(t.Context(), r.client(t), http.MethodGet, fmt.Sprintf("http://%s:%d%s", p.Status.PodIP, port.ContainerPort, p.Annotations["prometheus.io/path"]), "")
			require.NoError(t, err)
			require.Equal(t, answers[port.Name] == "", code == http.StatusOK, body)
			require.Contains(t, body, answers[port.Name])
			delete(answers, port.Name)
		}
		require.Empty(t, answers, "%s has each port", p.Name)
	}
	require.Equal(t, 1, finished)
}

func TestFixedHosts(t *testing.T) {
	t.Parallel()
	r := start(t, platform.Config{StackDir: stackDir(t, quickHealth)})
	client := r.client(t)
	for target, metric := range map[string]string{
		"flink-jobmanager:9249": "flink_jobmanager_job_uptime", "flink-taskmanager-0:9249": "pipeline_messages_processed_total",
		"flink-taskmanager-1:9249": "pipeline_messages_processed_total", "flink-taskmanager-2:9249": "pipeline_messages_processed_total",
		"kafka-0.kafka:7071": "kafka_server_", "kafka-1.kafka:7071": "kafka_server_", "kafka-2.kafka:7071": "kafka_server_",
		"postgres-exporter:9187": "pg_up", "timescale-exporter:9187": "pg_up", "redis-exporter:9121": "redis_up",
	} {
		require.Contains(t, ask(t, client, http.MethodGet, "http://"+target+"/metrics", http.StatusOK), "\n"+metric, target)
	}
	var state struct {
		Pods  []struct{ Ready bool }
		Hosts []struct{ Address string }
		Rates map[string]float64
	}
	require.NoError(t, json.Unmarshal([]byte(ask(t, http.DefaultClient, http.MethodGet, r.api+"/api/state", http.StatusOK)), &state))
	require.Len(t, state.Hosts, 21)
	require.Len(t, state.Pods, 11, "those that run")
	require.Zero(t, state.Rates["log_lines_per_second"], "there is no Kafka")
	require.Contains(t, ask(t, http.DefaultClient, http.MethodGet, r.api+"/-/ready", http.StatusOK), "ok")
	require.Contains(t, ask(t, http.DefaultClient, http.MethodGet, r.api+"/api/nothing", http.StatusNotFound), "/api/notifications")
}

func TestFaultsAPI(t *testing.T) {
	t.Parallel()
	r := start(t, platform.Config{StackDir: stackDir(t, quickHealth)})
	for name, test := range map[string]struct {
		method, path string
		code         int
		want         string
	}{
		"an unknown fault":          {http.MethodPut, "/none", 400, `no fault \"none\": there are api-timeouts, cache-cold`},
		"an unknown fault to clear": {http.MethodDelete, "/none", 400, "there are api-timeouts"},
		"an unknown fault to see":   {http.MethodGet, "/none", 404, "there are api-timeouts"},
		"a service it is not for":   {http.MethodPut, "/pool-exhausted?service=query-api", 400, "it is for storage-router"},
		"no duration":               {http.MethodPut, "/pool-exhausted?for=5", 400, "for=5 is no duration: expected one such as 90s or 5m"},
		"a negative duration":       {http.MethodPut, "/pool-exhausted?for=-5s", 400, "is no duration"},
		"an unknown parameter":      {http.MethodPut, "/pool-exhausted?until=5s", 400, `unknown parameter \"until\" (known: service, for)`},
		"the catalogue":             {http.MethodGet, "", 200, `"name":"slow-writes","meaning":"the backends take writes slowly","services":["storage-router"]`},
		"one of it":                 {http.MethodGet, "/slow-writes", 200, `"active":[]`},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, ask(t, http.DefaultClient, test.method, r.api+"/api/faults"+test.path, test.code), test.want)
		})
	}
	active := func() string {
		body := ask(t, http.DefaultClient, http.MethodGet, r.api+"/api/faults", http.StatusOK)
		var answer struct{ Active json.RawMessage }
		require.NoError(t, json.Unmarshal([]byte(body), &answer))
		return string(answer.Active)
	}
	require.Equal(t, "[]", active(), "what was refused is not set")
	ask(t, http.DefaultClient, http.MethodPut, r.api+"/api/faults/slow-writes", http.StatusOK)
	ask(t, http.DefaultClient, http.MethodPut, r.api+"/api/faults/kafka-unreachable?service=query-api&for=1s", http.StatusOK)
	require.Regexp(t, `^\[{"name":"kafka-unreachable","service":"query-api","until":"[^"]+Z"},{"name":"slow-writes"}\]$`, active())
	require.Eventually(t, func() bool { return active() == `[{"name":"slow-writes"}]` }, time.Minute, 50*time.Millisecond, "it ends by itself")
	ask(t, http.DefaultClient, http.MethodDelete, r.api+"/api/faults", http.StatusNoContent)
	require.Equal(t, "[]", active())
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	r := start(t, platform.Config{StackDir: stackDir(t, quickHealth)})
	code, body, err := do(t.Context(), http.DefaultClient, http.MethodPost, r.api+"/slack/services/sandbox", `{"text":"hello"}`)
	require.NoError(t, err)
	require.Equal(t, "200 ok", fmt.Sprint(code, " ", body))
	require.Contains(t, ask(t, http.DefaultClient, http.MethodGet, r.api+"/api/notifications?kind=slack", http.StatusOK), `"payload":{"text":"hello"}`)
}

// What the services log leads to what they trace.
func TestLogsAndTraces(t *testing.T) {
	t.Parallel()
	kafka := kfake.MustCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, logs.Topic))
	t.Cleanup(kafka.Close)
	var mu sync.Mutex
	spans := map[string]string{} // "trace span" to the span's name
	otlp := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		var in collector.ExportTraceServiceRequest
		body, err := io.ReadAll(req.Body)
		if err = errors.Join(err, proto.Unmarshal(body, &in)); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, rs := range in.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					spans[fmt.Sprintf("%x %x", s.TraceId, s.SpanId)] = s.Name
				}
			}
		}
	}))
	t.Cleanup(otlp.Close)
	// Every story is traced: with some eight lines for each, a tenth of the lines' rate is enough.
	r := start(t, platform.Config{StackDir: stackDir(t, quickHealth), Kafka: kafka.ListenAddrs()[0], OTLP: otlp.URL, LogRate: 200, TraceRate: 50})

	client, err := kgo.NewClient(kgo.SeedBrokers(kafka.ListenAddrs()[0]), kgo.ConsumeTopics(logs.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	require.NoError(t, err)
	defer client.Close()
	limited, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	missing := map[string]bool{"shipping-collector": true, "flink": true, "storage-router": true, "query-api": true}
	lines, of := 0, map[string]int{} // of a span
	for lines < 200 || len(missing) > 0 {
		require.NoError(t, limited.Err(), "after %d lines there is none of %v", lines, missing)
		for _, record := range client.PollFetches(limited).Records() {
			lines++
			var line struct {
				Service string `json:"service"`
				TraceID string `json:"trace_id"`
				SpanID  string `json:"span_id"`
			}
			if json.Unmarshal(record.Value, &line) != nil || line.TraceID == "" {
				continue
			}
			require.Len(t, line.TraceID, 32)
			require.Len(t, line.SpanID, 16)
			delete(missing, line.Service)
			of[line.TraceID+" "+line.SpanID]++
		}
	}
	r.stop()
	require.NoError(t, <-r.ended)
	linked := 0
	for span, n := range of {
		if spans[span] != "" {
			linked += n
		}
	}
	require.Greater(t, linked, lines*9/10)
}

// The platform ends at once, whoever still waits for an answer, and sends what is queued before.
func TestShutdown(t *testing.T) {
	t.Parallel()
	r := start(t, platform.Config{StackDir: stackDir(t, quickHealth), Kafka: "127.0.0.1:1", OTLP: "http://127.0.0.1:1", LogRate: 100, TraceRate: 10})
	ask(t, http.DefaultClient, http.MethodPut, r.api+"/api/faults/exporter-hanging?service=redis", http.StatusOK)
	var waiting sync.WaitGroup
	asked := make(chan struct{}, 1)
	waiting.Go(func() {
		asked <- struct{}{}
		_, _, err := do(context.Background(), r.client(t), http.MethodGet, "http://redis-exporter:9121/metrics", "")
		assert.Error(t, err)
	})
	<-asked
	watch, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.kubernetes+"/api/v1/pods?watch=1", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(watch)
	require.NoError(t, err)
	defer resp.Body.Close()
	began := time.Now()
	r.stop()
	require.NoError(t, <-r.ended)
	require.Less(t, time.Since(began), 2*time.Second, "1 s, and some for a busy machine")
	waiting.Wait()
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { taken.Close() })
	checkedIn, err := stack.Find(".")
	require.NoError(t, err)
	good := func(change func(*platform.Config)) platform.Config {
		cfg := platform.Config{StackDir: stackDir(t, quickHealth), API: "127.0.0.1:0", Proxy: "127.0.0.1:0", Kubernetes: "127.0.0.1:0"}
		change(&cfg)
		return cfg
	}
	for name, test := range map[string]struct {
		cfg  platform.Config
		want string
	}{
		"no catalogue":          {good(func(c *platform.Config) { c.StackDir = t.TempDir() }), "metrics.yaml"},
		"a bad health.yaml":     {good(func(c *platform.Config) { c.StackDir = stackDir(t, "services: {}\n") }), "health.yaml:1: no services"},
		"an unknown service":    {good(func(c *platform.Config) { c.StackDir = stackDir(t, quickHealth+"  importer: *service\n") }), "health.yaml:8: no pods of: importer"},
		"every interface":       {good(func(c *platform.Config) { c.API = "0.0.0.0:0" }), "--api 0.0.0.0:0: the platform listens on loopback only"},
		"no port":               {good(func(c *platform.Config) { c.Kubernetes = "127.0.0.1" }), `--kubernetes "127.0.0.1"`},
		"a port that is taken":  {good(func(c *platform.Config) { c.Proxy = taken.Addr().String() }), "--proxy: listen tcp"},
		"no URL":                {good(func(c *platform.Config) { c.OTLP, c.TraceRate = "127.0.0.1:4318", 1 }), "--otlp 127.0.0.1:4318: expected a URL"},
		"a negative rate":       {good(func(c *platform.Config) { c.LogRate = -1 }), "--log-rate -1: expected a number per second from 0 to 1000000"},
		"an unknown component":  {good(func(c *platform.Config) { c.StackDir, c.Upstreams = checkedIn, []string{"zipkin=127.0.0.1:1"} }), `--upstream zipkin=127.0.0.1:1: no component "zipkin"`},
		"an upstream's address": {good(func(c *platform.Config) { c.StackDir, c.Upstreams = checkedIn, []string{"jaeger=here"} }), "--upstream jaeger:13133=here: expected HOST:PORT=HOST:PORT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			require.ErrorContains(t, platform.Run(ctx, test.cfg, slog.New(slog.DiscardHandler)), test.want)
			require.NoError(t, ctx.Err(), "it says so at once")
		})
	}
}

// A component of the stack is reached at the port that it has in the checked-in files.
func TestUpstream(t *testing.T) {
	t.Parallel()
	dir, err := stack.Find(".")
	require.NoError(t, err)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "alertmanager ", r.URL.Path) }))
	t.Cleanup(up.Close)
	r := start(t, platform.Config{StackDir: dir, Upstreams: []string{"alertmanager=" + strings.TrimPrefix(up.URL, "http://")}})
	require.Equal(t, "alertmanager /metrics", ask(t, r.client(t), http.MethodGet, "http://alertmanager:9093/metrics", http.StatusOK))
}
