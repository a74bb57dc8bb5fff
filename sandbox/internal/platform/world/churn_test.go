package world

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pods are a service's, by name.
func pods(w *World, service string) map[string]Host {
	all := map[string]Host{}
	for _, h := range w.Hosts() {
		if h.Pod != nil && h.Service == service {
			all[h.Name] = h
		}
	}
	return all
}

// TestRollout watches the first rollout second by second: pods are replaced one at a time, the new one starts at zero
// under another name and address, and is ready after its startup.
func TestRollout(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 0)
	all := func() map[string]Host {
		list := map[string]Host{}
		for _, h := range w.Hosts() {
			if h.Pod != nil {
				list[h.Name] = h
			}
		}
		return list
	}
	first := all()
	w.Advance(start.Add(3*time.Hour - time.Second))
	require.ElementsMatch(t, slices.Collect(maps.Keys(first)), slices.Collect(maps.Keys(all())), "calm at first")

	last, version := all(), w.PodsVersion()
	rolled := map[string]int{}
	var replaced []time.Time
	for range 5 * 3600 {
		w.Advance(w.Now().Add(time.Second))
		if w.PodsVersion() == version {
			continue
		}
		version = w.PodsVersion()
		now := all()
		require.Len(t, now, 11)
		for name, h := range now {
			if _, ok := last[name]; ok {
				continue
			}
			replaced = append(replaced, w.Now())
			rolled[h.Service]++
			require.Equal(t, w.Now(), h.Pod.Started)
			require.False(t, h.Pod.Ready, "it starts up")
			w.Read(name, func(s *Series) {
				if s.Metric.Name == "http_requests_total" {
					require.Less(t, s.Value, 1000.0)
				}
				if s.Metric.Name == "process_start_time_seconds" {
					require.Equal(t, float64(w.Now().Unix()), s.Value)
				}
			})
			w.Advance(w.Now().Add(startup - time.Second))
			h, _ = w.Host(name)
			require.False(t, h.Pod.Ready)
			w.Advance(w.Now().Add(time.Second))
			require.NotEqual(t, version, w.PodsVersion(), "that it is ready is a change")
			version = w.PodsVersion()
			h, _ = w.Host(name)
			require.True(t, h.Pod.Ready)
		}
		last = now
	}
	require.NotEmpty(t, replaced)
	for service, n := range rolled {
		assert.Zero(t, n%len(pods(w, service)), "%s was rolled out as a whole", service)
	}
	for i := 1; i < len(replaced); i++ {
		assert.GreaterOrEqual(t, replaced[i].Sub(replaced[i-1]), between, "one at a time")
	}
}

func TestReadyNeedsTheDependencies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 0)
	ready := func() (n int) {
		for _, h := range pods(w, "query-api") {
			if h.Pod.Ready {
				n++
			}
		}
		return n
	}
	require.Equal(t, 2, ready())
	version := w.PodsVersion()
	require.NoError(t, w.Set("cache-unreachable", "query-api", w.Now().Add(10*time.Second)))
	assert.Zero(t, ready())
	assert.NotEqual(t, version, w.PodsVersion())
	version = w.PodsVersion()
	w.Advance(w.Now().Add(11 * time.Second))
	assert.Equal(t, 2, ready(), "the fault has ended by itself")
	assert.NotEqual(t, version, w.PodsVersion())
}

// TestWhatWasGoneComesBackAnew: pods under new names, brokers under their old ones, both with their counters at zero.
func TestWhatWasGoneComesBackAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 0)
	w.Advance(start.Add(time.Minute))
	before := pods(w, "shipping-collector")
	require.NoError(t, w.Set("pod-gone", "shipping-collector", time.Time{}))
	require.NoError(t, w.Set("kafka-broker-down", "", time.Time{}))
	assert.Empty(t, pods(w, "shipping-collector"))
	_, there := w.Host(lastBroker)
	assert.False(t, there)
	assert.False(t, w.Read(lastBroker, func(*Series) { t.Error("what is gone says nothing") }))
	w.Advance(start.Add(2 * time.Minute))
	require.NoError(t, w.Set("log-flood", "", time.Time{})) // another change meanwhile
	require.NoError(t, w.Clear("pod-gone", ""))
	require.NoError(t, w.Clear("kafka-broker-down", ""))
	after := pods(w, "shipping-collector")
	require.Len(t, after, len(before))
	for name := range after {
		assert.NotContains(t, before, name)
	}
	assert.Zero(t, total(w, "collector_messages_published_total", "shipping-collector"))
	w.Read(lastBroker, func(s *Series) {
		if s.Metric.Name == "kafka_server_brokertopicmetrics_messagesin_total" {
			assert.Zero(t, s.Value)
		}
	})
	w.Advance(start.Add(3 * time.Minute))
	assert.Positive(t, total(w, "collector_messages_published_total", "shipping-collector"))
}

