package routes_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/golden"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/routes"
	"obsandbox/sandbox/internal/rules/progtest"
	"obsandbox/sandbox/internal/stack"
)

// Two alerts of one group, a warning that stays, one that is inhibited, and one with neither summary nor description.
func alerts() []routes.Posted {
	const runbook = "https://runbooks.example.com/data-ingestion#"
	return []routes.Posted{
		{
			Labels:      model.LabelSet{"alertname": "StorageCapacityLow", "severity": "critical", "layer": "storage", "service": "storage-router", "backend": "postgres"},
			Annotations: map[string]string{"summary": "Low storage capacity in postgres", "description": "9.9% of postgres is free (limit 10%).", "runbook_url": runbook + "storagecapacitylow"},
		},
		{
			Labels:      model.LabelSet{"alertname": "StorageCapacityLow", "severity": "critical", "layer": "storage", "service": "storage-router", "backend": "s3"},
			Annotations: map[string]string{"summary": "Low storage capacity in s3", "description": "2% of s3 is free (limit 10%).", "runbook_url": runbook + "storagecapacitylow"},
		},
		{
			Labels:      model.LabelSet{"alertname": "HighStorageWriteLatency", "severity": "warning", "layer": "storage", "service": "storage-router", "backend": "postgres"},
			Annotations: map[string]string{"summary": "inhibited: must not be seen", "description": "inhibited: must not be seen"},
		},
		{
			Labels:      model.LabelSet{"alertname": "HighCollectorErrorRate", "severity": "warning", "layer": "collection", "service": "shipping-collector"},
			Annotations: map[string]string{"summary": "High error rate in shipping-collector", "description": "shipping-collector has failed on 10.1 errors/s.", "runbook_url": runbook + "highcollectorerrorrate"},
		},
		{Labels: model.LabelSet{"alertname": "Watchdog"}},
	}
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	opts := routes.NotifyOptions{Stack: progtest.Stack(t), Alertmanager: progtest.Program(t, "alertmanager"), Alerts: alerts()}
	sent, err := routes.Notifications(t.Context(), opts)
	require.NoError(t, err)
	// A page and a post about the capacity, a post about the collector, a post about the watchdog: firing and resolved.
	require.Len(t, sent, 8)
	data, err := json.MarshalIndent(sent, "", "  ")
	require.NoError(t, err)
	require.NotContains(t, string(data), "must not be seen")
	times := regexp.MustCompile(`"(starts|ends)At": "[^"]*"`)
	golden.Check(t, "notifications/sent.json", append(times.ReplaceAll(data, []byte(`"${1}At": "(a time)"`)), '\n'))
	results, err := routes.CheckNotifications(t.Context(), opts)
	require.NoError(t, err)
	require.Equal(t, "8 notifications about 5 alerts", results[0].Detail)
}

// Row 9 of the known defects: alerts without a description make the document's notifications blank.
func TestBlankNotificationsAreSeen(t *testing.T) {
	t.Parallel()
	own := progtest.Stack(t)
	config, err := os.ReadFile(own.Path("alertmanager/alertmanager.yml"))
	require.NoError(t, err)
	blank := &stack.Stack{Dir: t.TempDir(), Programs: own.Programs, Components: own.Components}
	for name, text := range map[string]string{
		"alertmanager/alertmanager.yml": string(config),
		// The document's text: the description, and nothing where there is none.
		"alertmanager/templates/notifications.tmpl": `
{{ define "slack.color" }}danger{{ end }}
{{ define "slack.title" }}{{ .GroupLabels.alertname }}{{ end }}
{{ define "slack.text" }}{{ range .Alerts }}{{ .Annotations.description }}{{ end }}{{ end }}
{{ define "descriptions" }}{{ range .Alerts }}{{ .Annotations.description }}{{ end }}{{ end }}
{{ define "pagerduty.description" }}{{ .GroupLabels.alertname }}{{ end }}
{{ define "runbook" }}{{ end }}
`,
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(blank.Path(name)), 0o755))
		require.NoError(t, os.WriteFile(blank.Path(name), []byte(text), 0o600))
	}
	results, err := routes.CheckNotifications(t.Context(), routes.NotifyOptions{
		Stack: blank, Alertmanager: progtest.Program(t, "alertmanager"),
		Alerts: []routes.Posted{{
			Labels:      model.LabelSet{"alertname": "FlinkJobDown", "severity": "critical", "layer": "processing"},
			Annotations: map[string]string{"summary": "Flink: it is down"},
		}},
	})
	require.NoError(t, err)
	require.Contains(t, results[0].Detail, "the annotation summary is no text any more")
	results = results[1:]
	require.Equal(t, report.Fail, results[0].Status)
	require.Contains(t, results[0].Detail, "attachments.0.text is empty")
}
