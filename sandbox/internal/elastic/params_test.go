package elastic

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestParameters sends every way of the API a parameter that it does not know, and those that it knows values that it
// does not act on: each is refused by name. No request that would do something else than asked gets through.
func TestParameters(t *testing.T) {
	t.Parallel()
	n := start(t, Config{})
	n.ok("PUT", "/a/_doc/1?refresh=true", `{"n":1}`)
	n.ok("PUT", "/b/_doc/1?refresh=true", `{"n":1}`)
	for _, way := range newServer(nil, nil, "").routes {
		path := ""
		for _, s := range way.segments {
			if s == "{index}" {
				s = "a"
			}
			if s != "" && s[0] == '{' {
				s = "x"
			}
			path += "/" + s
		}
		status, body := n.do(way.method, path+"?surely_unknown=1", "")
		require.Equal(t, http.StatusBadRequest, status, "%s %s", way.method, path)
		require.Contains(t, body, "contains unrecognized parameter: [surely_unknown]", "%s %s", way.method, path)
	}
	for _, c := range []struct{ method, path, body, what string }{
		{"PUT", "/a/_doc/2?routing=x", `{}`, "[routing]"},
		{"PUT", "/a/_doc/2?pipeline=x", `{}`, "[pipeline]"},
		{"PUT", "/a/_doc/2?wait_for_active_shards=2", `{}`, "[wait_for_active_shards]"},
		{"POST", "/a/_bulk?routing=x", `{"index":{}}` + "\n{}\n", "[routing]"},
		{"GET", "/a/_doc/1?realtime=false", "", "[realtime]"},
		{"GET", "/a/_doc/1?stored_fields=n", "", "[stored_fields]"},
		{"GET", "/a/_source/1?routing=x", "", "[routing]"},
		{"POST", "/a/_search?terminate_after=1", "", "[terminate_after]"},
		{"POST", "/a/_search?explain=true", "", "[explain]"},
		{"POST", "/a/_search", `{"terminate_after":1}`, "[terminate_after]"},
		{"POST", "/a/_delete_by_query?max_docs=1", `{"query":{"match_all":{}}}`, "[max_docs]"},
		{"POST", "/a/_delete_by_query?wait_for_completion=false", `{"query":{"match_all":{}}}`, "[wait_for_completion]"},
		{"POST", "/a/_forcemerge?wait_for_completion=false", "", "[wait_for_completion]"},
		{"PUT", "/a/_settings?reopen=true", `{"index":{"codec":"default"}}`, "[reopen]"},
		{"PUT", "/a/_mapping?write_index_only=true", `{"properties":{"k":{"type":"long"}}}`, "[write_index_only]"},
	} {
		status, body := n.do(c.method, c.path, c.body)
		require.Equal(t, http.StatusBadRequest, status, c.path)
		require.Contains(t, body, c.what, c.path)
		require.Contains(t, body, "not supported by this store", c.path)
	}
	status, body := n.do("DELETE", "/a/_doc/1?op_type=create", "")
	require.Equal(t, http.StatusBadRequest, status, body)
	require.EqualValues(t, 1, n.ok("GET", "/a/_count", "")["count"], "nothing of all that was done")
	// What is asked for in the query instead of the path counts too.
	res := n.ok("GET", "/_search?index=b", "")
	require.Equal(t, "b", at(t, res, "hits", "hits", 0, "_index"))
	require.EqualValues(t, 1, at(t, res, "hits", "total", "value"))
	res = n.ok("POST", "/_msearch?index=b", "{}\n{}\n")
	require.EqualValues(t, 1, at(t, res, "responses", 0, "hits", "total", "value"))
	n.ok("GET", "/_cluster/health?wait_for_nodes=%3E%3D1", "")
	status, body = n.do("GET", "/_cluster/health?wait_for_nodes=2", "")
	require.Equal(t, http.StatusRequestTimeout, status)
	require.Contains(t, body, `"timed_out":true`)
}
