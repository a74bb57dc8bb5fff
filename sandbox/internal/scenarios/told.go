package scenarios

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/common/model"

	"obsandbox/sandbox/internal/amconfig"
	"obsandbox/sandbox/internal/platform/inbox"
	"obsandbox/sandbox/internal/simulate"
)

// senders tell which receiver sent a notification, and of which group it is: what reaches Slack and PagerDuty says
// neither.
type senders struct {
	receivers []config.Receiver
	routes    []*dispatch.Route
	// groups are all that Alertmanager had while the scenario was played.
	groups []sentGroup
}

// sentGroup is a group of alerts of one receiver.
type sentGroup struct {
	receiver string
	labels   model.LabelSet
}

// newSenders asks a running Alertmanager for its configuration.
func newSenders(ctx context.Context, alertmanager string) (*senders, error) {
	var status struct {
		Config struct {
			Original string `json:"original"`
		} `json:"config"`
	}
	if err := fetch(ctx, http.MethodGet, alertmanager+"/api/v2/status", nil, &status); err != nil {
		return nil, err
	}
	conf, err := amconfig.Parse(status.Config.Original)
	if err != nil {
		return nil, fmt.Errorf("the configuration that Alertmanager runs with: %w", err)
	}
	s := &senders{receivers: conf.Receivers}
	dispatch.NewRoute(conf.Route, nil).Walk(func(r *dispatch.Route) { s.routes = append(s.routes, r) })
	return s, nil
}

// look notes the groups that there are now.
func (s *senders) look(ctx context.Context, alertmanager string) error {
	var groups []struct {
		Labels   model.LabelSet        `json:"labels"`
		Receiver struct{ Name string } `json:"receiver"`
	}
	if err := fetch(ctx, http.MethodGet, alertmanager+"/api/v2/alerts/groups", nil, &groups); err != nil {
		return err
	}
	for _, g := range groups {
		if !slices.ContainsFunc(s.groups, func(o sentGroup) bool { return o.receiver == g.Receiver.Name && o.labels.Equal(g.Labels) }) {
			s.groups = append(s.groups, sentGroup{g.Receiver.Name, g.Labels})
		}
	}
	return nil
}

// told is a notification with its receiver and its group. PagerDuty's key is made of both; of Slack's receivers, those
// with its channel come into question, and of their groups the one all of whose labels the message names.
func (s *senders) told(n inbox.Notification) simulate.Notification {
	out := simulate.Notification{At: n.Received, Kind: n.Kind, Title: n.Title, Text: n.Text, Payload: n.Payload, Status: "firing", Group: model.LabelSet{}}
	if n.Severity == "resolved" || n.Action == "resolve" {
		out.Status = "resolved"
	}
	for _, g := range s.groups {
		for _, r := range s.routes {
			if r.RouteOpts.Receiver == g.receiver && n.DedupKey != "" && notify.Key(fmt.Sprintf("%s:%s", r.Key(), g.labels)).Hash() == n.DedupKey {
				out.Receiver, out.Group = g.receiver, g.labels
				return out
			}
		}
	}
	named := -1
	for _, r := range s.receivers {
		if !sendsTo(r, n) {
			continue
		}
		if out.Receiver == "" {
			out.Receiver = r.Name
		}
		for _, g := range s.groups {
			if g.receiver == r.Name && len(g.labels) > named && names(n, g.labels) {
				out.Receiver, out.Group, named = r.Name, g.labels, len(g.labels)
			}
		}
	}
	return out
}

func sendsTo(r config.Receiver, n inbox.Notification) bool {
	if n.Kind == inbox.PagerDuty {
		return len(r.PagerdutyConfigs) > 0
	}
	return slices.ContainsFunc(r.SlackConfigs, func(c *config.SlackConfig) bool {
		return c.Channel == n.Channel || strings.Contains(c.Channel, "{{")
	})
}

// names says whether a notification has the values of all labels in it.
func names(n inbox.Notification, labels model.LabelSet) bool {
	text := n.Title + "\n" + n.Text + "\n" + string(n.Payload)
	for _, v := range labels {
		if !strings.Contains(text, string(v)) {
			return false
		}
	}
	return true
}
