package aggs

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"strings"

	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/query"
	"obsandbox/sandbox/internal/elastic/search"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// terms has a bucket for every value.
type terms struct {
	e    *env
	src  source
	subs *level
	size int
	// shardSize is how many buckets Elasticsearch's shard hands on: what lacks documents among them is not "other".
	shardSize int
	minCount  int64
	order     []orderKey
	include   func(string) bool
	exclude   func(string) bool

	// Values are numbered as they come: ids of strings by text, of numbers by value.
	strs   map[string]int
	nums   map[int64]int
	values []termValue
	// slots[parent][id] is the bucket + 1 of a value under a parent's bucket.
	slots  [][]int32
	counts counts
	total  counts // documents' values by parent
	// seg maps a segment's ords to ids + 1.
	seg  []int32
	seen []int
}

type termValue struct {
	s  string
	n  int64
	ok bool // not excluded
}

// orderKey is one key of an order: _count, _key or a metric's path.
type orderKey struct {
	path string
	desc bool
}

func parseOrder(v *xcontent.Value) ([]orderKey, error) {
	items := []*xcontent.Value{v}
	if v.Is(xcontent.Array) {
		items = v.Items
	}
	var out []orderKey
	for _, item := range items {
		line, col := item.Pos()
		if !item.Is(xcontent.Object) || len(item.Members) != 1 {
			return nil, eserr.Parsing(line, col, "Must specify at least one field for [order]")
		}
		m := item.Members[0]
		k := orderKey{path: m.Key}
		switch strings.ToLower(m.Value.Text()) {
		case "asc":
		case "desc":
			k.desc = true
		default:
			return nil, eserr.Parsing(line, col, "Unknown order direction [%s]", m.Value.Text())
		}
		if k.path == "_term" || k.path == "_time" {
			return nil, eserr.Parsing(line, col, "Unknown order key [%s], use [_key]", k.path)
		}
		out = append(out, k)
	}
	return out, nil
}

func parseTerms(e *env, name string, body *xcontent.Value, subs *level) (collector, error) {
	t := &terms{e: e, subs: subs, size: 10, minCount: 1, strs: map[string]int{}, nums: map[int64]int{}}
	err := members("terms", body, func(key string, v *xcontent.Value) (known bool, err error) {
		var n int64
		switch key {
		case "size":
			if n, err = v.Int(); err == nil && n <= 0 {
				err = eserr.Illegal("[size] must be greater than 0. Found [%d] in [%s]", n, name)
			}
			t.size = int(n)
		case "shard_size":
			if n, err = v.Int(); err == nil && n <= 0 {
				err = eserr.Illegal("[shardSize] must be greater than 0. Found [%d] in [%s]", n, name)
			}
			t.shardSize = int(n)
		case "shard_min_doc_count", "collect_mode", "execution_hint", "value_type":
		case "show_term_doc_count_error":
			_, err = v.Bool()
		case "min_doc_count":
			if t.minCount, err = v.Int(); err == nil && t.minCount < 0 {
				err = eserr.Illegal("[min_doc_count] must be greater than or equal to 0. Found [%d] in [%s]", t.minCount, name)
			}
		case "order":
			t.order, err = parseOrder(v)
		case "include":
			t.include, err = selector(v)
		case "exclude":
			t.exclude, err = selector(v)
		default:
			return t.src.set("terms", key, v)
		}
		return true, err
	})
	if err != nil {
		return nil, err
	}
	if t.order == nil {
		t.order = []orderKey{{path: "_count", desc: true}}
	}
	if len(t.order) == 0 || t.order[len(t.order)-1].path != "_key" {
		t.order = append(t.order, orderKey{path: "_key"})
	}
	for _, k := range t.order {
		if k.path == "_key" || k.path == "_count" {
			continue
		}
		name, _, _ := splitPath(k.path)
		if subs == nil || !slices.ContainsFunc(subs.nodes, func(n *node) bool { return n.name == name }) {
			return nil, eserr.New(500, "aggregation_execution_exception", "Invalid aggregation order path [%s]. The provided aggregation [%s] either does not exist, or is a pipeline aggregation and cannot be used to sort the buckets.", k.path, name)
		}
	}
	if t.src.name == "_index" {
		return t, nil
	}
	return t, t.src.check(e, "terms", name, false)
}

