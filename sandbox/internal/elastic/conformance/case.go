// Package conformance runs cases in the shape of Elasticsearch's REST tests against a server: requests, what the
// answers must hold, and what must be refused. The same cases run against the store of this repository and, to see
// whether they are right, against a real cluster. They touch only names that begin with "conformance-".
package conformance

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"

	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/stack"
)

// Case is one test: the file's setup and its own steps.
type Case struct {
	File, Name string
	Line       int
	Steps      []Step
}

// Step is a request or an assertion about the last answer.
type Step struct {
	File string
	Line int
	// Kind is do, match, length, gt, gte, lt, lte, close_to, is_true, is_false, set or eventually.
	Kind string
	// Of a request.
	Method, Path string
	Body         []byte
	Catch        string
	// Of an assertion: a path into the answer and what to expect there.
	At    string
	Want  any
	Steps []Step
}

//go:embed testdata/*.yml
var testdata embed.FS

// Cases are those of this repository.
func Cases() ([]Case, error) {
	dir, err := fs.Sub(testdata, "testdata")
	if err != nil {
		return nil, fmt.Errorf("read conformance cases: %w", err)
	}
	return Load(dir)
}

// Load reads the cases of every *.yml file: documents with one key each, the name of the case, and "setup" for steps
// that all cases of the file begin with.
func Load(dir fs.FS) ([]Case, error) {
	names, err := fs.Glob(dir, "*.yml")
	if err != nil {
		return nil, fmt.Errorf("look for conformance cases: %w", err)
	}
	var out []Case
	for _, name := range names {
		data, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, fmt.Errorf("read conformance cases: %w", err)
		}
		cases, err := parse(name, data)
		if err != nil {
			return nil, err
		}
		out = append(out, cases...)
	}
	return out, nil
}

func parse(file string, data []byte) ([]Case, error) {
	var setup []Step
	var out []Case
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		if err := dec.Decode(&doc); err != nil {
			if err.Error() == "EOF" {
				return out, nil
			}
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		root := doc.Content[0]
		if root.Kind != yaml.MappingNode || len(root.Content) != 2 || root.Content[1].Kind != yaml.SequenceNode {
			return nil, &stack.FileError{File: file, Line: root.Line, Msg: "a document must have one key, the name of the case, with a list of steps"}
		}
		name := root.Content[0]
		steps, err := parseSteps(file, root.Content[1])
		if err != nil {
			return nil, err
		}
		if name.Value == "setup" {
			setup = steps
			continue
		}
		out = append(out, Case{File: file, Name: name.Value, Line: name.Line, Steps: append(setup[:len(setup):len(setup)], steps...)})
	}
}

func parseSteps(file string, list *yaml.Node) ([]Step, error) {
	var out []Step
	for _, n := range list.Content {
		s, err := parseStep(file, n)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func parseStep(file string, n *yaml.Node) (Step, error) {
	s := Step{File: file, Line: n.Line}
	fail := func(at *yaml.Node, format string, args ...any) (Step, error) {
		return s, &stack.FileError{File: file, Line: at.Line, Msg: fmt.Sprintf(format, args...)}
	}
	if n.Kind != yaml.MappingNode {
		return fail(n, "a step must be a mapping")
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch key.Value {
		case "do":
			s.Kind = "do"
			method, path, ok := strings.Cut(value.Value, " ")
			if !ok {
				return fail(value, "do must be a method and a path, such as \"GET /conformance-a/_search\"")
			}
			s.Method, s.Path = method, path
		case "body":
			body, err := encodeBody(value)
			if err != nil {
				return fail(value, "%v", err)
			}
			s.Body = body
		case "catch":
			s.Catch = value.Value
		case "match", "length", "gt", "gte", "lt", "lte", "close_to", "set":
			if value.Kind != yaml.MappingNode || len(value.Content) != 2 {
				return fail(value, "%s must have one path with a value", key.Value)
			}
			s.Kind, s.At = key.Value, value.Content[0].Value
			if err := value.Content[1].Decode(&s.Want); err != nil {
				return fail(value, "%v", err)
			}
		case "is_true", "is_false":
			s.Kind, s.At = key.Value, value.Value
		case "eventually":
			steps, err := parseSteps(file, value)
			if err != nil {
				return s, err
			}
			s.Kind, s.Steps = "eventually", steps
		default:
			return fail(key, "unknown step %q: do, body, catch, match, length, gt, gte, lt, lte, close_to, set, is_true, is_false and eventually are known", key.Value)
		}
	}
	if s.Kind == "" {
		return fail(n, "the step does nothing")
	}
	return s, nil
}

// encodeBody makes JSON of a mapping, lines of JSON of a list, and leaves a text as it is.
func encodeBody(n *yaml.Node) ([]byte, error) {
	if n.Kind == yaml.ScalarNode {
		return []byte(n.Value), nil
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok {
		return json.Marshal(v)
	}
	var out []byte
	for _, item := range list {
		line, err := json.Marshal(item)
		if err != nil {
			return nil, err
		}
		out = append(append(out, line...), '\n')
	}
	return out, nil
}
