// Package logs writes what the services of the simulated platform would log: lines of the log standard that carry the
// ids of the spans they were written in, and, as in real life, some that keep to no standard.
package logs

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"obsandbox/sandbox/internal/platform/traces"
	"obsandbox/sandbox/internal/platform/world"
)

// timestamp is the log standard's form: RFC 3339 with milliseconds.
const timestamp = "2006-01-02T15:04:05.000Z07:00"

// Line is one record of the topic.
type Line struct {
	// Service is the record's key: a service's lines keep their order.
	Service string
	Text    string
}

// record is the log standard.
type record struct {
	Timestamp        string            `json:"timestamp"`
	Level            string            `json:"level"`
	Service          string            `json:"service"`
	Layer            string            `json:"layer,omitempty"`
	TraceID          string            `json:"trace_id,omitempty"`
	SpanID           string            `json:"span_id,omitempty"`
	Message          string            `json:"message"`
	EventID          string            `json:"event_id,omitempty"`
	ProcessingTimeMS float64           `json:"processing_time_ms"`
	Metadata         map[string]string `json:"metadata,omitempty"`
	Kubernetes       *kubernetes       `json:"kubernetes,omitempty"`
}

type kubernetes struct {
	Pod       name   `json:"pod"`
	Namespace string `json:"namespace"`
	Node      name   `json:"node"`
}

type name struct {
	Name string `json:"name"`
	IP   string `json:"ip,omitempty"`
}

// Faults is what a Writer needs of the world.
type Faults interface {
	Broken(fault, service string) bool
}

// Writer turns stories into lines. Of equal stories, equal seeds write equal lines. It is for one goroutine.
type Writer struct {
	faults Faults
	rand   *rand.Rand
}

// NewWriter makes a Writer.
func NewWriter(faults Faults, seed uint64) *Writer {
	return &Writer{faults: faults, rand: rand.New(rand.NewPCG(seed, 0x6c6f6773))}
}

const (
	// Skew is how far clocks are behind under the fault clock-skew.
	Skew = 10 * time.Minute
	// flood is how many lines there are instead of one under log-flood.
	flood = 50
	// malformed is the share of lines that are no JSON under the fault malformed-logs.
	malformed = 1.0 / 3
)

// The shares of lines that are not as they should be: about 2 % together.
const (
	sharePlain     = 0.006 // text of a library that knows no standard
	shareCutOff    = 0.004 // the writer was killed in the middle of a line
	shareNoLayer   = 0.005
	shareUnknown   = 0.003 // a service that nobody has heard of
	shareNoService = 0.002
)

// Lines are what the spans of a story wrote, in the order of their times.
func (w *Writer) Lines(s traces.Story) []Line {
	var lines []Line
	for i := range s.Spans {
		span := &s.Spans[i]
		lines = append(lines, w.line(s, span))
		if w.faults.Broken("log-flood", span.Host.Service) {
			for n := range flood - 1 {
				r := w.standard(s, span)
				r.Level, r.Message = "DEBUG", fmt.Sprintf("retrying %s, attempt %d", span.Name, n+1)
				lines = append(lines, Line{span.Host.Service, w.encode(r)})
			}
		}
	}
	return lines
}

func (w *Writer) line(s traces.Story, span *traces.Span) Line {
	r := w.standard(s, span)
	service := span.Host.Service
	p := w.rand.Float64()
	if w.faults.Broken("malformed-logs", service) && w.rand.Float64() < malformed {
		p = sharePlain + w.rand.Float64()*shareCutOff
	}
	for _, odd := range []struct {
		share float64
		line  func() Line
	}{
		{sharePlain, func() Line { return Line{service, w.plain(r)} }},
		{shareCutOff, func() Line {
			text := w.encode(r)
			// At the least the first key is there, at the most all but the last brace.
			return Line{service, text[:20+w.rand.IntN(len(text)-20)]}
		}},
		{shareNoLayer, func() Line { r.Layer = ""; return Line{service, w.encode(r)} }},
		{shareUnknown, func() Line {
			r.Service, r.Layer, r.Kubernetes = "legacy-importer", "", nil
			return Line{r.Service, w.encode(r)}
		}},
		{shareNoService, func() Line { r.Service, r.Layer = "", ""; return Line{service, w.withoutService(r)} }},
	} {
		if p -= odd.share; p < 0 {
			return odd.line()
		}
	}
	return Line{service, w.encode(r)}
}

