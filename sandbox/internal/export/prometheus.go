package export

import (
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// The form of prometheus.yml, as far as the operator's objects can say the same. Another key is an error.
type (
	prometheusFile struct {
		Global struct {
			ScrapeInterval     scalar            `yaml:"scrape_interval"`
			ScrapeTimeout      scalar            `yaml:"scrape_timeout"`
			EvaluationInterval scalar            `yaml:"evaluation_interval"`
			ExternalLabels     map[string]string `yaml:"external_labels"`
		} `yaml:"global"`
		RuleFiles []scalar `yaml:"rule_files"`
		Alerting  struct {
			Alertmanagers []struct {
				StaticConfigs []struct {
					Targets []scalar `yaml:"targets"`
				} `yaml:"static_configs"`
			} `yaml:"alertmanagers"`
		} `yaml:"alerting"`
		ScrapeConfigs []scrapeConfig `yaml:"scrape_configs"`
	}
	scrapeConfig struct {
		JobName        scalar              `yaml:"job_name"`
		ScrapeInterval scalar              `yaml:"scrape_interval"`
		ScrapeTimeout  scalar              `yaml:"scrape_timeout"`
		MetricsPath    *string             `yaml:"metrics_path"`
		Params         map[string][]string `yaml:"params"`
		SampleLimit    *int64              `yaml:"sample_limit"`
		TargetLimit    *int64              `yaml:"target_limit"`
		LabelLimit     *int64              `yaml:"label_limit"`
		StaticConfigs  []struct {
			Targets []string          `yaml:"targets"`
			Labels  map[string]string `yaml:"labels"`
		} `yaml:"static_configs"`
		Kubernetes []struct {
			Role       scalar `yaml:"role"`
			Namespaces struct {
				Names []string `yaml:"names"`
			} `yaml:"namespaces"`
		} `yaml:"kubernetes_sd_configs"`
		Relabel       []relabel `yaml:"relabel_configs"`
		MetricRelabel []relabel `yaml:"metric_relabel_configs"`
	}
	relabel struct {
		SourceLabels []string `yaml:"source_labels"`
		Separator    *string  `yaml:"separator"`
		TargetLabel  string   `yaml:"target_label"`
		Regex        string   `yaml:"regex"`
		Modulus      int64    `yaml:"modulus"`
		Replacement  *string  `yaml:"replacement"`
		Action       string   `yaml:"action"`
	}
)

// account is the service account that may list the pods.
const account = "prometheus"

// prometheus makes a ScrapeConfig of every job, a Prometheus that takes them, and the right to discover pods; for
// clusters without the operator, ConfigMaps of the files.
func (x *exporter) prometheus() error {
	files, err := x.config("prometheus")
	if err != nil {
		return err
	}
	byDir := map[string][]string{}
	for _, file := range files {
		byDir[filepath.Dir(x.name(file))] = append(byDir[filepath.Dir(x.name(file))], file)
	}
	for dir, of := range byDir {
		name := "prometheus-config"
		if dir != "prometheus" {
			name = "prometheus-" + slug(dir)
		}
		if err := x.configMap("plain", name, "prometheus", of, nil); err != nil {
			return err
		}
	}
	main := x.stack.Path("prometheus/prometheus.yml")
	var in prometheusFile
	if err := decode(main, &in); err != nil {
		return err
	}
	for _, pattern := range in.RuleFiles {
		if ok, err := x.ruleFiles(pattern.text); err != nil || !ok {
			return fail(main, pattern.line, "rule_files: %s: no rule files of the stack are there, so none can be exported; list them in stack.yaml, below /etc/prometheus/ here", pattern.text)
		}
	}
	var namespaces []string
	for _, job := range in.ScrapeConfigs {
		of, err := x.scrape(main, job)
		if err != nil {
			return err
		}
		namespaces = append(namespaces, of...)
	}
	if err := x.server(main, in); err != nil {
		return err
	}
	slices.Sort(namespaces)
	return x.access(slices.Compact(namespaces))
}

// scrape makes a ScrapeConfig, and says which namespaces it looks into.
func (x *exporter) scrape(file string, job scrapeConfig) (namespaces []string, err error) {
	spec := v1alpha1.ScrapeConfigSpec{
		JobName: &job.JobName.text, MetricsPath: job.MetricsPath, Params: job.Params,
		SampleLimit: job.SampleLimit, TargetLimit: job.TargetLimit, LabelLimit: job.LabelLimit,
		RelabelConfigs: relabelings(job.Relabel), MetricRelabelConfigs: relabelings(job.MetricRelabel),
	}
	if spec.ScrapeInterval, err = duration[monitoringv1.Duration](file, job.ScrapeInterval); err != nil {
		return nil, err
	}
	if spec.ScrapeTimeout, err = duration[monitoringv1.Duration](file, job.ScrapeTimeout); err != nil {
		return nil, err
	}
	for _, s := range job.StaticConfigs {
		var targets []v1alpha1.Target
		for _, t := range s.Targets {
			targets = append(targets, v1alpha1.Target(t))
		}
		spec.StaticConfigs = append(spec.StaticConfigs, v1alpha1.StaticConfig{Targets: targets, Labels: s.Labels})
	}
	for _, k := range job.Kubernetes {
		if k.Role.text != "pod" {
			return nil, fail(file, k.Role.line, "job %s: role %s: only pods are exported, for they alone are allowed to be listed", job.JobName.text, k.Role.text)
		}
		if len(k.Namespaces.Names) == 0 {
			return nil, fail(file, k.Role.line, "job %s: pods of every namespace: name the namespaces, for the export allows no more than is needed", job.JobName.text)
		}
		namespaces = append(namespaces, k.Namespaces.Names...)
		spec.KubernetesSDConfigs = append(spec.KubernetesSDConfigs, v1alpha1.KubernetesSDConfig{
			Role: "Pod", Namespaces: &v1alpha1.NamespaceDiscovery{Names: k.Namespaces.Names},
		})
	}
	return namespaces, x.put("operator", "scrapeconfig-"+slug(job.JobName.text), &v1alpha1.ScrapeConfig{
		TypeMeta:   metav1.TypeMeta{APIVersion: "monitoring.coreos.com/v1alpha1", Kind: v1alpha1.ScrapeConfigsKind},
		ObjectMeta: x.meta(slug(job.JobName.text), "prometheus"), Spec: spec,
	})
}

func relabelings(in []relabel) []monitoringv1.RelabelConfig {
	var out []monitoringv1.RelabelConfig
	for _, r := range in {
		one := monitoringv1.RelabelConfig{
			Separator: r.Separator, TargetLabel: r.TargetLabel, Regex: r.Regex, Modulus: r.Modulus, Replacement: r.Replacement, Action: r.Action,
		}
		for _, l := range r.SourceLabels {
			one.SourceLabels = append(one.SourceLabels, monitoringv1.LabelName(l))
		}
		out = append(out, one)
	}
	return out
}

// server is Prometheus itself, with prometheus.yml's global settings.
func (x *exporter) server(file string, in prometheusFile) error {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{partOf: part}}
	c, err := x.stack.Component("prometheus")
	if err != nil {
		return err
	}
	none, replicas, image := "", int32(1), c.Image
	p := &monitoringv1.Prometheus{
		TypeMeta:   metav1.TypeMeta{APIVersion: "monitoring.coreos.com/v1", Kind: monitoringv1.PrometheusesKind},
		ObjectMeta: x.meta("prometheus", "prometheus"),
		Spec: monitoringv1.PrometheusSpec{
			CommonPrometheusFields: monitoringv1.CommonPrometheusFields{
				Image: &image, Version: version(image), Replicas: &replicas, ServiceAccountName: account,
				ExternalLabels: in.Global.ExternalLabels,
				// No labels but prometheus.yml's own: the operator's would be on every alert.
				PrometheusExternalLabelName: &none, ReplicaExternalLabelName: &none,
				ScrapeConfigSelector: selector,
			},
			RuleSelector: selector,
		},
	}
	for _, d := range []struct {
		from scalar
		to   *monitoringv1.Duration
	}{
		{in.Global.ScrapeInterval, &p.Spec.ScrapeInterval}, {in.Global.ScrapeTimeout, &p.Spec.ScrapeTimeout},
		{in.Global.EvaluationInterval, &p.Spec.EvaluationInterval},
	} {
		value, err := duration[monitoringv1.Duration](file, d.from)
		if err != nil {
			return err
		}
		if value != nil {
			*d.to = *value
		}
	}
	for _, a := range in.Alerting.Alertmanagers {
		for _, s := range a.StaticConfigs {
			for _, target := range s.Targets {
				host, port, err := net.SplitHostPort(target.text)
				number, perr := strconv.Atoi(port)
				if err != nil || perr != nil || host != "alertmanager" {
					return fail(file, target.line, "alertmanagers: %s: the export has one Alertmanager, the Service alertmanager: expected alertmanager:PORT", target.text)
				}
				if p.Spec.Alerting == nil {
					p.Spec.Alerting = &monitoringv1.AlertingSpec{}
				}
				p.Spec.Alerting.Alertmanagers = append(p.Spec.Alerting.Alertmanagers, monitoringv1.AlertmanagerEndpoints{
					Namespace: &x.namespace, Name: host, Port: intstr.FromInt32(int32(number)),
				})
			}
		}
	}
	return x.put("operator", "prometheus", p)
}

