package delivery

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

// standard is a line of the log standard with all its fields, as our collectors write it.
func standard(i int, id string, at time.Time) []byte {
	return fmt.Appendf(nil, `{"timestamp":%q,"level":"INFO","service":"shipping-collector","layer":"collection","trace_id":"0af7651916cd43dd8448eb21%08x","span_id":"b7ad6b71%08x","message":"Event processed successfully","event_id":%q,"processing_time_ms":%d,"metadata":{"tracking_id":"ABC%09d","carrier":"fedex"},"kubernetes":{"namespace":"data-ingestion","pod":{"name":"shipping-collector-7d4b9c6f5-x2x9z","ip":"10.244.1.7"},"node":{"name":"node-1"}}}`,
		at.UTC().Format("2006-01-02T15:04:05.000Z"), i, i, id, i%500, i)
}

func client(b *testing.B, broker string) *kgo.Client {
	b.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ProducerLinger(5*time.Millisecond))
	require.NoError(b, err)
	b.Cleanup(c.Close)
	return c
}

// BenchmarkThroughput is the way from Kafka through our whole pipeline into the log store, a process each: how many
// events a second are searchable when as many as possible wait, and what processor time one takes in all three, which is
// the figure to look at where the machine has other work.
func BenchmarkThroughput(b *testing.B) {
	const events = 200_000
	for b.Loop() {
		b.StopTimer()
		all := components(b, filepath.Join(stackDir, "logstash"))
		kafka := client(b, all[0].addr)
		for i := range events {
			kafka.Produce(b.Context(), &kgo.Record{Topic: "application-logs", Value: standard(i, eventID(i), time.Now())}, nil)
		}
		require.NoError(b, kafka.Flush(b.Context()))
		b.StartTimer()
		start := time.Now()
		all[2].start(b)
		for count(all[1].addr) < events {
			require.Less(b, time.Since(start), 5*time.Minute)
			wait(b, 20*time.Millisecond)
		}
		b.ReportMetric(events/time.Since(start).Seconds(), "events/s")
		b.StopTimer()
		var spent time.Duration
		for _, c := range all {
			c.kill()
			spent += c.process.ProcessState.UserTime() + c.process.ProcessState.SystemTime()
		}
		b.ReportMetric(float64(spent.Microseconds())/events, "cpu-µs/event")
		b.StartTimer()
	}
}

// BenchmarkFreshness is how long an event takes from Kafka until a search finds it, while others arrive at a steady
// rate: that of the target, and half of it, which is what the platform promises.
func BenchmarkFreshness(b *testing.B) {
	for _, rate := range []int{10_000, 20_000} {
		b.Run(fmt.Sprintf("%d-events-per-second", rate), func(b *testing.B) {
			const lasts, probes = 10 * time.Second, 20
			for b.Loop() {
				all := components(b, filepath.Join(stackDir, "logstash"))
				all[2].start(b)
				kafka := client(b, all[0].addr)
				delays := make(chan time.Duration, probes)
				start, sent := time.Now(), 0
				for probe := 0; time.Since(start) < lasts; wait(b, 5*time.Millisecond) {
					for ; sent < int(time.Since(start).Seconds()*float64(rate)); sent++ {
						kafka.Produce(b.Context(), &kgo.Record{Topic: "application-logs", Value: standard(sent, eventID(sent), time.Now())}, nil)
					}
					if due := time.Duration(probe+1) * lasts / (probes + 1); time.Since(start) > due {
						id := fmt.Sprintf("probe-%d", probe)
						probe++
						go func() { delays <- searchable(b, kafka, all[1].addr, id) }()
					}
				}
				var all20 []time.Duration
				for range probes {
					all20 = append(all20, <-delays)
				}
				require.NoError(b, kafka.Flush(b.Context()))
				b.ReportMetric(float64(slices.Max(all20).Milliseconds()), "ms-until-searchable-at-most")
				b.ReportMetric(float64(sent)/lasts.Seconds(), "events/s")
				for _, c := range all {
					c.kill()
				}
			}
		})
	}
}

// searchable is how long an event takes until a search finds it.
func searchable(b *testing.B, kafka *kgo.Client, store, id string) time.Duration {
	start := time.Now()
	kafka.Produce(b.Context(), &kgo.Record{Topic: "application-logs", Value: standard(0, id, start)}, nil)
	for time.Since(start) < time.Minute {
		var answer struct{ Count int }
		if ask(store, "/logs-*/_count", `{"query":{"term":{"event_id":"`+id+`"}}}`, &answer) && answer.Count == 1 {
			break
		}
		wait(b, 10*time.Millisecond)
	}
	return time.Since(start)
}
