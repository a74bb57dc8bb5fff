package aggs

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/cespare/xxhash/v2"

	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/query"
	"obsandbox/sandbox/internal/elastic/search"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// percentiles is percentiles, percentile_ranks and median_absolute_deviation. They are exact: all values are kept until
// the end, where Elasticsearch estimates beyond some thousand.
type percentiles struct {
	typ   string
	src   source
	at    []float64
	keyed bool
	all   [][]float64
}

func parsePercentiles(typ string) parser {
	return func(e *env, name string, body *xcontent.Value, _ *level) (collector, error) {
		p := &percentiles{typ: typ, keyed: true}
		if typ == "percentiles" {
			p.at = []float64{1, 5, 25, 50, 75, 95, 99}
		}
		err := members(typ, body, func(key string, v *xcontent.Value) (known bool, err error) {
			switch key {
			case "percents", "values":
				if (key == "percents") != (typ == "percentiles") {
					return false, nil
				}
				p.at = nil
				for _, item := range v.Items {
					x, err := item.Float()
					if err != nil {
						return true, err
					}
					if key == "percents" && (x < 0 || x > 100) {
						return true, eserr.Illegal("percent must be in [0,100], got [%s]: [%s]", floatText(x), name)
					}
					p.at = append(p.at, x)
				}
			case "keyed":
				p.keyed, err = v.Bool()
			case "tdigest", "hdr", "compression":
			default:
				return p.src.set(typ, key, v)
			}
			return true, err
		})
		if err == nil && typ != "median_absolute_deviation" && len(p.at) == 0 {
			err = eserr.Illegal("[percents] must not be empty: [%s]", name)
		}
		if err != nil {
			return nil, err
		}
		slices.Sort(p.at)
		if err := p.src.check(e, typ, name, true); err != nil {
			return nil, err
		}
		if f := p.src.field; typ == "median_absolute_deviation" && f != nil && (f.IsDate() || f.Type == "boolean") {
			return nil, search.ShardFail(e.first(), "Field [%s] of type [%s] is not supported for aggregation [%s]", p.src.name, f.Type, typ)
		}
		return p, nil
	}
}

func (p *percentiles) start(t *search.Target, v *engine.View, _ query.Node) error {
	return p.src.start(t, v)
}

func (p *percentiles) collect(doc, bucket int) {
	if values := p.src.numbers(doc); len(values) > 0 {
		p.all = grown(p.all, bucket)
		p.all[bucket] = append(p.all[bucket], values...)
	}
}

// quantile is the value below which a share of sorted values lies, between two of them linearly.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	lo := int(math.Floor(at))
	hi := min(lo+1, len(sorted)-1)
	return sorted[lo] + (at-float64(lo))*(sorted[hi]-sorted[lo])
}

// rank is the share of sorted values that lie below v in percent, as Elasticsearch's digest counts it while it holds
// every value: each takes the room to half the way to its neighbours, and the least and the greatest count half.
func rank(sorted []float64, v float64) float64 {
	n := len(sorted)
	if n == 0 {
		return math.NaN()
	}
	from := sort.SearchFloat64s(sorted, v)
	to := sort.Search(n, func(i int) bool { return sorted[i] > v })
	share := func(r float64) float64 { return 100 * r / float64(n) }
	switch {
	case to == 0:
		return 0
	case from == n:
		return 100
	case from == 0:
		return share(float64(to) / 2)
	case to == n:
		return share(float64(from+n) / 2)
	}
	// The value whose room v is in: the last one not after v, or the next where v is nearer to that.
	i := to - 1
	if v >= (sorted[i]+sorted[i+1])/2 && v > sorted[i] {
		i++
	}
	left, right := (sorted[i]+sorted[max(i-1, 0)])/2, sorted[i]
	if i+1 < n {
		right = (sorted[i] + sorted[i+1]) / 2
	} else {
		right += sorted[i] - left
	}
	if i == 0 {
		left = sorted[0] - (right - sorted[0])
	}
	return share(float64(i) + (v-left)/(right-left))
}

