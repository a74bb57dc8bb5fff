package logstash

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"obsandbox/sandbox/internal/logstash/event"
)

// kafkaInput reads topics as a member of a consumer group. An offset is committed only when the outputs have every
// event up to it: after a crash events come again, none is lost.
type kafkaInput struct {
	opts     []kgo.Opt
	group    string
	codec    codecMaker
	decorate string
	maxPoll  int
	log      *slog.Logger
	deco     inputDecorator
	// reads says whether the input reads a topic.
	reads func(topic string) bool
	// commitEvery is how often finished offsets are committed.
	commitEvery time.Duration
}

func newKafkaInput(b *build) (input, error) {
	in := &kafkaInput{
		codec:       b.codec("plain"),
		group:       b.str("group_id", "logstash"),
		decorate:    b.oneOf("decorate_events", "none", "none", "basic", "extended", "true", "false"),
		maxPoll:     b.integer("max_poll_records", 500),
		commitEvery: time.Duration(b.integer("auto_commit_interval_ms", 5000)) * time.Millisecond,
		log:         b.log,
		deco:        b.inputDecorator(),
	}
	servers := strings.Split(b.str("bootstrap_servers", "localhost:9092"), ",")
	for i := range servers {
		servers[i] = strings.TrimSpace(servers[i])
	}
	topics := b.list("topics", "logstash")
	pattern := b.str("topics_pattern", "")
	in.reads = func(topic string) bool { return slices.Contains(topics, topic) }
	if pattern != "" {
		re, err := regexp.Compile(pattern)
		if err != nil {
			b.fail("topics_pattern", "%v", err)
		} else {
			in.reads = re.MatchString
		}
		topics = []string{pattern}
	}
	if len(topics) == 0 {
		b.fail("topics", "name at least one topic")
	}
	offset := kgo.NewOffset().AtEnd()
	switch b.oneOf("auto_offset_reset", "latest", "earliest", "latest", "none") {
	case "earliest":
		offset = kgo.NewOffset().AtStart()
	case "none":
		offset = kgo.NoResetOffset()
	}
	ms := func(name string, def int) time.Duration {
		return time.Duration(b.integer(name, def)) * time.Millisecond
	}
	in.opts = []kgo.Opt{
		kgo.SeedBrokers(servers...),
		kgo.ConsumerGroup(in.group),
		kgo.ConsumeTopics(topics...),
		kgo.ConsumeResetOffset(offset),
		kgo.ClientID(b.str("client_id", "logstash")),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.SessionTimeout(ms("session_timeout_ms", 10000)),
		kgo.HeartbeatInterval(ms("heartbeat_interval_ms", 3000)),
		kgo.FetchMaxWait(ms("fetch_max_wait_ms", 500)),
		kgo.FetchMinBytes(int32(b.integer("fetch_min_bytes", 1))),
		kgo.FetchMaxBytes(int32(b.integer("fetch_max_bytes", 52428800))),
		kgo.FetchMaxPartitionBytes(int32(b.integer("max_partition_fetch_bytes", 1048576))),
	}
	if pattern != "" {
		in.opts = append(in.opts, kgo.ConsumeRegex())
	}
	if id := b.str("group_instance_id", ""); id != "" {
		in.opts = append(in.opts, kgo.InstanceID(id))
	}
	if b.oneOf("isolation_level", "read_uncommitted", "read_uncommitted", "read_committed") == "read_committed" {
		in.opts = append(in.opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	if p := b.str("security_protocol", "PLAINTEXT"); p != "PLAINTEXT" {
		b.fail("security_protocol", "%q is not supported, only PLAINTEXT is", p)
	}
	// Kafka waits this long for the members of a group that is shared out anew, those that died meanwhile among them.
	if b.find("max_poll_interval_ms") != nil {
		in.opts = append(in.opts, kgo.RebalanceTimeout(ms("max_poll_interval_ms", 0)))
	}
	b.ignore("consumer_threads", "enable_auto_commit", "max_poll_interval_ms", "poll_timeout_ms")
	return in, b.done()
}

func (in *kafkaInput) run(ctx context.Context, q *queue) error {
	acks := &acknowledgements{partitions: map[partition]*ackLine[*kgo.Record]{}}
	opts := append(in.opts,
		kgo.OnPartitionsRevoked(func(ctx context.Context, cl *kgo.Client, gone map[string][]int32) {
			in.commit(ctx, cl, acks)
			acks.forget(gone)
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, gone map[string][]int32) { acks.forget(gone) }),
	)
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return fmt.Errorf("kafka input: %w", err)
	}
	defer in.leave(ctx, cl, acks)
	var committing sync.WaitGroup
	defer committing.Wait()
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	committing.Go(func() {
		ticker := time.NewTicker(min(in.commitEvery, time.Second))
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				in.commit(stop, cl, acks)
			case <-stop.Done():
				return
			}
		}
	})
	codec := in.codec()
	for {
		fetches := cl.PollRecords(ctx, in.maxPoll)
		if ctx.Err() != nil {
			cl.AllowRebalance()
			return nil
		}
		fetches.EachError(func(topic string, p int32, err error) {
			if !errors.Is(err, context.Canceled) {
				in.log.Warn("kafka input: cannot fetch", "topic", topic, "partition", p, "error", err)
			}
		})
		var items []queued
		for it := fetches.RecordIter(); !it.Done(); {
			items = append(items, in.decode(it.Next(), codec, acks)...)
		}
		// From here on a partition may go to another member: its acknowledgements are forgotten then, and what is
		// still on its way is delivered twice rather than never.
		cl.AllowRebalance()
		for _, item := range items {
			if err := q.push(ctx, item.event, item.done); err != nil {
				return nil
			}
		}
	}
}

