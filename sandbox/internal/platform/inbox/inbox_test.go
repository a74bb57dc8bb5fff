package inbox_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/platform/inbox"
)

var received = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func serve(t *testing.T, keep int) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	inbox.New(inbox.Config{Keep: keep, Now: func() time.Time { return received }}, slog.New(slog.DiscardHandler)).Register(mux)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func do(t *testing.T, method, url, kind, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(data)
}

func list(t *testing.T, server *httptest.Server, query string) []inbox.Notification {
	t.Helper()
	code, body := do(t, http.MethodGet, server.URL+"/api/notifications"+query, "", "")
	require.Equal(t, http.StatusOK, code, body)
	var all []inbox.Notification
	require.NoError(t, json.Unmarshal([]byte(body), &all))
	require.NotNil(t, all, "an empty list is [], not null")
	return all
}

const (
	slackAlert = `{"channel":"#data-ingestion-alerts","username":"Alertmanager","attachments":[{"title":"Critical: FlinkJobDown (processing layer)",` +
		`"title_link":"https://runbooks.example.com/data-ingestion#flink-job-down","text":"• *Flink job is down* the job reports -1","fallback":"Critical: FlinkJobDown","color":"danger","mrkdwn_in":["text"]}]}`
	pageAlert = `{"routing_key":"00000000000000000000000000000000","event_action":"trigger","dedup_key":"k1","payload":` +
		`{"summary":"FlinkJobDown: Flink job is down","source":"Alertmanager","severity":"critical","component":"flink","custom_details":{"description":"the job reports -1"}}}`
)

func TestSlack(t *testing.T) {
	t.Parallel()
	many := `{"text":"x","attachments":[` + strings.Repeat(`{"text":"x"},`, 100) + `{"text":"x"}]}`
	for name, test := range map[string]struct {
		method, path, kind, body string
		code                     int
		want                     string
	}{
		"an alert":                    {body: slackAlert, code: 200, want: "ok"},
		"a text":                      {body: `{"text":"hello"}`, code: 200, want: "ok"},
		"blocks alone":                {body: `{"blocks":[{"type":"divider"}]}`, code: 200, want: "ok"},
		"a channel's id":              {body: `{"channel":"C024BE91L","text":"x"}`, code: 200, want: "ok"},
		"a form":                      {kind: "application/x-www-form-urlencoded", body: "payload=" + url.QueryEscape(slackAlert), code: 200, want: "ok"},
		"a form without payload":      {kind: "application/x-www-form-urlencoded", body: "text=x", code: 400, want: "invalid_payload"},
		"no JSON":                     {body: `{"text":`, code: 400, want: "invalid_payload"},
		"null":                        {body: `null`, code: 400, want: "invalid_payload"},
		"attachments of a wrong type": {body: `{"attachments":{}}`, code: 400, want: "invalid_payload"},
		"another method":              {method: http.MethodGet, code: 400, want: "invalid_payload"},
		"nothing":                     {body: `{}`, code: 400, want: "no_text"},
		"a blank text":                {body: `{"text":" "}`, code: 400, want: "no_text"},
		"an empty attachment":         {body: `{"attachments":[{"color":"good","text":" "}]}`, code: 400, want: "missing_text_or_fallback_or_attachments"},
		"a channel with a blank":      {body: `{"channel":"#Data Alerts","text":"x"}`, code: 404, want: "channel_not_found"},
		"too many attachments":        {body: many, code: 400, want: "too_many_attachments"},
		"an address without secret":   {path: "/slack/services/", body: slackAlert, code: 404, want: "no_service"},
		"more than is read":           {body: `{"text":"` + strings.Repeat("x", 600<<10) + `"}`, code: 400, want: "invalid_payload"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, 0)
			method, path := test.method, test.path
			if method == "" {
				method = http.MethodPost
			}
			if path == "" {
				path = "/slack/services/sandbox"
			}
			code, body := do(t, method, server.URL+path, test.kind, test.body)
			require.Equal(t, test.code, code, body)
			require.Equal(t, test.want, body)
			require.Equal(t, test.code == 200, len(list(t, server, "")) == 1, "what is refused is not recorded")
		})
	}
}

