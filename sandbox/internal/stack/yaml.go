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
		return nil, yamlErrors(file, data, err)
	}
	if len(doc.Content) == 0 {
		return nil, &FileError{File: file, Line: 1, Msg: "the file is empty"}
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(value); err != nil {
		return nil, yamlErrors(file, data, err)
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

// yamlErrors turns the messages of yaml.v3 into one *FileError each.
func yamlErrors(file string, data []byte, err error) error {
	messages := []string{err.Error()}
	var typeErr *yaml.TypeError
	if errors.As(err, &typeErr) {
		messages = typeErr.Errors
	}
	errs := make([]error, len(messages))
	for i, msg := range messages {
		fe := &FileError{File: file, Msg: strings.TrimPrefix(msg, "yaml: ")}
		if m := yamlLine.FindStringSubmatch(msg); m != nil {
			fe.Line, _ = strconv.Atoi(m[1])
			fe.Msg = m[2]
		}
		if m := yamlUnknown.FindStringSubmatch(fe.Msg); m != nil {
			fe.Msg = fmt.Sprintf("unknown key %q", m[1])
		}
		if m := yamlAnchor.FindStringSubmatch(fe.Msg); m != nil && fe.Line == 0 { // yaml.v3 does not say where
			before, _, _ := bytes.Cut(data, []byte("*"+m[1]))
			fe.Line = 1 + bytes.Count(before, []byte("\n"))
		}
		errs[i] = fe
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
