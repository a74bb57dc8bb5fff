package search

import (
	"container/heap"
	"context"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/query"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// Target is an index that is searched.
type Target struct {
	Index, UUID string
	Mapping     *mapping.Mapping
	Snapshot    *engine.Snapshot
	// Filters are the filters of the aliases through which the index is searched; any of them lets a document pass.
	Filters []*xcontent.Value
	// DefaultField is index.query.default_field.
	DefaultField []string
	// MaxWindow is index.max_result_window.
	MaxWindow int
	Shards    int
	// Scope is the nested path whose documents the target stands for; empty at the root.
	Scope string
	outer *Target
}

// Hit is one found document.
type Hit struct {
	target *Target
	view   *engine.View
	doc    int
	keys   []sortKey
	score  float64
	order  int
	sorts  []any
}

// Result is what a search found.
type Result struct {
	Total      int
	TotalExact bool
	MaxScore   *float64
	Hits       []*Hit
	Aggs       map[string]any

	scored bool
	marks  map[*Target][]query.Mark
}

// Aggregator takes the matching documents of every segment, one call after the other.
type Aggregator interface {
	Collect(target *Target, node query.Node, v *engine.View, docs query.Bits) error
}

// unit is one segment of one target.
type unit struct {
	t     *Target
	v     *engine.View
	node  query.Node
	post  query.Node
	order int
	sorts []sorter
	after []sortKey
	bits  query.Bits
	heap  hitHeap
	total int
	best  float64
}

// Build makes a target's query ready: the request's query and the filters of aliases.
func (r *Request) Build(t *Target, now time.Time) (node, post query.Node, err error) {
	c := &query.Context{Index: t.Index, Mapping: t.Mapping, Now: now, DefaultField: t.DefaultField}
	if t.Snapshot != nil {
		c.Views = t.Snapshot.Views
	}
	if node, err = query.Build(r.Query, c); err != nil {
		return nil, nil, err
	}
	if r.Q != nil {
		q, err := query.QueryString(r.Q.Query, r.Q.Field, r.Q.And, r.Q.Lenient, c)
		if err != nil {
			return nil, nil, err
		}
		if node = q; r.Query != nil {
			node = query.And(node, q)
		}
	}
	if len(t.Filters) > 0 {
		var any []query.Node
		for _, f := range t.Filters {
			n, err := query.Build(f, c)
			if err != nil {
				return nil, nil, err
			}
			any = append(any, n)
		}
		node = query.Filtered(node, any)
	}
	if r.PostFilter != nil {
		post, err = query.Build(r.PostFilter, c)
	}
	return node, post, err
}

// Run searches the targets. agg may be nil.
func (r *Request) Run(ctx context.Context, targets []*Target, now time.Time, agg Aggregator) (*Result, error) {
	out := &Result{marks: map[*Target][]query.Mark{}}
	out.scored = len(r.Sort) == 0 || r.TrackScores
	for _, s := range r.Sort {
		out.scored = out.scored || s.Field == "_score"
	}
	if len(r.Sort) == 1 && r.Sort[0].Field == "_score" {
		r.Sort = nil
	}
	var units []*unit
	order := 0
	for _, t := range targets {
		if limit := t.MaxWindow; r.From+r.Size > limit && limit > 0 {
			return nil, ShardFail(t.Index, "Result window is too large, from + size must be less than or equal to: [%d] but was [%d]. See the scroll api for a more efficient way to request large data sets. This limit can be set by changing the [index.max_result_window] index level setting.", limit, r.From+r.Size)
		}
		node, post, err := r.Build(t, now)
		if err != nil {
			return nil, err
		}
		node.Terms(func(m query.Mark) { out.marks[t] = append(out.marks[t], m) })
		for _, v := range t.Snapshot.Views {
			sorts, err := r.sorters(t, targets, order)
			if err != nil {
				return nil, err
			}
			u := &unit{t: t, v: v, node: node, post: post, order: order, sorts: sorts}
			if err := u.setAfter(r); err != nil {
				return nil, err
			}
			units = append(units, u)
			order += v.Docs()
		}
		if len(t.Snapshot.Views) == 0 {
			if _, err := r.sorters(t, targets, order); err != nil {
				return nil, err
			}
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(runtime.GOMAXPROCS(0), 1))
	for _, u := range units {
		g.Go(func() error {
			if err := gctx.Err(); err != nil {
				return err
			}
			u.run(r, out.scored)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	top := hitHeap{sorts: r.Sort}
	for _, u := range units {
		out.Total += u.total
		for _, h := range u.heap.hits {
			top.offer(h, r.From+r.Size)
		}
		if agg != nil {
			if err := agg.Collect(u.t, u.node, u.v, u.bits); err != nil {
				return nil, err
			}
		}
		if out.scored && u.total > 0 && (out.MaxScore == nil || u.best > *out.MaxScore) {
			best := u.best
			out.MaxScore = &best
		}
	}
	hits := make([]*Hit, len(top.hits))
	for i := len(hits) - 1; i >= 0; i-- {
		hits[i] = heap.Pop(&top).(*Hit)
	}
	out.Hits = hits[min(r.From, len(hits)):]
	if len(r.Sort) > 0 && !r.TrackScores || r.Size == 0 {
		out.MaxScore = nil
	}
	for _, h := range out.Hits {
		for _, u := range units {
			if u.v == h.view {
				for i := range r.Sort {
					h.sorts = append(h.sorts, u.sorts[i].output(h.keys[i]))
				}
				break
			}
		}
	}
	return out, nil
}

func (u *unit) setAfter(r *Request) error {
	if r.SearchAfter == nil {
		return nil
	}
	if len(r.Sort) == 0 {
		return ShardFail(u.t.Index, "Sort must contain at least one field.")
	}
	if len(r.SearchAfter) != len(r.Sort) {
		return ShardFail(u.t.Index, "search_after has %d value(s) but sort has %d.", len(r.SearchAfter), len(r.Sort))
	}
	for i, v := range r.SearchAfter {
		k, err := u.sorts[i].after(v, u.t.Index)
		if err != nil {
			return err
		}
		u.after = append(u.after, k)
	}
	return nil
}

// run finds one segment's hits.
func (u *unit) run(r *Request, scored bool) {
	u.bits = query.Matches(u.node, u.v)
	hits := u.bits
	if u.post != nil {
		hits = append(query.Bits(nil), u.bits...)
		hits.And(u.post.Match(u.v))
	}
	u.heap.sorts = r.Sort
	want := r.From + r.Size
	var scorer query.Scorer
	if scored && want > 0 || r.MinScore != nil {
		scorer = u.node.Scorer(u.v)
	}
	if r.MinScore == nil {
		u.total = hits.Count()
		if want == 0 {
			return
		}
	}
	score := 0.0
	scoreOf := func(int) float64 { return score }
	keys := make([]func(int) sortKey, len(u.sorts))
	for i := range u.sorts {
		keys[i] = u.sorts[i].key(u.v, scoreOf)
	}
	row := make([]sortKey, len(keys))
	hits.Each(func(doc int) {
		if scorer != nil {
			score = scorer.Score(doc)
		}
		if r.MinScore != nil {
			if score < *r.MinScore {
				hits[doc>>6] &^= 1 << (doc & 63)
				return
			}
			u.total++
		}
		u.best = max(u.best, score)
		for i, k := range keys {
			row[i] = k(doc)
		}
		if u.after != nil && compareKeys(r.Sort, row, u.after) <= 0 {
			return
		}
		h := Hit{keys: row, score: score, order: u.order + doc}
		if len(u.heap.hits) >= want && !u.heap.before(&h, u.heap.hits[0]) {
			return
		}
		u.heap.offer(&Hit{target: u.t, view: u.v, doc: doc, keys: append([]sortKey(nil), row...), score: score, order: u.order + doc}, want)
	})
}

func compareKeys(sorts []SortField, a, b []sortKey) int {
	for i := range sorts {
		if c := sorts[i].compare(a[i], b[i]); c != 0 {
			return c
		}
	}
	return 0
}

// hitHeap keeps the best hits, the worst on top.
type hitHeap struct {
	sorts []SortField
	hits  []*Hit
}

// before says whether a comes before b in the result.
func (h *hitHeap) before(a, b *Hit) bool {
	if len(h.sorts) > 0 {
		if c := compareKeys(h.sorts, a.keys, b.keys); c != 0 {
			return c < 0
		}
	} else if a.score != b.score {
		return a.score > b.score
	}
	return a.order < b.order
}

func (h *hitHeap) offer(x *Hit, limit int) {
	switch {
	case len(h.hits) < limit:
		heap.Push(h, x)
	case limit > 0 && h.before(x, h.hits[0]):
		h.hits[0] = x
		heap.Fix(h, 0)
	}
}

func (h *hitHeap) Len() int           { return len(h.hits) }
func (h *hitHeap) Less(i, j int) bool { return h.before(h.hits[j], h.hits[i]) }
func (h *hitHeap) Swap(i, j int)      { h.hits[i], h.hits[j] = h.hits[j], h.hits[i] }
func (h *hitHeap) Push(x any)         { h.hits = append(h.hits, x.(*Hit)) }
func (h *hitHeap) Pop() any {
	x := h.hits[len(h.hits)-1]
	h.hits = h.hits[:len(h.hits)-1]
	return x
}