func TestSlackSummary(t *testing.T) {
	t.Parallel()
	server := serve(t, 0)
	do(t, http.MethodPost, server.URL+"/slack/services/sandbox", "application/json", slackAlert)
	do(t, http.MethodPost, server.URL+"/slack/services/T0/B0/x", "", `{"text":"first line\nsecond line"}`)
	all := list(t, server, "")
	require.Len(t, all, 2)
	require.JSONEq(t, slackAlert, string(all[0].Payload))
	require.JSONEq(t, `{"text":"first line\nsecond line"}`, string(all[1].Payload))
	all[0].Payload, all[1].Payload = nil, nil
	require.Equal(t, []inbox.Notification{
		{ID: 1, Received: received, Kind: "slack", Path: "/slack/services/sandbox", Title: "Critical: FlinkJobDown (processing layer)",
			Text: "• *Flink job is down* the job reports -1", Severity: "critical", Channel: "#data-ingestion-alerts"},
		{ID: 2, Received: received, Kind: "slack", Path: "/slack/services/T0/B0/x", Title: "first line", Text: "first line\nsecond line"},
	}, all)
}

func TestPagerDuty(t *testing.T) {
	t.Parallel()
	// with is the good event with one member of it, or of its payload, replaced.
	with := func(key string, value any) string {
		var e map[string]any
		require.NoError(t, json.Unmarshal([]byte(pageAlert), &e))
		at := e
		if rest, ok := strings.CutPrefix(key, "payload."); ok {
			at, key = e["payload"].(map[string]any), rest
		}
		at[key] = value
		if value == nil {
			delete(at, key)
		}
		data, err := json.Marshal(e)
		require.NoError(t, err)
		return string(data)
	}
	for name, test := range map[string]struct{ body, want string }{
		"no JSON":                  {`{`, "Event object is not valid JSON: unexpected end of JSON input"},
		"no object":                {`[]`, "Event object is not a JSON object"},
		"no routing key":           {with("routing_key", nil), "'routing_key' is missing or blank"},
		"a short routing key":      {with("routing_key", "0"), "Length of 'routing_key' is incorrect (should be 32 characters)"},
		"no action":                {with("event_action", nil), "'event_action' is missing or blank"},
		"an unknown action":        {with("event_action", "fire"), "'event_action' is invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')"},
		"nothing to resolve":       {`{"routing_key":"00000000000000000000000000000000","event_action":"resolve"}`, "'dedup_key' is missing or blank"},
		"a long dedup key":         {with("dedup_key", strings.Repeat("x", 256)), "'dedup_key' is too long (maximum is 255 characters)"},
		"no payload":               {with("payload", nil), "'payload' is missing or blank"},
		"a blank summary":          {with("payload.summary", " "), "'payload.summary' is missing or blank"},
		"a long summary":           {with("payload.summary", strings.Repeat("ü", 1025)), "'payload.summary' is too long (maximum is 1024 characters)"},
		"no source":                {with("payload.source", nil), "'payload.source' is missing or blank"},
		"no severity":              {with("payload.severity", nil), "'payload.severity' is missing or blank"},
		"an unknown severity":      {with("payload.severity", "page"), "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')"},
		"a timestamp that is none": {with("payload.timestamp", "noon"), "'payload.timestamp' is not a valid ISO 8601 time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, 0)
			code, body := do(t, http.MethodPost, server.URL+"/v2/enqueue", "application/json", test.body)
			require.Equal(t, http.StatusBadRequest, code)
			want, err := json.Marshal(map[string]any{"status": "invalid event", "message": "Event object is invalid", "errors": []string{test.want}})
			require.NoError(t, err)
			require.JSONEq(t, string(want), body)
			require.Empty(t, list(t, server, ""))
		})
	}
	t.Run("every fault is named", func(t *testing.T) {
		t.Parallel()
		_, body := do(t, http.MethodPost, serve(t, 0).URL+"/v2/enqueue", "", `{"event_action":"trigger","payload":{}}`)
		require.Equal(t, 4, strings.Count(body, "is missing or blank"), body)
	})
	t.Run("accepted", func(t *testing.T) {
		t.Parallel()
		server := serve(t, 0)
		code, body := do(t, http.MethodPost, server.URL+"/v2/enqueue", "application/json", pageAlert)
		require.Equal(t, http.StatusAccepted, code, body)
		require.JSONEq(t, `{"status":"success","message":"Event processed","dedup_key":"k1"}`, body)
		code, body = do(t, http.MethodPost, server.URL+"/v2/enqueue", "application/json", `{"routing_key":"00000000000000000000000000000000","event_action":"resolve","dedup_key":"k1"}`)
		require.Equal(t, http.StatusAccepted, code, body)

		all := list(t, server, "?kind=pagerduty")
		require.Len(t, all, 2)
		require.JSONEq(t, pageAlert, string(all[0].Payload))
		all[0].Payload, all[1].Payload = nil, nil
		require.Equal(t, []inbox.Notification{
			{ID: 1, Received: received, Kind: "pagerduty", Path: "/v2/enqueue", Title: "FlinkJobDown: Flink job is down", Text: "the job reports -1",
				Severity: "critical", Action: "trigger", DedupKey: "k1"},
			{ID: 2, Received: received, Kind: "pagerduty", Path: "/v2/enqueue", Title: "resolve k1", Severity: "resolved", Action: "resolve", DedupKey: "k1"},
		}, all)
	})
	t.Run("a text that Alertmanager read as YAML", func(t *testing.T) {
		t.Parallel()
		server := serve(t, 0)
		do(t, http.MethodPost, server.URL+"/v2/enqueue", "", with("payload.custom_details", map[string]any{"description": map[string]string{"disk full": "3 GB left"}}))
		require.Equal(t, "disk full: 3 GB left", list(t, server, "")[0].Text)
	})
	t.Run("a key is made where there is none", func(t *testing.T) {
		t.Parallel()
		server := serve(t, 0)
		_, body := do(t, http.MethodPost, server.URL+"/v2/enqueue", "application/json", with("dedup_key", nil))
		require.Regexp(t, `"dedup_key":"[0-9a-f]{32}"`, body)
		require.Contains(t, body, list(t, server, "")[0].DedupKey)
	})
	t.Run("another method", func(t *testing.T) {
		t.Parallel()
		code, _ := do(t, http.MethodGet, serve(t, 0).URL+"/v2/enqueue", "", "")
		require.Equal(t, http.StatusMethodNotAllowed, code)
	})
}

