package dashboards

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/stack"
)

func TestLive(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		text := string(body)
		answer := func(kind, result string) {
			fmt.Fprintf(w, `{"status":"success","data":{"resultType":%q,"result":%s}}`, kind, result)
		}
		switch {
		case strings.HasPrefix(r.URL.Path, "/logs-"):
			hits := 0
			if strings.Contains(text, "level:ERROR") {
				hits = 7
			}
			fmt.Fprintf(w, `{"hits":{"total":{"value":%d},"hits":[]}}`, hits)
		case strings.Contains(text, "query=good") && r.URL.Path == "/api/v1/query_range":
			answer("matrix", `[{"metric":{},"values":[[1,"NaN"],[2,"42"]]}]`)
		case strings.Contains(text, "query=good"):
			answer("vector", `[{"metric":{},"value":[1,"3"]}]`)
		case strings.Contains(text, "query=nan"):
			answer("matrix", `[{"metric":{},"values":[[1,"NaN"]]}]`)
		case strings.Contains(text, "query=scalar"):
			answer("scalar", `[1,"1"]`)
		case strings.Contains(text, "query=refused"):
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = io.WriteString(w, `{"status":"error","error":"too many samples"}`)
		case strings.Contains(text, "query=down"):
			w.WriteHeader(http.StatusBadGateway)
		default:
			answer("matrix", `[]`)
		}
	}))
	t.Cleanup(server.Close)
	at := strings.TrimPrefix(server.URL, "http://")
	addr := stack.Addresses{Components: map[string]map[string]string{"prometheus": {"http": at}, "elasticsearch": {"http": at}}}

	prom := `"datasource":{"type":"prometheus","uid":"${metrics}"},"targets":[{"refId":"A","expr":%q}]`
	for _, c := range []struct {
		name, panel string
		status      report.Status
		want        string
	}{
		{"values", fmt.Sprintf(prom, "good"), report.Pass, "1 series"},
		{"instant", `"datasource":{"type":"prometheus"},"targets":[{"refId":"A","expr":"good","instant":true}]`, report.Pass, "1 series"},
		{"log lines", `"datasource":{"type":"elasticsearch"},"targets":[{"refId":"A","query":"level:ERROR"}]`, report.Pass, "7 series"},
		{"no log lines", `"datasource":{"type":"elasticsearch"},"targets":[{"refId":"A","query":"level:NONE"}]`, report.Fail, "shows nothing"},
		{"nothing", fmt.Sprintf(prom, "empty"), report.Fail, "shows nothing"},
		{"nothing, and says so", `"fieldConfig":{"defaults":{"noValue":"All is well."}},` + fmt.Sprintf(prom, "empty"), report.Pass, "All is well."},
		{"only NaN", fmt.Sprintf(prom, "nan"), report.Fail, "every value is NaN"},
		{"a scalar", fmt.Sprintf(prom, "scalar"), report.Fail, "answers a scalar"},
		{"refused", fmt.Sprintf(prom, "refused"), report.Fail, "too many samples"},
		{"down", fmt.Sprintf(prom, "down"), report.Fail, "502"},
		{"another data source", `"datasource":{"type":"loki"},"targets":[{"refId":"A","expr":"{}"}]`, report.Fail, `type "loki"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, err := Parse("d.json", []byte(`{"uid":"d","panels":[{"type":"timeseries","title":"p",`+c.panel+`}]}`))
			require.NoError(t, err)
			now := time.Unix(10000, 0)
			cells, r, err := Live(t.Context(), addr, []*Dashboard{d}, LiveOptions{From: now.Add(-time.Hour), To: now, Step: 15 * time.Second})
			require.NoError(t, err)
			require.Len(t, cells, 1)
			require.Len(t, r.Results, 1)
			assert.Equal(t, c.status, r.Results[0].Status)
			assert.Contains(t, r.Results[0].Detail, c.want)
		})
	}
}

func TestLiveNeedsPrometheus(t *testing.T) {
	t.Parallel()
	_, _, err := Live(t.Context(), stack.Addresses{}, nil, LiveOptions{})
	assert.ErrorContains(t, err, "no Prometheus runs")
}
