package world

import (
	"cmp"
	"context"
	"maps"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/teststorage"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/stack"
)

const stackDir = "../../../../stack/"

// alert is one of the stack's alert rules.
type alert struct {
	Alert, Expr string
	For         model.Duration
}

// alerts reads the checked-in rules.
func alerts(t testing.TB) []alert {
	t.Helper()
	files, err := filepath.Glob(stackDir + "prometheus/alerts/*.yml")
	require.NoError(t, err)
	var all []alert
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var doc struct{ Groups []struct{ Rules []alert } }
		require.NoError(t, yaml.Unmarshal(data, &doc))
		for _, g := range doc.Groups {
			all = append(all, g.Rules...)
		}
	}
	require.Len(t, all, 11, "the document has eleven alerts")
	return all
}

func parse(t testing.TB, expr string) parser.Expr {
	t.Helper()
	e, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	require.NoError(t, err, expr)
	return e
}

// monitor is a Prometheus that watches a world: it scrapes into a real database and asks a real engine.
type monitor struct {
	t       testing.TB
	world   *World
	storage *teststorage.TestStorage
	engine  *promql.Engine
	// wanted are the metrics that are stored; all others would only cost time.
	wanted map[string]bool
	series map[*Series][]stored
	ups    map[string]stored
}

// stored is a series of the database: its labels, and how to read it.
type stored struct {
	ref    storage.SeriesRef
	labels labels.Labels
	value  func() float64
}

// watch makes a monitor that can answer the expressions.
func watch(t testing.TB, w *World, exprs ...string) *monitor {
	t.Helper()
	m := &monitor{
		t: t, world: w, storage: teststorage.New(t),
		engine: promql.NewEngine(promql.EngineOpts{MaxSamples: 50_000_000, Timeout: time.Minute}),
		wanted: map[string]bool{}, series: map[*Series][]stored{}, ups: map[string]stored{},
	}
	t.Cleanup(func() { _ = m.engine.Close() })
	for _, expr := range exprs {
		parser.Inspect(parse(t, expr), func(n parser.Node, _ []parser.Node) error {
			if v, ok := n.(*parser.VectorSelector); ok && v.Name != "up" {
				metric, _, ok := w.cat.Series(v.Name)
				require.True(t, ok, v.Name)
				m.wanted[metric.Name] = true
			}
			return nil
		})
	}
	return m
}

// targetLabels are those that Prometheus sets for a host.
func targetLabels(h Host) map[string]string {
	job := map[string]string{"flink": "flink-metrics"}
	all := map[string]string{"job": cmp.Or(job[h.Service], h.Service), "service": h.Service, "instance": h.Address}
	if h.Pod != nil {
		all["namespace"], all["pod"] = Namespace, h.Pod.Name
	}
	return all
}

// scrape stores what every host exposes now.
func (m *monitor) scrape() {
	app := m.storage.Appender(context.Background())
	now := m.world.Now().UnixMilli()
	store := func(s *stored, v float64) {
		ref, err := app.Append(s.ref, s.labels, now, v)
		require.NoError(m.t, err)
		s.ref = ref
	}
	seen := map[*Series]bool{}
	up := map[string]Host{}
	for _, h := range m.world.Hosts() {
		up[h.Address] = h
	}
	for _, h := range fixed() { // static targets are asked whether they are there or not
		if _, ok := up[h.address]; !ok {
			up[h.address] = Host{Name: h.name, Address: h.address, Service: h.service, Hanging: true}
		}
	}
	for address, h := range up {
		s, ok := m.ups[address]
		if !ok {
			s.labels = name("up", targetLabels(h))
		}
		store(&s, map[bool]float64{true: 0, false: 1}[h.Hanging])
		m.ups[address] = s
		if h.Hanging {
			continue
		}
		m.world.Read(h.Name, func(s *Series) {
			if !m.wanted[s.Metric.Name] {
				return
			}
			if _, ok := m.series[s]; !ok {
				m.series[s] = open(s, targetLabels(h))
			}
			seen[s] = true
			for i := range m.series[s] {
				store(&m.series[s][i], m.series[s][i].value())
			}
		})
	}
	for s, parts := range m.series {
		if !seen[s] {
			for i := range parts {
				store(&parts[i], math.Float64frombits(value.StaleNaN))
			}
			delete(m.series, s)
		}
	}
	for address, s := range m.ups {
		if _, ok := up[address]; !ok {
			store(&s, math.Float64frombits(value.StaleNaN))
			delete(m.ups, address)
		}
	}
	require.NoError(m.t, app.Commit())
}

