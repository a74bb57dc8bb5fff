package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// newTracer exports over OTLP/HTTP to OTEL_EXPORTER_OTLP_ENDPOINT; without one, spans have ids and go nowhere.
func newTracer(ctx context.Context) (tracer trace.Tracer, flush func(), err error) {
	options := []sdk.TracerProviderOption{sdk.WithResource(resource.NewSchemaless(
		attribute.String("service.name", service), attribute.String("service.namespace", "data-ingestion"),
	))}
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" {
		exporter, err := otlptracehttp.New(ctx)
		if err != nil {
			return nil, nil, err
		}
		options = append(options, sdk.WithBatcher(exporter, sdk.WithBatchTimeout(time.Second)))
	}
	provider := sdk.NewTracerProvider(options...)
	return provider.Tracer(service), func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = provider.Shutdown(ctx)
	}, nil
}

// newLogger writes the log standard to stdout and, where there is a broker, to Kafka.
func newLogger(broker *kgo.Client) *slog.Logger {
	var out io.Writer = os.Stdout
	if broker != nil {
		out = io.MultiWriter(out, toKafka{broker})
	}
	handler := slog.NewJSONHandler(out, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) > 0 {
			return a
		}
		switch a.Key {
		case slog.TimeKey:
			return slog.String("timestamp", a.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z"))
		case slog.MessageKey:
			a.Key = "message"
		}
		return a
	}})
	return slog.New(traced{handler}).With("service", service, "layer", "collection")
}

// traced adds the ids of the current span to every line, so that a line opens its trace.
type traced struct{ slog.Handler }

func (t traced) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return t.Handler.Handle(ctx, r)
}

func (t traced) WithAttrs(attrs []slog.Attr) slog.Handler { return traced{t.Handler.WithAttrs(attrs)} }
func (t traced) WithGroup(name string) slog.Handler       { return traced{t.Handler.WithGroup(name)} }

// toKafka sends lines as records whose key is the service, and never waits for them.
type toKafka struct{ client *kgo.Client }

func (k toKafka) Write(line []byte) (int, error) {
	k.client.TryProduce(context.Background(), &kgo.Record{Key: []byte(service), Value: bytes.Clone(bytes.TrimSpace(line))}, nil)
	return len(line), nil
}
