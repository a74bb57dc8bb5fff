package logs_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"obsandbox/sandbox/internal/platform/logs"
	"obsandbox/sandbox/internal/platform/traces"
	"obsandbox/sandbox/internal/platform/world"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

// faults are broken things, as "fault service".
type faults []string

func (f faults) Broken(fault, service string) bool { return slices.Contains(f, fault+" "+service) }

func span(name string, host world.Host, change ...func(*traces.Span)) traces.Span {
	s := traces.Span{Name: name, Host: host, ID: [8]byte{1, 2, 3, 4, 5, 6, 7, byte(len(name))}, Start: now.Add(-125500 * time.Microsecond), End: now}
	for _, c := range change {
		c(&s)
	}
	return s
}

func story(change ...func(*traces.Span)) traces.Story {
	collector := world.Host{Name: "shipping-collector-x-y", Service: "shipping-collector", Pod: &world.Pod{Name: "shipping-collector-x-y", IP: "10.244.1.4", Node: "worker-2"}}
	return traces.Story{
		ID: [16]byte{0x0a, 15: 1}, Event: world.Event{ID: "evt-1", Type: "shipment.updated", Carrier: "fedex", Tracking: "ABC123456789"},
		Spans: []traces.Span{span("collect", collector, change...), span("process_event", world.Host{Name: "flink-taskmanager-1", Service: "flink"})},
	}
}

// fields are the members of a line that is JSON; nil for one that is not.
func fields(line logs.Line) map[string]any {
	var m map[string]any
	if json.Unmarshal([]byte(line.Text), &m) != nil {
		return nil
	}
	return m
}

// usual writes a story until its lines are as they should be.
func usual(t *testing.T, f faults, s traces.Story) []logs.Line {
	t.Helper()
	w := logs.NewWriter(f, 1)
	for range 100 {
		lines := w.Lines(s)
		if !slices.ContainsFunc(lines, func(l logs.Line) bool {
			return fields(l) == nil || fields(l)["layer"] == nil || fields(l)["service"] == "legacy-importer"
		}) {
			return lines
		}
	}
	t.Fatal("a hundred stories, each with an odd line")
	return nil
}

func TestStandardLines(t *testing.T) {
	t.Parallel()
	lines := usual(t, nil, story())
	require.Len(t, lines, 2)
	require.Equal(t, "shipping-collector", lines[0].Service)
	require.JSONEq(t, `{"timestamp":"2026-03-01T12:00:00.123Z","level":"INFO","service":"shipping-collector","layer":"collection",
		"trace_id":"0a000000000000000000000000000001","span_id":"0102030405060707","message":"Received shipment.updated from fedex",
		"event_id":"evt-1","processing_time_ms":125.5,"metadata":{"tracking_id":"ABC123456789","carrier":"fedex"},
		"kubernetes":{"pod":{"name":"shipping-collector-x-y","ip":"10.244.1.4"},"namespace":"data-ingestion","node":{"name":"worker-2"}}}`, lines[0].Text)
	require.JSONEq(t, `{"timestamp":"2026-03-01T12:00:00.123Z","level":"INFO","service":"flink","layer":"processing",
		"trace_id":"0a000000000000000000000000000001","span_id":"010203040506070d","message":"Event processed successfully",
		"event_id":"evt-1","processing_time_ms":125.5,"metadata":{"tracking_id":"ABC123456789","carrier":"fedex"},
		"kubernetes":{"pod":{"name":"flink-taskmanager-1"},"namespace":"data-ingestion","node":{"name":"worker-1"}}}`, lines[1].Text)
}

func TestErrors(t *testing.T) {
	t.Parallel()
	w := logs.NewWriter(faults{}, 1)
	withTrace := 0
	for range 200 {
		m := fields(w.Lines(story(func(s *traces.Span) { s.Error = "partner API did not answer" }))[0])
		if m == nil || m["service"] != "shipping-collector" {
			continue
		}
		require.Equal(t, "ERROR", m["level"])
		message := m["message"].(string)
		require.True(t, strings.HasPrefix(message, "collect of event evt-1 failed: partner API did not answer"), message)
		if strings.Contains(message, "\n\tat com.example.ingestion.Collect.run(Collect.java:") {
			withTrace++
		}
	}
	require.InDelta(t, 100, withTrace, 40, "every other error has a stack trace")
}

// In many lines there are all the odd ones, and they are few.
func TestOddLines(t *testing.T) {
	t.Parallel()
	w := logs.NewWriter(faults{}, 1)
	seen := map[string]int{}
	const n = 20_000
	for range n / 2 {
		for _, l := range w.Lines(story()) {
			m := fields(l)
			switch {
			case m == nil && strings.HasPrefix(l.Text, "{"):
				seen["cut off"]++
			case m == nil:
				seen["plain"]++
			case m["service"] == nil:
				seen["no service"]++
			case m["service"] == "legacy-importer":
				require.Equal(t, "legacy-importer", l.Service)
				require.Nil(t, m["layer"])
				seen["unknown service"]++
			case m["layer"] == nil:
				seen["no layer"]++
			default:
				seen["standard"]++
			}
			require.NotEmpty(t, l.Text)
			require.NotEmpty(t, l.Service)
		}
	}
	require.Equal(t, n, seen["cut off"]+seen["plain"]+seen["no service"]+seen["unknown service"]+seen["no layer"]+seen["standard"])
	for kind, share := range map[string]float64{"cut off": 0.004, "plain": 0.006, "no service": 0.002, "unknown service": 0.003, "no layer": 0.005, "standard": 0.98} {
		require.InEpsilon(t, share, float64(seen[kind])/n, 0.4, kind)
	}
	require.InDelta(t, 0.98, float64(seen["standard"])/n, 0.005)
}

