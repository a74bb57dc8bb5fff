package elastic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"obsandbox/sandbox/internal/elastic/cluster"
	"obsandbox/sandbox/internal/elastic/engine"
)

// Version is the Elasticsearch whose answers are given.
const Version = "9.2.0"

// Config says how the store runs.
type Config struct {
	// Listen is the address of the HTTP API, "host:port".
	Listen string
	// Data is the directory that keeps the indices. Empty is a temporary one, removed at the end, without fsync.
	Data string
	// ConfigFile is an elasticsearch.yml; empty runs with Elasticsearch's defaults.
	ConfigFile string
	// Now is the clock that ages of indices and date math go by; nil is the real one.
	Now func() time.Time
	// Getenv looks up what ${NAME} in the configuration means; nil is the process's environment.
	Getenv func(string) (string, bool)
	// Ready, where set, is told the address once the API answers.
	Ready func(net.Addr)
}

// Run serves until ctx ends and returns nil after a clean end: everything acknowledged is on disk. Errors of the
// configuration name file and line.
func Run(ctx context.Context, cfg Config, log *slog.Logger) (err error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Getenv == nil {
		cfg.Getenv = os.LookupEnv
	}
	node, err := readNode(cfg.ConfigFile, cfg.Getenv)
	if err != nil {
		return err
	}
	dir, durable := cfg.Data, true
	if dir == "" {
		durable = false
		if dir, err = os.MkdirTemp("", "obsandbox-elastic-*"); err != nil {
			return fmt.Errorf("make a temporary data directory: %w", err)
		}
		defer os.RemoveAll(dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	unlock, err := lock(dir)
	if err != nil {
		return err
	}
	defer unlock()
	ln, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen for Elasticsearch's API: %w", err)
	}
	defer ln.Close()
	store, err := engine.OpenStore(dir, durable, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	c, err := cluster.Open(dir, store, durable, cfg.Now, log)
	if err != nil {
		return err
	}
	c.Name, c.NodeName = node.cluster, node.name
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		store.Run(background)
	}()
	ilm := make(chan struct{})
	go func() {
		defer close(ilm)
		c.RunILM(background)
	}()
	defer func() { stop(); <-done; <-ilm }()
	s := newServer(c, log, ln.Addr().String())
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 30 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	log.Info("elasticsearch API ready", "address", ln.Addr().String(), "cluster", c.Name, "data", dir)
	if cfg.Ready != nil {
		cfg.Ready(ln.Addr())
	}
	select {
	case err := <-failed:
		return fmt.Errorf("serve Elasticsearch's API: %w", err)
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := srv.Shutdown(end); err != nil {
		_ = srv.Close()
	}
	s.close()
	return nil
}
