package smoke

import (
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
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
			if _, discovers := job.namespaces(); discovers && pod.Labels["app"] == job.Name {
				w.targets = append(w.targets, fakeTarget{pool: job.Name, health: "up", samples: 12, labels: map[string]string{
					"job": job.Name, "instance": pod.Status.PodIP + ":8080", "namespace": pod.Namespace, "pod": pod.Name, "service": job.Name,
				}})
			}
		}
	}
	groups, err := loadRuleGroups(w.stack)
	require.NoError(w.t, err)
	for _, g := range groups {
		loaded := fakeGroup{name: g.Name, file: "/etc/prometheus/alerts/" + filepath.Base(g.file)}
		for _, r := range g.Rules {
			duration, err := model.ParseDuration(r.For)
			require.NoError(w.t, err)
			loaded.rules = append(loaded.rules, jsonObject{
				"type": "alerting", "name": r.Alert, "query": canonical(r.Expr), "duration": time.Duration(duration).Seconds(),
				"labels": r.Labels, "annotations": r.Annotations, "health": "ok",
			})
		}
		w.groups = append(w.groups, loaded)
	}
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
