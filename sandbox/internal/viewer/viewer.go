// Package viewer is the page that `up` serves where Grafana would be: what runs and where, which alerts are pending or
// firing, which notifications have been sent. It reads the components' public APIs and keeps nothing.
package viewer

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
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

//go:embed page.html
var files embed.FS

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

// Handler serves the page of the stack that answers at addr:
//
//	GET /            the page
//	GET /api/health  Grafana's health answer: {"database": "ok", …}
//	GET /api/status  what the page shows, as JSON (Status)
//
// Every other path of Grafana's API is a 404 that says so.
func Handler(addr stack.Addresses, log *slog.Logger) (http.Handler, error) {
	page, err := template.New("page.html").Funcs(template.FuncMap{
		"ago":     func(t time.Time) string { return time.Since(t).Truncate(time.Second).String() },
		"compact": compact,
	}).ParseFS(files, "page.html")
	if err != nil {
		return nil, fmt.Errorf("read the viewer's page: %w", err)
	}
	source := newSource(addr)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		var out bytes.Buffer
		if err := page.Execute(&out, source.status(r.Context())); err != nil {
			log.Error("draw the page", "error", err)
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = out.WriteTo(w) // the reader went away
	})
	mux.HandleFunc("GET /api/health", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"database": "ok", "version": "sandbox", "commit": "sandbox"})
	})
	mux.HandleFunc("GET /api/status", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, source.status(r.Context()))
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusNotFound, map[string]string{
			"message": r.Method + " " + r.URL.Path + " is not served by the sandbox's viewer, which stands in for Grafana: " +
				"there are /, /api/health and /api/status",
		})
	})
	return mux, nil
}

func writeJSON(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(code)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(value) // the reader went away
}
