package export

import (
	"encoding/json"
	"path"
	"path/filepath"
	"strings"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1alpha1"
	"gopkg.in/yaml.v3"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"obsandbox/sandbox/internal/amconfig"
)

// The form of alertmanager.yml, as far as an AlertmanagerConfig can say the same. Another key is an error.
type (
	alertmanagerFile struct {
		Global struct {
			ResolveTimeout  scalar `yaml:"resolve_timeout"`
			SlackAPIURLFile scalar `yaml:"slack_api_url_file"`
		} `yaml:"global"`
		Templates    []scalar      `yaml:"templates"`
		Route        *route        `yaml:"route"`
		Receivers    []receiver    `yaml:"receivers"`
		InhibitRules []inhibitRule `yaml:"inhibit_rules"`

		TimeIntervals     []namedInterval `yaml:"time_intervals"`
		MuteTimeIntervals []namedInterval `yaml:"mute_time_intervals"`
	}
	receiver struct {
		Name      string      `yaml:"name"`
		Slack     []slack     `yaml:"slack_configs"`
		PagerDuty []pagerDuty `yaml:"pagerduty_configs"`
	}
	slack struct {
		SendResolved *bool   `yaml:"send_resolved"`
		APIURLFile   scalar  `yaml:"api_url_file"`
		Channel      *string `yaml:"channel"`
		Username     *string `yaml:"username"`
		Color        *string `yaml:"color"`
		Title        *string `yaml:"title"`
		TitleLink    string  `yaml:"title_link"`
		Pretext      *string `yaml:"pretext"`
		Text         *string `yaml:"text"`
		Footer       *string `yaml:"footer"`
		Fallback     *string `yaml:"fallback"`
		IconEmoji    *string `yaml:"icon_emoji"`
	}
	pagerDuty struct {
		SendResolved   *bool     `yaml:"send_resolved"`
		RoutingKeyFile scalar    `yaml:"routing_key_file"`
		Severity       *string   `yaml:"severity"`
		Class          *string   `yaml:"class"`
		Component      *string   `yaml:"component"`
		Group          *string   `yaml:"group"`
		Description    *string   `yaml:"description"`
		Client         *string   `yaml:"client"`
		ClientURL      *string   `yaml:"client_url"`
		Details        yaml.Node `yaml:"details"`
	}
	route struct {
		Receiver       string   `yaml:"receiver"`
		GroupBy        []string `yaml:"group_by"`
		GroupWait      scalar   `yaml:"group_wait"`
		GroupInterval  scalar   `yaml:"group_interval"`
		RepeatInterval scalar   `yaml:"repeat_interval"`
		Matchers       []scalar `yaml:"matchers"`
		Continue       bool     `yaml:"continue"`
		Mute           []string `yaml:"mute_time_intervals"`
		Active         []string `yaml:"active_time_intervals"`
		Routes         []route  `yaml:"routes"`
	}
	inhibitRule struct {
		SourceMatchers []scalar `yaml:"source_matchers"`
		TargetMatchers []scalar `yaml:"target_matchers"`
		Equal          []string `yaml:"equal"`
	}
)

const (
	// secretDir is where the container has the Secret, a file for each key.
	secretDir = "/etc/alertmanager/secrets/"
	// SecretName is the Secret that the cluster's owner makes; its keys are the files' names.
	SecretName = "alertmanager-secrets"
	// templatesName is the ConfigMap of the notifications' templates.
	templatesName = "alertmanager-templates"
)

