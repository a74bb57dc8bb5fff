package smoke

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"obsandbox/sandbox/internal/stack"
)

// alertWay is what an alert needs to reach a person.
var alertWay = []string{"alertmanager", "platform"}

// alertChecks are about Alertmanager, and about who is told of what.
func alertChecks(e *env) []*check {
	file, receivers, err := loadReceivers(e.stack)
	if err != nil {
		return []*check{broken("alertmanager: which receivers to expect is known", file, err)}
	}
	var channels []string
	for _, r := range receivers {
		for _, s := range r.Slack {
			channels = append(channels, s.Channel)
		}
	}
	resolved := &check{
		name: "a resolved alert is resolved at PagerDuty and at Slack", needs: alertWay, file: file, line: lineWith(file, "send_resolved"),
		assert: e.resolutionArrives,
	}
	return []*check{
		{
			name: "alertmanager answers", needs: []string{"alertmanager"},
			assert: func(ctx context.Context) (string, error) {
				var status struct {
					Version struct {
						Version   string `json:"version"`
						GoVersion string `json:"goVersion"`
					} `json:"versionInfo"`
				}
				url := e.addr.URL("alertmanager", "http") + "/api/v2/status"
				if err := e.getJSON(ctx, url, &status); err != nil {
					return "", err
				}
				if status.Version.GoVersion == "" {
					return "", &mismatch{"versionInfo with a version and a goVersion", fmt.Sprintf("%+v", status.Version), url}
				}
				return e.healthy(ctx, "alertmanager", "http", "/-/healthy", "OK")
			},
		},
		{
			name: "alertmanager has the checked-in receivers", needs: []string{"alertmanager"}, file: file, line: lineWith(file, "receivers:"),
			assert: func(ctx context.Context) (string, error) { return e.receiversLoaded(ctx, receivers) },
		},
		{
			name: "a critical alert pages through PagerDuty", needs: alertWay, file: file, line: lineWith(file, "pagerduty_configs"),
			assert: e.criticalPages,
		},
		{
			name: "a critical alert is posted to Slack", needs: alertWay, file: file, line: lineWith(file, "slack_configs"),
			assert: func(ctx context.Context) (string, error) {
				return e.postedToSlack(ctx, alertCritical, "danger", channels)
			},
		},
		{
			name: "a warning is posted to Slack", needs: alertWay, file: file, line: lineWith(file, "slack_configs"),
			assert: func(ctx context.Context) (string, error) {
				return e.postedToSlack(ctx, alertWarning, "warning", channels)
			},
		},
		{
			// By then, what would have gone out wrongly with the first notifications has.
			name: "a warning pages nobody", needs: alertWay, file: file, line: lineWith(file, "routes:"), after: []*check{resolved},
			assert: e.warningPagesNobody,
		},
		{
			name: "a warning is silent while something critical is known of the same thing", needs: alertWay, file: file, line: lineWith(file, "inhibit_rules"),
			after: []*check{resolved}, assert: e.warningIsSilent,
		},
		{
			name: "a warning about another thing is heard all the while", needs: alertWay, file: file, line: lineWith(file, "inhibit_rules"),
			after: []*check{resolved}, assert: e.warningIsHeard,
		},
		resolved,
	}
}

// receiver is a receiver of alertmanager.yml.
type receiver struct {
	Name  string `yaml:"name"`
	Slack []struct {
		Channel string `yaml:"channel"`
	} `yaml:"slack_configs"`
}

func loadReceivers(s *stack.Stack) (string, []receiver, error) {
	file, err := configFile(s, "alertmanager")
	if err != nil {
		return "", nil, err
	}
	var doc struct {
		Receivers []receiver `yaml:"receivers"`
	}
	if err := decodeLoosely(file, &doc); err != nil {
		return file, nil, err
	}
	if len(doc.Receivers) == 0 {
		return file, nil, &stack.FileError{File: file, Line: 1, Msg: "no receivers: nobody would be told"}
	}
	return file, doc.Receivers, nil
}

func (e *env) receiversLoaded(ctx context.Context, want []receiver) (string, error) {
	var have []struct {
		Name string `json:"name"`
	}
	url := e.addr.URL("alertmanager", "http") + "/api/v2/receivers"
	if err := e.getJSON(ctx, url, &have); err != nil {
		return "", err
	}
	var wanted, loaded []string
	for _, r := range want {
		wanted = append(wanted, r.Name)
	}
	for _, r := range have {
		loaded = append(loaded, r.Name)
	}
	slices.Sort(wanted)
	slices.Sort(loaded)
	if !slices.Equal(wanted, loaded) {
		return "", &mismatch{strings.Join(wanted, ", "), strings.Join(loaded, ", "), url}
	}
	return strings.Join(loaded, ", "), nil
}

