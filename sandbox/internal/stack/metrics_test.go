package stack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// unknown lists what an expression selects and the catalogue does not have.
func unknown(c *Catalogue, expr string) error {
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return err
	}
	var errs []error
	parser.Inspect(parsed, func(n parser.Node, _ []parser.Node) error {
		selector, ok := n.(*parser.VectorSelector)
		if !ok || selector.Name == "up" || selector.Name == "ALERTS" {
			return nil
		}
		m, _, ok := c.Series(selector.Name)
		if !ok {
			errs = append(errs, fmt.Errorf("no metric %s", selector.Name))
			return nil
		}
		for _, matcher := range selector.LabelMatchers {
			label, own := m.Label(matcher.Name)
			switch {
			case matcher.Name == model.MetricNameLabel || slices.Contains(TargetLabels(), matcher.Name) || matcher.Name == "le" && m.Type == Histogram:
			case !own:
				errs = append(errs, fmt.Errorf("%s has no label %s", m.Name, matcher.Name))
			case len(label.Values) > 0 && matcher.Type == labels.MatchEqual && !slices.Contains(label.Values, matcher.Value):
				errs = append(errs, fmt.Errorf("%s of %s is never %q", matcher.Name, m.Name, matcher.Value))
			}
			if matcher.Name == "le" && !slices.ContainsFunc(m.Buckets, func(b float64) bool { return labels.FormatOpenMetricsFloat(b) == matcher.Value }) {
				errs = append(errs, fmt.Errorf("%s has no bucket %s", m.Name, matcher.Value))
			}
		}
		return nil
	})
	return errors.Join(errs...)
}

// TestTheCatalogueHasWhatIsAsked goes through every query of the stack: rules, objectives, the runbook.
func TestTheCatalogueHasWhatIsAsked(t *testing.T) {
	t.Parallel()
	s, _ := checkedIn(t)
	c, err := LoadMetrics(s.Path(MetricsFile))
	require.NoError(t, err)
	asked := map[string]string{} // expression → where

	files, err := filepath.Glob(s.Path("prometheus/alerts/*.yml"))
	require.NoError(t, err)
	for _, file := range files {
		var doc struct {
			Groups []struct {
				Rules []struct{ Expr string }
			}
		}
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, yaml.Unmarshal(data, &doc))
		for _, g := range doc.Groups {
			for _, r := range g.Rules {
				asked[r.Expr] = file
			}
		}
	}
	slos, err := LoadSLOs(s.Path("slos.yaml"))
	require.NoError(t, err)
	for _, o := range slos.SLOs {
		asked[o.SLI.ErrorRatio("5m")] = "slos.yaml"
	}
	for _, q := range slos.Queries {
		asked[q.Expr] = "slos.yaml"
	}
	runbook, err := os.ReadFile(s.Path(s.Runbook.File))
	require.NoError(t, err)
	for _, m := range regexp.MustCompile("(?s)```promql\n(.*?)```").FindAllSubmatch(runbook, -1) {
		asked[string(m[1])] = s.Runbook.File
	}
	require.Greater(t, len(asked), 40)
	for expr, where := range asked {
		if err := unknown(c, expr); err != nil && !strings.Contains(expr, "slo:") {
			t.Errorf("%s: %s\n%v", where, expr, err)
		}
	}
}

func TestWhatTheCatalogueDoesNotHaveIsSeen(t *testing.T) {
	t.Parallel()
	s, _ := checkedIn(t)
	c, err := LoadMetrics(s.Path(MetricsFile))
	require.NoError(t, err)
	for expr, want := range map[string]string{
		"rate(collector_error_total[5m])":                                            "no metric collector_error_total",
		"collector_processing_duration_seconds":                                      "no metric collector_processing_duration_seconds",
		`rate(collector_errors_total{type="x"}[5m])`:                                 "has no label type",
		`rate(collector_errors_total{error_type="timeout"}[5m])`:                     `is never "timeout"`,
		`rate(storage_write_latency_seconds_bucket{le="0.3"}[5m])`:                   "has no bucket 0.3",
		"storage_capacity_bytes / storage_capacity_total_bytes":                      "no metric storage_capacity_total_bytes",
		"kafka_producer_record_send_total - kafka_producer_record_acked":             "no metric kafka_producer_record_acked",
		`sum(rate(http_requests_total{code="200", instance="10.0.0.1"}[5m])) + nope`: "no metric nope",
	} {
		assert.ErrorContains(t, unknown(c, expr), want)
	}
}

func TestBadCatalogues(t *testing.T) {
	t.Parallel()
	const good = "unit: things, exposed_by: [x], meaning: m"
	for _, c := range []struct{ name, text, want string }{
		{"empty", "metrics: []", ":1: no metrics"},
		{"unknown key", "metrics:\n  - {name: a, typ: gauge, " + good + "}", `:2: unknown key "typ"`},
		{"a type that is none", "metrics:\n  - name: a\n    type: summary\n    unit: x\n    exposed_by: [x]\n    meaning: m", `:3: metric a: type "summary" is not known`},
		{"no name", "metrics:\n  - {type: gauge, " + good + "}", `"" is no metric name`},
		{"no meaning", "metrics:\n  - {name: a, type: gauge, unit: x, exposed_by: [x]}", "meaning is missing"},
		{"no unit", "metrics:\n  - {name: a, type: gauge, exposed_by: [x], meaning: m}", "unit is missing"},
		{"nobody has it", "metrics:\n  - {name: a, type: gauge, unit: x, meaning: m}", "exposed_by is missing"},
		{"a histogram without buckets", "metrics:\n  - {name: a, type: histogram, " + good + "}", "buckets belong to histograms"},
		{"a gauge with buckets", "metrics:\n  - {name: a, type: gauge, buckets: [1], " + good + "}", "buckets belong to histograms"},
		{"buckets that fall", "metrics:\n  - {name: a, type: histogram, buckets: [2, 1], " + good + "}", "buckets must rise"},
		{"a label of Prometheus", "metrics:\n  - {name: a, type: gauge, labels: {pod: []}, " + good + "}", `"pod" cannot be a label`},
		{"a cumulative counter", "metrics:\n  - {name: a, type: counter, cumulative: true, " + good + "}", "cumulative is for gauges"},
		{"twice", "metrics:\n  - {name: a, type: gauge, " + good + "}\n  - {name: a, type: gauge, " + good + "}", ":3: metric a stands in line 2 already"},
		{"a name that a histogram takes", "metrics:\n  - {name: a, type: histogram, buckets: [1], " + good + "}\n  - {name: a_count, type: gauge, " + good + "}", "a_count is a series of the histogram a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "metrics.yaml")
			require.NoError(t, os.WriteFile(file, []byte(c.text), 0o644))
			_, err := LoadMetrics(file)
			require.ErrorContains(t, err, c.want)
			assert.ErrorContains(t, err, file)
		})
	}
}
