package query

import (
	"fmt"
	"strings"

	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// nestedNode matches documents by their nested documents at a path.
type nestedNode struct {
	inner Node
	c     *Context
	path  string
	mode  string
	boost float64
}

func buildNested(body *xcontent.Value, c *Context) (Node, error) {
	n := &nestedNode{c: c, mode: "avg", boost: 1}
	var q *xcontent.Value
	lenient := false
	err := params("nested", body, func(key string, v *xcontent.Value) (known bool, err error) {
		switch key {
		case "path":
			n.path = v.Text()
		case "query":
			q = v
		case "ignore_unmapped":
			lenient, err = v.Bool()
		case "score_mode":
			if n.mode = v.Text(); !strings.Contains(" avg sum min max none ", " "+n.mode+" ") {
				err = eserr.Illegal("No score mode for child query [%s] found", n.mode)
			}
		case "inner_hits":
			err = eserr.Unsupported("query [nested]: parameter [inner_hits]")
		default:
			return common(key, v, &n.boost)
		}
		return true, err
	})
	switch {
	case err != nil:
		return nil, err
	case n.path == "":
		return nil, eserr.Illegal("[nested] requires 'path' field")
	case q == nil:
		return nil, eserr.Illegal("[nested] requires 'query' field")
	}
	inner := &Context{Index: c.Index, Mapping: c.Mapping, Now: c.Now, DefaultField: c.DefaultField, Scope: n.path, depth: c.depth}
	if c.Index == "" { // only the form is checked
		n.inner, err = Build(q, inner)
		return n, err
	}
	if o := c.Mapping.Object(n.path); o == nil || !o.Nested {
		if lenient {
			return noneNode{}, nil
		}
		return nil, eserr.New(400, "query_shard_exception", "[nested] failed to find nested object under path [%s]", n.path).
			With("index", c.Index).With("index_uuid", "_na_")
	}
	if c.Scope != "" && !strings.HasPrefix(n.path, c.Scope+".") {
		return nil, eserr.Unsupported("query [nested] on path [%s] within the nested path [%s]", n.path, c.Scope)
	}
	for _, v := range c.Views {
		rows, _, err := v.Rows(c.Mapping, n.path)
		if err != nil {
			return nil, fmt.Errorf("query nested documents of index %s: %w", c.Index, err)
		}
		inner.Views = append(inner.Views, rows.View)
	}
	n.inner, err = Build(q, inner)
	return n, err
}

// rows are a segment's nested documents. Building the query has read them, so that reading cannot fail any more.
func (n *nestedNode) rows(v *engine.View) *engine.Rows {
	rows, ok, err := v.Rows(n.c.Mapping, n.path)
	if err != nil || !ok {
		panic(fmt.Sprintf("nested path %s of a segment that the query was not built for: %v", n.path, err))
	}
	return rows
}

func (n *nestedNode) Match(v *engine.View) Bits {
	out, rows := newBits(v), n.rows(v)
	n.inner.Match(rows.View).Each(func(row int) {
		p := rows.Parent[row]
		out[p>>6] |= 1 << (p & 63)
	})
	return out
}

func (n *nestedNode) Scorer(v *engine.View) Scorer {
	rows := n.rows(v)
	inner := n.inner.Scorer(rows.View)
	if inner == nil || n.mode == "none" || n.boost == 0 {
		return nil
	}
	scores, counts := nestedScores{}, map[int]float64{}
	n.inner.Match(rows.View).Each(func(row int) {
		doc, s := int(rows.Parent[row]), inner.Score(row)
		have, seen := scores[doc]
		counts[doc]++
		switch {
		case !seen:
			scores[doc] = s
		case n.mode == "min":
			scores[doc] = min(have, s)
		case n.mode == "max":
			scores[doc] = max(have, s)
		default:
			scores[doc] = have + s
		}
	})
	for doc := range scores {
		if n.mode == "avg" {
			scores[doc] /= counts[doc]
		}
		scores[doc] *= n.boost
	}
	return scores
}

func idsInside(c *Context) error {
	return eserr.Unsupported("a query on [_id] within the nested path [%s]", c.Scope)
}

// nestedScores are the scores of a segment's documents by their nested ones.
type nestedScores map[int]float64

func (s nestedScores) Score(doc int) float64 { return s[doc] }

func (n *nestedNode) Terms(add func(Mark)) { n.inner.Terms(add) }
