package pipelines

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"obsandbox/sandbox/internal/logstash/event"
	"obsandbox/sandbox/internal/stack"
)

func (f *file) readSidecar() error {
	for _, name := range []string{f.path + "-config.yml", strings.TrimSuffix(f.path, filepath.Ext(f.path)) + "-config.yml"} {
		if _, err := os.Stat(name); err != nil {
			continue
		}
		if _, err := stack.DecodeFile(name, &f.side); err != nil {
			return err
		}
		break
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

// dotted turns elastic-package's a.b into a reference; references stay as they are.
func dotted(name string) string {
	if strings.HasPrefix(name, "[") || !strings.Contains(name, ".") {
		return name
	}
	return "[" + strings.ReplaceAll(name, ".", "][") + "]"
}
