package dashboards

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"obsandbox/sandbox/internal/stack"
)

// node is a JSON value that knows its line. Dashboards come from many hands and versions: what is looked at is looked
// up by its key, and the rest is left alone.
type node struct {
	line int
	// Exactly one of these is set, or none for null.
	text    *string
	number  *float64
	boolean *bool
	members []member
	items   []*node
	kind    jsontext.Kind
}

type member struct {
	key   string
	value *node
}

// parseJSON reads one JSON value; an error names the line.
func parseJSON(file string, data []byte) (*node, error) {
	p := &jsonReader{data: data, dec: jsontext.NewDecoder(bytes.NewReader(data))}
	n, err := p.value()
	if err == nil && len(bytes.TrimSpace(data[p.dec.InputOffset():])) > 0 {
		err = fmt.Errorf("more than one JSON value")
	}
	if err != nil {
		msg := strings.TrimPrefix(err.Error(), "jsontext: ")
		return nil, &stack.FileError{File: file, Line: p.line(), Msg: "not JSON: " + msg}
	}
	return n, nil
}

type jsonReader struct {
	data []byte
	dec  *jsontext.Decoder
	// at and lines count the lines before the offset that was last asked for.
	at    int64
	lines int
}

// line is the line that the reader has come to, from 1.
func (p *jsonReader) line() int {
	offset := min(p.dec.InputOffset(), int64(len(p.data)))
	p.lines += bytes.Count(p.data[p.at:offset], []byte("\n"))
	p.at = offset
	return p.lines + 1
}

func (p *jsonReader) value() (*node, error) {
	token, err := p.dec.ReadToken()
	if err != nil {
		return nil, err
	}
	n := &node{line: p.line(), kind: token.Kind()}
	switch token.Kind() {
	case '"':
		s := token.String()
		n.text = &s
	case '0':
		f, err := token.Float()
		if err != nil {
			return nil, err
		}
		n.number = &f
	case 't', 'f':
		b := token.Bool()
		n.boolean = &b
	case '{':
		for p.dec.PeekKind() != '}' {
			key, err := p.dec.ReadToken()
			if err != nil {
				return nil, err
			}
			name := key.String() // before the next token overwrites it
			value, err := p.value()
			if err != nil {
				return nil, err
			}
			n.members = append(n.members, member{name, value})
		}
		_, err = p.dec.ReadToken()
	case '[':
		for p.dec.PeekKind() != ']' {
			item, err := p.value()
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, item)
		}
		_, err = p.dec.ReadToken()
	}
	return n, err
}

// get follows keys; nil where one of them is not there. It may be asked of nil.
func (n *node) get(keys ...string) *node {
	for _, key := range keys {
		if n == nil {
			return nil
		}
		var next *node
		for _, m := range n.members {
			if m.key == key {
				next = m.value
			}
		}
		n = next
	}
	return n
}

// str is the string at the keys, or empty.
func (n *node) str(keys ...string) string {
	if at := n.get(keys...); at != nil && at.text != nil {
		return *at.text
	}
	return ""
}

// num is the number at the keys, or 0.
func (n *node) num(keys ...string) float64 {
	if at := n.get(keys...); at != nil && at.number != nil {
		return *at.number
	}
	return 0
}

// yes says that true is at the keys.
func (n *node) yes(keys ...string) bool {
	at := n.get(keys...)
	return at != nil && at.boolean != nil && *at.boolean
}

// list is the array at the keys, or nothing.
func (n *node) list(keys ...string) []*node {
	if at := n.get(keys...); at != nil {
		return at.items
	}
	return nil
}

// walk calls fn for every string in the value, with its line.
func (n *node) walk(fn func(*node)) {
	if n == nil {
		return
	}
	if n.text != nil {
		fn(n)
	}
	for _, m := range n.members {
		m.value.walk(fn)
	}
	for _, item := range n.items {
		item.walk(fn)
	}
}
