package recorded_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/recorded"
)

func all(name string) [][]*labels.Matcher {
	return [][]*labels.Matcher{{labels.MustNewMatcher(labels.MatchEqual, "__name__", name)}}
}

// TestExternalLabelsAreTakenOff: Prometheus adds them to what it sends, and its rules do not see them.
func TestExternalLabelsAreTakenOff(t *testing.T) {
	t.Parallel()
	told := true
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/status/config", func(w http.ResponseWriter, _ *http.Request) {
		if !told {
			http.NotFound(w, nil)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]string{"yaml": "global:\n  external_labels:\n    cluster: one\n"}})
	})
	mux.HandleFunc("POST /api/v1/read", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		series := func(job, cluster string) *prompb.TimeSeries {
			return &prompb.TimeSeries{
				Labels:  []prompb.Label{{Name: "__name__", Value: "up"}, {Name: "cluster", Value: cluster}, {Name: "job", Value: job}},
				Samples: []prompb.Sample{{Timestamp: 1000, Value: 1}},
			}
		}
		answer := &prompb.ReadResponse{Results: []*prompb.QueryResult{{Timeseries: []*prompb.TimeSeries{series("a", "one"), series("b", "its own")}}}}
		data, _ := answer.Marshal()
		_, _ = w.Write(snappy.Encode(nil, data))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	names := func() []string {
		got, err := recorded.Read(t.Context(), server.URL+"/", time.Unix(0, 0), time.Unix(9, 0), all("up"))
		require.NoError(t, err)
		var out []string
		for _, s := range got {
			out = append(out, s.Labels.String())
		}
		return out
	}
	assert.Equal(t, []string{`{__name__="up", job="a"}`, `{__name__="up", cluster="its own", job="b"}`}, names())
	external, err := recorded.External(t.Context(), server.URL)
	require.NoError(t, err)
	assert.Equal(t, `{cluster="one"}`, external.String())
	told = false // as others that speak remote read
	assert.Contains(t, names(), `{__name__="up", cluster="one", job="a"}`)
	_, err = recorded.Read(t.Context(), "http://127.0.0.1:1", time.Unix(0, 0), time.Unix(9, 0), all("up"))
	require.ErrorContains(t, err, "connection refused")
}

func TestFilesThatCannotBeReadSayWhere(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"# TYPE x gauge\n# HELP x x is what it is\nx 1\n# EOF\n":                  ":3: x has no time: recorded samples need one",
		"# TYPE x gauge\nx{a=\"b\"} 1 1736154000\nx{a=\"b} 1 1736154001\n# EOF\n": ":2: expected label value",
		"# TYPE x gauge\nx 1 1736154000\n":                                        ":2: data does not end with # EOF (after this line)",
		"":                                                                        ":1: data does not end with # EOF",
		"# TYPE x gauge\nx 1 1736154100\nx{a=\"b\"} 1 1736154000\nx 1 1736154000\n# EOF\n": `:4: {__name__="x"} is not later than its sample before`,
		"# TYPE x gauge\nx 1 1736154100000\n# EOF\n":                                       ":2: x is of the year 56986: times of OpenMetrics are seconds",
	} {
		file := filepath.Join(t.TempDir(), "data.om")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err := recorded.Read(t.Context(), file, time.Time{}, time.Time{}, all("x"))
		assert.ErrorContains(t, err, file+want)
	}
	_, err := recorded.Read(t.Context(), "127.0.0.1:9090", time.Time{}, time.Time{}, all("x"))
	assert.ErrorContains(t, err, "an address begins with http://")
}