// alertmanager makes an AlertmanagerConfig, an Alertmanager that takes it as its whole configuration, and its Service;
// for clusters without the operator, ConfigMaps of the files.
func (x *exporter) alertmanager() error {
	file := x.stack.Path("alertmanager/alertmanager.yml")
	var in alertmanagerFile
	if err := decode(file, &in); err != nil {
		return err
	}
	files, err := x.config("alertmanager")
	if err != nil {
		return err
	}
	var templates []string
	for _, f := range files {
		if f != file {
			templates = append(templates, f)
		}
	}
	if err := x.configMap("plain", "alertmanager-config", "alertmanager", []string{file}, nil); err != nil {
		return err
	}
	for _, dir := range []string{"plain", "operator"} {
		if err := x.configMap(dir, templatesName, "alertmanager", templates, nil); err != nil {
			return err
		}
	}
	for _, pattern := range in.Templates {
		rest, ok := strings.CutPrefix(pattern.text, "/etc/alertmanager/")
		found, _ := filepath.Glob(filepath.Join(filepath.Dir(file), filepath.FromSlash(rest)))
		if !ok || len(found) != len(templates) {
			return fail(file, pattern.line, "templates: %s: expected the stack's own templates, below /etc/alertmanager/ here", pattern.text)
		}
	}
	c := amConverter{file: file, slackURL: in.Global.SlackAPIURLFile}
	spec, err := c.spec(in)
	if err != nil {
		return err
	}
	if err := x.put("operator", "alertmanagerconfig", &v1alpha1.AlertmanagerConfig{
		TypeMeta:   metav1.TypeMeta{APIVersion: "monitoring.coreos.com/v1alpha1", Kind: v1alpha1.AlertmanagerConfigKind},
		ObjectMeta: x.meta("data-ingestion", "alertmanager"), Spec: *spec,
	}); err != nil {
		return err
	}
	return x.alertmanagerServer(c, in, templates)
}

// alertmanagerServer is Alertmanager itself. The AlertmanagerConfig is its whole configuration: were it found by a
// selector, the operator would add the namespace to every route, and alerts without one would reach nobody.
func (x *exporter) alertmanagerServer(c amConverter, in alertmanagerFile, templates []string) error {
	component, err := x.stack.Component("alertmanager")
	if err != nil {
		return err
	}
	global := &monitoringv1.AlertmanagerGlobalConfig{}
	timeout, err := duration[monitoringv1.Duration](c.file, in.Global.ResolveTimeout)
	if err != nil {
		return err
	}
	if timeout != nil {
		global.ResolveTimeout = *timeout
	}
	if global.SlackAPIURL, err = c.secret(in.Global.SlackAPIURLFile); err != nil {
		return err
	}
	configuration := &monitoringv1.AlertmanagerConfiguration{Name: "data-ingestion", Global: global}
	for _, t := range templates {
		configuration.Templates = append(configuration.Templates, monitoringv1.SecretOrConfigMap{ConfigMap: &corev1.ConfigMapKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: templatesName}, Key: filepath.Base(t),
		}})
	}
	replicas := int32(1)
	port, ok := component.Port("http")
	if !ok {
		return fail(x.stack.Path("stack.yaml"), 0, "component alertmanager has no port named http")
	}
	if err := x.put("operator", "alertmanager", &monitoringv1.Alertmanager{
		TypeMeta:   metav1.TypeMeta{APIVersion: "monitoring.coreos.com/v1", Kind: monitoringv1.AlertmanagersKind},
		ObjectMeta: x.meta("alertmanager", "alertmanager"),
		Spec: monitoringv1.AlertmanagerSpec{
			Image: &component.Image, Version: version(component.Image), Replicas: &replicas, AlertmanagerConfiguration: configuration,
		},
	}); err != nil {
		return err
	}
	return x.put("operator", "service-alertmanager", &corev1.Service{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: x.meta("alertmanager", "alertmanager"),
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"alertmanager": "alertmanager"},
			Ports:    []corev1.ServicePort{{Name: "web", Port: int32(port.Number), TargetPort: intstr.FromString("web")}},
		},
	})
}

// amConverter turns parts of alertmanager.yml into the operator's types.
type amConverter struct {
	file     string
	slackURL scalar
}

func (c amConverter) spec(in alertmanagerFile) (*v1alpha1.AlertmanagerConfigSpec, error) {
	if in.Route == nil {
		return nil, fail(c.file, 1, "no route: say who gets the alerts")
	}
	if len(in.Route.Matchers) > 0 {
		return nil, fail(c.file, in.Route.Matchers[0].line, "the first route takes every alert: it has no matchers")
	}
	main, err := c.route(*in.Route)
	if err != nil {
		return nil, err
	}
	spec := &v1alpha1.AlertmanagerConfigSpec{Route: main}
	if spec.MuteTimeIntervals, err = c.intervals(in.TimeIntervals, in.MuteTimeIntervals); err != nil {
		return nil, err
	}
	for _, r := range in.Receivers {
		one, err := c.receiver(r)
		if err != nil {
			return nil, err
		}
		spec.Receivers = append(spec.Receivers, one)
	}
	for _, rule := range in.InhibitRules {
		one := v1alpha1.InhibitRule{Equal: rule.Equal}
		if one.SourceMatch, err = c.matchers(rule.SourceMatchers); err != nil {
			return nil, err
		}
		if one.TargetMatch, err = c.matchers(rule.TargetMatchers); err != nil {
			return nil, err
		}
		spec.InhibitRules = append(spec.InhibitRules, one)
	}
	return spec, nil
}

