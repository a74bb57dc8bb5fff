package world

import (
	"cmp"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

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

// TestTheDocumentationListsEveryFault holds the table for people against the catalogue.
func TestTheDocumentationListsEveryFault(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../../../docs/incidents.md")
	require.NoError(t, err)
	for _, f := range Faults() {
		assert.Contains(t, string(doc), fmt.Sprintf("| `%s` | %s | %s |\n", f.Name, f.Meaning, cmp.Or(f.AlertsText(), "-")))
	}
}
