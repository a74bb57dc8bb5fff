package aggs

import (
	"fmt"
	"math"
	"strconv"

	"obsandbox/sandbox/internal/elastic/dates"
	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/query"
	"obsandbox/sandbox/internal/elastic/search"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// moments of a bucket's values.
type moments struct {
	n                   int64
	sum, comp, min, max float64
	squares             float64
	mean, m2            float64
}

func (m *moments) add(v float64) {
	if m.n == 0 {
		m.min, m.max = v, v
	}
	m.n++
	m.min, m.max = math.Min(m.min, v), math.Max(m.max, v)
	// Kahan's sum, as Elasticsearch's.
	y := v - m.comp
	t := m.sum + y
	m.comp = (t - m.sum) - y
	m.sum = t
	m.squares += v * v
	d := v - m.mean
	m.mean += d / float64(m.n)
	m.m2 += d * (v - m.mean)
}

// stats is avg, min, max, sum, value_count, stats and extended_stats.
type stats struct {
	typ   string
	src   source
	sigma float64
	all   []moments
}

func parseStats(typ string) parser {
	return func(e *env, name string, body *xcontent.Value, _ *level) (collector, error) {
		s := &stats{typ: typ, sigma: 2}
		err := members(typ, body, func(key string, v *xcontent.Value) (known bool, err error) {
			if key == "sigma" && typ == "extended_stats" {
				s.sigma, err = v.Float()
				return true, err
			}
			return s.src.set(typ, key, v)
		})
		if err != nil {
			return nil, err
		}
		if typ == "value_count" && s.src.name == "_index" {
			return nil, eserr.Unsupported("aggregation [value_count] of field [_index]")
		}
		return s, s.src.check(e, typ, name, typ != "value_count")
	}
}

func (s *stats) start(t *search.Target, v *engine.View, _ query.Node) error { return s.src.start(t, v) }

func (s *stats) collect(doc, bucket int) {
	if s.typ == "value_count" {
		s.all = grown(s.all, bucket)
		switch {
		case s.src.col != nil:
			from, to := s.src.col.Range(doc)
			s.all[bucket].n += int64(to - from)
		case s.src.ords != nil && s.src.now.Key == "":
			from, to := s.src.ords.Range(doc)
			s.all[bucket].n += int64(to - from)
		case s.src.ords != nil:
			for i, end := s.src.ords.Range(doc); i < end; i++ {
				if o := int(s.src.ords.At(i)); o >= s.src.from && o < s.src.to {
					s.all[bucket].n++
				}
			}
		}
		if s.src.missing != nil && !s.src.has(doc) {
			s.all[bucket].n++
		}
		return
	}
	values := s.src.numbers(doc)
	if len(values) == 0 {
		return
	}
	s.all = grown(s.all, bucket)
	for _, v := range values {
		s.all[bucket].add(v)
	}
}

func (s *stats) result(bucket int) *Result {
	var m moments
	if bucket >= 0 && bucket < len(s.all) {
		m = s.all[bucket]
	}
	avg := math.NaN()
	if m.n > 0 {
		avg = m.sum / float64(m.n)
	}
	lo, hi := math.Inf(1), math.Inf(-1)
	if m.n > 0 {
		lo, hi = m.min, m.max
	}
	switch s.typ {
	case "avg":
		return metricResult("avg", avg, s.text(avg))
	case "min":
		return metricResult("min", lo, s.text(lo))
	case "max":
		return metricResult("max", hi, s.text(hi))
	case "sum":
		return metricResult("sum", m.sum, s.text(m.sum))
	case "value_count":
		r := metricResult("value_count", float64(m.n), "")
		r.fields["value"] = m.n
		return r
	}
	values := map[string]float64{"count": float64(m.n), "min": lo, "max": hi, "avg": avg, "sum": m.sum}
	fields := map[string]any{"count": m.n, "min": number(lo), "max": number(hi), "avg": number(avg), "sum": number(m.sum)}
	if m.n > 0 {
		for _, k := range []string{"min", "max", "avg", "sum"} {
			if text := s.src.shown(values[k]); text != nil {
				fields[k+"_as_string"] = text
			}
		}
	}
	if s.typ == "extended_stats" {
		extend(m, s.sigma, fields, values, s.src.shown)
	}
	return &Result{typ: s.typ, fields: fields, value: func(name string) (float64, bool) { v, ok := values[name]; return v, ok }}
}

func (s *stats) text(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return ""
	}
	return s.src.print(v)
}

