package dashboards

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/stack"
)

// A Prometheus whose targets have been scraped often enough at the third look, and whose panel has values at the fifth.
func TestAwaitLive(t *testing.T) {
	t.Parallel()
	var looks, asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		result := "[]"
		if strings.Contains(r.FormValue("query"), "count_over_time(up") {
			if looks.Add(1) >= 3 {
				result = `[{"metric":{},"values":[[1,"5"]]}]`
			}
		} else if asked.Add(1) >= 2 {
			result = `[{"metric":{},"values":[[1,"1"]]}]`
		}
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"matrix","result":%s}}`, result)
	}))
	t.Cleanup(server.Close)
	addr := stack.Addresses{Components: map[string]map[string]string{"prometheus": {"http": strings.TrimPrefix(server.URL, "http://")}}}
	d, err := Parse("d.json", []byte(`{"uid":"d","panels":[{"type":"timeseries","title":"p","targets":[{"refId":"A","expr":"x","datasource":{"type":"prometheus"}}]}]}`))
	require.NoError(t, err)

	cells, r, err := AwaitLive(t.Context(), addr, []*Dashboard{d}, time.Minute, LiveOptions{Step: time.Second})
	require.NoError(t, err)
	assert.True(t, r.OK())
	require.Len(t, cells, 1)
	assert.Equal(t, 1, cells[0].Series)
	assert.EqualValues(t, 2, asked.Load(), "panels are asked only once there is data, and again while one is empty")

	asked.Store(-1000)
	_, r, err = AwaitLive(t.Context(), addr, []*Dashboard{d}, time.Millisecond, LiveOptions{Step: time.Second})
	require.NoError(t, err)
	require.False(t, r.OK(), "what is empty at the end has failed")
	assert.Contains(t, r.Results[0].Detail, "shows nothing")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = AwaitLive(ctx, addr, []*Dashboard{d}, time.Minute, LiveOptions{})
	require.ErrorIs(t, err, context.Canceled)
	_, _, err = AwaitLive(t.Context(), stack.Addresses{}, nil, time.Minute, LiveOptions{})
	require.ErrorContains(t, err, "no Prometheus runs")
}
