package export

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/common/model"
	"gopkg.in/yaml.v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"obsandbox/sandbox/internal/stack"
)

// The form of a rule file, as far as a PrometheusRule can say the same. Another key is an error.
type (
	ruleFile struct {
		Groups []ruleGroup `yaml:"groups"`
	}
	ruleGroup struct {
		Name        string            `yaml:"name"`
		Interval    scalar            `yaml:"interval"`
		QueryOffset scalar            `yaml:"query_offset"`
		Limit       *int              `yaml:"limit"`
		Labels      map[string]string `yaml:"labels"`
		Rules       []rule            `yaml:"rules"`
	}
	rule struct {
		Record        string            `yaml:"record"`
		Alert         string            `yaml:"alert"`
		Expr          scalar            `yaml:"expr"`
		For           scalar            `yaml:"for"`
		KeepFiringFor scalar            `yaml:"keep_firing_for"`
		Labels        map[string]string `yaml:"labels"`
		Annotations   map[string]string `yaml:"annotations"`
	}
)

// scalar is a value with its line.
type scalar struct {
	text string
	line int
}

// UnmarshalYAML takes any scalar as it is written.
func (s *scalar) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: expected one value", node.Line)
	}
	s.text, s.line = node.Value, node.Line
	return nil
}

// duration is a value as Prometheus reads durations; nil where there is none.
func duration[D ~string](file string, s scalar) (*D, error) {
	if s.line == 0 {
		return nil, nil
	}
	if _, err := model.ParseDuration(s.text); err != nil {
		return nil, fail(file, s.line, "%s is no duration such as 30s or 5m", strconv.Quote(s.text))
	}
	d := D(s.text)
	return &d, nil
}

// decode reads a file strictly; what it does not know, it says, cannot be exported.
func decode(file string, value any) error {
	_, err := stack.DecodeFile(file, value)
	return inexpressible(err)
}

// inexpressible adds to errors of unknown keys why they are errors here.
func inexpressible(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			_ = inexpressible(one)
		}
	}
	if fe, ok := err.(*stack.FileError); ok && strings.HasPrefix(fe.Msg, "unknown key") {
		fe.Msg += ": it cannot be expressed by the objects of an export; take it out, or set it in the cluster by a patch"
	}
	return err
}

// rules makes a PrometheusRule of every rule file.
func (x *exporter) rules() error {
	files, err := x.config("prometheus")
	if err != nil {
		return err
	}
	for _, file := range files {
		if filepath.Base(file) == "prometheus.yml" {
			continue
		}
		var in ruleFile
		if err := decode(file, &in); err != nil {
			return err
		}
		spec := monitoringv1.PrometheusRuleSpec{}
		for _, g := range in.Groups {
			group, err := exportGroup(file, g)
			if err != nil {
				return err
			}
			spec.Groups = append(spec.Groups, group)
		}
		name := slug(filepath.Dir(file)) + "-" + slug(file)
		object := &monitoringv1.PrometheusRule{
			TypeMeta:   metav1.TypeMeta{APIVersion: "monitoring.coreos.com/v1", Kind: monitoringv1.PrometheusRuleKind},
			ObjectMeta: x.meta(name, "prometheus"), Spec: spec,
		}
		if err := x.put("operator", "prometheusrule-"+name, object); err != nil {
			return err
		}
	}
	return nil
}

func exportGroup(file string, g ruleGroup) (monitoringv1.RuleGroup, error) {
	out := monitoringv1.RuleGroup{Name: g.Name, Limit: g.Limit, Labels: g.Labels}
	var err error
	if out.Interval, err = duration[monitoringv1.Duration](file, g.Interval); err != nil {
		return out, err
	}
	if out.QueryOffset, err = duration[monitoringv1.Duration](file, g.QueryOffset); err != nil {
		return out, err
	}
	for _, r := range g.Rules {
		one := monitoringv1.Rule{Record: r.Record, Alert: r.Alert, Expr: intstr.FromString(r.Expr.text), Labels: r.Labels, Annotations: r.Annotations}
		if one.For, err = duration[monitoringv1.Duration](file, r.For); err != nil {
			return out, err
		}
		if one.KeepFiringFor, err = duration[monitoringv1.NonEmptyDuration](file, r.KeepFiringFor); err != nil {
			return out, err
		}
		out.Rules = append(out.Rules, one)
	}
	return out, nil
}

// ruleFiles says whether a pattern of prometheus.yml takes files that the stack has, as the container mounts them.
func (x *exporter) ruleFiles(pattern string) (bool, error) {
	rest, ok := strings.CutPrefix(pattern, "/etc/prometheus/")
	if !ok {
		return false, nil
	}
	found, err := filepath.Glob(filepath.Join(x.stack.Path("prometheus"), filepath.FromSlash(rest)))
	if err != nil || len(found) == 0 {
		return false, err
	}
	configured, err := x.config("prometheus")
	if err != nil {
		return false, err
	}
	for _, file := range found {
		if !slices.Contains(configured, file) {
			return false, nil
		}
	}
	return true, nil
}
