package smoke

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// fakeAlerts are an Alertmanager that notifies at once, and what the platform has recorded of it.
type fakeAlerts struct {
	receivers []string
	firing    map[string]fakeAlert
	recorded  []jsonObject
	// onNotify changes a notification before it is recorded; nil drops it.
	onNotify func(kind string, alert fakeAlert, resolved bool, payload jsonObject) jsonObject
	// noInhibition lets every alert through.
	noInhibition bool
	// strangeInhibition names another alert as the reason.
	strangeInhibition bool
	// deafness suppresses every warning, once it is notified.
	deafness bool
	// extraPage pages for warnings too.
	extraPage bool
}

type fakeAlert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	EndsAt      time.Time         `json:"endsAt"`
	suppressed  bool
}

func (w *world) startAlerts() {
	_, receivers, err := loadReceivers(w.stack)
	require.NoError(w.t, err)
	for _, r := range receivers {
		w.receivers = append(w.receivers, r.Name)
	}
	w.firing = map[string]fakeAlert{}
	w.onNotify = func(_ string, _ fakeAlert, _ bool, payload jsonObject) jsonObject { return payload }
	w.serve("alertmanager", "http", map[string]handler{
		"GET /-/healthy": func(*http.Request) (any, error) { return "OK", nil },
		"GET /api/v2/status": func(*http.Request) (any, error) {
			return jsonObject{"versionInfo": jsonObject{"version": "0.31.1", "goVersion": "go1"}}, nil
		},
		"GET /api/v2/receivers": func(*http.Request) (any, error) {
			list := []any{}
			for _, name := range w.receivers {
				list = append(list, jsonObject{"name": name})
			}
			return list, nil
		},
		"POST /api/v2/alerts": func(r *http.Request) (any, error) {
			var alerts []fakeAlert
			if err := json.NewDecoder(r.Body).Decode(&alerts); err != nil {
				return nil, httpError(http.StatusBadRequest)
			}
			w.take(alerts)
			return jsonObject{}, nil
		},
		"GET /api/v2/alerts": func(r *http.Request) (any, error) {
			list := []any{}
			for name, a := range w.firing {
				if r.URL.Query().Get("filter") == `alertname="`+name+`"` {
					status := jsonObject{"state": "active", "inhibitedBy": []string{}}
					if a.suppressed || w.deafness && a.Labels["severity"] == "warning" {
						status = jsonObject{"state": "suppressed", "inhibitedBy": []string{"f-" + alertCritical + "_" + testID}}
						if w.strangeInhibition {
							status["inhibitedBy"] = []string{"0123456789abcdef"}
						}
					}
					list = append(list, jsonObject{"fingerprint": "f-" + name, "labels": a.Labels, "status": status})
				}
			}
			return list, nil
		},
	})
}

func (w *world) take(alerts []fakeAlert) {
	for _, a := range alerts {
		name := a.Labels["alertname"]
		before, known := w.firing[name]
		resolved := !a.EndsAt.IsZero()
		if resolved {
			delete(w.firing, name)
			if known && !before.suppressed {
				w.notify(a, true)
			}
			continue
		}
		for _, other := range w.firing {
			a.suppressed = a.suppressed || !w.noInhibition && a.Labels["severity"] == "warning" &&
				other.Labels["severity"] == "critical" && other.Labels["service"] == a.Labels["service"]
		}
		w.firing[name] = a
		if !a.suppressed {
			w.notify(a, false)
		}
	}
}

func (w *world) notify(a fakeAlert, resolved bool) {
	record := func(kind string, payload jsonObject) {
		if payload = w.onNotify(kind, a, resolved, payload); payload != nil {
			w.recorded = append(w.recorded, jsonObject{"id": len(w.recorded), "kind": kind, "payload": payload})
		}
	}
	name, severity := a.Labels["alertname"], a.Labels["severity"]
	runbook := a.Annotations["runbook_url"]
	if severity == "critical" || w.extraPage {
		record(kindPagerDuty, jsonObject{
			"routing_key": strings.Repeat("0", 32), "dedup_key": "d-" + name,
			"event_action": map[bool]string{true: "resolve", false: "trigger"}[resolved],
			"payload": jsonObject{
				"summary": name + ": " + a.Annotations["summary"], "source": "Alertmanager", "severity": severity, "class": name,
				"component": a.Labels["service"], "group": a.Labels["layer"],
				"custom_details": jsonObject{"description": a.Annotations["description"], "runbook": runbook, "num_firing": 1},
			},
		})
	}
	colour := map[string]string{"critical": "danger", "warning": "warning"}[severity]
	if resolved {
		colour = "good"
	}
	record(kindSlack, jsonObject{"channel": "#data-ingestion-alerts", "attachments": []any{jsonObject{
		"title": name, "fallback": name, "title_link": runbook, "color": colour,
		"text": "• *" + a.Annotations["summary"] + "* " + a.Annotations["description"] + " <" + runbook + "|Runbook>",
	}}})
}

// about says whether an alert is one of the run's, by its name before the run's id.
func (a fakeAlert) about(alert string) bool {
	return strings.HasPrefix(a.Labels["alertname"], alert+"_")
}
