package export_test

import (
	"flag"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1alpha1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"obsandbox/sandbox/internal/embedded"
	"obsandbox/sandbox/internal/export"
	"obsandbox/sandbox/internal/stack"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func checkedIn(t *testing.T) *stack.Stack {
	t.Helper()
	dir, err := stack.Find(".")
	require.NoError(t, err)
	s, err := stack.Load(dir)
	require.NoError(t, err)
	return s
}

func exported(t *testing.T, s *stack.Stack) export.Files {
	t.Helper()
	files, err := export.Kubernetes(s, export.Options{})
	require.NoError(t, err)
	return files
}

// example is a small stack in testdata, whose export is kept as golden files.
func example(t *testing.T) *stack.Stack {
	t.Helper()
	s, err := stack.Load(filepath.Join("testdata", "stack"))
	require.NoError(t, err)
	return s
}

func TestGolden(t *testing.T) {
	t.Parallel()
	files := exported(t, example(t))
	dir := filepath.Join("testdata", "golden")
	if *update {
		require.NoError(t, os.RemoveAll(dir))
		require.NoError(t, files.Write(dir))
	}
	var there []string
	require.NoError(t, filepath.WalkDir(dir, func(file string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, file)
			there = append(there, filepath.ToSlash(rel))
		}
		return err
	}))
	var made []string
	for name, data := range files {
		made = append(made, name)
		want, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		require.NoError(t, err, "run the test with -update to write it")
		require.Equal(t, string(want), string(data), name)
	}
	require.ElementsMatch(t, there, made)
}

func TestSameInputSameBytes(t *testing.T) {
	t.Parallel()
	s := checkedIn(t)
	first := exported(t, s)
	for range 3 {
		require.Equal(t, first, exported(t, s))
	}
}

// object is the type of each kind that an export has.
func object(t *testing.T, kind string) any {
	t.Helper()
	types := map[string]any{
		"ConfigMap": &corev1.ConfigMap{}, "Service": &corev1.Service{}, "ServiceAccount": &corev1.ServiceAccount{},
		"Role": &rbacv1.Role{}, "RoleBinding": &rbacv1.RoleBinding{}, "Deployment": &appsv1.Deployment{},
		"PrometheusRule": &monitoringv1.PrometheusRule{}, "Prometheus": &monitoringv1.Prometheus{}, "Alertmanager": &monitoringv1.Alertmanager{},
		"ScrapeConfig": &v1alpha1.ScrapeConfig{}, "AlertmanagerConfig": &v1alpha1.AlertmanagerConfig{},
		"Kustomization": new(map[string]any), "Component": new(map[string]any),
	}
	require.Contains(t, types, kind)
	return types[kind]
}

func TestEveryObjectIsOfItsType(t *testing.T) {
	t.Parallel()
	kinds := map[string]int{}
	for name, data := range exported(t, checkedIn(t)) {
		var head struct {
			Kind     string `json:"kind"`
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
		}
		require.NoError(t, yaml.Unmarshal(data, &head), name)
		require.NoError(t, yaml.UnmarshalStrict(data, object(t, head.Kind)), name)
		kinds[head.Kind]++
		if head.Kind != "Kustomization" && head.Kind != "Component" {
			require.Empty(t, validation.IsDNS1123Subdomain(head.Metadata.Name), name)
		}
	}
	require.Equal(t, 10, kinds["ScrapeConfig"], "one for each job")
	require.Equal(t, 5, kinds["Deployment"], "one for each service with probes")
	require.Equal(t, 1, kinds["AlertmanagerConfig"])
	require.Equal(t, 4, kinds["Kustomization"]+kinds["Component"])

	require.Error(t, yaml.UnmarshalStrict([]byte("kind: PrometheusRule\nspec: {groups: [{name: a, rulez: []}]}"), &monitoringv1.PrometheusRule{}),
		"a key that the type does not know must be noticed")
}

// ruleGroups are the groups of every rule file below prometheus/, by name.
func ruleGroups(t *testing.T, s *stack.Stack) map[string]rulefmt.RuleGroup {
	t.Helper()
	all := map[string]rulefmt.RuleGroup{}
	for _, pattern := range []string{"alerts", "slo"} {
		files, err := filepath.Glob(filepath.Join(s.Dir, "prometheus", pattern, "*.yml"))
		require.NoError(t, err)
		for _, file := range files {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			collect(t, all, data)
		}
	}
	return all
}

