package aggs

import (
	"math"
	"strconv"
	"strings"
)

// Bucket is one bucket of a result.
type Bucket struct {
	// key is what the bucket is called in pipelines' _key; num its number, if it has one.
	key   any
	keyS  string // key_as_string
	num   float64
	count int64
	subs  map[string]*Result
	extra map[string]any
	// name is the bucket's key where the buckets are an object.
	name string
	// bare says that the bucket has no "key": those of anonymous filters.
	bare bool
}

// Result is an aggregation's result.
type Result struct {
	typ  string
	meta any
	// of several buckets
	multi   bool
	keyed   bool
	buckets []*Bucket
	// of one bucket
	single *Bucket
	// everything else that is printed
	fields map[string]any
	// value is what pipelines find under a name; "" is "value".
	value func(name string) (float64, bool)
}

// metricResult is the result of an aggregation with one value; NaN is null.
func metricResult(typ string, v float64, text string) *Result {
	fields := map[string]any{"value": number(v)}
	if text != "" && !math.IsNaN(v) && !math.IsInf(v, 0) {
		fields["value_as_string"] = text
	}
	return &Result{typ: typ, fields: fields, value: func(name string) (float64, bool) { return v, name == "" || name == "value" }}
}

// number is a float as JSON has it: what is none is null.
func number(v float64) any {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return jsonFloat(v)
}

// jsonFloat prints like Java's Double.toString: always with a fraction.
type jsonFloat float64

// MarshalJSON prints the number.
func (f jsonFloat) MarshalJSON() ([]byte, error) {
	v := float64(f)
	if abs := math.Abs(v); abs != 0 && (abs < 1e-3 || abs >= 1e7) {
		s := strconv.FormatFloat(v, 'E', -1, 64)
		mantissa, exp, _ := strings.Cut(s, "E")
		if !strings.Contains(mantissa, ".") {
			mantissa += ".0"
		}
		sign := ""
		if exp[0] == '-' {
			sign = "-"
		}
		return []byte(mantissa + "E" + sign + strings.TrimLeft(exp[1:], "0")), nil
	}
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return []byte(s), nil
}

func render(results map[string]*Result, typed bool) map[string]any {
	out := map[string]any{}
	for name, r := range results {
		key := name
		if typed {
			key = r.typ + "#" + name
		}
		out[key] = r.render(typed)
	}
	return out
}

func (r *Result) render(typed bool) map[string]any {
	out := map[string]any{}
	if r.single != nil {
		out = r.single.render(typed)
		delete(out, "key")
	}
	for k, v := range r.fields {
		out[k] = v
	}
	if r.meta != nil {
		out["meta"] = r.meta
	}
	if !r.multi {
		return out
	}
	if r.keyed {
		buckets := map[string]any{}
		for _, b := range r.buckets {
			obj := b.render(typed)
			if b.bare {
				delete(obj, "key")
			}
			buckets[b.name] = obj
		}
		out["buckets"] = buckets
		return out
	}
	buckets := make([]any, 0, len(r.buckets))
	for _, b := range r.buckets {
		buckets = append(buckets, b.render(typed))
	}
	out["buckets"] = buckets
	return out
}

func (b *Bucket) render(typed bool) map[string]any {
	out := render(b.subs, typed)
	if !b.bare {
		out["key"] = b.key
	}
	if b.keyS != "" {
		out["key_as_string"] = b.keyS
	}
	for k, v := range b.extra {
		out[k] = v
	}
	out["doc_count"] = b.count
	return out
}
