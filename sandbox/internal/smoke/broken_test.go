package smoke

import (
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

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

// stays replaces what becomes of a line.
func stays(line string, change func(*document)) func(*world) {
	return func(w *world) {
		w.onLine[line] = func(d document) []document { change(&d); return []document{d} }
	}
}

const standardLine = "a log line in the standard is found in its layer's index, with every field"

var brokenLogs = []breakage{
	{
		name:   "kafka does not listen",
		breaks: func(w *world) { w.addr.Components["kafka"]["broker"] = "127.0.0.1:1" },
		fails: append([]string{
			"kafka answers", "kafka has topic application-logs as checked in", "kafka gives back a log line byte for byte",
			"logstash follows application-logs", "a log line's trace_id opens its trace",
		}, ownLines...),
	},
	{
		name: "a topic keeps its lines for a day only",
		breaks: func(w *world) {
			day := "86400000"
			_, err := w.kafkaAdmin.AlterTopicConfigs(w.t.Context(), alterRetention(day), logTopic)
			require.NoError(w.t, err)
		},
		fails: []string{"kafka has topic application-logs as checked in"}, says: `retention.ms is "86400000"`,
	},
	{
		name: "a topic has more partitions",
		breaks: func(w *world) {
			_, err := w.kafkaAdmin.CreatePartitions(w.t.Context(), 1, logTopic)
			require.NoError(w.t, err)
		},
		fails: []string{"kafka has topic application-logs as checked in"}, says: "7 partitions, not 6",
	},
	{
		name: "logstash is far behind",
		breaks: func(w *world) {
			junk := make([]*kgo.Record, maxLag+1)
			for i := range junk {
				junk[i] = &kgo.Record{Topic: logTopic, Value: []byte("a line of the past")}
			}
			require.NoError(w.t, w.kafkaClient.ProduceSync(w.t.Context(), junk...).FirstErr())
		},
		fails: []string{"logstash follows application-logs"}, says: "lines behind",
	},
	{
		name:   "logstash's counters stand still",
		breaks: func(w *world) { w.stalled = true },
		fails:  []string{"logstash takes events in and gives them out"},
	},
	{
		name:   "logstash says nothing of itself",
		breaks: func(w *world) { w.answers["logstash/api /"] = `{}` },
		fails:  []string{"logstash answers"},
	},
	{
		name:   "a line is lost",
		breaks: func(w *world) { w.onLine[lineMultiline] = func(document) []document { return nil } },
		fails:  []string{"a log line with a stack trace stays one document", "no log line is there twice"},
	},
	{
		name:   "a line is delivered twice",
		breaks: func(w *world) { w.onLine[lineStandard] = func(d document) []document { return []document{d, d} } },
		fails:  []string{"no log line is there twice"}, says: "standard: 2",
	},
	{
		name: "a stack trace becomes a document a line",
		breaks: func(w *world) {
			w.onLine[lineMultiline] = func(d document) []document {
				first, rest, _ := strings.Cut(d.field("message"), "\n")
				other := document{Index: d.Index, ID: d.ID + "b", Source: map[string]any{"message": rest, "@timestamp": d.Source["@timestamp"]}}
				d.Source["message"] = first
				return []document{d, other}
			}
		},
		fails: []string{"a log line with a stack trace stays one document"},
	},
	{
		name:   "every line is tagged _grokparsefailure",
		breaks: stays(lineStandard, func(d *document) { d.Source["tags"] = []any{"_grokparsefailure"} }),
		fails:  []string{standardLine}, says: "_grokparsefailure",
	},
	{
		name:   "the layer becomes an array",
		breaks: stays(lineStandard, func(d *document) { d.Source["layer"] = []any{"collection", "collection"} }),
		fails:  []string{standardLine}, says: `layer is "[\"collection\",\"collection\"]"`,
	},
	{
		name:   "the timestamp is the time of arrival",
		breaks: stays(lineStandard, func(d *document) { d.Source["@timestamp"] = time.Now().UTC().Format(time.RFC3339Nano) }),
		fails:  []string{standardLine, "the fields of a log line are searchable as what they are"},
	},
	{
		name:   "the pod is not taken over",
		breaks: stays(lineStandard, func(d *document) { delete(d.Source, "pod_name") }),
		fails:  []string{standardLine}, says: "pod_name is missing",
	},
	{
		name:   "a field is not searchable",
		breaks: stays(lineStandard, func(d *document) { d.Source["processing_time_ms"] = "a while" }),
		fails:  []string{standardLine, "the fields of a log line are searchable as what they are"}, says: "processing_time_ms",
	},
	{
		name:   "a line without layer is put where nobody looks",
		breaks: stays(lineNoLayer, func(d *document) { d.Index = "logs-%{layer}-2026.01.01"; delete(d.Source, "layer") }),
		fails:  []string{"a log line without layer gets that of its service", "no log index has an unforeseen name"}, says: "logs-%{layer}-2026.01.01",
	},
	{
		name:   "an unknown service counts as collection",
		breaks: stays(lineUnheard, func(d *document) { d.Index = strings.Replace(d.Index, "unknown", "collection", 1) }),
		fails:  []string{"a log line of an unknown service goes to the fallback index"},
	},
	{
		name:   "an unstructured line loses its level",
		breaks: stays(linePlain, func(d *document) { delete(d.Source, "level") }),
		fails:  []string{"an unstructured log line is kept, with its level"}, says: "level is missing",
	},
	{
		name:   "a malformed line is cut",
		breaks: stays(lineMalformed, func(d *document) { d.Source["message"] = d.field("message")[20:] }),
		fails:  []string{"a malformed log line is kept, and tagged as such"}, says: "the line is not whole",
	},
	{
		name:   "a malformed line is not tagged",
		breaks: stays(lineMalformed, func(d *document) { delete(d.Source, "tags") }),
		fails:  []string{"a malformed log line is kept, and tagged as such"}, says: "tags are []",
	},
	{
		name: "the platform writes no lines of a layer",
		breaks: func(w *world) {
			w.stored = slices.DeleteFunc(w.stored, func(d document) bool { return d.ID == "platform-storage" })
		},
		fails: []string{"the platform's log lines of the storage layer flow"},
	},
	{
		name:   "elasticsearch is red",
		breaks: func(w *world) { w.redCluster = true },
		fails:  []string{"elasticsearch answers"}, says: "red",
	},
	{
		name:   "the lifecycle policy deletes after a day",
		breaks: func(w *world) { put(w.policy, "1d", "policy", "phases", "delete", "min_age") },
		fails:  []string{"elasticsearch has the lifecycle policy application-logs as checked in"}, says: "min_age is 1d, not 30d",
	},
	{
		name:   "the index template has another priority",
		breaks: func(w *world) { put(w.template, 50, "priority") },
		fails:  []string{"elasticsearch has the index template application-logs as checked in"}, says: "priority is 50, not 500",
	},
	{
		name:   "indices have another mapping",
		breaks: func(w *world) { put(w.indexPart, "text", "mappings", "properties", "trace_id", "type") },
		fails:  []string{"log indices have the template's settings and mappings"}, says: "trace_id.type is text, not keyword",
	},
	{
		name:   "indices have no lifecycle",
		breaks: func(w *world) { put(w.indexPart, nil, "settings", "index", "lifecycle"); w.unmanaged = true },
		fails: []string{
			"log indices have the template's settings and mappings", "log indices are under their lifecycle policy",
		},
	},
}

// ownLines are the checks that look for the run's own lines.
var ownLines = []string{
	standardLine,
	"a log line with a stack trace stays one document",
	"a log line without layer gets that of its service",
	"a log line of an unknown service goes to the fallback index",
	"an unstructured log line is kept, with its level",
	"a malformed log line is kept, and tagged as such",
	"no log line is there twice",
	"the fields of a log line are searchable as what they are",
}

const (
	ownTrace       = "a trace sent over OTLP is found, with its four spans in order"
	platformTraces = "the platform's traces are found, with their four spans in order"
	logToTrace     = "a log line's trace_id opens its trace"
	logsToTraces   = "the platform's log lines open their traces"
)

var brokenTraces = []breakage{
	{
		name:   "jaeger is not healthy",
		breaks: func(w *world) { w.answers["jaeger/health /status"] = `{"status":"StatusPermanentError"}` },
		fails:  []string{"jaeger answers"}, says: "StatusPermanentError",
	},
	{
		name:   "a receiver does not listen",
		breaks: func(w *world) { w.addr.Components["jaeger"]["otlp-grpc"] = "127.0.0.1:1" },
		fails:  []string{"jaeger listens on every receiver's port"}, says: "otlp-grpc",
	},
	{
		name:   "jaeger refuses traces",
		breaks: func(w *world) { w.refuse = 400 },
		fails:  []string{ownTrace, logToTrace}, says: "answers 400",
	},
	{
		name:   "traces are lost on the way to the storage",
		breaks: func(w *world) { w.onTrace = func([]fakeSpan) []fakeSpan { return nil } },
		fails:  []string{ownTrace, logToTrace}, says: "no such trace",
	},
	{
		name: "a span has another parent",
		breaks: func(w *world) {
			w.onTrace = func(spans []fakeSpan) []fakeSpan { spans[3].Parent = spans[2].ID; return spans }
		},
		fails: []string{ownTrace}, says: "the parent of enrich is",
	},
	{
		name: "the root span has a parent",
		breaks: func(w *world) {
			w.onTrace = func(spans []fakeSpan) []fakeSpan { spans[0].Parent = "b0"; return spans }
		},
		fails: []string{ownTrace}, says: "process_event has a parent",
	},
	{
		name: "a span is lost",
		breaks: func(w *world) {
			w.onTrace = func(spans []fakeSpan) []fakeSpan { return slices.Delete(spans, 1, 2) }
		},
		fails: []string{ownTrace, logToTrace}, says: "validate",
	},
	{
		name: "attributes are lost",
		breaks: func(w *world) {
			w.onTrace = func(spans []fakeSpan) []fakeSpan { delete(spans[0].Tags, "event.type"); return spans }
		},
		fails: []string{ownTrace}, says: "no attribute event.type",
	},
	{
		name: "spans come under another service",
		breaks: func(w *world) {
			w.onTrace = func(spans []fakeSpan) []fakeSpan { spans[2].Service = "unknown_service"; return spans }
		},
		fails: []string{ownTrace}, says: "unknown_service",
	},
	{
		name:   "the platform sends no traces",
		breaks: func(w *world) { delete(w.found, platformTrace) },
		fails:  []string{platformTraces, logsToTraces},
	},
	{
		name:   "the platform's spans have no parents",
		breaks: func(w *world) { w.found[platformTrace][1].Parent = "" },
		fails:  []string{platformTraces}, says: "the parent of validate",
	},
	{
		name: "the platform's log lines name spans that nobody sent",
		breaks: func(w *world) {
			for _, d := range w.stored {
				d.Source["span_id"] = "cccccccccccccccc"
			}
		},
		fails: []string{logsToTraces}, says: "the trace has no such span",
	},
	{
		name:   "a log line's trace_id is not the trace's",
		breaks: stays(lineStandard, func(d *document) { d.Source["trace_id"] = "550e8400-e29b-41d4-a716-446655440000" }),
		fails:  []string{logToTrace, standardLine, "the fields of a log line are searchable as what they are"},
	},
}
