package preview

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"obsandbox/sandbox/internal/platform/world"
	"obsandbox/sandbox/internal/stack"
)

// monitor scrapes a world into a database.
type monitor struct {
	world  *world.World
	db     *tsdb.DB
	series map[*world.Series][]stored
	ups    map[string]*stored
}

// stored is a series of the database: its labels, and how to read it.
type stored struct {
	ref    storage.SeriesRef
	labels labels.Labels
	value  func() float64
}

// targetLabels are those that the stack's Prometheus sets for a host.
func targetLabels(h world.Host) map[string]string {
	job := map[string]string{"flink": "flink-metrics"}
	all := map[string]string{"job": cmp.Or(job[h.Service], h.Service), "service": h.Service, "instance": h.Address}
	if h.Pod != nil {
		all["namespace"], all["pod"] = world.Namespace, h.Pod.Name
	}
	return all
}

// scrape stores what every host exposes now. A host that is not a pod and has gone is down; a pod that has gone is
// nothing any more.
func (m *monitor) scrape(ctx context.Context) error {
	app := m.db.Appender(ctx)
	at := m.world.Now().UnixMilli()
	var errs []error
	store := func(s *stored, v float64) {
		ref, err := app.Append(s.ref, s.labels, at, v)
		if err != nil {
			errs = append(errs, fmt.Errorf("store %s: %w", s.labels, err))
		}
		s.ref = ref
	}
	seen := map[*world.Series]bool{}
	there := map[string]bool{}
	for _, h := range m.world.Hosts() {
		there[h.Address] = true
		if m.ups[h.Address] == nil {
			m.ups[h.Address] = &stored{labels: named("up", targetLabels(h))}
		}
		if h.Hanging {
			store(m.ups[h.Address], 0)
			continue
		}
		store(m.ups[h.Address], 1)
		m.world.Read(h.Name, func(s *world.Series) {
			if _, ok := m.series[s]; !ok {
				m.series[s] = open(s, targetLabels(h))
			}
			seen[s] = true
			for i := range m.series[s] {
				store(&m.series[s][i], m.series[s][i].value())
			}
		})
	}
	stale := math.Float64frombits(value.StaleNaN)
	for s, parts := range m.series {
		if !seen[s] {
			for i := range parts {
				store(&parts[i], stale)
			}
			delete(m.series, s)
		}
	}
	for address, up := range m.ups {
		switch {
		case there[address]:
		case up.labels.Has("pod"):
			store(up, stale)
			delete(m.ups, address)
		default:
			store(up, 0)
		}
	}
	return errors.Join(append(errs, app.Commit())...)
}

func named(metric string, all map[string]string) labels.Labels {
	b := labels.NewBuilder(labels.FromMap(all))
	return b.Set(model.MetricNameLabel, metric).Labels()
}

// open makes the database's series of one of the world's: a histogram has many. As with the exporter, what is counted is
// whole.
func open(s *world.Series, all map[string]string) []stored {
	for i, l := range s.Metric.Labels {
		all[l.Name] = s.Labels[i]
	}
	switch {
	case s.Metric.Type == stack.Counter && s.Metric.Unit != "seconds":
		return []stored{{labels: named(s.Metric.Name, all), value: func() float64 { return math.Floor(s.Value) }}}
	case s.Metric.Type != stack.Histogram:
		return []stored{{labels: named(s.Metric.Name, all), value: func() float64 { return s.Value }}}
	}
	parts := []stored{
		{labels: named(s.Metric.Name+"_count", all), value: func() float64 { return math.Floor(s.Count) }},
		{labels: named(s.Metric.Name+"_sum", all), value: func() float64 { return s.Sum }},
	}
	for i, bound := range s.Metric.Buckets {
		all["le"] = labels.FormatOpenMetricsFloat(bound)
		parts = append(parts, stored{labels: named(s.Metric.Name+"_bucket", all), value: func() float64 { return math.Floor(s.Buckets[i]) }})
	}
	all["le"] = "+Inf"
	return append(parts, stored{labels: named(s.Metric.Name+"_bucket", all), value: func() float64 { return math.Floor(s.Count) }})
}
