package smoke

import "github.com/twmb/franz-go/pkg/kadm"

func alterRetention(ms string) []kadm.AlterConfig {
	return []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &ms}}
}

const (
	pages       = "a critical alert pages through PagerDuty"
	posts       = "a critical alert is posted to Slack"
	warns       = "a warning is posted to Slack"
	pagesNobody = "a warning pages nobody"
	silent      = "a warning is silent while something critical is known of the same thing"
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
		fails:  []string{pages, resolves},
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
		fails: []string{pages}, says: `payload.severity is "error"`,
	},
	{
		name: "a page says nothing",
		breaks: notified(kindPagerDuty, alertCritical, false, func(p jsonObject) jsonObject {
			p["payload"].(jsonObject)["custom_details"] = jsonObject{}
			return p
		}),
		fails: []string{pages}, says: "description is blank",
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

var brokenPlatform = []breakage{}
