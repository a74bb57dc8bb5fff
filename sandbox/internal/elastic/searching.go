package elastic

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"obsandbox/sandbox/internal/elastic/aggs"
	"obsandbox/sandbox/internal/elastic/cluster"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/search"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

const searchParams = expandParams + sourceParamNames + "q df default_operator lenient analyzer analyze_wildcard from size sort track_total_hits track_scores " +
	"search_type preference routing request_cache batched_reduce_size max_concurrent_shard_requests pre_filter_shard_size allow_partial_search_results " +
	"rest_total_hits_as_int typed_keys terminate_after timeout ccs_minimize_roundtrips ignore_throttled version seq_no_primary_term scroll " +
	"stored_fields docvalue_fields explain index include_named_queries_score force_synthetic_source"

func (s *server) searchRoutes() {
	s.on("GET,POST /_search", searchParams, (*request).search)
	s.on("GET,POST /{index}/_search", searchParams, (*request).search)
	s.on("GET,POST /_msearch", searchParams+" max_concurrent_searches", (*request).msearch)
	s.on("GET,POST /{index}/_msearch", searchParams+" max_concurrent_searches", (*request).msearch)
	count := expandParams + "q df default_operator lenient analyzer analyze_wildcard min_score preference routing terminate_after ignore_throttled"
	s.on("GET,POST /_count", count, (*request).count)
	s.on("GET,POST /{index}/_count", count, (*request).count)
	s.on("GET,POST /{index}/_explain/{id}", "", func(*request) (any, error) { return nil, eserr.Unsupported("API [_explain]") })
	validate := expandParams + "q df default_operator lenient analyzer analyze_wildcard explain rewrite all_shards"
	s.on("GET,POST /_validate/query", validate, (*request).validate)
	s.on("GET,POST /{index}/_validate/query", validate, (*request).validate)
	s.on("POST /{index}/_pit", expandParams+"keep_alive preference routing allow_partial_search_results max_concurrent_shard_requests", (*request).openPIT)
	s.on("DELETE /_pit", "", (*request).closePIT)
	s.on("GET,POST /_search/scroll", "scroll scroll_id rest_total_hits_as_int", (*request).scroll)
	s.on("DELETE /_search/scroll", "scroll_id", (*request).clearScroll)
	s.on("DELETE /_search/scroll/{scroll_id}", "", (*request).clearScroll)
	byQuery := searchParams + " conflicts refresh wait_for_completion wait_for_active_shards max_docs slices requests_per_second scroll_size search_timeout"
	s.on("POST /{index}/_delete_by_query", byQuery, (*request).deleteByQuery)
	s.on("POST /{index}/_update_by_query", byQuery+" pipeline", (*request).updateByQuery)
}

// searchOptions are how names in searches are taken.
func (r *request) searchOptions() (cluster.Options, error) {
	return r.expand(cluster.Options{Open: true, AllowNone: true, ForbidClosed: true})
}

// targets are the indices of an expression with their snapshots; release them after use.
func (s *server) targets(expression string, o cluster.Options) ([]*search.Target, func(), error) {
	list, err := s.c.Resolve(expression, o)
	if err != nil {
		return nil, nil, err
	}
	var out []*search.Target
	for _, res := range list {
		idx := res.Index
		if idx.State().Closed {
			continue
		}
		t := &search.Target{Index: idx.Name, UUID: idx.UUID, Mapping: idx.Shard.Mapping(), Snapshot: idx.Shard.Snapshot(),
			DefaultField: idx.DefaultField(), MaxWindow: idx.MaxWindow(), Shards: idx.Shards()}
		idx.Shard.Searches.Add(1)
		for _, f := range res.Filters {
			v, err := xcontent.Parse(f)
			if err != nil {
				return nil, nil, err
			}
			t.Filters = append(t.Filters, v)
		}
		out = append(out, t)
	}
	return out, func() { release(out) }, nil
}

func release(targets []*search.Target) {
	for _, t := range targets {
		t.Snapshot.Release()
	}
}