func (c amConverter) route(in route) (*v1alpha1.Route, error) {
	out := &v1alpha1.Route{
		Receiver: in.Receiver, GroupBy: in.GroupBy, Continue: in.Continue, MuteTimeIntervals: in.Mute, ActiveTimeIntervals: in.Active,
	}
	var err error
	for _, d := range []struct {
		from scalar
		to   **monitoringv1.NonEmptyDuration
	}{{in.GroupWait, &out.GroupWait}, {in.GroupInterval, &out.GroupInterval}, {in.RepeatInterval, &out.RepeatInterval}} {
		if *d.to, err = duration[monitoringv1.NonEmptyDuration](c.file, d.from); err != nil {
			return nil, err
		}
	}
	if out.Matchers, err = c.matchers(in.Matchers); err != nil {
		return nil, err
	}
	for _, child := range in.Routes {
		sub, err := c.route(child)
		if err != nil {
			return nil, err
		}
		raw, err := json.Marshal(sub)
		if err != nil {
			return nil, err
		}
		out.Routes = append(out.Routes, apiextensionsv1.JSON{Raw: raw})
	}
	return out, nil
}

func (c amConverter) matchers(in []scalar) ([]v1alpha1.Matcher, error) {
	var out []v1alpha1.Matcher
	for _, m := range in {
		parsed, err := amconfig.Matchers(m.text)
		if err != nil {
			return nil, fail(c.file, m.line, "matcher %s: %v", m.text, err)
		}
		for _, p := range parsed {
			out = append(out, v1alpha1.Matcher{Name: p.Name, Value: p.Value, MatchType: v1alpha1.MatchType(p.Type.String())})
		}
	}
	return out, nil
}

func (c amConverter) receiver(in receiver) (v1alpha1.Receiver, error) {
	out := v1alpha1.Receiver{Name: in.Name}
	for _, s := range in.Slack {
		one := v1alpha1.SlackConfig{
			SendResolved: s.SendResolved, Channel: s.Channel, Username: s.Username, Color: s.Color, Title: s.Title, TitleLink: s.TitleLink,
			Pretext: s.Pretext, Text: s.Text, Footer: s.Footer, Fallback: s.Fallback, IconEmoji: s.IconEmoji,
		}
		url := s.APIURLFile
		if url.line == 0 {
			url = c.slackURL
		}
		var err error
		if one.APIURL, err = c.secret(url); err != nil {
			return out, err
		}
		out.SlackConfigs = append(out.SlackConfigs, one)
	}
	for _, p := range in.PagerDuty {
		one := v1alpha1.PagerDutyConfig{
			SendResolved: p.SendResolved, Severity: p.Severity, Class: p.Class, Component: p.Component, Group: p.Group, Description: p.Description,
			Client: p.Client, ClientURL: p.ClientURL,
		}
		var err error
		if one.RoutingKey, err = c.secret(p.RoutingKeyFile); err != nil {
			return out, err
		}
		for i := 0; i+1 < len(p.Details.Content); i += 2 {
			key, value := p.Details.Content[i], p.Details.Content[i+1]
			if value.Kind != yaml.ScalarNode {
				return out, fail(c.file, value.Line, "details: %s: an AlertmanagerConfig has text there, nothing deeper", key.Value)
			}
			one.Details = append(one.Details, v1alpha1.KeyValue{Key: key.Value, Value: value.Value})
		}
		out.PagerDutyConfigs = append(out.PagerDutyConfigs, one)
	}
	return out, nil
}

// secret refers to the key of the Secret that a file would be mounted from; nil where there is no file.
func (c amConverter) secret(file scalar) (*corev1.SecretKeySelector, error) {
	if file.line == 0 {
		return nil, nil
	}
	key, ok := strings.CutPrefix(file.text, secretDir)
	if !ok || key == "" || key != path.Base(key) {
		return nil, fail(c.file, file.line, "%s: a secret's file lies in %s: its name is the key in the Secret %s", file.text, secretDir, SecretName)
	}
	return &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: SecretName}, Key: key}, nil
}
