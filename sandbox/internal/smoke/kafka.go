package smoke

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"obsandbox/sandbox/internal/stack"
)

const (
	// logTopic is where the platform writes its log lines, and logGroup who reads them.
	logTopic = "application-logs"
	logGroup = "logstash-consumer"
	// maxLag is how far Logstash may be behind: some seconds of what the platform writes, less than a person notices.
	maxLag = 1000
)

// broker is the run's one Kafka client, made when it is first needed.
type broker struct {
	once   sync.Once
	client *kgo.Client
	err    error
}

func (e *env) kafka() (*kgo.Client, error) {
	e.broker.once.Do(func() {
		e.broker.client, e.broker.err = kgo.NewClient(
			kgo.SeedBrokers(e.addr.Of("kafka", "broker")),
			kgo.ClientID("sandbox-smoke"),
			// The lines of a run stay in the order they are sent.
			kgo.RecordPartitioner(kgo.ManualPartitioner()),
			kgo.MetadataMinAge(100*time.Millisecond),
		)
	})
	return e.broker.client, e.broker.err
}

func (b *broker) close() {
	b.once.Do(func() {})
	if b.client != nil {
		b.client.Close()
	}
}

func loadTopics(s *stack.Stack) (string, []stack.Topic, error) {
	file, err := configFile(s, "kafka")
	if err != nil {
		return "", nil, err
	}
	topics, err := stack.LoadTopics(file)
	return file, topics, err
}

// kafkaChecks: the broker, its topics, and that what goes in is what comes out.
func kafkaChecks(e *env) []*check {
	needs := []string{"kafka"}
	all := []*check{{
		name: "kafka answers", needs: needs,
		assert: func(ctx context.Context) (string, error) {
			client, err := e.kafka()
			if err != nil {
				return "", err
			}
			meta, err := kadm.NewClient(client).BrokerMetadata(ctx)
			if err != nil {
				return "", fmt.Errorf("ask kafka at %s for its metadata: %w", e.addr.Of("kafka", "broker"), err)
			}
			if len(meta.Brokers) == 0 {
				return "", &mismatch{"at least one broker", "none", "the log of kafka"}
			}
			return fmt.Sprintf("%d brokers", len(meta.Brokers)), nil
		},
	}}
	file, topics, err := loadTopics(e.stack)
	if err != nil {
		all = append(all, broken("kafka: which topics to expect is known", file, err))
	}
	for _, t := range topics {
		all = append(all, &check{
			name: "kafka has topic " + t.Name + " as checked in", needs: needs, file: file, line: t.Line,
			assert: func(ctx context.Context) (string, error) { return e.topicAsCheckedIn(ctx, t) },
		})
	}
	return append(all,
		&check{
			name: "kafka gives back a log line byte for byte", needs: needs,
			assert: e.lineComesBack,
		},
		&check{
			name: "logstash follows " + logTopic, needs: []string{"kafka", "logstash"}, file: e.pipelineFile(), line: lineWith(e.pipelineFile(), "group_id"),
			assert: e.groupFollows,
		})
}

func (e *env) topicAsCheckedIn(ctx context.Context, want stack.Topic) (string, error) {
	client, err := e.kafka()
	if err != nil {
		return "", err
	}
	admin := kadm.NewClient(client)
	topics, err := admin.ListTopics(ctx, want.Name)
	if err != nil {
		return "", fmt.Errorf("ask kafka for topic %s: %w", want.Name, err)
	}
	have := topics[want.Name]
	if have.Err != nil {
		return "", &mismatch{"topic " + want.Name, have.Err.Error(), "the log of kafka, and what creates topics"}
	}
	var faults []string
	if n := len(have.Partitions); n != want.Partitions {
		faults = append(faults, fmt.Sprintf("%d partitions, not %d", n, want.Partitions))
	}
	for id, p := range have.Partitions {
		if p.Leader < 0 {
			faults = append(faults, fmt.Sprintf("partition %d has no leader", id))
		}
	}
	configs, err := admin.DescribeTopicConfigs(ctx, want.Name)
	if err != nil {
		return "", fmt.Errorf("ask kafka for the configuration of topic %s: %w", want.Name, err)
	}
	config, err := configs.On(want.Name, nil)
	if err = errors.Join(err, config.Err); err != nil {
		return "", fmt.Errorf("ask kafka for the configuration of topic %s: %w", want.Name, err)
	}
	values := map[string]string{}
	for _, c := range config.Configs {
		values[c.Key] = c.MaybeValue()
	}
	for _, key := range slices.Sorted(maps.Keys(want.Config)) {
		if values[key] != want.Config[key] {
			faults = append(faults, fmt.Sprintf("%s is %q, not %q", key, values[key], want.Config[key]))
		}
	}
	if want.Name == logTopic {
		faults = append(faults, losesLines(values)...)
	}
	if len(faults) > 0 {
		return "", &mismatch{fmt.Sprintf("%d partitions, %v", want.Partitions, want.Config), strings.Join(faults, "; "), "the topic in the broker: kafka-configs.sh --describe"}
	}
	return fmt.Sprintf("%d partitions, retention.ms %s", want.Partitions, values["retention.ms"]), nil
}

