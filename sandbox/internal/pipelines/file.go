package pipelines

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/logstash"
	"obsandbox/sandbox/internal/logstash/event"
)

// file is a case file with its sidecar.
type file struct {
	path string
	side sidecar
	// elastic says that the file is one of elastic-package; its expectations are in a file beside it.
	elastic        bool
	inputPlugin    string
	codec          string
	fields         map[string]any
	ignore         []event.Ref
	exportMetadata bool
	exportOutputs  bool
	cases          []*testCase
	dynamic        []dynamicField

	raw caseFile
}

// testCase is one input with the events that are expected of it.
type testCase struct {
	name string
	line int
	// texts are lines; given are events as they are.
	texts    []string
	given    []map[string]any
	fields   map[string]any
	expected []any
}

// caseFile is logstash-filter-verifier's format.
type caseFile struct {
	InputPlugin    string            `json:"input_plugin,omitempty"`
	Codec          string            `json:"codec,omitempty"`
	Fields         json.RawMessage   `json:"fields,omitempty"`
	Ignore         []string          `json:"ignore,omitempty"`
	ExportMetadata bool              `json:"export_metadata,omitempty"`
	ExportOutputs  bool              `json:"export_outputs,omitempty"`
	Input          []string          `json:"input,omitempty"`
	Expected       []json.RawMessage `json:"expected,omitempty"`
	TestCases      []rawCase         `json:"testcases,omitempty"`
}

type rawCase struct {
	Description string            `json:"description,omitempty"`
	Fields      json.RawMessage   `json:"fields,omitempty"`
	Input       []string          `json:"input"`
	Expected    []json.RawMessage `json:"expected"`
}

// sidecar is FILE-config.yml: elastic-package's keys, and outputs, which adds to every event what the outputs would do
// with it (index, document id) as _outputs.
type sidecar struct {
	DynamicFields        map[string]string `yaml:"dynamic_fields"`
	NumericKeywordFields []string          `yaml:"numeric_keyword_fields"`
	StringNumberFields   []string          `yaml:"string_number_fields"`
	Fields               map[string]any    `yaml:"fields"`
	Multiline            *struct {
		FirstLinePattern string `yaml:"first_line_pattern"`
	} `yaml:"multiline"`
	Skip *struct {
		Reason string `yaml:"reason"`
		Link   string `yaml:"link"`
	} `yaml:"skip"`
	// Pipeline names the pipeline; without it the file's directory, or input_plugin, does.
	Pipeline string `yaml:"pipeline"`
	Outputs  bool   `yaml:"outputs"`
}

type dynamicField struct {
	ref     event.Ref
	pattern *regexp.Regexp
}

type placedError struct {
	line int
	msg  string
}

func (e *placedError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.msg) }

func readFile(path string) (*file, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the cases: %w", err)
	}
	f := &file{path: path, codec: "line"}
	if err := f.readSidecar(); err != nil {
		return nil, err
	}
	switch {
	case filepath.Ext(path) == ".log":
		err = f.readLines(string(data))
	case filepath.Ext(path) != ".json":
		err = f.readYAML(data)
	case elasticEvents.Match(data):
		err = f.readElastic(data)
	default:
		err = f.readVerifier(data, caseLines(data))
	}
	if err != nil {
		return nil, err
	}
	if f.elastic {
		err = f.readExpected()
	}
	if err == nil && len(f.cases) == 0 {
		err = errors.New("the file has no cases")
	}
	return f, err
}

var elasticEvents = regexp.MustCompile(`^\s*\{\s*"events"\s*:`)

// readYAML reads a case file in YAML by way of JSON.
func (f *file) readYAML(data []byte) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return err
	}
	var v any
	if err := doc.Decode(&v); err != nil {
		return err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("the file holds what JSON cannot: %w", err)
	}
	var lines []int
	if len(doc.Content) > 0 {
		root := doc.Content[0]
		for i := 0; i+1 < len(root.Content); i += 2 {
			if root.Content[i].Value == "testcases" {
				for _, c := range root.Content[i+1].Content {
					lines = append(lines, c.Line)
				}
			}
		}
	}
	return f.readVerifier(text, lines)
}

// caseLines are the lines where the elements of "testcases" start.
func caseLines(data []byte) []int {
	var lines []int
	dec := json.NewDecoder(bytes.NewReader(data))
	depth, inCases := 0, false
	for {
		token, err := dec.Token()
		if err != nil {
			return lines
		}
		switch t := token.(type) {
		case json.Delim:
			switch t {
			case '{', '[':
				if inCases && depth == 2 && t == '{' {
					lines = append(lines, lineAt(data, dec.InputOffset()))
				}
				depth++
			default:
				if depth--; depth == 1 {
					inCases = false
				}
			}
		case string:
			if depth == 1 && t == "testcases" {
				inCases = true
			}
		}
	}
}

