package exporter

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/platform/world"
	"obsandbox/sandbox/internal/stack"
)

func newWorld(t testing.TB) (*world.World, *stack.Catalogue) { return seeded(t, 1) }

func seeded(t testing.TB, seed uint64) (*world.World, *stack.Catalogue) {
	t.Helper()
	c, err := stack.LoadMetrics("../../../../stack/metrics.yaml")
	require.NoError(t, err)
	start := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	w, err := world.New(world.Config{Seed: seed, Start: start}, c)
	require.NoError(t, err)
	w.Advance(start.Add(2 * time.Minute))
	return w, c
}

func scrape(t testing.TB, w *world.World, host, accept string) *httptest.ResponseRecorder {
	t.Helper()
	res := httptest.NewRecorder()
	req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	req.Header.Set("Accept", accept)
	Handler(w, host, slog.New(slog.DiscardHandler)).ServeHTTP(res, req)
	return res
}

// TestEveryHostExposesWhatTheCatalogueSays parses each host's metrics and holds them against the catalogue: every metric
// of it is there with its type and labels, and no other is.
func TestEveryHostExposesWhatTheCatalogueSays(t *testing.T) {
	t.Parallel()
	w, c := newWorld(t)
	types := map[stack.MetricType]dto.MetricType{
		stack.Counter: dto.MetricType_COUNTER, stack.Gauge: dto.MetricType_GAUGE, stack.Histogram: dto.MetricType_HISTOGRAM,
	}
	for _, h := range w.Hosts() {
		t.Run(h.Name, func(t *testing.T) {
			t.Parallel()
			families := families(t, w, h.Name)
			for _, m := range c.Metrics {
				f, there := families[m.Name]
				if !slices.Contains(m.ExposedBy, h.Exposer()) {
					assert.False(t, there, "%s is not of this host", m.Name)
					continue
				}
				if !assert.True(t, there, "%s is missing", m.Name) {
					continue
				}
				assert.Equal(t, types[m.Type], f.GetType(), m.Name)
				assert.Equal(t, m.Meaning, f.GetHelp())
				for _, metric := range f.GetMetric() {
					require.Len(t, metric.GetLabel(), len(m.Labels), m.Name)
					for _, l := range metric.GetLabel() {
						label, ok := m.Label(l.GetName())
						require.True(t, ok, "%s has the label %s", m.Name, l.GetName())
						if len(label.Values) > 0 {
							assert.Contains(t, label.Values, l.GetValue(), "%s of %s", label.Name, m.Name)
						}
					}
					if m.Type == stack.Histogram {
						assert.Len(t, metric.GetHistogram().GetBucket(), len(m.Buckets)+1, "and +Inf: %s", m.Name)
					}
				}
				delete(families, m.Name)
			}
			assert.Empty(t, families, "metrics that the catalogue does not have")
		})
	}
}

// TestStyle asks Prometheus' linter, which must agree with the catalogue on which names are foreign.
func TestStyle(t *testing.T) {
	t.Parallel()
	w, c := newWorld(t)
	for _, h := range w.Hosts() {
		problems, err := promlint.New(strings.NewReader(scrape(t, w, h.Name, "text/plain").Body.String())).Lint()
		require.NoError(t, err)
		for _, p := range problems {
			m, ok := c.Metric(p.Metric)
			require.True(t, ok, p.Metric)
			assert.True(t, m.Foreign, "%s: %s", p.Metric, p.Text)
		}
	}
}

// families are all metrics of a host, as a scraper reads them.
func families(t testing.TB, w *world.World, host string) map[string]*dto.MetricFamily {
	t.Helper()
	res := scrape(t, w, host, "text/plain")
	require.Equal(t, http.StatusOK, res.Code, host)
	parser := expfmt.NewTextParser(model.LegacyValidation)
	all, err := parser.TextToMetricFamilies(res.Body)
	require.NoError(t, err)
	return all
}

// TestCountersOnlyRise reads the platform again and again, over a rollout: what a host shows never falls, and a
// histogram's buckets are in order, its count is its last bucket, and its mean lies within its bounds.
func TestCountersOnlyRise(t *testing.T) {
	t.Parallel()
	w, _ := newWorld(t)
	last := map[string]float64{}
	rises := func(host string, m *dto.Metric, what string, v float64) {
		id := host + " " + what + " " + labelsOf(m)
		require.GreaterOrEqual(t, v, last[id], id)
		last[id] = v
	}
	hosts := map[string]bool{}
	for range 20 {
		w.Advance(w.Now().Add(25 * time.Minute))
		for _, h := range w.Hosts() {
			hosts[h.Name] = true
			for name, f := range families(t, w, h.Name) {
				for _, m := range f.GetMetric() {
					switch f.GetType() {
					case dto.MetricType_COUNTER:
						rises(h.Name, m, name, m.GetCounter().GetValue())
					case dto.MetricType_HISTOGRAM:
						rises(h.Name, m, name+"_sum", m.GetHistogram().GetSampleSum())
						consistent(t, name, m.GetHistogram())
						for _, b := range m.GetHistogram().GetBucket() {
							rises(h.Name, m, fmt.Sprint(name, b.GetUpperBound()), float64(b.GetCumulativeCount()))
						}
					}
				}
			}
		}
	}
	assert.Greater(t, len(hosts), 22, "pods were replaced meanwhile")
}

func labelsOf(m *dto.Metric) string {
	var all []string
	for _, l := range m.GetLabel() {
		all = append(all, l.GetName()+"="+l.GetValue())
	}
	return strings.Join(all, ",")
}