// selector reads include and exclude: a regular expression, a list of values or a partition.
func selector(v *xcontent.Value) (func(string) bool, error) {
	if v.Is(xcontent.Object) {
		return nil, eserr.Unsupported("aggregation [terms] with partitions")
	}
	if v.Is(xcontent.Array) {
		list, err := v.Strings()
		return func(s string) bool { return slices.Contains(list, s) }, err
	}
	match, err := query.LuceneRegexp(v.Text(), false)
	if err != nil {
		return nil, eserr.Illegal("%s", err)
	}
	return match, nil
}

func (t *terms) start(target *search.Target, v *engine.View, base query.Node) error {
	if t.src.name == "_index" {
		t.seen = append(t.seen[:0], t.idOf(target.Index, 0, true))
		t.src.gapS = target.Index
		return t.subs.start(target, v, base)
	}
	if err := t.src.start(target, v); err != nil {
		return err
	}
	t.seg = nil
	if t.src.col != nil && t.minCount == 0 {
		for doc := range v.Docs() {
			if !v.Alive(doc) {
				continue
			}
			for i, end := t.src.col.Range(doc); i < end; i++ {
				t.idOf("", t.src.whole(i), false)
			}
		}
	}
	if t.src.ords != nil {
		t.seg = make([]int32, t.src.to-t.src.from)
		if t.minCount == 0 {
			for o := t.src.from; o < t.src.to; o++ {
				t.ordID(o)
			}
		}
	}
	return t.subs.start(target, v, base)
}

// idOf numbers a value.
func (t *terms) idOf(s string, n int64, str bool) int {
	if str {
		if id, ok := t.strs[s]; ok {
			return id
		}
	} else if id, ok := t.nums[n]; ok {
		return id
	}
	id := len(t.values)
	v := termValue{s: strings.Clone(s), n: n, ok: true}
	if t.include != nil || t.exclude != nil {
		text := v.s
		if !str {
			text = t.src.field.Print(n)
		} else if t.src.field != nil {
			text = t.src.field.TermText(v.s)
		}
		v.ok = (t.include == nil || t.include(text)) && (t.exclude == nil || !t.exclude(text))
	}
	t.values = append(t.values, v)
	if str {
		t.strs[v.s] = id
	} else {
		t.nums[n] = id
	}
	return id
}

func (t *terms) ordID(ord int) int {
	slot := &t.seg[ord-t.src.from]
	if *slot == 0 {
		term := t.src.dict.Term(ord)
		if t.src.now.Key != "" {
			term = term[len(t.src.now.Key)+1:]
		}
		*slot = int32(t.idOf(term, 0, true)) + 1
	}
	return int(*slot) - 1
}

func (t *terms) collect(doc, bucket int) {
	s := &t.src
	any := false
	switch {
	case s.name == "_index":
		t.hit(doc, bucket, t.idOf(s.gapS, 0, true))
		return
	case s.ords != nil:
		from, to := s.ords.Range(doc)
		for i := from; i < to; i++ {
			o := int(s.ords.At(i))
			if o < s.from || o >= s.to {
				continue
			}
			any = true
			t.hit(doc, bucket, t.ordID(o))
		}
	case s.col != nil:
		from, to := s.col.Range(doc)
		for i := from; i < to; i++ {
			v := s.whole(i)
			if i > from && v == s.whole(i-1) {
				continue
			}
			any = true
			t.hit(doc, bucket, t.idOf("", v, false))
		}
	}
	if !any && s.missing != nil {
		if s.gap != nil {
			t.hit(doc, bucket, t.idOf("", s.gapID, false))
		} else {
			t.hit(doc, bucket, t.idOf(s.gapS, 0, true))
		}
	}
}

func (t *terms) hit(doc, parent, id int) {
	if !t.values[id].ok {
		return
	}
	t.slots = grown(t.slots, parent)
	row := grown(t.slots[parent], id)
	t.slots[parent] = row
	if row[id] == 0 {
		t.counts = append(t.counts, 0)
		row[id] = int32(len(t.counts))
		if t.subs != nil {
			t.e.bucket()
		}
	}
	at := int(row[id]) - 1
	t.counts[at]++
	t.total.add(parent, 1)
	if t.subs != nil {
		t.subs.collect(doc, at)
	}
}

// resultType is the type of the buckets' keys.
func (t *terms) resultType() string {
	switch f := t.src.field; {
	case t.src.name == "_index" || f != nil && !f.Numeric():
		return "sterms"
	case f == nil:
		return "umterms"
	case f.Kind == mapping.Float || f.Type == "scaled_float":
		return "dterms"
	case f.Type == "unsigned_long":
		return "ulterms"
	}
	return "lterms"
}

