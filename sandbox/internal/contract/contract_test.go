package contract_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/contract"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/stack"
)

func checkedIn(t *testing.T) *stack.Stack {
	t.Helper()
	dir, err := stack.Find(".")
	require.NoError(t, err)
	s, err := stack.Load(dir)
	require.NoError(t, err)
	return s
}

// page is what one path of a service answers.
type page struct {
	code       int
	kind, body string
}

// keeping are the pages of a collector that keeps the contract.
func keeping(t *testing.T, s *stack.Stack) map[string]page {
	t.Helper()
	cat, err := stack.LoadMetrics(s.Path(stack.MetricsFile))
	require.NoError(t, err)
	var b strings.Builder
	for _, m := range cat.Metrics {
		if !strings.Contains(strings.Join(m.ExposedBy, " "), "shipping-collector") {
			continue
		}
		var labels []string
		for _, l := range m.Labels {
			value := "any"
			if len(l.Values) > 0 {
				value = l.Values[0]
			}
			labels = append(labels, fmt.Sprintf("%s=%q", l.Name, value))
		}
		fmt.Fprintf(&b, "# TYPE %s %s\n", m.Name, m.Type)
		if m.Type != stack.Histogram {
			fmt.Fprintf(&b, "%s{%s} 0\n", m.Name, strings.Join(labels, ","))
			continue
		}
		for _, bound := range m.Buckets {
			fmt.Fprintf(&b, "%s_bucket{%s} 0\n", m.Name, strings.Join(append(labels, fmt.Sprintf("le=\"%v\"", bound)), ","))
		}
		fmt.Fprintf(&b, "%s_bucket{%s} 0\n%s_sum{%s} 0\n%s_count{%s} 0\n", m.Name, strings.Join(append(labels, `le="+Inf"`), ","),
			m.Name, strings.Join(labels, ","), m.Name, strings.Join(labels, ","))
	}
	return map[string]page{
		"/metrics":      {200, "text/plain; version=0.0.4", b.String()},
		"/health/live":  {200, "application/json", `{"status":"alive"}`},
		"/health/ready": {200, "application/json", `{"status":"ready","checks":{"kafka":true,"database":true,"cache":true}}`},
	}
}

func serve(t *testing.T, pages map[string]page) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", p.kind)
		w.WriteHeader(p.code)
		fmt.Fprint(w, p.body)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

const (
	goodLine = `{"timestamp":"2026-01-15T10:30:00.123Z","level":"INFO","service":"shipping-collector","layer":"collection","message":"ok",` +
		`"trace_id":"550e8400e29b41d4a716446655440000","span_id":"7f2a1b3c4d5e6f70","event_id":"evt-1","processing_time_ms":125,"metadata":{"carrier":"fedex"}}`
	notReady = `{"status":"not_ready","checks":{"kafka":true,"database":true,"cache":false}}`
)

// failures are the failed results, as "name: detail".
func failures(r *report.Report) string {
	var all []string
	for _, res := range r.Results {
		if res.Status == report.Fail {
			all = append(all, res.Name+": "+res.Detail)
		}
	}
	return strings.Join(all, "\n")
}

func TestAServiceThatKeepsTheContract(t *testing.T) {
	t.Parallel()
	s := checkedIn(t)
	r, err := contract.Check(t.Context(), s, contract.Options{
		Address: serve(t, keeping(t, s)), Service: "shipping-collector", Logs: strings.NewReader(goodLine + "\n\n" + goodLine + "\n"), LogsName: "x.log",
	})
	require.NoError(t, err)
	require.Empty(t, failures(r))
	require.Equal(t, 2, r.Count(report.Skip), "503 cannot be shown, and there are no spans")
	require.Greater(t, r.Count(report.Pass), 15)
}