// told are the notifications about one of the run's alerts.
func (e *env) told(ctx context.Context, kind, alert string, resolved bool) (notifications, error) {
	if err := e.alerts.wait(ctx); err != nil {
		return nil, err
	}
	all, err := e.notifications(ctx)
	return all.about(kind, e.alerts.name(alert), resolved), err
}

// nobodyTold is the mismatch of a notification that did not come.
func (e *env) nobodyTold(kind, alert string) error {
	return &mismatch{
		fmt.Sprintf("a notification at %s about %s", kind, e.alerts.name(alert)), "none",
		fmt.Sprintf("%s/api/v2/alerts/groups, %s/api/notifications and the log of alertmanager",
			e.addr.URL("alertmanager", "http"), e.addr.URL("platform", "api")),
	}
}

func (e *env) criticalPages(ctx context.Context) (string, error) {
	got, err := e.told(ctx, kindPagerDuty, alertCritical, false)
	if err != nil {
		return "", err
	}
	if len(got) == 0 {
		return "", e.nobodyTold(kindPagerDuty, alertCritical)
	}
	event, in := got[0].event, e.alerts
	details := map[string]string{}
	for key, value := range event.Payload.CustomDetails {
		details[key] = textOf(value)
	}
	faults := differences(
		difference{"event_action", event.EventAction, "trigger"},
		difference{"payload.severity", event.Payload.Severity, "critical"},
		difference{"payload.class", event.Payload.Class, in.name(alertCritical)},
		difference{"payload.component", event.Payload.Component, in.service(alertCritical)},
		difference{"payload.group", event.Payload.Group, alertLayer},
		difference{"payload.custom_details.runbook", details["runbook"], in.runbook()},
	)
	faults = append(faults, lacking("payload.summary", event.Payload.Summary, in.name(alertCritical), in.summary(alertCritical))...)
	faults = append(faults, lacking("payload.custom_details.description", details["description"], in.description(alertCritical))...)
	if event.DedupKey == "" || event.RoutingKey == "" || event.Payload.Source == "" {
		faults = append(faults, "dedup_key, routing_key or payload.source is blank")
	}
	return e.payload(faults, got[0], "routing_key, dedup_key")
}

// postedToSlack: in the right channel and colour, with a text and the way to the runbook.
func (e *env) postedToSlack(ctx context.Context, alert, colour string, channels []string) (string, error) {
	got, err := e.told(ctx, kindSlack, alert, false)
	if err != nil {
		return "", err
	}
	if len(got) == 0 {
		return "", e.nobodyTold(kindSlack, alert)
	}
	message, in := got[0].slack, e.alerts
	var faults []string
	if !slices.Contains(channels, message.Channel) {
		faults = append(faults, fmt.Sprintf("channel is %q, none of %s", message.Channel, strings.Join(channels, ", ")))
	}
	if len(message.Attachments) != 1 {
		return e.payload(append(faults, fmt.Sprintf("%d attachments", len(message.Attachments))), got[0], message.Channel)
	}
	a := message.Attachments[0]
	faults = append(faults, differences(
		difference{"color", a.Color, colour},
		difference{"title_link", a.TitleLink, in.runbook()},
	)...)
	faults = append(faults, lacking("title", a.Title, in.name(alert))...)
	faults = append(faults, lacking("fallback", a.Fallback, in.name(alert))...)
	faults = append(faults, lacking("text", a.Text, in.description(alert), in.summary(alert), in.runbook())...)
	return e.payload(faults, got[0], message.Channel)
}

type difference struct{ what, got, want string }

func differences(pairs ...difference) []string {
	var faults []string
	for _, d := range pairs {
		if d.got != d.want {
			faults = append(faults, fmt.Sprintf("%s is %q, not %q", d.what, d.got, d.want))
		}
	}
	return faults
}

// lacking lists the words that a text does not contain.
func lacking(what, text string, words ...string) []string {
	if strings.TrimSpace(text) == "" {
		return []string{what + " is blank"}
	}
	var faults []string
	for _, word := range words {
		if !strings.Contains(text, word) {
			faults = append(faults, fmt.Sprintf("%s lacks %q: %q", what, word, text))
		}
	}
	return faults
}

