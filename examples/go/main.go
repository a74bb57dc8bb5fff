// Command go is a shipping-collector as small as it can be that keeps the platform's whole contract: metrics, health
// probes, log lines and traces. It makes up the events that a real one would fetch from a partner.
//
// Environment: LISTEN (127.0.0.1:8080), KAFKA_BOOTSTRAP_SERVERS, OTEL_EXPORTER_OTLP_ENDPOINT; DATABASE_ADDRESS and
// CACHE_ADDRESS as HOST:PORT. What is not set is not used.
package main

import (
	"cmp"
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// service is what the pods' label app says.
const service = "shipping-collector"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	var broker *kgo.Client
	if address := os.Getenv("KAFKA_BOOTSTRAP_SERVERS"); address != "" {
		client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.DefaultProduceTopic("application-logs"), kgo.RecordDeliveryTimeout(10*time.Second))
		if err != nil {
			return err
		}
		defer client.Close()
		broker = client
	}
	tracer, flush, err := newTracer(ctx)
	if err != nil {
		return err
	}
	defer flush()
	m := newMetrics()
	p := &processor{log: newLogger(broker), tracer: tracer, metrics: m}

	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.handler())
	mux.HandleFunc("GET /health/live", liveness)
	mux.HandleFunc("GET /health/ready", readiness(map[string]check{
		"kafka": kafkaCheck(broker), "database": dialCheck(os.Getenv("DATABASE_ADDRESS")), "cache": dialCheck(os.Getenv("CACHE_ADDRESS")),
	}))
	mux.HandleFunc("POST "+eventsRoute, m.counted(eventsRoute, p.push))
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:8080"))
	if err != nil {
		return err
	}
	log.Printf("listening on %s", listener.Addr())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		p.collect(ctx)
		_ = server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
