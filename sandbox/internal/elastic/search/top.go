package search

import (
	"container/heap"
	"slices"

	"obsandbox/sandbox/internal/elastic/dates"
	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/query"
)

// Top keeps the best hits of several buckets, for aggregations.
type Top struct {
	req     *Request
	targets []*Target
	result  *Result
	target  *Target
	view    *engine.View
	sorts   []sorter
	keys    []func(int) sortKey
	scorer  query.Scorer
	score   float64
	scored  int
	order   int
	buckets []*hitHeap
	totals  []int
	best    []float64
	bySort  map[*engine.View][]sorter
}

// NewTop keeps what a request asks for.
func NewTop(req *Request, targets []*Target) *Top {
	scored := len(req.Sort) == 0 || req.TrackScores
	for _, s := range req.Sort {
		scored = scored || s.Field == "_score"
	}
	if len(req.Sort) == 1 && req.Sort[0].Field == "_score" {
		req.Sort = nil
	}
	return &Top{req: req, targets: targets, result: &Result{scored: scored, marks: map[*Target][]query.Mark{}}, bySort: map[*engine.View][]sorter{}}
}

// Start prepares for a segment; base is the search's query, which scores.
func (t *Top) Start(target *Target, v *engine.View, base query.Node) error {
	if t.view != nil {
		t.order += t.view.Docs()
	}
	sorts, err := t.req.sorters(target, t.targets, t.order)
	if err != nil {
		return err
	}
	t.target, t.view, t.sorts, t.scorer, t.scored = target, v, sorts, nil, -1
	t.bySort[v] = sorts
	if t.result.marks[target] == nil {
		base.Terms(func(m query.Mark) { t.result.marks[target] = append(t.result.marks[target], m) })
	}
	if t.result.scored {
		t.scorer = base.Scorer(v)
	}
	t.keys = t.keys[:0]
	for i := range t.sorts {
		t.keys = append(t.keys, t.sorts[i].key(v, func(int) float64 { return t.score }))
	}
	return nil
}

// Offer gives a document of the segment to a bucket.
func (t *Top) Offer(doc, bucket int) {
	for bucket >= len(t.buckets) {
		t.buckets = append(t.buckets, &hitHeap{sorts: t.req.Sort})
		t.totals, t.best = append(t.totals, 0), append(t.best, 0)
	}
	if t.scorer != nil && t.scored != doc {
		t.score, t.scored = t.scorer.Score(doc), doc
	}
	t.totals[bucket]++
	t.best[bucket] = max(t.best[bucket], t.score)
	h := &Hit{target: t.target, view: t.view, doc: doc, score: t.score, order: t.order + doc}
	for _, k := range t.keys {
		h.keys = append(h.keys, k(doc))
	}
	t.buckets[bucket].offer(h, t.req.From+t.req.Size)
}

// Hits are a bucket's hits in order.
func (t *Top) Hits(bucket int) []*Hit {
	if bucket < 0 || bucket >= len(t.buckets) {
		return nil
	}
	h := &hitHeap{sorts: t.req.Sort, hits: slices.Clone(t.buckets[bucket].hits)}
	hits := make([]*Hit, len(h.hits))
	for i := len(hits) - 1; i >= 0; i-- {
		hits[i] = heap.Pop(h).(*Hit)
	}
	for _, hit := range hits {
		if len(hit.sorts) == 0 {
			for i := range hit.keys {
				hit.sorts = append(hit.sorts, t.bySort[hit.view][i].output(hit.keys[i]))
			}
		}
	}
	return hits[min(t.req.From, len(hits)):]
}

// JSON is a bucket's "hits".
func (t *Top) JSON(bucket int) (map[string]any, error) {
	hits := t.Hits(bucket)
	printed, err := t.req.print(hits, t.result)
	if err != nil {
		return nil, err
	}
	out := map[string]any{"hits": printed, "max_score": nil, "total": map[string]any{"value": 0, "relation": "eq"}}
	if bucket >= 0 && bucket < len(t.totals) {
		out["total"] = map[string]any{"value": t.totals[bucket], "relation": "eq"}
		if t.result.scored {
			out["max_score"] = float32(t.best[bucket])
		}
	}
	return out, nil
}

// Mapping is the mapping of the hit's index.
func (h *Hit) Mapping() *mapping.Mapping { return h.target.Mapping }

// Values are a field's values in the hit.
func (h *Hit) Values(f *mapping.Field, format *dates.Format) []any {
	return Values(f, h.view, h.doc, format)
}

// Sorts are the hit's sort values.
func (h *Hit) Sorts() []any { return h.sorts }
