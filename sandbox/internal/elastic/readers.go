package elastic

import (
	"sync"
	"time"

	"obsandbox/sandbox/internal/elastic/cluster"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/search"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// readers keep snapshots between requests: points in time and scrolls.
type readers struct {
	now  func() time.Time
	mu   sync.Mutex
	held map[string]*reader
}

// reader is a set of snapshots that stays as it is until it is closed or forgotten.
type reader struct {
	targets []*search.Target
	expires time.Time
	keep    time.Duration
	// using counts the requests that read it; closed lets the last one release it.
	using  int
	closed bool
	all    *readers

	// A scroll remembers its request and where it is.
	scroll *search.Request
	after  []*xcontent.Value
	served int
}

// maxReaders is search.max_open_scroll_context's default.
const maxReaders = 500

func (rs *readers) init(now func() time.Time) {
	rs.now, rs.held = now, map[string]*reader{}
}

// sweep closes what is older than it was to be kept; rs.mu is held.
func (rs *readers) sweep() {
	for id, r := range rs.held {
		if rs.now().After(r.expires) && r.using == 0 {
			delete(rs.held, id)
			r.closed = true
			release(r.targets)
		}
	}
}

func (rs *readers) open(r *reader) (string, error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.sweep()
	if len(rs.held) >= maxReaders {
		return "", eserr.New(429, "too_many_scroll_contexts_exception", "Trying to create too many scroll contexts. Must be less than or equal to: [%d].", maxReaders)
	}
	id := cluster.NewUUID() + cluster.NewUUID()
	r.expires, r.all = rs.now().Add(r.keep), rs
	rs.held[id] = r
	return id, nil
}

// get is an open reader, kept for longer where keep > 0. The caller calls done.
func (rs *readers) get(id string, keep time.Duration) (*reader, error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.sweep()
	r := rs.held[id]
	if r == nil {
		missing := eserr.New(404, "search_context_missing_exception", "No search context found for id [%s]", id)
		e := eserr.New(404, "search_phase_execution_exception", "all shards failed").With("phase", "query").With("grouped", true)
		e.Root = []*eserr.Error{missing}
		e.Extra["failed_shards"] = []any{map[string]any{"shard": -1, "index": nil, "reason": missing.Object()}}
		return nil, e
	}
	if keep > 0 {
		r.keep = keep
	}
	r.expires = rs.now().Add(r.keep)
	r.using++
	return r, nil
}

func (r *reader) done() {
	r.all.mu.Lock()
	defer r.all.mu.Unlock()
	if r.using--; r.using == 0 && r.closed {
		release(r.targets)
	}
}

// close forgets a reader and says whether it was there.
func (rs *readers) close(id string) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r := rs.held[id]
	if r == nil {
		return false
	}
	delete(rs.held, id)
	r.closed = true
	if r.using == 0 {
		release(r.targets)
	}
	return true
}

func (rs *readers) closeAll() int {
	rs.mu.Lock()
	ids := make([]string, 0, len(rs.held))
	for id := range rs.held {
		ids = append(ids, id)
	}
	rs.mu.Unlock()
	n := 0
	for _, id := range ids {
		if rs.close(id) {
			n++
		}
	}
	return n
}

func (r *request) openPIT() (any, error) {
	keep, err := r.duration("keep_alive", 0)
	if err != nil {
		return nil, err
	}
	if keep <= 0 {
		return nil, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: [keep_alive] is not specified;")
	}
	o, err := r.searchOptions()
	if err != nil {
		return nil, err
	}
	targets, _, err := r.s.targets(r.vars["index"], o)
	if err != nil {
		return nil, err
	}
	id, err := r.s.readers.open(&reader{targets: targets, keep: keep})
	if err != nil {
		release(targets)
		return nil, err
	}
	n := len(targets)
	return map[string]any{"id": id, "_shards": map[string]any{"total": n, "successful": n, "skipped": 0, "failed": 0}}, nil
}

