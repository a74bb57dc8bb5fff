package logstash

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/logstash/event"
)

// standardLine is a line of the log standard, with all its fields.
const standardLine = `{"timestamp":"2024-01-15T10:30:00.123Z","level":"INFO","service":"shipping-collector","layer":"collection","trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331","message":"Event processed successfully","event_id":"evt-12345","processing_time_ms":125,"metadata":{"tracking_id":"ABC123456789","carrier":"fedex"},"kubernetes":{"namespace":"data-ingestion","pod":{"name":"shipping-collector-7d4b9c6f5-x2x9z","ip":"10.244.1.7"},"node":{"name":"node-1"}}}`

// lineEvents are events as the Kafka input makes them of a line.
func lineEvents(n int, line string) []*event.Event {
	p := &plain{text: utf8Text, ecs: true, now: time.Now}
	out := make([]*event.Event, 0, n)
	for i := range n {
		_ = p.decode([]byte(line), func(e *event.Event) {
			_ = e.Set(kafkaMetaRef, map[string]any{"topic": "application-logs", "partition": int64(0), "offset": int64(i), "timestamp": int64(1705314600123), "key": nil, "consumer_group": "g"})
			out = append(out, e)
		})
	}
	return out
}

// BenchmarkOurPipeline is the filters of our pipeline, one event after the other on one core, and the document made of
// it for the bulk request.
func BenchmarkOurPipeline(b *testing.B) {
	for name, line := range map[string]string{"standard": standardLine, "unstructured": "2024-01-15 10:30:00,123 WARN  [storage-router] slow write to timescaledb"} {
		b.Run(name, func(b *testing.B) {
			p, err := Compile(filepath.Join(stackDir, "pipeline", "logstash.conf"))
			require.NoError(b, err)
			var out *elasticsearchOutput
			eachOutput(p.outputs, func(n *outputNode) { out = n.output.(*elasticsearchOutput) })
			b.ReportAllocs()
			start := time.Now()
			size := 0
			for n := 0; n < b.N; n += 500 {
				for _, e := range p.Filter(lineEvents(min(500, b.N-n), line)) {
					size += len(out.actionOf(e).body)
				}
			}
			require.NotZero(b, size)
			b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "events/s")
		})
	}
}
