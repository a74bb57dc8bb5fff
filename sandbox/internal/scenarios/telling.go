package scenarios

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"obsandbox/sandbox/internal/elastic"
	"obsandbox/sandbox/internal/logstash"
	"obsandbox/sandbox/internal/platform/logs"
	"obsandbox/sandbox/internal/platform/traces"
	"obsandbox/sandbox/internal/stack"
)

// telling gathers what a simulation logs and traces in the windows that a scenario asks of. Lines go through the stack's
// own Logstash pipeline into a log store with the stack's own index template, where they are searched as in a running
// stack; what the store refuses is not there.
type telling struct {
	windows [][2]time.Time
	// margin is how long after a window lines and spans of it may still come.
	margin    time.Duration
	pipelines []*logstash.Pipeline
	// store is the address of the log store; empty where no lines are asked for.
	store  string
	stop   func() error
	offset int64
	bulk   bytes.Buffer
	failed error

	stories [][]tracedSpan
}

// tell prepares for a scenario; nil where it asks for neither lines nor traces.
func tell(ctx context.Context, st *stack.Stack, s *Scenario) (*telling, error) {
	t := &telling{stop: func() error { return nil }}
	window := func(from, by stack.Duration) {
		t.windows = append(t.windows, [2]time.Time{s.Start.Add(time.Duration(from)), s.Start.Add(time.Duration(by))})
	}
	for _, l := range s.Expect.Logs {
		window(l.From, l.By)
	}
	for _, l := range s.Expect.Traces {
		window(l.From, l.By)
	}
	if len(t.windows) == 0 {
		return nil, nil
	}
	t.margin = 45 * time.Second // the slowest query's time-out, and more
	if slices.ContainsFunc(s.Timeline, func(e Event) bool { return e.Fault == "clock-skew" }) {
		t.margin += logs.Skew
	}
	if len(s.Expect.Logs) == 0 {
		return t, nil
	}
	c, err := st.Component("logstash")
	if err != nil || len(c.Config) == 0 {
		return nil, errors.Join(err, errors.New("the stack has no Logstash configuration to send log lines through"))
	}
	if t.pipelines, err = logstash.Load(filepath.Dir(st.Path(c.Config[0])), nil); err != nil {
		return nil, err
	}
	return t, t.serve(ctx, st)
}

// serve starts the log store, and sets it up as the stack's is.
func (t *telling) serve(ctx context.Context, st *stack.Stack) error {
	c, err := st.Component("elasticsearch")
	if err != nil {
		return err
	}
	cfg := elastic.Config{Listen: "127.0.0.1:0"}
	if len(c.Config) > 0 {
		cfg.ConfigFile = st.Path(c.Config[0])
	}
	ready := make(chan net.Addr, 1)
	cfg.Ready = func(a net.Addr) { ready <- a }
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- elastic.Run(ctx, cfg, slog.New(slog.DiscardHandler)) }()
	t.stop = func() error { cancel(); return <-ended }
	select {
	case a := <-ready:
		t.store = "http://" + a.String()
	case err := <-ended:
		cancel()
		t.stop = func() error { return nil }
		return err
	}
	for _, put := range c.Setup {
		body, err := os.ReadFile(st.Path(put.File))
		if err == nil {
			err = fetch(ctx, http.MethodPut, t.store+put.Put, body, nil)
		}
		if err != nil {
			return errors.Join(err, t.stop())
		}
	}
	return nil
}

// Listens implements simulate.Listener.
func (t *telling) Listens(at time.Time) bool {
	for _, w := range t.windows {
		if !at.Before(w[0]) && at.Before(w[1].Add(t.margin)) {
			return true
		}
	}
	return false
}

// Line implements simulate.Listener.
func (t *telling) Line(at time.Time, line logs.Line) {
	if t.store == "" || t.failed != nil {
		return
	}
	t.offset++
	record := &kgo.Record{Topic: logs.Topic, Offset: t.offset, Key: []byte(line.Service), Value: []byte(line.Text), Timestamp: at}
	read := false
	for _, p := range t.pipelines {
		events, ok := p.ReadTopic(logs.Topic, record)
		read = read || ok
		for _, e := range p.Filter(events) {
			t.bulk.Write(p.Bulk(e))
		}
	}
	if !read {
		t.failed = fmt.Errorf("no Logstash pipeline of the stack reads the topic %s", logs.Topic)
	}
	if t.bulk.Len() > 4<<20 {
		t.flush()
	}
}

// close ends the log store.
func (t *telling) close() error {
	if t == nil {
		return nil
	}
	return t.stop()
}

func (t *telling) flush() {
	if t.bulk.Len() == 0 || t.failed != nil {
		return
	}
	t.failed = fetch(context.Background(), http.MethodPost, t.store+"/_bulk", bytes.Clone(t.bulk.Bytes()), nil)
	t.bulk.Reset()
}

// Story implements simulate.Listener.
func (t *telling) Story(story traces.Story, arriving []traces.Span) {
	spans := make([]tracedSpan, 0, len(arriving))
	for _, s := range arriving {
		one := tracedSpan{
			id: s.ID.String(), service: s.Host.Service, operation: s.Name, start: s.Start, took: s.End.Sub(s.Start), tags: map[string]string{},
		}
		if s.Parent.IsValid() {
			one.parent = s.Parent.String()
		}
		for _, a := range traces.Resource(s.Host) {
			one.tags[string(a.Key)] = a.Value.String()
		}
		delete(one.tags, "service.name") // Jaeger has it as the process's name
		for _, a := range s.Attributes {
			one.tags[string(a.Key)] = a.Value.String()
		}
		one.tags["span.kind"] = strings.ToLower(s.Kind.String())
		if s.Error != "" { // as Jaeger translates OpenTelemetry's status
			one.tags["error"], one.tags["otel.status_code"], one.tags["otel.status_description"] = "true", "ERROR", s.Error
		}
		spans = append(spans, one)
	}
	t.stories = append(t.stories, spans)
}

func (t *telling) lines(ctx context.Context, query string, from, to time.Time) (int, error) {
	t.flush()
	if t.failed != nil {
		return 0, t.failed
	}
	return stores{elasticsearch: t.store}.lines(ctx, query, from, to)
}

func (t *telling) traces(_ context.Context, service, operation string, from, to time.Time) ([][]tracedSpan, error) {
	var out [][]tracedSpan
	for _, spans := range t.stories {
		for _, s := range spans {
			if s.service == service && (operation == "" || s.operation == operation) && !s.start.Before(from) && s.start.Before(to) {
				out = append(out, spans)
				break
			}
		}
	}
	return out, nil
}
