// Package viewer serves the pages that `up` has where Grafana would be: the dashboards, drawn by Grafana's own
// components, queries of one's own, alerts and silences, faults, and what runs where. It keeps nothing: it reads the
// stack directory and the components' public APIs.
//
// The pages' sources are under web; what Vite builds of them is checked in under dist, so that Go alone suffices to run
// them.
package viewer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"obsandbox/sandbox/internal/stack"
)

// Config of the viewer.
type Config struct {
	// Listen is "host:port".
	Listen string
	// Addresses is the addresses.json of the stack that is shown.
	Addresses string
}

// Run serves until ctx ends.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	addr, err := stack.ReadAddresses(cfg.Addresses)
	if err != nil {
		return fmt.Errorf("serve the viewer: %w", err)
	}
	handler, err := Handler(addr, log)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("serve the viewer: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	stopped := context.AfterFunc(ctx, func() { server.Close() })
	defer stopped()
	log.Info("the viewer listens", "address", listener.Addr().String())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the viewer: %w", err)
	}
	return nil
}

// Handler serves the pages of the stack that answers at addr, and the part of Grafana's API that they need:
//
//	GET /                                     the pages, as /d/UID, /explore and /alerting are
//	GET /api/health                           Grafana's health answer: {"database": "ok", …}
//	GET /api/search                           the dashboards: uid, title, url, tags
//	GET /api/dashboards/uid/UID               one dashboard, as {"dashboard": …, "meta": …}
//	GET /api/datasources                      the data sources: uid, name, type, isDefault
//	ANY /api/datasources/proxy/uid/UID/PATH   a data source's own API
//	GET /api/status                           what runs, alerts and notifications (Status)
//	GET, PUT, DELETE /api/faults…             the platform's faults
//
// Every other path of Grafana's API is a 404 that says so.
func Handler(addr stack.Addresses, log *slog.Logger) (http.Handler, error) {
	pages, err := newPages()
	if err != nil {
		return nil, err
	}
	sources, err := readDatasources(addr, log)
	if err != nil {
		return nil, err
	}
	source := newSource(addr)
	boards := boards{dir: addr.StackDir}
	mux := http.NewServeMux()
	mux.Handle("/", pages)
	mux.HandleFunc("GET /api/health", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"database": "ok", "version": "sandbox", "commit": "sandbox"})
	})
	mux.HandleFunc("GET /api/status", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, source.status(r.Context()))
	})
	mux.HandleFunc("GET /api/search", boards.search)
	mux.HandleFunc("GET /api/dashboards/uid/{uid}", boards.get)
	mux.HandleFunc("GET /api/datasources", sources.list)
	mux.Handle("/api/datasources/proxy/uid/{uid}/", sources)
	mux.Handle("/api/faults", proxyTo(addr.URL("platform", "api"), "", log))
	mux.Handle("/api/faults/", proxyTo(addr.URL("platform", "api"), "", log))
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, "%s %s is not served by the sandbox's viewer, which stands in for Grafana", r.Method, r.URL.Path)
	})
	return guard(mux), nil
}

// guard refuses what another site's page could make a browser send: the pages here may silence alerts and break things.
func guard(next http.Handler) http.Handler {
	return http.NewCrossOriginProtection().Handler(next)
}

func fail(w http.ResponseWriter, code int, format string, args ...any) {
	writeJSON(w, code, map[string]string{"message": fmt.Sprintf(format, args...)})
}

func writeJSON(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(code)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(value) // the reader went away
}
