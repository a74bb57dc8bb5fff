package pipelines

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"obsandbox/sandbox/internal/logstash/event"
	"obsandbox/sandbox/internal/stack"
)

// commonConfig is elastic-package's sidecar of all files of a directory; a file's own adds to it.
const commonConfig = "test-common-config.yml"

func (f *file) readSidecar() error {
	if strings.HasPrefix(filepath.Base(f.path), "test-") {
		if err := readIfThere(filepath.Join(filepath.Dir(f.path), commonConfig), &f.side); err != nil {
			return err
		}
	}
	for _, name := range []string{f.path + "-config.yml", strings.TrimSuffix(f.path, filepath.Ext(f.path)) + "-config.yml"} {
		if _, err := os.Stat(name); err != nil {
			continue
		}
		var own sidecar
		if err := readIfThere(name, &own); err != nil {
			return err
		}
		f.side.add(own)
		break
	}
	for name, v := range f.side.Fields {
		// YAML's values as an event has them.
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("fields: %s: %w", name, err)
		}
		if f.side.Fields[name], err = event.DecodeJSON(string(text)); err != nil {
			return fmt.Errorf("fields: %s: %w", name, err)
		}
	}
	for field, pattern := range f.side.DynamicFields {
		ref, err := event.ParseRef(dotted(field))
		if err != nil {
			return err
		}
		re, err := regexp.Compile("^(?:" + pattern + ")$")
		if err != nil {
			return fmt.Errorf("dynamic_fields: %s: %w", field, err)
		}
		f.dynamic = append(f.dynamic, dynamicField{ref: ref, pattern: re})
	}
	return nil
}

func readIfThere(name string, s *sidecar) error {
	if _, err := os.Stat(name); err != nil {
		return nil
	}
	_, err := stack.DecodeFile(name, s)
	return err
}

// add takes in what another sidecar says; where both say something, the other does.
func (s *sidecar) add(other sidecar) {
	s.DynamicFields = merged(s.DynamicFields, other.DynamicFields)
	s.Fields = merged(s.Fields, other.Fields)
	s.NumericKeywordFields = append(s.NumericKeywordFields, other.NumericKeywordFields...)
	s.StringNumberFields = append(s.StringNumberFields, other.StringNumberFields...)
	if other.Multiline != nil {
		s.Multiline = other.Multiline
	}
	if other.Skip != nil {
		s.Skip = other.Skip
	}
	s.Pipeline = cmp.Or(other.Pipeline, s.Pipeline)
	s.Outputs = s.Outputs || other.Outputs
}

func merged[V any](a, b map[string]V) map[string]V {
	out := map[string]V{}
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}

// dotted turns elastic-package's a.b into a reference; references stay as they are.
func dotted(name string) string {
	if strings.HasPrefix(name, "[") || !strings.Contains(name, ".") {
		return name
	}
	return "[" + strings.ReplaceAll(name, ".", "][") + "]"
}