func collect(t *testing.T, all map[string]rulefmt.RuleGroup, data []byte) {
	t.Helper()
	groups, errs := rulefmt.Parse(data, false, model.LegacyValidation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	require.Empty(t, errs)
	for _, g := range groups.Groups {
		require.NotContains(t, all, g.Name)
		all[g.Name] = g
	}
}

// exportedRules are the specs of the PrometheusRules, as rule files.
func exportedRules(t *testing.T, files export.Files) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for name, data := range files {
		if !strings.HasPrefix(name, "operator/prometheusrule-") {
			continue
		}
		var r struct {
			Spec map[string]any `json:"spec"`
		}
		require.NoError(t, yaml.Unmarshal(data, &r))
		spec, err := yaml.Marshal(r.Spec)
		require.NoError(t, err)
		all[name] = spec
	}
	return all
}

func TestRulesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	s := checkedIn(t)
	want, got := ruleGroups(t, s), map[string]rulefmt.RuleGroup{}
	for _, data := range exportedRules(t, exported(t, s)) {
		collect(t, got, data)
	}
	require.Greater(t, len(want), 5)
	require.Equal(t, want, got)
}

func TestPromtoolAcceptsTheRules(t *testing.T) {
	t.Parallel()
	s := checkedIn(t)
	paths, err := embedded.FindPrograms(t.Context(), s, "", []string{"promtool"}, func(m string) { t.Log(m) })
	require.NoError(t, err)
	dir := t.TempDir()
	n := 0
	for name, data := range exportedRules(t, exported(t, s)) {
		file := filepath.Join(dir, filepath.Base(name))
		require.NoError(t, os.WriteFile(file, data, 0o600))
		out, err := exec.CommandContext(t.Context(), paths[0], "check", "rules", file).CombinedOutput()
		require.NoError(t, err, "%s\n%s", name, out)
		n++
	}
	require.Equal(t, 7, n)
}

func TestConfigMapsHoldTheFilesByteForByte(t *testing.T) {
	t.Parallel()
	s := checkedIn(t)
	files := exported(t, s)
	for object, of := range map[string][]string{
		"plain/configmap-prometheus-config.yaml":           {"prometheus/prometheus.yml"},
		"plain/configmap-prometheus-alerts.yaml":           {"prometheus/alerts/collection-layer.yml", "prometheus/alerts/processing-layer.yml", "prometheus/alerts/storage-layer.yml"},
		"plain/configmap-alertmanager-config.yaml":         {"alertmanager/alertmanager.yml"},
		"operator/configmap-alertmanager-templates.yaml":   {"alertmanager/templates/notifications.tmpl"},
		"common/configmap-logstash-pipeline.yaml":          {"logstash/pipeline/logstash.conf", "logstash/pipeline/dead-letters.conf"},
		"common/configmap-logstash-settings.yaml":          {"logstash/logstash.yml", "logstash/pipelines.yml"},
		"common/configmap-jaeger-config.yaml":              {"jaeger/config.yaml"},
		"common/configmap-kafka-config.yaml":               {"kafka/topics.yml"},
		"common/configmap-grafana-datasources.yaml":        {"grafana/provisioning/datasources/datasources.yaml"},
		"common/configmap-grafana-dashboard-overview.yaml": {"grafana/dashboards/overview.json"},
	} {
		var m corev1.ConfigMap
		require.NoError(t, yaml.UnmarshalStrict(files[object], &m), object)
		require.Len(t, m.Data, len(of), object)
		for _, file := range of {
			data, err := os.ReadFile(s.Path(file))
			require.NoError(t, err)
			require.Equal(t, string(data), m.Data[filepath.Base(file)], object)
		}
		if strings.Contains(object, "dashboard-overview") {
			require.Equal(t, "1", m.Labels["grafana_dashboard"])
		}
	}
}

