package query

import (
	"math"
	"strconv"
	"strings"
	"time"

	"obsandbox/sandbox/internal/elastic/analysis"
	"obsandbox/sandbox/internal/elastic/dates"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/querystring"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// stringQuery is a query_string with its parameters.
type stringQuery struct {
	query    string
	fields   []fieldBoost
	and      bool
	lenient  bool
	wildcard bool
	leading  bool
	analyzer analysis.Analyzer
	msm      string
	slop     int
	tie      float64
	boost    float64
	zone     *time.Location
	phrase   bool
	c        *Context
}

func buildQueryString(body *xcontent.Value, c *Context) (Node, error) {
	q := &stringQuery{boost: 1, leading: true, c: c}
	var names []string
	explicitLenient := false
	err := params("query_string", body, func(key string, v *xcontent.Value) (known bool, err error) {
		switch key {
		case "query":
			q.query = v.Text()
		case "fields":
			names, err = v.Strings()
		case "default_field":
			names = []string{v.Text()}
		case "default_operator":
			q.and = strings.EqualFold(v.Text(), "and")
		case "lenient":
			q.lenient, err = v.Bool()
			explicitLenient = true
		case "analyze_wildcard":
			q.wildcard, err = v.Bool()
		case "allow_leading_wildcard":
			q.leading, err = v.Bool()
		case "analyzer":
			q.analyzer, err = analyzer(v.Text())
		case "quote_analyzer":
			_, err = analyzer(v.Text())
		case "minimum_should_match":
			q.msm = v.Text()
		case "phrase_slop":
			var n int64
			n, err = v.Int()
			q.slop = int(n)
		case "tie_breaker":
			q.tie, err = v.Float()
		case "time_zone":
			q.zone, err = dates.Zone(v.Text())
		case "type":
			switch v.Text() {
			case "best_fields", "most_fields":
			case "phrase":
				q.phrase = true
			default:
				err = eserr.Unsupported("query [query_string] of type [%s]", v.Text())
			}
		case "quote_field_suffix":
			if v.Text() != "" {
				err = eserr.Unsupported("query [query_string] parameter [quote_field_suffix]")
			}
		case "enable_position_increments", "escape", "fuzziness", "fuzzy_max_expansions", "fuzzy_prefix_length", "fuzzy_rewrite",
			"fuzzy_transpositions", "max_determinized_states", "rewrite", "auto_generate_synonyms_phrase_query":
			if key == "escape" {
				if on, _ := v.Bool(); on {
					err = eserr.Unsupported("query [query_string] parameter [escape]")
				}
			}
		default:
			return common(key, v, &q.boost)
		}
		return true, err
	})
	if err != nil {
		return nil, err
	}
	if !body.Has("query") {
		line, col := body.Pos()
		return nil, eserr.Parsing(line, col, "[query_string] must be provided with a [query]")
	}
	if q.fields, err = parseFields(names); err != nil {
		return nil, err
	}
	if len(names) == 0 && !explicitLenient && len(c.DefaultField) == 0 {
		q.lenient = true // Elasticsearch's rule for the field "*"
	}
	return q.build()
}

// QueryString is the node of a query in Lucene's syntax, as the q parameter of searches has it.
func QueryString(query, field string, and, lenient bool, c *Context) (Node, error) {
	q := &stringQuery{query: query, and: and, lenient: lenient || field == "", boost: 1, leading: true, c: c}
	if field != "" {
		q.fields = []fieldBoost{{field, 1}}
	}
	return q.build()
}

func (q *stringQuery) build() (Node, error) {
	tree, err := querystring.Parse(q.query, q.and)
	if err != nil {
		e := shardFail(q.c, "Failed to parse query [%s]", q.query)
		e.Reason = "Failed to parse query [" + q.query + "]"
		e.Cause = eserr.New(400, "parse_exception", "%s", err)
		return nil, e
	}
	n, err := q.node(tree)
	if err != nil {
		return nil, err
	}
	if q.boost != 1 {
		return &boolNode{must: []Node{n}, boost: q.boost}, nil
	}
	return n, nil
}

// present is what a lone star finds: documents with a value in one of the fields that are asked by default.
func (q *stringQuery) present(boost float64) Node {
	fields := q.fields
	if len(fields) == 0 {
		for _, name := range q.c.DefaultField {
			fields = append(fields, fieldBoost{name, 1})
		}
	}
	any := &maxNode{boost: 1}
	for _, f := range fields {
		if f.name == "*" {
			return allNode{boost}
		}
		any.queries = append(any.queries, existsOn(f.name, boost*f.boost, q.c))
	}
	if len(fields) == 0 {
		return allNode{boost}
	}
	return any
}

func (q *stringQuery) node(t *querystring.Node) (Node, error) {
	switch t.Kind {
	case querystring.All:
		return allNode{t.Boost}, nil
	case querystring.Exists:
		if t.Field == "" {
			return q.present(t.Boost), nil
		}
		return existsOn(t.Field, t.Boost, q.c), nil
	case querystring.Bool:
		if len(t.Clauses) == 0 {
			return noneNode{}, nil
		}
		n := &boolNode{boost: t.Boost}
		for _, clause := range t.Clauses {
			child, err := q.node(clause.Node)
			if err != nil {
				return nil, err
			}
			switch clause.Occur {
			case querystring.Must:
				n.must = append(n.must, child)
			case querystring.MustNot:
				n.not = append(n.not, child)
			default:
				n.should = append(n.should, child)
			}
		}
		if len(n.should) > 0 && len(n.must) == 0 {
			n.minShould = 1
		}
		if q.msm != "" {
			var err error
			if n.minShould, err = MinimumShouldMatch(q.msm, len(n.should)); err != nil {
				return nil, err
			}
		}
		return n, nil
	}
	if t.Kind == querystring.Term && !t.Wild && t.Fuzzy != "" {
		edits, err := editsOf(t.Fuzzy)
		if err != nil {
			return nil, shardFail(q.c, "%s", err) // even of lenient queries
		}
		word := *t
		word.Fuzzy = edits
		t = &word
	}
	fields, lenient := q.fields, q.lenient
	if t.Field != "" {
		fields = []fieldBoost{{t.Field, 1}}
	}
	expanded, wide := expandFields(fields, q.c)
	lenient = lenient || wide
	var nodes []Node
	for _, fb := range expanded {
		n, err := q.leaf(t, fb)
		if err != nil {
			if lenient {
				continue
			}
			return nil, err
		}
		nodes = append(nodes, n)
	}
	switch len(nodes) {
	case 0:
		return noneNode{}, nil
	case 1:
		return nodes[0], nil
	}
	return &maxNode{queries: nodes, tie: q.tie, boost: 1}, nil
}

// leaf is a word, phrase, range or expression in one field.
func (q *stringQuery) leaf(t *querystring.Node, fb fieldBoost) (Node, error) {
	boost := t.Boost * fb.boost
	f := q.c.Mapping.Field(fb.name)
	analyzed := f != nil && f.Kind == mapping.Text
	switch t.Kind {
	case querystring.Range:
		b := Bounds{Boost: boost, Zone: q.zone}
		set := func(text string, in, out **string) func(include bool) {
			return func(include bool) {
				switch {
				case text == "*":
				case include:
					*in = &text
				default:
					*out = &text
				}
			}
		}
		low, high := t.Low, t.High
		if analyzed {
			low, high = analysis.Lower(low), analysis.Lower(high)
		}
		set(low, &b.GTE, &b.GT)(t.IncludeLow)
		set(high, &b.LTE, &b.LT)(t.IncludeHigh)
		return rangeOn(fb.name, b, q.c)
	case querystring.Regexp:
		return regexpOn(fb.name, t.Text, boost, false, q.c)
	case querystring.Phrase:
		o := &matchOptions{query: t.Text, boost: boost, phrase: true, slop: t.Slop, analyzer: q.analyzer}
		if o.slop == 0 {
			o.slop = q.slop
		}
		return matchOn(fb.name, o, q.c)
	}
	switch {
	case t.Wild:
		if !q.leading && strings.HasPrefix(t.Text, "*") {
			return nil, eserr.Illegal("'*' or '?' not allowed as first character in WildcardQuery")
		}
		if f != nil && f.Numeric() {
			return nil, shardFail(q.c, "Can only use wildcard queries on keyword, text and wildcard fields - not on [%s] which is of type [%s]", fb.name, f.Type)
		}
		text := t.Text
		if analyzed {
			text = analysis.Lower(text)
		}
		return wildcardOn(fb.name, normalized(fb.name, text, q.c), boost, false, q.c)
	case t.Fuzzy != "":
		text := t.Text
		if analyzed {
			text = analysis.Lower(text)
		}
		return fuzzyOn(fb.name, text, t.Fuzzy, 0, true, boost, q.c)
	}
	o := &matchOptions{query: t.Text, boost: boost, analyzer: q.analyzer, and: q.and, phrase: q.phrase}
	return matchOn(fb.name, o, q.c)
}

// editsOf is the number of edits after a ~, or AUTO.
func editsOf(text string) (string, error) {
	n, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil:
		return text, nil
	case n != math.Trunc(n):
		return "", eserr.Reason("fuzziness needs to be one of 0.0, 1.0 or 2.0 but was %s", text)
	case n > 2:
		return "", eserr.Reason("Valid edit distances are [0, 1, 2] but was [%v]", n)
	}
	return strconv.Itoa(int(n)), nil
}

