package event

import (
	"encoding/base64"
	"fmt"
	"math"
	"math/big"
	"slices"
	"time"
	"unicode/utf8"
)

// JSON is the event as outputs send it: every field, no metadata, keys in order.
func (e *Event) JSON() []byte { return AppendJSON(nil, e.data) }

// AppendJSON appends a value as JSON with sorted keys.
func AppendJSON(dst []byte, v any) []byte {
	switch t := v.(type) {
	case nil:
		return append(dst, "null"...)
	case string:
		return appendQuoted(dst, t)
	case bool, int64, *big.Int:
		return AppendString(dst, t)
	case float64:
		if math.IsInf(t, 0) || math.IsNaN(t) {
			return appendQuoted(dst, ToString(t))
		}
		return AppendFloat(dst, t)
	case time.Time:
		dst = append(dst, '"')
		return append(AppendTimestamp(dst, t), '"')
	case []byte:
		return appendQuoted(dst, base64.StdEncoding.EncodeToString(t))
	case []any:
		dst = append(dst, '[')
		for i, item := range t {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendJSON(dst, item)
		}
		return append(dst, ']')
	case map[string]any:
		var room [24]string
		keys := room[:0]
		for k := range t {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		dst = append(dst, '{')
		for i, k := range keys {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendQuoted(dst, k), ':')
			dst = AppendJSON(dst, t[k])
		}
		return append(dst, '}')
	}
	return appendQuoted(dst, fmt.Sprint(v))
}

const hexDigits = "0123456789abcdef"

func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, s[start:i]...), "\ufffd"...)
				i++
				start = i
				continue
			}
			i += size
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}
