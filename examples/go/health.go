package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// patience is less than the readiness probe's timeout, so that the answer says which dependency is slow.
const patience = 2 * time.Second

// check says whether a dependency answers.
type check func(ctx context.Context) bool

// liveness answers as long as the process does; it looks at nothing else.
func liveness(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"status": "alive"})
}

// readiness answers 503 while a dependency does not, and says which. They are asked side by side.
func readiness(checks map[string]check) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		type result struct {
			name string
			ok   bool
		}
		results := make(chan result, len(checks))
		for name, check := range checks {
			go func() { results <- result{name, check(ctx)} }()
		}
		found, status, code := map[string]bool{}, "ready", http.StatusOK
		for range checks {
			r := <-results
			found[r.name] = r.ok
			if !r.ok {
				status, code = "not_ready", http.StatusServiceUnavailable
			}
		}
		writeJSON(w, code, map[string]any{"status": status, "checks": found})
	}
}

func kafkaCheck(client *kgo.Client) check {
	return func(ctx context.Context) bool { return client == nil || client.Ping(ctx) == nil }
}

// dialCheck connects; without an address there is no such dependency.
func dialCheck(address string) check {
	return func(ctx context.Context) bool {
		if address == "" {
			return true
		}
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return false
		}
		_ = conn.Close()
		return true
	}
}

func writeJSON(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(value)
}
