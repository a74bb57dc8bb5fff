package traces

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"obsandbox/sandbox/internal/platform/world"
)

// scope is the instrumentation scope of every span.
const scope = "obsandbox/platform"

const (
	// complainEvery is the time between two warnings that spans do not arrive.
	complainEvery = 30 * time.Second
	// queued is how many spans wait for a receiver that is not there yet: those of some minutes, which is what Jaeger
	// takes to be compiled.
	queued = 1 << 14
	// knockEvery is the time between two attempts at a receiver that is not there.
	knockEvery = 250 * time.Millisecond
)

// Sender exports stories over OTLP/HTTP: one tracer provider for each pod, as if each had its own SDK, and one queue.
type Sender struct {
	cluster   Cluster
	exporter  *reporting
	queue     sdk.SpanProcessor
	providers map[string]*sdk.TracerProvider
}

// NewSender exports to an OTLP receiver's base URL ("http://127.0.0.1:4318"); /v1/traces is added where it has no path.
// It does not connect: spans wait for a receiver that is not there or too slow, as long as the queue has room; what it
// refuses, and what does not fit, is dropped, with a warning now and then.
func NewSender(ctx context.Context, endpoint string, cluster Cluster, log *slog.Logger) (*Sender, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("--otlp %s: expected a URL such as http://127.0.0.1:4318", endpoint)
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/v1/traces"
	}
	out, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(u.String()), otlptracehttp.WithTimeout(10*time.Second),
		// It would go on at the end, too: a trace more or less is not worth waiting for then.
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}))
	if err != nil {
		return nil, fmt.Errorf("export traces to %s: %w", endpoint, err)
	}
	exporter := &reporting{out: out, to: u.String(), log: log, closing: make(chan struct{})}
	return &Sender{
		cluster: cluster, exporter: exporter, providers: map[string]*sdk.TracerProvider{},
		queue: sdk.NewBatchSpanProcessor(exporter, sdk.WithBatchTimeout(time.Second), sdk.WithMaxQueueSize(queued),
			sdk.WithExportTimeout(time.Hour)), // the exporter knows when to give up
	}, nil
}

// Sent is the number of spans that the receiver has accepted.
func (s *Sender) Sent() uint64 { return s.exporter.count() }

// Send queues the spans of a story. It is for one goroutine.
func (s *Sender) Send(ctx context.Context, story Story) {
	for _, span := range Arriving(s.cluster, story) {
		flags := trace.FlagsSampled
		parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: story.ID, SpanID: span.Parent, TraceFlags: flags, Remote: span.Entry})
		ctx := context.WithValue(ctx, idKey{}, ids{story.ID, span.ID})
		if span.Parent.IsValid() {
			ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
		}
		_, live := s.provider(span.Host).Tracer(scope).Start(ctx, span.Name, trace.WithSpanKind(span.Kind),
			trace.WithTimestamp(span.Start), trace.WithAttributes(span.Attributes...))
		if span.Error != "" {
			live.AddEvent("exception", trace.WithTimestamp(span.End), trace.WithAttributes(
				attribute.String("exception.type", exceptionType), attribute.String("exception.message", span.Error)))
			live.SetStatus(codes.Error, span.Error)
		}
		live.End(trace.WithTimestamp(span.End))
	}
}

// Arriving are the spans of a story that are not lost on their way. Under the fault orphan-spans a service loses its
// first: the spans under it have a parent that nobody knows.
func Arriving(cluster Cluster, story Story) []Span {
	return slices.DeleteFunc(slices.Clone(story.Spans), func(span Span) bool {
		return span.Entry && cluster.Broken("orphan-spans", span.Host.Service)
	})
}

// Resource are the attributes of everything that a host sends.
func Resource(host world.Host) []attribute.KeyValue {
	about := []attribute.KeyValue{
		attribute.String("service.name", host.Service), attribute.String("service.namespace", world.Namespace),
		attribute.String("service.instance.id", host.Name), attribute.String("deployment.environment.name", "production"),
	}
	if host.Pod != nil {
		about = append(about, attribute.String("k8s.namespace.name", world.Namespace), attribute.String("k8s.pod.name", host.Pod.Name),
			attribute.String("k8s.node.name", host.Pod.Node))
	}
	return about
}

// exceptionType is the class of every failure.
const exceptionType = "com.example.ingestion.ProcessingException"

// Close sends what is queued, if the receiver is there; ctx limits how long.
func (s *Sender) Close(ctx context.Context) error {
	close(s.exporter.closing)
	if err := s.queue.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last spans to %s: %w", s.exporter.to, err)
	}
	return nil
}

func (s *Sender) provider(host world.Host) *sdk.TracerProvider {
	if p, ok := s.providers[host.Name]; ok {
		return p
	}
	p := sdk.NewTracerProvider(sdk.WithResource(resource.NewSchemaless(Resource(host)...)), sdk.WithIDGenerator(given{}),
		sdk.WithSampler(sdk.AlwaysSample()), sdk.WithSpanProcessor(s.queue))
	s.providers[host.Name] = p
	return p
}

// given hands out the ids that a story has.
type given struct{}

type (
	idKey struct{}
	ids   struct {
		trace trace.TraceID
		span  trace.SpanID
	}
)

func (given) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	i, _ := ctx.Value(idKey{}).(ids)
	return i.trace, i.span
}

func (given) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	i, _ := ctx.Value(idKey{}).(ids)
	return i.span
}

// reporting is the exporter with its failures in our log instead of OpenTelemetry's global handler. It waits for a
// receiver that is not there.
type reporting struct {
	out *otlptrace.Exporter
	to  string
	log *slog.Logger
	// closing is closed when nothing is waited for any more.
	closing chan struct{}

	mu         sync.Mutex
	sent, lost uint64
	complained time.Time
}

func (r *reporting) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	for {
		err := r.out.ExportSpans(ctx, spans)
		if err == nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.sent += uint64(len(spans))
			return nil
		}
		var unreached *url.Error
		again := errors.As(err, &unreached) && ctx.Err() == nil
		if again {
			select {
			case <-r.closing:
				again = false
			default:
			}
		}
		r.complain(err, len(spans), !again)
		if !again {
			return nil
		}
		select {
		case <-time.After(knockEvery):
		case <-r.closing:
		case <-ctx.Done():
		}
	}
}

// complain of spans that have not arrived, and are lost for good or kept.
func (r *reporting) complain(err error, spans int, lost bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if lost {
		r.lost += uint64(spans)
	}
	if time.Since(r.complained) > complainEvery {
		r.complained = time.Now()
		r.log.Warn("spans do not arrive", "to", r.to, "lost", r.lost, "error", err)
	}
}

func (r *reporting) Shutdown(ctx context.Context) error { return r.out.Shutdown(ctx) }

func (r *reporting) count() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent
}
