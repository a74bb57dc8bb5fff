package logs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Topic is where the services' log lines go.
const Topic = "application-logs"

const (
	// buffered is the number of lines that wait for Kafka; what comes in when as many wait is dropped, as a log shipper
	// with a full buffer does.
	buffered = 20_000
	// complainEvery is the time between two warnings that lines do not arrive.
	complainEvery = 30 * time.Second
)

// Producer sends lines to Kafka. While Kafka is not there it tries again, less and less often, and keeps the newest
// lines it has room for.
type Producer struct {
	client *kgo.Client
	log    *slog.Logger

	mu         sync.Mutex
	sent, lost uint64
	complained time.Time
}

// NewProducer makes a Producer for a broker's "host:port". It does not connect.
func NewProducer(broker string, log *slog.Logger) (*Producer, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(broker), kgo.ClientID("platform"), kgo.DefaultProduceTopic(Topic),
		kgo.ProducerLinger(20*time.Millisecond), kgo.MaxBufferedRecords(buffered),
		// The topic comes with the broker, which may come after us.
		kgo.UnknownTopicRetries(-1),
		kgo.RetryBackoffFn(func(tries int) time.Duration { return min(time.Duration(tries)*100*time.Millisecond, 2*time.Second) }),
	)
	if err != nil {
		return nil, fmt.Errorf("produce log lines to %s: %w", broker, err)
	}
	return &Producer{client: client, log: log}, nil
}

// Send queues a line; it never waits.
func (p *Producer) Send(ctx context.Context, l Line) {
	p.client.TryProduce(ctx, &kgo.Record{Key: []byte(l.Service), Value: []byte(l.Text)}, p.done)
}

func (p *Producer) done(_ *kgo.Record, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.sent++
		return
	}
	p.lost++
	if errors.Is(err, kgo.ErrClientClosed) || time.Since(p.complained) < complainEvery {
		return
	}
	p.complained = time.Now()
	p.log.Warn("log lines do not arrive", "topic", Topic, "lost", p.lost, "error", err)
}

// Counts are the lines that Kafka has acknowledged, and those that were dropped.
func (p *Producer) Counts() (sent, lost uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent, p.lost
}

// Close sends what is queued; ctx limits how long. What is left then is lost.
func (p *Producer) Close(ctx context.Context) error {
	err := p.client.Flush(ctx)
	left := p.client.BufferedProduceRecords()
	p.client.Close()
	if err != nil && left > 0 {
		return fmt.Errorf("%d log lines did not reach Kafka in time: %w", left, err)
	}
	return nil
}
