package stack

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"gopkg.in/yaml.v3"
)

// checkAlertRelabeling says which alert Prometheus would keep to itself, or send without its name or with a severity that
// Alertmanager's routes do not know: alert_relabel_configs are applied to what fires, and nobody is told of what they drop.
// Of an alert's labels, those are known that its rule gives it.
func (s *Stack) checkAlertRelabeling(files, severities []string) []error {
	c, err := s.Component("prometheus")
	if err != nil || len(c.Config) == 0 {
		return nil
	}
	config := s.Path(c.Config[0])
	var doc struct {
		Global struct {
			ExternalLabels map[string]string `yaml:"external_labels"`
		} `yaml:"global"`
		Alerting struct {
			Relabel []*relabel.Config `yaml:"alert_relabel_configs"`
		} `yaml:"alerting"`
	}
	var root yaml.Node
	if _, err := DecodeFile(config, &root); err != nil || root.Decode(&doc) != nil || len(doc.Alerting.Relabel) == 0 {
		return nil // what is wrong with the file is Prometheus' own to say
	}
	for _, r := range doc.Alerting.Relabel {
		if r.Validate(model.UTF8Validation) != nil {
			return nil
		}
	}
	at := mapValue(mapValue(root.Content[0], "alerting"), "alert_relabel_configs")
	var errs []error
	_ = eachAlert(files, func(alert *yaml.Node, _ failAt) {
		name := mapValue(alert, "alert").Value
		before := labels.NewBuilder(labels.FromMap(doc.Global.ExternalLabels))
		if own := mapValue(alert, "labels"); own != nil {
			for i := 0; i+1 < len(own.Content); i += 2 {
				before.Set(own.Content[i].Value, own.Content[i+1].Value)
			}
		}
		before.Set(model.AlertNameLabel, name)
		after := labels.NewBuilder(before.Labels())
		fail := func(format string, args ...any) {
			errs = append(errs, &FileError{File: config, Line: at.Line, Msg: fmt.Sprintf("alert_relabel_configs: alert %s ", name) + fmt.Sprintf(format, args...)})
		}
		if !relabel.ProcessBuilder(after, doc.Alerting.Relabel...) {
			fail("is dropped: nobody would be told of it")
			return
		}
		if is := after.Get(model.AlertNameLabel); is != name {
			fail("is sent as %q", is)
		}
		was, is := before.Get("severity"), after.Get("severity")
		if was != is && len(severities) > 0 && !slices.Contains(severities, is) {
			fail("is sent with severity %q instead of %q, and alertmanager's routes know %s", is, was, strings.Join(severities, ", "))
		}
	})
	return errs
}
