package catalogue_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/catalogue"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/rules/progtest"
	"obsandbox/sandbox/internal/stack"
)

func TestOwnQueriesFit(t *testing.T) {
	t.Parallel()
	opts, err := catalogue.Of(progtest.Stack(t))
	require.NoError(t, err)
	r, err := catalogue.Run(opts)
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, r.HumanEnd(&b, false))
	require.True(t, r.OK(), b.String())
	require.Len(t, r.Results, len(opts.Rules)+3)
}

func TestExpr(t *testing.T) {
	t.Parallel()
	known, err := stack.LoadMetrics("testdata/metrics.yaml")
	require.NoError(t, err)
	checker := catalogue.New(known)
	checker.Record("job:requests:rate5m", "sum by (job, code) (rate(requests_total[5m]))", map[string]string{"team": "data"})
	for expr, want := range map[string]string{
		// What fits.
		`sum by (job) (rate(requests_total{code=~"5.."}[5m]))`:                                  "",
		`histogram_quantile(0.9, sum by (le, job) (rate(duration_seconds_bucket[5m])))`:         "",
		`increase(checkpoints[5m])`:                                                             "",
		`job:requests:rate5m{team="data", code="200"}`:                                          "",
		`count(requests_total) + count by (code) (requests_total)`:                              "",
		`up{job="a"} == 0 or absent(up{job="a"})`:                                               "",
		`ALERTS{alertname="X"}`:                                                                 "",
		`free_bytes / on (job, disk) group_left size_bytes`:                                     "",
		`avg(usage_ratio) and on () vector(1)`:                                                  "",
		`label_replace(free_bytes, "volume", "$1", "disk", "(.*)")`:                             "",
		`sum by (volume) (label_replace(free_bytes, "volume", "$1", "disk", "(.*)"))`:           "",
		`rate(duration_seconds_bucket{le="2.0"}[5m])`:                                           "",
		`sum_over_time((free_bytes > bool 0)[1h:1m])`:                                           "",
		`max_over_time(sum(rate(requests_total[5m]))[1h:])`:                                     "",
		`quantile(0.9, free_bytes)`:                                                             "",
		`sort_desc(topk(3, sum by (disk) (free_bytes)))`:                                        "",
		`{__name__=~"requests_.*"}`:                                                             "",
		`rate(requests_total{service="api"}[5m])`:                                               "",
		`sum without (disk) (free_bytes) / ignoring (disk) group_right size_bytes`:              "",
		`timestamp(requests_total)`:                                                             "",
		`changes(free_bytes[5m]) + deriv(free_bytes[5m]) + predict_linear(free_bytes[1h], 600)`: "",

		// What does not.
		`requests_total offset 1h unless on () vector(1)`: "counts since its program started",
		`sum(`:                                                            "unclosed left parenthesis",
		`rate(request_total[5m])`:                                         "no metric request_total|is requests_total meant?",
		`rate(zzzzzz[5m])`:                                                "no metric zzzzzz|add it to metrics.yaml",
		`rate(duration_seconds[5m])`:                                      "no metric duration_seconds|end in _bucket",
		`rate(requests_total{kode="200"}[5m])`:                            "has no label kode",
		`rate(requests_total{code="999"}[5m])`:                            `never "999"|200, 500`,
		`rate(requests_total{code=~"3.."}[5m])`:                           `never "3.."`,
		`rate(requests_total{code!~"3.."}[5m])`:                           `never "3.."`,
		`rate(requests_total{service="db"}[5m])`:                          `service of requests_total is never "db"`,
		`rate(duration_seconds_bucket{le="2"}[5m])`:                       `never "2"|"2.0"`,
		`rate(duration_seconds_bucket{le="0.3"}[5m])`:                     `never "0.3"`,
		`rate(free_bytes[5m])`:                                            "rate() of the gauge free_bytes",
		`increase(free_bytes[5m])`:                                        "increase() of the gauge free_bytes",
		`delta(requests_total[5m])`:                                       "delta() of the counter requests_total",
		`requests_total > 1000`:                                           "requests_total counts since its program started",
		`requests_total - replies_total`:                                  "replies_total counts since",
		`sum(requests_total)`:                                             "counts since",
		`histogram_quantile(0.9, sum by (le) (rate(requests_total[5m])))`: "histogram_quantile() of requests_total, which has no buckets|requests_total is a counter",
		`histogram_quantile(0.9, sum by (le) (rate(duration_seconds_count[5m])))`:   "take duration_seconds_bucket",
		`histogram_quantile(0.9, sum by (job) (rate(duration_seconds_bucket[5m])))`: "without le",
		`histogram_quantile(0.9, rate(duration_seconds_bucket[5m]))`:                "one value for each pod",
		`sum(usage_ratio)`:                                                        "sum of the ratio usage_ratio",
		`sum_over_time(usage_ratio[5m])`:                                          "sum_over_time() of the ratio",
		`sum by (disk) (rate(requests_total[5m]))`:                                "nothing in rate(requests_total[5m]) has the label disk",
		`sum by (code) (sum by (job) (rate(requests_total[5m])))`:                 "has the label code",
		`histogram_quantile(95, sum by (le) (rate(duration_seconds_bucket[5m])))`: "histogram_quantile() of 95 is infinite|is 0.95 meant?",
		`quantile(9, free_bytes)`:                                                 "quantile() of 9 is infinite",
		`quantile_over_time(-1, free_bytes[5m])`:                                  "quantile_over_time() of -1 is infinite",
		`min(usage_ratio) / max(size_bytes)`:                                      "usage_ratio, in ratio, is divided by size_bytes, in bytes",
		`free_bytes / on (code) size_bytes`:                                       "on (code): nothing in free_bytes has that label",
		`job:requests:rate5m / on (disk) job:requests:rate5m`:                     "on (disk)",
	} {
		t.Run(expr, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, f := range checker.Expr(expr) {
				require.NotEmpty(t, f.Hint)
				got = append(got, fmt.Sprintf("%d: %s (%s)", f.Pos, f.Text, f.Hint))
			}
			if want == "" {
				require.Empty(t, got)
				return
			}
			for _, part := range strings.Split(want, "|") {
				require.Contains(t, strings.Join(got, "\n"), part)
			}
		})
	}
}

