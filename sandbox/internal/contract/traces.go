package contract

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// span is a span as the check looks at it.
type span struct {
	trace, id, parent, name, service string
	attributes                       map[string]bool
}

// traces holds the service's spans against those of an event: process_event with event.id and event.type, and under it
// validate, transform and enrich.
func (c *checker) traces(ctx context.Context) error {
	const name = "an event is a trace of four spans"
	if c.opt.Jaeger == "" && c.opt.OTLP == "" {
		c.skip(name, "there are no spans to look at: give --jaeger URL, or --otlp HOST:PORT and send them there")
		return nil
	}
	var spans []span
	if c.opt.OTLP != "" {
		got, err := c.receive(ctx)
		if err != nil {
			return err
		}
		spans = append(spans, got...)
	}
	if c.opt.Jaeger != "" {
		got, err := c.query(ctx)
		if err != nil {
			return err
		}
		spans = append(spans, got...)
	}
	n, err := c.events(spans)
	c.add(name, fmt.Sprintf("%d events", n), err)
	if len(c.traced) > 0 {
		c.add("a log line's trace_id opens a trace", "", c.opened(spans))
	}
	return nil
}

// settle is how old the newest span may be before all are there: batches come with a delay.
const settle = 2 * time.Second

// complete says whether there is a whole event among spans.
func (c *checker) complete(spans []span) bool { n, err := c.events(spans); return n > 0 && err == nil }

func (c *checker) events(spans []span) (int, error) {
	own := slices.DeleteFunc(slices.Clone(spans), func(s span) bool { return s.service != c.opt.Service })
	if len(own) == 0 {
		var others []string
		for _, s := range spans {
			others = append(others, s.service)
		}
		slices.Sort(others)
		return 0, fmt.Errorf("no spans with the resource attribute service.name %q within %s (others: %s)", c.opt.Service, c.opt.Wait, strings.Join(slices.Compact(others), ", "))
	}
	n := 0
	var errs []error
	for _, root := range own {
		if root.name != "process_event" {
			continue
		}
		n++
		var missing []string
		for _, key := range []string{"event.id", "event.type"} {
			if !root.attributes[key] {
				missing = append(missing, "the attribute "+key)
			}
		}
		for _, stage := range []string{"validate", "transform", "enrich"} {
			if !slices.ContainsFunc(own, func(s span) bool { return s.name == stage && s.parent == root.id && s.trace == root.trace }) {
				missing = append(missing, "the span "+stage+" under it")
			}
		}
		if len(missing) > 0 && len(errs) < shown {
			errs = append(errs, fmt.Errorf("trace %s: process_event lacks %s", root.trace, strings.Join(missing, ", ")))
		}
	}
	if n == 0 {
		var names []string
		for _, s := range own {
			names = append(names, s.name)
		}
		slices.Sort(names)
		return 0, fmt.Errorf("no span is named process_event; there are: %s", strings.Join(slices.Compact(names), ", "))
	}
	return n, errors.Join(errs...)
}

// opened says whether the trace of some log line is among the spans.
func (c *checker) opened(spans []span) error {
	for _, s := range spans {
		if c.traced[s.trace] {
			return nil
		}
	}
	return fmt.Errorf("none of the %d trace ids of the log lines is that of a trace: write the ids of the span that is current", len(c.traced))
}

// query asks Jaeger until it has a whole event, or the wait is over.
func (c *checker) query(ctx context.Context) ([]span, error) {
	address := strings.TrimRight(c.opt.Jaeger, "/") + "/api/traces?limit=200&lookback=1h&service=" + url.QueryEscape(c.opt.Service)
	end := time.Now().Add(c.opt.Wait)
	for {
		spans, err := c.jaeger(ctx, address)
		if err != nil {
			return nil, fmt.Errorf("ask Jaeger for traces: %w", err)
		}
		if c.complete(spans) && (len(c.traced) == 0 || c.opened(spans) == nil) || time.Now().After(end) {
			return spans, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (c *checker) jaeger(ctx context.Context, address string) ([]span, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", address, resp.Status)
	}
	var answer struct {
		Data []struct {
			Spans []struct {
				TraceID    string `json:"traceID"`
				SpanID     string `json:"spanID"`
				Name       string `json:"operationName"`
				ProcessID  string `json:"processID"`
				References []struct {
					Type   string `json:"refType"`
					SpanID string `json:"spanID"`
				} `json:"references"`
				Tags []struct {
					Key string `json:"key"`
				} `json:"tags"`
			} `json:"spans"`
			Processes map[string]struct {
				Service string `json:"serviceName"`
			} `json:"processes"`
		} `json:"data"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("GET %s: %w", address, err)
	}
	var all []span
	for _, t := range answer.Data {
		for _, s := range t.Spans {
			one := span{trace: s.TraceID, id: s.SpanID, name: s.Name, service: t.Processes[s.ProcessID].Service, attributes: map[string]bool{}}
			for _, ref := range s.References {
				if ref.Type == "CHILD_OF" {
					one.parent = ref.SpanID
				}
			}
			for _, tag := range s.Tags {
				one.attributes[tag.Key] = true
			}
			all = append(all, one)
		}
	}
	return all, nil
}

// receive takes spans over OTLP/HTTP until there is a whole event, or the wait is over.
func (c *checker) receive(ctx context.Context) ([]span, error) {
	host, _, err := net.SplitHostPort(c.opt.OTLP)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("--otlp %s: expected a loopback address to listen at, as in 127.0.0.1:4318", c.opt.OTLP)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.opt.OTLP)
	if err != nil {
		return nil, fmt.Errorf("--otlp: %w", err)
	}
	var mu sync.Mutex
	var spans []span
	server := &http.Server{ReadHeaderTimeout: scrapeTimeout, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, err := decodeOTLP(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		mu.Lock()
		spans = append(spans, got...)
		mu.Unlock()
		w.Header().Set("Content-Type", "application/x-protobuf")
	})}
	go func() { _ = server.Serve(listener) }() // ends with Close
	defer server.Close()
	end, tick := time.After(c.opt.Wait), time.NewTicker(50*time.Millisecond)
	defer tick.Stop()
	grown, at := 0, time.Now()
	for {
		mu.Lock()
		now := slices.Clone(spans)
		mu.Unlock()
		if len(now) != grown {
			grown, at = len(now), time.Now()
		}
		if c.complete(now) && time.Since(at) > settle {
			return now, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-end:
			return now, nil
		case <-tick.C:
		}
	}
}

func decodeOTLP(r *http.Request) ([]span, error) {
	if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" {
		return nil, errors.New("expected POST /v1/traces")
	}
	var body io.Reader = http.MaxBytesReader(nil, r.Body, maxBody)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			return nil, err
		}
		body = io.LimitReader(unzipped, maxBody)
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	var in collector.ExportTraceServiceRequest
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		err = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(data, &in)
	} else {
		err = proto.Unmarshal(data, &in)
	}
	var all []span
	for _, resource := range in.GetResourceSpans() {
		service := ""
		for _, a := range resource.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				one := span{
					trace: hex.EncodeToString(s.GetTraceId()), id: hex.EncodeToString(s.GetSpanId()), parent: hex.EncodeToString(s.GetParentSpanId()),
					name: s.GetName(), service: service, attributes: map[string]bool{},
				}
				for _, a := range s.GetAttributes() {
					one.attributes[a.GetKey()] = true
				}
				all = append(all, one)
			}
		}
	}
	return all, err
}
