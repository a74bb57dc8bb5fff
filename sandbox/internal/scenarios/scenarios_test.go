package scenarios

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/stack"
)

func ours(t *testing.T) *stack.Stack {
	t.Helper()
	st, err := stack.Load("../../../stack")
	require.NoError(t, err)
	return st
}

func TestABrokenFileIsRefusedLineByLine(t *testing.T) {
	t.Parallel()
	r, err := Run(t.Context(), Options{Stack: ours(t), Tests: []string{"testdata/broken.yml"}})
	require.NoError(t, err)
	require.Len(t, r.Results, 1)
	require.Equal(t, report.Fail, r.Results[0].Status)
	for _, want := range []string{
		`broken.yml:5: no fault "no-such-fault"`,
		`broken.yml:6: fault api-timeouts cannot be set for "kafka"`,
		"broken.yml:7: 11m is after the end",
		`broken.yml:10: no alert "NoSuchAlert"`,
		"broken.yml:11: alert CollectorDown: say when",
		"broken.yml:12: alert CollectorDown: by must be after from",
		"broken.yml:14: ",
		"broken.yml:15: a metric has either a value",
		"broken.yml:16: say when the metric is looked at",
		"broken.yml:17: metric: by must be after from",
		"broken.yml:18: a metric is looked at either at one time",
		"broken.yml:20: a notification has a receiver",
		`broken.yml:21: no receiver "nobody": there are slack-notifications, pagerduty-critical`,
		"broken.yml:22: notification: by must be after from",
		"broken.yml:24: a budget has an slo",
		"broken.yml:25: a budget has an slo, a time",
		"broken.yml:27: lines are looked for by a query",
		"broken.yml:28: logs: by must be after from",
		"broken.yml:30: traces are looked for by the service",
		"broken.yml:30: traces: what is absent is neither above nor below",
		"broken.yml:31: 11m is after the end",
		`broken.yml:33: no alert "NoSuchAlert"`,
		`broken.yml:33: no receiver "nobody"`,
	} {
		assert.Contains(t, r.Results[0].Detail, want)
	}
}

func TestUnknownKeysAreRefused(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "s.yml")
	require.NoError(t, os.WriteFile(file, []byte("name: x\nduration: 1m\nexpects: {}\n"), 0o600))
	_, err := ReadFile(file, Names{})
	require.ErrorContains(t, err, file+":3: ")
}

func TestWhatIsNotMetIsSaid(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	r, err := Run(t.Context(), Options{Stack: ours(t), Tests: []string{"testdata/unmet.yml"}, Out: out})
	require.NoError(t, err)
	require.Len(t, r.Results, 1)
	require.Equal(t, report.Fail, r.Results[0].Status)
	for _, want := range []string{
		"unmet.yml:9: KafkaProducerLag is not firing between 0s and 10m: it is inactive all the time",
		"unmet.yml:10: CollectorDown is not firing between 0s and 6m",
		"unmet.yml:10: CollectorDown is not resolved",
		"and is to be silent",
		"unmet.yml:14: count(up",
		`unmet.yml:15: up{job="kafka"} has 3 values at 1m0s`,
		"unmet.yml:16: sum(up) is 21 at 3m0s, not above 30",
		"unmet.yml:17: up * on(job) up at 3m0s: ",
		"unmet.yml:19: slack-notifications is not notified of",
		"unmet.yml:20: pagerduty-critical is notified at",
		"unmet.yml:22: CollectorDown map[] is not inhibited",
		"unmet.yml:24: burn rate of no-such-objective has 0 values",
		"unmet.yml:25: error budget left of collection-availability is ",
		"unmet.yml:27: service:shipping-collector finds 0 lines from 5m to 7m, and is to find at least one",
		"unmet.yml:28: service:query-api finds ",
		"unmet.yml:29: service:query-api finds ",
		"unmet.yml:32: 0 traces from 5m to 7m have a span of shipping-collector, and there are to be at least one",
		"unmet.yml:33: ",
		"unmet.yml:34: 0 traces from 5m to 7m have a span of flink validate slower than 10s",
		"unmet.yml:35: 0 traces from 5m to 7m have a span of flink validate without its parent",
	} {
		assert.Contains(t, r.Results[0].Detail, want)
	}
	svg, err := os.ReadFile(filepath.Join(out, "unmet.svg"))
	require.NoError(t, err)
	dec := xml.NewDecoder(strings.NewReader(string(svg)))
	for {
		if _, err := dec.Token(); err != nil {
			require.True(t, errors.Is(err, io.EOF), "the picture is no XML: %v", err)
			break
		}
	}
	for _, row := range []string{"fault pod-gone shipping-collector", ">CollectorDown<", ">pagerduty-critical<"} {
		assert.Contains(t, string(svg), row)
	}
}