func name(metric string, all map[string]string) labels.Labels {
	all = maps.Clone(all)
	all[model.MetricNameLabel] = metric
	return labels.FromMap(all)
}

// open makes the database's series of one of the world's: a histogram has many.
func open(s *Series, all map[string]string) []stored {
	for i, l := range s.Metric.Labels {
		all[l.Name] = s.Labels[i]
	}
	if s.Metric.Type != stack.Histogram {
		return []stored{{labels: name(s.Metric.Name, all), value: func() float64 { return s.Value }}}
	}
	parts := []stored{
		{labels: name(s.Metric.Name+"_count", all), value: func() float64 { return s.Count }},
		{labels: name(s.Metric.Name+"_sum", all), value: func() float64 { return s.Sum }},
	}
	for i, bound := range s.Metric.Buckets {
		all["le"] = labels.FormatOpenMetricsFloat(bound)
		parts = append(parts, stored{labels: name(s.Metric.Name+"_bucket", all), value: func() float64 { return s.Buckets[i] }})
	}
	all["le"] = "+Inf"
	return append(parts, stored{labels: name(s.Metric.Name+"_bucket", all), value: func() float64 { return s.Count }})
}

// advance lets time pass, scraping at every step.
func (m *monitor) advance(d, step time.Duration) {
	for end := m.world.Now().Add(d); m.world.Now().Before(end); {
		m.world.Advance(m.world.Now().Add(step))
		m.scrape()
	}
}

// over evaluates an expression at every step of a time.
func (m *monitor) over(expr string, from, to time.Time, step time.Duration) promql.Matrix {
	m.t.Helper()
	q, err := m.engine.NewRangeQuery(context.Background(), m.storage, nil, expr, from, to, step)
	require.NoError(m.t, err, expr)
	defer q.Close()
	res := q.Exec(context.Background())
	require.NoError(m.t, res.Err, expr)
	matrix, err := res.Matrix()
	require.NoError(m.t, err)
	// The query's memory is used again after it is closed.
	out := make(promql.Matrix, len(matrix))
	for i, s := range matrix {
		out[i] = promql.Series{Metric: s.Metric, Floats: append([]promql.FPoint(nil), s.Floats...)}
	}
	return out
}

// guard evaluates alert rules as Prometheus does.
type guard struct {
	monitor *monitor
	rules   []*rules.AlertingRule
}

func newGuard(m *monitor, all []alert) *guard {
	g := &guard{monitor: m}
	for _, a := range all {
		g.rules = append(g.rules, rules.NewAlertingRule(
			a.Alert, parse(m.t, a.Expr), time.Duration(a.For), 0,
			labels.EmptyLabels(), labels.EmptyLabels(), labels.EmptyLabels(), "", true, promslog.NewNopLogger(),
		))
	}
	return g
}

// firing evaluates all rules now, and names those that fire.
func (g *guard) firing() map[string]bool {
	all := map[string]bool{}
	query := rules.EngineQueryFunc(g.monitor.engine, g.monitor.storage)
	for _, r := range g.rules {
		_, err := r.Eval(context.Background(), 0, g.monitor.world.Now(), query, &url.URL{}, 0)
		require.NoError(g.monitor.t, err, r.Name())
		for _, a := range r.ActiveAlerts() {
			if a.State == rules.StateFiring {
				all[r.Name()] = true
			}
		}
	}
	return all
}

func names(all map[string]bool) string {
	var list []string
	for n := range all {
		list = append(list, n)
	}
	return strings.Join(list, " ")
}