// extend adds what extended_stats has more than stats.
func extend(m moments, sigma float64, fields map[string]any, values map[string]float64, shown func(float64) any) {
	nan := math.NaN()
	variance, sampling := nan, nan
	if m.n > 0 {
		variance = math.Max(m.m2/float64(m.n), 0)
		if m.n > 1 {
			sampling = math.Max(m.m2/float64(m.n-1), 0)
		}
	}
	squares := m.squares
	if m.n == 0 {
		squares = nan
	}
	std, stdS := math.Sqrt(variance), math.Sqrt(sampling)
	avg := values["avg"]
	b := map[string]float64{"upper": avg + sigma*std, "lower": avg - sigma*std, "upper_population": avg + sigma*std, "lower_population": avg - sigma*std,
		"upper_sampling": avg + sigma*stdS, "lower_sampling": avg - sigma*stdS}
	printed := map[string]any{}
	// What the printing of Elasticsearch does to one value's sampling figures: they are the text "NaN".
	printable := func(v float64) any {
		if m.n > 0 && math.IsNaN(v) {
			return "NaN"
		}
		return number(v)
	}
	for k, v := range b {
		printed[k] = printable(v)
		values["std_"+k] = v
		values["std_deviation_bounds."+k] = v
		values["std_deviation_bounds_"+k] = v
	}
	for k, v := range map[string]float64{"sum_of_squares": squares, "variance": variance, "variance_population": variance, "variance_sampling": sampling,
		"std_deviation": std, "std_deviation_population": std, "std_deviation_sampling": stdS} {
		fields[k], values[k] = printable(v), v
	}
	fields["std_deviation_bounds"] = printed
	if m.n == 0 || shown(0) == nil {
		return
	}
	texts := map[string]any{}
	for k, v := range b {
		texts[k] = fmt.Sprint(shown(v))
	}
	fields["std_deviation_bounds_as_string"] = texts
	for _, k := range []string{"sum_of_squares", "variance", "variance_population", "variance_sampling"} {
		fields[k+"_as_string"] = shown(values[k])
	}
	for _, k := range []string{"std_deviation", "std_deviation_population", "std_deviation_sampling"} {
		fields[k+"_as_string"] = fmt.Sprint(shown(values[k]))
	}
}

// weighted is weighted_avg.
type weighted struct {
	e             *env
	value, weight source
	sum, total    []float64
}

func parseWeighted(e *env, name string, body *xcontent.Value, _ *level) (collector, error) {
	w := &weighted{e: e}
	err := members("weighted_avg", body, func(key string, v *xcontent.Value) (bool, error) {
		var to *source
		switch key {
		case "value":
			to = &w.value
		case "weight":
			to = &w.weight
		default:
			return false, nil
		}
		return true, members("weighted_avg", v, func(k string, p *xcontent.Value) (bool, error) { return to.set("weighted_avg", k, p) })
	})
	if err == nil {
		err = w.value.check(e, "weighted_avg", name, true)
	}
	if err == nil {
		err = w.weight.check(e, "weighted_avg", name, true)
	}
	return w, err
}

func (w *weighted) start(t *search.Target, v *engine.View, _ query.Node) error {
	if err := w.value.start(t, v); err != nil {
		return err
	}
	return w.weight.start(t, v)
}