func TestListAndClear(t *testing.T) {
	t.Parallel()
	server := serve(t, 3)
	require.Empty(t, list(t, server, ""))
	for i := range 4 {
		code, _ := do(t, http.MethodPost, server.URL+"/slack/services/sandbox", "", fmt.Sprintf(`{"text":"a quoted \"Name%d\"","icon_url":"x"}`, i))
		require.Equal(t, http.StatusOK, code)
	}
	all := list(t, server, "")
	require.Len(t, all, 3, "the oldest is forgotten")
	require.Equal(t, []int{2, 3, 4}, []int{all[0].ID, all[1].ID, all[2].ID})

	require.Len(t, list(t, server, "?kind=slack&contains="+url.QueryEscape(`"name2"`)), 1)
	require.Empty(t, list(t, server, "?kind=pagerduty"))
	require.Empty(t, list(t, server, "?contains=icon_url"), "keys are not what was said")

	code, body := do(t, http.MethodGet, server.URL+"/api/notifications?kind=email", "", "")
	require.Equal(t, http.StatusBadRequest, code)
	require.Contains(t, body, "slack, pagerduty")
	code, body = do(t, http.MethodGet, server.URL+"/api/notifications?name=x", "", "")
	require.Equal(t, http.StatusBadRequest, code)
	require.Contains(t, body, "kind, contains")

	code, _ = do(t, http.MethodDelete, server.URL+"/api/notifications", "", "")
	require.Equal(t, http.StatusNoContent, code)
	require.Empty(t, list(t, server, ""))
	do(t, http.MethodPost, server.URL+"/slack/services/sandbox", "", `{"text":"x"}`)
	require.Equal(t, 5, list(t, server, "")[0].ID, "numbers go on")
}
