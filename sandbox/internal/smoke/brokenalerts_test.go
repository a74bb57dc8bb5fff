package smoke

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
)

func alterRetention(ms string) []kadm.AlterConfig {
	return []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &ms}}
}

const (
	pagesOnCall = "a critical alert pages through PagerDuty"
	posts       = "a critical alert is posted to Slack"
	warns       = "a warning is posted to Slack"
	pagesNobody = "a warning pages nobody"
	silent      = "a warning is silent while something critical is known of the same thing"
	heard       = "a warning about another thing is heard all the while"
	resolves    = "a resolved alert is resolved at PagerDuty and at Slack"
)

// notified changes the notifications about one alert at one receiver.
func notified(kind, alert string, resolved bool, change func(jsonObject) jsonObject) func(*world) {
	return func(w *world) {
		w.onNotify = func(k string, a fakeAlert, r bool, payload jsonObject) jsonObject {
			if k == kind && a.about(alert) && r == resolved {
				return change(payload)
			}
			return payload
		}
	}
}

func dropped(jsonObject) jsonObject { return nil }

func attachment(payload jsonObject) jsonObject { return payload["attachments"].([]any)[0].(jsonObject) }

var brokenAlerts = []breakage{
	{
		name:   "alertmanager is not healthy",
		breaks: func(w *world) { w.answers["alertmanager/http /-/healthy"] = "no" },
		fails:  []string{"alertmanager answers"},
	},
	{
		name:   "alertmanager has another receiver",
		breaks: func(w *world) { w.receivers = []string{"default"} },
		fails:  []string{"alertmanager has the checked-in receivers"}, says: "default",
	},
	{
		name:   "a critical alert pages nobody",
		breaks: notified(kindPagerDuty, alertCritical, false, dropped),
		fails:  []string{pagesOnCall, resolves},
	},
	{
		name:   "a critical alert is not posted",
		breaks: notified(kindSlack, alertCritical, false, dropped),
		fails:  []string{posts},
	},
	{
		name: "a page has another severity",
		breaks: notified(kindPagerDuty, alertCritical, false, func(p jsonObject) jsonObject {
			p["payload"].(jsonObject)["severity"] = "error"
			return p
		}),
		fails: []string{pagesOnCall}, says: `payload.severity is "error"`,
	},
	{
		name: "a page says nothing",
		breaks: notified(kindPagerDuty, alertCritical, false, func(p jsonObject) jsonObject {
			p["payload"].(jsonObject)["custom_details"] = jsonObject{}
			return p
		}),
		fails: []string{pagesOnCall}, says: "description is blank",
	},
	{
		name: "a message is blank",
		breaks: notified(kindSlack, alertWarning, false, func(p jsonObject) jsonObject {
			attachment(p)["text"] = " "
			return p
		}),
		fails: []string{warns}, says: "text is blank",
	},
	{
		name: "a message does not lead to the runbook",
		breaks: notified(kindSlack, alertWarning, false, func(p jsonObject) jsonObject {
			attachment(p)["title_link"] = ""
			return p
		}),
		fails: []string{warns}, says: "title_link",
	},
	{
		name: "a message has the colour of another severity",
		breaks: notified(kindSlack, alertCritical, false, func(p jsonObject) jsonObject {
			attachment(p)["color"] = "warning"
			return p
		}),
		fails: []string{posts}, says: `color is "warning", not "danger"`,
	},
	{
		name: "a message goes to another channel",
		breaks: notified(kindSlack, alertCritical, false, func(p jsonObject) jsonObject {
			p["channel"] = "#general"
			return p
		}),
		fails: []string{posts}, says: "#general",
	},
	{
		name:   "a warning is not posted",
		breaks: notified(kindSlack, alertWarning, false, dropped),
		fails:  []string{warns, pagesNobody},
	},
	{
		name:   "a warning pages",
		breaks: func(w *world) { w.extraPage = true },
		fails:  []string{pagesNobody}, says: "1 pages",
	},
	{
		name:   "nothing is inhibited",
		breaks: func(w *world) { w.noInhibition = true },
		fails:  []string{silent}, says: `state "active"`,
	},
	{
		name:   "a warning is suppressed for another reason",
		breaks: func(w *world) { w.strangeInhibition = true },
		fails:  []string{silent}, says: "inhibited by [0123456789abcdef]",
	},
	{
		name:   "whatever is critical silences every warning",
		breaks: func(w *world) { w.deafness = true },
		fails:  []string{heard}, says: `state "suppressed", inhibited by [f-SmokeCritical`,
	},
	{
		name:   "a resolved alert stays open at PagerDuty",
		breaks: notified(kindPagerDuty, alertCritical, true, dropped),
		fails:  []string{resolves}, says: "0 resolves",
	},
	{
		name: "a resolve names another incident",
		breaks: notified(kindPagerDuty, alertCritical, true, func(p jsonObject) jsonObject {
			p["dedup_key"] = "other"
			return p
		}),
		fails: []string{resolves}, says: "dedup_key",
	},
	{
		name:   "Slack is not told that a warning is over",
		breaks: notified(kindSlack, alertWarning, true, dropped),
		fails:  []string{resolves}, says: "is resolved",
	},
}