func (p *percentiles) result(bucket int) *Result {
	var values []float64
	if bucket >= 0 && bucket < len(p.all) {
		values = p.all[bucket]
		slices.Sort(values)
	}
	if p.typ == "median_absolute_deviation" {
		median := quantile(values, 0.5)
		away := make([]float64, len(values))
		for i, v := range values {
			away[i] = math.Abs(v - median)
		}
		slices.Sort(away)
		mad := quantile(away, 0.5)
		return metricResult(p.typ, mad, p.src.print(mad))
	}
	out := map[string]float64{}
	keyed := map[string]any{}
	list := []any{}
	for _, at := range p.at {
		v := rank(values, at)
		if p.typ == "percentiles" {
			v = quantile(values, at/100)
		}
		key := floatText(at)
		out[key], out[fmt.Sprint(at)] = v, v
		keyed[key] = number(v)
		entry := map[string]any{"key": jsonFloat(at), "value": number(v)}
		if text := p.src.print(v); text != "" && !math.IsNaN(v) {
			keyed[key+"_as_string"], entry["value_as_string"] = text, text
		}
		list = append(list, entry)
	}
	r := &Result{typ: "tdigest_" + p.typ, value: func(name string) (float64, bool) { v, ok := out[name]; return v, ok }}
	if r.fields = map[string]any{"values": list}; p.keyed {
		r.fields["values"] = keyed
	}
	return r
}

// cardinality counts different values exactly; Elasticsearch estimates above precision_threshold.
type cardinality struct {
	src   source
	sets  []map[uint64]struct{}
	seg   []uint64
	known []bool
}

func parseCardinality(e *env, name string, body *xcontent.Value, _ *level) (collector, error) {
	c := &cardinality{}
	err := members("cardinality", body, func(key string, v *xcontent.Value) (bool, error) {
		switch key {
		case "precision_threshold":
			n, err := v.Int()
			if err == nil && n < 0 {
				err = eserr.Illegal("[precisionThreshold] must be greater than or equal to 0. Found [%d] in [%s]", n, name)
			}
			return true, err
		case "rehash", "execution_hint":
			return true, nil
		}
		return c.src.set("cardinality", key, v)
	})
	if err != nil {
		return nil, err
	}
	return c, c.src.check(e, "cardinality", name, false)
}

func (c *cardinality) start(t *search.Target, v *engine.View, _ query.Node) error {
	if err := c.src.start(t, v); err != nil {
		return err
	}
	if c.src.dict != nil {
		c.seg, c.known = make([]uint64, c.src.to-c.src.from), make([]bool, c.src.to-c.src.from)
	}
	return nil
}

func (c *cardinality) collect(doc, bucket int) {
	c.sets = grown(c.sets, bucket)
	if c.sets[bucket] == nil {
		c.sets[bucket] = map[uint64]struct{}{}
	}
	set := c.sets[bucket]
	s := &c.src
	switch {
	case s.ords != nil:
		from, to := s.ords.Range(doc)
		for i := from; i < to; i++ {
			o := int(s.ords.At(i)) - s.from
			if o < 0 || o >= len(c.seg) {
				continue
			}
			if !c.known[o] {
				c.known[o], c.seg[o] = true, xxhash.Sum64String(s.dict.Term(o+s.from))
			}
			set[c.seg[o]] = struct{}{}
		}
	case s.col != nil:
		from, to := s.col.Range(doc)
		for i := from; i < to; i++ {
			set[math.Float64bits(s.float(i))] = struct{}{}
		}
	}
	if s.missing != nil && !s.has(doc) {
		if s.gap != nil {
			set[math.Float64bits(s.gap[0])] = struct{}{}
		} else {
			set[xxhash.Sum64String(s.gapS)] = struct{}{}
		}
	}
}

func (c *cardinality) result(bucket int) *Result {
	n := 0
	if bucket >= 0 && bucket < len(c.sets) {
		n = len(c.sets[bucket])
	}
	r := metricResult("cardinality", float64(n), "")
	r.fields["value"] = n
	return r
}