// TestRoutesComeBackAsTheyWere reads the AlertmanagerConfig by hand: the operator itself is no library.
func TestRoutesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	var c v1alpha1.AlertmanagerConfig
	require.NoError(t, yaml.UnmarshalStrict(exported(t, checkedIn(t))["operator/alertmanagerconfig.yaml"], &c))
	require.Equal(t, "slack-notifications", c.Spec.Route.Receiver)
	require.Equal(t, []string{"alertname", "layer"}, c.Spec.Route.GroupBy)
	children, err := c.Spec.Route.ChildRoutes()
	require.NoError(t, err)
	require.Len(t, children, 2)
	require.Equal(t, "pagerduty-critical", children[0].Receiver)
	require.True(t, children[0].Continue)
	require.Equal(t, `severity="critical"`, children[0].Matchers[0].String())
	require.Equal(t, `severity=~"critical|warning"`, children[1].Matchers[0].String())
	require.Len(t, c.Spec.InhibitRules, 1)
	require.Equal(t, []string{"layer", "service", "backend", "slo"}, c.Spec.InhibitRules[0].Equal)
	require.Equal(t, `severity="warning"`, c.Spec.InhibitRules[0].TargetMatch[0].String())
	byName := map[string]v1alpha1.Receiver{}
	for _, r := range c.Spec.Receivers {
		byName[r.Name] = r
	}
	key := byName["pagerduty-critical"].PagerDutyConfigs[0].RoutingKey
	require.Equal(t, "alertmanager-secrets/pagerduty_routing_key", key.Name+"/"+key.Key)
	url := byName["slack-notifications"].SlackConfigs[0].APIURL
	require.Equal(t, "alertmanager-secrets/slack_api_url", url.Name+"/"+url.Key)
	require.Equal(t, "\t{{ template \"descriptions\" . }}", byName["pagerduty-critical"].PagerDutyConfigs[0].Details[0].Value)
}

func TestTimesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "stack"))))
	file := filepath.Join(dir, "alertmanager", "alertmanager.yml")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	text := strings.Replace(string(data), "receivers:", `time_intervals:
  - name: office
    time_intervals:
      - {weekdays: ["monday:friday"], times: [{start_time: "09:00", end_time: "17:00"}], days_of_month: ["1:5", "-1"], months: ["1:3"], years: ["2025"]}
mute_time_intervals:
  - {name: holidays, time_intervals: [{months: [august]}]}
receivers:`, 1)
	require.Contains(t, text, "continue: true")
	text = strings.Replace(text, "continue: true", "continue: true\n      active_time_intervals: [office]\n      mute_time_intervals: [holidays]", 1)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	s, err := stack.Load(dir)
	require.NoError(t, err)
	objects := exported(t, s)["operator/alertmanagerconfig.yaml"]
	var c v1alpha1.AlertmanagerConfig
	require.NoError(t, yaml.UnmarshalStrict(objects, &c))
	require.Equal(t, []v1alpha1.MuteTimeInterval{
		{Name: "office", TimeIntervals: []v1alpha1.TimeInterval{{
			Weekdays: []v1alpha1.WeekdayRange{"monday:friday"}, Times: []v1alpha1.TimeRange{{StartTime: "09:00", EndTime: "17:00"}},
			DaysOfMonth: []v1alpha1.DayOfMonthRange{{Start: 1, End: 5}, {Start: -1, End: -1}}, Months: []v1alpha1.MonthRange{"1:3"}, Years: []v1alpha1.YearRange{"2025"},
		}}},
		{Name: "holidays", TimeIntervals: []v1alpha1.TimeInterval{{Months: []v1alpha1.MonthRange{"august"}}}},
	}, c.Spec.MuteTimeIntervals)
	children, err := c.Spec.Route.ChildRoutes()
	require.NoError(t, err)
	require.Equal(t, []string{"office"}, children[0].ActiveTimeIntervals)
	require.Equal(t, []string{"holidays"}, children[0].MuteTimeIntervals)
}

func TestProbesPatchDeployments(t *testing.T) {
	t.Parallel()
	s := checkedIn(t)
	health, err := stack.LoadHealth(s.Path(stack.HealthFile))
	require.NoError(t, err)
	files := exported(t, s)
	for _, name := range health.Names() {
		var d appsv1.Deployment
		require.NoError(t, yaml.UnmarshalStrict(files["probes/"+name+".yaml"], &d))
		require.Equal(t, health.Services[name].Liveness, d.Spec.Template.Spec.Containers[0].LivenessProbe)
		require.Equal(t, health.Services[name].Readiness, d.Spec.Template.Spec.Containers[0].ReadinessProbe)
	}
}

