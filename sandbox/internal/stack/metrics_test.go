package stack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// asker holds queries against a catalogue and the series that rules record.
type asker struct {
	catalogue *Catalogue
	recorded  map[string]bool
}

// unknown lists what an expression names and neither the catalogue nor a recording rule has.
func (a asker) unknown(expr string) error {
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return err
	}
	var errs []error
	parser.Inspect(parsed, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.VectorSelector:
			errs = append(errs, a.selector(n)...)
		case *parser.AggregateExpr:
			errs = append(errs, a.grouping(n.Expr, n.Grouping)...)
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				errs = append(errs, a.grouping(n, n.VectorMatching.MatchingLabels)...)
				errs = append(errs, a.grouping(n, n.VectorMatching.Include)...)
			}
		}
		return nil
	})
	return errors.Join(errs...)
}

// scraped are what Prometheus itself says of a target, and of its alerts.
func scraped(name string) bool { return name == "up" || name == "ALERTS" }

func (a asker) selector(s *parser.VectorSelector) []error {
	if scraped(s.Name) || a.recorded[s.Name] {
		return nil
	}
	m, _, ok := a.catalogue.Series(s.Name)
	if !ok {
		return []error{fmt.Errorf("no metric %s", s.Name)}
	}
	var errs []error
	for _, matcher := range s.LabelMatchers {
		if matcher.Name == model.MetricNameLabel {
			continue
		}
		label, _ := m.Label(matcher.Name)
		switch {
		case !hasLabel(m, matcher.Name):
			errs = append(errs, fmt.Errorf("%s has no label %s", m.Name, matcher.Name))
		case matcher.Name == "le":
			if !slices.ContainsFunc(m.Buckets, func(b float64) bool { return matcher.Matches(labels.FormatOpenMetricsFloat(b)) }) {
				errs = append(errs, fmt.Errorf("%s has no bucket %s", m.Name, matcher.Value))
			}
		case len(label.Values) > 0 && !slices.ContainsFunc(label.Values, matcher.Matches):
			errs = append(errs, fmt.Errorf("%s of %s is never %q", matcher.Name, m.Name, matcher.Value))
		}
	}
	return errs
}

func hasLabel(m *Metric, name string) bool {
	_, own := m.Label(name)
	return own || slices.Contains(TargetLabels(), name) || name == "le" && m.Type == Histogram
}

// grouping finds labels that nothing has of what an expression selects.
func (a asker) grouping(expr parser.Expr, names []string) []error {
	var errs []error
	for _, name := range names {
		found := slices.Contains(TargetLabels(), name)
		parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
			if s, ok := n.(*parser.VectorSelector); ok {
				m, _, known := a.catalogue.Series(s.Name)
				found = found || a.recorded[s.Name] || s.Name == "ALERTS" || known && hasLabel(m, name)
			}
			return nil
		})
		if !found {
			errs = append(errs, fmt.Errorf("nothing in %s has the label %s", expr, name))
		}
	}
	return errs
}

