package aggs

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/query"
	"obsandbox/sandbox/internal/elastic/search"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// filters are the aggregations with a fixed list of buckets that documents fall into by a condition: filter, filters,
// missing, global.
type filters struct {
	e      *env
	typ    string
	subs   *level
	names  []string // of the buckets
	q      []*xcontent.Value
	keyed  bool
	other  string // the bucket of what fits none; empty is none
	counts counts
	bits   []query.Bits
	src    *source // of missing
	global bool
}

func (f *filters) start(t *search.Target, v *engine.View, base query.Node) error {
	f.bits = f.bits[:0]
	for _, q := range f.q {
		c := &query.Context{Index: t.Index, Mapping: t.Mapping, Now: f.e.Now, Views: t.Snapshot.Views, DefaultField: t.DefaultField, Scope: t.Scope}
		n, err := query.Build(q, c)
		if err != nil {
			return err
		}
		f.bits = append(f.bits, n.Match(v))
	}
	if f.src != nil {
		if err := f.src.start(t, v); err != nil {
			return err
		}
	}
	if err := f.subs.start(t, v, base); err != nil {
		return err
	}
	if f.global {
		// Every document of the index counts, whatever the query says: they are taken here, at once.
		query.Matches(query.All(), v).Each(func(doc int) { f.hit(doc, 0) })
	}
	return nil
}

func (f *filters) width() int {
	n := len(f.names)
	if f.other != "" {
		n++
	}
	return n
}

func (f *filters) hit(doc, bucket int) {
	f.counts.add(bucket, 1)
	if f.subs != nil {
		f.subs.collect(doc, bucket)
	}
}

func (f *filters) collect(doc, bucket int) {
	switch {
	case f.global:
		return
	case f.src != nil:
		if !f.src.has(doc) && f.src.missing == nil {
			f.hit(doc, bucket)
		}
		return
	}
	width := f.width()
	any := false
	for i, b := range f.bits {
		if b.Has(doc) {
			any = true
			f.hit(doc, bucket*width+i)
		}
	}
	if !any && f.other != "" {
		f.hit(doc, bucket*width+width-1)
	}
}

func (f *filters) result(bucket int) *Result {
	make := func(i int) *Bucket {
		at := bucket*f.width() + i
		if bucket < 0 {
			at = -1
		}
		return &Bucket{count: f.counts.get(at), subs: f.subs.results(at)}
	}
	if f.typ != "filters" {
		return &Result{typ: f.typ, single: make(0)}
	}
	r := &Result{typ: "filters", multi: true, keyed: f.keyed}
	for i := range f.width() {
		b := make(i)
		if b.bare = true; i < len(f.names) {
			b.name = f.names[i]
		} else {
			b.name = f.other
		}
		b.key = b.name
		r.buckets = append(r.buckets, b)
	}
	return r
}

func parseFilter(e *env, _ string, body *xcontent.Value, subs *level) (collector, error) {
	return &filters{e: e, typ: "filter", subs: subs, names: []string{""}, q: []*xcontent.Value{body}}, e.valid(body)
}

// valid checks a query's form where no index would.
func (e *env) valid(q *xcontent.Value) error {
	_, err := query.Build(q, &query.Context{Mapping: mapping.Empty(mapping.Limits{}), Now: e.Now})
	return err
}

func parseFilters(e *env, name string, body *xcontent.Value, subs *level) (collector, error) {
	f := &filters{e: e, typ: "filters", subs: subs, keyed: true}
	otherKey, other := "_other_", false
	err := members("filters", body, func(key string, v *xcontent.Value) (known bool, err error) {
		switch key {
		case "filters":
			if v.Is(xcontent.Array) {
				f.keyed = false
				for i, q := range v.Items {
					f.names, f.q = append(f.names, fmt.Sprint(i)), append(f.q, q)
				}
				return true, nil
			}
			list := slices.Clone(v.Members)
			slices.SortFunc(list, func(a, b xcontent.Member) int { return strings.Compare(a.Key, b.Key) })
			for _, m := range list {
				f.names, f.q = append(f.names, m.Key), append(f.q, m.Value)
			}
		case "other_bucket":
			other, err = v.Bool()
		case "other_bucket_key":
			otherKey, other = v.Text(), true
		case "keyed":
			f.keyed, err = v.Bool()
		default:
			return false, nil
		}
		return true, err
	})
	if other {
		f.other = otherKey
	}
	if err == nil && len(f.q) == 0 {
		line, col := body.Pos()
		err = eserr.Parsing(line, col, "[filters] cannot be empty for [%s]", name)
	}
	for _, q := range f.q {
		if err == nil {
			err = e.valid(q)
		}
	}
	return f, err
}

func parseMissing(e *env, name string, body *xcontent.Value, subs *level) (collector, error) {
	f := &filters{e: e, typ: "missing", subs: subs, names: []string{""}, src: &source{}}
	if err := members("missing", body, func(key string, v *xcontent.Value) (bool, error) { return f.src.set("missing", key, v) }); err != nil {
		return nil, err
	}
	return f, f.src.check(e, "missing", name, false)
}

func parseGlobal(e *env, _ string, body *xcontent.Value, subs *level) (collector, error) {
	return &filters{e: e, typ: "global", subs: subs, names: []string{""}, global: true},
		members("global", body, func(string, *xcontent.Value) (bool, error) { return false, nil })
}