// TestKubectlBuildsIt needs kubectl, which asks no cluster for this.
func TestKubectlBuildsIt(t *testing.T) {
	t.Parallel()
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		t.Skip("no kubectl on PATH: whether kustomize builds the directories is not tried here; the other tests read every object")
	}
	dir := t.TempDir()
	require.NoError(t, exported(t, checkedIn(t)).Write(dir))
	services := filepath.Join(dir, "services")
	require.NoError(t, os.Mkdir(services, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(services, "kustomization.yaml"), []byte("resources: [deployments.yaml]\ncomponents: [../probes]\n"), 0o600))
	var deployments strings.Builder
	for _, name := range []string{"shipping-collector", "inventory-collector", "supplier-collector", "storage-router", "query-api"} {
		deployments.WriteString("---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: " + name + "}\nspec: {template: {spec: {containers: [{name: sidecar, image: s}, {name: " + name + ", image: i}]}}}\n")
	}
	require.NoError(t, os.WriteFile(filepath.Join(services, "deployments.yaml"), []byte(deployments.String()), 0o600))
	for sub, want := range map[string]string{"operator": "kind: PrometheusRule", "plain": "name: prometheus-config", "common": "grafana_dashboard", "services": "path: /health/ready"} {
		out, err := exec.CommandContext(t.Context(), kubectl, "kustomize", filepath.Join(dir, sub)).CombinedOutput()
		require.NoError(t, err, "%s\n%s", sub, out)
		require.Contains(t, string(out), want)
		if sub == "services" {
			require.Equal(t, 5, strings.Count(string(out), "name: sidecar"), "a patch of probes leaves other containers alone")
			require.Equal(t, 5, strings.Count(string(out), "path: /health/live"))
		}
	}
}

// TestInexpressible: what the objects cannot say is an error at its line.
func TestInexpressible(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, file, old, new, want string }{
		{"a setting of Prometheus", "prometheus/prometheus.yml", "  evaluation_interval: 15s", "  evaluation_interval: 15s\n  query_log_file: /q", `unknown key "query_log_file": it cannot be expressed`},
		{"another discovery", "prometheus/prometheus.yml", "static_configs:\n      - targets: [kafka", "dns_sd_configs:\n      - names: [kafka", `unknown key "dns_sd_configs"`},
		{"nodes", "prometheus/prometheus.yml", "role: pod", "role: node", "role node"},
		{"pods of everywhere", "prometheus/prometheus.yml", "        namespaces: {names: [data-ingestion]}\n", "", "name the namespaces"},
		{"another Alertmanager", "prometheus/prometheus.yml", "alertmanager:9093", "am.example.com:9093", "the export has one Alertmanager"},
		{"rules that are not there", "prometheus/prometheus.yml", "alerts/*.yml", "rules/*.yml", "rule_files"},
		{"a duration", "prometheus/prometheus.yml", "scrape_interval: 15s", "scrape_interval: soon", `"soon" is no duration`},
		{"a key of a group", "prometheus/alerts/layer.yml", "interval: 30s", "interval: 30s\n    partial: warn", `unknown key "partial"`},
		{"a key of a rule", "prometheus/alerts/layer.yml", "for: 5m", "for: 5m\n        runbook: x", `unknown key "runbook"`},
		{"a receiver", "alertmanager/alertmanager.yml", "slack_configs:", "telegram_configs:", `unknown key "telegram_configs"`},
		{"a secret's value", "alertmanager/alertmanager.yml", "routing_key_file: /etc/alertmanager/secrets/key", "routing_key: abc", `unknown key "routing_key"`},
		{"a secret elsewhere", "alertmanager/alertmanager.yml", "/etc/alertmanager/secrets/key", "/run/key", "a secret's file lies in /etc/alertmanager/secrets/"},
		{"a place of times", "alertmanager/alertmanager.yml", "receivers:", "time_intervals: [{name: office, time_intervals: [{location: Europe/Berlin}]}]\nreceivers:", `unknown key "location": it cannot be expressed`},
		{"a day", "alertmanager/alertmanager.yml", "receivers:", "time_intervals: [{name: first, time_intervals: [{days_of_month: [first]}]}]\nreceivers:", `days_of_month: "first" is no day`},
		{"a matcher", "alertmanager/alertmanager.yml", `severity = "critical"`, `severity !! x`, "matcher severity !! x"},
		{"deep details", "alertmanager/alertmanager.yml", `runbook: text`, `runbook: {a: b}`, "an AlertmanagerConfig has text there"},
		{"templates elsewhere", "alertmanager/alertmanager.yml", "/etc/alertmanager/templates/*.tmpl", "/opt/*.tmpl", "expected the stack's own templates"},
		{"a probe", "health.yaml", "path: /health/live", "paths: /health/live", `unknown key "paths"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "stack"))))
			file := filepath.Join(dir, filepath.FromSlash(tt.file))
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Contains(t, string(data), tt.old)
			require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(data), tt.old, tt.new, 1)), 0o600))
			s, err := stack.Load(dir)
			require.NoError(t, err)
			_, err = export.Kubernetes(s, export.Options{})
			require.ErrorContains(t, err, tt.want)
			require.Regexp(t, `^`+file+`:\d+: `, err.Error())
		})
	}
}
