package traces_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"obsandbox/sandbox/internal/platform/traces"
	"obsandbox/sandbox/internal/platform/world"
	"obsandbox/sandbox/internal/ports"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fake is a cluster in which one event happens over and over.
type fake struct {
	event  world.Event
	hosts  []world.Host
	broken map[string]string
}

func (f *fake) Events(n int) []world.Event {
	if f.event.ID == "" {
		return nil
	}
	return slices.Repeat([]world.Event{f.event}, n)
}
func (f *fake) Hosts() []world.Host               { return f.hosts }
func (f *fake) Broken(fault, service string) bool { return f.broken[fault] == service }

func pod(service string) world.Host {
	return world.Host{Name: service + "-1", Service: service, Pod: &world.Pod{Name: service + "-1", App: service, IP: "10.244.1.4", Node: "worker-2"}}
}

func cluster(change ...func(*world.Event)) *fake {
	e := world.Event{
		ID: "evt-1", Type: "shipment.updated", Collector: pod("shipping-collector"), Carrier: "fedex", Tracking: "ABC123456789",
		Collect: 60 * time.Millisecond, Validate: 2 * time.Millisecond, Transform: 8 * time.Millisecond, Enrich: 15 * time.Millisecond,
		Store: 20 * time.Millisecond, Total: 605 * time.Millisecond,
	}
	for _, c := range change {
		c(&e)
	}
	return &fake{event: e, hosts: []world.Host{pod("shipping-collector"), {Name: "flink-jobmanager", Service: "flink"}, {Name: "flink-taskmanager-1", Service: "flink"}, pod("storage-router")}}
}

func tell(t *testing.T, f *fake) traces.Story {
	t.Helper()
	s, ok := traces.NewTeller(f, 1, now).Next(now)
	require.True(t, ok)
	return s
}

// tree writes a story as one line for each span, indented under its parent, and checks that children lie within the
// story and come after their parents.
func tree(t *testing.T, s traces.Story) []string {
	t.Helper()
	depth := map[trace.SpanID]int{}
	var out []string
	for i, span := range s.Spans {
		require.True(t, span.ID.IsValid())
		require.NotContains(t, depth, span.ID)
		if i > 0 {
			require.Contains(t, depth, span.Parent, "%s comes before its parent", span)
			depth[span.ID] = depth[span.Parent] + 1
		} else {
			require.False(t, span.Parent.IsValid())
			depth[span.ID] = 0
		}
		require.False(t, span.End.Before(span.Start), "%s ends before it starts", span)
		require.False(t, span.End.After(now), "%s ends in the future", span)
		line := strings.Repeat("  ", depth[span.ID]) + span.String()
		if span.Error != "" {
			line += " !"
		}
		out = append(out, line)
	}
	return out
}

func TestStoryOfAnEvent(t *testing.T) {
	t.Parallel()
	s := tell(t, cluster())
	require.Equal(t, []string{
		"shipping-collector/collect",
		"  shipping-collector/send ingestion-events",
		"    flink/process_event",
		"      flink/validate",
		"      flink/transform",
		"      flink/enrich",
		"      flink/send processed-events",
		"        storage-router/store",
		"          storage-router/INSERT events",
	}, tree(t, s))
	require.True(t, s.ID.IsValid())
	byName := map[string]traces.Span{}
	for _, span := range s.Spans {
		byName[span.Name] = span
	}
	process := byName["process_event"]
	require.Equal(t, "flink-taskmanager-1", process.Host.Name, "the job manager processes nothing")
	attributes := map[string]string{}
	for _, a := range process.Attributes {
		attributes[string(a.Key)] = a.Value.AsString()
	}
	require.Equal(t, map[string]string{"event.id": "evt-1", "event.type": "shipment.updated"}, attributes)
	require.Equal(t, 26*time.Millisecond, process.End.Sub(process.Start), "the stages, and handing it over")
	require.Equal(t, 500*time.Millisecond, process.Start.Sub(byName["collect"].End), "the wait in Kafka")
	require.Equal(t, byName["validate"].End, byName["transform"].Start)
	require.Equal(t, byName["transform"].End, byName["enrich"].Start)
	require.Equal(t, now, byName["store"].End)
	require.Equal(t, now.Add(-605*time.Millisecond), byName["collect"].Start)
	require.Equal(t, byName["collect"].Start, s.Event.Time)
}

