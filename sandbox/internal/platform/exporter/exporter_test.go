package exporter

import (
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
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/platform/world"
	"obsandbox/sandbox/internal/stack"
)

func newWorld(t *testing.T) (*world.World, *stack.Catalogue) {
	t.Helper()
	c, err := stack.LoadMetrics("../../../../stack/metrics.yaml")
	require.NoError(t, err)
	start := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	w, err := world.New(world.Config{Seed: 1, Start: start}, c)
	require.NoError(t, err)
	w.Advance(start.Add(2 * time.Minute))
	return w, c
}

func scrape(t *testing.T, w *world.World, host, accept string) *httptest.ResponseRecorder {
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
			res := scrape(t, w, h.Name, "text/plain")
			require.Equal(t, http.StatusOK, res.Code)
			parser := expfmt.NewTextParser(model.LegacyValidation)
			families, err := parser.TextToMetricFamilies(res.Body)
			require.NoError(t, err)
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

// foreign are the names that other projects gave their metrics, not in Prometheus' style.
func foreign(name string) bool {
	return slices.ContainsFunc([]string{"flink_", "pg_", "kafka_", "redis_", "storage_capacity_utilization"}, func(p string) bool { return strings.HasPrefix(name, p) })
}

func TestOurOwnNamesFollowPrometheusStyle(t *testing.T) {
	t.Parallel()
	w, _ := newWorld(t)
	for _, h := range w.Hosts() {
		problems, err := promlint.New(strings.NewReader(scrape(t, w, h.Name, "text/plain").Body.String())).Lint()
		require.NoError(t, err)
		for _, p := range problems {
			assert.True(t, foreign(p.Metric), "%s: %s", p.Metric, p.Text)
		}
	}
}

func TestOpenMetrics(t *testing.T) {
	t.Parallel()
	w, _ := newWorld(t)
	res := scrape(t, w, "redis-exporter", "application/openmetrics-text; version=1.0.0")
	assert.Contains(t, res.Header().Get("Content-Type"), "application/openmetrics-text")
	assert.True(t, strings.HasSuffix(res.Body.String(), "# EOF\n"))
}

func TestAHostThatIsGone(t *testing.T) {
	t.Parallel()
	w, _ := newWorld(t)
	require.NoError(t, w.Set("flink-jobmanager-gone", "", time.Time{}))
	res := scrape(t, w, "flink-jobmanager", "text/plain")
	assert.Equal(t, http.StatusInternalServerError, res.Code)
	assert.Contains(t, res.Body.String(), "flink-jobmanager is gone")
}
