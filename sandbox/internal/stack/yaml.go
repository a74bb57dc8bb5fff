package stack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/locate"
)

// FileError is a fault in a file of the stack: where it is, what it is and what to do.
type FileError struct {
	File string
	// Line counts from 1; 0 where the fault belongs to no line.
	Line int
	Msg  string
}

// Error is "file:line: message", as compilers and editors write it.
func (e *FileError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Msg)
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg)
}

// DecodeFile reads the one YAML document in file into value, strictly: a key that value does not know is an error.
// It returns the document's root node, for checks that want to name a line. Errors are *FileError, one for each fault.
func DecodeFile(file string, value any) (*yaml.Node, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, errors.Unwrap(err))
	}
	return Decode(file, data, value)
}

// Decode is DecodeFile for a file that has been read.
func Decode(file string, data []byte, value any) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, YAMLErrors(file, data, err)
	}
	if len(doc.Content) == 0 {
		return nil, &FileError{File: file, Line: 1, Msg: "the file is empty"}
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(value); err != nil {
		return nil, YAMLErrors(file, data, err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, &FileError{File: file, Line: 1, Msg: "one YAML document is expected, here are several"}
	}
	return doc.Content[0], nil
}

var (
	yamlLine    = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)
	yamlUnknown = regexp.MustCompile(`^field (\S+) not found in type .+$`)
	yamlAnchor  = regexp.MustCompile(`^unknown anchor '(.+)' referenced$`)
)

// YAMLErrors turns what a YAML library says of a file's data into one *FileError for each fault. Where it does not say
// the line, the one that it most likely means is named.
func YAMLErrors(file string, data []byte, err error) error {
	var errs []error
	for msg := range strings.Lines(err.Error()) {
		fe := &FileError{File: file, Msg: strings.TrimSpace(msg)}
		if fe.Msg == "" || fe.Msg == "yaml: unmarshal errors:" {
			continue
		}
		if m := yamlLine.FindStringSubmatch(fe.Msg); m != nil {
			fe.Line, _ = strconv.Atoi(m[1])
			fe.Msg = m[2]
		}
		fe.Msg = yamlUnknown.ReplaceAllString(strings.TrimPrefix(fe.Msg, "yaml: "), `unknown key "$1"`)
		if m := yamlAnchor.FindStringSubmatch(fe.Msg); m != nil && fe.Line == 0 {
			before, _, _ := bytes.Cut(data, []byte("*"+m[1]))
			fe.Line = 1 + bytes.Count(before, []byte("\n"))
		}
		if fe.Line == 0 {
			fe.Line = locate.Line(data, fe.Msg)
		}
		errs = append(errs, fe)
	}
	return errors.Join(errs...)
}

// mapValue is the value of a key in a mapping node; nil where there is none.
func mapValue(node *yaml.Node, key string) *yaml.Node {
	if node == nil || node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i+1]
		}
	}
	return nil
}

// Child is the value of a mapping's key, with anchors and merged mappings (<<) followed; an empty node where there is none.
func Child(node *yaml.Node, key string) *yaml.Node {
	node = Follow(node)
	if v := mapValue(node, key); v != nil {
		return Follow(v)
	}
	if merged := Follow(mapValue(node, "<<")); merged != nil {
		from := []*yaml.Node{merged}
		if merged.Kind == yaml.SequenceNode {
			from = merged.Content
		}
		for _, m := range from {
			if v := Child(m, key); v.Kind != 0 {
				return v
			}
		}
	}
	return &yaml.Node{}
}

// Item is an element of a sequence, with anchors followed; an empty node where there is none.
func Item(node *yaml.Node, i int) *yaml.Node {
	node = Follow(node)
	if node != nil && node.Kind == yaml.SequenceNode && i < len(node.Content) {
		return Follow(node.Content[i])
	}
	return &yaml.Node{}
}

// Follow is what an alias stands for; any other node is itself.
func Follow(node *yaml.Node) *yaml.Node {
	for node != nil && node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}
