// Package xcontent reads JSON request bodies into trees that remember the order of keys and the place of every value,
// as Elasticsearch's errors name line and column.
package xcontent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"obsandbox/sandbox/internal/elastic/eserr"
)

// Kind is a JSON value's kind: one of {, [, ", 0, t, f, n.
type Kind byte

// The kinds.
const (
	Object Kind = '{'
	Array  Kind = '['
	String Kind = '"'
	Number Kind = '0'
	True   Kind = 't'
	False  Kind = 'f'
	Null   Kind = 'n'
)

// Member is a key and its value.
type Member struct {
	Key   string
	Value *Value
}

// Value is one JSON value.
type Value struct {
	Kind Kind
	// Str is the text of strings (unquoted) and of numbers (as written).
	Str     string
	Members []Member
	Items   []*Value
	off     int
	src     []byte
}

// Parse reads one JSON value; an empty text is nil without an error. Duplicate keys are errors, as in Elasticsearch.
func Parse(data []byte) (*Value, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(data))
	v, err := read(dec, data)
	if err == nil {
		if _, more := dec.ReadToken(); !errors.Is(more, io.EOF) {
			err = fmt.Errorf("unexpected text after the value")
		}
	}
	if err != nil {
		return nil, SyntaxError(data, int(dec.InputOffset()), err)
	}
	return v, nil
}

// SyntaxError is Elasticsearch's error for text that is no JSON.
func SyntaxError(data []byte, off int, err error) *eserr.Error {
	msg := err.Error()
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		off = int(syntactic.ByteOffset)
		if syntactic.Err != nil {
			msg = syntactic.Err.Error()
		}
		if errors.Is(err, jsontext.ErrDuplicateName) {
			msg = fmt.Sprintf("Duplicate field '%s'", syntactic.JSONPointer.LastToken())
		} else if errors.Is(err, io.ErrUnexpectedEOF) {
			msg = "Unexpected end-of-input"
		}
	}
	line, col := position(data, off)
	return eserr.XContent(line, col, "%s", msg)
}

func position(src []byte, off int) (line, col int) {
	off = min(max(off, 0), len(src))
	line = 1 + bytes.Count(src[:off], []byte{'\n'})
	return line, off - bytes.LastIndexByte(src[:off], '\n')
}

func read(dec *jsontext.Decoder, src []byte) (*Value, error) {
	tok, err := dec.ReadToken()
	if err != nil {
		return nil, err
	}
	v := &Value{Kind: Kind(tok.Kind()), src: src, off: int(dec.InputOffset())}
	switch v.Kind {
	case Object:
		v.off--
		for dec.PeekKind() != jsontext.KindEndObject {
			key, err := dec.ReadToken()
			if err != nil {
				return nil, err
			}
			name := key.String()
			child, err := read(dec, src)
			if err != nil {
				return nil, err
			}
			v.Members = append(v.Members, Member{name, child})
		}
		_, err = dec.ReadToken()
	case Array:
		v.off--
		for dec.PeekKind() != jsontext.KindEndArray {
			child, err := read(dec, src)
			if err != nil {
				return nil, err
			}
			v.Items = append(v.Items, child)
		}
		_, err = dec.ReadToken()
	default:
		v.Str = tok.String()
		if n := len(v.Str); v.Kind == String {
			v.off -= n + 2
		} else {
			v.off -= n
		}
	}
	return v, err
}

// Pos is the line and column, from 1.
func (v *Value) Pos() (line, col int) {
	if v == nil {
		return 1, 1
	}
	return position(v.src, v.off)
}

// Get is the value of a key; nil where it is missing.
func (v *Value) Get(key string) *Value {
	if v == nil {
		return nil
	}
	for _, m := range v.Members {
		if m.Key == key {
			return m.Value
		}
	}
	return nil
}

// Has says whether the object has a key.
func (v *Value) Has(key string) bool { return v.Get(key) != nil }

// Is says whether v is there and of a kind.
func (v *Value) Is(k Kind) bool { return v != nil && v.Kind == k }

