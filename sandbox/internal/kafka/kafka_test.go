package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"obsandbox/sandbox/internal/ports"
)

const topicsYAML = "topics:\n  - name: logs\n    partitions: 3\n    config:\n      retention.ms: 3600000\n      max.message.bytes: 2000000\n"

func topicsFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "topics.yml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	return file
}

// start runs a broker and returns a client of it, and what ends it.
func start(t *testing.T, cfg Config) (client *kgo.Client, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, cfg, slog.New(slog.DiscardHandler)) }()
	client, err := kgo.NewClient(kgo.SeedBrokers(cfg.Listen), kgo.ConsumeTopics("logs"), kgo.MetadataMinAge(10*time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return client.Ping(ctx) == nil }, time.Minute, 5*time.Millisecond)
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			client.Close()
			cancel()
			require.NoError(t, <-done)
		}
	}
	t.Cleanup(stop)
	return client, stop
}

func TestTopicsAreWhatTheFileSays(t *testing.T) {
	t.Parallel()
	client, _ := start(t, Config{Listen: ports.Address(t), Data: t.TempDir(), Topics: topicsFile(t, topicsYAML)})
	admin := kadm.NewClient(client)
	topics, err := admin.ListTopics(t.Context())
	require.NoError(t, err)
	require.Len(t, topics["logs"].Partitions, 3)
	require.Eventually(t, func() bool { // set right after the broker listens
		configs, err := admin.DescribeTopicConfigs(t.Context(), "logs")
		require.NoError(t, err)
		got := map[string]string{}
		for _, c := range configs[0].Configs {
			got[c.Key] = c.MaybeValue()
		}
		return got["retention.ms"] == "3600000" && got["max.message.bytes"] == "2000000"
	}, time.Minute, 10*time.Millisecond)
}

func TestMessagesOutliveTheBroker(t *testing.T) {
	t.Parallel()
	cfg := Config{Listen: ports.Address(t), Data: t.TempDir(), Topics: topicsFile(t, topicsYAML)}
	client, stop := start(t, cfg)
	want := map[string]bool{}
	for i := range 100 {
		value := fmt.Sprintf("line %d", i)
		want[value] = true
		require.NoError(t, client.ProduceSync(t.Context(), &kgo.Record{Topic: "logs", Value: []byte(value)}).FirstErr())
	}
	stop()

	// A file that has grown meanwhile is followed.
	cfg.Topics = topicsFile(t, "topics:\n  - {name: logs, partitions: 5}\n  - {name: more, partitions: 1}\n")
	client, stop = start(t, cfg)
	got := map[string]bool{}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for len(got) < len(want) && ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) { got[string(r.Value)] = true })
	}
	assert.Equal(t, want, got)
	require.Eventually(t, func() bool {
		topics, err := kadm.NewClient(client).ListTopics(t.Context())
		require.NoError(t, err)
		return len(topics["logs"].Partitions) == 5 && len(topics["more"].Partitions) == 1
	}, time.Minute, 10*time.Millisecond)
	stop()

	// Fewer partitions would lose messages.
	cfg.Topics = topicsFile(t, topicsYAML)
	err := Run(t.Context(), cfg, slog.New(slog.DiscardHandler))
	assert.ErrorContains(t, err, cfg.Topics+`:2: topic "logs": keep its data`)
	assert.ErrorContains(t, err, "has 5 partitions")
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { taken.Close() })
	for name, c := range map[string]struct {
		listen, topics, want string
	}{
		"a bad file":   {"127.0.0.1:1", "topics: 1\n", "topics.yml:1: cannot unmarshal"},
		"no port":      {"127.0.0.1:0", topicsYAML, "the port must be a number above 0"},
		"no address":   {"localhost", topicsYAML, "missing port"},
		"a taken port": {taken.Addr().String(), topicsYAML, "address already in use"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := Run(t.Context(), Config{Listen: c.listen, Data: t.TempDir(), Topics: topicsFile(t, c.topics)}, slog.New(slog.DiscardHandler))
			assert.ErrorContains(t, err, c.want)
		})
	}
}