// ranges is range and date_range.
type ranges struct {
	e      *env
	typ    string
	src    source
	subs   *level
	keyed  bool
	list   []bounds
	counts counts
	zone   *time.Location
}

type bounds struct {
	key          string
	from, to     float64
	fromS, toS   string
	hasFrom, has bool
}

func parseRange(typ string) parser {
	return func(e *env, name string, body *xcontent.Value, subs *level) (collector, error) {
		r := &ranges{e: e, typ: typ, subs: subs, zone: time.UTC}
		var list *xcontent.Value
		err := members(typ, body, func(key string, v *xcontent.Value) (known bool, err error) {
			switch {
			case key == "ranges":
				list = v
			case key == "keyed":
				r.keyed, err = v.Bool()
			case key == "time_zone" && typ == "date_range":
				r.zone, err = zoneOf(typ, v)
			default:
				return r.src.set(typ, key, v)
			}
			return true, err
		})
		if err != nil {
			return nil, err
		}
		if list == nil || len(list.Items) == 0 {
			return nil, eserr.Illegal("No [ranges] specified for the [%s] aggregation", name)
		}
		if err := r.src.check(e, typ, name, true); err != nil {
			return nil, err
		}
		for _, item := range list.Items {
			b, err := r.bounds(item)
			if err != nil {
				return nil, err
			}
			r.list = append(r.list, b)
		}
		slices.SortStableFunc(r.list, func(a, b bounds) int {
			if a.from != b.from {
				return int(math.Copysign(1, a.from-b.from))
			}
			if a.to != b.to {
				return int(math.Copysign(1, a.to-b.to))
			}
			return 0
		})
		return r, nil
	}
}

func (r *ranges) bounds(item *xcontent.Value) (bounds, error) {
	b := bounds{from: math.Inf(-1), to: math.Inf(1)}
	for _, m := range item.Members {
		if m.Value.Is(xcontent.Null) {
			continue
		}
		var to *float64
		switch m.Key {
		case "key":
			b.key = m.Value.Text()
			continue
		case "from":
			b.hasFrom, to = true, &b.from
		case "to":
			b.has, to = true, &b.to
		default:
			line, col := m.Value.Pos()
			return b, eserr.XContent(line, col, "[range] unknown field [%s]", m.Key)
		}
		v, err := r.bound(m.Value)
		if err != nil {
			return b, err
		}
		*to = v
	}
	text := func(v float64, has bool) string {
		switch {
		case !has:
			return "*"
		case r.src.field != nil && r.src.field.IsDate():
			return r.src.format.Print(time.UnixMilli(int64(v)).In(r.zone))
		}
		raw, _ := jsonFloat(v).MarshalJSON()
		return string(raw)
	}
	b.fromS, b.toS = text(b.from, b.hasFrom), text(b.to, b.has)
	if b.key == "" {
		b.key = b.fromS + "-" + b.toS
	}
	return b, nil
}

func (r *ranges) bound(v *xcontent.Value) (float64, error) {
	f := r.src.field
	if f == nil || !f.IsDate() {
		if f == nil && r.typ == "date_range" {
			return 0, nil
		}
		return v.Float()
	}
	if v.Is(xcontent.Number) && r.src.pattern == "" {
		n, err := v.Int()
		return float64(n), err
	}
	at, err := r.src.format.Math(v.Text(), r.e.Now, r.zone, false)
	if err != nil {
		return 0, eserr.New(400, "parse_exception", "failed to parse date field [%s] with format [%s]: [failed to parse date field [%s] with format [%s]]", v.Text(), r.src.format.Name, v.Text(), r.src.format.Name).With("index", r.e.first())
	}
	return float64(at.UnixMilli()), nil
}

func (r *ranges) start(t *search.Target, v *engine.View, base query.Node) error {
	if err := r.src.start(t, v); err != nil {
		return err
	}
	return r.subs.start(t, v, base)
}

func (r *ranges) collect(doc, bucket int) {
	values := r.src.numbers(doc)
	for i, b := range r.list {
		for _, v := range values {
			if v >= b.from && v < b.to {
				at := bucket*len(r.list) + i
				r.counts.add(at, 1)
				if r.subs != nil {
					r.subs.collect(doc, at)
				}
				break
			}
		}
	}
}

func (r *ranges) result(bucket int) *Result {
	out := &Result{typ: r.typ, multi: true, keyed: r.keyed}
	for i, b := range r.list {
		at := bucket*len(r.list) + i
		if bucket < 0 {
			at = -1
		}
		extra := map[string]any{}
		if b.hasFrom {
			extra["from"] = jsonFloat(b.from)
			if r.src.field != nil && r.src.field.IsDate() {
				extra["from_as_string"] = b.fromS
			}
		}
		if b.has {
			extra["to"] = jsonFloat(b.to)
			if r.src.field != nil && r.src.field.IsDate() {
				extra["to_as_string"] = b.toS
			}
		}
		out.buckets = append(out.buckets, &Bucket{key: b.key, name: b.key, bare: r.keyed, count: r.counts.get(at), subs: r.subs.results(at), extra: extra})
	}
	return out
}
