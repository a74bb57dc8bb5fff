package aggs

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// pipeline is an aggregation over finished buckets.
type pipeline struct {
	name, typ string
	// parent says that it adds to the buckets it is declared in; others look at buckets beside them.
	parent bool
	paths  map[string]string
	format string
	zeros  bool // gap_policy: insert_zeros
	keep   bool // gap_policy: keep_values
	meta   any

	script   *expression
	lag      int
	unit     float64
	window   int
	shift    int
	moving   func([]float64) float64
	percents []float64
	sort     []orderKey
	from     int
	size     int
	sigma    float64
}

const (
	parentPipelines  = " derivative cumulative_sum serial_diff moving_fn bucket_script bucket_selector bucket_sort "
	siblingPipelines = " avg_bucket max_bucket min_bucket sum_bucket stats_bucket extended_stats_bucket percentiles_bucket "
)

func isPipeline(typ string) bool {
	return strings.Contains(parentPipelines+siblingPipelines, " "+typ+" ")
}

// sequential says that it needs buckets in a row, as histograms have.
func (p *pipeline) sequential() bool {
	return strings.Contains(" derivative cumulative_sum serial_diff moving_fn ", " "+p.typ+" ")
}

func parsePipeline(typ, name string, body *xcontent.Value) (*pipeline, error) {
	p := &pipeline{name: name, typ: typ, parent: strings.Contains(parentPipelines, " "+typ+" "), paths: map[string]string{}, lag: 1, size: -1, sigma: 2,
		percents: []float64{1, 5, 25, 50, 75, 95, 99}}
	hasPath := false
	moving := ""
	err := members(typ, body, func(key string, v *xcontent.Value) (known bool, err error) {
		var n int64
		switch key {
		case "buckets_path":
			hasPath = true
			if v.Is(xcontent.Object) {
				for _, m := range v.Members {
					p.paths[m.Key] = m.Value.Text()
				}
				return true, nil
			}
			list, err := v.Strings()
			for i, path := range list {
				key := ""
				if typ == "bucket_script" || typ == "bucket_selector" {
					key = "_value" + strings.Repeat("'", i)
				}
				p.paths[key] = path
			}
			return true, err
		case "gap_policy":
			switch strings.ToLower(v.Text()) {
			case "skip":
			case "insert_zeros":
				p.zeros = true
			case "keep_values":
				p.keep = true
			default:
				err = eserr.Illegal("Invalid gap policy: [%s], accepted values: [insert_zeros, skip, keep_values]", v.Text())
			}
		case "format":
			if typ == "bucket_selector" || typ == "bucket_sort" {
				return false, nil
			}
			p.format = v.Text()
		case "script":
			if typ == "moving_fn" {
				moving = v.Text()
				if v.Is(xcontent.Object) {
					moving = v.Get("source").Text()
				}
				return true, nil
			}
			if typ != "bucket_script" && typ != "bucket_selector" {
				return false, nil
			}
			p.script, err = parseScript(typ, v)
		case "unit":
			if typ != "derivative" {
				return false, nil
			}
			p.unit, err = interval(v.Text())
		case "lag":
			if typ != "serial_diff" {
				return false, nil
			}
			if n, err = v.Int(); err == nil && n <= 0 {
				err = eserr.Illegal("[lag] must be a positive integer: [%s]", name)
			}
			p.lag = int(n)
		case "window":
			n, err = v.Int()
			p.window = int(n)
		case "shift":
			n, err = v.Int()
			p.shift = int(n)
		case "percents":
			p.percents = nil
			for _, item := range v.Items {
				x, err := item.Float()
				if err != nil {
					return true, err
				}
				p.percents = append(p.percents, x)
			}
		case "keyed":
		case "sigma":
			p.sigma, err = v.Float()
		case "sort":
			p.sort, err = bucketSort(v)
		case "from":
			n, err = v.Int()
			p.from = int(n)
		case "size":
			n, err = v.Int()
			p.size = int(n)
		default:
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return nil, err
	}
	line, col := body.Pos()
	switch {
	case !hasPath && typ != "bucket_sort":
		return nil, eserr.Parsing(line, col, "Missing required field [buckets_path] for aggregation [%s]", name)
	case (typ == "bucket_script" || typ == "bucket_selector") && p.script == nil:
		return nil, eserr.Parsing(line, col, "Missing required field [script] for aggregation [%s]", name)
	case typ == "moving_fn":
		if p.window <= 0 {
			return nil, eserr.Illegal("[window] must be a positive, non-zero integer.")
		}
		if p.moving, err = movingFunction(moving); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func bucketSort(v *xcontent.Value) ([]orderKey, error) {
	items := []*xcontent.Value{v}
	if v.Is(xcontent.Array) {
		items = v.Items
	}
	var out []orderKey
	for _, item := range items {
		if item.Scalar() {
			out = append(out, orderKey{path: item.Text()})
			continue
		}
		for _, m := range item.Members {
			order := m.Value.Text()
			if m.Value.Is(xcontent.Object) {
				order = m.Value.Get("order").Text()
			}
			out = append(out, orderKey{m.Key, strings.EqualFold(order, "desc")})
		}
	}
	return out, nil
}

// finish computes the pipelines below results, and those of the level itself.
func (l *level) finish(results map[string]*Result) error {
	if l == nil {
		return nil
	}
	for _, n := range l.nodes {
		r := results[n.name]
		if n.subs == nil || r == nil {
			continue
		}
		buckets := r.buckets
		if r.single != nil {
			buckets = []*Bucket{r.single}
		}
		for _, b := range buckets {
			if err := n.subs.finish(b.subs); err != nil {
				return err
			}
		}
		for _, p := range inOrder(n.subs.pipelines) {
			if p.parent && r.multi {
				if err := p.extend(r); err != nil {
					return err
				}
			}
		}
	}
	for _, p := range inOrder(l.pipelines) {
		if !p.parent {
			r, err := p.sibling(results)
			if err != nil {
				return err
			}
			r.meta = p.meta
			results[p.name] = r
		}
	}
	return nil
}

// inOrder puts pipelines after those whose values they use.
func inOrder(list []*pipeline) []*pipeline {
	var out []*pipeline
	done := map[string]bool{}
	for len(out) < len(list) {
		n := len(out)
		for _, p := range list {
			if done[p.name] {
				continue
			}
			waits := false
			paths := slices.Collect(maps.Values(p.paths))
			for _, k := range p.sort {
				paths = append(paths, k.path)
			}
			for _, path := range paths {
				first, _, _ := splitPath(path)
				waits = waits || !done[first] && first != p.name && slices.ContainsFunc(list, func(o *pipeline) bool { return o.name == first })
			}
			if !waits {
				out, done[p.name] = append(out, p), true
			}
		}
		if len(out) == n {
			return append(out, slices.DeleteFunc(slices.Clone(list), func(p *pipeline) bool { return done[p.name] })...)
		}
	}
	return out
}

// bucketValue is what a path means in a bucket.
func bucketValue(b *Bucket, path string) (float64, error) {
	switch path {
	case "_count":
		return float64(b.count), nil
	case "_key":
		return b.num, nil
	}
	name, value, rest := splitPath(path)
	r := b.subs[name]
	if r == nil {
		return 0, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: No aggregation found for path [%s];", path)
	}
	if rest == "" && r.multi {
		if value == "_bucket_count" {
			return float64(len(r.buckets)), nil
		}
		// One bucket of filters or terms: a['key']>metric comes here as a value in quotes.
		if key := strings.Trim(value, "'\""); key != "" {
			for _, child := range r.buckets {
				if child.name == key || child.key == key {
					return float64(child.count), nil
				}
			}
			return math.NaN(), nil
		}
		return 0, eserr.New(500, "aggregation_execution_exception", "buckets_path must reference either a number value or a single value numeric metric aggregation, got: [multi-bucket] at aggregation [%s]", name)
	}
	if rest != "" && r.multi {
		key := strings.Trim(value, "'\"")
		for _, child := range r.buckets {
			if child.name == key || child.key == key {
				return bucketValue(child, rest)
			}
		}
		return math.NaN(), nil
	}
	return metricAt(b.subs, path), nil
}

// value is bucketValue with empty buckets being gaps for metrics, as their averages are.
func (p *pipeline) value(b *Bucket, path string) (float64, error) {
	v, err := bucketValue(b, path)
	if math.IsInf(v, 0) {
		v = math.NaN() // the least of no values
	}
	if err == nil && b.count == 0 && path != "_count" && path != "_key" && !p.keep {
		v = math.NaN()
	}
	if math.IsNaN(v) && p.zeros {
		v = 0
	}
	return v, err
}

// simple is a result of one number, in the pipeline's format too.
func (p *pipeline) simple(v float64) *Result {
	text := ""
	if p.format != "" {
		text = decimal(p.format, v)
	}
	return metricResult("simple_value", v, text)
}

// extend adds a parent pipeline's values to the buckets of a result.
func (p *pipeline) extend(r *Result) error {
	add := func(b *Bucket, v float64) {
		res := p.simple(v)
		res.meta = p.meta
		b.subs[p.name] = res
	}
	path := p.paths[""]
	switch p.typ {
	case "bucket_script", "bucket_selector":
		return p.scripted(r)
	case "bucket_sort":
		return p.sorted(r)
	}
	values := make([]float64, len(r.buckets))
	for i, b := range r.buckets {
		v, err := p.value(b, path)
		if err != nil {
			return err
		}
		values[i] = v
	}
	switch p.typ {
	case "cumulative_sum":
		sum := 0.0
		for i, b := range r.buckets {
			if !math.IsNaN(values[i]) && !math.IsInf(values[i], 0) {
				sum += values[i]
			}
			add(b, sum)
		}
	case "derivative":
		// A gap has no slope, and neither has the bucket after it.
		last, lastKey := math.NaN(), 0.0
		for i, b := range r.buckets {
			v := values[i]
			if i > 0 {
				d := v - last
				add(b, d)
				if p.unit > 0 && b.num != lastKey {
					res := b.subs[p.name]
					n := d / ((b.num - lastKey) / p.unit)
					res.typ, res.fields["normalized_value"] = "derivative", number(n)
					if p.format != "" && !math.IsNaN(n) {
						res.fields["normalized_value_as_string"] = decimal(p.format, n)
					}
					res.value = func(name string) (float64, bool) {
						if name == "normalized_value" {
							return n, true
						}
						return d, name == "" || name == "value"
					}
				}
			}
			last, lastKey = v, b.num
		}
	case "serial_diff":
		for i, b := range r.buckets {
			if i >= p.lag && !math.IsNaN(values[i]) && !math.IsNaN(values[i-p.lag]) {
				add(b, values[i]-values[i-p.lag])
			}
		}
	case "moving_fn":
		var known []float64
		var at []int
		for i, v := range values {
			if !math.IsNaN(v) {
				known, at = append(known, v), append(at, i)
			}
		}
		for i, j := range at {
			from := max(min(i-p.window+p.shift, len(known)), 0)
			to := max(min(i+p.shift, len(known)), from)
			add(r.buckets[j], p.moving(known[from:to]))
		}
	}
	return nil
}

func (p *pipeline) scripted(r *Result) error {
	kept := r.buckets[:0:0]
	for _, b := range r.buckets {
		vars := map[string]float64{}
		gap := false
		for name, path := range p.paths {
			v, err := p.value(b, path)
			if err != nil {
				return err
			}
			gap = gap || math.IsNaN(v)
			vars[name] = v
		}
		if p.typ == "bucket_selector" {
			// A gap is no number, of which every comparison is false.
			if p.script.value(vars) != 0 {
				kept = append(kept, b)
			}
			continue
		}
		if gap && !p.keep {
			continue
		}
		res := p.simple(p.script.value(vars))
		res.meta = p.meta
		b.subs[p.name] = res
	}
	if p.typ == "bucket_selector" {
		r.buckets = kept
	}
	return nil
}

func (p *pipeline) sorted(r *Result) error {
	var failed error
	list := slices.Clone(r.buckets)
	value := func(b *Bucket, path string) float64 {
		v, err := bucketValue(b, path)
		if err != nil {
			failed = err
		}
		if math.IsInf(v, 0) {
			return math.NaN() // the least of no values
		}
		return v
	}
	if len(p.sort) > 0 {
		list = slices.DeleteFunc(list, func(b *Bucket) bool {
			for _, k := range p.sort {
				if k.path != "_key" && math.IsNaN(value(b, k.path)) && !p.zeros {
					return true
				}
			}
			return false
		})
		slices.SortStableFunc(list, func(a, b *Bucket) int {
			for _, k := range p.sort {
				c := cmp.Compare(value(a, k.path), value(b, k.path))
				if k.path == "_key" && c == 0 {
					x, _ := a.key.(string)
					y, _ := b.key.(string)
					c = strings.Compare(x, y)
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
	list = list[min(p.from, len(list)):]
	if p.size >= 0 {
		list = list[:min(p.size, len(list))]
	}
	r.buckets = list
	return failed
}

// sibling computes a pipeline over the buckets of an aggregation beside it.
func (p *pipeline) sibling(results map[string]*Result) (*Result, error) {
	path := p.paths[""]
	head, rest, _ := strings.Cut(path, ">")
	missing := eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: No aggregation [%s] found for path [%s];", head, path)
	for {
		r := results[head]
		if r == nil {
			return nil, missing
		}
		if r.multi {
			return p.over(r, rest)
		}
		if r.single == nil || rest == "" {
			return nil, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: The first aggregation in buckets_path must be a multi-bucket aggregation for aggregation [%s] found :%s for buckets path: %s;", p.name, r.typ, path)
		}
		results = r.single.subs
		head, rest, _ = strings.Cut(rest, ">")
	}
}

func (p *pipeline) over(r *Result, path string) (*Result, error) {
	if path == "" {
		path = "_count"
	}
	var values []float64
	var keys []any
	var m moments
	for _, b := range r.buckets {
		v, err := p.value(b, path)
		if err != nil {
			return nil, err
		}
		if math.IsNaN(v) {
			continue
		}
		var key any = b.keyS
		if b.keyS == "" {
			raw, err := json.Marshal(b.key)
			if err != nil {
				return nil, fmt.Errorf("print a bucket's key: %w", err)
			}
			if key = string(raw); raw[0] == '"' {
				key = b.key
			}
		}
		values, keys = append(values, v), append(keys, key)
		m.add(v)
	}
	switch p.typ {
	case "avg_bucket":
		if m.n == 0 {
			return p.simple(math.NaN()), nil
		}
		return p.simple(m.sum / float64(m.n)), nil
	case "sum_bucket":
		return p.simple(m.sum), nil
	case "max_bucket", "min_bucket":
		want := m.max
		if p.typ == "min_bucket" {
			want = m.min
		}
		best := []any{}
		for i, v := range values {
			if v == want {
				best = append(best, keys[i])
			}
		}
		if m.n == 0 {
			want = math.NaN()
		}
		res := p.simple(want)
		res.typ = "bucket_metric_value"
		res.fields["keys"] = best
		return res, nil
	case "percentiles_bucket":
		slices.Sort(values)
		out, found := map[string]any{}, map[string]float64{}
		for _, q := range p.percents {
			// The nearest value, as Elasticsearch does here, not between two.
			v := math.NaN()
			if len(values) > 0 {
				v = values[int(math.Round(q/100*float64(len(values)-1)))]
			}
			out[floatText(q)], found[floatText(q)] = number(v), v
			if p.format != "" && !math.IsNaN(v) {
				out[floatText(q)+"_as_string"] = decimal(p.format, v)
			}
		}
		return &Result{typ: "percentiles_bucket", fields: map[string]any{"values": out}, value: func(name string) (float64, bool) { v, ok := found[name]; return v, ok }}, nil
	}
	s := &stats{typ: "stats", sigma: p.sigma, all: []moments{m}}
	if p.format != "" {
		s.src = source{field: &mapping.Field{Type: "double"}, pattern: p.format}
	}
	if p.typ == "extended_stats_bucket" {
		s.typ = "extended_stats"
	}
	res := s.result(0)
	res.typ = p.typ
	return res, nil
}
