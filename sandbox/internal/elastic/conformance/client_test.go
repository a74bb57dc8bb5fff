package conformance

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/elastic/go-elasticsearch/v9"
	"github.com/elastic/go-elasticsearch/v9/esutil"
	"github.com/stretchr/testify/require"
)

// TestGoElasticsearch writes with the official client's bulk helper, from several workers, and searches with its typed
// API.
func TestGoElasticsearch(t *testing.T) {
	url := startStore(t)
	client, err := elasticsearch.New(elasticsearch.WithAddresses(url), elasticsearch.WithCompression())
	require.NoError(t, err)
	var failed atomic.Int64
	bi, err := esutil.NewBulkIndexer(esutil.BulkIndexerConfig{Client: client, Index: "logs-go", NumWorkers: 4, FlushBytes: 20_000,
		OnError: func(context.Context, error) { failed.Add(1) }})
	require.NoError(t, err)
	for i := range 2000 {
		require.NoError(t, bi.Add(t.Context(), esutil.BulkIndexerItem{Action: "index", DocumentID: fmt.Sprint(i), Body: strings.NewReader(fmt.Sprintf(`{"n":%d,"level":"L%d"}`, i, i%3)),
			OnFailure: func(context.Context, esutil.BulkIndexerItem, esutil.BulkIndexerResponseItem, error) { failed.Add(1) }}))
	}
	require.NoError(t, bi.Close(t.Context()))
	require.Zero(t, failed.Load())
	require.EqualValues(t, 2000, bi.Stats().NumIndexed)
	typed, err := elasticsearch.NewTyped(elasticsearch.WithAddresses(url))
	require.NoError(t, err)
	_, err = typed.Indices.Refresh().Index("logs-go").Do(t.Context())
	require.NoError(t, err)
	res, err := typed.Search().Index("logs-go").Raw(strings.NewReader(`{"size":1,"query":{"range":{"n":{"gte":1000}}},"sort":[{"n":"desc"}],"aggs":{"l":{"terms":{"field":"level.keyword"},"aggs":{"m":{"max":{"field":"n"}}}}}}`)).Do(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1000, res.Hits.Total.Value)
	require.Equal(t, "1999", *res.Hits.Hits[0].Id_)
	require.Contains(t, res.Aggregations, "l")
	_, err = typed.Search().Index("logs-missing").Do(t.Context())
	require.ErrorContains(t, err, "index_not_found_exception")
	raw, err := client.Index("logs-go", bytes.NewBufferString(`{"n":"x"}`))
	require.NoError(t, err)
	defer raw.Body.Close()
	require.Equal(t, 400, raw.StatusCode)
}
