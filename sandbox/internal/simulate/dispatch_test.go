package simulate

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/alertmanager/timeinterval"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/amconfig"
)

const groupingConfig = `
route:
  receiver: all
  group_by: [alertname]
  group_wait: 30s
  group_interval: 2m
  repeat_interval: 10m
  routes:
    - matchers: [severity = "critical"]
      receiver: pager
      group_wait: 10s
      group_by: [service]
      continue: true
    - matchers: [severity =~ ".+"]
      receiver: all
receivers: [{name: all}, {name: pager}]
inhibit_rules:
  - source_matchers: [severity = "critical"]
    target_matchers: [severity = "warning"]
    equal: [service]
`

type resolvedSender bool

func (r resolvedSender) SendResolved() bool { return bool(r) }

// journal is a receiver that writes down what it gets.
type journal struct {
	name  string
	lines *[]string
	start time.Time
}

func (j journal) Notify(ctx context.Context, alerts ...*alert.Alert) (bool, error) {
	now, _ := notify.Now(ctx)
	var all []string
	for _, a := range alerts {
		all = append(all, fmt.Sprintf("%s/%s %s", a.Labels["alertname"], a.Labels["service"], a.StatusAt(now)))
	}
	slices.Sort(all)
	*j.lines = append(*j.lines, fmt.Sprintf("%s %s %v", now.Sub(j.start), j.name, all))
	return false, nil
}

// sent is an alert as Prometheus sends it at a time.
type sent struct {
	at              time.Duration
	name, severity  string
	service         string
	started, ending time.Duration
}

// TestGroupsAreFlushedAsAlertmanagerDoes sends the same alerts to the simulated dispatcher, and to Alertmanager's own
// with its whole pipeline, whose clock the testing package simulates.
func TestGroupsAreFlushedAsAlertmanagerDoes(t *testing.T) {
	const s, m = time.Second, time.Minute
	firing := func(name, severity, service string, from, to time.Duration) []sent {
		var out []sent
		for at := from; at < to; at += m {
			out = append(out, sent{at, name, severity, service, from, at + 4*m})
		}
		for at := to; at < to+3*m; at += m {
			out = append(out, sent{at, name, severity, service, from, to})
		}
		return out
	}
	for name, all := range map[string][][]sent{
		"one, repeated and resolved":        {firing("A", "warning", "x", 7*s, 25*m+3*s)},
		"two of a group, one joins later":   {firing("A", "warning", "x", 0, 9*m), firing("A", "warning", "y", 3*m+7*s, 14*m)},
		"flapping":                          {firing("A", "warning", "x", 1*s, 1*m+1*s), firing("A", "warning", "x", 6*m, 8*m), firing("A", "warning", "x", 13*m, 20*m)},
		"shorter than the wait":             {{{1 * s, "A", "warning", "x", 1 * s, 4 * m}, {11 * s, "A", "warning", "x", 1 * s, 11 * s}}},
		"a critical one silences a warning": {firing("B", "critical", "x", 4*m+1*s, 12*m), firing("A", "warning", "x", 5*m, 20*m), firing("A", "warning", "y", 5*m, 20*m)},
		"known late":                        {{{5 * m, "A", "critical", "x", 0, 9 * m}, {9*m + 1*s, "A", "critical", "x", 0, 9 * m}}},
		"nobody sends it any more":          {{{1 * s, "A", "critical", "x", 1 * s, 4 * m}}},
	} {
		t.Run(name, func(t *testing.T) {
			var events []sent
			for _, list := range all {
				events = append(events, list...)
			}
			slices.SortStableFunc(events, func(a, b sent) int { return int(a.at - b.at) })
			file := filepath.Join(t.TempDir(), "alertmanager.yml")
			require.NoError(t, os.WriteFile(file, []byte(groupingConfig), 0o600))
			var want, got []string
			const end = 40 * time.Minute
			synctest.Test(t, func(t *testing.T) { want = original(t, file, events, end) })
			start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
			send := map[string][]notify.Integration{}
			for _, r := range []string{"all", "pager"} {
				send[r] = []notify.Integration{notify.NewIntegration(journal{r, &got, start}, resolvedSender(true), "journal", 0, r)}
			}
			d, err := NewDispatcher(file, send)
			require.NoError(t, err)
			for _, e := range events {
				require.NoError(t, d.Advance(t.Context(), start.Add(e.at-1)))
				d.Receive(start.Add(e.at), e.alert(start))
			}
			require.NoError(t, d.Advance(t.Context(), start.Add(end)))
			slices.Sort(got) // receivers of one moment have no order
			slices.Sort(want)
			require.Equal(t, name == "shorter than the wait", len(want) == 0, "only what is over before the wait is sent to nobody")
			require.Equal(t, want, got)
		})
	}
}

func (e sent) alert(start time.Time) *alert.Alert {
	return &alert.Alert{Alert: model.Alert{
		Labels:   model.LabelSet{"alertname": model.LabelValue(e.name), "severity": model.LabelValue(e.severity), "service": model.LabelValue(e.service)},
		StartsAt: start.Add(e.started), EndsAt: start.Add(e.ending),
	}}
}

// original is Alertmanager, put together as its main function does.
func original(t *testing.T, file string, events []sent, end time.Duration) []string {
	start := time.Now()
	log := slog.New(slog.DiscardHandler)
	conf, err := amconfig.Load(file)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	alerts, err := mem.NewAlerts(ctx, 30*time.Minute, 0, nil, log, eventrecorder.NopRecorder(), prometheus.NewRegistry(), featurecontrol.NoopFlags{})
	require.NoError(t, err)
	defer alerts.Close()
	inhibitor := inhibit.NewInhibitor(alerts, conf.InhibitRules, log, eventrecorder.NopRecorder())
	go inhibitor.Run()
	defer inhibitor.Stop()
	inhibitor.WaitForLoading()
	silences, err := silence.New(silence.Options{Retention: time.Hour, Metrics: prometheus.NewRegistry()})
	require.NoError(t, err)
	sentLog, err := nflog.New(nflog.Options{Retention: time.Hour, Metrics: prometheus.NewRegistry()})
	require.NoError(t, err)
	var lines []string
	send := map[string][]notify.Integration{}
	for _, r := range []string{"all", "pager"} {
		send[r] = []notify.Integration{notify.NewIntegration(journal{r, &lines, start}, resolvedSender(true), "journal", 0, r)}
	}
	group := marker.NewGroupMarker()
	pipeline := notify.NewPipelineBuilder(prometheus.NewRegistry(), featurecontrol.NoopFlags{}, eventrecorder.NopRecorder()).New(
		send, func() time.Duration { return 0 }, inhibitor, silence.NewSilencer(silences, log, eventrecorder.NopRecorder()), timeinterval.NewIntervener(nil), group, sentLog, nil)
	tmpl, err := template.New()
	require.NoError(t, err)
	d := dispatch.NewDispatcher(alerts, dispatch.NewRoute(conf.Route, nil), pipeline, group,
		func(d time.Duration) time.Duration { return d }, 30*time.Second, nil, log, eventrecorder.NopRecorder(), nil, tmpl)
	go d.Run(start)
	defer d.Stop()
	d.WaitForLoading()
	for _, e := range events {
		time.Sleep(time.Until(start.Add(e.at)))
		a := e.alert(start)
		a.UpdatedAt = time.Now()
		require.NoError(t, alerts.Put(ctx, a))
		synctest.Wait()
	}
	time.Sleep(time.Until(start.Add(end)))
	synctest.Wait()
	return slices.Clone(lines)
}
