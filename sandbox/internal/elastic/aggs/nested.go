package aggs

import (
	"fmt"
	"slices"
	"strings"

	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/query"
	"obsandbox/sandbox/internal/elastic/search"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// nested is the nested aggregation: from documents to their nested documents at a path. The documents of a segment
// are gathered first, as every collector wants its own in order.
type nested struct {
	e      *env
	path   string
	subs   *level
	counts counts
	rows   *engine.Rows // nil where the path is not nested
	doc    int
	next   int   // row to look at
	into   []int // the buckets that doc falls into
}

func parseNested(e *env, name string, body *xcontent.Value, subs *level) (collector, error) {
	n := &nested{e: e, subs: subs}
	line, col := body.Pos()
	for _, m := range body.Members {
		if m.Key != "path" || !m.Value.Is(xcontent.String) {
			l, c := m.Value.Pos()
			return nil, eserr.Parsing(l, c, "Unexpected token %s in [%s].", token(m.Value), name)
		}
		n.path = m.Value.Text()
	}
	if n.path == "" {
		return nil, eserr.Parsing(line, col+1, "Missing [path] field for nested aggregation [%s]", name)
	}
	return n, subs.noHits(name)
}

// noHits refuses what shows nested documents as hits.
func (l *level) noHits(name string) error {
	if l == nil {
		return nil
	}
	for _, n := range l.nodes {
		if n.typ == "top_hits" {
			return eserr.Unsupported("aggregation [%s] of type [top_hits] inside the nested aggregation [%s]", n.name, name)
		}
		if n.typ != "reverse_nested" && n.typ != "nested" {
			if err := n.subs.noHits(name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *nested) start(t *search.Target, v *engine.View, _ query.Node) error {
	n.flush()
	n.rows, n.next = nil, 0
	if o := t.Mapping.Object(n.path); o == nil || !o.Nested || n.path == t.Scope {
		return nil
	}
	if t.Scope != "" && !strings.HasPrefix(n.path, t.Scope+".") {
		return eserr.Unsupported("aggregation of type [nested] on path [%s] within the nested path [%s]", n.path, t.Scope)
	}
	rows, _, err := v.Rows(t.Mapping, n.path)
	if err != nil {
		return fmt.Errorf("aggregate nested documents of index %s: %w", t.Index, err)
	}
	inner, err := t.Within(n.path)
	if err != nil {
		return fmt.Errorf("aggregate nested documents of index %s: %w", t.Index, err)
	}
	n.rows = rows
	return n.subs.start(inner, rows.View, query.All())
}

func (n *nested) collect(doc, bucket int) {
	if n.rows == nil {
		return
	}
	if doc != n.doc {
		n.flush()
		n.doc = doc
	}
	n.into = append(n.into, bucket)
}

// flush takes the rows of the last document.
func (n *nested) flush() {
	if len(n.into) == 0 {
		return
	}
	parents := n.rows.Parent
	at, _ := slices.BinarySearch(parents, uint32(n.doc))
	for ; at < len(parents) && parents[at] == uint32(n.doc); at++ {
		for _, bucket := range n.into {
			n.counts.add(bucket, 1)
			if n.subs != nil {
				n.subs.collect(at, bucket)
			}
		}
	}
	n.into = n.into[:0]
}

func (n *nested) result(bucket int) *Result {
	n.flush()
	return &Result{typ: "nested", single: &Bucket{count: n.counts.get(bucket), subs: n.subs.results(bucket)}}
}

// reverseNested is from nested documents back to those around them.
type reverseNested struct {
	e      *env
	name   string
	path   string
	subs   *level
	counts counts
	parent []uint32 // of each row; nil where there is no such path
	last   map[int]uint32
}

func parseReverseNested(e *env, name string, body *xcontent.Value, subs *level) (collector, error) {
	n := &reverseNested{e: e, name: name, subs: subs}
	for _, m := range body.Members {
		if m.Key != "path" || !m.Value.Is(xcontent.String) {
			l, c := m.Value.Pos()
			return nil, eserr.Parsing(l, c, "Unexpected token %s in [%s].", token(m.Value), name)
		}
		n.path = m.Value.Text()
	}
	if e.nesting == 0 {
		return nil, search.ShardFail(e.first(), "Reverse nested aggregation [%s] can only be used inside a [nested] aggregation", name)
	}
	if n.path != "" {
		return n, subs.noHits(name)
	}
	return n, nil
}

func (n *reverseNested) start(t *search.Target, v *engine.View, _ query.Node) error {
	n.parent, n.last = nil, map[int]uint32{}
	outer, ok := v.Around(n.path)
	if !ok {
		return nil
	}
	if !t.Inside(n.path) {
		return eserr.Unsupported("aggregation [%s] of type [reverse_nested] to path [%s] from the nested path [%s]", n.name, n.path, t.Scope)
	}
	rows, ok, err := outer.Rows(t.Mapping, t.Scope)
	if err != nil || !ok {
		return err
	}
	target, err := t.Outer().Within(n.path)
	if err != nil {
		return fmt.Errorf("aggregate the documents around nested ones of index %s: %w", t.Index, err)
	}
	n.parent = rows.Parent
	base := query.All()
	if n.path == "" {
		base = n.e.base
	}
	return n.subs.start(target, outer, base)
}

func (n *reverseNested) collect(row, bucket int) {
	if n.parent == nil {
		return
	}
	doc := n.parent[row]
	if last, seen := n.last[bucket]; seen && last == doc {
		return
	}
	n.last[bucket] = doc
	n.counts.add(bucket, 1)
	if n.subs != nil {
		n.subs.collect(int(doc), bucket)
	}
}

func (n *reverseNested) result(bucket int) *Result {
	return &Result{typ: "reverse_nested", single: &Bucket{count: n.counts.get(bucket), subs: n.subs.results(bucket)}}
}

// token is what Elasticsearch's parser calls a value.
func token(v *xcontent.Value) string {
	switch {
	case v.Is(xcontent.Object):
		return "START_OBJECT"
	case v.Is(xcontent.Array):
		return "START_ARRAY"
	case v.Is(xcontent.String):
		return "VALUE_STRING"
	case v.Is(xcontent.Number):
		return "VALUE_NUMBER"
	case v.Is(xcontent.Null):
		return "VALUE_NULL"
	}
	return "VALUE_BOOLEAN"
}
