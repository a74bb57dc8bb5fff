package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/embedded"
)

func sampleStatus() []embedded.Status {
	return []embedded.Status{
		{Component: "kafka", State: embedded.Ready, Address: "127.0.0.1:9092", ReadyAfter: 31 * time.Millisecond, Memory: 26_000_000},
		{Component: "prometheus", State: embedded.Building, Address: "127.0.0.1:9090", Message: "compiling prometheus: 3 of 562 packages, 4s"},
		{Component: "logstash", State: embedded.Restarting, Address: "127.0.0.1:9600", Restarts: 1, Message: "ended (exit code 1), starts again in 1s\nmore"},
		{Component: "platform", State: embedded.Ready, Address: "127.0.0.1:8088", ReadyAfter: 1200 * time.Millisecond, Memory: 44_000_000, Restarts: 2},
	}
}

const sampleTable = `COMPONENT      STATE       ADDRESS                READY IN    MEMORY
kafka          ready       127.0.0.1:9092             31ms     26 MB
prometheus     building    127.0.0.1:9090                             compiling prometheus: 3 of 562 packages, 4s
logstash       restarting  127.0.0.1:9600                             ended (exit code 1), starts again in 1s
platform       ready       127.0.0.1:8088             1.2s     44 MB  restarted 2 times
                                                               70 MB
`

func TestTable(t *testing.T) {
	t.Parallel()
	assert.Equal(t, sampleTable, tableOf(sampleStatus()))
	lines := strings.Split(sampleTable, "\n")
	assert.Equal(t, "kafka          \x1b[32mready      \x1b[0m 127.0.0.1:9092             31ms     26 MB", paint(lines[1]))
	assert.Equal(t, "logstash       \x1b[31mrestarting \x1b[0m 127.0.0.1:9600", paint(lines[3])[:len("logstash       restarting  127.0.0.1:9600")+9])
	assert.Equal(t, lines[0], paint(lines[0]))
	assert.Equal(t, "kafka  …", clip(lines[1], 8))
	assert.Equal(t, "kafka", clip("kafka", 5))
}

func deathOf(component string) embedded.Event {
	return embedded.Event{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Status: embedded.Status{
		Component: component, State: embedded.Restarting, Message: "ended (exit code 1), starts again in 1s", LastLines: []string{"no space", "left"},
	}}
}

func TestPlainLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	v := newView(&out, false)
	building := func(message string) embedded.Event {
		return embedded.Event{Status: embedded.Status{Component: "prometheus", State: embedded.Building, Message: message}}
	}
	v.event(building("compiling 1 of 9"))
	v.event(building("compiling 2 of 9")) // too soon to be told again
	v.event(deathOf("logstash"))
	assert.Equal(t, "00:00:00 prometheus    building   compiling 1 of 9\n"+
		"03:04:05 logstash      restarting ended (exit code 1), starts again in 1s\n    no space\n    left\n", out.String())
}

func TestJSONLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	v := newView(&out, true)
	v.event(deathOf("logstash"))
	v.event(deathOf("kafka"))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 2)
	var back embedded.Event
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &back))
	assert.Equal(t, deathOf("logstash"), back)
}

// The terminal's table is drawn over itself, and what has died stays above it.
func TestTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	v := newView(&out, false)
	v.terminal, v.fd = true, -1
	v.status = sampleStatus
	v.draw()
	first := out.String()
	assert.Equal(t, strings.Count(sampleTable, "\n"), strings.Count(first, "\n"))
	out.Reset()
	v.event(deathOf("logstash"))
	assert.Empty(t, out.String(), "the next drawing shows it")
	v.draw()
	assert.True(t, strings.HasPrefix(out.String(), "\x1b[6A\r\x1b[J03:04:05 logstash      restarting"), "%q", out.String())
	assert.Equal(t, 9, strings.Count(out.String(), "\n"))

	// A footer that would push the table off the screen (24 lines where it is not known) stands above it, once.
	v.footer = strings.Repeat("link\n", 18)
	for _, want := range []int{18, 0} {
		out.Reset()
		v.draw()
		assert.Equal(t, want, strings.Count(out.String(), "link\n"))
		assert.Equal(t, 6, v.drawn)
	}
}
