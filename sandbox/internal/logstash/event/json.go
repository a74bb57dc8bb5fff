package event

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is Jackson's own limit for nesting (StreamReadConstraints).
const maxDepth = 1000

// DecodeJSON reads one JSON value into the types of an event: whole numbers stay whole. It follows RFC 8259; a repeated
// key keeps the last value.
func DecodeJSON(text string) (any, error) {
	d := decoder{s: text}
	d.space()
	v, err := d.value(0)
	if err != nil {
		return nil, err
	}
	d.space()
	if d.i != len(d.s) {
		return nil, d.fail("something follows the value")
	}
	return v, nil
}

type decoder struct {
	s string
	i int
}

func (d *decoder) fail(msg string) error { return fmt.Errorf("JSON: %s at byte %d", msg, d.i) }

func (d *decoder) space() {
	for d.i < len(d.s) {
		switch d.s[d.i] {
		case ' ', '\t', '\n', '\r':
			d.i++
		default:
			return
		}
	}
}

func (d *decoder) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, d.fail("nested too deeply")
	}
	if d.i >= len(d.s) {
		return nil, d.fail("the text ends where a value is expected")
	}
	switch c := d.s[d.i]; {
	case c == '{':
		return d.object(depth)
	case c == '[':
		return d.array(depth)
	case c == '"':
		return d.str()
	case c == '-' || (c >= '0' && c <= '9'):
		return d.number()
	default:
		for word, v := range words {
			if len(d.s)-d.i >= len(word) && d.s[d.i:d.i+len(word)] == word {
				d.i += len(word)
				return v, nil
			}
		}
		return nil, d.fail("unexpected character")
	}
}

var words = map[string]any{"true": true, "false": false, "null": nil}

func (d *decoder) object(depth int) (any, error) {
	d.i++
	m := make(map[string]any, 8)
	d.space()
	if d.i < len(d.s) && d.s[d.i] == '}' {
		d.i++
		return m, nil
	}
	for {
		d.space()
		if d.i >= len(d.s) || d.s[d.i] != '"' {
			return nil, d.fail("expected a key in double quotes")
		}
		key, err := d.str()
		if err != nil {
			return nil, err
		}
		d.space()
		if d.i >= len(d.s) || d.s[d.i] != ':' {
			return nil, d.fail("expected a colon")
		}
		d.i++
		d.space()
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		m[key.(string)] = v
		d.space()
		if d.i >= len(d.s) {
			return nil, d.fail("the object is not closed")
		}
		switch d.s[d.i] {
		case ',':
			d.i++
		case '}':
			d.i++
			return m, nil
		default:
			return nil, d.fail("expected a comma or a closing brace")
		}
	}
}

func (d *decoder) array(depth int) (any, error) {
	d.i++
	list := []any{}
	d.space()
	if d.i < len(d.s) && d.s[d.i] == ']' {
		d.i++
		return list, nil
	}
	for {
		d.space()
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		d.space()
		if d.i >= len(d.s) {
			return nil, d.fail("the array is not closed")
		}
		switch d.s[d.i] {
		case ',':
			d.i++
		case ']':
			d.i++
			return list, nil
		default:
			return nil, d.fail("expected a comma or a closing bracket")
		}
	}
}

func (d *decoder) str() (any, error) {
	d.i++
	start := d.i
	for d.i < len(d.s) {
		switch c := d.s[d.i]; {
		case c == '"':
			d.i++
			return d.s[start : d.i-1], nil
		case c == '\\':
			return d.escaped(start)
		case c < 0x20:
			return nil, d.fail("a control character must be escaped")
		}
		d.i++
	}
	return nil, d.fail("the string is not closed")
}

func (d *decoder) escaped(start int) (any, error) {
	out := append(make([]byte, 0, d.i-start+32), d.s[start:d.i]...)
	for d.i < len(d.s) {
		c := d.s[d.i]
		switch {
		case c == '"':
			d.i++
			return string(out), nil
		case c < 0x20:
			return nil, d.fail("a control character must be escaped")
		case c != '\\':
			out = append(out, c)
			d.i++
			continue
		}
		if d.i+1 >= len(d.s) {
			break
		}
		d.i += 2
		switch e := d.s[d.i-1]; e {
		case '"', '\\', '/':
			out = append(out, e)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, err := d.hex()
			if err != nil {
				return nil, err
			}
			if utf16.IsSurrogate(r) && d.i+1 < len(d.s) && d.s[d.i] == '\\' && d.s[d.i+1] == 'u' {
				mark := d.i
				d.i += 2
				low, err := d.hex()
				if err != nil {
					return nil, err
				}
				if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
					r = pair
				} else {
					d.i = mark
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			return nil, d.fail("unknown escape")
		}
	}
	return nil, d.fail("the string is not closed")
}

func (d *decoder) hex() (rune, error) {
	if d.i+4 > len(d.s) {
		return 0, d.fail("an escape is cut off")
	}
	n, err := strconv.ParseUint(d.s[d.i:d.i+4], 16, 32)
	if err != nil {
		return 0, d.fail("expected four hexadecimal digits")
	}
	d.i += 4
	return rune(n), nil
}

func (d *decoder) number() (any, error) {
	start := d.i
	digits := func() int {
		n := 0
		for d.i < len(d.s) && d.s[d.i] >= '0' && d.s[d.i] <= '9' {
			d.i++
			n++
		}
		return n
	}
	if d.s[d.i] == '-' {
		d.i++
	}
	lead := d.i
	if n := digits(); n == 0 || (n > 1 && d.s[lead] == '0') {
		return nil, d.fail("malformed number")
	}
	whole := true
	if d.i < len(d.s) && d.s[d.i] == '.' {
		whole = false
		d.i++
		if digits() == 0 {
			return nil, d.fail("malformed number")
		}
	}
	if d.i < len(d.s) && (d.s[d.i] == 'e' || d.s[d.i] == 'E') {
		whole = false
		d.i++
		if d.i < len(d.s) && (d.s[d.i] == '+' || d.s[d.i] == '-') {
			d.i++
		}
		if digits() == 0 {
			return nil, d.fail("malformed number")
		}
	}
	text := d.s[start:d.i]
	if whole {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
		if n, ok := new(big.Int).SetString(text, 10); ok && len(text) <= 1000 {
			return n, nil
		}
		return nil, d.fail("malformed number")
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return nil, d.fail("malformed number")
	}
	return f, nil
}
