package event

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CloneValue is a deep copy of a value.
func CloneValue(v any) any {
	switch t := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(t))
		for k, item := range t {
			m[k] = CloneValue(item)
		}
		return m
	case []any:
		l := make([]any, len(t))
		for i, item := range t {
			l[i] = CloneValue(item)
		}
		return l
	}
	return v
}

// ToList is a value as a list the way Ruby's Array() makes one: nil is empty, a list is itself, a hash is a list of its
// pairs (here by name), anything else is alone.
func ToList(v any) []any {
	switch t := v.(type) {
	case nil:
		return nil
	case []any:
		return t
	case map[string]any:
		list := make([]any, 0, len(t))
		for _, k := range slices.Sorted(maps.Keys(t)) {
			list = append(list, []any{k, t[k]})
		}
		return list
	}
	return []any{v}
}

// ToString is a value as sprintf writes it: lists joined by commas, hashes as JSON, floats with a decimal point.
func ToString(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return string(AppendString(nil, v))
}

// AppendString appends what ToString gives.
func AppendString(dst []byte, v any) []byte {
	switch t := v.(type) {
	case nil:
		return dst
	case string:
		return append(dst, t...)
	case int64:
		return strconv.AppendInt(dst, t, 10)
	case float64:
		return AppendFloat(dst, t)
	case bool:
		return strconv.AppendBool(dst, t)
	case time.Time:
		return AppendTimestamp(dst, t)
	case *big.Int:
		return t.Append(dst, 10)
	case []any:
		for i, item := range t {
			if i > 0 {
				dst = append(dst, ',')
			}
			if m, ok := item.(map[string]any); ok {
				dst = appendJavaMap(dst, m)
			} else {
				dst = AppendString(dst, item)
			}
		}
		return dst
	case map[string]any:
		return AppendJSON(dst, t)
	}
	return fmt.Append(dst, v)
}

// appendJavaMap writes a hash in a list as Java's maps write themselves: {name=value, other=[1, 2]}.
func appendJavaMap(dst []byte, m map[string]any) []byte {
	dst = append(dst, '{')
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = appendJavaValue(append(append(dst, k...), '='), m[k])
	}
	return append(dst, '}')
}

func appendJavaValue(dst []byte, v any) []byte {
	switch t := v.(type) {
	case nil:
		return append(dst, "null"...)
	case map[string]any:
		return appendJavaMap(dst, t)
	case []any:
		dst = append(dst, '[')
		for i, item := range t {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendJavaValue(dst, item)
		}
		return append(dst, ']')
	}
	return AppendString(dst, v)
}

// RubyString is a value as Ruby's to_s writes it, which the filters that are written in Ruby use: floats are plain
// between 1e-4 and 1e16, lists and hashes are inspected.
func RubyString(v any) string {
	switch v.(type) {
	case []any, map[string]any:
		return string(appendInspected(nil, v))
	}
	if f, ok := v.(float64); ok {
		return string(appendRubyFloat(nil, f))
	}
	return ToString(v)
}

func appendRubyFloat(dst []byte, f float64) []byte {
	abs := math.Abs(f)
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return AppendFloat(dst, f)
	}
	if abs == 0 || abs >= 1e-4 && abs < 1e16 {
		start := len(dst)
		dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
		if !bytes.ContainsRune(dst[start:], '.') {
			dst = append(dst, ".0"...)
		}
		return dst
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	return append(append(append(dst, mantissa...), 'e'), exponent...)
}

// appendInspected writes a value as Ruby's inspect does: {"name"=>"value", "other"=>[1, nil]}.
func appendInspected(dst []byte, v any) []byte {
	switch t := v.(type) {
	case nil:
		return append(dst, "nil"...)
	case string:
		return strconv.AppendQuote(dst, t)
	case []any:
		dst = append(dst, '[')
		for i, item := range t {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendInspected(dst, item)
		}
		return append(dst, ']')
	case map[string]any:
		dst = append(dst, '{')
		for i, k := range slices.Sorted(maps.Keys(t)) {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendInspected(append(strconv.AppendQuote(dst, k), "=>"...), t[k])
		}
		return append(dst, '}')
	}
	return append(dst, RubyString(v)...)
}

// AppendFloat writes a float as Java does: 125.0, 0.001, 1.0E10, 1.5E-5.
func AppendFloat(dst []byte, f float64) []byte {
	switch abs := math.Abs(f); {
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case abs == 0 || (abs >= 1e-3 && abs < 1e7):
		start := len(dst)
		dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
		for _, c := range dst[start:] {
			if c == '.' {
				return dst
			}
		}
		return append(dst, ".0"...)
	}
	s := strconv.FormatFloat(f, 'E', -1, 64)
	mantissa, exponent, _ := strings.Cut(s, "E")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	sign := ""
	if exponent[0] == '-' {
		sign = "-"
	}
	exponent = strings.TrimLeft(exponent[1:], "0")
	return append(append(append(append(dst, mantissa...), 'E'), sign...), exponent...)
}

// AppendTimestamp writes a time as Logstash does: UTC, with 3, 6 or 9 digits after the second.
func AppendTimestamp(dst []byte, t time.Time) []byte {
	t = t.UTC()
	if t.Year() > 9999 {
		dst = append(dst, '+')
	}
	switch ns := t.Nanosecond(); {
	case ns%1e6 == 0:
		return t.AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	case ns%1e3 == 0:
		return t.AppendFormat(dst, "2006-01-02T15:04:05.000000Z")
	}
	return t.AppendFormat(dst, "2006-01-02T15:04:05.000000000Z")
}

var timestampLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999Z07",
	"2006-01-02T15:04:05.999999999", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02",
}

// ToTimestamp reads a value as Logstash's timestamp: a time, or a string in ISO 8601 (UTC where it names no zone).
func ToTimestamp(v any) (time.Time, error) {
	switch t := v.(type) {
	case time.Time:
		return t.UTC(), nil
	case string:
		// Logstash takes a comma for the decimal point.
		text := strings.Replace(t, ",", ".", 1)
		for _, layout := range timestampLayouts {
			if at, err := time.Parse(layout, text); err == nil {
				return at.UTC(), nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("%q is no timestamp", ToString(v))
}

// Equal compares two values as conditions do: numbers by value, everything else by type and content.
func Equal(a, b any) bool {
	if fa, ok := ToFloat(a); ok {
		if fb, ok := ToFloat(b); ok {
			return fa == fb
		}
		return false
	}
	switch x := a.(type) {
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !Equal(x[i], y[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k, v := range x {
			w, ok := y[k]
			if !ok || !Equal(v, w) {
				return false
			}
		}
		return true
	case time.Time:
		y, ok := b.(time.Time)
		return ok && x.Equal(y)
	}
	switch b.(type) {
	case []any, map[string]any:
		return false
	}
	return a == b
}

// ToFloat is a number as a float; false for anything that is no number.
func ToFloat(v any) (float64, bool) {
	switch t := v.(type) {
	case int64:
		return float64(t), true
	case float64:
		return t, true
	case *big.Int:
		f, _ := new(big.Float).SetInt(t).Float64()
		return f, true
	}
	return 0, false
}
