package pipelines

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"obsandbox/sandbox/internal/logstash/event"
)

// readElastic reads elastic-package's test-*.json: {"events": [ … ]}, one case for all of them.
func (f *file) readElastic(data []byte) error {
	f.elastic = true
	var raw struct {
		Events []json.RawMessage `json:"events"`
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&raw); err != nil {
		return placeJSON(data, err)
	}
	c := &testCase{name: filepath.Base(f.path), line: 1, given: []map[string]any{}}
	for _, r := range raw.Events {
		e, err := object(r)
		if err != nil {
			return err
		}
		c.given = append(c.given, e)
	}
	f.cases = []*testCase{c}
	return nil
}

// readLines reads elastic-package's test-*.log: a line is an event, unless the sidecar says how events start.
func (f *file) readLines(text string) error {
	f.elastic = true
	var first *regexp.Regexp
	if m := f.side.Multiline; m != nil {
		var err error
		if first, err = regexp.Compile(m.FirstLinePattern); err != nil {
			return fmt.Errorf("multiline.first_line_pattern: %w", err)
		}
	}
	c := &testCase{name: filepath.Base(f.path), line: 1}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if n := len(c.texts); first != nil && n > 0 && !first.MatchString(line) {
			c.texts[n-1] += "\n" + line
			continue
		}
		c.texts = append(c.texts, line)
	}
	f.codec = "plain"
	f.cases = []*testCase{c}
	return nil
}

func (f *file) expectedPath() string { return f.path + "-expected.json" }

func (f *file) readExpected() error {
	data, err := os.ReadFile(f.expectedPath())
	if errors.Is(err, os.ErrNotExist) {
		return nil // every event is one too many then; -update writes the file
	}
	if err != nil {
		return fmt.Errorf("read what is expected: %w", err)
	}
	var raw struct {
		Expected []json.RawMessage `json:"expected"`
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&raw); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(f.expectedPath()), placeJSON(data, err))
	}
	for _, r := range raw.Expected {
		if string(r) == "null" {
			continue // an event that was dropped
		}
		e, err := object(r)
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(f.expectedPath()), err)
		}
		f.cases[0].expected = append(f.cases[0].expected, e)
	}
	return nil
}

// write puts what the cases expect now into the file, or the file beside it.
func (f *file) write() error {
	rawEvents := func(events []any) []json.RawMessage {
		out := make([]json.RawMessage, len(events))
		for i, e := range events {
			out[i] = event.AppendJSON(nil, e)
		}
		return out
	}
	var value any
	path := f.path
	switch {
	case f.elastic:
		path = f.expectedPath()
		value = struct {
			Expected []json.RawMessage `json:"expected"`
		}{rawEvents(f.cases[0].expected)}
	case filepath.Ext(path) != ".json":
		return fmt.Errorf("%s: only JSON files can be updated, change a YAML file by hand", path)
	default:
		cases := f.cases
		if len(f.raw.Input) > 0 || len(f.raw.Expected) > 0 {
			f.raw.Expected, cases = rawEvents(cases[0].expected), cases[1:]
		}
		for i, c := range cases {
			f.raw.TestCases[i].Expected = rawEvents(c.expected)
		}
		value = f.raw
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(value); err != nil {
		return fmt.Errorf("update %s: %w", path, err)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		return fmt.Errorf("update %s: %w", path, err)
	}
	return nil
}