type termBucket struct {
	id, at int
	count  int64
	subs   map[string]*Result
}

func (t *terms) result(bucket int) *Result {
	r := &Result{typ: t.resultType(), multi: true, fields: map[string]any{"doc_count_error_upper_bound": 0, "sum_other_doc_count": 0}}
	var list []*termBucket
	var row []int32
	if bucket >= 0 && bucket < len(t.slots) {
		row = t.slots[bucket]
	}
	for id, slot := range row {
		if slot > 0 {
			list = append(list, &termBucket{id: id, at: int(slot) - 1, count: t.counts[slot-1]})
		}
	}
	if t.minCount == 0 {
		for id, v := range t.values {
			if v.ok && (id >= len(row) || row[id] == 0) {
				list = append(list, &termBucket{id: id, at: -1})
			}
		}
	}
	byMetric := slices.ContainsFunc(t.order, func(k orderKey) bool { return k.path != "_key" && k.path != "_count" })
	if byMetric {
		for _, b := range list {
			b.subs = t.subs.results(b.at)
		}
	}
	slices.SortFunc(list, func(a, b *termBucket) int { return t.compare(a, b) })
	other := t.total.get(bucket)
	handed := max(t.shardSize, t.size)
	if t.shardSize == 0 {
		handed = t.size + t.size/2 + 10
	}
	list = slices.DeleteFunc(list, func(b *termBucket) bool {
		handed--
		few := b.count < t.minCount
		if few && handed >= 0 {
			other -= b.count
		}
		return few
	})
	if len(list) > t.size {
		list = list[:t.size]
	}
	for _, b := range list {
		other -= b.count
		if b.subs == nil {
			b.subs = t.subs.results(b.at)
		}
		r.buckets = append(r.buckets, t.bucket(b))
	}
	r.fields["sum_other_doc_count"] = max(other, 0)
	return r
}

func (t *terms) bucket(b *termBucket) *Bucket {
	v := t.values[b.id]
	out := &Bucket{count: b.count, subs: b.subs}
	f := t.src.field
	switch {
	case f == nil || !f.Numeric():
		out.key = v.s
		if f != nil {
			out.key = f.TermText(v.s)
			if f.Key != "" {
				out.key = v.s
			}
		}
	default:
		out.key, out.num = f.Output(v.n), f.Float(v.n)
		if x, ok := out.key.(float64); ok {
			out.key = jsonFloat(x)
		}
		out.keyS = t.src.print(out.num)
	}
	return out
}

func (t *terms) compare(a, b *termBucket) int {
	for _, k := range t.order {
		c := 0
		switch k.path {
		case "_count":
			c = cmp.Compare(a.count, b.count)
		case "_key":
			x, y := t.values[a.id], t.values[b.id]
			if c = strings.Compare(x.s, y.s); c == 0 {
				c = cmp.Compare(x.n, y.n)
			}
		default:
			x, y := metricAt(a.subs, k.path), metricAt(b.subs, k.path)
			// What has no value comes last either way.
			switch nx, ny := math.IsNaN(x), math.IsNaN(y); {
			case nx && ny:
			case nx:
				return 1
			case ny:
				return -1
			default:
				c = cmp.Compare(x, y)
			}
		}
		if k.desc {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

var pathPart = regexp.MustCompile(`^([^.\[>]+)(?:\[([^\]]*)\]|\.(.*))?$`)

// splitPath cuts "stats.avg", "p[99.0]" or "a>b.value" into the first name, what is asked of it and the rest after >.
func splitPath(path string) (name, value, rest string) {
	head, rest, _ := strings.Cut(path, ">")
	m := pathPart.FindStringSubmatch(head)
	if m == nil {
		return head, "", rest
	}
	return m[1], m[2] + m[3], rest
}

// metricAt is a metric's value below results; NaN where there is none.
func metricAt(results map[string]*Result, path string) float64 {
	name, value, rest := splitPath(path)
	r := results[name]
	if r == nil {
		return math.NaN()
	}
	if rest != "" {
		if r.single == nil {
			return math.NaN()
		}
		if rest == "_count" {
			return float64(r.single.count)
		}
		return metricAt(r.single.subs, rest)
	}
	if r.single != nil {
		if value == "" || value == "_count" || value == "doc_count" {
			return float64(r.single.count)
		}
		return metricAt(r.single.subs, value)
	}
	if r.value == nil {
		return math.NaN()
	}
	v, ok := r.value(value)
	if !ok {
		return math.NaN()
	}
	return v
}
