package aggs

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"obsandbox/sandbox/internal/elastic/dates"
	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/query"
	"obsandbox/sandbox/internal/elastic/search"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// histogram is histogram and date_histogram: buckets of a width, numbered by their beginning. Of dates the beginning is
// in milliseconds, of numbers the count of intervals.
type histogram struct {
	e     *env
	typ   string
	src   source
	subs  *level
	keyed bool
	order []orderKey
	// minCount 0 fills gaps, and as far as the extended bounds.
	minCount int64
	bounds   *[2]float64
	hard     *[2]float64

	interval float64 // of numbers
	offset   float64
	// of dates
	calendar byte
	fixed    int64
	shift    int64
	zone     *time.Location
	starts   []int64 // beginnings of calendar buckets, in order

	slots  []map[int64]int32
	keys   []int64
	counts counts
	// the last bucket, as neighbours tend to fall into the same
	lastParent int
	lastKey    int64
	lastSlot   int
	known      bool
}

// zoneOf reads the time_zone of an aggregation: a name, or a number of hours.
func zoneOf(typ string, v *xcontent.Value) (*time.Location, error) {
	name := v.Text()
	if v.Is(xcontent.Number) && !strings.HasPrefix(name, "-") {
		name = "+" + name
	}
	loc, err := dates.Zone(name)
	if err != nil {
		line, col := v.Pos()
		return nil, eserr.New(400, "x_content_parse_exception", "[%d:%d] [%s] failed to parse field [time_zone]", line, col, typ).CausedBy(err)
	}
	return loc, nil
}

// calendarUnit is the unit of a calendar interval; 0 where it is none.
func calendarUnit(text string) byte {
	switch text {
	case "second", "1s":
		return 's'
	case "minute", "1m":
		return 'm'
	case "hour", "1h":
		return 'h'
	case "day", "1d":
		return 'd'
	case "week", "1w":
		return 'w'
	case "month", "1M":
		return 'M'
	case "quarter", "1q":
		return 'q'
	case "year", "1y":
		return 'y'
	}
	return 0
}

func parseDateHistogram(e *env, name string, body *xcontent.Value, subs *level) (collector, error) {
	h := &histogram{e: e, typ: "date_histogram", subs: subs, zone: time.UTC, order: []orderKey{{path: "_key"}}}
	var extended, hard *xcontent.Value
	err := members("date_histogram", body, func(key string, v *xcontent.Value) (known bool, err error) {
		switch key {
		case "calendar_interval":
			if h.calendar = calendarUnit(v.Text()); h.calendar == 0 {
				err = eserr.Illegal("The supplied interval [%s] could not be parsed as a calendar interval.", v.Text())
			}
		case "fixed_interval":
			d, derr := dates.Duration(v.Text())
			if derr != nil || d <= 0 || strings.ContainsAny(v.Text(), "wMqy") {
				err = eserr.Illegal("failed to parse setting [date_histogram.fixedInterval] with value [%s] as a time value: unit is missing or unrecognized", v.Text())
			}
			h.fixed = d.Milliseconds()
		case "time_zone":
			h.zone, err = zoneOf("date_histogram", v)
		case "offset":
			text := v.Text()
			sign := int64(1)
			if rest, neg := strings.CutPrefix(text, "-"); neg {
				sign, text = -1, rest
			}
			d, derr := dates.Duration(strings.TrimPrefix(text, "+"))
			if derr != nil {
				err = eserr.Illegal("%s", derr)
			}
			h.shift = sign * d.Milliseconds()
		case "min_doc_count":
			h.minCount, err = v.Int()
		case "extended_bounds":
			extended = v
		case "hard_bounds":
			hard = v
		case "keyed":
			h.keyed, err = v.Bool()
		case "order":
			h.order, err = parseOrder(v)
		case "params":
		default:
			return h.src.set("date_histogram", key, v)
		}
		return true, err
	})
	if err != nil {
		return nil, err
	}
	switch {
	case h.calendar != 0 && h.fixed != 0:
		return nil, eserr.Illegal("Cannot use [fixed_interval] with [calendar_interval] configuration option.")
	case h.calendar == 0 && h.fixed <= 0:
		return nil, eserr.Illegal("Invalid interval specified, must be non-null and non-empty")
	}
	if err := h.src.check(e, "date_histogram", name, true); err != nil {
		return nil, err
	}
	if h.bounds, err = h.dateBounds(extended); err != nil {
		return nil, err
	}
	h.hard, err = h.dateBounds(hard)
	return h, err
}

