package scenarios

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"obsandbox/sandbox/internal/stack"
)

// LogExpectation is about how many log lines of a window a search finds in the log store: at least one where nothing else
// is said.
type LogExpectation struct {
	// Query is in Elasticsearch's query string syntax: service:flink AND level:ERROR.
	Query string         `yaml:"query"`
	From  stack.Duration `yaml:"from"`
	By    stack.Duration `yaml:"by"`
	Count `yaml:",inline"`
	Line  int `yaml:"-"`
}

// TraceExpectation is about how many traces there are with a span of a window that has all of this: at least one where
// nothing else is said.
type TraceExpectation struct {
	Service   string            `yaml:"service"`
	Operation string            `yaml:"operation"`
	Tags      map[string]string `yaml:"tags"`
	// Orphan asks for a span whose parent is not in its trace.
	Orphan bool `yaml:"orphan"`
	// Slower and Faster are limits of the span's duration.
	Slower stack.Duration `yaml:"slower"`
	Faster stack.Duration `yaml:"faster"`
	From   stack.Duration `yaml:"from"`
	By     stack.Duration `yaml:"by"`
	Count  `yaml:",inline"`
	Line   int `yaml:"-"`
}

// Count is how many there are to be. In a hastened run they are counted as many times.
type Count struct {
	Above *float64 `yaml:"above"`
	Below *float64 `yaml:"below"`
	// Absent says that there is none in the whole window.
	Absent bool `yaml:"absent"`
}

func (n Count) keeps(count float64) bool {
	switch {
	case n.Absent:
		return count == 0
	case n.Above == nil && n.Below == nil:
		return count > 0
	}
	return (n.Above == nil || count > *n.Above) && (n.Below == nil || count < *n.Below)
}

func (n Count) String() string {
	var parts []string
	if n.Above != nil {
		parts = append(parts, fmt.Sprintf("above %g", *n.Above))
	}
	if n.Below != nil {
		parts = append(parts, fmt.Sprintf("below %g", *n.Below))
	}
	if n.Absent {
		return "none"
	}
	return cmp.Or(strings.Join(parts, " and "), "at least one")
}

// tracedSpan is a span as Jaeger has it.
type tracedSpan struct {
	id, parent         string
	service, operation string
	start              time.Time
	took               time.Duration
	tags               map[string]string
}

// evidence is where lines and traces are looked up: in the simulation, or in a running stack.
type evidence interface {
	// lines counts the log lines of a time that a query finds.
	lines(ctx context.Context, query string, from, to time.Time) (int, error)
	// traces are those in which a service has a span of an operation (any, where it is empty) that starts in a time.
	traces(ctx context.Context, service, operation string, from, to time.Time) ([][]tracedSpan, error)
}

func (j *judgement) logs(ctx context.Context, l LogExpectation) error {
	n, err := j.c.evidence.lines(ctx, l.Query, j.at(l.From), j.at(l.By))
	var refused *refusedError
	if errors.As(err, &refused) && refused.status == http.StatusBadRequest {
		j.fail(l.Line, "the query %s is refused: %s", l.Query, refused.reason())
		return nil
	}
	if err != nil {
		return &stack.FileError{File: j.s.File, Line: l.Line, Msg: err.Error()}
	}
	if count := float64(n) * j.c.factor; !l.keeps(count) {
		j.fail(l.Line, "%s finds %g lines from %s to %s, and is to find %s", l.Query, count, l.From, l.By, l.Count)
	}
	return nil
}

func (j *judgement) traced(ctx context.Context, t TraceExpectation) error {
	from, to := j.at(t.From), j.at(t.By)
	all, err := j.c.evidence.traces(ctx, t.Service, t.Operation, from, to)
	if err != nil {
		return &stack.FileError{File: j.s.File, Line: t.Line, Msg: err.Error()}
	}
	n := 0
	for _, spans := range all {
		if slices.ContainsFunc(spans, func(s tracedSpan) bool { return t.matches(s, spans, from, to) }) {
			n++
		}
	}
	if count := float64(n) * j.c.factor; !t.keeps(count) {
		j.fail(t.Line, "%g traces from %s to %s have a span of %s, and there are to be %s (of %d traces looked at)", count, t.From, t.By, t, t.Count, len(all))
	}
	return nil
}