// Scalar says whether v is neither object, array nor null.
func (v *Value) Scalar() bool {
	return v != nil && v.Kind != Object && v.Kind != Array && v.Kind != Null
}

// Text is a scalar as text: strings as they are, numbers as written, booleans; empty for the rest.
func (v *Value) Text() string {
	if v == nil || !v.Scalar() {
		return ""
	}
	return v.Str
}

// Int is v as an integer; numbers in strings count too.
func (v *Value) Int() (int64, error) {
	if v.Is(Number) || v.Is(String) {
		if n, err := strconv.ParseInt(v.Str, 10, 64); err == nil {
			return n, nil
		}
		if f, err := strconv.ParseFloat(v.Str, 64); err == nil && f == math.Trunc(f) {
			return int64(f), nil
		}
	}
	line, col := v.Pos()
	return 0, eserr.XContent(line, col, "expected an integer but found [%s]", v.Describe())
}

// Float is v as a number; numbers in strings count too.
func (v *Value) Float() (float64, error) {
	if v.Is(Number) || v.Is(String) {
		if f, err := strconv.ParseFloat(v.Str, 64); err == nil {
			return f, nil
		}
	}
	line, col := v.Pos()
	return 0, eserr.XContent(line, col, "expected a number but found [%s]", v.Describe())
}

// Bool is v as a boolean; "true" and "false" in strings count too.
func (v *Value) Bool() (bool, error) {
	switch {
	case v.Is(True) || v.Is(String) && v.Str == "true":
		return true, nil
	case v.Is(False) || v.Is(String) && (v.Str == "false" || v.Str == ""):
		return false, nil
	}
	line, col := v.Pos()
	return false, eserr.XContent(line, col, "Failed to parse value [%s] as only [true] or [false] are allowed.", v.Describe())
}

// Strings are a string or an array of scalars.
func (v *Value) Strings() ([]string, error) {
	if v.Scalar() {
		return []string{v.Str}, nil
	}
	if !v.Is(Array) {
		line, col := v.Pos()
		return nil, eserr.XContent(line, col, "expected a string or an array of strings but found [%s]", v.Describe())
	}
	out := []string{}
	for _, item := range v.Items {
		if !item.Scalar() {
			line, col := item.Pos()
			return nil, eserr.XContent(line, col, "expected a string but found [%s]", item.Describe())
		}
		out = append(out, item.Str)
	}
	return out, nil
}

// Describe is the value shortly, for errors.
func (v *Value) Describe() string {
	switch {
	case v == nil:
		return "nothing"
	case v.Kind == Object:
		return "START_OBJECT"
	case v.Kind == Array:
		return "START_ARRAY"
	case v.Kind == Null:
		return "null"
	}
	return v.Str
}

// Any is v as encoding/json would give it, numbers as json.Number.
func (v *Value) Any() any {
	if v == nil {
		return nil
	}
	switch v.Kind {
	case Object:
		m := make(map[string]any, len(v.Members))
		for _, member := range v.Members {
			m[member.Key] = member.Value.Any()
		}
		return m
	case Array:
		items := make([]any, len(v.Items))
		for i, item := range v.Items {
			items[i] = item.Any()
		}
		return items
	case String:
		return v.Str
	case Number:
		return json.Number(v.Str)
	case True:
		return true
	case False:
		return false
	}
	return nil
}

// FromAny is a tree of a value that encoding/json knows; its places are of no use.
func FromAny(x any) (*Value, error) {
	data, err := json.Marshal(x)
	if err != nil {
		return nil, fmt.Errorf("encode a value: %w", err)
	}
	return Parse(data)
}

// Flatten turns nested objects into dotted keys, as settings are compared; arrays stay values.
func (v *Value) Flatten() map[string]*Value {
	out := map[string]*Value{}
	var walk func(prefix string, v *Value)
	walk = func(prefix string, v *Value) {
		if v.Is(Object) {
			for _, m := range v.Members {
				walk(prefix+m.Key+".", m.Value)
			}
			return
		}
		out[strings.TrimSuffix(prefix, ".")] = v
	}
	if v != nil {
		walk("", v)
	}
	return out
}