// urlRequest lays what the URL says over a body.
func (r *request) urlRequest(body *xcontent.Value) (*search.Request, error) {
	req, err := search.ParseRequest(body)
	if err != nil {
		return nil, err
	}
	if req.From, err = r.number("from", req.From); err != nil {
		return nil, err
	}
	if req.Size, err = r.number("size", req.Size); err != nil {
		return nil, err
	}
	if req.Size < 0 {
		return nil, eserr.Illegal("[size] parameter cannot be negative, found [%d]", req.Size)
	}
	if req.From < 0 {
		return nil, eserr.Illegal("[from] parameter cannot be negative but was [%d]", req.From)
	}
	if q := r.q.Get("q"); q != "" {
		req.Q = &search.StringQuery{Query: q, Field: r.q.Get("df"), And: strings.EqualFold(r.q.Get("default_operator"), "and"), Lenient: r.q.Get("lenient") == "true"}
	}
	if v := r.q.Get("sort"); v != "" {
		if req.Sort, err = search.URLSort(v); err != nil {
			return nil, err
		}
	}
	f, err := r.sourceParams()
	if err != nil {
		return nil, err
	}
	if f != nil {
		req.Source = *f
	}
	if v := r.q.Get("track_total_hits"); v != "" {
		if err := req.SetTrackTotal(&xcontent.Value{Kind: xcontent.String, Str: v}); err != nil {
			return nil, err
		}
	}
	for name, to := range map[string]*bool{"track_scores": &req.TrackScores, "version": &req.Version, "seq_no_primary_term": &req.SeqNo} {
		if *to, err = r.flag(name, *to); err != nil {
			return nil, err
		}
	}
	if v := r.q.Get("docvalue_fields"); v != "" {
		for _, name := range strings.Split(v, ",") {
			req.DocValues = append(req.DocValues, search.FieldSpec{Field: name})
		}
	}
	for _, name := range []string{"explain", "analyzer", "terminate_after"} {
		if v := r.q.Get(name); v != "" && v != "false" && v != "0" {
			return nil, eserr.Unsupported("parameter [%s]", name)
		}
	}
	if t := r.q.Get("search_type"); t != "" && t != "query_then_fetch" && t != "dfs_query_then_fetch" {
		return nil, eserr.Illegal("No search type for [%s]", t)
	}
	return req, nil
}

func (r *request) search() (any, error) {
	body, err := r.json()
	if err != nil {
		return nil, err
	}
	req, err := r.urlRequest(body)
	if err != nil {
		return nil, err
	}
	if r.q.Has("scroll") {
		return r.startScroll(req)
	}
	o, err := r.searchOptions()
	if err != nil {
		return nil, err
	}
	return r.s.search(r, r.vars["index"], o, req)
}

// search runs a request over an expression, or over its point in time.
func (s *server) search(r *request, expression string, o cluster.Options, req *search.Request) (map[string]any, error) {
	begin := time.Now()
	var targets []*search.Target
	if req.PIT != "" {
		if expression != "" {
			return nil, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: [indices] cannot be used with point in time. Do not specify any index with point in time.;")
		}
		held, err := s.readers.get(req.PIT, req.PITKeepAlive)
		if err != nil {
			return nil, err
		}
		defer held.done()
		targets = held.targets
		if len(req.Sort) > 0 {
			req.AddShardDoc()
		}
	} else {
		var done func()
		var err error
		if targets, done, err = s.targets(expression, o); err != nil {
			return nil, err
		}
		defer done()
	}
	out, _, err := s.execute(r, targets, req, begin)
	return out, err
}