func (w *weighted) collect(doc, bucket int) {
	weights := w.weight.numbers(doc)
	values := w.value.numbers(doc)
	if len(weights) == 0 || len(values) == 0 {
		return
	}
	if len(weights) > 1 && w.e.err == nil {
		w.e.err = search.ShardFail(w.e.first(), "Encountered more than one weight for a single document. Use a script to combine multiple weights-per-doc into a single value.")
	}
	w.sum, w.total = grown(w.sum, bucket), grown(w.total, bucket)
	for _, v := range values {
		w.sum[bucket] += v * weights[0]
		w.total[bucket] += weights[0]
	}
}

func (w *weighted) result(bucket int) *Result {
	v := math.NaN()
	if bucket >= 0 && bucket < len(w.sum) && w.total[bucket] != 0 {
		v = w.sum[bucket] / w.total[bucket]
	}
	return metricResult("weighted_avg", v, "")
}

// rateCollector is rate: documents or values a unit of time, below a date_histogram.
type rateCollector struct {
	src    source
	unit   string
	count  bool
	parent *histogram
	sums   []float64
}

func parseRate(e *env, name string, body *xcontent.Value, _ *level) (collector, error) {
	r := &rateCollector{}
	mode := "sum"
	err := members("rate", body, func(key string, v *xcontent.Value) (bool, error) {
		switch key {
		case "unit":
			r.unit = v.Text()
			if calendarUnit(r.unit) == 0 {
				return true, eserr.Illegal("Unsupported unit %s", r.unit)
			}
		case "mode":
			if mode = v.Text(); mode != "sum" && mode != "value_count" {
				return true, eserr.Illegal("Unknown rate mode [%s]", mode)
			}
		default:
			return r.src.set("rate", key, v)
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	r.count = mode == "value_count" || r.src.name == ""
	if r.src.name == "" {
		return r, nil
	}
	return r, r.src.check(e, "rate", name, mode == "sum")
}

func (r *rateCollector) start(t *search.Target, v *engine.View, _ query.Node) error {
	if r.src.name == "" {
		return nil
	}
	return r.src.start(t, v)
}

func (r *rateCollector) collect(doc, bucket int) {
	r.sums = grown(r.sums, bucket)
	switch {
	case r.src.name == "":
		r.sums[bucket]++
	case r.count:
		if r.src.has(doc) {
			r.sums[bucket]++
		}
	default:
		for _, v := range r.src.numbers(doc) {
			r.sums[bucket] += v
		}
	}
}

func (r *rateCollector) result(bucket int) *Result {
	v := 0.0
	if bucket >= 0 && bucket < len(r.sums) {
		v = r.sums[bucket] * r.factor(r.parent.keys[bucket])
	}
	return metricResult("rate", v, "")
}

// factor turns a bucket's sum into a rate: months, quarters and years are compared as such, everything else by length.
func (r *rateCollector) factor(key int64) float64 {
	unit := calendarUnit(r.unit)
	if unit == 0 {
		return 1 // no unit: that of the histogram
	}
	months := map[byte]float64{'M': 1, 'q': 3, 'y': 12}
	if a, b := months[unit], months[r.parent.calendar]; a > 0 && b > 0 {
		return a / b
	}
	length := map[byte]float64{'s': 1e3, 'm': 60e3, 'h': 3600e3, 'd': 86400e3, 'w': 604800e3, 'M': 30 * 86400e3, 'q': 90 * 86400e3, 'y': 365 * 86400e3}[unit]
	return length / r.parent.width(key)
}

// interval reads the unit of a derivative: a length in milliseconds.
func interval(text string) (float64, error) {
	if ms := map[byte]float64{'s': 1e3, 'm': 60e3, 'h': 3600e3, 'd': 86400e3, 'w': 604800e3}[calendarUnit(text)]; ms > 0 {
		return ms, nil
	}
	d, err := dates.Duration(text)
	if err != nil {
		return 0, eserr.Illegal("%s", err)
	}
	return float64(d.Milliseconds()), nil
}

func floatText(v float64) string {
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if v == math.Trunc(v) {
		s = strconv.FormatFloat(v, 'f', 1, 64)
	}
	return s
}
