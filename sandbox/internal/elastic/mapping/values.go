package mapping

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"obsandbox/sandbox/internal/elastic/eserr"
	"strconv"
	"strings"
	"time"
)

// Sortable maps a float to an integer that sorts the same way.
func Sortable(f float64) int64 {
	if f == 0 {
		f = 0 // -0 equals 0
	}
	b := int64(math.Float64bits(f))
	return b ^ (b>>63)&math.MaxInt64
}

// Unsortable is Sortable's inverse.
func Unsortable(v int64) float64 {
	return math.Float64frombits(uint64(v ^ (v>>63)&math.MaxInt64))
}

// Float is a stored value as a number.
func (f *Field) Float(v int64) float64 {
	switch {
	case f.Kind == Float:
		return Unsortable(v)
	case f.Type == "scaled_float":
		return float64(v) / f.Scaling
	case f.Type == "unsigned_long":
		return float64(uint64(v) ^ 1<<63)
	}
	return float64(v)
}

// Output is a stored value as it is printed in sort values and keys of buckets.
func (f *Field) Output(v int64) any {
	switch {
	case f.Kind == Float || f.Type == "scaled_float":
		return f.Float(v)
	case f.Type == "unsigned_long":
		return uint64(v) ^ 1<<63
	}
	return v
}

// Time is a stored date.
func (f *Field) Time(v int64) time.Time {
	if f.Type == "date_nanos" {
		return time.Unix(0, v).UTC()
	}
	return time.UnixMilli(v).UTC()
}

// FromTime is a date as it is stored.
func (f *Field) FromTime(t time.Time) int64 {
	if f.Type == "date_nanos" {
		return t.UnixNano()
	}
	return t.UnixMilli()
}

// Format prints a stored value as docvalue_fields and keys as strings do.
func (f *Field) Print(v int64) string {
	switch {
	case f.IsDate():
		return f.Format.Print(f.Time(v))
	case f.Type == "boolean":
		return strconv.FormatBool(v != 0)
	}
	b, _ := json.Marshal(f.Output(v))
	return string(b)
}

// limits of the whole-number types.
func intRange(typ string) (lo, hi int64, ok bool) {
	switch typ {
	case "long":
		return math.MinInt64, math.MaxInt64, true
	case "integer":
		return math.MinInt32, math.MaxInt32, true
	case "short":
		return math.MinInt16, math.MaxInt16, true
	case "byte":
		return math.MinInt8, math.MaxInt8, true
	}
	return 0, 0, false
}

// Number is a text as the field stores it. quoted says that it stood in a JSON string; exact refuses fractions where
// the type has none (as documents without coerce do).
func (f *Field) Number(text string, quoted bool) (int64, error) {
	if quoted {
		text = strings.TrimSpace(text)
	}
	switch f.Type {
	case "boolean":
		switch text {
		case "true":
			return 1, nil
		case "false", "":
			return 0, nil
		}
		return 0, eserr.Reason("Failed to parse value [%s] as only [true] or [false] are allowed.", text)
	case "date", "date_nanos":
		t, err := f.Format.Parse(text, nil)
		if err != nil {
			return 0, err
		}
		if f.Type == "date_nanos" && (t.Year() < 1970 || t.Year() > 2261) {
			return 0, fmt.Errorf("date[%s] is outside the range of a nanosecond date", text)
		}
		return f.FromTime(t), nil
	case "unsigned_long":
		n, ok := new(big.Float).SetString(text)
		if !ok {
			return 0, eserr.Reason("For input string: %q", text)
		}
		u, _ := n.Uint64()
		if n.Sign() < 0 || new(big.Float).SetUint64(u).Cmp(n) != 0 {
			return 0, eserr.Reason("Value [%s] is out of range for unsigned long", text)
		}
		return int64(u ^ 1<<63), nil
	}
	if lo, hi, whole := intRange(f.Type); whole {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			if n < lo || n > hi {
				return 0, eserr.Reason("Value [%s] is out of range for %s", text, article(f.Type))
			}
			return n, nil
		}
		v, err := parseFloat(text)
		if err != nil {
			return 0, err
		}
		if v < float64(lo) || v > float64(hi) {
			return 0, eserr.Reason("Value [%s] is out of range for %s", text, article(f.Type))
		}
		if v != math.Trunc(v) && !f.Coerce {
			return 0, eserr.Reason("Value [%s] has a decimal part", text)
		}
		return int64(v), nil
	}
	v, err := parseFloat(text)
	if err != nil {
		return 0, err
	}
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return 0, fmt.Errorf("[%s] supports only finite values, but got [%s]", f.Type, text)
	}
	switch f.Type {
	case "float", "half_float":
		single := float64(float32(v))
		if math.IsInf(single, 0) || f.Type == "half_float" && math.Abs(v) > 65519 {
			return 0, fmt.Errorf("[%s] supports only finite values, but got [%s]", f.Type, text)
		}
		return Sortable(single), nil
	case "scaled_float":
		return int64(math.Round(v * f.Scaling)), nil
	}
	return Sortable(v), nil
}

func article(typ string) string {
	if typ == "integer" {
		return "an integer"
	}
	return "a " + typ
}

func parseFloat(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if text == "" {
		return 0, fmt.Errorf("empty String")
	}
	if err != nil && !math.IsInf(v, 0) || strings.ContainsAny(text, "_xX") {
		return 0, eserr.Reason("For input string: %q", text)
	}
	return v, nil
}

// IPTerm is an address as the term it is indexed by: 16 bytes.
func IPTerm(text string) (string, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return "", eserr.Reason("'%s' is not an IP string literal.", text)
	}
	b := addr.As16()
	return string(b[:]), nil
}

// IPText is an indexed address as text.
func IPText(term string) string {
	if len(term) != 16 {
		return term
	}
	return netip.AddrFrom16([16]byte([]byte(term))).Unmap().String()
}

// Term is a text as the keyword that is searched for it.
func (f *Field) Term(text string) (string, error) {
	if f.Type == "ip" {
		term, err := IPTerm(text)
		return term, err
	}
	if f.Normalize != nil {
		text = f.Normalize(text)
	}
	if f.Key != "" {
		return f.Key + "\x00" + text, nil
	}
	return text, nil
}

// TermText is an indexed keyword as it is printed.
func (f *Field) TermText(term string) string {
	if f.Type == "ip" {
		return IPText(term)
	}
	if f.Key != "" {
		return strings.TrimPrefix(term, f.Key+"\x00")
	}
	return term
}
