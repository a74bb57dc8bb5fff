package smoke

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// logOpensTrace goes the way of the link in Grafana: from the stored document to the trace.
func (e *env) logOpensTrace(ctx context.Context) (string, error) {
	if err := e.tracing.wait(ctx); err != nil {
		return "", err
	}
	docs, err := e.theLine(ctx, lineStandard)
	if err != nil {
		return "", err
	}
	if len(docs) == 0 {
		return "", &mismatch{"the standard log line, to take its trace_id", "the line is not stored", "the check of the standard log line"}
	}
	return e.opens(ctx, docs[0])
}

// opens follows a stored line's trace_id, and its span_id within the trace.
func (e *env) opens(ctx context.Context, doc document) (string, error) {
	id, spanID := doc.field("trace_id"), doc.field("span_id")
	look := e.addr.URL("jaeger", "query") + "/api/traces/" + id
	expected := fmt.Sprintf("trace %s with span %s", id, spanID)
	spans, err := e.trace(ctx, id)
	if err != nil {
		return "", err
	}
	if len(spans) == 0 {
		return "", &mismatch{expected, "no such trace", look}
	}
	i := slices.IndexFunc(spans, func(s span) bool { return s.id == spanID })
	if i < 0 {
		return "", &mismatch{expected, "the trace has no such span: " + spanNames(spans), look}
	}
	return fmt.Sprintf("span %s of %s", spans[i].name, spans[i].service), nil
}

const (
	// spanTime is how long spans may take to Jaeger: a second in the services' SDKs, one in Jaeger's own batches, and
	// some more on a machine that has much to do.
	spanTime = 6 * time.Second
	// manyLines are enough lines to judge by their share; in a stack that has just started there are fewer.
	manyLines = 10
)

// platformLogsOpenTraces takes the latest lines whose spans must have arrived: of these, three in four open their trace
// (a service may lose spans when it starts before Jaeger). Where there are few of them, it takes the latest lines of
// all, and one that opens its trace is enough.
func (e *env) platformLogsOpenTraces(ctx context.Context) (string, error) {
	latest := func(until time.Time) ([]document, error) {
		docs, _, err := e.search(ctx, jsonObject{"bool": jsonObject{
			"filter": []any{
				exists("trace_id"), exists("span_id"), exists("pod_name"),
				between("@timestamp", jsonObject{"lte": until.UTC().Format(time.RFC3339Nano)}),
			},
			"must_not": []any{match("message", "smoke"), term("trace_id", e.traceID())},
		}}, 2*manyLines)
		return docs, err
	}
	docs, err := latest(time.Now().Add(-spanTime))
	if err != nil {
		return "", err
	}
	needed := (len(docs)*3 + 3) / 4
	if len(docs) < manyLines {
		needed = 1
		if docs, err = latest(time.Now().Add(24 * time.Hour)); err != nil {
			return "", err
		}
	}
	if len(docs) == 0 {
		return "", &mismatch{
			"log lines of the platform with trace_id and span_id", "none",
			e.addr.URL("elasticsearch", "http") + "/" + logIndices + "/_search?q=_exists_:trace_id",
		}
	}
	var last error
	opened := 0
	for _, doc := range docs {
		if _, err := e.opens(ctx, doc); err != nil {
			last = err
			continue
		}
		opened++
	}
	if opened < needed {
		return "", fmt.Errorf("of the latest %d lines, %d open their trace, and %d should; the last that does not:\n%w", len(docs), opened, needed, last)
	}
	return fmt.Sprintf("%d of the latest %d lines", opened, len(docs)), nil
}