// execute searches targets and prints the answer. Indices that the request does not fit are failed shards of an answer
// from the others; where it fits none, their error is the answer.
func (s *server) execute(r *request, targets []*search.Target, req *search.Request, begin time.Time) (map[string]any, *search.Result, error) {
	out, res, err := s.executeAll(r, targets, req, begin)
	if partial, _ := r.flag("allow_partial_search_results", true); err == nil || !partial || len(targets) < 2 || eserr.From(err).Type != "search_phase_execution_exception" || strings.Contains(eserr.From(err).Root[0].Type, "too_many") {
		return out, res, err
	}
	var fit []*search.Target
	failures, failed := []any{}, 0
	for _, t := range targets {
		_, _, alone := s.executeAll(r, []*search.Target{t}, req, begin)
		if alone == nil {
			fit = append(fit, t)
			continue
		}
		list, _ := eserr.From(alone).Extra["failed_shards"].([]any)
		failures = append(failures, list...)
		failed += t.Shards
	}
	if len(fit) == 0 || failed == 0 {
		return nil, nil, err
	}
	if out, res, err = s.executeAll(r, fit, req, begin); err != nil {
		return nil, nil, err
	}
	shards, _ := out["_shards"].(map[string]any)
	total, _ := shards["total"].(int)
	shards["total"], shards["failed"], shards["failures"] = total+failed, failed, failures
	return out, res, nil
}

func (s *server) executeAll(r *request, targets []*search.Target, req *search.Request, begin time.Time) (map[string]any, *search.Result, error) {
	now := s.c.Now()
	first := ""
	if len(targets) > 0 {
		first = targets[0].Index
	}
	var agg search.Aggregator
	var tree *aggs.Tree
	if req.Aggs != nil {
		var err error
		if tree, err = aggs.Parse(req.Aggs, aggs.Env{Targets: targets, Now: now, Request: req}); err != nil {
			return nil, nil, search.Phase(first, err)
		}
		agg = tree
	}
	if len(targets) == 0 {
		// Without an index to ask, at least the request's form is checked.
		if _, _, err := req.Build(search.EmptyTarget(), now); err != nil && eserr.From(err).Type == "parsing_exception" {
			return nil, nil, err
		}
	}
	res, err := req.Run(r.ctx, targets, now, agg)
	if err != nil {
		return nil, nil, search.Phase(first, err)
	}
	hits, err := req.HitJSON(res)
	if err != nil {
		return nil, nil, search.Phase(first, err)
	}
	shards := 0
	for _, t := range targets {
		shards += t.Shards
	}
	h := map[string]any{"hits": hits, "max_score": nil}
	if res.MaxScore != nil {
		h["max_score"] = float32(*res.MaxScore)
	}
	if req.TrackTotal != 0 {
		value, relation := res.Total, "eq"
		if req.TrackTotal > 0 && value > req.TrackTotal {
			value, relation = req.TrackTotal, "gte"
		}
		h["total"] = map[string]any{"value": value, "relation": relation}
		if asInt, _ := r.flag("rest_total_hits_as_int", false); asInt {
			h["total"] = res.Total
		}
	}
	out := map[string]any{"took": time.Since(begin).Milliseconds(), "timed_out": false, "hits": h,
		"_shards": map[string]any{"total": shards, "successful": shards, "skipped": 0, "failed": 0}}
	if tree != nil {
		typed, _ := r.flag("typed_keys", false)
		if out["aggregations"], err = tree.Result(typed); err != nil {
			return nil, nil, search.Phase(first, err)
		}
	}
	if req.PIT != "" {
		out["pit_id"] = req.PIT
	}
	return out, res, nil
}

func (r *request) msearch() (any, error) {
	begin := time.Now()
	if len(bytes.TrimSpace(r.body)) == 0 {
		return nil, eserr.New(400, "parse_exception", "request body is required")
	}
	if r.body[len(r.body)-1] != '\n' {
		return nil, eserr.Illegal("The msearch request must be terminated by a newline [\\n]")
	}
	lines := bytes.Split(bytes.TrimSuffix(r.body, []byte{'\n'}), []byte{'\n'})
	responses := []any{}
	for i := 0; i < len(lines); i++ {
		head := lines[i]
		if len(bytes.TrimSpace(head)) == 0 && i+1 >= len(lines) {
			break
		}
		if i++; i >= len(lines) {
			return nil, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: no requests added;")
		}
		out, err := r.one(head, lines[i])
		if err != nil {
			e := eserr.From(err)
			if e.Type == "malformed_header" {
				return nil, eserr.Illegal("%s", e.Reason)
			}
			responses = append(responses, e.Body())
			continue
		}
		out["status"] = 200
		responses = append(responses, out)
	}
	if len(responses) == 0 {
		return nil, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: no requests added;")
	}
	return map[string]any{"took": time.Since(begin).Milliseconds(), "responses": responses}, nil
}

