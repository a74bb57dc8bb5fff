package smoke

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// fakeLogs are a Kafka cluster with the real protocol, and a Logstash and an Elasticsearch that know just the way of the
// run's lines.
type fakeLogs struct {
	kafkaClient *kgo.Client
	kafkaAdmin  *kadm.Client
	// stored are the documents, in the order of arrival.
	stored []document
	// onLine changes what becomes of one of the run's lines.
	onLine map[string]func(document) []document
	// arrived is closed when the run's lines have come out of Kafka.
	arrived chan struct{}
	// stalled keeps Logstash's counters where they are.
	stalled bool
	events  int64

	policy, template any
	// indexPart is what each index says of itself, as the template has it; index names come from the documents.
	indexPart  any
	unmanaged  bool
	redCluster bool
}

// platformLine is in the log standard.
const platformLine = `{"timestamp":"2026-01-31T12:00:00.123Z","level":"INFO","service":"flink","layer":"processing",` +
	`"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7","message":"an event","processing_time_ms":1.5}`

func (w *world) startLogs() {
	require := require.New(w.t)
	_, topics, err := loadTopics(w.stack)
	require.NoError(err)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	require.NoError(err)
	w.t.Cleanup(cluster.Close)
	w.listens("kafka", "broker", cluster.ListenAddrs()[0])
	client, err := kgo.NewClient(
		kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics(logTopic), kgo.ConsumerGroup(logGroup),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(20*time.Millisecond), kgo.MetadataMinAge(10*time.Millisecond),
	)
	require.NoError(err)
	w.t.Cleanup(client.CloseAllowingRebalance)
	w.kafkaClient, w.kafkaAdmin = client, kadm.NewClient(client)
	for _, topic := range topics {
		config := map[string]*string{}
		for key, value := range topic.Config {
			config[key] = &value
		}
		_, err := w.kafkaAdmin.CreateTopic(w.t.Context(), int32(topic.Partitions), 1, config, topic.Name)
		require.NoError(err)
	}
	// What a service of the platform writes, and what a library in it does.
	for _, text := range []string{platformLine, "[GC (Allocation Failure)]"} {
		err := client.ProduceSync(w.t.Context(), &kgo.Record{Topic: logTopic, Key: []byte("flink"), Value: []byte(text)}).FirstErr()
		require.NoError(err)
	}
	w.onLine = map[string]func(document) []document{}
	w.arrived = make(chan struct{})
	ctx, stop := context.WithCancel(context.Background())
	w.t.Cleanup(stop)
	go w.logstash(ctx, client)
	require.Eventually(func() bool {
		groups, err := w.kafkaAdmin.DescribeGroups(ctx, logGroup)
		return err == nil && groups[logGroup].State == "Stable"
	}, time.Minute, 5*time.Millisecond)

	now := time.Now().UTC().Add(time.Hour)
	for _, layer := range []string{"collection", "processing", "storage"} {
		w.stored = append(w.stored, document{
			Index: "logs-" + layer + "-" + now.Format("2006.01.02"), ID: "platform-" + layer, Source: map[string]any{
				"@timestamp": now.Format(time.RFC3339Nano), "layer": layer, "service": "flink", "pod_name": "flink-0",
				"trace_id": platformTrace, "span_id": "a1", "message": "an event",
			},
		})
	}
	w.policy, w.template = w.checkedIn("elasticsearch/ilm-policy.json"), w.checkedIn("elasticsearch/index-template.json")
	w.indexPart = w.checkedIn("elasticsearch/index-template.json").(map[string]any)["template"]
	w.startLogstash()
	w.startElasticsearch()
}

func (w *world) startLogstash() {
	w.serve("logstash", "api", map[string]handler{
		"GET /{$}": func(*http.Request) (any, error) { return jsonObject{"version": "9.2.0", "status": "green"}, nil },
		"GET /_node/stats/pipelines": func(*http.Request) (any, error) {
			if !w.stalled {
				w.events++
			}
			return jsonObject{"pipelines": jsonObject{"main": jsonObject{
				"events": jsonObject{"in": w.events, "filtered": w.events, "out": w.events},
			}}}, nil
		},
	})
}

// logstash stores what the topic gets, in the way that the checks expect.
func (w *world) logstash(ctx context.Context, client *kgo.Client) {
	lines := 0
	for ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, line := range logLines {
				if strings.Contains(string(r.Value), testID+line+" ") { // the words after a message's token
					docs := []document{w.document(line, r)}
					if change := w.onLine[line]; change != nil {
						docs = change(docs[0])
					}
					w.stored = append(w.stored, docs...)
					if lines++; lines == len(logLines) {
						close(w.arrived)
					}
				}
			}
		})
	}
}

