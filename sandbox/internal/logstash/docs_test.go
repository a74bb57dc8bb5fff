package logstash

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/logstash/lang"
)

var update = flag.Bool("update", false, "write the table of plugins into docs/logstash.md")

const (
	docsFile   = "../../../docs/logstash.md"
	tableStart = "<!-- plugins: written by go test ./sandbox/internal/logstash -run TestDocs -update -->\n"
	tableEnd   = "<!-- end of plugins -->\n"
)

// optionsOf are the options that a plugin asks for.
func optionsOf[T any](section, name string, make func(*build) (T, error)) string {
	s := defaultSettings(".", ".", nil)
	b := &build{plugin: &lang.Plugin{Section: section, Name: name}, pipeline: &s, log: discard(), now: time.Now}
	_, _ = make(b) // the error is about options that are missing
	return strings.Join(sortedKeys(b.asked), ", ")
}

func tableOf[T any](out *strings.Builder, section string, plugins map[string]func(*build) (T, error)) {
	for _, name := range sortedKeys(plugins) {
		fmt.Fprintf(out, "| %s | `%s` | %s |\n", section, name, optionsOf(section, name, plugins[name]))
	}
}

// TestDocs: the documentation lists every plugin with every option.
func TestDocs(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	table.WriteString("| | plugin | options |\n|---|---|---|\n")
	r := plugins()
	tableOf(&table, "input", r.inputs)
	tableOf(&table, "filter", r.filters)
	tableOf(&table, "codec", r.codecs)
	tableOf(&table, "output", r.outputs)
	text := readText(t, docsFile)
	head, rest, ok := strings.Cut(text, tableStart)
	require.True(t, ok)
	_, tail, ok := strings.Cut(rest, tableEnd)
	require.True(t, ok)
	want := head + tableStart + table.String() + tableEnd + tail
	if *update {
		require.NoError(t, os.WriteFile(docsFile, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, text, "run the test with -update")
}