// leave commits what is delivered by then and leaves the group. It does not wait for a broker that is gone.
func (in *kafkaInput) leave(ctx context.Context, cl *kgo.Client, acks *acknowledgements) {
	waitFor(acks.waiting, drainTime/2)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime/2)
	defer cancel()
	in.commit(ctx, cl, acks)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = cl.LeaveGroupContext(ctx)
		cl.CloseAllowingRebalance()
	}()
	select {
	case <-closed:
	case <-ctx.Done():
	}
}

func (in *kafkaInput) decode(r *kgo.Record, c codec, acks *acknowledgements) []queued {
	var items []queued
	value := r.Value
	if !utf8.Valid(value) {
		value = []byte(javaText(value))
	}
	err := c.decode(value, func(e *event.Event) {
		in.deco.decorate(e)
		in.metadata(e, r)
		items = append(items, queued{event: e})
	})
	if err != nil {
		in.log.Warn("kafka input: cannot decode a record", "topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "error", err)
	}
	done := acks.expect(r, len(items))
	for i := range items {
		items[i].done = done
	}
	return items
}

func (in *kafkaInput) metadata(e *event.Event, r *kgo.Record) {
	if in.decorate == "none" || in.decorate == "false" {
		return
	}
	var key any
	if r.Key != nil {
		key = javaText(r.Key)
	}
	meta := map[string]any{
		"topic": r.Topic, "consumer_group": in.group, "partition": int64(r.Partition), "offset": r.Offset,
		"key": key, "timestamp": r.Timestamp.UnixMilli(),
	}
	if in.decorate == "extended" {
		headers := map[string]any{}
		for _, h := range r.Headers {
			headers[h.Key] = javaText(h.Value)
		}
		meta["headers"] = headers
	}
	_ = e.Set(kafkaMetaRef, meta)
}

var kafkaMetaRef = event.MustRef("[@metadata][kafka]")

func (in *kafkaInput) commit(ctx context.Context, cl *kgo.Client, acks *acknowledgements) {
	offsets := acks.finished()
	if len(offsets) == 0 {
		return
	}
	if err := cl.CommitRecords(ctx, offsets...); err != nil && ctx.Err() == nil {
		in.log.Warn("kafka input: cannot commit offsets, they are committed again later", "error", err)
		acks.again(offsets)
	}
}

type partition struct {
	topic string
	id    int32
}

// acknowledgements keeps the records of each partition until their events are delivered.
type acknowledgements struct {
	mu         sync.Mutex
	partitions map[partition]*ackLine[*kgo.Record]
}

// expect notes a record of n events and returns what each of them calls when it is delivered.
func (a *acknowledgements) expect(r *kgo.Record, n int) func() {
	key := partition{r.Topic, r.Partition}
	a.mu.Lock()
	line := a.partitions[key]
	if line == nil {
		line = &ackLine[*kgo.Record]{}
		a.partitions[key] = line
	}
	a.mu.Unlock()
	// Only the coordinates are kept: the value may be large.
	return line.expect(&kgo.Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, LeaderEpoch: r.LeaderEpoch}, n)
}

// finished takes the records whose offsets can be committed.
func (a *acknowledgements) finished() []*kgo.Record {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []*kgo.Record
	for _, line := range a.partitions {
		if r, ok := line.take(); ok {
			out = append(out, r)
		}
	}
	return out
}

func (a *acknowledgements) waiting() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, line := range a.partitions {
		n += line.waiting()
	}
	return n
}

// again puts back records that could not be committed.
func (a *acknowledgements) again(records []*kgo.Record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range records {
		if line := a.partitions[partition{r.Topic, r.Partition}]; line != nil {
			line.putBack(r)
		}
	}
}

// forget drops partitions that another member of the group has now: their events come again there.
func (a *acknowledgements) forget(gone map[string][]int32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for topic, ids := range gone {
		for _, id := range ids {
			delete(a.partitions, partition{topic, id})
		}
	}
}
