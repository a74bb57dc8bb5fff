package smoke

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	ownTrace       = "a trace sent over OTLP is found, with its four spans in order"
	platformTraces = "the platform's traces are found, with their four spans in order"
	logToTrace     = "a log line's trace_id opens its trace"
	logsToTraces   = "the platform's log lines open their traces"
)

var brokenTraces = []breakage{
	{
		name:   "jaeger is not healthy",
		breaks: func(w *world) { w.answers["jaeger/health /status"] = `{"status":"StatusPermanentError"}` },
		fails:  []string{"jaeger answers"}, says: "StatusPermanentError",
	},
	{
		name:   "a receiver does not listen",
		breaks: func(w *world) { w.addr.Components["jaeger"]["otlp-grpc"] = "127.0.0.1:1" },
		fails:  []string{"jaeger listens on every receiver's port"}, says: "otlp-grpc",
	},
	{
		name:   "jaeger refuses traces",
		breaks: func(w *world) { w.refuse = 400 },
		fails:  []string{ownTrace, logToTrace}, says: "answers 400",
	},
	{
		name:   "traces are lost on the way to the storage",
		breaks: func(w *world) { w.onTrace = func([]fakeSpan) []fakeSpan { return nil } },
		fails:  []string{ownTrace, logToTrace}, says: "no such trace",
	},
	{
		name: "a span has another parent",
		breaks: func(w *world) {
			w.onTrace = func(spans []fakeSpan) []fakeSpan { spans[3].Parent = spans[2].ID; return spans }
		},
		fails: []string{ownTrace}, says: "the parent of enrich is",
	},
	{
		name: "the root span has a parent",
		breaks: func(w *world) {
			w.onTrace = func(spans []fakeSpan) []fakeSpan { spans[0].Parent = "b0"; return spans }
		},
		fails: []string{ownTrace}, says: "process_event has a parent",
	},
	{
		name: "a span is lost",
		breaks: func(w *world) {
			w.onTrace = func(spans []fakeSpan) []fakeSpan { return slices.Delete(spans, 1, 2) }
		},
		fails: []string{ownTrace, logToTrace}, says: "validate",
	},
	{
		name: "attributes are lost",
		breaks: func(w *world) {
			w.onTrace = func(spans []fakeSpan) []fakeSpan { delete(spans[0].Tags, "event.type"); return spans }
		},
		fails: []string{ownTrace}, says: "no attribute event.type",
	},
	{
		name: "spans come under another service",
		breaks: func(w *world) {
			w.onTrace = func(spans []fakeSpan) []fakeSpan { spans[2].Service = "unknown_service"; return spans }
		},
		fails: []string{ownTrace}, says: "unknown_service",
	},
	{
		name:   "the platform sends no traces",
		breaks: func(w *world) { delete(w.found, platformTrace) },
		fails:  []string{platformTraces, logsToTraces},
	},
	{
		name:   "the platform's spans have no parents",
		breaks: func(w *world) { w.found[platformTrace][1].Parent = "" },
		fails:  []string{platformTraces}, says: "the parent of validate",
	},
	{
		name: "the platform's log lines name spans that nobody sent",
		breaks: func(w *world) {
			for _, d := range w.stored {
				d.Source["span_id"] = "cccccccccccccccc"
			}
		},
		fails: []string{logsToTraces}, says: "the trace has no such span",
	},
	{
		name: "most log lines name traces that nobody sent",
		breaks: func(w *world) {
			past := time.Now().UTC().Add(-time.Minute)
			for i := range 4 * manyLines {
				d := document{Index: "logs-storage-" + past.Format("2006.01.02"), ID: fmt.Sprint(i), Source: maps.Clone(w.stored[0].Source)}
				d.Source["@timestamp"] = past.Format(time.RFC3339Nano)
				if i%2 == 0 {
					d.Source["trace_id"] = strings.Repeat("b", 32)
				}
				w.stored = append(w.stored, d)
			}
		},
		fails: []string{logsToTraces}, says: "10 open their trace, and 15 should",
	},
	{
		name:   "a log line's trace_id is not the trace's",
		breaks: stays(lineStandard, func(d *document) { d.Source["trace_id"] = "550e8400-e29b-41d4-a716-446655440000" }),
		fails:  []string{logToTrace, standardLine, "the fields of a log line are searchable as what they are"},
	},
}
