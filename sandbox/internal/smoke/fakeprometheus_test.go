package smoke

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/stack"
)

type fakePrometheus struct {
	targets []fakeTarget
	pools   []string
	groups  []fakeGroup
	// silent are metrics without series, failing are those whose evaluation fails.
	silent, failing string
	externalLabels  map[string]string
	alertmanagers   []any
	metrics         string
	reloadFailed    bool
	// types are by metric; series by label, series name and the label's value.
	types  map[string]string
	series map[string]map[string]map[string]int
}

type fakeTarget struct {
	pool, health, lastError string
	labels                  map[string]string
	samples                 float64
}

type fakeGroup struct {
	name, file string
	rules      []jsonObject
}

func (w *world) startPrometheus() {
	cfg, err := loadPromConfig(w.stack)
	require.NoError(w.t, err)
	w.externalLabels = maps.Clone(cfg.externalLabels)
	w.alertmanagers = []any{jsonObject{"url": "http://alertmanager:9093/api/v2/alerts"}}
	w.metrics = `# TYPE prometheus_notifications_dropped_total counter
prometheus_notifications_dropped_total 0
# TYPE prometheus_notifications_sent_total counter
prometheus_notifications_sent_total{alertmanager="a"} 7
# TYPE prometheus_notifications_alertmanagers_discovered gauge
prometheus_notifications_alertmanagers_discovered 1
`
	for _, job := range cfg.jobs {
		w.pools = append(w.pools, job.Name)
		for _, group := range job.Static {
			for _, address := range group.Targets {
				l := map[string]string{"job": job.Name, "instance": address}
				maps.Copy(l, group.Labels)
				w.targets = append(w.targets, fakeTarget{pool: job.Name, health: "up", labels: l, samples: 12})
			}
		}
		for _, pod := range w.pods {
			if _, discovers := job.namespaces(); discovers && pod.Labels["app"] == job.Name && !done(pod) {
				w.targets = append(w.targets, fakeTarget{pool: job.Name, health: "up", samples: 12, labels: map[string]string{
					"job": job.Name, "instance": pod.Status.PodIP + ":8080", "namespace": pod.Namespace, "pod": pod.Name, "service": job.Name,
				}})
			}
		}
	}
	for _, target := range w.targets {
		w.hosts = append(w.hosts, jsonObject{"name": "host", "address": target.labels["instance"]})
	}
	groups, err := loadRuleGroups(w.stack)
	require.NoError(w.t, err)
	for _, g := range groups {
		loaded := fakeGroup{name: g.Name, file: "/etc/prometheus/" + fileTail(g.file)}
		for _, r := range g.Rules {
			var wait model.Duration
			if r.For != "" {
				wait, err = model.ParseDuration(r.For)
				require.NoError(w.t, err)
			}
			loaded.rules = append(loaded.rules, jsonObject{
				"type": "alerting", "name": r.name(), "query": canonical(r.Expr), "duration": time.Duration(wait).Seconds(),
				"labels": r.Labels, "annotations": r.Annotations, "health": "ok",
			})
		}
		w.groups = append(w.groups, loaded)
	}
	w.exposeCatalogue()
	success := func(answer func(*http.Request) (any, error)) handler {
		return func(r *http.Request) (any, error) {
			data, err := answer(r)
			return jsonObject{"status": "success", "data": data}, err
		}
	}
	w.serve("prometheus", "http", map[string]handler{
		"GET /-/healthy":               func(*http.Request) (any, error) { return "Prometheus Server is Healthy.\n", nil },
		"GET /metrics":                 func(*http.Request) (any, error) { return w.metrics, nil },
		"GET /api/v1/targets":          success(w.targetsAnswer),
		"GET /api/v1/rules":            success(w.rulesAnswer),
		"GET /api/v1/query":            success(w.queryAnswer),
		"GET /api/v1/scrape_pools":     success(func(*http.Request) (any, error) { return jsonObject{"scrapePools": w.pools}, nil }),
		"GET /api/v1/status/buildinfo": success(func(*http.Request) (any, error) { return jsonObject{"version": "3.15.1", "goVersion": "go1"}, nil }),
		"GET /api/v1/status/runtimeinfo": success(func(*http.Request) (any, error) {
			return jsonObject{"reloadConfigSuccess": !w.reloadFailed}, nil
		}),
		"GET /api/v1/status/config": success(func(*http.Request) (any, error) {
			text, err := yaml.Marshal(jsonObject{"global": jsonObject{"external_labels": w.externalLabels}, "rule_files": []string{"a"}})
			return jsonObject{"yaml": string(text)}, err
		}),
		"GET /api/v1/metadata": success(func(*http.Request) (any, error) {
			data := map[string]any{}
			for name, kind := range w.types {
				data[name] = []any{jsonObject{"type": kind, "help": "", "unit": ""}}
			}
			return data, nil
		}),
		"GET /api/v1/alertmanagers": success(func(*http.Request) (any, error) {
			return jsonObject{"activeAlertmanagers": w.alertmanagers, "droppedAlertmanagers": []any{}}, nil
		}),
	})
}