func (h *histogram) dateBounds(v *xcontent.Value) (*[2]float64, error) {
	if v == nil {
		return nil, nil
	}
	out := [2]float64{math.Inf(-1), math.Inf(1)}
	members := slices.SortedFunc(slices.Values(v.Members), func(a, b xcontent.Member) int { return strings.Compare(b.Key, a.Key) })
	for _, m := range members {
		i := slices.Index([]string{"min", "max"}, m.Key)
		if i < 0 {
			line, col := m.Value.Pos()
			return nil, eserr.XContent(line, col, "[bounds] unknown field [%s]", m.Key)
		}
		if m.Value.Is(xcontent.Null) {
			continue
		}
		if m.Value.Is(xcontent.Number) && h.src.pattern == "" {
			n, err := m.Value.Int()
			if err != nil {
				return nil, err
			}
			out[i] = float64(n)
			continue
		}
		format := h.src.format
		if format == nil {
			format = dates.MustCompile(dates.Default)
		}
		t, err := format.Math(m.Value.Text(), h.e.Now, h.zone, false)
		if err != nil {
			if n, nerr := m.Value.Int(); nerr == nil {
				out[i] = float64(n)
				continue
			}
			return nil, eserr.New(400, "parse_exception", "failed to parse date field [%s] with format [%s]: [failed to parse date field [%s] with format [%s]]", m.Value.Text(), format.Name, m.Value.Text(), format.Name).With("index", h.e.first())
		}
		out[i] = float64(t.UnixMilli())
	}
	if out[0] > out[1] {
		return nil, eserr.Illegal("[extended_bounds.min][%v] cannot be greater than [extended_bounds.max][%v] for histogram aggregation", out[0], out[1])
	}
	return &out, nil
}

func parseHistogram(e *env, name string, body *xcontent.Value, subs *level) (collector, error) {
	h := &histogram{e: e, typ: "histogram", subs: subs, order: []orderKey{{path: "_key"}}}
	bound := func(v *xcontent.Value) (*[2]float64, error) {
		out := [2]float64{math.Inf(-1), math.Inf(1)}
		for _, m := range v.Members {
			i := slices.Index([]string{"min", "max"}, m.Key)
			if i < 0 {
				line, col := m.Value.Pos()
				return nil, eserr.XContent(line, col, "[bounds] unknown field [%s]", m.Key)
			}
			if m.Value.Is(xcontent.Null) {
				continue
			}
			x, err := m.Value.Float()
			if err != nil {
				return nil, err
			}
			out[i] = x
		}
		return &out, nil
	}
	err := members("histogram", body, func(key string, v *xcontent.Value) (known bool, err error) {
		switch key {
		case "interval":
			h.interval, err = v.Float()
		case "offset":
			h.offset, err = v.Float()
		case "min_doc_count":
			h.minCount, err = v.Int()
		case "extended_bounds":
			h.bounds, err = bound(v)
		case "hard_bounds":
			h.hard, err = bound(v)
		case "keyed":
			h.keyed, err = v.Bool()
		case "order":
			h.order, err = parseOrder(v)
		default:
			return h.src.set("histogram", key, v)
		}
		return true, err
	})
	if err == nil && h.interval <= 0 {
		err = eserr.Illegal("[interval] must be >0 for histogram aggregation [%s]", name)
	}
	if err != nil {
		return nil, err
	}
	return h, h.src.check(e, "histogram", name, true)
}

func (h *histogram) start(t *search.Target, v *engine.View, base query.Node) error {
	if err := h.src.start(t, v); err != nil {
		return err
	}
	return h.subs.start(t, v, base)
}

