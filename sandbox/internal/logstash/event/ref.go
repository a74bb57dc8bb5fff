package event

import (
	"fmt"
	"strconv"
	"strings"
)

// Names of fields that Logstash itself knows.
const (
	TimestampField = "@timestamp"
	VersionField   = "@version"
	MetadataField  = "@metadata"
	TagsField      = "tags"
)

// Ref is a parsed field reference: "message" or "[kubernetes][pod][name]".
type Ref struct {
	path []string
	text string
	// meta references start at the metadata; an empty path there is the metadata as a whole.
	meta bool
}

// ParseRef reads a field reference by Logstash's strict rules: either no bracket at all, or every part in brackets.
func ParseRef(text string) (Ref, error) {
	var path []string
	if !strings.ContainsAny(text, "[]") {
		path = []string{text}
	} else {
		depth, start := 0, 0
		var prev byte
		for i := 0; i < len(text); i++ {
			c := text[i]
			switch {
			case c == '[':
				if start != i {
					return Ref{}, badRef(text)
				}
				depth++
				start = i + 1
			case c == ']':
				if depth <= 0 || (start == i && prev != ']') {
					return Ref{}, badRef(text)
				}
				if start < i {
					path = append(path, text[start:i])
				}
				depth--
				start = i + 1
			case prev == ']':
				return Ref{}, badRef(text)
			}
			prev = c
		}
		if depth > 0 || len(path) == 0 {
			return Ref{}, badRef(text)
		}
	}
	if path[0] == MetadataField {
		return Ref{path: path[1:], text: text, meta: true}, nil
	}
	return Ref{path: path, text: text}, nil
}

// MustRef is ParseRef for references that the program itself spells.
func MustRef(text string) Ref {
	r, err := ParseRef(text)
	if err != nil {
		panic(err)
	}
	return r
}

func badRef(text string) error {
	return fmt.Errorf("invalid field reference %q: write name or [outer][inner]", text)
}

// String is the reference as it was written.
func (r Ref) String() string { return r.text }

// Child is the reference to a field below this one.
func (r Ref) Child(name string) Ref {
	path := append(append(make([]string, 0, len(r.path)+1), r.path...), name)
	text := r.text
	if !strings.HasPrefix(text, "[") {
		text = "[" + text + "]"
	}
	return Ref{path: path, text: text + "[" + name + "]", meta: r.meta}
}

// isTags says whether the reference is the reserved field tags, and whether it is something below it.
func (r Ref) isTags() (tags, below bool) {
	if r.meta || r.path[0] != TagsField {
		return false, false
	}
	return len(r.path) == 1, len(r.path) > 1
}

// index reads key as an index of a list with n elements; negative ones count from the end.
func index(key string, n int) (int, bool) {
	i, err := strconv.Atoi(key)
	if err != nil {
		return 0, false
	}
	if i < 0 {
		i += n
	}
	return i, i >= 0
}

func child(container any, key string) (any, bool) {
	switch c := container.(type) {
	case map[string]any:
		v, ok := c[key]
		return v, ok
	case []any:
		if i, ok := index(key, len(c)); ok && i < len(c) {
			return c[i], true
		}
	}
	return nil, false
}

// keys is the reference's path where metadata is a field like others.
func (r Ref) keys() []string {
	if r.meta {
		return append([]string{MetadataField}, r.path...)
	}
	return r.path
}

// Lookup is the value of a field in plain data, of which metadata is a part.
func Lookup(data map[string]any, ref Ref) (any, bool) {
	var at any = data
	for _, key := range ref.keys() {
		next, ok := child(at, key)
		if !ok {
			return nil, false
		}
		at = next
	}
	return at, true
}

// Delete takes a field out of plain data.
func Delete(data map[string]any, ref Ref) {
	keys := ref.keys()
	var at any = data
	for _, key := range keys[:len(keys)-1] {
		next, ok := child(at, key)
		if !ok {
			return
		}
		at = next
	}
	if m, ok := at.(map[string]any); ok {
		delete(m, keys[len(keys)-1])
	}
}