func TestEqualSeedsWriteEqualLines(t *testing.T) {
	t.Parallel()
	one, two, other := logs.NewWriter(faults{}, 5), logs.NewWriter(faults{}, 5), logs.NewWriter(faults{}, 6)
	differ := false
	for range 500 {
		a, b, c := one.Lines(story()), two.Lines(story()), other.Lines(story())
		require.Equal(t, a, b)
		differ = differ || !slices.Equal(a, c)
	}
	require.True(t, differ)
}

func TestFaults(t *testing.T) {
	t.Parallel()
	t.Run("clock-skew", func(t *testing.T) {
		t.Parallel()
		lines := usual(t, faults{"clock-skew flink"}, story())
		require.Equal(t, "2026-03-01T12:00:00.123Z", fields(lines[0])["timestamp"])
		require.Equal(t, "2026-03-01T11:50:00.123Z", fields(lines[1])["timestamp"])
	})
	t.Run("log-flood", func(t *testing.T) {
		t.Parallel()
		lines := logs.NewWriter(faults{"log-flood flink"}, 1).Lines(story())
		require.Len(t, lines, 1+50)
		require.Equal(t, "retrying process_event, attempt 49", fields(lines[50])["message"])
	})
	t.Run("malformed-logs", func(t *testing.T) {
		t.Parallel()
		w, broken := logs.NewWriter(faults{"malformed-logs flink"}, 1), map[string]int{}
		for range 3000 {
			for _, l := range w.Lines(story()) {
				if fields(l) == nil {
					broken[l.Service]++
				}
			}
		}
		require.InDelta(t, 1000, broken["flink"], 120)
		require.Less(t, broken["shipping-collector"], 90)
	})
}

func consume(t *testing.T, broker string, n int) []*kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(logs.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	require.NoError(t, err)
	defer client.Close()
	var all []*kgo.Record
	for len(all) < n {
		fetches := client.PollFetches(t.Context())
		require.NoError(t, fetches.Err())
		all = append(all, fetches.Records()...)
	}
	return all
}

func TestProducer(t *testing.T) {
	t.Parallel()
	kafka := kfake.MustCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, logs.Topic))
	t.Cleanup(kafka.Close)
	p, err := logs.NewProducer(kafka.ListenAddrs()[0], slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	for i := range 300 {
		p.Send(t.Context(), logs.Line{Service: []string{"flink", "query-api"}[i%2], Text: fmt.Sprint(i)})
	}
	require.NoError(t, p.Close(t.Context()), "closing sends what is queued")
	sent, lost := p.Counts()
	require.EqualValues(t, 300, sent)
	require.Zero(t, lost)
	last, partition := map[string]int{}, map[string]int32{}
	for _, r := range consume(t, kafka.ListenAddrs()[0], 300) {
		var i int
		_, err := fmt.Sscan(string(r.Value), &i)
		require.NoError(t, err)
		service := string(r.Key)
		if was, ok := last[service]; ok {
			require.Equal(t, was+2, i, "a service's lines keep their order")
			require.Equal(t, partition[service], r.Partition)
		}
		last[service], partition[service] = i, r.Partition
	}
}

// Kafka comes late: lines wait for it.
func TestProducerWaitsForKafka(t *testing.T) {
	t.Parallel()
	first := kfake.MustCluster(kfake.NumBrokers(1))
	broker := first.ListenAddrs()[0]
	var port int
	_, err := fmt.Sscanf(broker, "127.0.0.1:%d", &port)
	require.NoError(t, err)
	first.Close()
	p, err := logs.NewProducer(broker, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	p.Send(t.Context(), logs.Line{Service: "flink", Text: "early"})
	kafka, err := kfake.NewCluster(kfake.Ports(port), kfake.NumBrokers(1))
	require.NoError(t, err)
	t.Cleanup(kafka.Close)
	require.Never(t, func() bool { sent, _ := p.Counts(); return sent > 0 }, 300*time.Millisecond, 50*time.Millisecond, "there is no topic yet")
	client, err := kgo.NewClient(kgo.SeedBrokers(broker))
	require.NoError(t, err)
	defer client.Close()
	createTopic(t, client)
	require.Eventually(t, func() bool { sent, _ := p.Counts(); return sent == 1 }, time.Minute, 20*time.Millisecond)
	require.Equal(t, "early", string(consume(t, broker, 1)[0].Value))
	require.NoError(t, p.Close(t.Context()))
}

// Without Kafka nothing blocks: what there is no room for is dropped and counted, with one warning.
func TestProducerWithoutKafka(t *testing.T) {
	t.Parallel()
	kafka := kfake.MustCluster(kfake.NumBrokers(1))
	broker := kafka.ListenAddrs()[0]
	kafka.Close()
	var text safeText
	p, err := logs.NewProducer(broker, slog.New(slog.NewTextHandler(&text, nil)))
	require.NoError(t, err)
	for range 20_500 {
		p.Send(t.Context(), logs.Line{Service: "flink", Text: "x"})
	}
	require.Eventually(t, func() bool { _, lost := p.Counts(); return lost == 500 }, time.Minute, 5*time.Millisecond)
	require.Equal(t, 1, strings.Count(text.String(), "log lines do not arrive"))
	ctx, cancel := withTimeout(t, 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	require.ErrorContains(t, p.Close(ctx), "20000 log lines did not reach Kafka in time")
	require.Less(t, time.Since(began), 5*time.Second)
}