func TestStoryEndsWhereItFails(t *testing.T) {
	t.Parallel()
	fail := func(stage, kind string) func(*world.Event) {
		return func(e *world.Event) { e.Failed, e.ErrorType, e.Error = stage, kind, "broken" }
	}
	collected := []string{"shipping-collector/collect", "  shipping-collector/send ingestion-events", "    flink/process_event !"}
	for name, test := range map[string]struct {
		change func(*world.Event)
		want   []string
	}{
		"nothing received": {fail("collect", "api_timeout"), []string{"shipping-collector/collect !"}},
		"not published":    {fail("collect", "publish_failed"), []string{"shipping-collector/collect !", "  shipping-collector/send ingestion-events !"}},
		"invalid":          {fail("validate", "schema_violation"), append(slices.Clone(collected), "      flink/validate !")},
		"not enriched":     {fail("enrich", "api_unavailable"), append(slices.Clone(collected), "      flink/validate", "      flink/transform", "      flink/enrich !")},
		"not stored": {fail("store", "timeout"), []string{
			collected[0], collected[1], "    flink/process_event", "      flink/validate", "      flink/transform", "      flink/enrich",
			"      flink/send processed-events", "        storage-router/store !", "          storage-router/INSERT events !",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, tree(t, tell(t, cluster(test.change))))
		})
	}
}

// Where the job is down events wait in Kafka; where nobody stores, they wait after it.
func TestStoryStopsWhereNobodyGoesOn(t *testing.T) {
	t.Parallel()
	down := cluster()
	down.broken = map[string]string{"flink-job-down": "flink"}
	s := tell(t, down)
	require.Equal(t, []string{"shipping-collector/collect", "  shipping-collector/send ingestion-events"}, tree(t, s))
	require.Equal(t, now, s.Spans[0].End)

	gone := cluster(func(e *world.Event) { e.Failed, e.Error = "store", "connection refused" })
	gone.hosts = slices.DeleteFunc(gone.hosts, func(h world.Host) bool { return h.Service == "storage-router" })
	s = tell(t, gone)
	require.Equal(t, []string{
		"shipping-collector/collect", "  shipping-collector/send ingestion-events", "    flink/process_event",
		"      flink/validate", "      flink/transform", "      flink/enrich", "      flink/send processed-events",
	}, tree(t, s))
	require.Equal(t, now, s.Spans[6].End)
}

func TestTeller(t *testing.T) {
	t.Parallel()
	f := cluster()
	f.hosts = append(f.hosts, pod("query-api"))
	one, two, other := traces.NewTeller(f, 7, now), traces.NewTeller(f, 7, now), traces.NewTeller(f, 7, now.Add(1))
	seen := map[trace.TraceID]bool{}
	queries := 0
	for range 500 {
		a, _ := one.Next(now)
		b, _ := two.Next(now)
		c, _ := other.Next(now)
		require.Equal(t, a, b, "equal seeds tell equal stories")
		require.NotEqual(t, a.ID, c.ID, "another start, other ids")
		require.NotContains(t, seen, a.ID)
		seen[a.ID] = true
		tree(t, a)
		if a.Event.ID == "" {
			queries++
			require.True(t, strings.HasPrefix(a.Spans[0].Name, "GET /api/v1/"), a.Spans[0].Name)
		}
	}
	require.InDelta(t, 75, queries, 30)

	_, ok := traces.NewTeller(&fake{}, 1, now).Next(now)
	require.False(t, ok, "nobody is there to tell of")
}

