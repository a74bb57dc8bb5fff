package routes_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/routes"
	"obsandbox/sandbox/internal/rules/progtest"
)

// Row 10 of the known defects: nothing expands the variables, so the configuration does not load.
func TestDocumentDoesNotLoad(t *testing.T) {
	t.Parallel()
	_, err := routes.Load("testdata/document/alertmanager.yml")
	require.ErrorContains(t, err, "unsupported scheme")
	_, err = routes.Start(t.Context(), progtest.Program(t, "alertmanager"), "testdata/document/alertmanager.yml", t.TempDir())
	require.ErrorContains(t, err, "unsupported scheme")
}

// Rows 11 and 12, with secrets in place: critical alerts never reach Slack, and nothing is ever inhibited.
func TestDocumentRoutesFail(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/document/alertmanager.yml")
	require.NoError(t, err)
	text := strings.NewReplacer("${SLACK_WEBHOOK_URL}", "http://127.0.0.1:1/", "${PAGERDUTY_SERVICE_KEY}", "key").Replace(string(data))
	file := filepath.Join(t.TempDir(), "alertmanager.yml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	out, err := routes.Run(t.Context(), routes.Options{
		Config: file, Tests: []string{filepath.Join(progtest.Stack(t).Root(), "tests", "routes")},
		Alertmanager: progtest.Program(t, "alertmanager"), Root: progtest.Stack(t).Root(),
	})
	require.NoError(t, err)
	details := map[string]string{}
	for _, res := range out.Report.Results {
		if res.Status == report.Fail {
			details[res.Name] = res.Detail
		}
	}
	require.Contains(t, details["tests/routes/receivers.yml: a critical alert pages and is posted"], "- pagerduty-critical, slack-notifications\n+ pagerduty-critical")
	for _, name := range []string{
		"a full backend silences its slow writes", "a collector that is down silences what is said of the same collector",
		"a job that is down silences its latency and its failures, not its checkpoints",
	} {
		detail := details["tests/routes/inhibition.yml: "+name]
		require.Contains(t, detail, "is expected to be inhibited, and no inhibition rule silences it")
		require.Contains(t, detail, "a real Alertmanager says it is active, not suppressed")
	}
}
