package elastic

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestConcurrency writes, replaces, deletes, searches and merges at the same time; no search ever misses a document
// that is only replaced, and in the end exactly the expected ones are there.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	n := start(t, Config{})
	n.ok("PUT", "/a", `{"settings":{"refresh_interval":"100ms"},"mappings":{"properties":{"w":{"type":"long"},"at":{"type":"date"},"calls":{"type":"nested","properties":{"k":{"type":"keyword"}}}}}}`)
	const writers, docs, rounds = 3, 150, 12
	write := func(w, round int) {
		var b strings.Builder
		for i := range docs {
			fmt.Fprintf(&b, `{"index":{"_id":"%d-%d"}}`+"\n"+`{"w":%d,"round":%d,"at":"2024-01-15T10:00:00Z","t":"some text of %d","calls":[{"k":"a","n":%d},{"k":"b"}]}`+"\n", w, i, w, round, i, round)
		}
		fmt.Fprintf(&b, `{"index":{"_id":"gone-%d"}}`+"\n{}\n"+`{"delete":{"_id":"gone-%d"}}`+"\n", w, w)
		res := n.ok("POST", "/a/_bulk", b.String())
		require.Equal(t, false, res["errors"])
	}
	for w := range writers {
		write(w, 0)
	}
	n.ok("POST", "/a/_refresh", "")
	var writing, reading sync.WaitGroup
	var stop atomic.Bool
	for w := range writers {
		writing.Go(func() {
			for round := 1; round < rounds; round++ {
				write(w, round)
			}
		})
	}
	for range 2 {
		reading.Go(func() {
			for !stop.Load() {
				res := n.ok("POST", "/a/_search", `{"size":0,"track_total_hits":true,"aggs":{"w":{"terms":{"field":"w"},"aggs":{"r":{"max":{"field":"round"}}}}}}`)
				require.EqualValues(t, writers*docs, at(t, res, "hits", "total", "value"))
				res = n.ok("POST", "/a/_search", `{"size":0,"track_total_hits":true,"query":{"nested":{"path":"calls","query":{"term":{"calls.k":"a"}}}},"aggs":{"c":{"nested":{"path":"calls"},"aggs":{"n":{"max":{"field":"calls.n"}}}}}}`)
				require.EqualValues(t, writers*docs, at(t, res, "hits", "total", "value"))
				require.EqualValues(t, 2*writers*docs, at(t, res, "aggregations", "c", "doc_count"))
			}
		})
	}
	reading.Go(func() {
		for !stop.Load() {
			n.ok("POST", "/a/_forcemerge", "")
			n.ok("POST", "/_flush", "")
		}
	})
	writing.Wait()
	stop.Store(true)
	reading.Wait()
	n.ok("POST", "/a/_refresh", "")
	res := n.ok("POST", "/a/_search", fmt.Sprintf(`{"size":0,"query":{"term":{"round":%d}}}`, rounds-1))
	require.EqualValues(t, writers*docs, at(t, res, "hits", "total", "value"))
	require.EqualValues(t, writers*docs, n.ok("GET", "/a/_count", "")["count"])
}

// TestGrafana sends what Grafana's data source sends for logs and for its histogram.
func TestGrafana(t *testing.T) {
	t.Parallel()
	n := start(t, Config{})
	n.ok("PUT", "/logs-a", `{"mappings":{"properties":{"@timestamp":{"type":"date"},"level":{"type":"keyword"},"message":{"type":"text"}}}}`)
	n.ok("PUT", "/logs-a/_doc/1?refresh=true", `{"@timestamp":"2024-01-15T10:30:00.123456Z","level":"INFO","message":"Event processed"}`)
	head := `{"ignore_unavailable":true,"index":"logs-*","search_type":"query_then_fetch"}` + "\n"
	filter := `"query":{"bool":{"filter":[{"range":{"@timestamp":{"format":"epoch_millis","gte":1705312800000,"lte":1705316400000}}},{"query_string":{"analyze_wildcard":true,"query":"level:INFO AND \"event processed\""}}]}}`
	body := head + `{"docvalue_fields":["@timestamp"],"fields":[{"field":"@timestamp","format":"strict_date_optional_time_nanos"}],"highlight":{"fields":{"*":{}},"fragment_size":2147483647,"post_tags":["@/HIGHLIGHT@"],"pre_tags":["@HIGHLIGHT@"]},` + filter + `,"script_fields":{},"size":500,"sort":{"@timestamp":{"order":"desc","unmapped_type":"boolean"},"_doc":{"order":"desc"}}}` + "\n" +
		head + `{"aggs":{"3":{"aggs":{"2":{"aggs":{"1":{"percentiles":{"field":"n","percents":["50","95"]}}},"date_histogram":{"extended_bounds":{"max":1705316400000,"min":1705312800000},"field":"@timestamp","fixed_interval":"60000ms","format":"epoch_millis","min_doc_count":0}}},"terms":{"field":"level","min_doc_count":1,"order":{"_key":"desc"},"size":500}}},` + filter + `,"size":0}` + "\n"
	res := n.ok("POST", "/_msearch?max_concurrent_shard_requests=5", body)
	hit := at(t, res, "responses", 0, "hits", "hits", 0)
	require.Equal(t, []any{"@HIGHLIGHT@Event processed@/HIGHLIGHT@"}, at(t, hit, "highlight", "message"))
	require.Equal(t, []any{"2024-01-15T10:30:00.123Z"}, at(t, hit, "fields", "@timestamp"))
	require.Len(t, at(t, hit, "sort"), 2)
	buckets := at(t, res, "responses", 1, "aggregations", "3", "buckets", 0, "2", "buckets")
	require.Len(t, buckets, 61)
	require.Equal(t, "1705312800000", at(t, buckets, 0, "key_as_string"))
	require.EqualValues(t, 1, at(t, buckets, 30, "doc_count"))
	n.ok("GET", "/_cluster/health?wait_for_status=yellow", "")
}

// TestLifecycle lets an injected clock carry an index through the stack's own policy.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	var shift atomic.Int64
	n := start(t, Config{Now: func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }})
	n.ok("PUT", "/_ilm/policy/application-logs", readStack(t, "ilm-policy.json"))
	n.ok("PUT", "/_index_template/application-logs", readStack(t, "index-template.json"))
	n.ok("PUT", "/logs-storage-2024.01.15/_doc/1", `{"message":"x"}`)
	phase := func() any {
		status, raw := n.do("GET", "/logs-storage-2024.01.15/_ilm/explain", "")
		if status == 404 {
			return "gone"
		}
		require.Equal(t, 200, status, raw)
		m, _ := at(t, n.ok("GET", "/logs-storage-2024.01.15/_ilm/explain", ""), "indices", "logs-storage-2024.01.15").(map[string]any)
		return m["phase"]
	}
	wait := func(want string) {
		t.Helper()
		require.Eventually(t, func() bool { return phase() == want }, time.Minute, 50*time.Millisecond, want)
	}
	wait("hot")
	shift.Store(int64(49 * time.Hour))
	wait("warm")
	require.Eventually(t, func() bool {
		status, _ := n.do("PUT", "/logs-storage-2024.01.15/_doc/2", `{"message":"x"}`)
		return status == 403
	}, time.Minute, 50*time.Millisecond, "read only when warm")
	shift.Store(int64(31 * 24 * time.Hour))
	require.Eventually(t, func() bool { s, _ := n.do("HEAD", "/logs-storage-2024.01.15", ""); return s == 404 }, time.Minute, 50*time.Millisecond, "deleted after 30 days")
}