// TestBroken: each slip fails the check that is about it, and no other.
func TestBroken(t *testing.T) {
	t.Parallel()
	s := checkedIn(t)
	for _, tt := range []struct {
		name, path, old, new, fails, says string
	}{
		{"a metric is missing", "/metrics", "collector_messages_published_total", "collector_mesages_published_total", "metric collector_messages_published_total", "it is missing"},
		{"another type", "/metrics", "# TYPE kafka_producer_records_in_flight gauge", "# TYPE kafka_producer_records_in_flight counter", "metric kafka_producer_records_in_flight", "its type is counter, expected gauge"},
		{"a label is missing", "/metrics", `collector_errors_total{error_type="api_timeout"}`, `collector_errors_total`, "metric collector_errors_total", "its label error_type is missing"},
		{"a value is unknown", "/metrics", `error_type="api_timeout"`, `error_type="timeout"`, "metric collector_errors_total", `label error_type is "timeout"`},
		{"a label is unknown", "/metrics", `{error_type=`, `{tenant="a",error_type=`, "metric collector_errors_total", "a label tenant that the catalogue does not know"},
		{"a label is Prometheus'", "/metrics", `{error_type=`, `{pod="a",error_type=`, "metric collector_errors_total", "it sets the label pod"},
		{"a bucket is missing", "/metrics", `collector_processing_duration_seconds_bucket{le="2.5"}`, `collector_processing_duration_seconds_bucket{le="2.4"}`, "metric collector_processing_duration_seconds", "no bucket with the bound 2.5"},
		{"liveness as text", "/health/live", `{"status":"alive"}`, "ok", "liveness probe /health/live", `answered ok`},
		{"ready without a check", "/health/ready", `,"cache":true`, "", "readiness probe /health/ready", "checks has no cache"},
		{"200 with a check that fails", "/health/ready", `"cache":true`, `"cache":false`, "readiness probe /health/ready", `expected 503 and "not_ready"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pages := keeping(t, s)
			p := pages[tt.path]
			require.Contains(t, p.body, tt.old)
			p.body = strings.ReplaceAll(p.body, tt.old, tt.new)
			pages[tt.path] = p
			r, err := contract.Check(t.Context(), s, contract.Options{Address: serve(t, pages), Service: "shipping-collector"})
			require.NoError(t, err)
			require.Equal(t, 1, r.Count(report.Fail), failures(r))
			require.Contains(t, failures(r), tt.fails+": ")
			require.Contains(t, failures(r), tt.says)
		})
	}
}

func TestProbes(t *testing.T) {
	t.Parallel()
	s := checkedIn(t)
	for _, tt := range []struct {
		name    string
		live    page
		ready   page
		failing string
		want    string // in the failures; empty for none
	}{
		{"not ready", page{200, "application/json", `{"status":"alive"}`}, page{503, "application/json", notReady}, "", ""},
		{"the cache is down, and it says so", page{200, "application/json", `{"status":"alive"}`}, page{503, "application/json", notReady}, "cache", ""},
		{"the database is down, and it does not know", page{200, "application/json", `{"status":"alive"}`}, page{503, "application/json", notReady}, "database", "database is down, as --failing says"},
		{"liveness looks at dependencies", page{503, "application/json", `{}`}, page{503, "application/json", notReady}, "", "status 503, expected 200"},
		{"503 though all is well", page{200, "application/json", `{"status":"alive"}`}, page{503, "application/json", `{"status":"ready","checks":{"kafka":true,"database":true,"cache":true}}`}, "", `expected 200 and "ready"`},
		{"no JSON", page{200, "application/json", `{"status":"alive"}`}, page{200, "text/html", "<p>ready"}, "", `Content-Type "text/html"`},
		{"no such page", page{404, "text/plain", "404"}, page{503, "application/json", notReady}, "", "status 404"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pages := keeping(t, s)
			pages["/health/live"], pages["/health/ready"] = tt.live, tt.ready
			r, err := contract.Check(t.Context(), s, contract.Options{Address: serve(t, pages), Service: "shipping-collector", Failing: tt.failing})
			require.NoError(t, err)
			if tt.want == "" {
				require.Empty(t, failures(r))
				return
			}
			require.Contains(t, failures(r), tt.want)
		})
	}
}

func TestLogStandard(t *testing.T) {
	t.Parallel()
	s := checkedIn(t)
	address := serve(t, keeping(t, s))
	for _, tt := range []struct{ old, new, want string }{
		{`"550e8400e29b41d4a716446655440000"`, `"550e8400-e29b-41d4-a716-446655440000"`, "trace_id: "},
		{`"7f2a1b3c4d5e6f70"`, `"7f2a1b3c"`, "span_id: "},
		{`"span_id":"7f2a1b3c4d5e6f70",`, ``, "span_id"},
		{`.123Z`, `Z`, "timestamp: "},
		{`.123Z`, `.123+02:00`, "timestamp: "},
		{`"INFO"`, `"info"`, "level: "},
		{`"message":"ok"`, `"msg":"ok"`, "message"},
		{`"message":"ok"`, `"message":"ok","user":"x"`, "put them below metadata"},
		{`125`, `"125"`, "processing_time_ms: "},
		{`{"carrier":"fedex"}`, `"fedex"`, "metadata: "},
		{`"shipping-collector"`, `"query-api"`, `service is "query-api", expected "shipping-collector"`},
		{`"collection"`, `"storage"`, `layer is "storage", expected "collection"`},
		{`"collection"`, `["collection"]`, "layer: "},
		{`}}`, `}`, "no JSON object"},
		{goodLine, `2026-01-15 INFO started`, "no JSON object"},
	} {
		require.Contains(t, goodLine, tt.old)
		r, err := contract.Check(t.Context(), s, contract.Options{
			Address: address, Service: "shipping-collector", LogsName: "x.log",
			Logs: strings.NewReader(goodLine + "\n" + strings.Replace(goodLine, tt.old, tt.new, 1) + "\n"),
		})
		require.NoError(t, err)
		require.Contains(t, failures(r), tt.want, tt.new)
		require.Contains(t, failures(r), "x.log:2: ")
		require.Contains(t, failures(r), "1 of 2 lines do not keep it")
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := checkedIn(t)
	address := serve(t, keeping(t, s))
	for _, tt := range []struct {
		opt  contract.Options
		want string
	}{
		{contract.Options{Address: "8080"}, "expected the service's HOST:PORT"},
		{contract.Options{Address: "127.0.0.1:1"}, "nobody answers at 127.0.0.1:1: start the service first"},
		{contract.Options{Address: address}, "give --service, one of inventory-collector, shipping-collector, supplier-collector"},
		{contract.Options{Address: address, Service: "shop"}, "--service shop: no service of "},
		{contract.Options{Address: address, Service: "query-api", Failing: "disk"}, "--failing disk: expected kafka, database or cache"},
		{contract.Options{Address: address, Service: "query-api", OTLP: "0.0.0.0:4318"}, "expected a loopback address"},
	} {
		_, err := contract.Check(t.Context(), s, tt.opt)
		require.ErrorContains(t, err, tt.want)
	}
}

func TestReadLogStandard(t *testing.T) {
	t.Parallel()
	own := checkedIn(t).Path(contract.SchemaFile)
	standard, err := contract.ReadLogStandard(own)
	require.NoError(t, err)
	require.ErrorContains(t, standard.Judge("[GC]"), "no JSON object")
	_, err = contract.ReadLogStandard(filepath.Join(t.TempDir(), "none.json"))
	require.ErrorContains(t, err, "read the log standard")

	text, err := os.ReadFile(own)
	require.NoError(t, err)
	for _, c := range []struct{ name, old, new, want string }{
		{"no JSON", `"title"`, `title"`, "none.json:3: no JSON"},
		{"a keyword that is none", `"dependentRequired"`, `"dependentRequird"`, `none.json:33: JSON Schema has no keyword "dependentRequird"`},
		{"a keyword further in that is none", `"minLength"`, `"minLen"`, `none.json:19: JSON Schema has no keyword "minLen"`},
		{"a type that is none", `"type": "object",`, `"type": "objct",`, "none.json:5: "},
		{"a pattern that is none", "^[0-9a-f]{32}$", "^[0-9a-f{32}$", "none.json:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, string(text), c.old)
			file := filepath.Join(t.TempDir(), "none.json")
			require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(text), c.old, c.new, 1)), 0o644))
			_, err := contract.ReadLogStandard(file)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// jaeger answers with one trace.
