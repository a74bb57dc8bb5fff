package query

import (
	"math"
	"strconv"
	"strings"

	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

type allNode struct{ boost float64 }

func (n allNode) Match(v *engine.View) Bits    { return allBits(v) }
func (n allNode) Scorer(v *engine.View) Scorer { return constant(n, v, n.boost) }
func (n allNode) Terms(func(Mark))             {}

// noneNode matches nothing.
type noneNode struct{}

func (noneNode) Match(v *engine.View) Bits  { return newBits(v) }
func (noneNode) Scorer(*engine.View) Scorer { return nil }
func (noneNode) Terms(func(Mark))           {}

// None is a query that matches nothing.
func None() Node { return noneNode{} }

// All is a query that matches everything.
func All() Node { return allNode{boost: 1} }

func buildAll(body *xcontent.Value, _ *Context) (Node, error) {
	n := allNode{boost: 1}
	return n, params("match_all", body, func(key string, v *xcontent.Value) (bool, error) {
		return common(key, v, &n.boost)
	})
}

func buildNone(body *xcontent.Value, _ *Context) (Node, error) {
	boost := 1.0
	return noneNode{}, params("match_none", body, func(key string, v *xcontent.Value) (bool, error) { return common(key, v, &boost) })
}

// common reads what every query may have.
func common(key string, v *xcontent.Value, boost *float64) (known bool, err error) {
	switch key {
	case "boost":
		*boost, err = v.Float()
		if err == nil && *boost < 0 {
			err = eserr.Illegal("negative [boost] are not allowed in [boost], use a value between 0 and 1 to deboost")
		}
		return true, err
	case "_name":
		return true, eserr.Unsupported("named queries ([_name])")
	}
	return false, nil
}

// boolNode is a bool query.
type boolNode struct {
	must, filter, should, not []Node
	minShould                 int
	boost                     float64
}

func buildBool(body *xcontent.Value, c *Context) (Node, error) {
	n := &boolNode{boost: 1, minShould: -1}
	var msm string
	err := params("bool", body, func(key string, v *xcontent.Value) (bool, error) {
		var to *[]Node
		switch key {
		case "must":
			to = &n.must
		case "filter":
			to = &n.filter
		case "should":
			to = &n.should
		case "must_not":
			to = &n.not
		case "minimum_should_match":
			msm = v.Text()
			return true, nil
		case "adjust_pure_negative":
			return true, nil
		default:
			return common(key, v, &n.boost)
		}
		items := []*xcontent.Value{v}
		if v.Is(xcontent.Array) {
			items = v.Items
		}
		for _, item := range items {
			child, err := Build(item, c)
			if err != nil {
				return true, err
			}
			*to = append(*to, child)
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	switch {
	case len(n.must)+len(n.filter)+len(n.should)+len(n.not) == 0:
		return allNode{n.boost}, nil
	case len(n.must)+len(n.filter)+len(n.should) == 0:
		n.minShould = 0 // where everything is forbidden, Elasticsearch forgets what should match
	case msm != "":
		if n.minShould, err = MinimumShouldMatch(msm, len(n.should)); err != nil {
			return nil, err
		}
	case len(n.should) > 0 && len(n.must)+len(n.filter) == 0:
		n.minShould = 1
	default:
		n.minShould = 0
	}
	return n, nil
}

// MinimumShouldMatch reads "2", "-1", "75%", "-25%", "3<90%" and combinations for n optional clauses.
func MinimumShouldMatch(spec string, n int) (int, error) {
	bad := eserr.Illegal("For input string: %q", spec)
	result := n
	if strings.Contains(spec, "<") {
		for _, part := range strings.Fields(spec) {
			limit, rest, ok := strings.Cut(part, "<")
			upper, err := strconv.Atoi(limit)
			if !ok || err != nil {
				return 0, bad
			}
			if n <= upper {
				return result, nil
			}
			if result, err = MinimumShouldMatch(rest, n); err != nil {
				return 0, err
			}
		}
		return result, nil
	}
	spec = strings.TrimSpace(spec)
	if percent, ok := strings.CutSuffix(spec, "%"); ok {
		p, err := strconv.ParseFloat(percent, 64)
		if err != nil {
			return 0, bad
		}
		result = int(math.Trunc(float64(n) * p / 100))
		if p < 0 {
			result += n
		}
	} else {
		v, err := strconv.Atoi(spec)
		if err != nil {
			return 0, bad
		}
		if result = v; v < 0 {
			result = n + v
		}
	}
	return max(result, 0), nil
}

func (n *boolNode) Match(v *engine.View) Bits {
	var out Bits
	for _, child := range append(n.filter[:len(n.filter):len(n.filter)], n.must...) {
		m := child.Match(v)
		if out == nil {
			out = m
		} else {
			out.and(m)
		}
		if out.empty() {
			return out
		}
	}
	if n.minShould > 0 {
		s := n.matchShould(v)
		if out == nil {
			out = s
		} else {
			out.and(s)
		}
	}
	if out == nil {
		out = allBits(v)
	}
	for _, child := range n.not {
		out.andNot(child.Match(v))
	}
	return out
}

func (n *boolNode) matchShould(v *engine.View) Bits {
	out := newBits(v)
	if n.minShould > len(n.should) {
		return out
	}
	if n.minShould == 1 {
		for _, child := range n.should {
			out.or(child.Match(v))
		}
		return out
	}
	// at[i] are the documents that i+1 clauses or more match.
	at := make([]Bits, n.minShould)
	for i := range at {
		at[i] = newBits(v)
	}
	for _, child := range n.should {
		m := child.Match(v)
		for i := len(at) - 1; i > 0; i-- {
			for w := range m {
				at[i][w] |= at[i-1][w] & m[w]
			}
		}
		at[0].or(m)
	}
	return at[n.minShould-1]
}

func (n *boolNode) Scorer(v *engine.View) Scorer {
	var parts sumScorer
	for _, list := range [][]Node{n.must, n.should} {
		for _, child := range list {
			if s := child.Scorer(v); s != nil {
				parts = append(parts, s)
			}
		}
	}
	s := boosted(parts, n.boost)
	if s == nil || len(n.filter)+len(n.not) == 0 && (len(n.must) == 0 && n.minShould <= 1 || len(n.must) == 1 && n.minShould <= 0) {
		return s
	}
	// Inside another query, only what all clauses take has a score.
	return gate{s, n.Match(v)}
}

type gate struct {
	Scorer
	bits Bits
}

func (g gate) Score(doc int) float64 {
	if s := g.Scorer.Score(doc); g.bits.Has(doc) {
		return s
	}
	return 0
}

type boostScorer struct {
	Scorer
	boost float64
}

func (b boostScorer) Score(doc int) float64 { return b.boost * b.Scorer.Score(doc) }

func boosted(parts sumScorer, boost float64) Scorer {
	if len(parts) == 0 || boost == 0 {
		return nil
	}
	if boost != 1 {
		return boostScorer{parts, boost}
	}
	return parts
}

func (n *boolNode) Terms(add func(Mark)) {
	for _, list := range [][]Node{n.must, n.filter, n.should} {
		for _, child := range list {
			child.Terms(add)
		}
	}
}

// constNode is constant_score.
type constNode struct {
	Node
	boost float64
}

func (n constNode) Scorer(v *engine.View) Scorer { return constant(n.Node, v, n.boost) }

func buildConstant(body *xcontent.Value, c *Context) (Node, error) {
	n := constNode{boost: 1}
	err := params("constant_score", body, func(key string, v *xcontent.Value) (known bool, err error) {
		if key == "filter" {
			n.Node, err = Build(v, c)
			return true, err
		}
		return common(key, v, &n.boost)
	})
	if err == nil && n.Node == nil {
		line, col := body.Pos()
		err = eserr.Parsing(line, col, "[constant_score] requires a 'filter' element")
	}
	return n, err
}

// maxNode is dis_max.
type maxNode struct {
	queries    []Node
	tie, boost float64
}

func buildDisMax(body *xcontent.Value, c *Context) (Node, error) {
	n := &maxNode{boost: 1}
	err := params("dis_max", body, func(key string, v *xcontent.Value) (known bool, err error) {
		switch key {
		case "queries":
			items := []*xcontent.Value{v}
			if v.Is(xcontent.Array) {
				items = v.Items
			}
			for _, item := range items {
				child, err := Build(item, c)
				if err != nil {
					return true, err
				}
				n.queries = append(n.queries, child)
			}
			return true, nil
		case "tie_breaker":
			n.tie, err = v.Float()
			return true, err
		}
		return common(key, v, &n.boost)
	})
	if err == nil && len(n.queries) == 0 {
		line, col := body.Pos()
		err = eserr.Parsing(line, col, "[dis_max] requires 'queries' field with at least one clause")
	}
	return n, err
}

func (n *maxNode) Match(v *engine.View) Bits {
	out := newBits(v)
	for _, q := range n.queries {
		out.or(q.Match(v))
	}
	return out
}

func (n *maxNode) Scorer(v *engine.View) Scorer {
	m := maxScorer{tie: n.tie}
	for _, q := range n.queries {
		if s := q.Scorer(v); s != nil {
			m.parts = append(m.parts, s)
		}
	}
	if len(m.parts) == 0 {
		return nil
	}
	return boosted(sumScorer{m}, n.boost)
}

func (n *maxNode) Terms(add func(Mark)) {
	for _, q := range n.queries {
		q.Terms(add)
	}
}

// boostingNode is boosting: what matches positive, scored down where it matches negative too.
type boostingNode struct {
	Node
	negative Node
	factor   float64
}

func buildBoosting(body *xcontent.Value, c *Context) (Node, error) {
	n := &boostingNode{factor: -1}
	boost := 1.0
	err := params("boosting", body, func(key string, v *xcontent.Value) (known bool, err error) {
		switch key {
		case "positive":
			n.Node, err = Build(v, c)
		case "negative":
			n.negative, err = Build(v, c)
		case "negative_boost":
			n.factor, err = v.Float()
		default:
			return common(key, v, &boost)
		}
		return true, err
	})
	if err == nil && (n.Node == nil || n.negative == nil || n.factor < 0) {
		line, col := body.Pos()
		err = eserr.Parsing(line, col, "[boosting] query requires 'positive', 'negative' and 'negative_boost' to be set")
	}
	return n, err
}

func (n *boostingNode) Scorer(v *engine.View) Scorer {
	s := n.Node.Scorer(v)
	if s == nil {
		return nil
	}
	return demote{s, n.negative.Match(v), n.factor}
}

type demote struct {
	Scorer
	bits   Bits
	factor float64
}

func (d demote) Score(doc int) float64 {
	s := d.Scorer.Score(doc)
	if d.bits.Has(doc) {
		s *= d.factor
	}
	return s
}
