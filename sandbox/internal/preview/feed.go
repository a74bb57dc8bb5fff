package preview

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// perRequest is how many series are sent at once, sentAtOnce how much of their time: a Prometheus takes samples that are
// up to an hour older than its newest.
const (
	perRequest = 2000
	sentAtOnce = 10 * time.Minute
)

// feed gives the scene's series to a Prometheus that receives remote write, and its log lines to an Elasticsearch, as if
// all had been shift later.
func (sc *Scene) feed(ctx context.Context, g Grafana, shift time.Duration) error {
	all, err := sc.series(ctx, shift)
	if err != nil {
		return err
	}
	for from := now().Add(shift - shown - before); from.Before(now().Add(shift)); from = from.Add(sentAtOnce) {
		if err := write(ctx, g.Prometheus, all, from.UnixMilli(), from.Add(sentAtOnce).UnixMilli()); err != nil {
			return err
		}
	}
	return sc.index(ctx, g.Elasticsearch, shift)
}

// series are all series of the scene.
func (sc *Scene) series(ctx context.Context, shift time.Duration) ([]prompb.TimeSeries, error) {
	q, err := sc.db.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	var all []prompb.TimeSeries
	found := q.Select(ctx, false, nil, labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, ".+"))
	var it chunkenc.Iterator
	for found.Next() {
		s := prompb.TimeSeries{Labels: prompb.FromLabels(found.At().Labels(), nil)}
		it = found.At().Iterator(it)
		for it.Next() == chunkenc.ValFloat {
			t, v := it.At()
			s.Samples = append(s.Samples, prompb.Sample{Timestamp: t + shift.Milliseconds(), Value: v})
		}
		if err := it.Err(); err != nil {
			return nil, errors.Join(err, q.Close())
		}
		all = append(all, s)
	}
	return all, errors.Join(found.Err(), q.Close())
}

// write sends what the series have after from and until to.
func write(ctx context.Context, prometheus string, all []prompb.TimeSeries, from, to int64) error {
	for len(all) > 0 {
		some := all[:min(perRequest, len(all))]
		all = all[len(some):]
		req := &prompb.WriteRequest{}
		for _, s := range some {
			part := prompb.TimeSeries{Labels: s.Labels}
			for _, sample := range s.Samples {
				if sample.Timestamp > from && sample.Timestamp <= to {
					part.Samples = append(part.Samples, sample)
				}
			}
			if len(part.Samples) > 0 {
				req.Timeseries = append(req.Timeseries, part)
			}
		}
		body, err := req.Marshal()
		if err != nil {
			return fmt.Errorf("write series: %w", err)
		}
		_, err = ask(ctx, http.MethodPost, prometheus+"/api/v1/write", snappy.Encode(nil, body), http.Header{
			"Content-Encoding": {"snappy"}, "Content-Type": {"application/x-protobuf"}, "X-Prometheus-Remote-Write-Version": {"0.1.0"},
		})
		if err != nil {
			return fmt.Errorf("write series: %w", err)
		}
	}
	return nil
}

// index writes the log lines, each to the index that Logstash would choose.
func (sc *Scene) index(ctx context.Context, elasticsearch string, shift time.Duration) error {
	var bulk bytes.Buffer
	enc := json.NewEncoder(&bulk)
	for _, l := range sc.lines {
		doc := map[string]any{}
		for key, value := range l.source {
			doc[key] = value
		}
		at := l.at.Add(shift).UTC()
		stamp := at.Format("2006-01-02T15:04:05.000Z")
		doc["@timestamp"], doc["timestamp"] = stamp, stamp
		layer, _ := doc["layer"].(string)
		action := map[string]any{"index": map[string]any{"_index": "logs-" + cmp.Or(layer, "unknown") + "-" + at.Format("2006.01.02")}}
		if err := errors.Join(enc.Encode(action), enc.Encode(doc)); err != nil {
			return fmt.Errorf("write log lines: %w", err)
		}
	}
	data, err := ask(ctx, http.MethodPost, elasticsearch+"/_bulk?refresh=true&filter_path=errors,items.*.error", bulk.Bytes(), http.Header{"Content-Type": {"application/x-ndjson"}})
	if err != nil {
		return fmt.Errorf("write log lines: %w", err)
	}
	var answer struct {
		Errors bool
		Items  []map[string]any
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return fmt.Errorf("write log lines: %w", err)
	}
	if answer.Errors && len(answer.Items) > 0 {
		return fmt.Errorf("write log lines: %d are refused, the first: %v", len(answer.Items), answer.Items[0])
	}
	return nil
}
