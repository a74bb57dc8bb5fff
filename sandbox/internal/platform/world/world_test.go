package world

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/stack"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func catalogue(t testing.TB) *stack.Catalogue {
	t.Helper()
	c, err := stack.LoadMetrics("../../../../stack/metrics.yaml")
	require.NoError(t, err)
	return c
}

func newWorld(t testing.TB, seed uint64, tick time.Duration) *World {
	t.Helper()
	w, err := New(Config{Seed: seed, Start: start, Tick: tick}, catalogue(t))
	require.NoError(t, err)
	return w
}

// dump is everything that the world exposes, as text.
func dump(w *World) string {
	var out strings.Builder
	for _, h := range w.Hosts() {
		w.Read(h.Name, func(s *Series) {
			fmt.Fprintf(&out, "%s %s %v %v %v %v %v\n", h.Name, s.Metric.Name, s.Labels, s.Value, s.Buckets, s.Count, s.Sum)
		})
	}
	return out.String()
}

// total sums a counter (or the count of a histogram) over all hosts whose labels have all the values given.
func total(w *World, metric string, values ...string) float64 {
	sum := 0.0
	for _, h := range w.Hosts() {
		w.Read(h.Name, func(s *Series) {
			if s.Metric.Name != metric {
				return
			}
			for _, v := range values {
				if !strings.Contains("|"+strings.Join(s.Labels, "|")+"|"+h.Service+"|", "|"+v+"|") {
					return
				}
			}
			sum += s.Value + s.Count
		})
	}
	return sum
}

// rate is how much a total rises each second while the world goes on for d.
func rate(w *World, d time.Duration, metric string, values ...string) float64 {
	before := total(w, metric, values...)
	w.Advance(w.Now().Add(d))
	return (total(w, metric, values...) - before) / d.Seconds()
}

func TestSameSeedSameWorld(t *testing.T) {
	t.Parallel()
	a, b, other := newWorld(t, 7, 0), newWorld(t, 7, 0), newWorld(t, 8, 0)
	a.Advance(start.Add(10 * time.Minute))
	for i := range 600 { // in other steps, and with looks in between
		b.Advance(start.Add(time.Duration(i+1) * time.Second))
		if i%100 == 0 {
			b.Events(3)
			dump(b)
		}
	}
	other.Advance(start.Add(10 * time.Minute))
	assert.Equal(t, dump(a), dump(b))
	assert.NotEqual(t, dump(a), dump(other))
}

func TestCountersOnlyRise(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 0)
	last := map[string]map[string]float64{} // host → series and value
	check := func() {
		now := map[string]map[string]float64{} // whoever was gone starts anew
		for _, h := range w.Hosts() {
			now[h.Name] = map[string]float64{}
			w.Read(h.Name, func(s *Series) {
				if s.Metric.Type == stack.Gauge && !s.Metric.Cumulative {
					return
				}
				id := s.Metric.Name + strings.Join(s.Labels, "|")
				for i, v := range append([]float64{s.Value, s.Count, s.Sum}, s.Buckets...) {
					k := fmt.Sprint(id, i)
					require.GreaterOrEqual(t, v, last[h.Name][k], "%s of %s", s.Metric.Name, h.Name)
					now[h.Name][k] = v
				}
				for i := 1; i < len(s.Buckets); i++ {
					require.GreaterOrEqual(t, s.Buckets[i], s.Buckets[i-1], "buckets are cumulative")
				}
				if n := len(s.Buckets); n > 0 {
					require.GreaterOrEqual(t, s.Count, s.Buckets[n-1])
				}
			})
		}
		last = now
	}
	faults := Faults()
	for i := range 10 * len(faults) {
		if i%10 == 0 {
			f := faults[i/10]
			require.NoError(t, w.Set(f.Name, "", w.Now().Add(8*time.Second)))
		}
		w.Advance(w.Now().Add(time.Second))
		check()
	}
}

func TestWhatIsPublishedIsProcessedIsWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 0)
	w.Advance(start.Add(20 * time.Minute))
	published := total(w, "collector_messages_published_total")
	received := total(w, "collector_messages_received_total", "success")
	validated := total(w, "pipeline_messages_processed_total", "validation")
	enriched := total(w, "pipeline_messages_processed_total", "enrichment", "success")
	written := total(w, "storage_writes_total", "timescaledb")
	lag := total(w, "kafka_consumergroup_lag", "events")
	inFlight := total(w, "kafka_producer_records_in_flight")

	assert.InDelta(t, 20*60*12_000, published, 20*60*1_500, "about 12,000 events a second")
	assert.InDelta(t, received, published+inFlight, 10, "what is received is published or in flight")
	assert.InDelta(t, published, validated+lag, 10, "what is published is read or is lag")
	assert.InDelta(t, enriched, written, 1, "what leaves the pipeline is written")
	assert.InDelta(t, validated, total(w, "pipeline_end_to_end_latency_seconds"), validated*0.001)
	failures := total(w, "pipeline_validation_failures_total")
	assert.InDelta(t, total(w, "pipeline_messages_processed_total", "validation", "error"), failures, 1)
	assert.Positive(t, failures)
}

func TestADayHasItsCurve(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 15*time.Second)
	w.Advance(start.Add(-8 * time.Hour).Add(24 * time.Hour).Add(2 * time.Hour)) // 2 in the night
	night := rate(w, 30*time.Minute, "collector_messages_published_total")
	w.Advance(start.Add(31 * time.Hour)) // 15 o'clock
	day := rate(w, 30*time.Minute, "collector_messages_published_total")
	assert.Greater(t, day, night*1.1)
	assert.Greater(t, night, 10_000.0, "the quietest hour keeps the document's objective")
}

func TestPodsComeAndGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 15*time.Second)
	names := func() map[string]bool {
		all := map[string]bool{}
		for _, h := range w.Hosts() {
			if h.Pod != nil {
				all[h.Name] = true
			}
		}
		return all
	}
	first, version := names(), w.PodsVersion()
	require.Len(t, first, 11)
	w.Advance(start.Add(7*time.Hour + 5*time.Minute))
	second := names()
	require.Len(t, second, 11, "a pod that goes is replaced")
	gone := 0
	for name := range first {
		if !second[name] {
			gone++
		}
	}
	assert.GreaterOrEqual(t, gone, 2, "all pods of at least one service")
	assert.NotEqual(t, version, w.PodsVersion())
}

