package routes

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/common/model"
	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/stack"
)

// critical is the severity of what somebody has to get up for.
const critical = "critical"

// CheckPages says which critical alert of the stack's rules pages nobody, though its Alertmanager has a receiver that
// pages: a route that is narrower than it was takes no alert away, it is posted like any other, and nobody gets up. Errors
// are *stack.FileError; what cannot be read is others' to say.
func CheckPages(s *stack.Stack) error {
	c, err := s.Component("alertmanager")
	if err != nil || len(c.Config) == 0 {
		return nil
	}
	router, err := Load(s.Path(c.Config[0]))
	if err != nil || !slices.ContainsFunc(router.conf.Receivers, func(r config.Receiver) bool { return len(r.PagerdutyConfigs) > 0 }) {
		return nil
	}
	files, err := s.RuleFiles()
	if err != nil {
		return nil
	}
	sent := sentBy(s)
	var errs []error
	for _, file := range files {
		var root yaml.Node
		if _, err := stack.DecodeFile(file, &root); err != nil {
			continue
		}
		for _, group := range stack.Child(root.Content[0], "groups").Content {
			for _, rule := range stack.Child(group, "rules").Content {
				if err := router.pages(sent, group, rule); err != nil {
					name := stack.Child(rule, "alert")
					errs = append(errs, &stack.FileError{File: file, Line: name.Line, Msg: fmt.Sprintf("alert %s: %v", name.Value, err)})
				}
			}
		}
	}
	return errors.Join(errs...)
}

// pages is an error where a rule is a critical alert that pages nobody.
func (r *Router) pages(sent sending, group, rule *yaml.Node) error {
	name := stack.Child(rule, "alert").Value
	if name == "" {
		return nil
	}
	known := maps.Clone(sent.labels)
	texts(known, stack.Child(group, "labels"))
	texts(known, stack.Child(rule, "labels"))
	if known["severity"] != critical || sent.anything {
		return nil
	}
	known[model.AlertNameLabel] = model.LabelValue(name)
	maps.DeleteFunc(known, func(name model.LabelName, value model.LabelValue) bool {
		return strings.Contains(string(value), "{{") || slices.Contains(sent.changed, string(name))
	})
	var reached []string
	mayReach(r.root, known, &reached)
	for _, receiver := range r.conf.Receivers {
		if slices.Contains(reached, receiver.Name) && wakes(receiver) {
			return nil
		}
	}
	return fmt.Errorf("it is critical and pages nobody: alertmanager's routes take it to %s", strings.Join(reached, ", "))
}

// wakes says whether a receiver is one that somebody is woken by. Behind a webhook there may be any.
func wakes(r config.Receiver) bool {
	return len(r.PagerdutyConfigs)+len(r.OpsGenieConfigs)+len(r.VictorOpsConfigs)+len(r.IncidentioConfigs)+
		len(r.PushoverConfigs)+len(r.SNSConfigs)+len(r.WebhookConfigs) > 0
}

// verdict is whether a route takes an alert of which not every label is known.
type verdict int

const (
	never verdict = iota
	perhaps
	always
)

// mayReach walks the routes as Alertmanager does, and collects the receivers that an alert with the labels reaches. Further
// labels may come from the series that the alert is about: a route that asks for one takes the alert perhaps.
func mayReach(route *dispatch.Route, known model.LabelSet, reached *[]string) verdict {
	takes := always
	for _, m := range route.Matchers {
		value, ok := known[model.LabelName(m.Name)]
		switch {
		case !ok:
			takes = min(takes, perhaps)
		case !m.Matches(string(value)):
			return never
		}
	}
	below := never
	for _, child := range route.Routes {
		v := mayReach(child, known, reached)
		below = max(below, v)
		if v == always && !child.Continue {
			break
		}
	}
	if to := route.RouteOpts.Receiver; below != always && !slices.Contains(*reached, to) {
		*reached = append(*reached, to)
	}
	return takes
}

// sending is what Prometheus does to the labels of alerts before it sends them.
type sending struct {
	// labels are those that it adds.
	labels model.LabelSet
	// changed are labels that it may give other values.
	changed []string
	// anything says that it may change any.
	anything bool
}

type relabeling []struct {
	Action string `yaml:"action"`
	Target string `yaml:"target_label"`
}

func sentBy(s *stack.Stack) sending {
	out := sending{labels: model.LabelSet{}}
	c, err := s.Component("prometheus")
	if err != nil || len(c.Config) == 0 {
		return out
	}
	var doc struct {
		Global struct {
			Labels yaml.Node `yaml:"external_labels"`
		} `yaml:"global"`
		Alerting struct {
			Relabeling    relabeling `yaml:"alert_relabel_configs"`
			Alertmanagers []struct {
				Relabeling relabeling `yaml:"alert_relabel_configs"`
			} `yaml:"alertmanagers"`
		} `yaml:"alerting"`
	}
	var root yaml.Node
	if _, err := stack.DecodeFile(s.Path(c.Config[0]), &root); err != nil || root.Decode(&doc) != nil {
		out.anything = true
		return out
	}
	texts(out.labels, &doc.Global.Labels)
	all := doc.Alerting.Relabeling
	for _, am := range doc.Alerting.Alertmanagers {
		all = append(all, am.Relabeling...)
	}
	for _, r := range all {
		switch {
		case strings.HasPrefix(r.Action, "label") || strings.Contains(r.Target, "$"):
			out.anything = true
		case r.Target != "":
			out.changed = append(out.changed, r.Target)
		}
	}
	return out
}

// texts adds the keys and values of a mapping to labels.
func texts(labels model.LabelSet, mapping *yaml.Node) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		labels[model.LabelName(mapping.Content[i].Value)] = model.LabelValue(stack.Follow(mapping.Content[i+1]).Value)
	}
}
