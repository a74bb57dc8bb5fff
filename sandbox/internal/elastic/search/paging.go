package search

import (
	"strings"

	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// URLSort reads the sort parameter: "field:desc,other".
func URLSort(text string) ([]SortField, error) {
	var out []SortField
	for _, part := range strings.Split(text, ",") {
		name, order, has := part, "", false
		if i := strings.LastIndexByte(part, ':'); i >= 0 {
			name, order, has = part[:i], part[i+1:], true
		}
		f := newSortField(name)
		if has {
			if err := f.order(order); err != nil {
				return nil, err
			}
		}
		out = append(out, f)
	}
	return out, nil
}

// AddShardDoc adds the tie-breaker that Elasticsearch adds to sorted searches of a point in time.
func (r *Request) AddShardDoc() {
	for _, s := range r.Sort {
		if s.Field == "_shard_doc" {
			return
		}
	}
	r.Sort = append(r.Sort, SortField{Field: "_shard_doc"})
	// A search_after taken from fewer keys continues after the last of its documents.
	if r.SearchAfter != nil && len(r.SearchAfter) == len(r.Sort)-1 {
		r.SearchAfter = append(r.SearchAfter[:len(r.SearchAfter):len(r.SearchAfter)], &xcontent.Value{Kind: xcontent.Number, Str: "9223372036854775807"})
	}
}

// ForScroll makes the order of hits complete, so that the next page can follow the last hit.
func (r *Request) ForScroll() {
	r.ShardDoc = len(r.Sort) == 0
	if r.ShardDoc {
		r.Sort = []SortField{{Field: "_score", Desc: true}}
		r.TrackScores = true
	}
	r.Sort = append(r.Sort, SortField{Field: "_shard_doc"})
}

// HidesSort says that the request named no sort itself.
func (r *Request) HidesSort() bool { return r.ShardDoc }

// After are the hit's sort values as search_after takes them.
func (h *Hit) After() ([]*xcontent.Value, error) {
	var out []*xcontent.Value
	for _, s := range h.sorts {
		v, err := xcontent.FromAny(s)
		if err != nil {
			return nil, eserr.Illegal("%s", err)
		}
		out = append(out, v)
	}
	return out, nil
}

// EmptyTarget is an index without anything, to check requests against.
func EmptyTarget() *Target {
	return &Target{Mapping: mapping.Empty(mapping.Limits{})}
}
