package query

import (
	"math"
	"strings"
	"time"

	"obsandbox/sandbox/internal/elastic/dates"
	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/segment"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// Bounds are the ends of a range as texts; nil is open.
type Bounds struct {
	GT, GTE, LT, LTE *string
	Format           *dates.Format
	Zone             *time.Location
	Boost            float64
}

func buildRange(body *xcontent.Value, c *Context) (Node, error) {
	name, v, err := fieldBody("range", body)
	if err != nil {
		return nil, err
	}
	if !v.Is(xcontent.Object) {
		line, col := v.Pos()
		return nil, eserr.Parsing(line, col, "[range] query does not support [%s]", name)
	}
	b := Bounds{Boost: 1}
	err = params("range", v, func(key string, p *xcontent.Value) (known bool, err error) {
		text := func() *string {
			if p.Is(xcontent.Null) {
				return nil
			}
			t := p.Text()
			return &t
		}
		switch key {
		case "gt":
			b.GT = text()
		case "gte":
			b.GTE = text()
		case "lt":
			b.LT = text()
		case "lte":
			b.LTE = text()
		case "format":
			if b.Format, err = dates.Compile(p.Text()); err != nil {
				err = eserr.Illegal("%s", err)
			}
		case "time_zone":
			if b.Zone, err = dates.Zone(p.Text()); err != nil {
				java := map[string]string{"zone_rules_exception": "java.time.zone.ZoneRulesException", "date_time_exception": "java.time.DateTimeException"}
				cause := eserr.From(err)
				err = eserr.Illegal("%s: %s", java[cause.Type], cause.Reason).CausedBy(cause)
			}
		case "relation":
			if !strings.EqualFold(p.Text(), "intersects") {
				err = eserr.Unsupported("[range] relation [%s]", p.Text())
			}
		default:
			return common(key, p, &b.Boost)
		}
		return true, err
	})
	if err != nil {
		return nil, err
	}
	return rangeOn(name, b, c)
}

// rangeOn matches a field's values between bounds.
func rangeOn(name string, b Bounds, c *Context) (Node, error) {
	f, err := searchable(name, c)
	if f == nil || err != nil {
		if name == "_id" || name == "_index" {
			return nil, eserr.Unsupported("query [range] on field [%s]", name)
		}
		return noneNode{}, err
	}
	switch {
	case f.IsDate():
		return dateRange(f, b, c)
	case f.Numeric():
		return numberRange(f, b, c)
	case f.Kind == mapping.Text || f.Kind == mapping.Keyword:
		return termRange(f, b, c)
	}
	return noneNode{}, nil
}

func dateRange(f *mapping.Field, b Bounds, c *Context) (Node, error) {
	format := f.Format
	if b.Format != nil {
		format = b.Format
	}
	n := &valueNode{f, math.MinInt64, math.MaxInt64, b.Boost}
	var failed error
	at := func(text *string, up bool) int64 {
		t, err := format.LocalMath(*text, c.Now, b.Zone, up)
		if err != nil && failed == nil {
			failed = dateFail(c, f.Name, *text, format.Name)
		}
		return f.FromTime(t)
	}
	if b.GTE != nil {
		n.lo = at(b.GTE, false)
	}
	if b.GT != nil {
		n.lo = at(b.GT, true) + 1
	}
	if b.LTE != nil {
		n.hi = at(b.LTE, true)
	}
	if b.LT != nil {
		n.hi = at(b.LT, false) - 1
	}
	return n, failed
}

func numberRange(f *mapping.Field, b Bounds, c *Context) (Node, error) {
	n := &valueNode{f, math.MinInt64, math.MaxInt64, b.Boost}
	if f.Kind == mapping.Float {
		n.lo, n.hi = mapping.Sortable(math.Inf(-1)), mapping.Sortable(math.Inf(1))
	}
	var failed error
	// whole is the stored form of a bound and whether the bound lies between two stored values.
	whole := func(text string) (v int64, frac float64) {
		if f.Kind == mapping.Num && f.Type != "boolean" && f.Type != "unsigned_long" && f.Type != "scaled_float" {
			if exact, err := f.Number(text, true); err == nil && !isFraction(text) {
				return exact, 0
			}
			wide := &mapping.Field{Type: "double", Kind: mapping.Float}
			raw, err := wide.Number(text, true)
			if err != nil {
				failed = shardFail(c, "%s", err)
				return 0, 0
			}
			x := mapping.Unsortable(raw)
			floor := math.Floor(x)
			if floor >= math.MaxInt64 {
				return math.MaxInt64, 0
			}
			return int64(max(floor, math.MinInt64)), x - floor
		}
		v, err := f.Number(text, true)
		if err != nil {
			failed = shardFail(c, "%s", err)
		}
		return v, 0
	}
	if b.GTE != nil {
		v, frac := whole(*b.GTE)
		if n.lo = v; frac > 0 {
			n.lo++
		}
	}
	if b.GT != nil {
		v, _ := whole(*b.GT)
		if v == math.MaxInt64 {
			return noneNode{}, failed
		}
		n.lo = v + 1
	}
	if b.LTE != nil {
		n.hi, _ = whole(*b.LTE)
	}
	if b.LT != nil {
		v, frac := whole(*b.LT)
		if n.hi = v; frac == 0 {
			if v == math.MinInt64 {
				return noneNode{}, failed
			}
			n.hi--
		}
	}
	return n, failed
}

func termRange(f *mapping.Field, b Bounds, c *Context) (Node, error) {
	if f.Key != "" && (b.GT == nil && b.GTE == nil) != (b.LT == nil && b.LTE == nil) {
		return nil, shardFail(c, "[range] queries on keyed [flattened] fields must include both an upper and a lower bound.")
	}
	var failed error
	term := func(text *string) string {
		t, err := f.Term(*text)
		if err != nil {
			failed = shardFail(c, "%s", err)
		}
		return t
	}
	within := func(t string) bool {
		return (b.GTE == nil || t >= term(b.GTE)) && (b.GT == nil || t > term(b.GT)) && (b.LTE == nil || t <= term(b.LTE)) && (b.LT == nil || t < term(b.LT))
	}
	var marks []Mark
	if b.GT != nil || b.GTE != nil || b.LT != nil || b.LTE != nil {
		marks = []Mark{{Field: f, Match: within}}
	}
	n := &bitsNode{boost: b.Boost, marks: marks, match: func(v *engine.View, out Bits) {
		sf := v.Field(storage(f))
		if sf == nil || sf.Dict == nil {
			return
		}
		from, to := 0, sf.Dict.Len()
		if f.Key != "" {
			from, to = sf.Dict.Seek(f.Key+"\x00"), sf.Dict.Seek(f.Key+"\x01")
		}
		if b.GTE != nil {
			from = max(from, sf.Dict.Seek(term(b.GTE)))
		}
		if b.GT != nil {
			from = max(from, sf.Dict.Seek(term(b.GT)+"\x00"))
		}
		if b.LTE != nil {
			to = min(to, sf.Dict.Seek(term(b.LTE)+"\x00"))
		}
		if b.LT != nil {
			to = min(to, sf.Dict.Seek(term(b.LT)))
		}
		orOrds(sf, from, to, out)
	}}
	for _, text := range []*string{b.GT, b.GTE, b.LT, b.LTE} {
		if text != nil {
			term(text)
		}
	}
	return n, failed
}

// orOrds sets the bits of documents with a term in [from, to).
func orOrds(f *segment.Field, from, to int, out Bits) {
	if from >= to {
		return
	}
	if f.Ords != nil && (to-from > 16 || !f.Indexed()) {
		fresh := make(Bits, len(out))
		f.Ords.Between(int64(from), int64(to-1), fresh)
		out.or(fresh)
		return
	}
	if !f.Indexed() {
		return
	}
	for ord := from; ord < to; ord++ {
		f.Or(ord, out)
	}
}