// Row 20 and others of the known defects: the document's own rules do not fit the catalogue.
func TestDocumentDoesNotFit(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../rules/testdata/document/*.yml")
	require.NoError(t, err)
	require.Len(t, files, 3)
	r, err := catalogue.Run(catalogue.Options{Catalogue: progtest.Stack(t).Path(stack.MetricsFile), Rules: files})
	require.NoError(t, err)
	got := map[string]string{}
	for _, res := range r.Results {
		_, name, _ := strings.Cut(res.Name, ": ")
		got[name] = res.Detail
		require.Equal(t, report.Fail, res.Status, res.Name)
		require.Positive(t, res.Line)
	}
	require.Contains(t, got["FlinkCheckpointFailure"], "rate() of the gauge flink_jobmanager_job_lastCheckpointSize")
	require.Contains(t, got["StorageCapacityLow"], "no metric storage_capacity_total_bytes")
	require.Contains(t, got["KafkaProducerLag"], "counts since its program started")
	require.Contains(t, got["ProcessingLatencyHigh"], "one value for each pod")
	require.Contains(t, got["HighStorageWriteLatency"], "one value for each pod")
}

func TestFilesThatDoNotFit(t *testing.T) {
	t.Parallel()
	r, err := catalogue.Run(catalogue.Options{
		Catalogue: "testdata/metrics.yaml", Rules: []string{"testdata/rules.yml"}, SLOs: "testdata/slos.yaml",
		Alertmanager: "testdata/alertmanager.yml", Runbook: "testdata/runbook.md",
	})
	require.NoError(t, err)
	var got []string
	columns := map[string]int{}
	for _, res := range r.Results {
		columns[fmt.Sprintf("%s:%d", filepath.Base(res.File), res.Line)] = res.Column
		require.Equal(t, report.Fail, res.Status, res.Name)
		first, _, _ := strings.Cut(res.Detail, "\n")
		got = append(got, res.Name+": "+first)
	}
	require.Equal(t, []string{
		"testdata/alertmanager.yml:3: group_by: no alert has the label zone",
		"testdata/alertmanager.yml:6: a route: no alert has the label severety",
		"testdata/alertmanager.yml:10: inhibition rule 1: severity of an alert is never \"critical\"",
		"testdata/alertmanager.yml:13: inhibition rule 1: no alert has the label rack",
		"testdata/rules.yml:10: Slow: no metric request_total in the catalogue",
		"testdata/rules.yml:13: Slow: summary uses $labels.pod, and no series of the expression has that label",
		"testdata/runbook.md:8: Slow: rate() of the gauge free_bytes",
		"testdata/slos.yaml:9: availability: code of requests_total is never \"599\"",
		"testdata/slos.yaml:13: errors: requests_total counts since its program started, and its value says nothing by itself",
	}, got)
	// Where the selector or the function begins.
	require.Equal(t, 30, columns["rules.yml:10"])
	require.Equal(t, 1, columns["runbook.md:8"])
	require.Equal(t, columns["slos.yaml:13"], strings.Index("    expr: requests_total", "requests_total")+1)
}

// What Prometheus takes, and no alert could live with.
func TestRulesThatMakeNoSense(t *testing.T) {
	t.Parallel()
	own := progtest.Stack(t)
	opts, err := catalogue.Of(own)
	require.NoError(t, err)
	const alerts, storage = "prometheus/alerts/collection-layer.yml", "prometheus/alerts/storage-layer.yml"
	for _, c := range []struct{ name, file, old, new, want string }{
		{"a range with one sample", alerts, "[5m]", "[20s]", "collection-layer.yml:6: HighCollectorErrorRate|rate() over 20s, and targets are scraped every 15s"},
		{"a group that is too slow for its alerts", alerts, "interval: 30s", "interval: 30m", "collection-layer.yml:2: group collection-layer|it is evaluated every 30m, and HighCollectorErrorRate is to fire after 5m"},
		{"all groups too slow", "prometheus/prometheus.yml", "evaluation_interval: 15s", "evaluation_interval: 15m", "group slo-error-budget|what it records is gone in between"},
		{"a verb that does not fit", alerts, `printf "%.1f"`, `printf "%.1d"`, "collection-layer.yml:13: HighCollectorErrorRate|description prints %!d(float64=2)\n"},
		{"a layer that is none", alerts, "layer: collection", "layer: colection", `collection-layer.yml:10: HighCollectorErrorRate|no objective is of the layer "colection"`},
		{"a share of an amount", storage, "storage_capacity_free_bytes", "storage_capacity_utilization", "storage-layer.yml:21: StorageCapacityLow|storage_capacity_utilization, in ratio, is divided by storage_capacity_bytes, in bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(own.Path(c.file))
			require.NoError(t, err)
			require.Contains(t, string(data), c.old)
			file := filepath.Join(t.TempDir(), filepath.Base(c.file))
			require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(data), c.old, c.new, 1)), 0o600))
			opts := opts
			opts.Rules = slices.Clone(opts.Rules)
			if i := slices.Index(opts.Rules, own.Path(c.file)); i >= 0 {
				opts.Rules[i] = file
			} else {
				opts.Prometheus = file
			}
			r, err := catalogue.Run(opts)
			require.NoError(t, err)
			require.False(t, r.OK())
			var text strings.Builder
			require.NoError(t, r.HumanEnd(&text, false))
			for _, part := range strings.Split(c.want, "|") {
				require.Contains(t, text.String(), part)
			}
		})
	}
}

// Matchers of former versions name labels, too; routes may be written once and used twice.
func TestFormerMatchers(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "alertmanager.yml")
	require.NoError(t, os.WriteFile(file, []byte(`route:
  receiver: all
  routes:
    - match: {severety: critical}
      match_re: {severity: 'crit.*'}
      routes: &below
        - matchers: [zone = a]
    - {match: {severity: warning}, routes: *below}
inhibit_rules:
  - source_match: {severity: warning}
    target_match_re:
      rack: .+
    equal: [alertname]
receivers: [{name: all}]
`), 0o600))
	r, err := catalogue.Run(catalogue.Options{Catalogue: "testdata/metrics.yaml", Rules: []string{"testdata/rules.yml"}, Alertmanager: file})
	require.NoError(t, err)
	var got []string
	for _, res := range r.Results {
		if res.File == file {
			first, _, _ := strings.Cut(res.Detail, "\n")
			got = append(got, fmt.Sprintf("%d: %s", res.Line, first))
		}
	}
	require.ElementsMatch(t, []string{
		"4: no alert has the label severety", `5: severity of an alert is never "crit.*"`, "7: no alert has the label zone", "12: no alert has the label rack",
	}, got)
}

// Prometheus adds its external labels, and what it relabels, to every alert that it sends.
func TestLabelsThatPrometheusAdds(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "prometheus.yml")
	require.NoError(t, os.WriteFile(file, []byte(`
global: {external_labels: {zone: a}}
alerting: {alert_relabel_configs: [{target_label: rack, replacement: b}]}
`), 0o600))
	r, err := catalogue.Run(catalogue.Options{
		Catalogue: "testdata/metrics.yaml", Rules: []string{"testdata/rules.yml"}, Alertmanager: "testdata/alertmanager.yml", Prometheus: file,
	})
	require.NoError(t, err)
	var got []string
	for _, res := range r.Results {
		if strings.HasSuffix(res.File, "alertmanager.yml") {
			got = append(got, fmt.Sprintf("%d: %s", res.Line, res.Detail))
		}
	}
	require.Len(t, got, 2)
	require.Contains(t, got[0], "6: no alert has the label severety\nthe labels of alerts are alertname,")
	require.Equal(t, "10: severity of an alert is never \"critical\"\nit is one of warning", got[1])
	_, err = catalogue.Run(catalogue.Options{Catalogue: "testdata/metrics.yaml", Prometheus: "testdata/none.yml"})
	require.ErrorContains(t, err, "read testdata/none.yml")
}

func TestCannotCheck(t *testing.T) {
	t.Parallel()
	_, err := catalogue.Run(catalogue.Options{Catalogue: "testdata/none.yaml"})
	require.ErrorContains(t, err, "testdata/none.yaml")
	bad := filepath.Join(t.TempDir(), "rules.yml")
	require.NoError(t, os.WriteFile(bad, []byte("groups: 1"), 0o600))
	_, err = catalogue.Run(catalogue.Options{Catalogue: "testdata/metrics.yaml", Rules: []string{bad}})
	require.ErrorContains(t, err, bad)
}

func TestPromtoolLintsTheCatalogue(t *testing.T) {
	t.Parallel()
	promtool := progtest.Program(t, "promtool")
	own := progtest.Stack(t).Path(stack.MetricsFile)
	require.NoError(t, catalogue.Lint(t.Context(), promtool, own))

	data, err := os.ReadFile(own)
	require.NoError(t, err)
	write := func(from, to string) (string, int) {
		before, _, found := strings.Cut(string(data), from)
		require.True(t, found)
		file := filepath.Join(t.TempDir(), "metrics.yaml")
		require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(string(data), from, to)), 0o600))
		return file, 1 + strings.Count(before, "\n")
	}
	// The catalogue itself does not mind a name that promtool minds.
	file, line := write("kafka_producer_records_in_flight", "kafka_producer_records_gauge")
	_, err = stack.LoadMetrics(file)
	require.NoError(t, err)
	require.EqualError(t, catalogue.Lint(t.Context(), promtool, file), fmt.Sprintf(
		"%s:%d: promtool check metrics: kafka_producer_records_gauge metric name should not include type 'gauge'", file, line))

	file, line = write("collector_messages_received_total", "collector_messages_received")
	require.ErrorContains(t, catalogue.Lint(t.Context(), promtool, file), fmt.Sprintf("%s:%d: ", file, line))
	require.ErrorContains(t, catalogue.Lint(t.Context(), "testdata/no-promtool", own), "run promtool check metrics: ")
}
