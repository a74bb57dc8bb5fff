package elastic

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func readStack(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile("../../../stack/elasticsearch/" + name)
	require.NoError(t, err)
	return string(data)
}

// TestStack does what setting up the stack and one log line's way through it do.
func TestStack(t *testing.T) {
	t.Parallel()
	env := map[string]string{"HOSTNAME": "es-node-1", "ES_DISCOVERY_TYPE": "single-node", "ES_SEED_HOSTS": "", "ES_INITIAL_MASTER_NODES": ""}
	n := start(t, Config{ConfigFile: "../../../stack/elasticsearch/elasticsearch.yml", Data: t.TempDir(),
		Getenv: func(k string) (string, bool) { v, ok := env[k]; return v, ok }})
	root := n.ok("GET", "/", "")
	require.Equal(t, "data-ingestion-logs", root["cluster_name"])
	require.Equal(t, "es-node-1", root["name"])
	n.ok("PUT", "/_ilm/policy/application-logs", readStack(t, "ilm-policy.json"))
	n.ok("PUT", "/_index_template/application-logs", readStack(t, "index-template.json"))
	bulk := `{"index":{"_index":"logs-collection-2024.01.15","_id":"application-logs-0-1"}}
{"@timestamp":"2024-01-15T10:30:00.123Z","timestamp":"2024-01-15T10:30:00.123Z","level":"INFO","service":"shipping-collector","layer":"collection","trace_id":"550e8400e29b41d4a716446655440000","span_id":"7f2a1b3c7f2a1b3c","message":"Event processed successfully","event_id":"evt-12345","processing_time_ms":125,"metadata":{"tracking_id":"ABC123456789","carrier":"fedex"},"tags":["x"],"kubernetes":{"pod":{"name":"p","ip":"10.244.1.7"}},"extra":{"shown":"by a template"}}
{"index":{"_index":"logs-unknown-2024.01.15","_id":"application-logs-0-2"}}
{"@timestamp":"2024-01-15T10:31:00.123Z","message":"garbage","processing_time_ms":"not a number"}
`
	res := n.ok("POST", "/_bulk?filter_path=errors,items.*.error,items.*.status", bulk)
	require.Equal(t, false, res["errors"], "%v", res)
	require.EqualValues(t, 201, at(t, res, "items", 1, "index", "status"))
	require.Eventually(t, func() bool {
		return at(t, n.ok("GET", "/logs-*/_count", ""), "count") == 2.0
	}, time.Minute, 20*time.Millisecond, "searchable within a second")
	doc := n.ok("GET", "/logs-collection-2024.01.15/_doc/application-logs-0-1", "")
	require.Equal(t, "INFO", at(t, doc, "_source", "level"))
	hits := n.ok("POST", "/logs-*/_search", `{"query":{"bool":{"filter":[{"term":{"service":"shipping-collector"}},{"range":{"@timestamp":{"gte":"2024-01-15","lt":"2024-01-16"}}},
		{"exists":{"field":"trace_id"}},{"match":{"message":"successfully"}},{"term":{"metadata.carrier":"fedex"}},{"query_string":{"query":"level:INFO AND event_id:\"evt-12345\""}}]}},"sort":[{"@timestamp":"desc"}]}`)
	require.EqualValues(t, 1, at(t, hits, "hits", "total", "value"), "%v", hits)
	require.Equal(t, "application-logs-0-1", at(t, hits, "hits", "hits", 0, "_id"))
	hits = n.ok("GET", "/logs-unknown-*/_search?q=_ignored:processing_time_ms", "")
	require.EqualValues(t, 1, at(t, hits, "hits", "total", "value"))
	m := n.ok("GET", "/logs-collection-2024.01.15/_mapping", "")
	props := at(t, m, "logs-collection-2024.01.15", "mappings", "properties")
	require.Equal(t, "keyword", at(t, props, "extra", "properties", "shown", "type"))
	s := n.ok("GET", "/logs-collection-2024.01.15/_settings", "")
	require.Equal(t, "application-logs", at(t, s, "logs-collection-2024.01.15", "settings", "index", "lifecycle", "name"))
	explain := n.ok("GET", "/logs-*/_ilm/explain", "")
	require.Equal(t, true, at(t, explain, "indices", "logs-collection-2024.01.15", "managed"))
	status, text := n.do("GET", "/_cat/indices/logs-*?h=index,docs.count&s=index", "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "logs-collection-2024.01.15 1\nlogs-unknown-2024.01.15    1\n", text)
	require.Equal(t, "green", n.ok("GET", "/_cluster/health", "")["status"])
}