// floor is the beginning of a date's bucket.
func (h *histogram) floor(ms int64) int64 {
	ms -= h.shift
	if h.calendar == 0 {
		if dates.IsUTC(h.zone) {
			return floorDiv(ms, h.fixed)*h.fixed + h.shift
		}
		_, off := time.UnixMilli(ms).In(h.zone).Zone()
		local := ms + int64(off)*1000
		start := floorDiv(local, h.fixed) * h.fixed
		// The zone at the beginning counts: a change of the clock may lie between.
		_, at := time.UnixMilli(start - int64(off)*1000).In(h.zone).Zone()
		return start - int64(at)*1000 + h.shift
	}
	if n := len(h.starts); n > 0 && ms >= h.starts[0] && ms < h.starts[n-1] {
		i := sort.Search(n, func(i int) bool { return h.starts[i] > ms }) - 1
		return h.starts[i] + h.shift
	}
	t, _ := dates.Floor(time.UnixMilli(ms).In(h.zone), h.calendar)
	h.learn(t)
	return t.UnixMilli() + h.shift
}

// maxStarts bounds the table of calendar buckets; beyond it each date is worked out by itself.
const maxStarts = 10_000

// learn extends the table of beginnings to a bucket.
func (h *histogram) learn(t time.Time) {
	ms := t.UnixMilli()
	next := func(t time.Time) time.Time {
		n, _ := dates.Add(t, h.calendar, 1)
		f, _ := dates.Floor(n, h.calendar)
		return f
	}
	if len(h.starts) == 0 {
		h.starts = []int64{ms, next(t).UnixMilli()}
		return
	}
	last := h.starts[len(h.starts)-1]
	if shortest := calendarLength(h.calendar); ms < h.starts[0]-maxStarts*shortest || ms > last+maxStarts*shortest {
		return
	}
	if ms < h.starts[0] {
		var before []int64
		for at := t; at.UnixMilli() < h.starts[0]; at = next(at) {
			if before = append(before, at.UnixMilli()); len(before) > maxStarts {
				return
			}
		}
		h.starts = append(before, h.starts...)
		return
	}
	var after []int64
	for at := time.UnixMilli(last).In(h.zone); at.UnixMilli() <= ms; {
		at = next(at)
		if after = append(after, at.UnixMilli()); len(after)+len(h.starts) > maxStarts {
			return
		}
	}
	h.starts = append(h.starts, after...)
}

