package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"obsandbox/sandbox/internal/stack"
)

// SchemaFile is the log standard, below the stack directory.
const SchemaFile = "log-standard.schema.json"

// LogStandard is the log standard of a stack.
type LogStandard struct {
	// File is where it stands.
	File   string
	schema *jsonschema.Schema
}

// ReadLogStandard compiles a log standard. A keyword that JSON Schema does not have is an error: it would be ignored, and
// what it was to forbid allowed. Errors of the schema are *stack.FileError.
func ReadLogStandard(file string) (*LogStandard, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the log standard: %w", err)
	}
	fail := func(word, format string, args ...any) error {
		before, _, found := bytes.Cut(data, []byte(strconv.Quote(word)))
		line := 1
		if found {
			line += bytes.Count(before, []byte("\n"))
		}
		return &stack.FileError{File: file, Line: line, Msg: fmt.Sprintf(format, args...)}
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		line := 1 + bytes.Count(data[:min(int64(len(data)), syntax.Offset)], []byte("\n"))
		return nil, &stack.FileError{File: file, Line: line, Msg: "no JSON: " + err.Error()}
	}
	if err != nil {
		return nil, fail("", "no JSON: %v", err)
	}
	if word := unknownKeyword(doc); word != "" {
		return nil, fail(word, "JSON Schema has no keyword %q: it would be ignored", word)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("log-standard", doc); err != nil {
		return nil, fail("", "%v", err)
	}
	schema, err := compiler.Compile("log-standard")
	var invalid *jsonschema.SchemaValidationError
	var v *jsonschema.ValidationError
	if errors.As(err, &invalid) && errors.As(invalid.Err, &v) {
		leaf := v
		for len(leaf.Causes) > 0 {
			leaf = leaf.Causes[0]
		}
		word := ""
		if n := len(leaf.InstanceLocation); n > 0 {
			word = leaf.InstanceLocation[n-1]
		}
		return nil, fail(word, "%s", causes(leaf)[0])
	}
	if err != nil {
		return nil, fail("", "%v", err)
	}
	return &LogStandard{File: file, schema: schema}, nil
}

// Judge says what is wrong with a line; nil for nothing.
func (s *LogStandard) Judge(text string) error {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return errors.New("it is no JSON object on a line of its own")
	}
	err = s.schema.Validate(doc)
	var v *jsonschema.ValidationError
	if errors.As(err, &v) {
		return errors.New(strings.Join(causes(v), "; "))
	}
	return err
}

// The keywords of JSON Schema (draft 2020-12, with those that earlier drafts had): what holds a schema, what holds a list
// of schemas, what holds schemas by names, and all others.
var (
	ofSchema  = []string{"items", "additionalItems", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedItems", "unevaluatedProperties", "contentSchema"}
	ofSchemas = []string{"allOf", "anyOf", "oneOf", "prefixItems", "items"}
	byName    = []string{"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
	others    = []string{
		"$schema", "$id", "$ref", "$anchor", "$dynamicRef", "$dynamicAnchor", "$vocabulary", "$comment", "title", "description", "default",
		"deprecated", "readOnly", "writeOnly", "examples", "type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum",
		"exclusiveMinimum", "maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "maxContains", "minContains",
		"maxProperties", "minProperties", "required", "dependentRequired", "dependencies", "format", "contentEncoding", "contentMediaType",
	}
)

// unknownKeyword is the first keyword of a schema, or of one in it, that there is not; those that begin with x- are free.
func unknownKeyword(schema any) string {
	object, ok := schema.(map[string]any)
	if !ok {
		return ""
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		var inner []any
		switch value := object[key].(type) {
		case []any:
			if slices.Contains(ofSchemas, key) {
				inner = value
			}
		case map[string]any:
			if slices.Contains(byName, key) {
				inner = slices.Collect(maps.Values(value))
			} else if slices.Contains(ofSchema, key) {
				inner = []any{value}
			}
		}
		for _, s := range inner {
			if word := unknownKeyword(s); word != "" {
				return word
			}
		}
		if !slices.Contains(slices.Concat(ofSchema, ofSchemas, byName, others), key) && !strings.HasPrefix(key, "x-") {
			return key
		}
	}
	return ""
}

// causes are the leaves of a validation error, each with its field.
func causes(v *jsonschema.ValidationError) []string {
	if len(v.Causes) == 0 {
		text := v.ErrorKind.LocalizedString(message.NewPrinter(language.English))
		if _, ok := v.ErrorKind.(*kind.AdditionalProperties); ok {
			text += " (put them below metadata)"
		}
		if len(v.InstanceLocation) == 0 {
			return []string{text}
		}
		return []string{strings.Join(v.InstanceLocation, ".") + ": " + text}
	}
	var all []string
	for _, cause := range v.Causes {
		all = append(all, causes(cause)...)
	}
	return all
}
