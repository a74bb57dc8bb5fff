// Package search reads search requests and runs them over the snapshots of indices: finding, sorting, aggregating and
// fetching hits with their sources, fields and highlights.
package search

import (
	"net/http"
	"strings"
	"time"

	"obsandbox/sandbox/internal/elastic/dates"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// Request is a search request's body.
type Request struct {
	Query, PostFilter *xcontent.Value
	From, Size        int
	Sort              []SortField
	SearchAfter       []*xcontent.Value
	Source            SourceFilter
	Fields            []FieldSpec
	DocValues         []FieldSpec
	Highlight         *Highlight
	Aggs              *xcontent.Value
	// TrackTotal is up to how many hits are counted exactly; -1 is all of them, 0 none.
	TrackTotal   int
	TrackScores  bool
	MinScore     *float64
	Version      bool
	SeqNo        bool
	PIT          string
	PITKeepAlive time.Duration
	// NoStored is stored_fields: _none_, which leaves out ids and sources.
	NoStored bool
	// Q is the query of the q parameter.
	Q *StringQuery
	// ShardDoc adds Elasticsearch's tie-breaker of point in time searches.
	ShardDoc bool
}

// StringQuery is a query given in a URL.
type StringQuery struct {
	Query, Field string
	And, Lenient bool
}

// FieldSpec is an entry of fields or docvalue_fields.
type FieldSpec struct {
	Field, Format   string
	IncludeUnmapped bool
}

// defaultTotal is up to how many hits Elasticsearch counts unless told otherwise.
const defaultTotal = 10_000

// NewRequest is an empty request with Elasticsearch's defaults.
func NewRequest() *Request { return &Request{Size: 10, TrackTotal: defaultTotal} }

// ParseRequest reads a body; nil is the empty one.
func ParseRequest(body *xcontent.Value) (*Request, error) {
	r := NewRequest()
	if body == nil {
		return r, nil
	}
	if !body.Is(xcontent.Object) {
		line, col := body.Pos()
		return nil, eserr.Parsing(line, col, "Expected [START_OBJECT] but found [%s]", body.Describe())
	}
	for _, m := range body.Members {
		if err := r.set(m.Key, m.Value); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *Request) set(key string, v *xcontent.Value) (err error) {
	count := func(to *int, what string) error {
		n, err := v.Int()
		if err == nil && n < 0 && !(what == "size" && n == -1) {
			err = eserr.Illegal("[%s] parameter cannot be negative, found [%d]", what, n)
		}
		*to = int(n)
		return err
	}
	switch key {
	case "query":
		r.Query = v
	case "post_filter":
		r.PostFilter = v
	case "from":
		return count(&r.From, "from")
	case "size":
		return count(&r.Size, "size")
	case "sort":
		r.Sort, err = parseSort(v)
	case "search_after":
		if !v.Is(xcontent.Array) {
			line, col := v.Pos()
			return eserr.Parsing(line, col, "Expected [START_ARRAY] in [search_after] but found [%s]", v.Describe())
		}
		r.SearchAfter = v.Items
	case "_source":
		r.Source, err = ParseSource(v)
	case "fields":
		r.Fields, err = parseFieldSpecs(v)
	case "docvalue_fields":
		r.DocValues, err = parseFieldSpecs(v)
	case "highlight":
		r.Highlight, err = parseHighlight(v)
	case "aggs", "aggregations":
		r.Aggs = v
	case "track_total_hits":
		return r.SetTrackTotal(v)
	case "track_scores":
		r.TrackScores, err = v.Bool()
	case "min_score":
		f, ferr := v.Float()
		r.MinScore, err = &f, ferr
	case "terminate_after":
		var n int
		if err := count(&n, "terminate_after"); err != nil || n == 0 {
			return err
		}
		return eserr.Unsupported("search parameter [terminate_after]")
	case "timeout":
		_, err = duration(v.Text())
	case "version":
		r.Version, err = v.Bool()
	case "seq_no_primary_term":
		r.SeqNo, err = v.Bool()
	case "stored_fields":
		names, serr := v.Strings()
		if serr != nil {
			return serr
		}
		for _, n := range names {
			switch n {
			case "_none_":
				r.NoStored = true
			case "*", "_source", "_id":
			default:
				return eserr.Unsupported("[stored_fields] of field [%s]", n)
			}
		}
	case "pit":
		for _, m := range v.Members {
			switch m.Key {
			case "id":
				r.PIT = m.Value.Text()
			case "keep_alive":
				r.PITKeepAlive, err = duration(m.Value.Text())
			default:
				line, col := m.Value.Pos()
				return eserr.XContent(line, col, "[pit] unknown field [%s]", m.Key)
			}
		}
		if err == nil && r.PIT == "" {
			line, col := v.Pos()
			return eserr.XContent(line, col, "Required [id]")
		}
	case "script_fields", "runtime_mappings", "indices_boost", "rescore", "suggest", "collapse", "slice", "ext", "knn", "rank", "retriever", "stats", "profile", "explain":
		empty := (v.Is(xcontent.Object) && len(v.Members) == 0) || v.Is(xcontent.Array) && len(v.Items) == 0 || v.Is(xcontent.False) || v.Is(xcontent.Null)
		if !empty && key != "stats" {
			return eserr.Unsupported("search parameter [%s]", key)
		}
	default:
		line, col := v.Pos()
		return eserr.Parsing(line, col, "unknown key [%s] for a [%s].", key, v.Describe()).With("key", key)
	}
	return err
}

func duration(text string) (time.Duration, error) {
	d, err := dates.Duration(text)
	if err != nil {
		return 0, eserr.Illegal("%s", err)
	}
	return d, nil
}

// SetTrackTotal reads track_total_hits: a boolean or a number.
func (r *Request) SetTrackTotal(v *xcontent.Value) error {
	if on, err := v.Bool(); err == nil {
		if r.TrackTotal = 0; on {
			r.TrackTotal = -1
		}
		return nil
	}
	n, err := v.Int()
	if err != nil || n < -1 {
		return eserr.Illegal("[track_total_hits] parameter must be positive or equals to -1, got %s", v.Text())
	}
	r.TrackTotal = int(n)
	return nil
}

func parseFieldSpecs(v *xcontent.Value) ([]FieldSpec, error) {
	items := v.Items
	if v.Scalar() {
		items = []*xcontent.Value{v}
	}
	var out []FieldSpec
	for _, item := range items {
		if item.Scalar() {
			out = append(out, FieldSpec{Field: item.Text()})
			continue
		}
		var spec FieldSpec
		for _, m := range item.Members {
			switch m.Key {
			case "field":
				spec.Field = m.Value.Text()
			case "format":
				spec.Format = m.Value.Text()
			case "include_unmapped":
				on, err := m.Value.Bool()
				if err != nil {
					return nil, err
				}
				spec.IncludeUnmapped = on
			default:
				line, col := m.Value.Pos()
				return nil, eserr.XContent(line, col, "[field_and_format] unknown field [%s]", m.Key)
			}
		}
		if spec.Field == "" {
			line, col := item.Pos()
			return nil, eserr.XContent(line, col, "[field_and_format] Required [field]")
		}
		out = append(out, spec)
	}
	return out, nil
}

// Phase wraps what only the shards could tell into Elasticsearch's search_phase_execution_exception; other errors stay.
func Phase(index string, err error) error {
	e := eserr.From(err)
	if e.Type == "parsing_exception" || e.Type == "x_content_parse_exception" || strings.HasSuffix(e.Reason, "not supported by this store") ||
		e.Extra["index"] == nil && e.Type != "illegal_argument_exception" || e.Type == "illegal_argument_exception" && e.Extra["shard"] == nil && e.Extra["index"] == nil {
		return e
	}
	status := e.Code()
	if status >= http.StatusInternalServerError {
		return e
	}
	name := index
	if i, ok := e.Extra["index"].(string); ok && i != "" {
		name = i
	}
	out := eserr.New(status, "search_phase_execution_exception", "all shards failed").With("phase", "query").With("grouped", true)
	out.Root = []*eserr.Error{e}
	// Elasticsearch repeats the cause where it is no exception of a query.
	if e.Type == "illegal_argument_exception" {
		cause := &eserr.Error{Type: e.Type, Reason: e.Reason, Cause: e.Cause}
		if cause.Cause == nil {
			cause.Cause = &eserr.Error{Type: e.Type, Reason: e.Reason}
		}
		out.Cause = cause
	}
	out.Extra["failed_shards"] = []any{map[string]any{"shard": 0, "index": name, "node": "sandbox", "reason": e.Object()}}
	return out
}

// ShardFail is an illegal_argument_exception of an index's shard.
func ShardFail(index, format string, args ...any) *eserr.Error {
	return eserr.Illegal(format, args...).With("index", index)
}
