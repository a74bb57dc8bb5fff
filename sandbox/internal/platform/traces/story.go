// Package traces tells what happens to the events and queries of the simulated platform as spans, and sends them as the
// services' own OpenTelemetry SDKs would.
package traces

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"obsandbox/sandbox/internal/platform/world"
)

// Span is one span, with what the log lines that are written in it need.
type Span struct {
	Name string
	Kind trace.SpanKind
	// Host is where it ran: its service, and its pod where it has one.
	Host   world.Host
	ID     trace.SpanID
	Parent trace.SpanID
	Start  time.Time
	End    time.Time
	// Error is why it failed; empty for success.
	Error string
	// Attributes are those of the span beside its resource's.
	Attributes []attribute.KeyValue
	// Entry is the first span of its service in the story.
	Entry bool
}

// Story is one trace: spans in the order of their starts, parents before children.
type Story struct {
	ID    trace.TraceID
	Spans []Span
	// Event is what the story is about; the zero Event for a query.
	Event world.Event
}

// Cluster is what a Teller needs of the world.
type Cluster interface {
	Events(n int) []world.Event
	Hosts() []world.Host
	Broken(fault, service string) bool
}

// Teller makes stories of what happens in a cluster: mostly of events on their way through the services, sometimes of a
// query. Of equal clusters, equal seeds tell equal stories.
type Teller struct {
	cluster Cluster
	rand    *rand.Rand
}

// NewTeller makes a Teller. The start is mixed into the ids: a platform that is started anew must not tell of traces
// that Jaeger still has from its former life.
func NewTeller(cluster Cluster, seed uint64, start time.Time) *Teller {
	return &Teller{cluster: cluster, rand: rand.New(rand.NewPCG(seed, uint64(start.UnixNano())))}
}

// queryShare is the share of stories that are about a query.
const queryShare = 0.15

// Next is a story that has come to its end by now; false where no service is there to have one.
func (t *Teller) Next(now time.Time) (Story, bool) {
	hosts := t.cluster.Hosts()
	if t.rand.Float64() < queryShare {
		if pod, ok := t.pick(hosts, "query-api"); ok {
			return t.query(pod, now), true
		}
	}
	events := t.cluster.Events(1)
	if len(events) == 0 {
		return Story{}, false
	}
	return t.event(events[0], hosts, now), true
}

func (t *Teller) pick(hosts []world.Host, service string) (world.Host, bool) {
	of := slices.DeleteFunc(slices.Clone(hosts), func(h world.Host) bool { return h.Service != service || h.Name == "flink-jobmanager" })
	if len(of) == 0 {
		return world.Host{Name: service, Service: service}, false
	}
	return of[t.rand.IntN(len(of))], true
}

func (t *Teller) story() Story {
	var s Story
	binary.BigEndian.PutUint64(s.ID[:8], t.rand.Uint64())
	binary.BigEndian.PutUint64(s.ID[8:], t.rand.Uint64()|1) // an id of zeros is none
	return s
}

// add appends a span and returns its id.
func (t *Teller) add(s *Story, span Span) trace.SpanID {
	binary.BigEndian.PutUint64(span.ID[:], t.rand.Uint64()|1)
	s.Spans = append(s.Spans, span)
	return span.ID
}

// The topics that collectors and Flink publish to, as spans and log lines name them.
const (
	ingested  = "ingestion-events"
	processed = "processed-events"
)

// sending is how long a producer takes at the most: less than any consumer, or Jaeger would take a consumer that works
// after its producer's end for one with a clock that is wrong.
const sending = time.Millisecond

func produced(host world.Host, to string, parent trace.SpanID, start, end time.Time) Span {
	return Span{
		Name: "send " + to, Kind: trace.SpanKindProducer, Host: host, Parent: parent, Start: start, End: end,
		Attributes: []attribute.KeyValue{attribute.String("messaging.system", "kafka"), attribute.String("messaging.destination.name", to)},
	}
}

