package elastic

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// logBulk is a bulk request of n documents in the log standard, numbered from first.
func logBulk(r *rand.Rand, first, n int) string {
	services := []string{"shipping-collector", "inventory-collector", "supplier-collector", "flink", "storage-router", "query-api"}
	levels := []string{"INFO", "INFO", "INFO", "INFO", "DEBUG", "WARN", "ERROR"}
	layers := []string{"collection", "collection", "collection", "processing", "storage", "storage"}
	var b strings.Builder
	for i := first; i < first+n; i++ {
		s := r.IntN(len(services))
		at := time.Date(2024, 1, 15, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * 80 * time.Millisecond).Format("2006-01-02T15:04:05.000Z")
		fmt.Fprintf(&b, `{"index":{"_index":"logs-%s-2024.01.15","_id":"application-logs-%d-%d"}}`+"\n", layers[s], i%6, i)
		fmt.Fprintf(&b, `{"@timestamp":%q,"timestamp":%q,"level":%q,"service":%q,"layer":%q,"trace_id":"%016x%016x","span_id":"%016x","message":"Event evt-%d processed in %d ms by worker %d","event_id":"evt-%d","processing_time_ms":%d,"metadata":{"tracking_id":"ABC%012d","carrier":"fedex"},"pod_name":"%s-7c9d8f6b5-x%03d","namespace":"data-ingestion"}`+"\n",
			at, at, levels[r.IntN(len(levels))], services[s], layers[s], r.Uint64(), r.Uint64(), r.Uint64(), i, r.IntN(900), r.IntN(8), i, r.IntN(900), i, services[s], r.IntN(9))
	}
	return b.String()
}

// BenchmarkStore fills a durable node with a million documents and asks for a filtered date histogram; it prints
// documents a second, bytes on disk and the time of the search.
func BenchmarkStore(b *testing.B) {
	const docs, perBulk, writers = 1_000_000, 2500, 4
	dir := b.TempDir()
	n := start(b, Config{Data: dir})
	n.ok("PUT", "/_ilm/policy/application-logs", readStack(b, "ilm-policy.json"))
	n.ok("PUT", "/_index_template/application-logs", readStack(b, "index-template.json"))
	// Requests are made beforehand: on two cores making them would be measured too.
	var bodies []string
	r := rand.New(rand.NewPCG(1, 2))
	for i := 0; i < docs; i += perBulk {
		bodies = append(bodies, logBulk(r, i, perBulk))
	}
	b.ResetTimer()
	begin := time.Now()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(bodies) {
					return
				}
				res, err := http.Post(n.url+"/_bulk?filter_path=errors,items.*.error,items.*.status", "application/x-ndjson", strings.NewReader(bodies[i]))
				if err != nil {
					b.Error(err)
					return
				}
				raw, _ := io.ReadAll(res.Body)
				res.Body.Close()
				if !strings.HasPrefix(string(raw), `{"errors":false`) {
					b.Errorf("%.300s", raw)
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(begin)
	b.ReportMetric(float64(docs)/took.Seconds(), "docs/s")
	require.Eventually(b, func() bool { return n.ok("GET", "/logs-*/_count", "")["count"] == float64(docs) }, time.Minute, 50*time.Millisecond)
	n.ok("POST", "/_flush", "")
	var size int64
	_ = filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			size += info.Size()
		}
		return nil
	})
	b.ReportMetric(float64(size)/1e6, "MB")
	query := `{"size":0,"query":{"bool":{"filter":[{"term":{"level":"ERROR"}}]}},"aggs":{"2":{"date_histogram":{"field":"@timestamp","fixed_interval":"10m","min_doc_count":0}}}}`
	all := strings.Replace(query, `"term":{"level":"ERROR"}`, `"exists":{"field":"level"}`, 1)
	for name, q := range map[string]string{"one-in-seven": query, "all": all} {
		best := time.Hour
		for range 5 {
			at := time.Now()
			n.ok("POST", "/logs-*/_search", q)
			best = min(best, time.Since(at))
		}
		b.ReportMetric(float64(best.Microseconds())/1000, "ms/histogram-"+name)
	}
}
