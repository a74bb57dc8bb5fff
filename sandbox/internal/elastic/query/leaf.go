package query

import (
	"net/netip"
	"strings"

	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// termNode looks for one term of a keyword or text field.
type termNode struct {
	f     *mapping.Field
	term  string
	boost float64
	c     *Context
	// blended are the statistics to score with instead of the term's own.
	blended *stats
}

func (n *termNode) Match(v *engine.View) Bits {
	out := newBits(v)
	f := v.Field(storage(n.f))
	if f == nil || f.Dict == nil {
		return out
	}
	ord, ok := f.Dict.Find(n.term)
	if !ok {
		return out
	}
	if f.Indexed() {
		f.Or(ord, out)
	} else if f.Ords != nil {
		f.Ords.Between(int64(ord), int64(ord), out)
	}
	return out
}

func (n *termNode) Scorer(v *engine.View) Scorer {
	f := v.Field(storage(n.f))
	if f == nil || f.Dict == nil || n.boost == 0 {
		return nil
	}
	if !f.Indexed() || n.f.Type == "match_only_text" || n.f.Type == "constant_keyword" || n.f.Type == "wildcard" {
		return constant(n, v, n.boost)
	}
	ord, ok := f.Dict.Find(n.term)
	if !ok {
		return nil
	}
	st := n.c.termStats(n.f, n.term)
	if n.blended != nil {
		st = *n.blended
	}
	s := &postingScorer{docs: f.Docs(ord, nil), pos: f.Positions(ord), weight: n.boost * st.idf(), avg: st.avgLen}
	if n.f.Norms {
		s.norms = f.Norms
	}
	return s
}

func (n *termNode) Terms(add func(Mark)) { add(Mark{Field: n.f, Phrase: []string{n.term}}) }

// valueNode matches documents with a number in [lo, hi].
type valueNode struct {
	f      *mapping.Field
	lo, hi int64
	boost  float64
}

func (n *valueNode) Match(v *engine.View) Bits {
	out := newBits(v)
	if f := v.Field(n.f.Name); f != nil && f.Num != nil {
		f.Num.Between(n.lo, n.hi, out)
	}
	return out
}

func (n *valueNode) Scorer(v *engine.View) Scorer { return constant(n, v, n.boost) }
func (n *valueNode) Terms(func(Mark))             {}

// bitsNode matches by a function and scores the same for all.
type bitsNode struct {
	match func(v *engine.View, out Bits)
	boost float64
	marks []Mark
}

func (n *bitsNode) Match(v *engine.View) Bits {
	out := newBits(v)
	n.match(v, out)
	return out
}

func (n *bitsNode) Scorer(v *engine.View) Scorer { return constant(n, v, n.boost) }
func (n *bitsNode) Terms(add func(Mark)) {
	for _, m := range n.marks {
		add(m)
	}
}

// searchable is the field of a name, nil where the index has none, an error where it cannot be searched.
func searchable(name string, c *Context) (*mapping.Field, error) {
	f := c.Mapping.Field(name)
	if f == nil {
		return nil, nil
	}
	if !f.Searchable() {
		return nil, shardFail(c, "Cannot search on field [%s] since it is not indexed.", name)
	}
	return f, nil
}

func isFraction(text string) bool { return strings.ContainsAny(text, ".eE") }

// termOn is a term query on a field: the exact value in the field's own terms.
func termOn(name, text string, boost float64, c *Context) (Node, error) {
	switch name {
	case "_id":
		if c.Scope != "" {
			return nil, idsInside(c)
		}
		return idsNode([]string{text}, boost), nil
	case "_index":
		if mapping.Glob(text, c.Index) {
			return allNode{boost}, nil
		}
		return noneNode{}, nil
	case "_ignored":
		return &termNode{f: &mapping.Field{Name: "_ignored", Kind: mapping.Keyword, Type: "keyword"}, term: text, boost: boost, c: c}, nil
	}
	f, err := searchable(name, c)
	if f == nil || err != nil {
		return noneNode{}, err
	}
	switch {
	case f.Numeric():
		if f.IsDate() {
			lo, err1 := f.Format.Math(text, c.Now, nil, false)
			hi, err2 := f.Format.Math(text, c.Now, nil, true)
			if err1 != nil || err2 != nil {
				return nil, dateFail(c, f.Name, text, f.Format.Name)
			}
			return &valueNode{f, f.FromTime(lo), f.FromTime(hi), boost}, nil
		}
		v, err := f.Number(text, true)
		if err != nil {
			if strings.Contains(err.Error(), "out of range") || strings.Contains(err.Error(), "finite") {
				return noneNode{}, nil
			}
			return nil, shardFail(c, "%s", err)
		}
		if _, whole := map[string]bool{"long": true, "integer": true, "short": true, "byte": true}[f.Type]; whole && isFraction(text) {
			if strings.TrimRight(strings.TrimLeft(text[strings.IndexAny(text, ".eE"):], "."), "0") != "" {
				return noneNode{}, nil
			}
		}
		if f.Type == "boolean" && f.Index {
			boost *= c.truthWeight(f, v)
		}
		return &valueNode{f, v, v, boost}, nil
	case f.Type == "ip" && strings.Contains(text, "/"):
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, shardFail(c, "Expected [ip/prefix] but was [%s]", text)
		}
		lo, hi := prefixRange(prefix)
		return ordRange(f, lo, hi, boost), nil
	case f.Kind == mapping.Text || f.Kind == mapping.Keyword:
		term, err := f.Term(text)
		if err != nil {
			return nil, shardFail(c, "%s", err)
		}
		return &termNode{f: f, term: term, boost: boost, c: c}, nil
	}
	return noneNode{}, nil
}