func TestEveryAlertNeedsAFaultAndAScenario(t *testing.T) {
	t.Parallel()
	told := func(alert string) []NotificationExpectation {
		return []NotificationExpectation{{Receiver: "r", Status: "firing", Group: map[string]string{"alertname": alert}}}
	}
	fires := func(alert string) []AlertExpectation {
		return []AlertExpectation{{Alert: alert, Firing: &Window{}}}
	}
	const alert = "KafkaProducerLag"
	lag := []Event{{Fault: "producer-lag", Service: "shipping-collector"}}
	for name, c := range map[string]struct {
		alert          string
		scenario       Scenario
		fault, through report.Status
	}{
		"all of it":              {alert, Scenario{Timeline: lag, Expect: Expect{Alerts: fires(alert), Notifications: told(alert)}}, report.Pass, report.Pass},
		"an alert about budgets": {"ErrorBudgetBurnsFast", Scenario{Timeline: []Event{{Fault: "query-errors"}}, Expect: Expect{Alerts: fires("ErrorBudgetBurnsFast"), Notifications: told("ErrorBudgetBurnsFast")}}, report.Pass, report.Pass},
		"another fault":          {alert, Scenario{Timeline: []Event{{Fault: "cache-cold"}}, Expect: Expect{Alerts: fires(alert), Notifications: told(alert)}}, report.Pass, report.Fail},
		"another service":        {"CollectorDown", Scenario{Timeline: []Event{{Fault: "pod-gone", Service: "query-api"}}, Expect: Expect{Alerts: fires("CollectorDown"), Notifications: told("CollectorDown")}}, report.Pass, report.Fail},
		"nobody is told":         {alert, Scenario{Timeline: lag, Expect: Expect{Alerts: fires(alert)}}, report.Pass, report.Fail},
		"it does not fire":       {alert, Scenario{Timeline: lag, Expect: Expect{Notifications: told(alert)}}, report.Pass, report.Fail},
		"no fault fires it":      {"NoSuchAlert", Scenario{Timeline: lag, Expect: Expect{Alerts: fires("NoSuchAlert"), Notifications: told("NoSuchAlert")}}, report.Fail, report.Fail},
	} {
		got := every([]string{c.alert}, []*Scenario{nil, &c.scenario})
		require.Len(t, got, 2)
		for i, want := range []report.Status{c.fault, c.through} {
			assert.Equal(t, want, got[i].Status, "%s: %s", name, got[i].Name)
			if want == report.Fail {
				assert.Contains(t, got[i].Detail, ": "+c.alert, name)
			}
		}
	}
}

// TestTheStacksScenariosCoverEveryAlert plays two of them; `sandbox test scenarios` plays all.
func TestTheStacksScenariosCoverEveryAlert(t *testing.T) {
	t.Parallel()
	st := ours(t)
	tests := []string{"../../../tests/scenarios"}
	r, err := Run(t.Context(), Options{Stack: st, Tests: tests, Run: regexp.MustCompile(`^CollectorDown|^inhibition`)})
	require.NoError(t, err)
	require.Len(t, r.Results, 2)
	for _, res := range r.Results {
		assert.Equal(t, report.Pass, res.Status, res.Detail)
	}
	files, err := Files(tests)
	require.NoError(t, err)
	rules, err := st.RuleFiles()
	require.NoError(t, err)
	alerts, err := Alerts(rules)
	require.NoError(t, err)
	require.Len(t, alerts, 13)
	var all []*Scenario
	for _, f := range files {
		s, err := ReadFile(f, Names{Alerts: alerts})
		require.NoError(t, err)
		all = append(all, s)
	}
	for _, res := range every(alerts, all) {
		assert.Equal(t, report.Pass, res.Status, res.Detail)
	}
}

// TestARuleThatPagesOnANormalDayFails has a stack whose limit is far too low.
func TestARuleThatPagesOnANormalDayFails(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "stack")
	require.NoError(t, os.CopyFS(dir, os.DirFS("../../../stack")))
	file := filepath.Join(dir, "prometheus/alerts/collection-layer.yml")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	slack := strings.Replace(string(data), "rate(collector_errors_total[5m])) > 10", "rate(collector_errors_total[5m])) > 0.01", 1)
	require.NotEqual(t, string(data), slack)
	require.NoError(t, os.WriteFile(file, []byte(slack), 0o600))
	st, err := stack.Load(dir)
	require.NoError(t, err)
	o := DetectionOptions{Stack: st, Normal: time.Hour, Noisy: time.Minute, Noise: 1, Progress: func(string) {}}
	fired, err := o.quiet(t.Context(), o.Normal, 1)
	require.NoError(t, err)
	assert.Positive(t, fired["HighCollectorErrorRate"])
	o.Stack = ours(t)
	fired, err = o.quiet(t.Context(), o.Normal, 1)
	require.NoError(t, err)
	assert.Empty(t, fired)
}
