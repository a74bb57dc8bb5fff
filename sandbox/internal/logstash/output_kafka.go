package logstash

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"obsandbox/sandbox/internal/logstash/event"
)

// kafkaOutput writes events to a topic and waits for the broker's acknowledgement.
type kafkaOutput struct {
	codec      codecMaker
	topic, key *event.Template
	opts       []kgo.Opt
	log        *slog.Logger

	once   sync.Once
	client *kgo.Client
	err    error
}

func newKafkaOutput(b *build) (output, error) {
	b.required("topic_id")
	o := &kafkaOutput{codec: b.codec("plain"), topic: b.template("topic_id", "logstash"), key: b.template("message_key", ""), log: b.log}
	servers := strings.Split(b.str("bootstrap_servers", "localhost:9092"), ",")
	for i := range servers {
		servers[i] = strings.TrimSpace(servers[i])
	}
	o.opts = []kgo.Opt{
		kgo.SeedBrokers(servers...),
		kgo.ClientID(b.str("client_id", "logstash")),
		kgo.ProducerLinger(time.Duration(b.integer("linger_ms", 0)) * time.Millisecond),
		kgo.ProducerBatchMaxBytes(int32(b.integer("max_request_size", 1048576))),
	}
	switch b.oneOf("acks", "1", "0", "1", "all") {
	case "0":
		o.opts = append(o.opts, kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite())
	case "1":
		o.opts = append(o.opts, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	}
	switch b.oneOf("compression_type", "none", "none", "gzip", "snappy", "lz4", "zstd") {
	case "gzip":
		o.opts = append(o.opts, kgo.ProducerBatchCompression(kgo.GzipCompression()))
	case "snappy":
		o.opts = append(o.opts, kgo.ProducerBatchCompression(kgo.SnappyCompression()))
	case "lz4":
		o.opts = append(o.opts, kgo.ProducerBatchCompression(kgo.Lz4Compression()))
	case "zstd":
		o.opts = append(o.opts, kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	default:
		o.opts = append(o.opts, kgo.ProducerBatchCompression(kgo.NoCompression()))
	}
	if p := b.str("security_protocol", "PLAINTEXT"); p != "PLAINTEXT" {
		b.fail("security_protocol", "%q is not supported, only PLAINTEXT is", p)
	}
	b.outputCommon()
	return o, b.done()
}

func (o *kafkaOutput) send(ctx context.Context, events []*event.Event) error {
	o.once.Do(func() { o.client, o.err = kgo.NewClient(o.opts...) })
	if o.err != nil {
		return fmt.Errorf("kafka output: %w", o.err)
	}
	c := o.codec()
	records := make([]*kgo.Record, 0, len(events))
	for _, e := range events {
		value, err := c.encode(e)
		if err != nil {
			return err
		}
		r := &kgo.Record{Topic: o.topic.Fill(e), Value: value}
		if o.key != nil {
			r.Key = []byte(o.key.Fill(e))
		}
		records = append(records, r)
	}
	for wait := time.Second; len(records) > 0; wait = min(2*wait, 30*time.Second) {
		var again []*kgo.Record
		for _, result := range o.client.ProduceSync(ctx, records...) {
			if result.Err != nil {
				o.log.Warn("kafka output: a record is sent again", "topic", result.Record.Topic, "error", result.Err)
				again = append(again, result.Record)
			}
		}
		if records = again; len(records) == 0 {
			return nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (o *kafkaOutput) close() error {
	if o.client != nil {
		o.client.Close()
	}
	return nil
}