// event tells of an event's path. It is moved in time so that it ends now: what is told has happened.
func (t *Teller) event(e world.Event, hosts []world.Host, now time.Time) Story {
	s := t.story()
	flink, _ := t.pick(hosts, "flink")
	router, stores := t.pick(hosts, "storage-router")
	switch {
	case e.Failed == "collect":
	case t.cluster.Broken("flink-job-down", "flink"):
		e.Total = e.Collect // it waits in Kafka: this is all so far
	case !stores && (e.Failed == "" || e.Failed == "store"):
		e.Failed, e.Total, e.Store = "", e.Total-e.Store, 0
	}
	// After an outage events have waited for long: not longer than the pod has been there that received them.
	if p := e.Collector.Pod; p != nil {
		waited := max(0, e.Total-e.Collect-e.Validate-e.Transform-e.Enrich-e.Store)
		e.Total -= min(waited, max(0, e.Total-now.Sub(p.Started)))
	}
	e.Time = now.Add(-e.Total)
	s.Event = e
	about := []attribute.KeyValue{attribute.String("event.id", e.ID), attribute.String("event.type", e.Type)}
	failure := func(stage string) string {
		if e.Failed == stage {
			return e.Error
		}
		return ""
	}
	// at walks through the event's time.
	at := e.Time
	step := func(d time.Duration) (start, end time.Time) {
		start, at = at, at.Add(d)
		return start, at
	}
	start, end := step(e.Collect)
	collected := t.add(&s, Span{
		Name: "collect", Kind: trace.SpanKindServer, Host: e.Collector, Start: start, End: end, Error: failure("collect"), Entry: true,
		Attributes: append(slices.Clone(about), attribute.String("partner", e.Carrier)),
	})
	if e.ErrorType != "api_timeout" && e.ErrorType != "rate_limited" && e.ErrorType != "invalid_payload" {
		send := produced(e.Collector, ingested, collected, end.Add(-min(e.Collect/10, sending)), end)
		send.Error = failure("collect")
		collected = t.add(&s, send)
	}
	if e.Failed == "collect" || e.Total == e.Collect {
		return s
	}
	step(e.Total - e.Collect - e.Validate - e.Transform - e.Enrich - e.Store) // waiting in Kafka
	stages := []struct {
		name string
		took time.Duration
	}{{"validate", e.Validate}, {"transform", e.Transform}, {"enrich", e.Enrich}}
	process := len(s.Spans)
	parent := t.add(&s, Span{
		Name: "process_event", Kind: trace.SpanKindConsumer, Host: flink, Parent: collected, Start: at, Entry: true, Attributes: about,
	})
	for _, stage := range stages {
		start, end := step(stage.took)
		t.add(&s, Span{Name: stage.name, Kind: trace.SpanKindInternal, Host: flink, Parent: parent, Start: start, End: end, Error: failure(stage.name)})
		if e.Failed == stage.name {
			break
		}
	}
	s.Spans[process].End = at
	if e.Failed != "" && e.Failed != "store" {
		s.Spans[process].Error = e.Failed + ": " + e.Error
		return s
	}
	handOver := min(e.Store/20, sending)
	start, end = step(handOver)
	s.Spans[process].End = end
	parent = t.add(&s, produced(flink, processed, parent, start, end))
	if !stores {
		return s
	}
	start, end = step(e.Store - handOver)
	stored := t.add(&s, Span{
		Name: "store", Kind: trace.SpanKindConsumer, Host: router, Parent: parent, Start: start, End: end, Error: failure("store"), Entry: true, Attributes: about,
	})
	t.add(&s, Span{
		Name: "INSERT events", Kind: trace.SpanKindClient, Host: router, Parent: stored, Start: start.Add(e.Store / 10), End: end, Error: failure("store"),
		Attributes: []attribute.KeyValue{attribute.String("db.system.name", "postgresql"), attribute.String("db.namespace", "timescaledb"), attribute.String("db.operation.name", "INSERT")},
	})
	return s
}

// query tells of a request to the query API.
func (t *Teller) query(pod world.Host, now time.Time) Story {
	s := t.story()
	endpoints := []string{"/api/v1/shipments", "/api/v1/inventory", "/api/v1/suppliers"}
	endpoint := endpoints[t.rand.IntN(len(endpoints))]
	took := time.Duration(0.012 * math.Exp(0.6*t.rand.NormFloat64()) * float64(time.Second))
	code, failed := 200, ""
	broken := func(fault string) bool { return t.cluster.Broken(fault, pod.Service) }
	switch p := t.rand.Float64(); {
	case broken("database-unreachable"):
		code, failed = 503, "connect to timescaledb: connection refused"
	case broken("slow-queries") && p < 0.1:
		took, code, failed = 30*time.Second, 504, "canceling statement due to statement timeout"
	case broken("slow-queries"):
		took *= 100
	case broken("query-errors") && p < 0.25 || p < 0.002:
		code, failed = 500, "relation \"events\" has no partition for the requested time"
	}
	start := now.Add(-took)
	root := t.add(&s, Span{
		Name: "GET " + endpoint, Kind: trace.SpanKindServer, Host: pod, Start: start, End: now, Error: failed, Entry: true,
		Attributes: []attribute.KeyValue{
			attribute.String("http.request.method", "GET"), attribute.String("http.route", endpoint), attribute.Int("http.response.status_code", code),
		},
	})
	if failed == "" && t.rand.Float64() < 0.6 && !broken("cache-unreachable") && !broken("cache-cold") {
		t.add(&s, Span{
			Name: "GET cache", Kind: trace.SpanKindClient, Host: pod, Parent: root, Start: start.Add(took / 10), End: start.Add(took / 2),
			Attributes: []attribute.KeyValue{attribute.String("db.system.name", "redis")},
		})
		return s
	}
	t.add(&s, Span{
		Name: "SELECT events", Kind: trace.SpanKindClient, Host: pod, Parent: root, Start: start.Add(took / 10), End: now, Error: failed,
		Attributes: []attribute.KeyValue{attribute.String("db.system.name", "postgresql"), attribute.String("db.namespace", "timescaledb"), attribute.String("db.operation.name", "SELECT")},
	})
	return s
}

func (s Span) String() string { return fmt.Sprintf("%s/%s", s.Host.Service, s.Name) }