// calendarLength is the least length of a calendar bucket in milliseconds.
func calendarLength(unit byte) int64 {
	return map[byte]int64{'s': 1e3, 'm': 60e3, 'h': 3600e3, 'd': 23 * 3600e3, 'w': 6 * 86400e3, 'M': 28 * 86400e3, 'q': 89 * 86400e3, 'y': 365 * 86400e3}[unit]
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// key is a value's bucket.
func (h *histogram) key(v float64) int64 {
	if h.typ == "histogram" {
		return int64(math.Floor((v - h.offset) / h.interval))
	}
	return h.floor(int64(v))
}

func (h *histogram) collect(doc, bucket int) {
	s := &h.src
	if h.typ == "date_histogram" && s.col != nil && s.script == nil && s.now.Kind == mapping.Num {
		from, to := s.col.Range(doc)
		if from == to && s.gap != nil {
			h.put(doc, bucket, h.floor(s.gapID), float64(s.gapID))
			return
		}
		last := int64(math.MinInt64)
		for i := from; i < to; i++ {
			v := s.whole(i)
			k := h.floor(v)
			if k != last || i == from {
				h.put(doc, bucket, k, float64(v))
			}
			last = k
		}
		return
	}
	values := s.numbers(doc)
	last := int64(math.MinInt64)
	for i, v := range values {
		if k := h.key(v); k != last || i == 0 {
			h.put(doc, bucket, k, v)
			last = k
		}
	}
}

func (h *histogram) put(doc, parent int, key int64, v float64) {
	if h.hard != nil && (v < h.hard[0] || v > h.hard[1]) {
		return
	}
	slot := h.lastSlot
	if !h.known || parent != h.lastParent || key != h.lastKey {
		h.slots = grown(h.slots, parent)
		if h.slots[parent] == nil {
			h.slots[parent] = map[int64]int32{}
		}
		at, ok := h.slots[parent][key]
		if !ok {
			at = int32(len(h.keys))
			h.slots[parent][key] = at
			h.keys, h.counts = append(h.keys, key), append(h.counts, 0)
			h.e.bucket()
		}
		slot = int(at)
		h.lastParent, h.lastKey, h.lastSlot, h.known = parent, key, slot, true
	}
	h.counts[slot]++
	if h.subs != nil {
		h.subs.collect(doc, slot)
	}
}

// next is the bucket after a bucket.
func (h *histogram) next(key int64) int64 {
	switch {
	case h.typ == "histogram":
		return key + 1
	case h.calendar == 0 && dates.IsUTC(h.zone):
		return key + h.fixed
	case h.calendar == 0:
		n := h.floor(key + h.fixed)
		if n <= key {
			n = h.floor(key + h.fixed + 2*3600_000)
		}
		return n
	}
	t, _ := dates.Add(time.UnixMilli(key-h.shift).In(h.zone), h.calendar, 1)
	n := h.floor(t.UnixMilli() + h.shift)
	if n <= key {
		n = h.floor(t.UnixMilli() + h.shift + 2*3600_000)
	}
	return n
}

func (h *histogram) result(bucket int) *Result {
	r := &Result{typ: h.typ, multi: true, keyed: h.keyed}
	slots := map[int64]int32{}
	if bucket >= 0 && bucket < len(h.slots) && h.slots[bucket] != nil {
		slots = h.slots[bucket]
	}
	var keys []int64
	for k := range slots {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	if h.minCount == 0 {
		keys = h.fill(keys)
	}
	for _, k := range keys {
		slot, ok := slots[k]
		at, count := -1, int64(0)
		if ok {
			at, count = int(slot), h.counts[slot]
		}
		if count < h.minCount {
			continue
		}
		r.buckets = append(r.buckets, h.bucket(k, count, at))
	}
	h.sort(r.buckets)
	return r
}

// fill adds the buckets between the first and the last, and to the extended bounds.
func (h *histogram) fill(keys []int64) []int64 {
	var lo, hi int64
	has := len(keys) > 0
	if has {
		lo, hi = keys[0], keys[len(keys)-1]
	}
	if h.bounds != nil {
		for i, b := range h.bounds {
			if math.IsInf(b, 0) {
				continue
			}
			k := h.key(b)
			switch {
			case !has:
				lo, hi, has = k, k, true
			case i == 0:
				lo = min(lo, k)
			default:
				hi = max(hi, k)
			}
		}
	}
	if !has {
		return nil
	}
	var out []int64
	for k := lo; k <= hi; k = h.next(k) {
		if out = append(out, k); len(out) > maxBuckets {
			h.e.buckets = maxBuckets
			h.e.bucket()
			return out
		}
	}
	return out
}

func (h *histogram) bucket(k, count int64, at int) *Bucket {
	b := &Bucket{count: count, subs: h.subs.results(at)}
	if h.typ == "histogram" {
		b.num = float64(k)*h.interval + h.offset
		b.key = jsonFloat(b.num)
		raw, _ := jsonFloat(b.num).MarshalJSON()
		b.name = string(raw)
		return b
	}
	b.num, b.key = float64(k), k
	format := h.src.format
	if format == nil {
		format = dates.MustCompile("strict_date_optional_time")
	}
	b.keyS = format.Print(time.UnixMilli(k).In(h.zone))
	if b.name = b.keyS; b.name == "" {
		b.name = strconv.FormatInt(k, 10)
	}
	return b
}

func (h *histogram) sort(buckets []*Bucket) {
	if len(h.order) == 1 && h.order[0].path == "_key" {
		if h.order[0].desc {
			slices.Reverse(buckets)
		}
		return
	}
	slices.SortStableFunc(buckets, func(a, b *Bucket) int {
		for _, k := range h.order {
			c := 0
			switch k.path {
			case "_key":
				c = cmp.Compare(a.num, b.num)
			case "_count":
				c = cmp.Compare(a.count, b.count)
			default:
				c = cmp.Compare(metricAt(a.subs, k.path), metricAt(b.subs, k.path))
			}
			if k.desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
}

// width is a bucket's length in milliseconds.
func (h *histogram) width(key int64) float64 { return float64(h.next(key) - key) }
