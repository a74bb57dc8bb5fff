package query

import (
	"strings"

	"obsandbox/sandbox/internal/elastic/analysis"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// matchOptions are the parameters of match queries.
type matchOptions struct {
	query     string
	and       bool
	msm       string
	fuzziness string
	prefix    int
	slop      int
	analyzer  analysis.Analyzer
	lenient   bool
	zeroAll   bool
	boost     float64
	phrase    bool
	// last takes the last term as a prefix.
	last bool
}

func (o *matchOptions) set(kind string, key string, v *xcontent.Value) (known bool, err error) {
	phrase := kind == "match_phrase" || kind == "match_phrase_prefix"
	switch key {
	case "query":
		if !v.Scalar() {
			line, col := v.Pos()
			return true, eserr.Parsing(line, col, "[%s] unknown token [%s] after [query]", kind, v.Describe())
		}
		o.query = v.Text()
	case "analyzer":
		o.analyzer, err = analyzer(v.Text())
	case "zero_terms_query":
		o.zeroAll = strings.EqualFold(v.Text(), "all")
	case "slop":
		if !phrase && kind != "multi_match" {
			return false, nil
		}
		var n int64
		n, err = v.Int()
		o.slop = int(n)
	case "max_expansions":
	case "operator":
		if phrase {
			return false, nil
		}
		switch {
		case strings.EqualFold(v.Text(), "and"):
			o.and = true
		case !strings.EqualFold(v.Text(), "or"):
			err = eserr.Illegal("No enum constant org.elasticsearch.index.query.Operator.%s", strings.ToUpper(v.Text()))
		}
	case "minimum_should_match":
		o.msm = v.Text()
	case "fuzziness":
		o.fuzziness = v.Text()
	case "prefix_length":
		var n int64
		n, err = v.Int()
		o.prefix = int(n)
	case "lenient":
		o.lenient, err = v.Bool()
	case "fuzzy_transpositions", "fuzzy_rewrite", "auto_generate_synonyms_phrase_query":
	default:
		return common(key, v, &o.boost)
	}
	if phrase && (key == "minimum_should_match" || key == "fuzziness" || key == "prefix_length" || key == "lenient" || strings.HasPrefix(key, "fuzzy_")) {
		return false, nil
	}
	return true, err
}

func buildMatchKind(kind string, body *xcontent.Value, c *Context) (Node, error) {
	name, v, err := fieldBody(kind, body)
	if err != nil {
		return nil, err
	}
	o := matchOptions{boost: 1, phrase: kind != "match", last: kind == "match_phrase_prefix"}
	switch {
	case v.Is(xcontent.Object):
		if !v.Has("query") {
			return nil, eserr.Illegal("[%s] requires query value", kind)
		}
		if err := params(kind, v, func(key string, p *xcontent.Value) (bool, error) { return o.set(kind, key, p) }); err != nil {
			return nil, err
		}
	case v.Scalar():
		o.query = v.Text()
	default:
		line, col := v.Pos()
		return nil, eserr.Parsing(line, col, "[%s] unknown token [%s] after [%s]", kind, v.Describe(), name)
	}
	return matchOn(name, &o, c)
}

func buildMatch(body *xcontent.Value, c *Context) (Node, error) {
	return buildMatchKind("match", body, c)
}

func buildPhrase(body *xcontent.Value, c *Context) (Node, error) {
	return buildMatchKind("match_phrase", body, c)
}

func buildPhrasePrefix(body *xcontent.Value, c *Context) (Node, error) {
	return buildMatchKind("match_phrase_prefix", body, c)
}

// matchOn looks for a text in a field: its terms where the field is analyzed, its value where it is not.
func matchOn(name string, o *matchOptions, c *Context) (Node, error) {
	f := c.Mapping.Field(name)
	if f == nil || f.Kind != mapping.Text {
		if f != nil && o.last {
			if o.lenient {
				return noneNode{}, nil
			}
			return nil, shardFail(c, "Can only use phrase prefix queries on text fields - not on [%s] which is of type [%s]", name, f.Type)
		}
		if f != nil && f.Kind == mapping.Keyword && o.fuzziness != "" {
			return fuzzyOn(name, o.query, o.fuzziness, o.prefix, true, o.boost, c)
		}
		n, err := termOn(name, o.query, o.boost, c)
		if err != nil && o.lenient {
			return noneNode{}, nil
		}
		return n, err
	}
	if _, err := searchable(name, c); err != nil {
		return nil, err
	}
	a := o.analyzer
	if a == nil {
		a = f.Search
	}
	var tokens []analysis.Token
	a(o.query, func(t analysis.Token) { tokens = append(tokens, t) })
	if len(tokens) == 0 {
		if o.zeroAll {
			return allNode{o.boost}, nil
		}
		return noneNode{}, nil
	}
	if o.phrase {
		return phraseOn(f, tokens, o, c)
	}
	var nodes []Node
	for _, t := range tokens {
		if o.fuzziness != "" {
			n, err := fuzzyOn(name, t.Term, o.fuzziness, o.prefix, true, 1, c)
			if err != nil {
				return nil, err
			}
			nodes = append(nodes, n)
			continue
		}
		nodes = append(nodes, &termNode{f: f, term: t.Term, boost: 1, c: c})
	}
	if len(nodes) == 1 {
		if t, ok := nodes[0].(*termNode); ok {
			t.boost = o.boost
			return t, nil
		}
	}
	n := &boolNode{boost: o.boost}
	if o.and {
		n.must = nodes
		return n, nil
	}
	n.should, n.minShould = nodes, 1
	if o.msm != "" {
		min, err := MinimumShouldMatch(o.msm, len(nodes))
		if err != nil {
			return nil, err
		}
		n.minShould = max(min, 1)
	}
	return n, nil
}

func phraseOn(f *mapping.Field, tokens []analysis.Token, o *matchOptions, c *Context) (Node, error) {
	if len(tokens) == 1 && !o.last {
		return &termNode{f: f, term: tokens[0].Term, boost: o.boost, c: c}, nil
	}
	n := &phraseNode{f: f, slop: o.slop, boost: o.boost, c: c, last: o.last}
	for _, t := range tokens {
		n.terms, n.at = append(n.terms, t.Term), append(n.at, uint32(t.Pos))
	}
	if len(tokens) == 1 {
		return prefixOn(f.Name, tokens[0].Term, o.boost, false, c)
	}
	return n, nil
}

// fieldBoost is a field with its boost, "message^2".
type fieldBoost struct {
	name  string
	boost float64
}

func parseFields(list []string) ([]fieldBoost, error) {
	var out []fieldBoost
	for _, item := range list {
		name, weight, has := strings.Cut(item, "^")
		fb := fieldBoost{name, 1}
		if has {
			v := xcontent.Value{Kind: xcontent.Number, Str: weight}
			w, err := v.Float()
			if err != nil {
				return nil, eserr.Illegal("For input string: %q", weight)
			}
			fb.boost = w
		}
		out = append(out, fb)
	}
	return out, nil
}

// expandFields turns patterns into the fields that fit; leaving none means the index's default fields. lenient is true
// where the fields are all fields: those that cannot take the text are then passed over. A field named twice has both
// boosts.
func expandFields(list []fieldBoost, c *Context) (out []fieldBoost, lenient bool) {
	if len(list) == 0 {
		for _, name := range c.DefaultField {
			list = append(list, fieldBoost{name, 1})
		}
		if len(list) == 0 {
			list = []fieldBoost{{"*", 1}}
		}
	}
	at := map[string]int{}
	add := func(name string, boost float64) {
		if i, again := at[name]; again {
			out[i].boost *= boost
			return
		}
		at[name] = len(out)
		out = append(out, fieldBoost{name, boost})
	}
	for _, fb := range list {
		if !strings.Contains(fb.name, "*") {
			add(fb.name, fb.boost)
			continue
		}
		lenient = lenient || fb.name == "*" && len(list) == 1
		seen := map[string]bool{}
		for _, f := range c.Mapping.Matching(fb.name) {
			if f.Searchable() && !seen[f.Name] {
				seen[f.Name] = true
				add(f.Name, fb.boost)
			}
		}
	}
	return out, lenient
}

func buildMultiMatch(body *xcontent.Value, c *Context) (Node, error) {
	o := matchOptions{boost: 1}
	kind, tie := "best_fields", -1.0
	var names []string
	err := params("multi_match", body, func(key string, v *xcontent.Value) (known bool, err error) {
		switch key {
		case "fields":
			names, err = v.Strings()
		case "type":
			kind = v.Text()
		case "tie_breaker":
			tie, err = v.Float()
		default:
			return o.set("multi_match", key, v)
		}
		return true, err
	})
	if err != nil {
		return nil, err
	}
	if !body.Has("query") {
		line, col := body.Pos()
		return nil, eserr.Parsing(line, col, "No text specified for multi_match query")
	}
	fields, err := parseFields(names)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "best_fields", "most_fields":
	case "phrase":
		o.phrase = true
	case "phrase_prefix":
		o.phrase, o.last = true, true
	case "cross_fields", "bool_prefix":
		return nil, eserr.Unsupported("query [multi_match] of type [%s]", kind)
	default:
		line, col := body.Get("type").Pos()
		return nil, eserr.Parsing(line, col, "failed to parse [multi_match] query type [%s]. unknown type.", kind)
	}
	expanded, lenient := expandFields(fields, c)
	o.lenient = o.lenient || lenient
	boost := o.boost
	var nodes []Node
	for _, fb := range expanded {
		each := o
		each.boost = fb.boost
		n, err := matchOn(fb.name, &each, c)
		if err != nil {
			if o.lenient {
				continue
			}
			return nil, err
		}
		nodes = append(nodes, n)
	}
	if tie < 0 {
		if tie = 0; kind == "most_fields" {
			tie = 1
		}
	}
	return &maxNode{queries: nodes, tie: tie, boost: boost}, nil
}
