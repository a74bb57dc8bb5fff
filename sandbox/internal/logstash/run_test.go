package logstash

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

const stackDir = "../../../stack/logstash"

// bulkStore is a store that knows the bulk API and keeps what it is sent.
type bulkStore struct {
	*httptest.Server
	mu   sync.Mutex
	docs map[string]map[string]any
	// status decides on a document; 0 takes it.
	status func(index, id string, doc map[string]any) int
	// fail answers whole requests; 0 goes on.
	fail     func(request int) int
	requests int
	writes   int
}

func newBulkStore(t *testing.T) *bulkStore {
	s := &bulkStore{docs: map[string]map[string]any{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.bulk))
	t.Cleanup(s.Close)
	return s
}

func (s *bulkStore) bulk(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if s.fail != nil {
		if code := s.fail(s.requests); code != 0 {
			w.WriteHeader(code)
			return
		}
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(r.Body)
	}
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 64<<20)
	errors := false
	var items []any
	for lines.Scan() {
		var head map[string]struct {
			Index string `json:"_index"`
			ID    string `json:"_id"`
		}
		if err := json.Unmarshal(lines.Bytes(), &head); err != nil || !lines.Scan() {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		var doc map[string]any
		if err := json.Unmarshal(lines.Bytes(), &doc); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		for action, h := range head {
			code := 201
			if s.status != nil {
				if c := s.status(h.Index, h.ID, doc); c != 0 {
					code = c
				}
			}
			item := map[string]any{"status": code}
			if code >= 300 {
				errors = true
				item["error"] = map[string]any{"type": "document_parsing_exception", "reason": "no"}
			} else {
				s.docs[h.Index+"/"+h.ID] = doc
				s.writes++
			}
			items = append(items, map[string]any{action: item})
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": errors, "items": items})
}

func (s *bulkStore) doc(key string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.docs[key]
}

func (s *bulkStore) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.docs)
}

// runner is a running Logstash; stop ends it and waits.
type runner struct {
	api  string
	stop func()
}

func startRunner(t *testing.T, settings, data string, env map[string]string) *runner {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	addr := make(chan string, 1)
	done := make(chan error, 1)
	cfg := Config{
		Settings: settings, API: "127.0.0.1:0", Data: data,
		Env:       func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		Listening: func(a string) { addr <- a },
	}
	go func() { done <- Run(ctx, cfg, slog.New(slog.DiscardHandler)) }()
	r := &runner{}
	stopped := sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			require.NoError(t, err)
		case <-time.After(time.Minute):
			t.Error("the runner does not stop")
		}
	})
	r.stop = stopped
	t.Cleanup(stopped)
	select {
	case a := <-addr:
		r.api = "http://" + a
	case err := <-done:
		done <- err
		require.NoError(t, err)
	}
	return r
}

func (r *runner) get(t *testing.T, path string) (int, map[string]any) {
	t.Helper()
	res, err := http.Get(r.api + path)
	require.NoError(t, err)
	defer res.Body.Close()
	var body map[string]any
	require.NoError(t, json.NewDecoder(res.Body).Decode(&body))
	return res.StatusCode, body
}

func newKafka(t *testing.T) (string, *kgo.Client) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "application-logs"))
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	addr := cluster.ListenAddrs()[0]
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return addr, client
}

func produce(t *testing.T, client *kgo.Client, lines ...string) {
	t.Helper()
	var records []*kgo.Record
	for i, line := range lines {
		records = append(records, &kgo.Record{Topic: "application-logs", Partition: int32(i % 2), Value: []byte(line), Timestamp: time.UnixMilli(1705314600123)})
	}
	require.NoError(t, client.ProduceSync(t.Context(), records...).FirstErr())
}