// standard is the line that a span writes at its end.
func (w *Writer) standard(s traces.Story, span *traces.Span) record {
	service := span.Host.Service
	took := span.End.Sub(span.Start)
	at := span.End
	if w.faults.Broken("clock-skew", service) {
		at = at.Add(-Skew)
	}
	r := record{
		Timestamp: at.UTC().Format(timestamp), Service: service, Layer: world.Layer(service),
		TraceID: s.ID.String(), SpanID: span.ID.String(), EventID: s.Event.ID,
		ProcessingTimeMS: float64(took.Round(10*time.Microsecond).Microseconds()) / 1000,
		Kubernetes:       where(span.Host),
	}
	if s.Event.ID != "" {
		r.Metadata = map[string]string{"tracking_id": s.Event.Tracking, "carrier": s.Event.Carrier}
	}
	r.Level, r.Message = w.say(s, span)
	return r
}

// where is the Kubernetes metadata that a log shipper adds: programs that are no pods of the namespace have none but
// Flink's, whose operator runs them as pods of the same names.
func where(h world.Host) *kubernetes {
	switch {
	case h.Pod != nil:
		return &kubernetes{Pod: name{Name: h.Pod.Name, IP: h.Pod.IP}, Namespace: world.Namespace, Node: name{Name: h.Pod.Node}}
	case h.Service == "flink":
		return &kubernetes{Pod: name{Name: h.Name}, Namespace: world.Namespace, Node: name{Name: "worker-1"}}
	}
	return nil
}

// say is the level and the words of a span's line.
func (w *Writer) say(s traces.Story, span *traces.Span) (level, message string) {
	e := s.Event
	if span.Error != "" {
		message = span.Name + " failed: " + span.Error
		if e.ID != "" {
			message = fmt.Sprintf("%s of event %s failed: %s", span.Name, e.ID, span.Error)
		}
		if w.rand.Float64() < 0.5 {
			message += w.trace(span)
		}
		return "ERROR", message
	}
	switch span.Name {
	case "collect":
		return "INFO", fmt.Sprintf("Received %s from %s", e.Type, e.Carrier)
	case "process_event":
		return "INFO", "Event processed successfully"
	case "validate", "transform":
		return "DEBUG", fmt.Sprintf("Stage %s done for %s", span.Name, e.Type)
	case "enrich":
		if w.faults.Broken("cache-cold", "flink") || w.rand.Float64() < 0.08 {
			return "WARN", "Enrichment cache miss for " + e.Tracking + ", asked the enrichment API"
		}
		return "DEBUG", "Enriched from cache"
	case "store":
		return "INFO", "Stored event in timescaledb"
	}
	if e.ID == "" && span.Entry {
		if took := span.End.Sub(span.Start); took > 500*time.Millisecond {
			return "WARN", fmt.Sprintf("%s took %d ms", span.Name, took.Milliseconds())
		}
		return "INFO", span.Name + " answered"
	}
	return "DEBUG", span.Name + " done"
}

// trace is a stack trace: lines after the first one of a message.
func (w *Writer) trace(span *traces.Span) string {
	class := strings.ToUpper(span.Name[:1]) + strings.NewReplacer(" ", "", "_", "", "/", "").Replace(span.Name[1:])
	var b strings.Builder
	fmt.Fprintf(&b, "\ncom.example.ingestion.ProcessingException: %s", span.Error)
	for _, frame := range []string{class + ".run", "Stage.apply", "Pipeline.process", "Main.main"} {
		file, _, _ := strings.Cut(frame, ".")
		fmt.Fprintf(&b, "\n\tat com.example.ingestion.%s(%s.java:%d)", frame, file, 10+w.rand.IntN(400))
	}
	if w.rand.IntN(2) == 0 {
		b.WriteString("\nCaused by: java.io.IOException: connection reset by peer\n\t... 12 more")
	}
	return b.String()
}

// plain is a line as a library writes it that was never told of the standard.
func (w *Writer) plain(r record) string {
	switch w.rand.IntN(3) {
	case 0:
		return fmt.Sprintf("%s %s  [main] c.e.i.%s - %s", strings.Replace(strings.TrimSuffix(r.Timestamp, "Z"), "T", " ", 1), r.Level, r.Service, r.Message)
	case 1:
		return fmt.Sprintf("[%s] %s: %s", r.Level, r.Service, r.Message)
	}
	return fmt.Sprintf("[GC (Allocation Failure) %dK->%dK(251392K), 0.0%03d secs]", 60000+w.rand.IntN(9000), 8000+w.rand.IntN(900), w.rand.IntN(999))
}

func (w *Writer) withoutService(r record) string {
	data, _ := json.Marshal(map[string]any{"timestamp": r.Timestamp, "level": r.Level, "message": r.Message}) // strings: cannot fail
	return string(data)
}

func (w *Writer) encode(r record) string {
	data, _ := json.Marshal(r) // strings and a number: cannot fail
	return string(data)
}