// TestNothingIsLostOverADay adds up over rollouts and faults, from Kafka on: brokers and task managers stay. Nobody takes
// what the pipeline has while the routers are gone, so it waits in Kafka.
func TestNothingIsLostOverADay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5, 0)
	balanced := func(when string) {
		t.Helper()
		in := total(w, "kafka_server_brokertopicmetrics_messagesin_total", "events")
		read := total(w, "pipeline_messages_processed_total", "validation")
		require.InDelta(t, in, read+total(w, "kafka_consumergroup_lag", "events"), 10, when)
		var written float64
		for _, status := range []string{"success", "error"} {
			written += total(w, "storage_writes_total", "timescaledb", status)
		}
		require.LessOrEqual(t, written, total(w, "pipeline_messages_processed_total", "enrichment", "success")+1, when)
	}
	w.Advance(start.Add(2 * time.Hour))
	written, enriched := total(w, "storage_writes_total", "timescaledb"), total(w, "pipeline_messages_processed_total", "enrichment", "success")
	require.InDelta(t, enriched, written, 1)
	require.NoError(t, w.Set("database-unreachable", "storage-router", w.Now().Add(5*time.Minute)))
	w.Advance(w.Now().Add(10 * time.Minute))
	balanced("after writes were refused")
	assert.InDelta(t, total(w, "pipeline_messages_processed_total", "enrichment", "success"), total(w, "storage_writes_total", "timescaledb"), 1, "refused writes are writes")

	read := total(w, "pipeline_messages_processed_total", "validation")
	require.NoError(t, w.Set("pod-gone", "storage-router", w.Now().Add(2*time.Minute)))
	w.Advance(w.Now().Add(119 * time.Second))
	assert.Equal(t, read, total(w, "pipeline_messages_processed_total", "validation"), "the pipeline is blocked")
	assert.Greater(t, total(w, "kafka_consumergroup_lag", "events"), 1_000_000.0)
	balanced("while the routers are gone")
	w.Advance(w.Now().Add(10 * time.Minute))
	assert.Less(t, total(w, "kafka_consumergroup_lag", "events"), 10_000.0, "it has caught up")
	balanced("after the routers were gone")
	w.Advance(start.Add(24 * time.Hour))
	balanced("after a day with its rollouts")
}

func TestOneBrokerTellsOfEachPartition(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 0)
	tellers := func() map[string]string {
		all := map[string]string{}
		for _, h := range w.Hosts() {
			w.Read(h.Name, func(s *Series) {
				if s.Metric.Name == "kafka_consumergroup_lag" {
					id := s.Labels[0] + s.Labels[1] + s.Labels[2]
					require.NotContains(t, all, id)
					all[id] = h.Name
				}
			})
		}
		return all
	}
	w.Advance(start.Add(time.Minute))
	require.Len(t, tellers(), 2*partitions)
	require.Contains(t, slices.Collect(maps.Values(tellers())), lastBroker)
	require.NoError(t, w.Set("kafka-broker-down", "", time.Time{}))
	w.Advance(start.Add(2 * time.Minute))
	require.Len(t, tellers(), 2*partitions, "the others lead its partitions now")
	require.NotContains(t, slices.Collect(maps.Values(tellers())), lastBroker)
}

// TestDownForAllIsDown: what no service reaches is itself down, and counts nothing.
func TestDownForAllIsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 0)
	w.Advance(start.Add(time.Minute))
	lookups := func() float64 {
		return total(w, "redis_keyspace_hits_total") + total(w, "redis_keyspace_misses_total")
	}
	require.NoError(t, w.Set("cache-unreachable", "query-api", time.Time{}))
	before := lookups()
	w.Advance(start.Add(2 * time.Minute))
	assert.Equal(t, 1.0, total(w, "redis_up"), "one service's trouble")
	assert.Greater(t, lookups(), before)
	require.NoError(t, w.Set("cache-unreachable", "", time.Time{}))
	require.NoError(t, w.Set("database-unreachable", "", time.Time{}))
	before = lookups()
	hits := total(w, "pipeline_enrichment_cache_hits_total")
	w.Advance(start.Add(3 * time.Minute))
	assert.Zero(t, total(w, "redis_up"))
	assert.Zero(t, total(w, "pg_up"), "both databases")
	assert.Equal(t, before, lookups())
	assert.Equal(t, hits, total(w, "pipeline_enrichment_cache_hits_total"), "the enrichment has lost its cache too")
}

// TestManyAtOnce lets everything happen to a world at the same time; it is for the race detector.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 0)
	var all sync.WaitGroup
	for _, do := range []func(i int){
		func(int) { w.Advance(w.Now().Add(time.Minute)) },
		func(int) {
			for _, h := range w.Hosts() {
				w.Read(h.Name, func(*Series) {})
				w.Host(h.Address)
				w.Health(h.Service)
			}
		},
		func(i int) {
			f := Faults()[i%len(Faults())]
			assert.NoError(t, w.Set(f.Name, "", w.Now().Add(time.Minute)))
			w.ActiveFaults()
			assert.NoError(t, w.Clear(f.Name, ""))
		},
		func(int) { w.Events(5); w.PodsVersion(); w.Services() },
	} {
		all.Go(func() {
			for i := range 100 {
				do(i)
			}
		})
	}
	all.Wait()
	assert.Equal(t, start.Add(100*time.Minute), w.Now())
}

func TestLayers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 0)
	layers := map[string][]string{}
	for _, s := range w.Services() {
		layers[Layer(s)] = append(layers[Layer(s)], s)
	}
	assert.Equal(t, map[string][]string{
		"collection":     {"inventory-collector", "shipping-collector", "supplier-collector"},
		"processing":     {"flink"},
		"storage":        {"query-api", "storage-router"},
		"infrastructure": {"kafka", "postgres", "redis", "timescaledb"},
	}, layers)
}