func (r *request) closePIT() (any, error) {
	body, err := r.json()
	if err != nil {
		return nil, err
	}
	id := body.Get("id").Text()
	if id == "" {
		return nil, eserr.Illegal("point in time [id] is required")
	}
	if !r.s.readers.close(id) {
		return reply{status: 404, body: map[string]any{"succeeded": true, "num_freed": 0}}, nil
	}
	return map[string]any{"succeeded": true, "num_freed": 1}, nil
}

func (r *request) startScroll(req *search.Request) (any, error) {
	keep, err := r.duration("scroll", 0)
	if err != nil {
		return nil, err
	}
	switch {
	case keep <= 0:
		return nil, eserr.Illegal("[scroll] must be positive")
	case req.From > 0:
		return nil, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: using [from] is not allowed in a scroll context;")
	case req.Size == 0:
		return nil, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: [size] cannot be [0] in a scroll context;")
	}
	o, err := r.searchOptions()
	if err != nil {
		return nil, err
	}
	targets, _, err := r.s.targets(r.vars["index"], o)
	if err != nil {
		return nil, err
	}
	req.TrackTotal = -1
	req.ForScroll()
	held := &reader{targets: targets, keep: keep, scroll: req}
	id, err := r.s.readers.open(held)
	if err != nil {
		release(targets)
		return nil, err
	}
	out, err := r.page(id, 0)
	if err != nil {
		r.s.readers.close(id)
		return nil, err
	}
	return out, nil
}

// page is the next page of a scroll.
func (r *request) page(id string, keep time.Duration) (any, error) {
	begin := time.Now()
	held, err := r.s.readers.get(id, keep)
	if err != nil {
		return nil, err
	}
	defer held.done()
	if held.scroll == nil {
		return nil, eserr.Illegal("Cannot parse scroll id")
	}
	req := *held.scroll
	req.SearchAfter = held.after
	if held.served > 0 {
		req.Aggs = nil
	}
	out, res, err := r.s.execute(r, held.targets, &req, begin)
	if err != nil {
		return nil, err
	}
	hits := out["hits"].(map[string]any)["hits"].([]map[string]any)
	if n := len(res.Hits); n > 0 {
		if held.after, err = res.Hits[n-1].After(); err != nil {
			return nil, err
		}
	}
	if held.scroll.HidesSort() {
		for _, h := range hits {
			delete(h, "sort")
		}
	}
	held.served++
	out["_scroll_id"] = id
	return out, nil
}

func (r *request) scroll() (any, error) {
	body, err := r.json()
	if err != nil {
		return nil, err
	}
	id, keep := r.q.Get("scroll_id"), r.q.Get("scroll")
	if body != nil {
		for _, m := range body.Members {
			switch m.Key {
			case "scroll_id":
				id = m.Value.Text()
			case "scroll":
				keep = m.Value.Text()
			default:
				line, col := m.Value.Pos()
				return nil, eserr.Parsing(line, col, "Unknown parameter [%s] in request body or parameter is of the wrong type[%s]", m.Key, m.Value.Describe())
			}
		}
	}
	if id == "" {
		return nil, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: scrollId is missing;")
	}
	var d time.Duration
	if keep != "" {
		r.q.Set("scroll", keep)
		if d, err = r.duration("scroll", 0); err != nil {
			return nil, err
		}
	}
	return r.page(id, d)
}

func (r *request) clearScroll() (any, error) {
	var ids []string
	for _, v := range []string{r.vars["scroll_id"], r.q.Get("scroll_id")} {
		if v != "" {
			ids = append(ids, v)
		}
	}
	body, err := r.json()
	if err != nil {
		return nil, err
	}
	if v := body.Get("scroll_id"); v != nil {
		more, err := v.Strings()
		if err != nil {
			return nil, err
		}
		ids = append(ids, more...)
	}
	freed := 0
	for _, id := range ids {
		if id == "_all" {
			freed += r.s.readers.closeAll()
		} else if r.s.readers.close(id) {
			freed++
		}
	}
	status := 200
	if freed == 0 && len(ids) > 0 {
		status = 404
	}
	return reply{status: status, body: map[string]any{"succeeded": true, "num_freed": freed}}, nil
}