func TestQueriesFailWhereTheFaultIs(t *testing.T) {
	t.Parallel()
	for fault, want := range map[string]float64{"": 0.002, "query-errors": 0.25, "slow-queries": 0.1, "database-unreachable": 1} {
		f := cluster(func(e *world.Event) { e.ID = "" })
		f.hosts, f.broken = append(f.hosts, pod("query-api")), map[string]string{fault: "query-api"}
		teller := traces.NewTeller(f, 3, now)
		queries, failed := 0.0, 0.0
		for range 4000 {
			s, ok := teller.Next(now)
			if !ok {
				continue
			}
			tree(t, s)
			queries++
			if s.Spans[0].Error != "" {
				failed++
			}
		}
		require.InDelta(t, want, failed/queries, 0.06, fault)
	}
}

// receiver is an OTLP receiver that keeps what it gets.
type receiver struct {
	url    string
	mu     sync.Mutex
	status int
	spans  []received
}

type received struct {
	*otlp.Span
	resource map[string]string
}

func receive(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{status: http.StatusOK}
	server := httptest.NewServer(r.handler())
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *receiver) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		var in collector.ExportTraceServiceRequest
		body, err := io.ReadAll(req.Body)
		if err != nil || req.URL.Path != "/v1/traces" || proto.Unmarshal(body, &in) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if w.WriteHeader(r.status); r.status != http.StatusOK {
			return
		}
		for _, rs := range in.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					r.spans = append(r.spans, received{s, texts(rs.Resource.Attributes)})
				}
			}
		}
	})
}

func texts(all []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, a := range all {
		out[a.Key] = a.Value.GetStringValue()
	}
	return out
}

func send(t *testing.T, f *fake, r *receiver, log *slog.Logger, stories ...traces.Story) *traces.Sender {
	t.Helper()
	s, err := traces.NewSender(t.Context(), r.url, f, log)
	require.NoError(t, err)
	for _, story := range stories {
		s.Send(t.Context(), story)
	}
	require.NoError(t, s.Close(t.Context()))
	return s
}

func TestSender(t *testing.T) {
	t.Parallel()
	f := cluster(func(e *world.Event) { e.Failed, e.ErrorType, e.Error = "store", "timeout", "statement timeout" })
	story := tell(t, f)
	r := receive(t)
	sender := send(t, f, r, slog.New(slog.DiscardHandler), story)
	require.EqualValues(t, len(story.Spans), sender.Sent())
	require.Len(t, r.spans, len(story.Spans))
	for _, want := range story.Spans {
		i := slices.IndexFunc(r.spans, func(s received) bool { return string(s.SpanId) == string(want.ID[:]) })
		require.GreaterOrEqual(t, i, 0, want)
		got := r.spans[i]
		require.Equal(t, want.Name, got.Name)
		require.Equal(t, story.ID, trace.TraceID(got.TraceId))
		var parent trace.SpanID
		copy(parent[:], got.ParentSpanId)
		require.Equal(t, want.Parent, parent)
		require.EqualValues(t, want.Start.UnixNano(), got.StartTimeUnixNano)
		require.EqualValues(t, want.End.UnixNano(), got.EndTimeUnixNano)
		require.Equal(t, int(want.Kind), int(got.Kind), "the kinds have the same numbers")
		require.Equal(t, want.Host.Service, got.resource["service.name"])
		require.Equal(t, want.Host.Name, got.resource["service.instance.id"])
		if want.Host.Pod != nil {
			require.Equal(t, want.Host.Name, got.resource["k8s.pod.name"])
		}
		if want.Entry {
			require.Equal(t, "evt-1", texts(got.Attributes)["event.id"])
		}
		if want.Error == "" {
			require.Equal(t, otlp.Status_STATUS_CODE_UNSET, got.Status.GetCode())
			continue
		}
		require.Equal(t, otlp.Status_STATUS_CODE_ERROR, got.Status.GetCode())
		require.Equal(t, "statement timeout", got.Status.GetMessage())
		require.Equal(t, "exception", got.Events[0].Name)
	}
	failed := slices.DeleteFunc(slices.Clone(r.spans), func(s received) bool { return s.Status.GetCode() != otlp.Status_STATUS_CODE_ERROR })
	require.Len(t, failed, 2, "store and its INSERT")
}