func TestFaultsBreakWhatTheySay(t *testing.T) {
	t.Parallel()
	ratePer := func(metric string, values ...string) func(*World) float64 {
		return func(w *World) float64 { return rate(w, 2*time.Minute, metric, values...) }
	}
	after := func(d time.Duration, metric string, values ...string) func(*World) float64 {
		return func(w *World) float64 {
			w.Advance(w.Now().Add(d))
			return total(w, metric, values...)
		}
	}
	free := func(w *World) float64 {
		w.Advance(w.Now().Add(10 * time.Minute))
		return total(w, "storage_capacity_free_bytes", "postgres") / total(w, "storage_capacity_bytes", "postgres")
	}
	slowShare := func(metric, value string, bound int) func(*World) float64 {
		return func(w *World) float64 {
			w.Advance(w.Now().Add(time.Minute))
			under, all := 0.0, 0.0
			for _, h := range w.Hosts() {
				w.Read(h.Name, func(s *Series) {
					if s.Metric.Name == metric && s.Labels[0] == value {
						under, all = under+s.Buckets[bound], all+s.Count
					}
				})
			}
			return 1 - under/all
		}
	}
	for _, c := range []struct {
		fault, service string
		see            func(*World) float64
		// healthy and broken are the most and the least that is seen without and with the fault.
		healthy, broken float64
	}{
		{"api-timeouts", "shipping-collector", ratePer("collector_errors_total", "shipping-collector"), 5, 10},
		{"rate-limiting", "supplier-collector", ratePer("collector_errors_total", "rate_limited"), 5, 10},
		{"producer-lag", "supplier-collector", after(2*time.Minute, "kafka_producer_records_in_flight", "supplier-collector"), 1000, 2001},
		{"kafka-unreachable", "inventory-collector", after(2*time.Minute, "kafka_producer_records_in_flight", "inventory-collector"), 1000, 2001},
		{"schema-violations", "flink", ratePer("pipeline_validation_failures_total"), 20, 50},
		{"slow-transformation", "flink", slowShare("pipeline_processing_duration_seconds", "transformation", 12), 0.01, 0.06},
		{"slow-writes", "storage-router", slowShare("storage_write_latency_seconds", "timescaledb", 9), 0.01, 0.06},
		{"query-errors", "query-api", ratePer("storage_query_errors_total", "/api/v1/suppliers"), 1, 10},
		{"slow-queries", "query-api", ratePer("storage_query_errors_total", "/api/v1/suppliers"), 1, 10},
		{"database-unreachable", "query-api", ratePer("storage_query_errors_total", "/api/v1/suppliers"), 1, 10},
		{"checkpoints-failing", "flink", after(3*time.Minute, "flink_jobmanager_job_numberOfFailedCheckpoints"), 0, 1},
		{"pool-exhausted", "storage-router", after(5*time.Minute, "storage_connection_pool_active", "postgres"), 60, 74},
		{"cache-cold", "query-api", ratePer("storage_cache_misses_total", "query_results"), 200, 400},
		{"cache-unreachable", "query-api", ratePer("storage_cache_misses_total", "query_results"), 200, 400},
		{"kafka-broker-down", "kafka", after(time.Minute, "kafka_server_replicamanager_underreplicatedpartitions"), 0, 1},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			healthy, broken := newWorld(t, 3, 0), newWorld(t, 3, 0)
			require.NoError(t, broken.Set(c.fault, c.service, time.Time{}))
			assert.LessOrEqual(t, c.see(healthy), c.healthy, "without the fault")
			assert.GreaterOrEqual(t, c.see(broken), c.broken, "with the fault")
		})
	}
	t.Run("disk-filling", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 3, 0)
		assert.Greater(t, free(w), 0.3)
		require.NoError(t, w.Set("disk-filling", "", time.Time{}))
		assert.Less(t, free(w), 0.1)
	})
	t.Run("flink-job-down", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 3, 0)
		require.Positive(t, after(time.Minute, "flink_jobmanager_job_uptime")(w))
		require.NoError(t, w.Set("flink-job-down", "", w.Now().Add(time.Minute)))
		assert.Equal(t, -1.0, after(30*time.Second, "flink_jobmanager_job_uptime")(w))
		assert.Greater(t, total(w, "kafka_consumergroup_lag", "events"), 200_000.0, "the lag grows")
		assert.Equal(t, 61_000.0, after(91*time.Second, "flink_jobmanager_job_uptime")(w), "it ends by itself, and the job starts anew")
		assert.Equal(t, 1.0, total(w, "flink_jobmanager_job_numRestarts"))
		assert.Less(t, after(5*time.Minute, "kafka_consumergroup_lag", "events")(w), 10_000.0, "and catches up")
	})
	t.Run("what is gone", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 3, 0)
		for _, c := range []struct{ fault, service string }{
			{"pod-gone", "query-api"}, {"flink-jobmanager-gone", "flink"}, {"kafka-broker-down", "kafka"},
		} {
			before := len(w.Hosts())
			require.NoError(t, w.Set(c.fault, c.service, time.Time{}))
			assert.Less(t, len(w.Hosts()), before, c.fault)
			require.NoError(t, w.Clear(c.fault, ""))
			assert.Len(t, w.Hosts(), before, c.fault)
		}
		require.NoError(t, w.Set("exporter-hanging", "redis", time.Time{}))
		h, ok := w.Host("redis-exporter:9121")
		require.True(t, ok)
		assert.True(t, h.Hanging)
	})
	t.Run("health", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 3, 0)
		require.True(t, w.Health("query-api").Ready())
		require.NoError(t, w.Set("cache-unreachable", "query-api", time.Time{}))
		assert.Equal(t, Health{Kafka: true, Database: true}, w.Health("query-api"))
		assert.True(t, w.Health("storage-router").Ready())
	})
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 3, 0)
		assert.ErrorContains(t, w.Set("no-such", "", time.Time{}), "there are api-timeouts, cache-cold")
		assert.ErrorContains(t, w.Set("api-timeouts", "flink", time.Time{}), "it is for inventory-collector, shipping-collector")
	})
}

func TestEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 0)
	w.Advance(start.Add(time.Minute))
	events := w.Events(2000)
	require.Len(t, events, 2000)
	ids, failed := map[string]bool{}, 0
	for _, e := range events {
		ids[e.ID] = true
		if e.Failed != "" {
			failed++
		}
		require.NotNil(t, e.Collector.Pod)
		require.Greater(t, e.Total, e.Validate+e.Transform+e.Enrich+e.Store)
		require.Equal(t, e.Failed == "", e.Store > 0 && len(e.Path) == 3 && e.Failed != "store")
		require.Equal(t, e.Collector.Service, e.Path[0])
	}
	assert.Len(t, ids, 2000)
	assert.InDelta(t, 17, failed, 12)
	again := newWorld(t, 1, 0)
	again.Advance(start.Add(time.Minute))
	assert.Equal(t, events, again.Events(2000))
	for _, s := range collectorNames() {
		require.NoError(t, w.Set("pod-gone", s, time.Time{}))
	}
	assert.Empty(t, w.Events(5), "no collector, no event")
}

func TestACatalogueThatTheWorldDoesNotAgreeWith(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, old, new, want string }{
		{"a metric too much", "  - name: redis_up\n", "  - name: redis_down\n    type: gauge\n    unit: boolean\n    exposed_by: [redis]\n    meaning: x\n  - name: redis_up\n", "redis_down is not exposed by redis"},
		{"a metric too little", "  - name: redis_up\n", "  - name: redis_down\n", "exposes gauge redis_up, and the catalogue does not have it"},
		{"another type", "  - name: collector_messages_published_total\n    type: counter\n", "  - name: collector_messages_published_total\n    type: gauge\n    foreign: true\n", "collector_messages_published_total is a gauge here, and a counter in the simulated platform"},
		{"another label", "labels: {status: [success, error]}", "labels: {}", "collector_messages_received_total has 0 labels here, and 1 in"},
		{"a value too little", "labels: {status: [success, error]}", "labels: {status: [success]}", `label status of collector_messages_received_total is "error"`},
		{"another exposer", "exposed_by: &query [query-api]", "exposed_by: &query [query-api, redis]", "storage_query_duration_seconds is not exposed by redis"},
		{"an exposer too little", "exposed_by: &databases [postgres, timescaledb]", "exposed_by: &databases [postgres]", "pg_up is exposed by timescaledb in the simulated platform"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(stackDir + "metrics.yaml")
			require.NoError(t, err)
			require.Contains(t, string(data), c.old)
			file := filepath.Join(t.TempDir(), "metrics.yaml")
			require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(data), c.old, c.new, 1)), 0o644))
			cat, err := stack.LoadMetrics(file)
			require.NoError(t, err)
			_, err = New(Config{Seed: 1, Start: start}, cat)
			require.ErrorContains(t, err, c.want)
			assert.Regexp(t, `^`+regexp.QuoteMeta(file)+`:`, err.Error())
		})
	}
}

// TestATickAllocatesNothing: a world that catches up on a week does so without the garbage collector.
func TestATickAllocatesNothing(t *testing.T) {
	w := newWorld(t, 1, 0)
	allocations := testing.AllocsPerRun(1000, func() { w.Advance(w.Now().Add(time.Second)) })
	assert.Zero(t, allocations)
}

func BenchmarkTick(b *testing.B) {
	w := newWorld(b, 1, 0)
	b.ReportAllocs()
	for b.Loop() {
		w.Advance(w.Now().Add(time.Second))
	}
}

func BenchmarkAWeek(b *testing.B) {
	for b.Loop() {
		w := newWorld(b, 1, 0)
		w.Advance(start.Add(7 * 24 * time.Hour))
	}
}
