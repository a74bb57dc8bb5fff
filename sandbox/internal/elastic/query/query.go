// Package query reads Elasticsearch's query DSL and finds and scores what it matches, a segment at a time.
package query

import (
	"math/bits"
	"strings"
	"sync"
	"time"

	"obsandbox/sandbox/internal/elastic/analysis"
	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// Context is the index that a query runs against.
type Context struct {
	Index   string
	Mapping *mapping.Mapping
	Views   []*engine.View
	// Now is what "now" is in date math.
	Now time.Time
	// DefaultField is index.query.default_field; empty means every field.
	DefaultField []string
	// AllowExpensive false is not offered: every query runs.
	depth int
	// Scope is the nested path whose documents Views are; empty at the root.
	Scope string
	// mu guards stats: segments are scored side by side.
	mu    sync.Mutex
	stats map[statKey]stats
}

// Bits has a bit for every document of a segment.
type Bits []uint64

// Has says whether a document's bit is set.
func (b Bits) Has(doc int) bool { return b[doc>>6]&(1<<(doc&63)) != 0 }

func newBits(v *engine.View) Bits { return make(Bits, (v.Docs()+63)/64) }

func allBits(v *engine.View) Bits {
	b := newBits(v)
	for i := range v.Docs() / 64 {
		b[i] = ^uint64(0)
	}
	if r := v.Docs() % 64; r != 0 {
		b[len(b)-1] |= 1<<r - 1
	}
	return b
}

func (b Bits) and(o Bits) {
	for i, w := range o {
		b[i] &= w
	}
}

func (b Bits) or(o Bits) {
	for i, w := range o {
		b[i] |= w
	}
}

func (b Bits) andNot(o Bits) {
	for i, w := range o {
		b[i] &^= w
	}
}

func (b Bits) empty() bool {
	for _, w := range b {
		if w != 0 {
			return false
		}
	}
	return true
}

// Node is a query made ready for one index.
type Node interface {
	// Match are the documents of a segment that match, deleted ones included. The caller owns the bits.
	Match(v *engine.View) Bits
	// Scorer scores a segment's documents, asked for in ascending order; nil scores nothing.
	Scorer(v *engine.View) Scorer
	// Terms tells what a highlighter should mark.
	Terms(add func(Mark))
}

// Scorer gives a matching document's score; 0 for a document that this part of a query does not match.
type Scorer interface {
	Score(doc int) float64
}

// Mark is what a query looks for in a field: a term, a phrase of terms or whatever Match takes.
type Mark struct {
	Field *mapping.Field
	// Phrase are terms that belong together; one term is a phrase of one.
	Phrase []string
	// Slop is how far the phrase's terms may be from their places.
	Slop int
	// Match, where set, is asked for each term instead.
	Match func(term string) bool
}

// Matches are the living documents of a segment that match.
func Matches(n Node, v *engine.View) Bits {
	b := n.Match(v)
	if v.Deleted != nil {
		b.andNot(v.Deleted)
	}
	return b
}

// maxDepth is Elasticsearch's limit of nested queries.
const maxDepth = 30

// Build makes a query ready for an index. What is wrong with the request itself is a parsing_exception or
// illegal_argument_exception; what does not fit the index's fields is a query_shard_exception.
func Build(q *xcontent.Value, c *Context) (Node, error) {
	if q == nil {
		return allNode{boost: 1}, nil
	}
	line, col := q.Pos()
	if !q.Is(xcontent.Object) {
		return nil, eserr.Parsing(line, col, "[_na] query malformed, must start with start_object")
	}
	if len(q.Members) == 0 {
		return nil, eserr.Illegal("query malformed, empty clause found at [%d:%d]", line, col)
	}
	if len(q.Members) > 1 {
		l, cc := q.Members[1].Value.Pos()
		return nil, eserr.Parsing(l, cc, "[%s] malformed query, expected [END_OBJECT] but found [FIELD_NAME]", q.Members[0].Key)
	}
	c.depth++
	defer func() { c.depth-- }()
	if c.depth > maxDepth {
		return nil, eserr.Illegal("The nested depth of the query exceeds the maximum nested depth for queries set in [indices.query.bool.max_nested_depth]")
	}
	name, body := q.Members[0].Key, q.Members[0].Value
	build := builders(name)
	if build == nil {
		if strings.Contains(unsupported, " "+name+" ") {
			return nil, eserr.Unsupported("query [%s]", name)
		}
		return nil, eserr.Parsing(line, col, "unknown query [%s]", name).
			CausedBy(eserr.New(400, "named_object_not_found_exception", "[%d:%d] unknown field [%s]", line, col, name))
	}
	if name == "ids" && c.Scope != "" {
		return nil, idsInside(c)
	}
	if !body.Is(xcontent.Object) {
		l, cc := body.Pos()
		return nil, eserr.Parsing(l, cc, "[%s] query malformed, no start_object after query name", name)
	}
	return build(body, c)
}

type builder func(*xcontent.Value, *Context) (Node, error)

// unsupported are Elasticsearch's queries that this store has not.
const unsupported = " has_child has_parent parent_id geo_bounding_box geo_distance geo_polygon geo_shape geo_grid shape script " +
	"script_score function_score percolate pinned rank_feature distance_feature more_like_this intervals span_term span_near span_or " +
	"span_not span_first span_containing span_within span_multi span_field_masking field_masking_span terms_set wrapper combined_fields knn " +
	"sparse_vector semantic text_expansion weighted_tokens rule common match_bool_prefix "

func builders(name string) builder {
	switch name {
	case "match_all":
		return buildAll
	case "match_none":
		return buildNone
	case "bool":
		return buildBool
	case "constant_score":
		return buildConstant
	case "dis_max":
		return buildDisMax
	case "boosting":
		return buildBoosting
	case "term":
		return buildTerm
	case "terms":
		return buildTerms
	case "range":
		return buildRange
	case "exists":
		return buildExists
	case "ids":
		return buildIDs
	case "prefix":
		return buildPrefix
	case "wildcard":
		return buildWildcard
	case "regexp":
		return buildRegexp
	case "fuzzy":
		return buildFuzzy
	case "match":
		return buildMatch
	case "match_phrase":
		return buildPhrase
	case "match_phrase_prefix":
		return buildPhrasePrefix
	case "multi_match":
		return buildMultiMatch
	case "query_string":
		return buildQueryString
	case "nested":
		return buildNested
	case "simple_query_string":
		return buildSimpleQueryString
	}
	return nil
}

// shardFail is an error that only an index can tell.
func shardFail(c *Context, format string, args ...any) *eserr.Error {
	return eserr.New(400, "query_shard_exception", "failed to create query: "+format, args...).
		With("index", c.Index).With("index_uuid", "_na_").CausedBy(eserr.Illegal(format, args...))
}

// fieldBody reads {"field": value | {"param": …}}, the form of most leaf queries.
func fieldBody(query string, body *xcontent.Value) (field string, value *xcontent.Value, err error) {
	line, col := body.Pos()
	var at *xcontent.Member
	for i, m := range body.Members {
		if m.Key == "_name" || m.Key == "boost" && query != "term" {
			continue
		}
		if at != nil {
			l, c := m.Value.Pos()
			return "", nil, eserr.Parsing(l, c, "[%s] query doesn't support multiple fields, found [%s] and [%s]", query, at.Key, m.Key)
		}
		at = &body.Members[i]
	}
	if at == nil {
		return "", nil, eserr.Parsing(line, col, "[%s] query malformed, no field name", query)
	}
	return at.Key, at.Value, nil
}

// params walks the members of a query's object; an unknown one is Elasticsearch's error.
func params(query string, body *xcontent.Value, set func(key string, v *xcontent.Value) (known bool, err error)) error {
	for _, m := range body.Members {
		known, err := set(m.Key, m.Value)
		if err != nil {
			return err
		}
		if !known {
			line, col := m.Value.Pos()
			return eserr.Parsing(line, col, "[%s] query does not support [%s]", query, m.Key)
		}
	}
	return nil
}

// analyzer is a built-in analyzer by name, for a query that names one.
func analyzer(name string) (analysis.Analyzer, error) {
	if a := analysis.Builtin(name); a != nil {
		return a, nil
	}
	return nil, eserr.Illegal("[match] analyzer [%s] not found", name)
}

// And keeps what is in both.
func (b Bits) And(o Bits) { b.and(o) }

// Count is the number of documents.
func (b Bits) Count() int {
	n := 0
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// Each calls fn for every document in order.
func (b Bits) Each(fn func(doc int)) {
	for i, w := range b {
		for ; w != 0; w &= w - 1 {
			fn(i<<6 + bits.TrailingZeros64(w))
		}
	}
}

// And is a query that both have to match.
func And(a, b Node) Node { return &boolNode{must: []Node{a, b}, boost: 1} }

// Filtered is a query whose matches must also match one of the filters.
func Filtered(n Node, any []Node) Node {
	return &boolNode{must: []Node{n}, filter: []Node{&boolNode{should: any, minShould: 1, boost: 1}}, boost: 1}
}