const (
	follows  = "a service that cannot reach kafka is not ready, but lives, and is ready again after it"
	podProbe = "pods have the checked-in probes"
)

func succeeds(kind, service string) string {
	return fmt.Sprintf("the %s probe of %s succeeds", kind, service)
}

var brokenPlatform = []breakage{
	{
		name: "a broker is no target",
		breaks: func(w *world) {
			w.hosts = append(w.hosts, jsonObject{"name": "kafka-3", "address": "kafka-3.kafka:7071"})
		},
		fails: []string{"prometheus leaves out no host of the cluster"}, says: "kafka-3 (kafka-3.kafka:7071)", at: "prometheus.yml:18",
	},
	{
		name:   "the Kubernetes API does not say what it is",
		breaks: func(w *world) { w.answers["platform/kubernetes /version"] = `{}` },
		fails:  []string{"platform answers"},
	},
	{
		name:   "a pod does not live",
		breaks: func(w *world) { w.dead["storage-router-1"] = true },
		fails:  []string{succeeds("liveness", "storage-router"), succeeds("readiness", "storage-router")},
		says:   "storage-router-1 is down",
	},
	{
		name:   "a pod is not ready",
		breaks: func(w *world) { w.deaf["shipping-collector-0"] = true },
		fails:  []string{succeeds("readiness", "shipping-collector")}, says: "HTTP status 503",
	},
	{
		name:   "a pod's probe waits longer than the checked-in one",
		breaks: func(w *world) { w.pods[0].Spec.Containers[0].LivenessProbe.PeriodSeconds = 100 },
		fails:  []string{podProbe}, says: `"periodSeconds":100`,
	},
	{
		name:   "a pod has no probe",
		breaks: func(w *world) { w.pods[0].Spec.Containers[0].ReadinessProbe = nil },
		fails:  []string{podProbe}, says: "readiness probe null",
	},
	{
		name:   "readiness does not look at Kafka",
		breaks: func(w *world) { w.faultsIgnored = true },
		fails:  []string{follows}, says: "status 200",
	},
	{
		name:   "a service that cannot reach Kafka dies",
		breaks: func(w *world) { w.faultsDeadly = true },
		fails:  []string{follows},
	},
	{
		name:   "a fault does not go away",
		breaks: func(w *world) { w.faultsSlow = true },
		fails:  []string{follows}, says: "is ready again",
	},
	{
		name:   "a metric of the catalogue is not exposed by one of its services",
		breaks: func(w *world) { delete(w.series["service"]["collector_errors_total"], "supplier-collector") },
		fails:  []string{"prometheus has every metric of the catalogue, from each service that exposes it"},
		says:   "collector_errors_total of supplier-collector",
	},
	{
		name:   "a counter is exposed as a gauge",
		breaks: func(w *world) { w.types["collector_errors_total"] = "gauge" },
		fails:  []string{"metrics have the types of the catalogue"}, says: "collector_errors_total is a gauge, not a counter",
	},
	{
		name:   "a label has a value that the catalogue does not know",
		breaks: func(w *world) { w.series["error_type"]["collector_errors_total"]["timeout"] = 1 },
		fails:  []string{"metrics have the labels of the catalogue, with its values"}, says: `error_type="timeout"`,
	},
	{
		name:   "a label is missing",
		breaks: func(w *world) { delete(w.series["error_type"], "collector_errors_total") },
		fails:  []string{"metrics have the labels of the catalogue, with its values"}, says: "collector_errors_total has no label error_type",
	},
}