func lineAt(data []byte, offset int64) int {
	return 1 + bytes.Count(data[:min(int(offset), len(data))], []byte("\n"))
}

func (f *file) readVerifier(data []byte, lines []int) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f.raw); err != nil {
		return placeJSON(data, err)
	}
	raw := f.raw
	f.inputPlugin, f.exportMetadata, f.exportOutputs = raw.InputPlugin, raw.ExportMetadata, raw.ExportOutputs
	if raw.Codec != "" {
		f.codec = raw.Codec
	}
	for _, s := range raw.Ignore {
		ref, err := event.ParseRef(s)
		if err != nil {
			return err
		}
		f.ignore = append(f.ignore, ref)
	}
	var err error
	if f.fields, err = object(raw.Fields); err != nil {
		return fmt.Errorf("fields: %w", err)
	}
	cases := raw.TestCases
	if len(raw.Input) > 0 || len(raw.Expected) > 0 {
		cases = append([]rawCase{{Input: raw.Input, Expected: raw.Expected}}, cases...)
		lines = append([]int{1}, lines...)
	}
	for i, rc := range cases {
		c := &testCase{name: rc.Description, line: 1, texts: rc.Input}
		if i < len(lines) {
			c.line = lines[i]
		}
		if c.name == "" {
			c.name = fmt.Sprintf("case %d", i+1)
		}
		if c.fields, err = object(rc.Fields); err != nil {
			return &placedError{c.line, fmt.Sprintf("fields: %v", err)}
		}
		if slices.ContainsFunc(f.cases, func(o *testCase) bool { return o.name == c.name }) {
			return &placedError{c.line, fmt.Sprintf("the description %q stands twice", c.name)}
		}
		if len(c.texts) == 0 && len(f.fields)+len(c.fields) == 0 {
			return &placedError{c.line, "the case has no input"}
		}
		for _, e := range rc.Expected {
			v, err := object(e)
			if err != nil {
				return &placedError{c.line, fmt.Sprintf("expected: %v", err)}
			}
			c.expected = append(c.expected, v)
		}
		f.cases = append(f.cases, c)
	}
	return nil
}

var unknownField = regexp.MustCompile(`unknown field ("[^"]*")`)

// placeJSON finds the line of a JSON error.
func placeJSON(data []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch m := unknownField.FindStringSubmatch(err.Error()); {
	case errors.As(err, &syntax):
		return &placedError{lineAt(data, syntax.Offset), err.Error()}
	case errors.As(err, &kind):
		return &placedError{lineAt(data, kind.Offset), err.Error()}
	case m != nil:
		return &placedError{lineAt(data, int64(max(bytes.Index(data, []byte(m[1])), 0))), "unknown key " + m[1]}
	}
	return err
}

func object(raw json.RawMessage) (map[string]any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	v, err := event.DecodeJSON(string(raw))
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("expected an object")
	}
	return m, nil
}

// pipeline finds the pipeline that the cases are for: by the sidecar, by the input's id, by the directory's name, or the
// only one there is.
func (f *file) pipeline(all []*logstash.Pipeline) (*logstash.Pipeline, error) {
	var ids []string
	dir := filepath.Base(filepath.Dir(f.path))
	for _, p := range all {
		ids = append(ids, p.ID())
		switch {
		case f.side.Pipeline != "":
			if p.ID() == f.side.Pipeline {
				return p, nil
			}
		case f.inputPlugin != "":
			if p.HasInput(f.inputPlugin) {
				return p, nil
			}
		case p.ID() == dir || len(all) == 1:
			return p, nil
		}
	}
	return nil, fmt.Errorf("no pipeline for the cases: name one by input_plugin, or put the file into a directory of its name (there are: %s)", strings.Join(ids, ", "))
}

// events makes a case's events as the input would.
func (f *file) events(p *logstash.Pipeline, c *testCase) ([]*event.Event, error) {
	var events []*event.Event
	var err error
	if c.given == nil {
		if events, err = p.Decode(f.inputPlugin, f.codec, c.texts...); err != nil {
			return nil, err
		}
		if len(c.texts) == 0 {
			if events, err = p.Decode("", "json", "{}"); err != nil {
				return nil, err
			}
		}
	}
	for _, g := range c.given {
		e, err := p.Decode("", "json { ecs_compatibility => disabled }", string(event.AppendJSON(nil, g)))
		if err != nil {
			return nil, err
		}
		events = append(events, e...)
	}
	for _, e := range events {
		for _, fields := range []map[string]any{f.fields, c.fields, f.side.Fields} {
			for k, v := range fields {
				ref, err := event.ParseRef(k)
				if err == nil {
					err = e.Set(ref, jsonValue(v))
				}
				if err != nil {
					return nil, fmt.Errorf("fields: %w", err)
				}
			}
		}
	}
	return events, nil
}