func buildSimpleQueryString(body *xcontent.Value, c *Context) (Node, error) {
	q := &stringQuery{boost: 1, leading: true, lenient: true, c: c}
	var names []string
	err := params("simple_query_string", body, func(key string, v *xcontent.Value) (known bool, err error) {
		switch key {
		case "query":
			q.query = v.Text()
		case "fields":
			names, err = v.Strings()
		case "default_operator":
			q.and = strings.EqualFold(v.Text(), "and")
		case "lenient":
			q.lenient, err = v.Bool()
		case "analyzer":
			q.analyzer, err = analyzer(v.Text())
		case "minimum_should_match":
			q.msm = v.Text()
		case "flags":
			if f := v.Text(); f != "ALL" && f != "" && f != "-1" {
				err = eserr.Unsupported("query [simple_query_string] with flags [%s]", f)
			}
		case "analyze_wildcard", "auto_generate_synonyms_phrase_query", "fuzzy_max_expansions", "fuzzy_prefix_length", "fuzzy_transpositions":
		case "quote_field_suffix":
			err = eserr.Unsupported("query [simple_query_string] parameter [quote_field_suffix]")
		default:
			return common(key, v, &q.boost)
		}
		return true, err
	})
	if err != nil {
		return nil, err
	}
	if !body.Has("query") {
		line, col := body.Pos()
		return nil, eserr.Parsing(line, col, "[simple_query_string] query text missing")
	}
	if q.fields, err = parseFields(names); err != nil {
		return nil, err
	}
	n, err := q.node(querystring.ParseSimple(q.query, q.and))
	if err != nil || q.boost == 1 {
		return n, err
	}
	return &boolNode{must: []Node{n}, boost: q.boost}, nil
}