func (w *world) document(line string, r *kgo.Record) document {
	source := map[string]any{}
	layer := "unknown"
	at := time.Now()
	switch line {
	case lineMalformed:
		source["message"], source["tags"] = string(r.Value), []any{"_jsonparsefailure"}
	case lineRefused:
		source["message"], source["tags"], source["layer"] = string(r.Value), []any{"_dead_letter"}, "unknown"
	case linePlain:
		stamp, _, _ := strings.Cut(string(r.Value), " ")
		at, _ = time.Parse(time.RFC3339Nano, stamp)
		source["message"], source["level"] = string(r.Value), "ERROR"
	default:
		require.NoError(w.t, json.Unmarshal(r.Value, &source))
		at, _ = time.Parse(time.RFC3339Nano, source["timestamp"].(string))
		kubernetes := source["kubernetes"].(map[string]any)
		source["pod_name"] = kubernetes["pod"].(map[string]any)["name"]
		source["namespace"] = kubernetes["namespace"]
		layer = map[string]string{lineNoLayer: "storage", lineMultiline: "storage", lineFlink: "processing", lineUnheard: "unknown"}[line]
		if layer == "" {
			layer = "collection"
		}
		source["layer"] = layer
	}
	source["@timestamp"] = at.UTC().Format(time.RFC3339Nano)
	return document{Index: "logs-" + layer + "-" + at.UTC().Format("2006.01.02"), ID: fmt.Sprint(r.Partition, "-", r.Offset), Source: source}
}

func (w *world) startElasticsearch() {
	indices := func() []string {
		names := map[string]bool{}
		for _, d := range w.stored {
			names[d.Index] = true
		}
		return slices.Sorted(maps.Keys(names))
	}
	each := func(of func() any) jsonObject {
		out := jsonObject{}
		for _, name := range indices() {
			out[name] = of()
		}
		return out
	}
	w.serve("elasticsearch", "http", map[string]handler{
		"GET /{$}": func(*http.Request) (any, error) {
			return jsonObject{"tagline": "You Know, for Search", "version": jsonObject{"number": "9.2.0"}}, nil
		},
		"GET /_cluster/health": func(*http.Request) (any, error) {
			return jsonObject{"status": map[bool]string{true: "red", false: "yellow"}[w.redCluster]}, nil
		},
		"GET /_ilm/policy/application-logs": func(*http.Request) (any, error) {
			return jsonObject{"application-logs": w.policy}, nil
		},
		"GET /_index_template/application-logs": func(*http.Request) (any, error) {
			return jsonObject{"index_templates": []any{jsonObject{"name": "application-logs", "index_template": w.template}}}, nil
		},
		"GET /{indices}": func(*http.Request) (any, error) { return each(func() any { return w.indexPart }), nil },
		"GET /{indices}/_ilm/explain": func(*http.Request) (any, error) {
			return jsonObject{"indices": each(func() any {
				return jsonObject{"managed": !w.unmanaged, "policy": "application-logs", "phase": "hot", "step": "complete"}
			})}, nil
		},
		"GET /_cat/indices/{indices}": func(*http.Request) (any, error) {
			list := []any{}
			for _, name := range indices() {
				list = append(list, jsonObject{"index": name})
			}
			return list, nil
		},
		"POST /{indices}/_search": w.searchAnswer,
	})
}

func (w *world) searchAnswer(r *http.Request) (any, error) {
	var request struct {
		Query any `json:"query"`
		Size  int `json:"size"`
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, &request) != nil {
		return nil, httpError(http.StatusBadRequest)
	}
	if strings.Contains(string(body), testID) {
		// Who asks for the run's lines has sent them: what a slow machine takes to move them is not what is tested.
		w.mu.Unlock()
		select {
		case <-w.arrived:
		case <-r.Context().Done():
		}
		w.mu.Lock()
	}
	hits := []document{}
	for _, d := range w.stored {
		if holds(d, request.Query) {
			hits = append(hits, d)
		}
	}
	slices.SortStableFunc(hits, func(a, b document) int { return strings.Compare(b.field("@timestamp"), a.field("@timestamp")) })
	total := len(hits)
	return jsonObject{"_shards": jsonObject{"failed": 0}, "hits": jsonObject{
		"total": jsonObject{"value": total}, "hits": hits[:min(total, request.Size)],
	}}, nil
}

// holds evaluates the few kinds of clauses that the checks send.
func holds(d document, query any) bool {
	switch q := query.(type) {
	case []any:
		return !slices.ContainsFunc(q, func(clause any) bool { return !holds(d, clause) })
	case map[string]any:
		for kind, body := range q {
			for field, want := range body.(map[string]any) {
				if !clauseHolds(d, kind, field, want) {
					return false
				}
			}
		}
	}
	return true
}

func clauseHolds(d document, kind, field string, want any) bool {
	words := func(text string) []string {
		return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789", r) })
	}
	switch kind {
	case "bool":
		if field == "must_not" {
			return !slices.ContainsFunc(want.([]any), func(clause any) bool { return holds(d, clause) })
		}
		return holds(d, want)
	case "term":
		return d.field(field) == textOf(want)
	case "match":
		text := words(d.field(field))
		return slices.ContainsFunc(words(textOf(want)), func(word string) bool { return slices.Contains(text, word) })
	case "exists":
		return d.field(textOf(want)) != ""
	case "range":
		for op, bound := range want.(map[string]any) {
			c := strings.Compare(d.field(field), textOf(bound))
			if have, err := strconv.ParseFloat(d.field(field), 64); err == nil {
				limit, _ := strconv.ParseFloat(textOf(bound), 64)
				c = cmp.Compare(have, limit)
			}
			if at, err := time.Parse(time.RFC3339Nano, d.field(field)); err == nil {
				limit, _ := time.Parse(time.RFC3339Nano, textOf(bound))
				c = at.Compare(limit)
			}
			if ok := map[string]bool{"gte": c >= 0, "gt": c > 0, "lt": c < 0, "lte": c <= 0}[op]; !ok {
				return false
			}
		}
		return true
	}
	panic("the fake Elasticsearch knows no " + kind)
}
