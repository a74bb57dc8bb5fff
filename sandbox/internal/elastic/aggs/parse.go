// Package aggs reads Elasticsearch's aggregations and computes them: buckets and metrics while the documents pass, a
// segment at a time, pipelines over the finished buckets.
package aggs

import (
	"strings"
	"time"

	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/query"
	"obsandbox/sandbox/internal/elastic/search"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// Env is what aggregations are computed over.
type Env struct {
	Targets []*search.Target
	Now     time.Time
	Request *search.Request
}

// collector computes one aggregation. Documents come in order, segment after segment; bucket is the bucket of the
// parent that the document falls into, from 0 without gaps.
type collector interface {
	// start prepares for a segment's documents.
	start(t *search.Target, v *engine.View, base query.Node) error
	collect(doc, bucket int)
	// result is what came out for a bucket; -1 is a bucket that no document fell into.
	result(bucket int) *Result
}

// node is an aggregation of a request with its children.
type node struct {
	name string
	typ  string
	collector
	subs *level
	meta any
}

// level are the aggregations side by side.
type level struct {
	nodes     []*node
	pipelines []*pipeline
}

// Tree is a request's aggregations.
type Tree struct {
	env *env
	top *level
}

// env is Env with what all aggregations of a request share.
type env struct {
	Env
	base    query.Node // of the documents at the root
	nesting int        // nested aggregations around the one that is read
	buckets int
	err     error
}

// maxBuckets is search.max_buckets' default.
const maxBuckets = 65_536

// bucket counts a new bucket; too many end the request.
func (e *env) bucket() {
	if e.buckets++; e.buckets == maxBuckets+1 {
		e.err = eserr.New(400, "too_many_buckets_exception", "Trying to create too many buckets. Must be less than or equal to: [%d] but this number of buckets was exceeded. This limit can be set by changing the [search.max_buckets] cluster level setting.", maxBuckets).
			With("max_buckets", maxBuckets).With("index", e.first())
	}
}

func (e *env) first() string {
	if len(e.Targets) > 0 {
		return e.Targets[0].Index
	}
	return "_na_"
}

// Parse reads a request's aggregations.
func Parse(v *xcontent.Value, in Env) (*Tree, error) {
	e := &env{Env: in}
	top, err := e.level(v, "")
	if err != nil {
		return nil, err
	}
	for _, p := range top.pipelines {
		if p.parent {
			return nil, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: %s aggregation [%s] must be declared inside of another aggregation;", p.typ, p.name)
		}
	}
	return &Tree{env: e, top: top}, nil
}

// Collect takes a segment's matching documents.
func (t *Tree) Collect(target *search.Target, base query.Node, v *engine.View, docs query.Bits) error {
	t.env.base = base
	if err := t.top.start(target, v, base); err != nil {
		return err
	}
	nodes := t.top.nodes
	if len(nodes) == 1 {
		c := nodes[0].collector
		docs.Each(func(doc int) { c.collect(doc, 0) })
	} else {
		docs.Each(func(doc int) {
			for _, n := range nodes {
				n.collect(doc, 0)
			}
		})
	}
	return t.env.err
}

func (l *level) start(t *search.Target, v *engine.View, base query.Node) error {
	if l == nil {
		return nil
	}
	for _, n := range l.nodes {
		if err := n.start(t, v, base); err != nil {
			return err
		}
	}
	return nil
}

func (l *level) collect(doc, bucket int) {
	for _, n := range l.nodes {
		n.collect(doc, bucket)
	}
}

// results are the results of all aggregations of a level for a bucket, pipelines included.
func (l *level) results(bucket int) map[string]*Result {
	out := map[string]*Result{}
	if l == nil {
		return out
	}
	for _, n := range l.nodes {
		r := n.result(bucket)
		r.meta = n.meta
		out[n.name] = r
	}
	return out
}

// Result is the answer's aggregations; typed puts their types before their names.
func (t *Tree) Result(typed bool) (map[string]any, error) {
	res := t.top.results(0)
	if err := t.top.finish(res); err != nil {
		return nil, err
	}
	if t.env.err != nil {
		return nil, t.env.err
	}
	return render(res, typed), nil
}

// parser reads an aggregation's own parameters.
type parser func(e *env, name string, body *xcontent.Value, subs *level) (collector, error)

// unsupported are Elasticsearch's aggregations that this store has not.
const unsupported = " geohash_grid geotile_grid geohex_grid geo_distance geo_bounds geo_centroid geo_line children parent sampler diversified_sampler " +
	"random_sampler significant_terms significant_text rare_terms composite auto_date_histogram variable_width_histogram ip_range ip_prefix adjacency_matrix multi_terms " +
	"categorize_text frequent_item_sets time_series scripted_metric string_stats matrix_stats boxplot t_test cartesian_bounds cartesian_centroid " +
	"cumulative_cardinality normalize inference bucket_correlation bucket_count_ks_test change_point moving_percentiles date_range_histogram "

func parsers(typ string) parser {
	switch typ {
	case "terms":
		return parseTerms
	case "date_histogram":
		return parseDateHistogram
	case "histogram":
		return parseHistogram
	case "range", "date_range":
		return parseRange(typ)
	case "filter":
		return parseFilter
	case "filters":
		return parseFilters
	case "missing":
		return parseMissing
	case "global":
		return parseGlobal
	case "nested":
		return parseNested
	case "reverse_nested":
		return parseReverseNested
	case "avg", "min", "max", "sum", "value_count", "stats", "extended_stats":
		return parseStats(typ)
	case "weighted_avg":
		return parseWeighted
	case "percentiles", "percentile_ranks", "median_absolute_deviation":
		return parsePercentiles(typ)
	case "cardinality":
		return parseCardinality
	case "rate":
		return parseRate
	case "top_hits":
		return parseTopHits
	case "top_metrics":
		return parseTopMetrics
	}
	return nil
}

// metric says whether an aggregation takes no children.
func metric(typ string) bool {
	return strings.Contains(" avg min max sum value_count stats extended_stats weighted_avg percentiles percentile_ranks median_absolute_deviation cardinality rate top_hits top_metrics ", " "+typ+" ")
}

// level reads {"name": {"type": {…}, "aggs": {…}}, …}.
func (e *env) level(v *xcontent.Value, parent string) (*level, error) {
	if v == nil {
		return nil, nil
	}
	if !v.Is(xcontent.Object) {
		line, col := v.Pos()
		return nil, eserr.Parsing(line, col, "Expected [START_OBJECT] under [aggs], but got a [%s]", v.Describe())
	}
	l := &level{}
	for _, m := range v.Members {
		line, col := m.Value.Pos()
		if strings.ContainsAny(m.Key, "[]>") {
			return nil, eserr.Parsing(line, col, "Invalid aggregation name [%s]. Aggregation names can contain any character except '[', ']', and '>'", m.Key)
		}
		if !m.Value.Is(xcontent.Object) {
			return nil, eserr.Parsing(line, col, "Aggregation definition for [%s starts with a [%s], expected a [START_OBJECT].", m.Key, m.Value.Describe())
		}
		var typ string
		var body, subs *xcontent.Value
		var meta any
		for _, p := range m.Value.Members {
			l, c := p.Value.Pos()
			switch p.Key {
			case "aggs", "aggregations":
				if subs != nil {
					return nil, eserr.Parsing(l, c, "Found two sub aggregation definitions under [%s]", m.Key)
				}
				subs = p.Value
			case "meta":
				meta = p.Value.Any()
			default:
				if typ != "" {
					return nil, eserr.Parsing(l, c, "Found two aggregation type definitions in [%s]: [%s] and [%s]", m.Key, typ, p.Key)
				}
				if typ, body = p.Key, p.Value; !body.Is(xcontent.Object) {
					return nil, eserr.Parsing(l, c, "Expected [START_OBJECT] under [%s], but got a [%s] in [%s]", typ, body.Describe(), m.Key)
				}
			}
		}
		if typ == "" {
			return nil, eserr.Parsing(line, col, "Missing definition for aggregation [%s]", m.Key)
		}
		if isPipeline(typ) {
			p, err := parsePipeline(typ, m.Key, body)
			if err != nil {
				return nil, err
			}
			if subs != nil {
				return nil, eserr.Illegal("Aggregation [%s] cannot define sub-aggregations", m.Key)
			}
			p.meta = meta
			l.pipelines = append(l.pipelines, p)
			continue
		}
		parse := parsers(typ)
		if parse == nil {
			if strings.Contains(unsupported, " "+typ+" ") {
				return nil, eserr.Unsupported("aggregation [%s] of type [%s]", m.Key, typ)
			}
			return nil, eserr.Parsing(line, col, "Unknown aggregation type [%s]", typ).
				CausedBy(eserr.New(400, "named_object_not_found_exception", "[%d:%d] unknown field [%s]", line, col, typ))
		}
		if typ == "nested" {
			e.nesting++
		}
		children, err := e.level(subs, typ)
		if typ == "nested" {
			e.nesting--
		}
		if err != nil {
			return nil, err
		}
		if children != nil && metric(typ) {
			return nil, eserr.New(500, "aggregation_initialization_exception", "Aggregator [%s] of type [%s] cannot accept sub-aggregations", m.Key, typ).With("index", e.first())
		}
		c, err := parse(e, m.Key, body, children)
		if err != nil {
			return nil, err
		}
		if children != nil {
			for _, p := range children.pipelines {
				if p.parent && typ != "terms" && typ != "histogram" && typ != "date_histogram" && p.typ != "bucket_script" && p.typ != "bucket_selector" && p.typ != "bucket_sort" {
					return nil, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: %s aggregation [%s] must have a histogram, date_histogram or auto_date_histogram as parent;", p.typ, p.name)
				}
				if h, ok := c.(*histogram); ok && h.minCount != 0 && p.sequential() {
					return nil, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: parent histogram of %s aggregation [%s] must have min_doc_count of 0;", p.typ, p.name)
				}
				if typ == "terms" && p.sequential() {
					return nil, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: %s aggregation [%s] must have a histogram, date_histogram or auto_date_histogram as parent;", p.typ, p.name)
				}
			}
		}
		if _, ok := c.(*rateCollector); ok && parent != "date_histogram" {
			return nil, eserr.Illegal("The rate aggregation can only be used inside a date histogram aggregation or composite aggregation with one date histogram value source")
		}
		if dh, ok := c.(*histogram); ok && children != nil {
			for _, n := range children.nodes {
				if rate, ok := n.collector.(*rateCollector); ok {
					rate.parent = dh
				}
			}
		}
		l.nodes = append(l.nodes, &node{name: m.Key, typ: typ, collector: c, subs: children, meta: meta})
	}
	return l, nil
}

// members walks an aggregation's parameters; an unknown one is Elasticsearch's error.
func members(typ string, body *xcontent.Value, set func(key string, v *xcontent.Value) (known bool, err error)) error {
	for _, m := range body.Members {
		known, err := set(m.Key, m.Value)
		if err != nil {
			return err
		}
		if !known {
			line, col := m.Value.Pos()
			return eserr.XContent(line, col, "[%s] unknown field [%s]", typ, m.Key)
		}
	}
	return nil
}

// counts is a number a bucket.
type counts []int64

func (c *counts) add(bucket int, n int64) {
	for bucket >= len(*c) {
		*c = append(*c, 0)
	}
	(*c)[bucket] += n
}

func (c counts) get(bucket int) int64 {
	if bucket < 0 || bucket >= len(c) {
		return 0
	}
	return c[bucket]
}

// grown is s with room for index i.
func grown[T any](s []T, i int) []T {
	for i >= len(s) {
		var zero T
		s = append(s, zero)
	}
	return s
}
