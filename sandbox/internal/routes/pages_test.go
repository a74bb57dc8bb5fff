package routes_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/routes"
	"obsandbox/sandbox/internal/stack"
)

func TestCheckPages(t *testing.T) {
	t.Parallel()
	const (
		alertmanager, prometheus, alerts = "alertmanager/alertmanager.yml", "prometheus/prometheus.yml", "prometheus/alerts/processing-layer.yml"
		pages                            = `        - severity = "critical"` + "\n      receiver: pagerduty-critical"
		narrow                           = `        - severity = "critical"` + "\n        - layer = \"collection\"\n      receiver: pagerduty-critical"
		external                         = "    environment: production\n"
	)
	pagesFor := func(matcher string) string {
		return strings.Replace(pages, "\n", "\n        - "+matcher+"\n", 1)
	}
	type edit struct{ file, old, new string }
	for name, test := range map[string]struct {
		edits []edit
		// want is what is said; nothing where it is empty.
		want string
	}{
		"as checked in":             {},
		"pages for one layer alone": {[]edit{{alertmanager, pages, narrow}}, "processing-layer.yml:31: alert FlinkJobDown: it is critical and pages nobody: alertmanager's routes take it to slack-notifications"},
		"a route before it": {[]edit{{alertmanager, "    - matchers:\n" + pages, "    - matchers:\n        - layer =~ \"processing|storage\"\n      receiver: slack-notifications\n    - matchers:\n" + pages}},
			"alert FlinkJobDown: it is critical and pages nobody"},
		"pages for another environment":  {[]edit{{alertmanager, pages, pagesFor(`environment = "staging"`)}}, "it is critical and pages nobody"},
		"pages for this environment":     {[]edit{{alertmanager, pages, pagesFor(`environment = "production"`)}}, ""},
		"pages by a label of the series": {[]edit{{alertmanager, pages, pagesFor(`namespace = "data-ingestion"`)}}, ""},
		"pages for all but some":         {[]edit{{alertmanager, pages, pagesFor(`alertname != "Watchdog"`)}}, ""},
		"the older way":                  {[]edit{{alertmanager, "    - matchers:\n" + pages, "    - match:\n        severity: critical\n      receiver: pagerduty-critical"}}, ""},
		"a layer by a template": {[]edit{
			{alertmanager, pages, narrow}, {"*", "layer: processing", `layer: '{{ $labels.layer }}'`}, {"*", "layer: storage", `layer: '{{ $labels.layer }}'`},
		}, ""},
		"a layer that Prometheus gives": {[]edit{
			{alertmanager, pages, narrow}, {prometheus, "alerting:\n", "alerting:\n  alert_relabel_configs:\n    - target_label: layer\n      replacement: collection\n"},
		}, ""},
		"labels that Prometheus takes": {[]edit{
			{alertmanager, pages, narrow}, {prometheus, "alerting:\n", "alerting:\n  alert_relabel_configs:\n    - action: labeldrop\n      regex: layer\n"},
		}, ""},
		"pages by another service":     {[]edit{{alertmanager, pages, narrow}, {alertmanager, "  - name: slack-notifications\n", "  - name: slack-notifications\n    webhook_configs:\n      - url: http://oncall/\n"}}, ""},
		"nobody is paged at all":       {[]edit{{alertmanager, "", "route: {receiver: chat}\nreceivers:\n  - name: chat\n"}}, ""},
		"a severity that pages nobody": {[]edit{{alertmanager, pages, narrow}, {"*", "severity: critical", "severity: page"}}, ""},
		"pages by a group's label": {[]edit{{alertmanager, pages, pagesFor(`team = "data"`)}, {alerts, "    rules:\n", "    labels: {team: web}\n    rules:\n"}},
			"alert FlinkJobDown: it is critical and pages nobody"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "stack")
			require.NoError(t, os.CopyFS(dir, os.DirFS("../../../stack")))
			for _, e := range test.edits {
				replace(t, dir, e.file, e.old, e.new)
			}
			s, err := stack.Load(dir)
			require.NoError(t, err)
			_, err = routes.Load(s.Path(alertmanager))
			require.NoError(t, err)
			err = routes.CheckPages(s)
			if test.want == "" {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, test.want)
		})
	}
}

// replace changes a file of a stack in one place, or all rule files ("*") in every place.
func replace(t *testing.T, dir, file, old, with string) {
	t.Helper()
	files, n := []string{filepath.Join(dir, file)}, 1
	if file == "*" {
		files, n = nil, -1
		for _, below := range []string{"alerts", "slo"} {
			some, err := filepath.Glob(filepath.Join(dir, "prometheus", below, "*.yml"))
			require.NoError(t, err)
			files = append(files, some...)
		}
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		require.NoError(t, err)
		if n == 1 {
			require.Contains(t, string(data), old)
		}
		changed := strings.Replace(string(data), old, with, n)
		if old == "" {
			changed = with // all of it
		}
		require.NoError(t, os.WriteFile(f, []byte(changed), 0o644))
	}
}
