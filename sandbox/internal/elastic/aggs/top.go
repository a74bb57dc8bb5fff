package aggs

import (
	"math"

	"obsandbox/sandbox/internal/elastic/dates"
	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/query"
	"obsandbox/sandbox/internal/elastic/search"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// topHits is top_hits: the best documents of each bucket.
type topHits struct {
	e   *env
	req *search.Request
	top *search.Top
}

func parseTopHits(e *env, name string, body *xcontent.Value, _ *level) (collector, error) {
	clean := &xcontent.Value{Kind: xcontent.Object}
	size := false
	for _, m := range body.Members {
		switch m.Key {
		case "from", "size", "sort", "_source", "fields", "docvalue_fields", "highlight", "version", "seq_no_primary_term", "track_scores", "stored_fields":
			size = size || m.Key == "size"
			clean.Members = append(clean.Members, m)
		case "explain", "script_fields":
			return nil, eserr.Unsupported("aggregation [%s] of type [top_hits]: parameter [%s]", name, m.Key)
		default:
			line, col := m.Value.Pos()
			return nil, eserr.Parsing(line, col, "Unknown key for a %s in [%s]: [%s].", m.Value.Describe(), name, m.Key)
		}
	}
	req, err := search.ParseRequest(clean)
	if err != nil {
		return nil, err
	}
	if !size {
		req.Size = 3
	}
	return &topHits{e: e, req: req, top: search.NewTop(req, e.Targets)}, nil
}

func (t *topHits) start(target *search.Target, v *engine.View, base query.Node) error {
	return t.top.Start(target, v, base)
}

func (t *topHits) collect(doc, bucket int) { t.top.Offer(doc, bucket) }

func (t *topHits) result(bucket int) *Result {
	obj, err := t.top.JSON(bucket)
	if err != nil && t.e.err == nil {
		t.e.err = err
	}
	return &Result{typ: "top_hits", fields: map[string]any{"hits": obj}}
}

// topMetrics is top_metrics: values of the best documents of each bucket.
type topMetrics struct {
	e      *env
	top    *search.Top
	fields []string
	sort   string
}

func parseTopMetrics(e *env, name string, body *xcontent.Value, _ *level) (collector, error) {
	t := &topMetrics{e: e}
	req := search.NewRequest()
	req.Size = 1
	clean := &xcontent.Value{Kind: xcontent.Object}
	err := members("top_metrics", body, func(key string, v *xcontent.Value) (bool, error) {
		switch key {
		case "metrics":
			items := []*xcontent.Value{v}
			if v.Is(xcontent.Array) {
				items = v.Items
			}
			for _, item := range items {
				t.fields = append(t.fields, item.Get("field").Text())
			}
		case "sort", "size":
			clean.Members = append(clean.Members, xcontent.Member{Key: key, Value: v})
		default:
			return false, nil
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	parsed, err := search.ParseRequest(clean)
	if err != nil {
		return nil, err
	}
	if len(parsed.Sort) != 1 {
		return nil, eserr.Illegal("[top_metrics] requires exactly one [sort] in [%s]", name)
	}
	if len(t.fields) == 0 {
		return nil, eserr.Illegal("Required [metrics] in [%s]", name)
	}
	req.Sort, t.sort = parsed.Sort, parsed.Sort[0].Field
	if clean.Has("size") {
		req.Size = parsed.Size
	}
	if req.Size < 1 || req.Size > 10 {
		return nil, eserr.Illegal("[top_metrics.size] must not be more than [10] but was [%d]. This limit can be set by changing the [index.top_metrics_max_size] index level setting.", req.Size)
	}
	t.top = search.NewTop(req, e.Targets)
	return t, nil
}

func (t *topMetrics) start(target *search.Target, v *engine.View, base query.Node) error {
	return t.top.Start(target, v, base)
}

func (t *topMetrics) collect(doc, bucket int) { t.top.Offer(doc, bucket) }

func (t *topMetrics) result(bucket int) *Result {
	top := []any{}
	first := map[string]float64{}
	for i, h := range t.top.Hits(bucket) {
		values := map[string]any{}
		for _, name := range t.fields {
			values[name] = nil
			f := h.Mapping().Field(name)
			if f == nil || !f.Aggregatable() {
				continue
			}
			format := f.Format
			if format == nil {
				format = dates.MustCompile(dates.Default)
			}
			list := h.Values(f, format)
			if len(list) == 0 {
				continue
			}
			values[name] = list[0]
			if f.Kind == mapping.Float {
				if x, ok := list[0].(float64); ok {
					values[name] = jsonFloat(x)
				}
			}
			if i == 0 {
				first[name] = toFloat(list[0])
			}
		}
		sorts := h.Sorts()
		// Unlike a search's, these sort values are printed in the field's format.
		if f := h.Mapping().Field(t.sort); f != nil && f.IsDate() && len(sorts) == 1 {
			if v, ok := sorts[0].(int64); ok {
				sorts = []any{f.Format.Print(f.Time(v))}
			}
		}
		top = append(top, map[string]any{"sort": sorts, "metrics": values})
	}
	return &Result{typ: "top_metrics", fields: map[string]any{"top": top}, value: func(name string) (float64, bool) { v, ok := first[name]; return v, ok }}
}

func toFloat(v any) float64 {
	switch x := v.(type) {
	case int64:
		return float64(x)
	case float64:
		return x
	case uint64:
		return float64(x)
	}
	return math.NaN()
}