func prefixRange(p netip.Prefix) (lo, hi string) {
	first := p.Masked().Addr().As16()
	last := first
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	for i := bits; i < 128; i++ {
		last[i/8] |= 1 << (7 - i%8)
	}
	return string(first[:]), string(last[:])
}

// ordRange matches terms in [lo, hi].
func ordRange(f *mapping.Field, lo, hi string, boost float64) Node {
	return &bitsNode{boost: boost, match: func(v *engine.View, out Bits) {
		sf := v.Field(storage(f))
		if sf == nil || sf.Dict == nil {
			return
		}
		from, to := sf.Dict.Seek(lo), sf.Dict.Seek(hi+"\x00")
		orOrds(sf, from, to, out)
	}}
}

func dateFail(c *Context, name, text, format string) *eserr.Error {
	e := eserr.New(400, "parse_exception", "failed to parse date field [%s] with format [%s]: [failed to parse date field [%s] with format [%s]]", text, format, text, format)
	return e.With("index", c.Index).CausedBy(eserr.Illegal("failed to parse date field [%s] with format [%s]", text, format))
}

func buildTerm(body *xcontent.Value, c *Context) (Node, error) {
	name, v, err := fieldBody("term", body)
	if err != nil {
		return nil, err
	}
	boost, fold := 1.0, false
	value := v
	if v.Is(xcontent.Object) {
		value = nil
		err := params("term", v, func(key string, p *xcontent.Value) (known bool, err error) {
			switch key {
			case "value":
				value = p
			case "case_insensitive":
				fold, err = p.Bool()
			default:
				return common(key, p, &boost)
			}
			return true, err
		})
		if err != nil {
			return nil, err
		}
	}
	if v.Is(xcontent.Array) {
		line, col := v.Pos()
		return nil, eserr.Parsing(line, col, "[term] query does not support array of values")
	}
	if !value.Scalar() {
		return nil, eserr.Illegal("value cannot be null")
	}
	if fold {
		return matchTerms(name, value.Text(), boost, c, "term", func(text string) func(string) bool {
			return func(term string) bool { return strings.EqualFold(term, text) }
		}, "")
	}
	return termOn(name, value.Text(), boost, c)
}

