package smoke

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"gopkg.in/yaml.v3"
)

// prometheus asks Prometheus' HTTP API.
func (e *env) prometheus(ctx context.Context, path string, into any) error {
	var answer struct {
		Status string          `json:"status"`
		Error  string          `json:"error"`
		Data   json.RawMessage `json:"data"`
	}
	url := e.addr.URL("prometheus", "http") + path
	if err := e.getJSON(ctx, url, &answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("GET %s: %s: %s", url, answer.Status, answer.Error)
	}
	if err := json.Unmarshal(answer.Data, into); err != nil {
		return fmt.Errorf("GET %s: the answer is not the JSON expected: %w", url, err)
	}
	return nil
}

// sample is one element of an instant vector.
type sample struct {
	labels map[string]string
	value  float64
}

// query evaluates an expression now. A scalar comes back as one sample without labels.
func (e *env) query(ctx context.Context, expr string) ([]sample, error) {
	var data struct {
		Type   string          `json:"resultType"`
		Result json.RawMessage `json:"result"`
	}
	if err := e.prometheus(ctx, "/api/v1/query?query="+url.QueryEscape(expr), &data); err != nil {
		return nil, err
	}
	type pair [2]any
	var vector []struct {
		Metric map[string]string `json:"metric"`
		Value  pair              `json:"value"`
	}
	switch data.Type {
	case "vector":
		if err := json.Unmarshal(data.Result, &vector); err != nil {
			return nil, fmt.Errorf("evaluate %s: %w", expr, err)
		}
	case "scalar":
		vector = make([]struct {
			Metric map[string]string `json:"metric"`
			Value  pair              `json:"value"`
		}, 1)
		if err := json.Unmarshal(data.Result, &vector[0].Value); err != nil {
			return nil, fmt.Errorf("evaluate %s: %w", expr, err)
		}
	default:
		return nil, fmt.Errorf("evaluate %s: the result is a %s", expr, data.Type)
	}
	out := make([]sample, len(vector))
	for i, v := range vector {
		text, _ := v.Value[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("evaluate %s: %w", expr, err)
		}
		out[i] = sample{v.Metric, value}
	}
	return out, nil
}

// prometheusChecks are about Prometheus itself.
func prometheusChecks(e *env) []*check {
	cfg, err := e.promConfig()
	if err != nil {
		return nil // targetChecks say so
	}
	needs := []string{"prometheus"}
	return []*check{
		{
			name: "prometheus answers", needs: needs,
			assert: func(ctx context.Context) (string, error) {
				var build struct {
					Version   string `json:"version"`
					GoVersion string `json:"goVersion"`
				}
				if err := e.prometheus(ctx, "/api/v1/status/buildinfo", &build); err != nil {
					return "", err
				}
				if build.GoVersion == "" {
					return "", &mismatch{"a version and a goVersion", fmt.Sprintf("%+v", build), e.addr.URL("prometheus", "http") + "/api/v1/status/buildinfo"}
				}
				return e.healthy(ctx, "prometheus", "http", "/-/healthy", "Healthy")
			},
		},
		{
			name: "prometheus runs the checked-in configuration", needs: needs, file: cfg.file, line: lineWith(cfg.file, "external_labels:"),
			assert: func(ctx context.Context) (string, error) { return e.configLoaded(ctx, cfg) },
		},
		{
			name: "prometheus has found alertmanager", needs: []string{"prometheus", "alertmanager"}, file: cfg.file, line: max(1, lineWith(cfg.file, "alerting:")),
			assert: func(ctx context.Context) (string, error) { return e.alertmanagerFound(ctx, cfg) },
		},
		{
			name: "prometheus drops no notification", needs: []string{"prometheus", "alertmanager"},
			assert: e.nothingDropped,
		},
	}
}