func (w *world) targetsAnswer(*http.Request) (any, error) {
	active := []any{}
	for _, t := range w.targets {
		active = append(active, jsonObject{
			"labels": t.labels, "scrapePool": t.pool, "scrapeUrl": "http://" + t.labels["instance"] + "/metrics",
			"health": t.health, "lastError": t.lastError,
		})
	}
	return jsonObject{"activeTargets": active}, nil
}

func (w *world) rulesAnswer(*http.Request) (any, error) {
	groups := []any{}
	for _, g := range w.groups {
		groups = append(groups, jsonObject{"name": g.name, "file": g.file, "rules": g.rules})
	}
	return jsonObject{"groups": groups}, nil
}

// exposeCatalogue is every metric with every value of its labels.
func (w *world) exposeCatalogue() {
	cat, err := stack.LoadMetrics(w.stack.Path(stack.MetricsFile))
	require.NoError(w.t, err)
	w.types, w.series = map[string]string{}, map[string]map[string]map[string]int{}
	for _, m := range cat.Metrics {
		w.types[m.Name] = string(m.Type)
		for _, exposer := range m.ExposedBy {
			w.expose("service", m, serviceOf(exposer))
		}
		for _, l := range m.Labels {
			for _, value := range append(l.Values, "any")[:max(1, len(l.Values))] {
				w.expose(l.Name, m, value)
			}
		}
	}
}

func (w *world) expose(label string, m *stack.Metric, value string) {
	if w.series[label] == nil {
		w.series[label] = map[string]map[string]int{}
	}
	if w.series[label][seriesName(m)] == nil {
		w.series[label][seriesName(m)] = map[string]int{}
	}
	w.series[label][seriesName(m)][value]++
}

var countedBy = regexp.MustCompile(`^count by \(__name__, (\w+)\) \(\{\w+!=""\}\)$`)

var counted = regexp.MustCompile(`^count\((.*)\)$`)

// queryAnswer knows the few queries that the checks make; every metric has three series.
func (w *world) queryAnswer(r *http.Request) (any, error) {
	expr := r.URL.Query().Get("query")
	if _, err := parser.NewParser(parser.Options{}).ParseExpr(expr); err != nil {
		return nil, httpError(http.StatusBadRequest)
	}
	if w.failing != "" && strings.Contains(expr, w.failing) {
		return nil, httpError(http.StatusUnprocessableEntity)
	}
	vector := []any{}
	add := func(labels map[string]string, value float64) {
		vector = append(vector, jsonObject{"metric": labels, "value": []any{1.5, fmt.Sprint(value)}})
	}
	switch {
	case expr == "scrape_samples_scraped":
		for _, t := range w.targets {
			add(map[string]string{"job": t.pool, "instance": t.labels["instance"]}, t.samples)
		}
	case countedBy.MatchString(expr):
		label := countedBy.FindStringSubmatch(expr)[1]
		for name, values := range w.series[label] {
			for value, n := range values {
				add(map[string]string{"__name__": name, label: value}, float64(n))
			}
		}
	case counted.MatchString(expr) && (w.silent == "" || !strings.Contains(expr, w.silent)):
		add(map[string]string{}, 3)
	}
	return jsonObject{"resultType": "vector", "result": vector}, nil
}

// target finds a target by its instance.
func (w *world) target(instance string) *fakeTarget {
	i := slices.IndexFunc(w.targets, func(t fakeTarget) bool { return t.labels["instance"] == instance })
	require.GreaterOrEqual(w.t, i, 0)
	return &w.targets[i]
}

// podTarget is the first target of a job.
func (w *world) podTarget(job string) *fakeTarget {
	i := slices.IndexFunc(w.targets, func(t fakeTarget) bool { return t.pool == job })
	require.GreaterOrEqual(w.t, i, 0)
	return &w.targets[i]
}

// rule is the first rule of a group.
func (w *world) rule(group string) jsonObject {
	i := slices.IndexFunc(w.groups, func(g fakeGroup) bool { return g.name == group })
	require.GreaterOrEqual(w.t, i, 0)
	return w.groups[i].rules[0]
}

// unscraped takes back what Prometheus has of the one target of a service, and serves it on a page instead.
func (w *world) unscraped(service string) {
	cat, err := stack.LoadMetrics(w.stack.Path(stack.MetricsFile))
	require.NoError(w.t, err)
	var text strings.Builder
	for _, m := range cat.Metrics {
		if !slices.Equal(m.ExposedBy, []string{service}) {
			continue
		}
		delete(w.types, m.Name)
		for label := range w.series {
			delete(w.series[label], seriesName(m))
		}
		require.NotEqual(w.t, stack.Histogram, m.Type)
		fmt.Fprintf(&text, "# HELP %[1]s x\n# TYPE %[1]s %[2]s\n", m.Name, m.Type)
		if len(m.Labels) == 0 {
			fmt.Fprintf(&text, "%s 1\n", m.Name)
		}
		for _, l := range m.Labels {
			for _, value := range append(l.Values, "any")[:max(1, len(l.Values))] {
				fmt.Fprintf(&text, "%s{%s=%q} 1\n", m.Name, l.Name, value)
			}
		}
	}
	t := w.podTarget(service)
	t.health, t.samples = "unknown", 0
	w.pagesOf = map[string]string{t.labels["instance"]: text.String()}
}