// losesLines says why a topic's configuration would take log lines away before anybody has read them, or leave no place for
// new ones.
func losesLines(config map[string]string) []string {
	var faults []string
	if strings.Contains(config["cleanup.policy"], "compact") {
		faults = append(faults, "cleanup.policy "+config["cleanup.policy"]+" keeps the last line of each service alone")
	}
	if ms, err := strconv.ParseInt(config["retention.ms"], 10, 64); err == nil && ms >= 0 && ms < time.Hour.Milliseconds() {
		faults = append(faults, fmt.Sprintf("retention.ms %d is less than an hour: a log store that is away for longer loses lines", ms))
	}
	number := func(key string) int64 {
		n, err := strconv.ParseInt(config[key], 10, 64)
		if err != nil {
			return -1
		}
		return n
	}
	if bytes, most := number("retention.bytes"), number("max.message.bytes"); bytes >= 0 && bytes < max(most, 1<<20) {
		faults = append(faults, fmt.Sprintf("retention.bytes %d is less than the largest line: lines go before anybody has read them", bytes))
	}
	for _, key := range []string{"message.timestamp.before.max.ms", "message.timestamp.after.max.ms"} {
		if ms := number(key); ms >= 0 && ms < time.Minute.Milliseconds() {
			faults = append(faults, fmt.Sprintf("%s %d is less than a minute: the broker refuses lines of a clock that is a little wrong, or of a queue", key, ms))
		}
	}
	if config["retention.ms"] == "-1" && (config["retention.bytes"] == "" || config["retention.bytes"] == "-1") && !strings.Contains(config["cleanup.policy"], "compact") {
		faults = append(faults, "retention.ms -1 without retention.bytes keeps every line for ever, until the brokers' disks are full")
	}
	return faults
}

// lineComesBack reads the standard line from where the broker said it put it.
func (e *env) lineComesBack(ctx context.Context) (string, error) {
	if err := e.logs.wait(ctx); err != nil {
		return "", err
	}
	sent := e.logs.at(lineStandard)
	consumer, err := kgo.NewClient(
		kgo.SeedBrokers(e.addr.Of("kafka", "broker")), kgo.ClientID("sandbox-smoke"),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
			sent.Topic: {sent.Partition: kgo.NewOffset().At(sent.Offset)},
		}))
	if err != nil {
		return "", err
	}
	defer consumer.Close()
	where := fmt.Sprintf("%s, partition %d, offset %d", sent.Topic, sent.Partition, sent.Offset)
	fetches := consumer.PollRecords(ctx, 1)
	if err := fetches.Err(); err != nil {
		return "", fmt.Errorf("read %s: %w", where, err)
	}
	got := fetches.Records()[0]
	if got.Offset != sent.Offset || string(got.Value) != string(sent.Value) {
		return "", final(&mismatch{excerpt(sent.Value), fmt.Sprintf("offset %d: %s", got.Offset, excerpt(got.Value)), where})
	}
	return where, nil
}

func (e *env) groupFollows(ctx context.Context) (string, error) {
	client, err := e.kafka()
	if err != nil {
		return "", err
	}
	lags, err := kadm.NewClient(client).Lag(ctx, logGroup)
	if err != nil {
		return "", fmt.Errorf("ask kafka for the lag of group %s: %w", logGroup, err)
	}
	group := lags[logGroup]
	if err := group.Error(); err != nil {
		return "", fmt.Errorf("ask kafka for the lag of group %s: %w", logGroup, err)
	}
	total := group.Lag.Total()
	_, reads := group.Lag[logTopic]
	if group.State != "Stable" || len(group.Members) == 0 || !reads || total > maxLag {
		return "", &mismatch{
			fmt.Sprintf("group %s stable, with members, reading %s, at most %d lines behind", logGroup, logTopic, maxLag),
			fmt.Sprintf("state %q, %d members, reads it: %t, %d lines behind", group.State, len(group.Members), reads, total),
			"the log of logstash, and its input in logstash.conf",
		}
	}
	return fmt.Sprintf("%d lines behind", total), nil
}