// one is one search of a multi search.
func (r *request) one(head, line []byte) (map[string]any, error) {
	header, err := xcontent.Parse(head)
	if err != nil {
		return nil, eserr.New(400, "malformed_header", "%s", eserr.From(err).Reason)
	}
	o, err := r.searchOptions()
	if err != nil {
		return nil, err
	}
	expression := r.vars["index"]
	if header != nil {
		for _, m := range header.Members {
			switch m.Key {
			case "index", "indices":
				names, err := m.Value.Strings()
				if err != nil {
					return nil, err
				}
				expression = strings.Join(names, ",")
			case "ignore_unavailable":
				o.IgnoreMissing, err = m.Value.Bool()
			case "allow_no_indices":
				o.AllowNone, err = m.Value.Bool()
			case "expand_wildcards":
				var list []string
				list, err = m.Value.Strings()
				o.Open, o.Closed, o.Hidden = false, false, false
				for _, w := range list {
					for _, w := range strings.Split(w, ",") {
						o.Open, o.Closed, o.Hidden = o.Open || w == "open" || w == "all", o.Closed || w == "closed" || w == "all", o.Hidden || w == "hidden" || w == "all"
					}
				}
			case "search_type", "preference", "request_cache", "allow_partial_search_results", "ccs_minimize_roundtrips", "max_concurrent_shard_requests", "ignore_throttled":
			case "routing":
				err = eserr.Unsupported("multi search parameter [routing]")
			default:
				return nil, eserr.New(400, "malformed_header", "key [%s] is not supported in the metadata section", m.Key)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	body, err := xcontent.Parse(line)
	if err != nil {
		return nil, err
	}
	req, err := search.ParseRequest(body)
	if err != nil {
		return nil, err
	}
	return r.s.search(r, expression, o, req)
}

func (r *request) count() (any, error) {
	body, err := r.json()
	if err != nil {
		return nil, err
	}
	if body != nil {
		for _, m := range body.Members {
			if m.Key != "query" {
				line, col := m.Value.Pos()
				return nil, eserr.Parsing(line, col, "request does not support [%s]", m.Key)
			}
		}
	}
	req, err := r.urlRequest(body)
	if err != nil {
		return nil, err
	}
	req.Size, req.TrackTotal = 0, -1
	if v := r.q.Get("min_score"); v != "" {
		f, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return nil, eserr.Illegal("Failed to parse float parameter [min_score] with value [%s]", v)
		}
		req.MinScore = &f
	}
	o, err := r.searchOptions()
	if err != nil {
		return nil, err
	}
	out, err := r.s.search(r, r.vars["index"], o, req)
	if err != nil {
		return nil, err
	}
	total := out["hits"].(map[string]any)["total"].(map[string]any)["value"]
	return map[string]any{"count": total, "_shards": out["_shards"]}, nil
}

func (r *request) validate() (any, error) {
	body, err := r.json()
	if err != nil {
		return nil, err
	}
	req, err := r.urlRequest(body)
	if err != nil {
		return nil, err
	}
	o, err := r.searchOptions()
	if err != nil {
		return nil, err
	}
	targets, done, err := r.s.targets(r.vars["index"], o)
	if err != nil {
		return nil, err
	}
	defer done()
	out := map[string]any{"valid": true, "_shards": map[string]any{"total": 1, "successful": 1, "failed": 0}}
	for _, t := range targets {
		if _, _, err := req.Build(t, r.s.c.Now()); err != nil {
			out["valid"] = false
			if explain, _ := r.flag("explain", false); explain {
				out["error"] = eserr.From(err).Error()
			}
			break
		}
	}
	return out, nil
}
