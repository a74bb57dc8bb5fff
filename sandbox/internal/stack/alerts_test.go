package stack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The document's alerts have no description, but for three: what Slack would show of the others is blank.
func TestAlertsSayWhatTheirNotificationsNeed(t *testing.T) {
	t.Parallel()
	s, _ := checkedIn(t)
	require.NoError(t, s.CheckAlerts())
	replicas := *s
	replicas.Dir = filepath.Join(t.TempDir(), "stack")
	require.NoError(t, os.CopyFS(replicas.Dir, os.DirFS(s.Dir)))
	data, err := os.ReadFile(s.Path("prometheus/prometheus.yml"))
	require.NoError(t, err)
	usual := strings.Replace(string(data), "alerting:\n", "alerting:\n  alert_relabel_configs:\n    - {regex: replica, action: labeldrop}\n    - {source_labels: [namespace], regex: dev, action: drop}\n    - {source_labels: [severity], regex: critical, target_label: severity, replacement: warning}\n", 1)
	require.NoError(t, os.WriteFile(replicas.Path("prometheus/prometheus.yml"), []byte(usual), 0o644))
	require.NoError(t, replicas.CheckAlerts(), "what is usual there")
	for _, c := range []struct{ file, old, with, want string }{
		{"prometheus/alerts/collection-layer.yml", "          description: >-\n            {{ $labels.pod }}", "          text: >-\n            {{ $labels.pod }}",
			"collection-layer.yml:40: alert KafkaProducerLag: no description among its annotations: its notification would be blank"},
		{"prometheus/alerts/storage-layer.yml", "summary: Low storage capacity in {{ $labels.backend }}", "summary: ''",
			"alert StorageCapacityLow: no summary among its annotations"},
		{"prometheus/alerts/collection-layer.yml", "severity: warning", "severity: warnin",
			`collection-layer.yml:9: alert HighCollectorErrorRate: severity is "warnin", and alertmanager's routes know critical, warning`},
		{"prometheus/alerts/collection-layer.yml", "severity: warning", "sevrity: warning",
			"collection-layer.yml:5: alert HighCollectorErrorRate: no label severity"},
		{"prometheus/alerts/storage-layer.yml", "          severity: critical\n          layer: storage\n", "          severity: critical\n",
			"storage-layer.yml:19: alert StorageCapacityLow: no label layer, which the other alerts of its group have"},
		{"prometheus/alerts/storage-layer.yml", "layer: storage", `layer: ""`, "storage-layer.yml:5: alert HighStorageWriteLatency: no label layer"},
		{"prometheus/prometheus.yml", "alerting:\n", "alerting:\n  alert_relabel_configs:\n    - {source_labels: [severity], regex: critical, action: drop}\n",
			"prometheus.yml:14: alert_relabel_configs: alert CollectorDown is dropped: nobody would be told of it"},
		{"prometheus/prometheus.yml", "alerting:\n", "alerting:\n  alert_relabel_configs:\n    - {regex: severity, action: labeldrop}\n",
			`prometheus.yml:14: alert_relabel_configs: alert HighCollectorErrorRate is sent with severity "" instead of "warning", and alertmanager's routes know critical, warning`},
	} {
		own := *s
		own.Dir = filepath.Join(t.TempDir(), "stack")
		require.NoError(t, os.CopyFS(own.Dir, os.DirFS(s.Dir)))
		data, err := os.ReadFile(own.Path(c.file))
		require.NoError(t, err)
		require.Contains(t, string(data), c.old)
		require.NoError(t, os.WriteFile(own.Path(c.file), []byte(strings.Replace(string(data), c.old, c.with, 1)), 0o644))
		assert.ErrorContains(t, own.CheckAlerts(), c.want)
	}
}