func buildTerms(body *xcontent.Value, c *Context) (Node, error) {
	boost := 1.0
	var name string
	var list *xcontent.Value
	for _, m := range body.Members {
		if known, err := common(m.Key, m.Value, &boost); known || err != nil {
			if err != nil {
				return nil, err
			}
			continue
		}
		line, col := m.Value.Pos()
		if list != nil {
			return nil, eserr.Parsing(line, col, "[terms] query does not support multiple fields")
		}
		if m.Value.Is(xcontent.Object) {
			return nil, eserr.Unsupported("terms lookup in query [terms]")
		}
		if !m.Value.Is(xcontent.Array) {
			return nil, eserr.Parsing(line, col, "[terms] query does not support [%s]", m.Key)
		}
		name, list = m.Key, m.Value
	}
	if list == nil {
		return nil, eserr.Illegal("[terms] query requires a field name and a list of terms")
	}
	var nodes []Node
	var ids []string
	for _, item := range list.Items {
		if !item.Scalar() {
			return nil, eserr.Illegal("No value specified for terms query")
		}
		if name == "_id" {
			ids = append(ids, item.Text())
			continue
		}
		n, err := termOn(name, item.Text(), 1, c)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	if ids != nil {
		if c.Scope != "" {
			return nil, idsInside(c)
		}
		return idsNode(ids, boost), nil
	}
	return constNode{&boolNode{should: nodes, minShould: 1, boost: 1}, boost}, nil
}

func buildIDs(body *xcontent.Value, _ *Context) (Node, error) {
	boost := 1.0
	var ids []string
	found := false
	err := params("ids", body, func(key string, v *xcontent.Value) (known bool, err error) {
		if key == "values" {
			found = true
			ids, err = v.Strings()
			return true, err
		}
		return common(key, v, &boost)
	})
	if err == nil && !found {
		line, col := body.Pos()
		err = eserr.Parsing(line, col, "[ids] requires providing [values]")
	}
	return idsNode(ids, boost), err
}

func idsNode(ids []string, boost float64) Node {
	return &bitsNode{boost: boost, match: func(v *engine.View, out Bits) {
		for _, id := range ids {
			// A replaced document keeps its id until a merge; only living ones count, as an id is there once.
			if doc, ok := v.Find(id); ok {
				out[doc>>6] |= 1 << (doc & 63)
			}
		}
	}}
}

func buildExists(body *xcontent.Value, c *Context) (Node, error) {
	boost := 1.0
	name := ""
	err := params("exists", body, func(key string, v *xcontent.Value) (bool, error) {
		if key == "field" {
			name = v.Text()
			return true, nil
		}
		return common(key, v, &boost)
	})
	if err == nil && name == "" {
		line, col := body.Pos()
		err = eserr.Parsing(line, col, "[exists] must be provided with a [field]")
	}
	if err != nil {
		return nil, err
	}
	return existsOn(name, boost, c), nil
}

// existsOn matches documents with a value in a field, in a field below an object or in fields that fit a pattern.
func existsOn(name string, boost float64, c *Context) Node {
	if name == "_id" || name == "_index" || name == "_source" && c.Mapping.SourceEnabled || name == "_seq_no" || name == "_version" {
		return allNode{boost}
	}
	fields := c.Mapping.Matching(name)
	if len(fields) == 0 && c.Mapping.Object(name) != nil {
		fields = c.Mapping.Matching(name + ".*")
	}
	if name == "_ignored" {
		fields = []*mapping.Field{{Name: "_ignored", Kind: mapping.Keyword}}
	}
	return &bitsNode{boost: boost, match: func(v *engine.View, out Bits) {
		for _, f := range fields {
			sf := v.Field(storage(f))
			switch {
			case sf == nil:
			case f.Key != "":
				orOrds(sf, sf.Dict.Seek(f.Key+"\x00"), sf.Dict.Seek(f.Key+"\x01"), out)
			case sf.Num != nil:
				sf.Num.Exists(out)
			case sf.Ords != nil:
				sf.Ords.Exists(out)
			case sf.Norms != nil:
				sf.Norms.Exists(out)
			case sf.Indexed():
				orOrds(sf, 0, sf.Dict.Len(), out)
			}
		}
	}}
}