// healthy asks a health page for a 2xx and the words that the original answers with.
func (e *env) healthy(ctx context.Context, component, port, path, words string) (string, error) {
	url := e.addr.URL(component, port) + path
	_, body, err := e.do(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	if !strings.Contains(string(body), words) {
		return "", &mismatch{fmt.Sprintf("%q in the answer", words), excerpt(body), url}
	}
	return excerpt(body), nil
}

func (e *env) configLoaded(ctx context.Context, cfg *promConfig) (string, error) {
	var runtime struct {
		ReloadConfigSuccess bool `json:"reloadConfigSuccess"`
	}
	if err := e.prometheus(ctx, "/api/v1/status/runtimeinfo", &runtime); err != nil {
		return "", err
	}
	look := e.addr.URL("prometheus", "http") + "/api/v1/status/config"
	if !runtime.ReloadConfigSuccess {
		return "", &mismatch{"the last reload of the configuration succeeded", "it failed", "the log of prometheus"}
	}
	var config struct {
		YAML string `json:"yaml"`
	}
	if err := e.prometheus(ctx, "/api/v1/status/config", &config); err != nil {
		return "", err
	}
	var running struct {
		Global struct {
			ExternalLabels map[string]string `yaml:"external_labels"`
		} `yaml:"global"`
		RuleFiles []string `yaml:"rule_files"`
	}
	if err := yaml.Unmarshal([]byte(config.YAML), &running); err != nil {
		return "", fmt.Errorf("GET %s: %w", look, err)
	}
	if !maps.Equal(running.Global.ExternalLabels, cfg.externalLabels) {
		return "", &mismatch{
			fmt.Sprintf("external_labels %v", cfg.externalLabels), fmt.Sprintf("external_labels %v", running.Global.ExternalLabels), look,
		}
	}
	return fmt.Sprintf("%d external labels, %d rule_files", len(cfg.externalLabels), len(running.RuleFiles)), nil
}

func (e *env) alertmanagerFound(ctx context.Context, cfg *promConfig) (string, error) {
	var data struct {
		Active []struct {
			URL string `json:"url"`
		} `json:"activeAlertmanagers"`
		Dropped []struct {
			URL string `json:"url"`
		} `json:"droppedAlertmanagers"`
	}
	if err := e.prometheus(ctx, "/api/v1/alertmanagers", &data); err != nil {
		return "", err
	}
	var urls []string
	for _, a := range data.Active {
		urls = append(urls, a.URL)
	}
	if len(urls) != cfg.alertmanagers || len(urls) == 0 || len(data.Dropped) > 0 {
		return "", &mismatch{
			fmt.Sprintf("%d active alertmanagers, none dropped", max(1, cfg.alertmanagers)),
			fmt.Sprintf("%d active (%s), %d dropped", len(urls), strings.Join(urls, ", "), len(data.Dropped)),
			"alerting.alertmanagers in " + e.show(cfg.file),
		}
	}
	for _, active := range urls {
		if err := e.takesAlerts(ctx, active); err != nil {
			return "", &mismatch{"alertmanager takes alerts at " + active, err.Error(), "path_prefix and scheme of alerting.alertmanagers in " + e.show(cfg.file)}
		}
	}
	return strings.Join(urls, ", "), nil
}

// takesAlerts asks Alertmanager for its alerts at the URL that Prometheus sends them to: as long as none fires, a wrong
// one goes unnoticed. The host's name may mean something to Prometheus alone.
func (e *env) takesAlerts(ctx context.Context, active string) error {
	u, err := url.Parse(active)
	if err != nil {
		return err
	}
	u.Host = e.addr.Of("alertmanager", "http")
	return e.getJSON(ctx, u.String(), new([]any))
}

// nothingDropped reads Prometheus' own metrics, which no job scrapes.
func (e *env) nothingDropped(ctx context.Context) (string, error) {
	metrics, err := e.ownMetrics(ctx, e.addr.URL("prometheus", "http")+"/metrics")
	if err != nil {
		return "", err
	}
	sent, known := metrics["prometheus_notifications_sent_total"]
	var faults []string
	if dropped, ok := metrics["prometheus_notifications_dropped_total"]; !ok || dropped > 0 {
		faults = append(faults, fmt.Sprintf("prometheus_notifications_dropped_total is %v (there: %t)", dropped, ok))
	}
	if failed := metrics["prometheus_notifications_errors_total"]; failed > 0 {
		faults = append(faults, fmt.Sprintf("prometheus_notifications_errors_total is %v", failed))
	}
	if found := metrics["prometheus_notifications_alertmanagers_discovered"]; found < 1 {
		faults = append(faults, "prometheus_notifications_alertmanagers_discovered is 0")
	}
	if len(faults) > 0 {
		return "", &mismatch{"an alertmanager, and no notification dropped or refused by it", strings.Join(faults, "; "), "the logs of prometheus and alertmanager"}
	}
	if !known {
		sent = 0
	}
	return fmt.Sprintf("%.0f sent", sent), nil
}

// ownMetrics reads a metrics page; values of one name are added up.
func (e *env) ownMetrics(ctx context.Context, url string) (map[string]float64, error) {
	_, body, err := e.do(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(string(body)))
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", url, err)
	}
	sums := map[string]float64{}
	for _, name := range slices.Sorted(maps.Keys(families)) {
		for _, m := range families[name].GetMetric() {
			sums[name] += m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()
		}
	}
	return sums, nil
}