func (e *env) payload(faults []string, n notification, figure string) (string, error) {
	if len(faults) > 0 {
		// What was sent stays as it is.
		return "", final(&mismatch{"the payload of templates/notifications.tmpl", strings.Join(faults, "; "), excerpt(n.Payload)})
	}
	return figure, nil
}

func (e *env) warningPagesNobody(ctx context.Context) (string, error) {
	posted, err := e.told(ctx, kindSlack, alertWarning, false)
	if err != nil {
		return "", err
	}
	if len(posted) == 0 {
		return "", e.nobodyTold(kindSlack, alertWarning)
	}
	got, err := e.told(ctx, kindPagerDuty, alertWarning, false)
	if err != nil {
		return "", err
	}
	if len(got) > 0 {
		return "", final(&mismatch{"no page about " + e.alerts.name(alertWarning), fmt.Sprintf("%d pages", len(got)), excerpt(got[0].Payload)})
	}
	return "", nil
}

// warningIsSilent: Alertmanager says that it is suppressed, and nobody was told.
func (e *env) warningIsSilent(ctx context.Context) (string, error) {
	if err := e.alerts.waitOver(ctx); err != nil {
		return "", err
	}
	status, by, asked := e.alerts.silently()
	if asked != nil {
		return "", final(fmt.Errorf("ask alertmanager for %s: %w", e.alerts.name(alertSilent), asked))
	}
	if status.Status.State != "suppressed" || !slices.Contains(status.Status.InhibitedBy, by) {
		return "", final(&mismatch{
			fmt.Sprintf("%s suppressed, inhibited by %s", e.alerts.name(alertSilent), e.alerts.name(alertCritical)),
			fmt.Sprintf("state %q, inhibited by %v (the critical alert is %q)", status.Status.State, status.Status.InhibitedBy, by),
			"inhibit_rules",
		})
	}
	for _, kind := range []string{kindSlack, kindPagerDuty} {
		got, err := e.told(ctx, kind, alertSilent, false)
		if err != nil {
			return "", err
		}
		if len(got) > 0 {
			return "", final(&mismatch{"nobody is told of " + e.alerts.name(alertSilent), kind + " is", excerpt(got[0].Payload)})
		}
	}
	return "suppressed", nil
}

// warningIsHeard: what is critical somewhere keeps nothing silent that has no label in common with it.
func (e *env) warningIsHeard(ctx context.Context) (string, error) {
	if err := e.alerts.waitOver(ctx); err != nil {
		return "", err
	}
	status, err := e.alerts.elsewhere()
	if err != nil {
		return "", final(fmt.Errorf("ask alertmanager for %s: %w", e.alerts.name(alertWarning), err))
	}
	if status.Status.State != "active" {
		return "", final(&mismatch{
			fmt.Sprintf("%s active: it is about another service, of another layer, than %s", e.alerts.name(alertWarning), e.alerts.name(alertCritical)),
			fmt.Sprintf("state %q, inhibited by %v", status.Status.State, status.Status.InhibitedBy),
			"equal of inhibit_rules: labels that neither alert has are equal, too",
		})
	}
	return status.Status.State, nil
}

// resolutionArrives waits for Alertmanager's group_interval.
func (e *env) resolutionArrives(ctx context.Context) (string, error) {
	if err := e.alerts.waitOver(ctx); err != nil {
		return "", err
	}
	triggered, err := e.told(ctx, kindPagerDuty, alertCritical, false)
	if err != nil {
		return "", err
	}
	got, err := e.told(ctx, kindPagerDuty, alertCritical, true)
	if err != nil {
		return "", err
	}
	if len(triggered) == 0 || len(got) == 0 {
		return "", &mismatch{
			"a trigger and a resolve for " + e.alerts.name(alertCritical),
			fmt.Sprintf("%d triggers, %d resolves", len(triggered), len(got)),
			"send_resolved of pagerduty_configs",
		}
	}
	if want, have := triggered[0].event.DedupKey, got[0].event.DedupKey; want != have {
		return "", final(&mismatch{"the resolve has the dedup_key of its trigger, " + want, have, excerpt(got[0].Payload)})
	}
	for _, alert := range []string{alertCritical, alertWarning} {
		posted, err := e.told(ctx, kindSlack, alert, true)
		if err != nil {
			return "", err
		}
		if len(posted) == 0 {
			return "", &mismatch{"a message that " + e.alerts.name(alert) + " is resolved", "none", "send_resolved of slack_configs"}
		}
	}
	return "", nil
}
