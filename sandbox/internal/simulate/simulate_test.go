package simulate

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/util/teststorage"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/stack"
)

func morning() time.Time { return time.Date(2025, 1, 6, 9, 0, 0, 0, time.UTC) }

func open(t *testing.T, cfg Config) *Simulation {
	t.Helper()
	st, err := stack.Load("../../../stack")
	require.NoError(t, err)
	cfg.Stack, cfg.Start, cfg.Seed = st, morning(), 1
	s, err := New(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// TestLeapsAndStorageChangeNothing plays the same incident second by second with every sample, and in leaps with few.
func TestLeapsAndStorageChangeNothing(t *testing.T) {
	t.Parallel()
	play := func(cfg Config, advance func(*Simulation, context.Context, time.Time) error) *Simulation {
		cfg.Slow = time.Minute
		s := open(t, cfg)
		require.NoError(t, advance(s, t.Context(), morning().Add(10*time.Minute)))
		require.NoError(t, s.World.Set("pod-gone", "shipping-collector", morning().Add(25*time.Minute)))
		require.NoError(t, advance(s, t.Context(), morning().Add(40*time.Minute)))
		return s
	}
	steps := play(Config{Exact: true}, (*Simulation).Advance)
	leaps := play(Config{}, (*Simulation).Leap)
	require.NotEmpty(t, steps.Transitions())
	assert.Equal(t, steps.Transitions(), leaps.Transitions())
	require.NotEmpty(t, steps.Notifications())
	a, b := steps.Notifications(), leaps.Notifications()
	for i := range a {
		a[i].Payload = nil
	}
	for i := range b {
		b[i].Payload = nil
	}
	assert.Equal(t, a, b)
}

// TestARateOfFewSamples compares long rates of few samples with those of all, over restarts and series that come and go.
func TestARateOfFewSamples(t *testing.T) {
	t.Parallel()
	var s [2]*Simulation
	const expr = `sum(rate(http_requests_total[1h]))`
	for i, exact := range []bool{true, false} {
		s[i] = open(t, Config{Exact: exact, Ask: []string{expr}, Slow: time.Hour})
		require.NoError(t, s[i].Leap(t.Context(), morning().Add(30*time.Minute)))
		require.NoError(t, s[i].World.Set("pod-gone", "query-api", morning().Add(40*time.Minute)))
		require.NoError(t, s[i].Leap(t.Context(), morning().Add(90*time.Minute)))
	}
	a, err := s[0].Query(t.Context(), expr, morning().Add(90*time.Minute))
	require.NoError(t, err)
	b, err := s[1].Query(t.Context(), expr, morning().Add(90*time.Minute))
	require.NoError(t, err)
	require.Len(t, a, 1)
	require.Len(t, b, 1)
	assert.InEpsilon(t, a[0].F, b[0].F, 0.005)
}

// TestTargetsHaveProductionsLabels holds the labels of scrapes against those that the rules' unit tests and the catalogue
// know.
func TestTargetsHaveProductionsLabels(t *testing.T) {
	t.Parallel()
	s := open(t, Config{Ask: []string{"up"}})
	require.NoError(t, s.Advance(t.Context(), morning().Add(15*time.Second)))
	up, err := s.Query(t.Context(), `up`, morning().Add(15*time.Second))
	require.NoError(t, err)
	require.Len(t, up, 21, "eleven pods and ten fixed hosts")
	pods := 0
	for _, v := range up {
		assert.Equal(t, 1.0, v.F)
		if v.Metric.Get("pod") == "" {
			assert.Contains(t, v.Metric.Get("instance"), ":", v.Metric)
			continue
		}
		pods++
		assert.Equal(t, "data-ingestion", v.Metric.Get("namespace"))
		assert.Equal(t, v.Metric.Get("job"), v.Metric.Get("service"))
		assert.Regexp(t, `^10\.244\.\d+\.\d+:8080$`, v.Metric.Get("instance"))
		assert.Equal(t, 6, v.Metric.Len(), "no label more: %s", v.Metric)
	}
	assert.Equal(t, 11, pods)
}

// Jobs that disregard what pods say of themselves have targets that are down, as in a cluster; other ways to look at what
// matters are as good.
func TestJobsThatDisregardPods(t *testing.T) {
	t.Parallel()
	const done = "        regex: Succeeded|Failed\n        action: drop\n"
	for name, test := range map[string]struct {
		old, new string
		// down are the targets that are, by job and port.
		down map[string]int
	}{
		"a path that is not followed": {"target_label: __metrics_path__", "target_label: metrics_path", map[string]int{"query-api:8080": 2}},
		"finished pods":               {done, "        regex: Failed\n        action: drop\n", map[string]int{"storage-router:8080": 1}},
		"a port that is not followed": {`regex: ([^:]+)(?::\d+)?;(\d+)`, `regex: ([^:]+)(?:\d+)?;(\d+)`, map[string]int{
			"shipping-collector:8081": 3, "inventory-collector:8081": 2, "supplier-collector:8081": 2, "storage-router:8081": 2, "query-api:8081": 2,
		}},
		"pods that run alone": {done, "        regex: Running\n        action: keep\n", nil},
		"a port by its name": {`      - source_labels: [__address__, __meta_kubernetes_pod_annotation_prometheus_io_port]
        regex: ([^:]+)(?::\d+)?;(\d+)
        target_label: __address__
        replacement: $1:$2
`, "      - source_labels: [__meta_kubernetes_pod_container_port_name]\n        regex: http\n        action: keep\n", nil},
		"Kubernetes' own selection": {"      - role: pod\n", "      - role: pod\n        selectors: [{role: pod, field: status.phase=Running, label: app}]\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "stack")
			require.NoError(t, os.CopyFS(dir, os.DirFS("../../../stack")))
			file := filepath.Join(dir, "prometheus", "prometheus.yml")
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			changed := strings.Replace(string(text), test.old, test.new, 1)
			require.NotEqual(t, string(text), changed)
			require.NoError(t, os.WriteFile(file, []byte(changed), 0o644))
			st, err := stack.Load(dir)
			require.NoError(t, err)
			s, err := New(t.Context(), Config{Stack: st, Start: morning(), Seed: 1, Ask: []string{"up"}})
			require.NoError(t, err)
			t.Cleanup(s.Close)
			require.NoError(t, s.Advance(t.Context(), morning().Add(15*time.Second)))
			up, err := s.Query(t.Context(), `up`, morning().Add(15*time.Second))
			require.NoError(t, err)
			down := map[string]int{}
			more := 0
			for _, v := range up {
				if v.F != 0 {
					continue
				}
				_, port, _ := strings.Cut(v.Metric.Get("instance"), ":")
				down[v.Metric.Get("job")+":"+port]++
				more++
			}
			assert.Len(t, down, len(test.down))
			for target, n := range test.down {
				assert.Equal(t, n, down[target], target)
			}
			if strings.Contains(name, "path") {
				more = 0 // of the same targets
			}
			assert.Len(t, up, 21+more)
		})
	}
}

// TestTheStoreAnswersAsADatabase asks every rule's expression of the store, and of a real database that has the same
// samples, at many moments of an incident in which pods and series come and go.
func TestTheStoreAnswersAsADatabase(t *testing.T) {
	t.Parallel()
	for _, exact := range []bool{true, false} {
		s := open(t, Config{Exact: exact, Slow: time.Minute})
		at := morning()
		for _, step := range []struct {
			fault, service string
			lasts          time.Duration
		}{{"pod-gone", "shipping-collector", 10 * time.Minute}, {"query-errors", "query-api", 30 * time.Minute}, {"exporter-hanging", "flink", 10 * time.Minute}} {
			at = at.Add(15 * time.Minute)
			require.NoError(t, s.Leap(t.Context(), at))
			require.NoError(t, s.World.Set(step.fault, step.service, at.Add(step.lasts)))
		}
		end := at.Add(20 * time.Minute)
		require.NoError(t, s.Leap(t.Context(), end))
		db := teststorage.New(t)
		app := db.Appender(t.Context())
		s.Store().Each(func(lset labels.Labels, times []int64, values []float64) {
			for i := range times {
				_, err := app.Append(0, lset, times[i], values[i])
				require.NoError(t, err)
			}
		})
		require.NoError(t, app.Commit())
		asked, found := 0, 0
		for _, g := range s.rules.groups {
			for _, rule := range g.rules {
				expr := rule.Query().String()
				for m := morning().Add(7 * time.Minute); m.Before(end); m = m.Add(307 * time.Second) {
					got, err := rules.EngineQueryFunc(s.rules.engine, s.store)(t.Context(), expr, m)
					require.NoError(t, err)
					want, err := rules.EngineQueryFunc(s.rules.engine, db)(t.Context(), expr, m)
					require.NoError(t, err)
					asked++
					found += len(want)
					require.Len(t, got, len(want), "%s at %s", expr, m)
					for _, v := range []promql.Vector{got, want} { // a vector has no order
						slices.SortFunc(v, func(a, b promql.Sample) int { return labels.Compare(a.Metric, b.Metric) })
					}
					for i := range want {
						require.Equal(t, want[i].Metric.String(), got[i].Metric.String(), expr)
						if exact || want[i].F != want[i].F {
							require.True(t, want[i].F == got[i].F || want[i].F != want[i].F && got[i].F != got[i].F, "%s at %s: %g, and the database says %g", expr, m, got[i].F, want[i].F)
							continue
						}
						require.InDelta(t, want[i].F, got[i].F, 0.01*math.Abs(want[i].F)+1e-9, "%s at %s", expr, m)
					}
				}
			}
		}
		assert.Greater(t, asked, 1000)
		assert.Greater(t, found, 1000, "expressions have values")
	}
}