func (t TraceExpectation) matches(s tracedSpan, spans []tracedSpan, from, to time.Time) bool {
	if s.service != t.Service || t.Operation != "" && s.operation != t.Operation || s.start.Before(from) || !s.start.Before(to) {
		return false
	}
	for name, want := range t.Tags {
		if s.tags[name] != want {
			return false
		}
	}
	if t.Slower > 0 && s.took <= time.Duration(t.Slower) || t.Faster > 0 && s.took >= time.Duration(t.Faster) {
		return false
	}
	return !t.Orphan || s.parent != "" && !slices.ContainsFunc(spans, func(o tracedSpan) bool { return o.id == s.parent })
}

// String is what the span has.
func (t TraceExpectation) String() string {
	text := strings.TrimSpace(t.Service + " " + t.Operation)
	if len(t.Tags) > 0 {
		text += " with " + fmt.Sprint(t.Tags)[len("map"):]
	}
	if t.Slower > 0 {
		text += " slower than " + t.Slower.String()
	}
	if t.Faster > 0 {
		text += " faster than " + t.Faster.String()
	}
	if t.Orphan {
		text += " without its parent"
	}
	return text
}

// stores are Elasticsearch's and Jaeger's APIs; either may be missing.
type stores struct{ elasticsearch, jaeger string }

func (s stores) lines(ctx context.Context, query string, from, to time.Time) (int, error) {
	if s.elasticsearch == "" {
		return 0, fmt.Errorf("the stack has no elasticsearch to look for lines in")
	}
	// Lines that have come are seen at once.
	if err := fetch(ctx, http.MethodPost, s.elasticsearch+"/_refresh", nil, nil); err != nil {
		return 0, err
	}
	var answer struct {
		Count int `json:"count"`
	}
	type object = map[string]any
	body, err := json.Marshal(object{"query": object{"bool": object{"filter": []object{
		{"query_string": object{"query": query}},
		{"range": object{"@timestamp": object{"gte": from.UTC().Format(time.RFC3339Nano), "lt": to.UTC().Format(time.RFC3339Nano)}}},
	}}}})
	if err != nil {
		return 0, err
	}
	err = fetch(ctx, http.MethodPost, s.elasticsearch+"/_count", body, &answer)
	return answer.Count, err
}

// mostTraces is how many traces of a window are looked at; Jaeger wants a limit.
const mostTraces = 20_000

func (s stores) traces(ctx context.Context, service, operation string, from, to time.Time) ([][]tracedSpan, error) {
	if s.jaeger == "" {
		return nil, fmt.Errorf("the stack has no jaeger to look for traces in")
	}
	type tag struct {
		Key   string `json:"key"`
		Value any    `json:"value"`
	}
	var answer struct {
		Data []struct {
			Spans []struct {
				SpanID     string `json:"spanID"`
				Operation  string `json:"operationName"`
				ProcessID  string `json:"processID"`
				StartTime  int64  `json:"startTime"` // in µs
				Duration   int64  `json:"duration"`
				References []struct {
					Type   string `json:"refType"`
					SpanID string `json:"spanID"`
				} `json:"references"`
				Tags []tag `json:"tags"`
			} `json:"spans"`
			Processes map[string]struct {
				Service string `json:"serviceName"`
				Tags    []tag  `json:"tags"`
			} `json:"processes"`
		} `json:"data"`
	}
	q := url.Values{"service": {service}, "limit": {strconv.Itoa(mostTraces)},
		"start": {strconv.FormatInt(from.UnixMicro(), 10)}, "end": {strconv.FormatInt(to.UnixMicro(), 10)}}
	if operation != "" {
		q.Set("operation", operation)
	}
	if err := fetch(ctx, http.MethodGet, s.jaeger+"/api/traces?"+q.Encode(), nil, &answer); err != nil {
		return nil, err
	}
	var all [][]tracedSpan
	for _, t := range answer.Data {
		var spans []tracedSpan
		for _, span := range t.Spans {
			p := t.Processes[span.ProcessID]
			one := tracedSpan{
				id: span.SpanID, service: p.Service, operation: span.Operation, tags: map[string]string{},
				start: time.UnixMicro(span.StartTime), took: time.Duration(span.Duration) * time.Microsecond,
			}
			for _, ref := range span.References {
				if ref.Type == "CHILD_OF" {
					one.parent = ref.SpanID
				}
			}
			for _, tag := range slices.Concat(p.Tags, span.Tags) {
				one.tags[tag.Key] = fmt.Sprint(tag.Value)
			}
			spans = append(spans, one)
		}
		all = append(all, spans)
	}
	return all, nil
}