func jaeger(t *testing.T, spans string) string {
	t.Helper()
	return "http://" + serve(t, map[string]page{"/api/traces": {200, "application/json",
		`{"data":[{"processes":{"p":{"serviceName":"shipping-collector"}},"spans":[` + spans + `]}]}`}})
}

func spanJSON(id, parent, name, attributes string) string {
	refs := ""
	if parent != "" {
		refs = fmt.Sprintf(`{"refType":"CHILD_OF","spanID":%q}`, parent)
	}
	return fmt.Sprintf(`{"traceID":"550e8400e29b41d4a716446655440000","spanID":%q,"operationName":%q,"processID":"p","references":[%s],"tags":[%s]}`, id, name, refs, attributes)
}

func TestTraces(t *testing.T) {
	t.Parallel()
	s := checkedIn(t)
	address := serve(t, keeping(t, s))
	whole := strings.Join([]string{
		spanJSON("1", "", "process_event", `{"key":"event.id"},{"key":"event.type"}`), spanJSON("2", "1", "validate", ""),
		spanJSON("3", "1", "transform", ""), spanJSON("4", "1", "enrich", ""),
	}, ",")
	for _, tt := range []struct{ name, old, new, want string }{
		{"whole", "", "", ""},
		{"no attribute", `{"key":"event.type"}`, `{"key":"type"}`, "process_event lacks the attribute event.type"},
		{"a span is missing", `"enrich"`, `"enrichment"`, "process_event lacks the span enrich under it"},
		{"a span elsewhere", `"spanID":"1"}],"tags":[]},{"traceID":"550e8400e29b41d4a716446655440000","spanID":"3"`, `"spanID":"9"}],"tags":[]},{"traceID":"550e8400e29b41d4a716446655440000","spanID":"3"`, "the span validate under it"},
		{"another name", `"process_event"`, `"handle"`, "no span is named process_event; there are: enrich, handle"},
		{"ids of nothing", "550e8400e29b41d4a716446655440000", "aaaa8400e29b41d4a716446655440000", "none of the 1 trace ids of the log lines"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, whole, tt.old)
			r, err := contract.Check(t.Context(), s, contract.Options{
				Address: address, Service: "shipping-collector", Jaeger: jaeger(t, strings.ReplaceAll(whole, tt.old, tt.new)),
				Logs: strings.NewReader(goodLine), LogsName: "x.log", Wait: 300 * time.Millisecond,
			})
			require.NoError(t, err)
			if tt.want == "" {
				require.Empty(t, failures(r))
				return
			}
			require.Contains(t, failures(r), tt.want)
		})
	}
	r, err := contract.Check(t.Context(), s, contract.Options{Address: address, Service: "query-api", Jaeger: jaeger(t, whole), Wait: 300 * time.Millisecond})
	require.NoError(t, err)
	require.Contains(t, failures(r), `no spans with the resource attribute service.name "query-api"`)
	require.NoError(t, context.Cause(t.Context()))
}
