package smoke

import (
	"maps"
	"slices"
	"strings"

	"obsandbox/sandbox/internal/stack"
)

var brokenMetrics = []breakage{
	{
		name:   "a static target is down",
		breaks: func(w *world) { *w.target("kafka-1.kafka:7071") = down(*w.target("kafka-1.kafka:7071")) },
		fails:  []string{"prometheus scrapes kafka"}, says: "kafka-1.kafka:7071 is not up",
	},
	{
		name:   "a target has lost its pod label",
		breaks: func(w *world) { delete(w.podTarget("query-api").labels, "pod") },
		fails:  []string{"prometheus scrapes query-api", "prometheus leaves out no pod that asks to be scraped"},
	},
	{
		name:   "a target has another service",
		breaks: func(w *world) { w.target("redis-exporter:9121").labels["service"] = "cache" },
		fails:  []string{"prometheus scrapes redis"}, says: `service="cache", not "redis"`,
	},
	{
		name: "the address of a pod is made of its port alone",
		breaks: func(w *world) {
			t := w.podTarget("shipping-collector")
			t.labels["instance"], t.health = "8080:", "down"
		},
		fails: []string{"prometheus scrapes shipping-collector"}, says: "8080: is a target and should not be",
	},
	{
		name: "a finished pod is scraped",
		breaks: func(w *world) {
			w.targets = append(w.targets, down(fakeTarget{pool: "storage-router", labels: map[string]string{"job": "storage-router", "instance": "10.244.90.4:8080"}, samples: 1}))
		},
		fails: []string{"prometheus scrapes storage-router"}, says: "10.244.90.4:8080 is a target and should not be",
	},
	{
		name: "a pod is scraped at each of its ports",
		breaks: func(w *world) {
			other := down(*w.podTarget("query-api"))
			other.labels = maps.Clone(other.labels)
			other.labels["instance"] = strings.Replace(other.labels["instance"], ":8080", ":8081", 1)
			w.targets = append(w.targets, other)
		},
		fails: []string{"prometheus scrapes query-api", "prometheus leaves out no pod that asks to be scraped"}, says: ":8081 is a target and should not be",
	},
	{
		name: "a pod is not discovered",
		breaks: func(w *world) {
			i := slices.IndexFunc(w.targets, func(t fakeTarget) bool { return t.pool == "storage-router" })
			w.targets = slices.Delete(w.targets, i, i+1)
		},
		fails: []string{"prometheus scrapes storage-router", "prometheus leaves out no pod that asks to be scraped"},
	},
	{
		name:   "a pod that no job claims asks to be scraped",
		breaks: func(w *world) { w.pods = append(w.pods, fakePod("forgotten", 9, 9, stack.Probes{})) },
		fails:  []string{"prometheus leaves out no pod that asks to be scraped"}, says: "forgotten-9",
	},
	{
		name:   "there is a job that nobody checked in",
		breaks: func(w *world) { w.pools = append(w.pools, "extra") },
		fails:  []string{"prometheus has the checked-in jobs and no other"}, says: "extra",
	},
	{
		name: "a target is not scraped yet and has no page",
		breaks: func(w *world) {
			w.unscraped("redis")
			w.pagesOf = nil
		},
		fails: []string{
			"prometheus scrapes redis", "prometheus stores samples of every target", "metrics have the types of the catalogue",
			"prometheus has every metric of the catalogue, from each service that exposes it",
		},
		says: "redis-exporter:9121 is not up: not scraped yet",
	},
	{
		name: "a page has not what the catalogue says",
		breaks: func(w *world) {
			w.unscraped("redis")
			for host, text := range w.pagesOf {
				w.pagesOf[host] = strings.ReplaceAll(text, "redis_memory_used_bytes", "redis_memory")
			}
		},
		fails: []string{
			"metrics have the types of the catalogue",
			"prometheus has every metric of the catalogue, from each service that exposes it",
		},
		says: "redis_memory_used_bytes of redis",
	},
	{
		name:   "a target answers with an empty page",
		breaks: func(w *world) { w.target("postgres-exporter:9187").samples = 0 },
		fails:  []string{"prometheus stores samples of every target"}, says: "postgres postgres-exporter:9187",
	},
	{
		name:   "a rule group is not loaded",
		breaks: func(w *world) { w.groups = w.groups[1:] },
		fails: []string{
			"prometheus evaluates rule group collection-layer", "prometheus has the checked-in rule groups and no other",
		},
	},
	{
		name:   "there is a rule group that nobody checked in",
		breaks: func(w *world) { w.groups = append(w.groups, fakeGroup{name: "extra", file: "x.yml"}) },
		fails:  []string{"prometheus has the checked-in rule groups and no other"}, says: "x.yml extra",
	},
	{
		name:   "a rule has another expression",
		breaks: func(w *world) { w.rule("storage-layer")["query"] = "up == 0" },
		fails:  []string{"prometheus evaluates rule group storage-layer"}, says: "has the expression up == 0",
	},
	{
		name:   "a rule waits another time",
		breaks: func(w *world) { w.rule("storage-layer")["duration"] = 1.0 },
		fails:  []string{"prometheus evaluates rule group storage-layer"}, says: "fires after 1s",
	},
	{
		name:   "a rule has other labels",
		breaks: func(w *world) { w.rule("storage-layer")["labels"] = jsonObject{"severity": "info"} },
		fails:  []string{"prometheus evaluates rule group storage-layer"}, says: "has the labels",
	},
	{
		name:   "a rule has no annotations",
		breaks: func(w *world) { delete(w.rule("storage-layer"), "annotations") },
		fails:  []string{"prometheus evaluates rule group storage-layer"}, says: "has the annotations",
	},
	{
		name:   "a rule is missing",
		breaks: func(w *world) { w.groups[1].rules = w.groups[1].rules[1:] },
		fails:  []string{"prometheus evaluates rule group processing-layer"}, says: "rule 1 should be",
	},
	{
		name: "a rule fails",
		breaks: func(w *world) {
			w.rule("processing-layer")["health"], w.rule("processing-layer")["lastError"] = "err", "many-to-many matching not allowed"
		},
		fails: []string{"prometheus evaluates rule group processing-layer"}, says: "many-to-many",
	},
	{
		name: "a rule has not been evaluated and does not evaluate",
		breaks: func(w *world) {
			w.rule("collection-layer")["health"] = "unknown"
			w.failing = "sum by (service) (rate(collector_errors_total"
		},
		fails: []string{"prometheus evaluates rule group collection-layer"}, says: "HighCollectorErrorRate does not evaluate",
	},
	{
		name:   "nobody exposes a metric of an alert",
		breaks: func(w *world) { w.silent = "storage_connection_pool_max" },
		fails:  []string{"prometheus has the series that the rules in alerts/storage-layer.yml select"}, says: "none for storage_connection_pool_max",
	},
	{
		name:   "nobody exposes a metric of an indicator",
		breaks: func(w *world) { w.silent = "http_request_duration_seconds" },
		fails:  []string{"prometheus has the series that the SLOs select"}, says: "http_request_duration_seconds",
	},
	{
		name:   "prometheus runs with other external labels",
		breaks: func(w *world) { w.externalLabels["cluster"] = "other" },
		fails:  []string{"prometheus runs the checked-in configuration"}, says: "cluster:other",
	},
	{
		name:   "prometheus could not reload its configuration",
		breaks: func(w *world) { w.reloadFailed = true },
		fails:  []string{"prometheus runs the checked-in configuration"}, says: "it failed",
	},
	{
		name:   "prometheus has no alertmanager",
		breaks: func(w *world) { w.alertmanagers = nil },
		fails:  []string{"prometheus has found alertmanager"}, says: "0 active",
	},
	{
		name: "prometheus sends alerts where alertmanager does not take them",
		breaks: func(w *world) {
			w.alertmanagers = []any{jsonObject{"url": "http://alertmanager:9093/am/api/v2/alerts"}}
		},
		fails: []string{"prometheus has found alertmanager"}, says: "path_prefix and scheme of alerting.alertmanagers",
	},
	{
		name: "a job scrapes once an hour",
		breaks: func(w *world) {
			w.checksIn("prometheus/prometheus.yml", "  - job_name: redis\n", "  - job_name: redis\n    scrape_interval: 1h\n")
		},
		fails: []string{"prometheus scrapes redis"}, says: "1h0m0s: Prometheus takes no sample for a value", at: "prometheus.yml:104",
	},
	{
		name:   "prometheus drops notifications",
		breaks: func(w *world) { w.metrics = strings.Replace(w.metrics, "dropped_total 0", "dropped_total 3", 1) },
		fails:  []string{"prometheus drops no notification"}, says: "dropped_total is 3",
	},
	{
		name:   "prometheus does not say how many notifications it drops",
		breaks: func(w *world) { w.metrics = strings.ReplaceAll(w.metrics, "dropped_total", "dropped") },
		fails:  []string{"prometheus drops no notification"}, says: "there: false",
	},
	{
		name:   "prometheus is not healthy",
		breaks: func(w *world) { w.answers["prometheus/http /-/healthy"] = "starting" },
		fails:  []string{"prometheus answers"}, says: "starting",
	},
	{
		name:   "grafana has no database",
		breaks: func(w *world) { w.answers["grafana/http /api/health"] = `{"database":"failing","version":"13"}` },
		fails:  []string{"grafana answers"}, says: "failing",
	},
}

func down(t fakeTarget) fakeTarget {
	t.health, t.lastError = "down", "connection refused"
	return t
}
