package aggs

import (
	"math"
	"strconv"
	"strings"
	"time"

	"obsandbox/sandbox/internal/elastic/dates"
	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/search"
	"obsandbox/sandbox/internal/elastic/segment"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// source is where an aggregation takes its values from.
type source struct {
	name    string
	missing *string
	format  *dates.Format
	pattern string // a decimal format, as Elasticsearch calls it
	script  *expression

	// field is the field in the first index that has it.
	field *mapping.Field

	// of the present segment
	now   *mapping.Field
	col   *segment.Column
	dict  *segment.Dict
	ords  *segment.Column
	from  int // of the ords that belong to a flattened key
	to    int
	gap   []float64
	gapID int64
	gapS  string
	gaps  bool
	zone  *time.Location
	at    time.Time
	buf   []float64
}

// set reads the parameters that all aggregations over values share.
func (s *source) set(typ, key string, v *xcontent.Value) (known bool, err error) {
	switch key {
	case "field":
		s.name = v.Text()
	case "missing":
		text := v.Text()
		s.missing = &text
	case "format":
		s.pattern = v.Text()
		if f, ferr := dates.Compile(s.pattern); ferr == nil {
			s.format = f
		}
	case "script":
		s.script, err = parseScript(typ, v)
	default:
		return false, nil
	}
	return true, err
}

// check finds the field and refuses what cannot be aggregated; numeric asks for numbers.
func (s *source) check(e *env, typ, agg string, numeric bool) error {
	s.at = e.Now
	if s.name == "" {
		if s.script != nil {
			return eserr.Unsupported("aggregation [%s] of type [%s] with a script and no field", agg, typ)
		}
		return eserr.Illegal("Required one of fields [field, script], but none were specified. ")
	}
	for _, t := range e.Targets {
		f := t.Mapping.Field(s.name)
		if f == nil {
			continue
		}
		if f.Kind == mapping.Text {
			return search.ShardFail(t.Index, "Fielddata is disabled on [%s] in [%s]. Text fields are not optimised for operations that require per-document field data like aggregations and sorting, so these operations are disabled by default. Please use a keyword field instead. Alternatively, set fielddata=true on [%s] in order to load field data by uninverting the inverted index. Note that this can use significant memory.", s.name, t.Index, s.name)
		}
		if !f.Aggregatable() {
			return search.ShardFail(t.Index, "Can't load fielddata on [%s] because fielddata is unsupported on fields of type [%s]. Use doc values instead.", s.name, f.Type)
		}
		if numeric && !f.Numeric() {
			return search.ShardFail(t.Index, "Field [%s] of type [%s] is not supported for aggregation [%s]", s.name, f.Type, typ)
		}
		if s.field == nil {
			s.field = f
		} else if s.field.Numeric() != f.Numeric() {
			return search.ShardFail(t.Index, "Can't merge the results of aggregation [%s]: field [%s] is of type [%s] in one index and of type [%s] in another", agg, s.name, s.field.Type, f.Type)
		}
	}
	if s.field != nil && s.format == nil && s.field.IsDate() {
		if s.pattern != "" {
			_, err := dates.Compile(s.pattern)
			return eserr.Illegal("%s", err)
		}
		s.format = s.field.Format
	}
	return nil
}

// start takes a segment's columns.
func (s *source) start(t *search.Target, v *engine.View) error {
	s.now, s.col, s.dict, s.ords = t.Mapping.Field(s.name), nil, nil, nil
	if s.missing != nil && !s.gaps {
		f := s.field
		if s.gaps = true; f != nil && f.Numeric() {
			var n int64
			var err error
			if f.IsDate() {
				var at, merr = s.format.Math(*s.missing, s.at, nil, false)
				n, err = f.FromTime(at), merr
			} else {
				n, err = f.Number(*s.missing, true)
			}
			if err != nil {
				return search.ShardFail(t.Index, "%s", err)
			}
			if s.gapID = n; f.Type == "date_nanos" {
				s.gapID = floorDiv(n, 1e6)
			}
			s.gap = []float64{f.Float(s.gapID)}
		} else {
			s.gapS = *s.missing
			// Without a field that says what it is, a number is one.
			if x, err := strconv.ParseFloat(s.gapS, 64); f == nil && err == nil {
				s.gapID, s.gap = saturated(x), []float64{x}
			}
		}
	}
	if s.now == nil {
		return nil
	}
	name := s.now.Name
	if s.now.Key != "" {
		name = strings.TrimSuffix(name, "."+s.now.Key) + "._keyed"
	}
	f := v.Field(name)
	if f == nil {
		return nil
	}
	s.col, s.dict, s.ords = f.Num, f.Dict, f.Ords
	if s.dict != nil {
		s.from, s.to = 0, s.dict.Len()
		if s.now.Key != "" {
			s.from, s.to = s.dict.Seek(s.now.Key+"\x00"), s.dict.Seek(s.now.Key+"\x01")
		}
	}
	return nil
}

// whole is a stored number as aggregations have it: dates in milliseconds, also those that are kept in nanoseconds.
func (s *source) whole(i int) int64 {
	if v := s.col.At(i); s.now.Type != "date_nanos" {
		return v
	} else {
		return floorDiv(v, 1e6)
	}
}

func (s *source) float(i int) float64 { return s.now.Float(s.whole(i)) }

// numbers are a document's values, valid until the next call.
func (s *source) numbers(doc int) []float64 {
	s.buf = s.buf[:0]
	if s.col != nil {
		from, to := s.col.Range(doc)
		for i := from; i < to; i++ {
			s.buf = append(s.buf, s.float(i))
		}
	}
	if len(s.buf) == 0 && s.gap != nil {
		s.buf = append(s.buf, s.gap...)
	}
	if s.script != nil {
		for i, v := range s.buf {
			s.buf[i] = s.script.value(map[string]float64{"_value": v})
		}
	}
	return s.buf
}

// has says whether a document has a value, the one for missing ones not counted.
func (s *source) has(doc int) bool {
	switch {
	case s.col != nil:
		return s.col.Has(doc)
	case s.ords != nil && s.now.Key == "":
		return s.ords.Has(doc)
	case s.ords != nil:
		for i, end := s.ords.Range(doc); i < end; i++ {
			if o := int(s.ords.At(i)); o >= s.from && o < s.to {
				return true
			}
		}
	}
	return false
}

// print is a number as value_as_string has it; empty where numbers have no other form.
func (s *source) print(v float64) string {
	switch {
	case s.field == nil:
		return ""
	case s.field.IsDate():
		return s.format.Print(time.UnixMilli(saturated(v)).In(s.location()))
	case s.field.Type == "boolean":
		return strconv.FormatBool(v != 0)
	case s.pattern != "":
		return decimal(s.pattern, v)
	}
	return ""
}

// saturated is a whole number as Java makes it of a float.
func saturated(v float64) int64 {
	switch {
	case math.IsNaN(v):
		return 0
	case v >= math.MaxInt64:
		return math.MaxInt64
	case v <= math.MinInt64:
		return math.MinInt64
	}
	return int64(v)
}

func (s *source) location() *time.Location {
	if s.zone == nil {
		return time.UTC
	}
	return s.zone
}

// shown is print as those results have it that show truth values as such; nil where numbers have no other form.
func (s *source) shown(v float64) any {
	text := s.print(v)
	switch {
	case text == "":
		return nil
	case s.field.Type == "boolean":
		return v != 0
	}
	return text
}