// version is the tag of an image, from which the operator knows what the program understands.
func version(image string) string {
	_, tag, _ := strings.Cut(image[strings.LastIndexByte(image, '/')+1:], ":")
	return tag
}

// access lets Prometheus list the pods of the namespaces that its jobs name, and Alertmanager's in its own.
func (x *exporter) access(namespaces []string) error {
	for _, dir := range []string{"operator", "plain"} {
		if err := x.put(dir, "serviceaccount-"+account, &corev1.ServiceAccount{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"}, ObjectMeta: x.meta(account, "prometheus"),
		}); err != nil {
			return err
		}
		for _, namespace := range namespaces {
			if dir == "operator" && namespace == x.namespace {
				continue // allowed below, with more
			}
			if err := x.grant(dir, namespace, "pods"); err != nil {
				return err
			}
		}
	}
	// The operator finds Alertmanager by its endpoints.
	return x.grant("operator", x.namespace, "pods", "services", "endpoints")
}

func (x *exporter) grant(dir, namespace string, resources ...string) error {
	meta := x.meta(account, "prometheus")
	meta.Namespace = namespace
	rules := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: resources, Verbs: []string{"get", "list", "watch"}}}
	if slices.Contains(resources, "endpoints") {
		rules = append(rules, rbacv1.PolicyRule{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"get", "list", "watch"}})
	}
	if err := x.put(dir, "role-"+namespace, &rbacv1.Role{
		TypeMeta: metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "Role"}, ObjectMeta: meta, Rules: rules,
	}); err != nil {
		return err
	}
	return x.put(dir, "rolebinding-"+namespace, &rbacv1.RoleBinding{
		TypeMeta: metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "RoleBinding"}, ObjectMeta: meta,
		RoleRef:  rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "Role", Name: account},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: account, Namespace: x.namespace}},
	})
}