func consistent(t *testing.T, name string, h *dto.Histogram) {
	t.Helper()
	below := uint64(0)
	for _, b := range h.GetBucket() {
		require.GreaterOrEqual(t, b.GetCumulativeCount(), below, name)
		below = b.GetCumulativeCount()
	}
	require.Equal(t, h.GetSampleCount(), below, "%s: +Inf is all", name)
	if n := float64(h.GetSampleCount()); n > 100 {
		least := 0.0 // if each observation were as small as its bucket allows
		for i, b := range h.GetBucket()[1:] {
			least += h.GetBucket()[i].GetUpperBound() * float64(b.GetCumulativeCount()-h.GetBucket()[i].GetCumulativeCount())
		}
		require.GreaterOrEqual(t, h.GetSampleSum(), least*0.99, name)
	}
}

// sum adds the counters of a name over all hosts, of those whose labels are as wanted.
func sum(t *testing.T, w *world.World, name, labels string) float64 {
	t.Helper()
	total := 0.0
	for _, h := range w.Hosts() {
		for _, m := range families(t, w, h.Name)[name].GetMetric() {
			if strings.Contains(labelsOf(m), labels) {
				total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return total
}

// TestNothingIsLostOnTheWay adds up what scrapers see of each step of the events' way.
func TestNothingIsLostOnTheWay(t *testing.T) {
	t.Parallel()
	w, _ := newWorld(t)
	w.Advance(w.Now().Add(15 * time.Minute))
	published := sum(t, w, "collector_messages_published_total", "")
	require.Greater(t, published, 9_000_000.0)
	near := func(a, b float64, what string) { assert.InDelta(t, a, b, 20, what) } // each series is rounded down
	near(sum(t, w, "collector_messages_received_total", "status=success"), published+sum(t, w, "kafka_producer_records_in_flight", ""), "received: published, or in flight")
	near(sum(t, w, "kafka_producer_record_ack_total", ""), published, "acknowledged: published")
	near(sum(t, w, "kafka_server_brokertopicmetrics_messagesin_total", "topic=events"), published, "on the brokers: published")
	validated := sum(t, w, "pipeline_messages_processed_total", "stage=validation")
	near(validated+sum(t, w, "kafka_consumergroup_lag", "topic=events"), published, "read by Flink, or lag")
	enriched := sum(t, w, "pipeline_messages_processed_total", "stage=enrichment,status=success")
	failed := sum(t, w, "pipeline_messages_processed_total", "status=error")
	near(enriched+failed, validated, "enriched, or failed in a stage")
	near(sum(t, w, "storage_writes_total", "backend=timescaledb"), enriched, "written: enriched")
	near(sum(t, w, "pipeline_enrichment_cache_hits_total", "")+sum(t, w, "storage_cache_hits_total", ""), sum(t, w, "redis_keyspace_hits_total", ""), "what the cache has answered")
	near(sum(t, w, "collector_errors_total", ""), sum(t, w, "collector_messages_received_total", "status=error"), "errors: messages that failed")
	near(sum(t, w, "storage_write_errors_total", ""), sum(t, w, "storage_writes_total", "status=error"), "errors: writes that failed")
}

func TestTheSeedDecides(t *testing.T) {
	t.Parallel()
	text := func(seed uint64) string {
		w, _ := seeded(t, seed)
		var all strings.Builder
		for _, h := range w.Hosts() {
			all.WriteString(scrape(t, w, h.Name, "application/openmetrics-text; version=1.0.0").Body.String())
		}
		return all.String()
	}
	one := text(1)
	assert.Equal(t, one, text(1))
	assert.NotEqual(t, one, text(2))
}

// TestFormats: whichever format a scraper asks for, the series have the same names, labels and values.
func TestFormats(t *testing.T) {
	t.Parallel()
	w, _ := newWorld(t)
	read := func(host, accept string) (map[string]float64, string) {
		res := scrape(t, w, host, accept)
		require.Equal(t, http.StatusOK, res.Code)
		p, err := textparse.New(res.Body.Bytes(), res.Header().Get("Content-Type"), labels.NewSymbolTable(), textparse.ParserOptions{})
		require.NoError(t, err)
		all := map[string]float64{}
		for {
			entry, err := p.Next()
			if errors.Is(err, io.EOF) {
				return all, res.Header().Get("Content-Type")
			}
			require.NoError(t, err)
			if entry == textparse.EntrySeries {
				var l labels.Labels
				p.Labels(&l)
				_, _, all[strings.ReplaceAll(l.String(), ".0\"", "\"")] = p.Series() // le="1.0" is le="1"
			}
		}
	}
	open := 0
	for _, h := range w.Hosts() {
		text, kind := read(h.Name, "text/plain;version=0.0.4")
		require.Contains(t, kind, "text/plain")
		require.NotEmpty(t, text)
		// What Prometheus asks for by default.
		asked, kind := read(h.Name, "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1")
		assert.Equal(t, text, asked, h.Name)
		if strings.Contains(kind, "openmetrics") {
			open++
		}
	}
	assert.Equal(t, len(w.Hosts())-2, open, "all but the exporters of the databases")
}

func TestAHostThatIsGone(t *testing.T) {
	t.Parallel()
	w, _ := newWorld(t)
	require.NoError(t, w.Set("flink-jobmanager-gone", "", time.Time{}))
	res := scrape(t, w, "flink-jobmanager", "text/plain")
	assert.Equal(t, http.StatusInternalServerError, res.Code)
	assert.Contains(t, res.Body.String(), "flink-jobmanager is gone")
}
