package smoke

import (
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// stays replaces what becomes of a line.
func stays(line string, change func(*document)) func(*world) {
	return func(w *world) {
		w.onLine[line] = func(d document) []document { change(&d); return []document{d} }
	}
}

const platformStandard = "the platform's log lines keep the log standard"

const standardLine = "a log line in the standard is found in its layer's index, with every field"

var brokenLogs = []breakage{
	{
		name:     "kafka does not listen",
		breaks:   func(w *world) { w.addr.Components["kafka"]["broker"] = "127.0.0.1:1" },
		deadline: 12 * time.Second, // Kafka's client goes on asking
		fails: append([]string{
			"kafka answers", "kafka has topic application-logs as checked in", "kafka gives back a log line byte for byte",
			"logstash follows application-logs", "a log line's trace_id opens its trace", platformStandard,
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
		name: "the topic of the log lines keeps one of each service",
		breaks: func(w *world) {
			w.checksIn("kafka/topics.yml", "cleanup.policy: delete", "cleanup.policy: compact")
			policy := "compact"
			_, err := w.kafkaAdmin.AlterTopicConfigs(w.t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "cleanup.policy", Value: &policy}}, logTopic)
			require.NoError(w.t, err)
		},
		fails: []string{"kafka has topic application-logs as checked in"}, says: "keeps the last line of each service alone",
	},
	{
		name:   "the policy of the log indices is gone",
		breaks: func(w *world) { w.answers["elasticsearch/http /_ilm/policy/application-logs"] = "none" },
		fails: []string{
			"elasticsearch has the lifecycle policy application-logs as checked in", "log indices are under their lifecycle policy",
		},
	},
	{
		name:   "what Elasticsearch refused is of no layer",
		breaks: stays(lineRefused, func(d *document) { delete(d.Source, "layer") }),
		fails:  []string{"a log line whose document Elasticsearch refuses is kept, and tagged as such"}, says: "layer is missing",
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
		name: "documents have no ids of their own",
		breaks: func(w *world) {
			w.checksIn("logstash/pipeline/logstash.conf", "    document_id =>", "    # document_id =>")
			stays(lineStandard, func(d *document) { d.ID = "Zk3aB5oBq0J8-_x1LmNp" })(w)
		},
		fails: []string{"no log line is there twice"}, says: "set document_id in the output", at: "logstash.conf:161",
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
		name:   "collectors without layer count as unknown",
		breaks: stays(lineCollector, func(d *document) { d.Index = strings.Replace(d.Index, "collection", "unknown", 1) }),
		fails:  []string{"a log line without layer gets that of its service"}, says: "of supplier-collector: expected: in logs-collection-",
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
		name:   "what Elasticsearch refuses is lost",
		breaks: func(w *world) { w.onLine[lineRefused] = func(document) []document { return nil } },
		fails:  []string{"a log line whose document Elasticsearch refuses is kept, and tagged as such", "no log line is there twice"},
	},
	{
		name:   "what Elasticsearch refused looks like any other line",
		breaks: stays(lineRefused, func(d *document) { delete(d.Source, "tags") }),
		fails:  []string{"a log line whose document Elasticsearch refuses is kept, and tagged as such"}, says: "tags are []",
	},
	{
		name: "the platform writes no lines of a layer",
		breaks: func(w *world) {
			w.stored = slices.DeleteFunc(w.stored, func(d document) bool { return d.ID == "platform-storage" })
		},
		fails: []string{"the platform's log lines of the storage layer flow"},
	},
	{
		name: "the log standard is stricter than its lines",
		breaks: func(w *world) {
			w.checksIn("log-standard.schema.json", `[0-9a-f]{32}`, `[0-9a-f]{36}`)
		},
		fails: []string{platformStandard}, says: "1 of 1 are not: trace_id:", at: "log-standard.schema.json:17",
	},
	{
		name: "the log standard takes what no text is",
		breaks: func(w *world) {
			w.checksIn("log-standard.schema.json", `"message": { "type": "string", "minLength": 1 }`, `"message": {}`)
		},
		fails: []string{platformStandard}, says: "a line whose message is no text", at: "log-standard.schema.json:19",
	},
	{
		name:   "the log standard has a keyword that is none",
		breaks: func(w *world) { w.checksIn("log-standard.schema.json", `"dependentRequired"`, `"dependentRequird"`) },
		fails:  []string{platformStandard}, says: `no keyword "dependentRequird"`, at: "log-standard.schema.json:33",
	},
	{
		name:   "elasticsearch is red",
		breaks: func(w *world) { w.redCluster = true },
		fails:  []string{"elasticsearch answers"}, says: "red",
	},
	{
		name:   "the lifecycle policy deletes after a day",
		breaks: func(w *world) { put(w.policy, "1d", "policy", "phases", "delete", "min_age") },
		fails:  []string{"elasticsearch has the lifecycle policy application-logs as checked in"}, says: "min_age is 1d, not 30d", at: "ilm-policy.json:22",
	},
	{
		name: "nothing ever deletes the log indices",
		breaks: func(w *world) {
			w.checksIn("elasticsearch/ilm-policy.json", `"delete": {}`, `"set_priority": { "priority": 0 }`)
			w.policy = w.checkedIn("elasticsearch/ilm-policy.json")
		},
		fails: []string{"elasticsearch has the lifecycle policy application-logs as checked in"}, says: "there are new indices every day", at: "ilm-policy.json:6",
	},
	{
		name: "every key of metadata becomes a field",
		breaks: func(w *world) {
			put(w.indexPart, nil, "mappings", "properties", "metadata", "type")
			w.checksIn("elasticsearch/index-template.json", `"metadata": { "type": "flattened", "ignore_above": 1024 },`, "")
			w.template = w.checkedIn("elasticsearch/index-template.json")
		},
		fails: []string{"the fields of a log line are searchable as what they are"}, says: "every key below metadata has become a field", at: "index-template.json:31",
	},
	{
		name: "the topic of the log lines keeps them for ever",
		breaks: func(w *world) {
			w.checksIn("kafka/topics.yml", "retention.ms: 604800000", "retention.ms: -1")
			_, err := w.kafkaAdmin.AlterTopicConfigs(w.t.Context(), alterRetention("-1"), logTopic)
			require.NoError(w.t, err)
		},
		fails: []string{"kafka has topic application-logs as checked in"}, says: "keeps every line for ever",
	},
	{
		name: "the topic of the log lines keeps a thousand bytes",
		breaks: func(w *world) {
			w.checksIn("kafka/topics.yml", "cleanup.policy: delete", "cleanup.policy: delete\n      retention.bytes: 1000")
			bytes := "1000"
			_, err := w.kafkaAdmin.AlterTopicConfigs(w.t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.bytes", Value: &bytes}}, logTopic)
			require.NoError(w.t, err)
		},
		fails: []string{"kafka has topic application-logs as checked in"}, says: "retention.bytes 1000 is less than the largest line",
	},
	{
		name:   "lines are not found by their level",
		breaks: stays(lineStandard, func(d *document) { d.Source["level"] = "another" }),
		fails:  []string{standardLine, "the fields of a log line are searchable as what they are"},
		says:   "not found where level is a keyword", at: "index-template.json:34",
	},
	{
		name:   "the index template has another priority",
		breaks: func(w *world) { put(w.template, 50, "priority") },
		fails:  []string{"elasticsearch has the index template application-logs as checked in"}, says: "priority is 50, not 500", at: "index-template.json:3",
	},
	{
		name:   "indices have another mapping",
		breaks: func(w *world) { put(w.indexPart, "text", "mappings", "properties", "trace_id", "type") },
		fails:  []string{"log indices have the template's settings and mappings", "the fields of a log line are searchable as what they are"},
		says:   "trace_id.type is text, not keyword",
	},
	{
		name: "the checked-in template has a number as a keyword",
		breaks: func(w *world) {
			put(w.indexPart, "keyword", "mappings", "properties", "processing_time_ms", "type")
			w.checksIn("elasticsearch/index-template.json", `"processing_time_ms": { "type": "double" }`, `"processing_time_ms": { "type": "keyword" }`)
			w.template = w.checkedIn("elasticsearch/index-template.json")
		},
		fails: []string{"the fields of a log line are searchable as what they are"}, says: `type "keyword"`, at: "index-template.json:41",
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
	"a log line whose document Elasticsearch refuses is kept, and tagged as such",
	"no log line is there twice",
	"the fields of a log line are searchable as what they are",
}
