package smoke

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// The kinds of recorded notifications.
const (
	kindSlack     = "slack"
	kindPagerDuty = "pagerduty"
)

// notification is one request that the platform's stand-ins of Slack and PagerDuty have recorded.
type notification struct {
	Kind    string          `json:"kind"`
	Payload json.RawMessage `json:"payload"`

	slack slackMessage
	event pagerDutyEvent
}

// slackMessage is what an incoming webhook of Slack is sent.
type slackMessage struct {
	Channel     string `json:"channel"`
	Attachments []struct {
		Title     string `json:"title"`
		TitleLink string `json:"title_link"`
		Text      string `json:"text"`
		Fallback  string `json:"fallback"`
		Color     string `json:"color"`
	} `json:"attachments"`
}

// pagerDutyEvent is an event of PagerDuty's Events API v2.
type pagerDutyEvent struct {
	RoutingKey  string `json:"routing_key"`
	EventAction string `json:"event_action"`
	DedupKey    string `json:"dedup_key"`
	Payload     struct {
		Summary       string         `json:"summary"`
		Source        string         `json:"source"`
		Severity      string         `json:"severity"`
		Class         string         `json:"class"`
		Component     string         `json:"component"`
		Group         string         `json:"group"`
		CustomDetails map[string]any `json:"custom_details"`
	} `json:"payload"`
}

// resolved says whether the notification is of an end. Slack's messages say so by their colour alone.
func (n notification) resolved() bool {
	if n.Kind == kindPagerDuty {
		return n.event.EventAction == "resolve"
	}
	return slices.ContainsFunc(n.slack.colours(), func(c string) bool { return c == "good" })
}

func (m slackMessage) colours() []string {
	var all []string
	for _, a := range m.Attachments {
		all = append(all, a.Color)
	}
	return all
}

type notifications []notification

// about are the notifications that name an alert, of a kind, and of its beginning or its end.
func (all notifications) about(kind, alert string, resolved bool) notifications {
	var out notifications
	for _, n := range all {
		// A name in quotes or as a part of a text: names of one run do not contain each other.
		if n.Kind == kind && strings.Contains(string(n.Payload), alert) && n.resolved() == resolved {
			out = append(out, n)
		}
	}
	return out
}

func (all notifications) has(kind, alert string, resolved bool) bool {
	return len(all.about(kind, alert, resolved)) > 0
}

// notifications are those of this run that the platform has recorded.
func (e *env) notifications(ctx context.Context) (notifications, error) {
	var all notifications
	url := e.addr.URL("platform", "api") + "/api/notifications?contains=" + e.id
	if err := e.getJSON(ctx, url, &all); err != nil {
		return nil, err
	}
	for i := range all {
		var err error
		switch n := &all[i]; n.Kind {
		case kindSlack:
			err = json.Unmarshal(n.Payload, &n.slack)
		case kindPagerDuty:
			err = json.Unmarshal(n.Payload, &n.event)
		}
		if err != nil {
			return nil, fmt.Errorf("GET %s: notification %d is not what %s is sent: %w", url, i, all[i].Kind, err)
		}
	}
	return all, nil
}
