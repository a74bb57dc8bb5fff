// Package logstash runs Logstash's pipelines without Logstash: it reads the same settings and pipeline files, with the
// plugins that the registry lists, and refuses whatever it does not know.
package logstash

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"
)

// Config says how to run.
type Config struct {
	// Settings is the directory with logstash.yml and pipelines.yml (path.settings).
	Settings string
	// API is the monitoring API's host:port.
	API string
	// Data is the directory for the dead letter queue (path.data).
	Data string
	// Env looks up ${NAME} in settings and pipelines; nil is the process's environment.
	Env func(name string) (string, bool)
	// Listening is told the API's address when it is bound; nil where nobody asks.
	Listening func(addr string)
}

// drainTime is how long a stopping pipeline may work on what it has taken.
const drainTime = time.Second

// Check loads the settings and compiles every pipeline without starting anything, as logstash --config.test_and_exit
// does. Errors name file:line.
func Check(dir string) error {
	_, err := load(Config{Settings: dir, Data: dir}, slog.New(slog.DiscardHandler))
	return err
}

func load(cfg Config, log *slog.Logger) ([]*Pipeline, error) {
	if cfg.Env == nil {
		cfg.Env = os.LookupEnv
	}
	settings, err := loadSettings(cfg.Settings, cfg.Data, cfg.Env)
	if err != nil {
		return nil, err
	}
	var pipelines []*Pipeline
	var errs []error
	for _, s := range settings {
		p, err := compile(s, log, time.Now)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		pipelines = append(pipelines, p)
	}
	return pipelines, errors.Join(errs...)
}

// Run loads the pipelines and runs them until ctx ends or all of their inputs have no more.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	pipelines, err := load(cfg, log)
	if err != nil {
		return err
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", cfg.API)
	if err != nil {
		return fmt.Errorf("listen for the monitoring API: %w", err)
	}
	if cfg.Listening != nil {
		cfg.Listening(listener.Addr().String())
	}
	api := newAPI(pipelines, listener.Addr().String(), time.Now())
	server := &http.Server{Handler: api, ReadHeaderTimeout: 10 * time.Second}
	serving := make(chan error, 1)
	go func() { serving <- server.Serve(listener) }()
	defer func() {
		_ = server.Close()
		<-serving
	}()
	var running sync.WaitGroup
	errs := make([]error, len(pipelines))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for i, p := range pipelines {
		running.Go(func() {
			if errs[i] = p.run(ctx, api); errs[i] != nil {
				cancel()
			}
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

// run starts workers and inputs and waits for them.
func (p *Pipeline) run(ctx context.Context, api *api) error {
	var starting []error
	eachOutput(p.outputs, func(n *outputNode) {
		if s, ok := n.output.(starter); ok {
			starting = append(starting, s.start(ctx))
		}
	})
	if err := errors.Join(starting...); err != nil {
		return fmt.Errorf("pipeline %s: %w", p.settings.ID, err)
	}
	// Workers outlive ctx for a moment, to deliver what was taken from the sources.
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var workers, inputs sync.WaitGroup
	list := make([]*worker, p.settings.Workers)
	failures := make([]error, len(list))
	reading, stopReading := context.WithCancel(ctx)
	defer stopReading()
	for i := range list {
		list[i] = newWorker(p)
		workers.Go(func() {
			if failures[i] = list[i].run(working); failures[i] != nil {
				stopReading()
				stop()
			}
		})
	}
	api.started(p, list)
	p.log.Info("pipeline started", "workers", len(list), "batch_size", p.settings.BatchSize, "plugins", len(p.nodes))
	errs := make([]error, len(p.inputs))
	for i, in := range p.inputs {
		inputs.Go(func() {
			if errs[i] = in.input.run(reading, in.queue); errs[i] != nil {
				errs[i] = fmt.Errorf("pipeline %s: %w", p.settings.ID, errs[i])
				stopReading()
			}
		})
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		// An input keeps its connection until what it took is delivered; it ends when ctx has and the time is up.
		inputs.Wait()
		close(p.queue.items)
		workers.Wait()
	}()
	select {
	case <-drained:
	case <-ctx.Done():
		select {
		case <-drained:
		case <-time.After(drainTime):
			stop()
			<-drained
		}
	}
	var closing []error
	eachOutput(p.outputs, func(n *outputNode) { closing = append(closing, n.output.close()) })
	closing = append(closing, p.dead.close())
	p.log.Info("pipeline stopped", "in", p.queue.in.Load(), "out", p.totals.out.Load())
	return errors.Join(slices.Concat(errs, failures, closing)...)
}

func eachOutput(nodes []node, visit func(*outputNode)) {
	for _, n := range nodes {
		switch n := n.(type) {
		case *outputNode:
			visit(n)
		case *branchNode:
			for i := range len(n.arms) + 1 {
				eachOutput(n.nodes(i), visit)
			}
		}
	}
}
