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
		{"a metric too little", "  - name: redis_up\n", "  - name: redis_down\n", "metrics.yaml:10: the simulated platform exposes gauge redis_up, and the catalogue does not have it"},
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
