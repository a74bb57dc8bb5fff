// Package kafka runs the broker of a stack without containers: franz-go's kfake, which speaks Kafka's own protocol, with
// its log in a directory and the topics that the stack's topics.yml asks for.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"obsandbox/sandbox/internal/stack"
)

// Config of the broker.
type Config struct {
	// Listen is "host:port" of the one broker; clients are told the same address.
	Listen string
	// Data is the directory of the log; without one everything is kept in memory, 1 KB or more for each message.
	Data string
	// Topics is the topics.yml.
	Topics string
}

// setupTimeout is how long the broker may take to answer its own client; it takes milliseconds.
const setupTimeout = 10 * time.Second

// Run serves until ctx ends; then it writes what is open and returns nil.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	topics, err := stack.LoadTopics(cfg.Topics)
	if err != nil {
		return err
	}
	host, portText, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return fmt.Errorf("run kafka: listen address %q: %w", cfg.Listen, err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil || port < 1 {
		return fmt.Errorf("run kafka: listen address %q: the port must be a number above 0, clients are told it", cfg.Listen)
	}
	opts := []kfake.Opt{
		// One broker: with several, each would need an address of its own.
		kfake.NumBrokers(1), kfake.Ports(port), kfake.ClusterID("sandbox"),
		kfake.ListenFn(func(network, _ string) (net.Listener, error) {
			return (&net.ListenConfig{}).Listen(ctx, network, net.JoinHostPort(host, portText))
		}),
		kfake.WithLogger(logger{log}),
	}
	for _, t := range topics {
		// Seeded, so that no client ever sees the broker without them.
		opts = append(opts, kfake.SeedTopics(int32(t.Partitions), t.Name))
	}
	if cfg.Data != "" {
		opts = append(opts, kfake.DataDir(cfg.Data))
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return fmt.Errorf("run kafka at %s: %w", cfg.Listen, err)
	}
	defer cluster.Close()
	alive := newSessions(log)
	alive.observe(cluster)
	client, err := kgo.NewClient(kgo.SeedBrokers(cfg.Listen), kgo.ClientID("sandbox"), kgo.DisableClientMetrics())
	if err != nil {
		return fmt.Errorf("run kafka at %s: a client of its own: %w", cfg.Listen, err)
	}
	defer client.Close()
	if err := configure(ctx, client, cfg, topics); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	log.Info("kafka listens", "address", cfg.Listen, "data", cfg.Data, "topics", len(topics))
	alive.watch(ctx, client)
	return nil
}

// configure makes the topics what the file says: a log that was kept may be older than the file.
func configure(ctx context.Context, client *kgo.Client, cfg Config, topics []stack.Topic) error {
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	admin := kadm.NewClient(client)
	have, err := admin.ListTopics(ctx)
	if err != nil {
		return fmt.Errorf("set up kafka's topics: list them: %w", err)
	}
	for _, t := range topics {
		fail := func(doing string, err error) error {
			return &stack.FileError{File: cfg.Topics, Line: t.Line, Msg: fmt.Sprintf("topic %q: %s: %v", t.Name, doing, err)}
		}
		switch n := len(have[t.Name].Partitions); {
		case !have.Has(t.Name):
			if _, err := admin.CreateTopic(ctx, int32(t.Partitions), 1, nil, t.Name); err != nil {
				return fail("create it", err)
			}
		case n > t.Partitions:
			return fail("keep its data", fmt.Errorf("%s has %d partitions of it and Kafka never removes any: raise partitions or start with another --data", cfg.Data, n))
		case n < t.Partitions:
			resp, err := admin.UpdatePartitions(ctx, t.Partitions, t.Name)
			if err := errors.Join(err, resp.Error()); err != nil {
				return fail(fmt.Sprintf("raise its partitions from %d", n), err)
			}
		}
		var changes []kadm.AlterConfig
		for name, value := range t.Config {
			changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: kadm.StringPtr(value)})
		}
		if len(changes) == 0 {
			continue
		}
		resps, err := admin.AlterTopicConfigs(ctx, changes, t.Name)
		if err != nil {
			return fail("set its config", err)
		}
		for _, r := range resps {
			if r.Err != nil {
				return fail("set its config", r.Err)
			}
		}
	}
	return nil
}

// logger gives kfake's messages to slog.
type logger struct{ log *slog.Logger }

func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	// Every request is an "info" to kfake, and every client that leaves an "error".
	to := slog.LevelDebug
	if level == kfake.LogLevelWarn || level == kfake.LogLevelError {
		to = slog.LevelInfo
	}
	if l.log.Enabled(context.Background(), to) {
		l.log.Log(context.Background(), to, strings.TrimSpace(fmt.Sprintf(format, args...)))
	}
}