func TestSenderRefusesWhatIsNoURL(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{"127.0.0.1:4318", "grpc://x:1", "http://"} {
		_, err := traces.NewSender(t.Context(), endpoint, cluster(), slog.New(slog.DiscardHandler))
		require.ErrorContains(t, err, "--otlp "+endpoint+": expected a URL")
	}
}

// A receiver that refuses, or is not there, costs a warning and nothing else.
func TestSenderWithoutReceiver(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	log := slog.New(slog.NewTextHandler(&text, nil))
	f, r := cluster(), receive(t)
	r.status = http.StatusServiceUnavailable
	sender := send(t, f, r, log, tell(t, f))
	require.Zero(t, sender.Sent())
	require.Equal(t, 1, strings.Count(text.String(), "spans do not arrive"), text.String())
	require.Contains(t, text.String(), "lost=9")

	gone := httptest.NewServer(nil)
	gone.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	s, err := traces.NewSender(ctx, gone.URL, f, log)
	require.NoError(t, err)
	s.Send(ctx, tell(t, f))
	require.NoError(t, s.Close(ctx))
	require.NoError(t, ctx.Err(), "it gives up at once")
}

// Jaeger may become ready after the platform: on a first start it has to be compiled.
func TestSpansWaitForTheirReceiver(t *testing.T) {
	t.Parallel()
	address := ports.Address(t)
	warned := make(warning, 1)
	f, r := cluster(), &receiver{status: http.StatusOK}
	s, err := traces.NewSender(t.Context(), "http://"+address, f, slog.New(slog.NewTextHandler(warned, nil)))
	require.NoError(t, err)
	s.Send(t.Context(), tell(t, f))
	require.Contains(t, <-warned, "lost=0")

	place, err := net.Listen("tcp", address)
	require.NoError(t, err)
	server := &http.Server{Handler: r.handler()}
	go func() { _ = server.Serve(place) }()
	t.Cleanup(func() { _ = server.Close() })
	require.Eventually(t, func() bool { return s.Sent() == 9 }, time.Minute, 10*time.Millisecond)
	require.NoError(t, s.Close(t.Context()))
}

// warning has the lines of a log.
type warning chan string

func (w warning) Write(p []byte) (int, error) {
	select {
	case w <- string(p):
	default:
	}
	return len(p), nil
}

// Spans whose parent was lost on the way still name it.
func TestOrphans(t *testing.T) {
	t.Parallel()
	f, r := cluster(), receive(t)
	f.broken = map[string]string{"orphan-spans": "flink"}
	story := tell(t, f)
	send(t, f, r, slog.New(slog.DiscardHandler), story)
	require.Len(t, r.spans, len(story.Spans)-1)
	there := map[string]bool{}
	for _, s := range r.spans {
		there[string(s.SpanId)] = true
	}
	var orphans []string
	for _, s := range r.spans {
		if len(s.ParentSpanId) > 0 && !there[string(s.ParentSpanId)] {
			orphans = append(orphans, s.Name)
		}
	}
	slices.Sort(orphans)
	require.Equal(t, []string{"enrich", "send processed-events", "transform", "validate"}, orphans)
}

// After an outage an event has waited for long, but nobody has received it before there was somebody to do so.
func TestNoPodReceivesBeforeItIsThere(t *testing.T) {
	t.Parallel()
	began := now.Add(-time.Minute)
	s := tell(t, cluster(func(e *world.Event) {
		e.Total += 5 * time.Minute
		e.Collector.Pod.Started = began
	}))
	require.Len(t, tree(t, s), 9)
	require.Equal(t, began, s.Spans[0].Start)
	require.Equal(t, began, s.Event.Time)
}