func TestOurPipelineEndToEnd(t *testing.T) {
	t.Parallel()
	store := newBulkStore(t)
	kafka, client := newKafka(t)
	env := map[string]string{"KAFKA_BOOTSTRAP_SERVERS": kafka, "ELASTICSEARCH_HOSTS": store.URL}
	produce(t, client,
		`{"timestamp":"2024-01-15T10:30:00.123Z","level":"info","service":"shipping-collector","layer":"collection","trace_id":"0af7651916cd43dd8448eb211c80319c","message":"Event processed","processing_time_ms":125,"metadata":{"carrier":"fedex"},"kubernetes":{"namespace":"data-ingestion","pod":{"name":"shipping-collector-1"}},"extra":1}`,
		"Exception in thread main\n\tat com.example.Main(Main.java:1)",
		`{"level": "INFO", broken`,
	)
	r := startRunner(t, stackDir, t.TempDir(), env)
	require.Eventually(t, func() bool { return store.count() == 3 }, time.Minute, 10*time.Millisecond)
	require.Equal(t, map[string]any{
		"@timestamp": "2024-01-15T10:30:00.123Z", "@version": "1", "timestamp": "2024-01-15T10:30:00.123Z", "level": "INFO",
		"service": "shipping-collector", "layer": "collection", "trace_id": "0af7651916cd43dd8448eb211c80319c", "message": "Event processed",
		"processing_time_ms": 125.0, "metadata": map[string]any{"carrier": "fedex", "extra": 1.0},
		"kubernetes": map[string]any{"namespace": "data-ingestion", "pod": map[string]any{"name": "shipping-collector-1"}},
		"pod_name":   "shipping-collector-1", "namespace": "data-ingestion",
	}, store.doc("logs-collection-2024.01.15/application-logs-0-0"))
	multi := store.doc("logs-unknown-2024.01.15/application-logs-1-0")
	require.Equal(t, "Exception in thread main\n\tat com.example.Main(Main.java:1)", multi["message"])
	broken := store.doc("logs-unknown-2024.01.15/application-logs-0-1")
	require.Equal(t, `{"level": "INFO", broken`, broken["message"])
	require.Equal(t, []any{"_jsonparsefailure"}, broken["tags"])

	status, body := r.get(t, "/_node/stats/pipelines")
	require.Equal(t, http.StatusOK, status)
	events := body["pipelines"].(map[string]any)["main"].(map[string]any)["events"].(map[string]any)
	require.EqualValues(t, 3, events["in"])
	status, body = r.get(t, "/")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, Version, body["version"])

	// Offsets are committed: after a restart nothing comes again.
	r.stop()
	before := store.writes
	produce(t, client, `{"service":"query-api","message":"after"}`)
	startRunner(t, stackDir, t.TempDir(), env)
	require.Eventually(t, func() bool { return store.count() == 4 }, time.Minute, 10*time.Millisecond)
	require.Equal(t, before+1, store.writes)
	require.NotNil(t, store.doc("logs-storage-2024.01.15/application-logs-0-2"))
}

func TestStoreTroubleLosesNothing(t *testing.T) {
	t.Parallel()
	store := newBulkStore(t)
	store.fail = func(request int) int { return []int{503, 429, 0}[min(request, 3)-1] }
	store.status = func(_, id string, doc map[string]any) int {
		if _, structured := doc["trace_id"]; structured {
			return 400
		}
		return 0
	}
	kafka, client := newKafka(t)
	lines := []string{`{"message":"poison","trace_id":{"a":1}}`}
	for i := range 20 {
		lines = append(lines, fmt.Sprintf(`{"message":"line %d"}`, i))
	}
	produce(t, client, lines...)
	dir, data := settingsDir(t, "retry_initial_interval => 1"), t.TempDir()
	r := startRunner(t, dir, data, map[string]string{"KAFKA_BOOTSTRAP_SERVERS": kafka, "ELASTICSEARCH_HOSTS": store.URL})
	require.Eventually(t, func() bool { return store.count() == 21 }, time.Minute, 20*time.Millisecond)
	doc := store.doc("logs-unknown-2024.01.15/application-logs-0-0")
	require.Equal(t, lines[0], doc["message"])
	require.Equal(t, []any{"_dead_letter"}, doc["tags"])
	require.Contains(t, doc["metadata"].(map[string]any)["dead_letter_reason"], "400 document_parsing_exception")
	_, body := r.get(t, "/_node/stats/pipelines/main")
	main := body["pipelines"].(map[string]any)["main"].(map[string]any)
	require.EqualValues(t, 1, main["dead_letter_queue"].(map[string]any)["entries_written"])
}
