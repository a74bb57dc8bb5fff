package smoke

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The log lines of a run, by what is special about them.
const (
	lineStandard  = "standard"
	lineMultiline = "multiline"
	lineNoLayer   = "nolayer"
	lineCollector = "nolayercollector"
	lineFlink     = "nolayerflink"
	lineUnheard   = "unheard"
	linePlain     = "plain"
	lineMalformed = "malformed"
	lineRefused   = "refused"
)

var logLines = []string{lineStandard, lineMultiline, lineNoLayer, lineCollector, lineFlink, lineUnheard, linePlain, lineMalformed, lineRefused}

// layerless are the lines that do not say their layer, with the service that says it, one for each layer.
var layerless = []struct{ line, service, layer string }{
	{lineNoLayer, "storage-router", "storage"}, {lineCollector, "supplier-collector", "collection"}, {lineFlink, "flink", "processing"},
}

const (
	// logService is the service whose lines and spans the run sends; the document's log standard shows this one.
	logService = "shipping-collector"
	// unheardService has no layer in any list.
	unheardService = "smoke-unheard-of"
)

// stackTrace is as long as those of real life: some kilobytes.
var stackTrace = "\njava.lang.IllegalStateException: no carrier" + strings.Repeat("\n\tat com.example.Shipment.carrier(Shipment.java:42)", 60) + "\n\tat com.example.Main.main(Main.java:7)"

// logInput is one batch of log lines, each with a token of its own in its text.
type logInput struct {
	*input
	env     *env
	records map[string]*kgo.Record
	// times are the timestamps that the lines carry, to the millisecond.
	times map[string]time.Time
}

func newLogInput(e *env) *logInput {
	in := &logInput{input: newInput(), env: e, records: map[string]*kgo.Record{}, times: map[string]time.Time{}}
	for i, line := range logLines {
		// A little in the past, so that a timestamp that comes out as the time of arrival is seen to be wrong.
		in.times[line] = e.began.Truncate(time.Millisecond).Add(-5*time.Second + time.Duration(i)*time.Millisecond)
		in.records[line] = &kgo.Record{Topic: logTopic, Partition: 0, Value: []byte(in.text(line))}
	}
	return in
}

// token is a word that only this line of this run has: letters and digits, so that every analyzer keeps it whole.
func (in *logInput) token(line string) string { return in.env.id + line }

func (in *logInput) eventID(line string) string { return "evt-" + in.token(line) }

// at is the line as it was sent, with its partition and offset once it is.
func (in *logInput) at(line string) *kgo.Record { return in.records[line] }

func (in *logInput) wait(ctx context.Context) error { return in.input.wait(ctx, in.send) }

func (in *logInput) send(ctx context.Context) error {
	client, err := in.env.kafka()
	if err != nil {
		return fmt.Errorf("send log lines to kafka: %w", err)
	}
	var records []*kgo.Record
	for _, line := range logLines {
		records = append(records, in.records[line])
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("send log lines to topic %s at %s: %w", logTopic, in.env.addr.Of("kafka", "broker"), err)
	}
	return nil
}

func (in *logInput) message(line string) string {
	text := "Smoke check " + in.token(line) + " processed an event"
	if line == lineMultiline {
		text += stackTrace
	}
	return text
}

// text is the line as a program would write it.
func (in *logInput) text(line string) string {
	at := in.times[line].Format("2006-01-02T15:04:05.000Z07:00")
	switch line {
	case linePlain:
		return at + " ERROR " + in.message(line)
	case lineMalformed:
		// What a writer leaves that is killed in the middle of a line.
		return fmt.Sprintf(`{"timestamp":"%s","level":"ERROR","service":"%s","message":"%s`, at, logService, in.message(line))
	case lineRefused:
		// No mapping takes an object for a text.
		return fmt.Sprintf(`{"timestamp":"%s","level":"ERROR","service":"%s","layer":"collection","message":{"text":"%s"}}`, at, logService, in.message(line))
	}
	service, layer := logService, "collection"
	switch line {
	case lineUnheard:
		service, layer = unheardService, ""
	case lineMultiline: // its layer is what it says, and what no service's name says
		service, layer = unheardService, "storage"
	}
	for _, l := range layerless {
		if l.line == line {
			service, layer = l.service, ""
		}
	}
	// The log standard.
	data, err := json.Marshal(struct {
		Timestamp        string            `json:"timestamp"`
		Level            string            `json:"level"`
		Service          string            `json:"service"`
		Layer            string            `json:"layer,omitempty"`
		TraceID          string            `json:"trace_id"`
		SpanID           string            `json:"span_id"`
		Message          string            `json:"message"`
		EventID          string            `json:"event_id"`
		ProcessingTimeMS float64           `json:"processing_time_ms"`
		Metadata         map[string]string `json:"metadata"`
		Kubernetes       any               `json:"kubernetes"`
	}{
		at, "INFO", service, layer, in.env.traceID(), in.env.spanID("validate"), in.message(line), in.eventID(line), 125.5,
		map[string]string{"tracking_id": "ABC123456789", "carrier": "fedex"},
		map[string]any{"namespace": "data-ingestion", "pod": map[string]string{"name": service + "-smoke", "ip": "10.244.255.254"}},
	})
	if err != nil {
		panic(err) // strings and a number
	}
	return string(data)
}