// TestTheCatalogueHasWhatIsAsked goes through every query of the stack: rules, objectives, the runbook.
func TestTheCatalogueHasWhatIsAsked(t *testing.T) {
	t.Parallel()
	s, _ := checkedIn(t)
	c, err := LoadMetrics(s.Path(MetricsFile))
	require.NoError(t, err)
	asked := map[string]string{} // expression → where

	asker := asker{catalogue: c, recorded: map[string]bool{}}
	files, err := filepath.Glob(s.Path("prometheus/*/*.yml"))
	require.NoError(t, err)
	for _, file := range files {
		var doc struct {
			Groups []struct {
				Rules []struct{ Expr, Record string }
			}
		}
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, yaml.Unmarshal(data, &doc))
		for _, g := range doc.Groups {
			for _, r := range g.Rules {
				asked[r.Expr] = file
				asker.recorded[r.Record] = r.Record != ""
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
		assert.NoError(t, asker.unknown(expr), "%s: %s", where, expr)
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
		`rate(collector_errors_total{error_type=~"time.*|limit"}[5m])`:               `is never "time.*|limit"`,
		"sum by (status) (rate(collector_errors_total[5m]))":                         "has the label status",
		"sum by (le) (rate(collector_errors_total[5m]))":                             "has the label le",
		"storage_capacity_free_bytes / on (disk) storage_capacity_bytes":             "has the label disk",
		"up * on (pod) group_left (node) process_start_time_seconds":                 "has the label node",
		"slo:never_recorded:ratio > 1":                                               "no metric slo:never_recorded:ratio",
		`sum(rate(http_requests_total{code="200", instance="10.0.0.1"}[5m])) + nope`: "no metric nope",
	} {
		assert.ErrorContains(t, asker{catalogue: c}.unknown(expr), want)
	}
}

// TestTheCatalogueHasTheDocumentsMetrics: every metric that the source document lists, with the labels it shows. What it
// calls storage_capacity_total_bytes in an alert is in no list of it, and is storage_capacity_bytes here.
func TestTheCatalogueHasTheDocumentsMetrics(t *testing.T) {
	t.Parallel()
	s, _ := checkedIn(t)
	c, err := LoadMetrics(s.Path(MetricsFile))
	require.NoError(t, err)
	for _, query := range []string{
		`collector_messages_received_total{service="shipping-collector", status="success"}`,
		`collector_messages_published_total{service="shipping-collector"}`,
		`collector_processing_duration_seconds_bucket{service="shipping-collector"}`,
		`collector_errors_total{service="shipping-collector", error_type="api_timeout"}`,
		`collector_rate_limit_exceeded_total{service="shipping-collector"}`,
		`kafka_producer_record_send_total`,
		`kafka_producer_record_ack_total`,
		`pipeline_messages_processed_total{stage="validation", status="success"}`,
		`pipeline_processing_duration_seconds_bucket{stage="transformation"}`,
		`pipeline_validation_failures_total{error_type="schema_violation"}`,
		`pipeline_enrichment_cache_hits_total`,
		`pipeline_enrichment_cache_misses_total`,
		`flink_taskmanager_job_task_buffers_inPoolUsage`,
		`flink_taskmanager_job_task_checkpointAlignmentTime`,
		`flink_jobmanager_job_uptime`,
		`flink_jobmanager_job_lastCheckpointSize`,
		`storage_write_latency_seconds_bucket{backend="timescaledb", operation="insert"}`,
		`storage_write_errors_total{backend="postgres", error_type="connection_refused"}`,
		`storage_query_duration_seconds_bucket{endpoint="/api/v1/shipments"}`,
		`storage_query_errors_total{endpoint="/api/v1/inventory"}`,
		`storage_capacity_bytes{backend="s3"}`,
		`storage_capacity_utilization{backend="postgres"}`,
		`storage_connection_pool_active{backend="postgres"}`,
		`storage_connection_pool_idle{backend="postgres"}`,
		`storage_connection_pool_max`,
		`http_requests_total{code=~"2.."}`,
		`http_request_duration_seconds_bucket`,
	} {
		assert.NoError(t, asker{catalogue: c}.unknown(query), query)
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
		{"a cumulative counter", "metrics:\n  - {name: a_total, type: counter, cumulative: true, " + good + "}", "cumulative is for gauges"},
		{"a counter without its ending", "metrics:\n  - {name: a, type: counter, " + good + "}", "a counter's name ends in _total (or say foreign: true"},
		{"a gauge with a counter's ending", "metrics:\n  - {name: a_total, type: gauge, " + good + "}", "only a counter's name ends in _total"},
		{"camel case", "metrics:\n  - {name: aB, type: gauge, " + good + "}", "snake_case"},
		{"a unit that the name does not say", "metrics:\n  - {name: a, type: gauge, unit: seconds, exposed_by: [x], meaning: m}", "ends in _seconds"},
		{"a name that says another unit", "metrics:\n  - {name: a_bytes_total, type: counter, " + good + "}", "this unit is things"},
		{"a unit that is not the base", "metrics:\n  - {name: a, type: gauge, unit: milliseconds, exposed_by: [x], meaning: m}", "the unit is seconds, not milliseconds"},
		{"foreign for nothing", "metrics:\n  - {name: a, type: gauge, foreign: true, " + good + "}", "and this one is"},
		{"a value twice", "metrics:\n  - {name: a, type: gauge, labels: {l: [x, x]}, " + good + "}", "label l has a value twice"},
		{"an exposer twice", "metrics:\n  - {name: a, type: gauge, unit: x, exposed_by: [x, x], meaning: m}", "names someone twice"},
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
