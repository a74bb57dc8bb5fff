package scenarios

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/platform/inbox"
)

const twoTeams = `
route:
  receiver: everyone
  group_by: [alertname]
  routes:
    - {matchers: [severity = "critical"], receiver: pager, group_by: [alertname, layer], continue: true}
    - {matchers: [team = "storage"], receiver: storage, group_by: [backend]}
receivers:
  - {name: everyone, slack_configs: [{channel: "#all", api_url: "http://slack.example.com"}]}
  - {name: storage, slack_configs: [{channel: "#storage", api_url: "http://slack.example.com"}]}
  - {name: pager, pagerduty_configs: [{routing_key: "0"}]}
`

// TestWhoIsToldIsReadFromTheConfiguration: receivers and groups of any configuration, not of the stack's alone.
func TestWhoIsToldIsReadFromTheConfiguration(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v2/status" {
			_ = json.NewEncoder(w).Encode(map[string]any{"config": map[string]string{"original": twoTeams}})
			return
		}
		_, _ = w.Write([]byte(`[
			{"labels":{"alertname":"Down"},"receiver":{"name":"everyone"}}, {"labels":{"alertname":"Slow"},"receiver":{"name":"everyone"}},
			{"labels":{"backend":"postgres"},"receiver":{"name":"storage"}}, {"labels":{"backend":"s3"},"receiver":{"name":"storage"}},
			{"labels":{"alertname":"Down","layer":"storage"},"receiver":{"name":"pager"}}]`))
	}))
	t.Cleanup(server.Close)
	s, err := newSenders(t.Context(), server.URL)
	require.NoError(t, err)
	for range 2 { // what is known already is not there twice
		require.NoError(t, s.look(t.Context(), server.URL))
	}
	require.Len(t, s.groups, 5)
	for name, c := range map[string]struct {
		sent             inbox.Notification
		receiver, status string
		group            model.LabelSet
	}{
		"a channel":  {inbox.Notification{Kind: inbox.Slack, Channel: "#all", Title: "Slow", Text: "it is slow"}, "everyone", "firing", model.LabelSet{"alertname": "Slow"}},
		"another":    {inbox.Notification{Kind: inbox.Slack, Channel: "#storage", Title: "disk", Text: "s3 is full", Severity: "resolved"}, "storage", "resolved", model.LabelSet{"backend": "s3"}},
		"not named":  {inbox.Notification{Kind: inbox.Slack, Channel: "#storage", Title: "disk"}, "storage", "firing", model.LabelSet{}},
		"nobody":     {inbox.Notification{Kind: inbox.Slack, Channel: "#none", Title: "Slow"}, "", "firing", model.LabelSet{}},
		"by its key": {inbox.Notification{Kind: inbox.PagerDuty, DedupKey: notify.Key(`{}/{severity="critical"}:{alertname="Down", layer="storage"}`).Hash(), Title: "x", Action: "resolve"}, "pager", "resolved", model.LabelSet{"alertname": "Down", "layer": "storage"}},
	} {
		got := s.told(c.sent)
		assert.Equal(t, c.receiver, got.Receiver, name)
		assert.Equal(t, c.status, got.Status, name)
		assert.Equal(t, c.group, got.Group, name)
	}
}

// TestTracesOfJaeger reads what Jaeger's query API answers.
func TestTracesOfJaeger(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("service") != "flink" || r.URL.Query().Get("operation") != "validate" || r.URL.Query().Get("start") != "1700000000000000" {
			http.Error(w, r.URL.String(), http.StatusBadRequest)
			return
		}
		_, _ = w.Write([]byte(`{"data":[{"processes":{"p1":{"serviceName":"flink","tags":[{"key":"k8s.pod.name","value":"f-1"}]}},"spans":[
			{"spanID":"b","operationName":"validate","processID":"p1","startTime":1700000001000000,"duration":2500,
			 "references":[{"refType":"CHILD_OF","spanID":"a"}],"tags":[{"key":"error","value":true},{"key":"code","value":503}]}]}]}`))
	}))
	t.Cleanup(server.Close)
	from := time.Unix(1_700_000_000, 0)
	all, err := stores{jaeger: server.URL}.traces(t.Context(), "flink", "validate", from, from.Add(time.Minute))
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, []tracedSpan{{
		id: "b", parent: "a", service: "flink", operation: "validate", start: from.Add(time.Second), took: 2500 * time.Microsecond,
		tags: map[string]string{"k8s.pod.name": "f-1", "error": "true", "code": "503"},
	}}, all[0])
	want := TraceExpectation{Service: "flink", Operation: "validate", Orphan: true, Tags: map[string]string{"code": "503"}}
	assert.True(t, want.matches(all[0][0], all[0], from, from.Add(time.Minute)))
	for name, change := range map[string]func(*TraceExpectation){
		"another tag":     func(e *TraceExpectation) { e.Tags = map[string]string{"code": "200"} },
		"slower than":     func(e *TraceExpectation) { e.Slower = 1e9 },
		"faster than":     func(e *TraceExpectation) { e.Faster = 1e6 },
		"another service": func(e *TraceExpectation) { e.Service = "query-api" },
	} {
		other := want
		change(&other)
		assert.False(t, other.matches(all[0][0], all[0], from, from.Add(time.Minute)), name)
	}
	assert.False(t, want.matches(all[0][0], append(all[0], tracedSpan{id: "a"}), from, from.Add(time.Minute)), "its parent is there")
	assert.False(t, want.matches(all[0][0], all[0], from, from.Add(time.Second)), "it starts after the window")
	_, err = stores{}.traces(t.Context(), "flink", "", from, from)
	assert.ErrorContains(t, err, "no jaeger")
	_, err = stores{}.lines(t.Context(), "x", from, from)
	assert.ErrorContains(t, err, "no elasticsearch")
}
