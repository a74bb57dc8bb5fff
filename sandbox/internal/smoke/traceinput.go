package smoke

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// The spans of a processed event: the first is the parent of the others.
var eventSpans = []string{"process_event", "validate", "transform", "enrich"}

// traceInput is one trace, sent over OTLP as an application's SDK would.
type traceInput struct {
	*input
	env *env
}

func newTraceInput(e *env) *traceInput { return &traceInput{input: newInput(), env: e} }

// traceID is the run's trace, in W3C form. Trace and log lines name each other, so both are made of the run's id.
func (e *env) traceID() string { return e.hexID("trace", 16) }

func (e *env) spanID(name string) string { return e.hexID("span "+name, 8) }

func (e *env) hexID(what string, bytes int) string {
	sum := sha256.Sum256([]byte(e.id + " " + what))
	return hex.EncodeToString(sum[:bytes])
}

func (in *traceInput) wait(ctx context.Context) error { return in.input.wait(ctx, in.send) }

func (in *traceInput) send(ctx context.Context) error {
	url := in.env.addr.URL("jaeger", "otlp-http") + "/v1/traces"
	var answer struct {
		PartialSuccess struct {
			Rejected string `json:"rejectedSpans"`
			Message  string `json:"errorMessage"`
		} `json:"partialSuccess"`
	}
	err := in.env.untilSent(ctx, func(ctx context.Context) error {
		return in.env.sendJSON(ctx, http.MethodPost, url, in.export(), &answer)
	})
	if err != nil {
		return fmt.Errorf("send a trace over OTLP: %w", err)
	}
	if answer.PartialSuccess.Rejected != "" && answer.PartialSuccess.Rejected != "0" {
		return fmt.Errorf("send a trace over OTLP: POST %s rejects %s spans: %s", url, answer.PartialSuccess.Rejected, answer.PartialSuccess.Message)
	}
	return nil
}

// eventAttributes are those of the root span.
func (in *traceInput) eventAttributes() map[string]string {
	return map[string]string{"event.id": in.env.logs.eventID(lineStandard), "event.type": "shipment"}
}

// export is an OTLP ExportTraceServiceRequest in its JSON form: ids in hex, 64-bit numbers as text.
func (in *traceInput) export() any {
	attributes := func(values map[string]string) []any {
		out := []any{}
		for key, value := range values {
			out = append(out, jsonObject{"key": key, "value": jsonObject{"stringValue": value}})
		}
		return out
	}
	nano := func(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }
	start := in.env.began.Add(-time.Second)
	var spans []any
	for i, name := range eventSpans {
		span := jsonObject{
			"traceId": in.env.traceID(), "spanId": in.env.spanID(name), "name": name, "kind": 1,
			"startTimeUnixNano": nano(start.Add(time.Duration(i) * 10 * time.Millisecond)),
			"endTimeUnixNano":   nano(start.Add(time.Duration(i)*10*time.Millisecond + 8*time.Millisecond)),
			"status":            jsonObject{},
		}
		if i == 0 {
			span["endTimeUnixNano"] = nano(start.Add(50 * time.Millisecond))
			span["attributes"] = attributes(in.eventAttributes())
		} else {
			span["parentSpanId"] = in.env.spanID(eventSpans[0])
		}
		spans = append(spans, span)
	}
	return jsonObject{"resourceSpans": []any{jsonObject{
		"resource": jsonObject{"attributes": attributes(map[string]string{
			"service.name": logService, "service.namespace": "data-ingestion", "sandbox.smoke.run": in.env.id,
		})},
		"scopeSpans": []any{jsonObject{"scope": jsonObject{"name": "obsandbox/smoke"}, "spans": spans}},
	}}}
}
