package contract_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"obsandbox/sandbox/internal/contract"
	"obsandbox/sandbox/internal/ports"
)

// event sends the spans of one event to an OTLP receiver.
func event(ctx context.Context, t *testing.T, address string, stages ...string) {
	t.Helper()
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpoint(address), otlptracehttp.WithInsecure(),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	require.NoError(t, err)
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", "shipping-collector"))))
	tracer := provider.Tracer("test")
	inner, root := tracer.Start(ctx, "process_event")
	root.SetAttributes(attribute.String("event.id", "evt-1"), attribute.String("event.type", "shipment.updated"))
	for _, stage := range stages {
		_, span := tracer.Start(inner, stage)
		span.End()
	}
	root.End()
	require.NoError(t, provider.Shutdown(ctx))
}

func TestSpansAreReceived(t *testing.T) {
	t.Parallel()
	s := checkedIn(t)
	for want, stages := range map[string][]string{
		"": {"validate", "transform", "enrich"}, "process_event lacks the span enrich under it": {"validate", "transform"},
	} {
		address := ports.Address(t)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			assert.Eventually(t, func() bool { // the exporter takes a refused connection for the end
				conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
				if err == nil {
					conn.Close()
				}
				return err == nil
			}, time.Minute, 10*time.Millisecond)
			event(t.Context(), t, address, stages...)
		}()
		r, err := contract.Check(t.Context(), s, contract.Options{Address: serve(t, keeping(t, s)), Service: "shipping-collector", OTLP: address, Wait: 5 * time.Second})
		require.NoError(t, err)
		<-sent
		if want == "" {
			require.Empty(t, failures(r))
			continue
		}
		require.Contains(t, failures(r), want)
	}
}
