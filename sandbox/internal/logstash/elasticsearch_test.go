package logstash

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/logstash/event"
)

// outputOf makes an elasticsearch output from its options.
func outputOf(t *testing.T, options string, dead bool) (*elasticsearchOutput, *Pipeline) {
	t.Helper()
	s := defaultSettings(".", t.TempDir(), nil)
	s.DeadLetters = dead
	p, err := CompileText("test.conf", "output { elasticsearch { manage_template => false ilm_enabled => false "+options+" } }", s, time.Now)
	require.NoError(t, err)
	var out *elasticsearchOutput
	eachOutput(p.outputs, func(n *outputNode) { out = n.output.(*elasticsearchOutput) })
	out.retryFirst, out.retryMax = time.Millisecond, 5*time.Millisecond
	return out, p
}

func TestBulkActions(t *testing.T) {
	t.Parallel()
	const doc = `{"@timestamp":"2024-01-15T10:30:00.000Z","@version":"1","a":"x","n":5}` + "\n"
	for _, c := range []struct{ options, want string }{
		{`index => "i-%{a}-%{+yyyy}"`, `{"index":{"_index":"i-x-2024"}}` + "\n" + doc},
		{`index => "i" action => create document_id => "%{n}"`, `{"create":{"_index":"i","_id":"5"}}` + "\n" + doc},
		{`index => "i" action => "%{[@metadata][do]}" document_id => "1"`, `{"delete":{"_index":"i","_id":"1"}}` + "\n"},
		{`index => "i" action => update document_id => "1"`, `{"update":{"_index":"i","_id":"1","retry_on_conflict":1}}` + "\n" + `{"doc":` + strings.TrimSuffix(doc, "\n") + "}\n"},
		{`index => "i" action => update document_id => "1" doc_as_upsert => true retry_on_conflict => 3`, `{"update":{"_index":"i","_id":"1","retry_on_conflict":3}}` + "\n" + `{"doc":` + strings.TrimSuffix(doc, "\n") + `,"doc_as_upsert":true}` + "\n"},
		{`index => "i" pipeline => "p-%{a}" routing => "%{n}" version => "%{n}" version_type => external`, `{"index":{"_index":"i","routing":"5","pipeline":"p-x","version":"5","version_type":"external"}}` + "\n" + doc},
	} {
		out, _ := outputOf(t, c.options, false)
		e := eventOf(t, `{"a":"x","n":5,"@metadata":{"do":"delete"}}`)
		require.Equal(t, c.want, string(out.actionOf(e).body))
	}
}

func TestBulkRequest(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		user, password, _ := r.BasicAuth()
		if user != "u" || password != "p w" || r.URL.Path != "/base/_bulk" || r.Header.Get("Content-Type") != "application/x-ndjson" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Content-Encoding") != "" || strings.Count(string(body), "\n") > 2 {
			w.WriteHeader(http.StatusRequestEntityTooLarge) // one document at a time
			return
		}
		_, _ = io.WriteString(w, `{"errors":false,"items":[]}`)
	}))
	t.Cleanup(server.Close)
	out, _ := outputOf(t, `hosts => ["`+strings.Replace(server.URL, "http://", "http://u:p%20w@", 1)+`"] path => "/base" index => "i" compression_level => 0`, false)
	events := []*event.Event{eventOf(t, `{}`), eventOf(t, `{}`), eventOf(t, `{}`)}
	require.NoError(t, out.send(t.Context(), events))
	require.EqualValues(t, 5, requests.Load(), "three refused to be too large, halved: 3, 1+2, 1+1")
	require.NotContains(t, out.client.String(), "p%20w", "no password in messages")
}

func TestBulkItems(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch requests.Add(1) {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			_, _ = io.WriteString(w, "not JSON")
		case 3:
			_, _ = io.WriteString(w, `{"errors":true,"items":[{"index":{"status":201}}]}`)
		case 4:
			_, _ = io.WriteString(w, `{"errors":true,"items":[{"index":{"status":201}},{"index":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"full"}}},
				{"index":{"status":409,"error":{"type":"version_conflict_engine_exception"}}},{"index":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"no"}}},{"index":{"status":403,"error":{"type":"cluster_block_exception"}}}]}`)
		case 5:
			_, _ = io.WriteString(w, `{"errors":true,"items":[{"index":{"status":200}},{"index":{"status":404,"error":{"type":"index_not_found_exception"}}}]}`)
		}
	}))
	t.Cleanup(server.Close)
	out, p := outputOf(t, `hosts => "`+server.URL+`" index => "i"`, true)
	var events []*event.Event
	for _, in := range []string{`{"n":0}`, `{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":4}`} {
		events = append(events, eventOf(t, in))
	}
	require.NoError(t, out.send(t.Context(), events))
	require.EqualValues(t, 5, requests.Load())
	dead := readFile(t, segmentPath(p.dead.dir, 1))
	require.Equal(t, 2, strings.Count(dead, "\n"))
	require.Contains(t, dead, `"n":3`)
	require.Contains(t, dead, "400 mapper_parsing_exception: no")
	require.Contains(t, dead, `"n":4`)
	require.Contains(t, dead, "404 index_not_found_exception")
}

func TestSendEndsWithTheContext(t *testing.T) {
	t.Parallel()
	out, _ := outputOf(t, `hosts => "http://127.0.0.1:1" index => "i"`, false)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, out.send(ctx, []*event.Event{eventOf(t, `{}`)}), context.DeadlineExceeded)
}

// The queue of dead letters starts a new segment when one is full, survives a line that was cut off, and is read back
// in order, each entry once.
func TestDeadLetterQueue(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	dir := filepath.Join(data, "dead_letter_queue", "main")
	writeFile(t, filepath.Join(dir, "1.log"), `{"event":{"n":0},"reason":"r0"}`+"\n"+`{"event":{"n":99`)
	d := newDeadLetters(dir, time.Now)
	require.NoError(t, d.write(eventOf(t, `{"n":1}`), "elasticsearch", "id", "r1"))
	require.NoError(t, d.write(eventOf(t, `{"n":2,"big":"`+strings.Repeat("x", segmentBytes)+`"}`), "elasticsearch", "id", "r2"))
	require.NoError(t, d.write(eventOf(t, `{"n":3,"@metadata":{"m":1}}`), "elasticsearch", "id", "r3"))
	require.NoError(t, d.close())
	numbers, err := segments(dir)
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, numbers)
	out := filepath.Join(data, "out.log")
	pipeline := `input { dead_letter_queue { path => "` + filepath.Join(data, "dead_letter_queue") + `" clean_consumed => true } }
		output { file { path => "` + out + `" codec => line { format => "%{n} %{[@metadata][dead_letter_queue][reason]} %{[@metadata][m]}" } } }`
	r := startPipeline(t, data, pipeline)
	want := "0 r0 %{[@metadata][m]}\n1 r1 %{[@metadata][m]}\n2 r2 %{[@metadata][m]}\n3 r3 1\n"
	eventually(t, func() bool { return readFile(t, out) == want })
	eventually(t, func() bool { numbers, _ := segments(dir); return len(numbers) == 1 })
	r.stop()
	require.NoError(t, d.write(eventOf(t, `{"n":4}`), "elasticsearch", "id", "r4"))
	startPipeline(t, data, pipeline)
	eventually(t, func() bool { return readFile(t, out) == want+"4 r4 %{[@metadata][m]}\n" })
}
