package rules_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/rules/progtest"
	"obsandbox/sandbox/internal/rules/unittest"
)

// TestDocumentRulesFail runs the repository's own rule tests on the rules as the source document has them: each alert
// with a known defect must fail the case that is about it, and our rule must pass.
func TestDocumentRulesFail(t *testing.T) {
	t.Parallel()
	const noDescription = "description"
	for _, c := range []struct {
		row   int
		alert string
		// name is the case that must fail; what stands in its failure.
		name, what string
	}{
		{2, "FlinkCheckpointFailure", "steady checkpoints of the same size", "+ labels {"},
		{2, "FlinkCheckpointFailure", "checkpoints keep failing", "- labels {"},
		{3, "FlinkJobDown", "a job that has failed or not started", `- labels {alertname="FlinkJobDown", instance="flink-jobmanager:9249", job="flink-metrics", job_id="a1"`},
		{3, "FlinkJobDown", "a job manager that reports nothing", "- labels {"},
		{4, "CollectorDown", "no pod of any collector", "- labels {"},
		{5, "StorageCapacityLow", "less than a tenth of a backend is free", "- labels {"},
		{6, "KafkaProducerLag", "lost acknowledgements do not count", "+ labels {"},
		{6, "KafkaProducerLag", "more than 1000 records in flight in a pod, over all its producers", "- labels {"},
		{7, "ProcessingLatencyHigh", "p95 of a stage above 5 s", `instance="flink-taskmanager-1:9249"`},
		{7, "HighStorageWriteLatency", "p95 of a backend above 1 s", `pod="storage-router-b"`},
		{9, "HighCollectorErrorRate", "more than 10 errors/s of one collector, whatever their type and pod", "-   runbook_url"},
		{9, "CollectorDown", "a pod that cannot be scraped for two minutes", noDescription},
		{9, "HighValidationFailureRate", "more than 50 failures/s over all task managers and types", "-   runbook_url"},
		{9, "DatabaseConnectionPoolExhausted", "more than nine tenths of a pool are in use", noDescription},
		{9, "QueryAPIHighErrorRate", "more than 10 errors/s of one endpoint, over all pods and types", noDescription},
	} {
		t.Run(c.alert+": "+c.name, func(t *testing.T) {
			t.Parallel()
			f, err := unittest.ReadFile(filepath.Join(progtest.Stack(t).Root(), "tests", "rules", c.alert+".yml"))
			require.NoError(t, err)
			i := slices.IndexFunc(f.Cases, func(tc unittest.Case) bool { return tc.Name == c.name })
			require.GreaterOrEqual(t, i, 0)
			cache := unittest.NewRuleFiles()
			document := func(path string) ([]rulefmt.RuleGroup, []error) {
				return cache.Load(filepath.Join("testdata", "document", filepath.Base(path)))
			}
			require.Empty(t, f.Run(t.Context(), &f.Cases[i], unittest.Options{}).Failures)
			failures := f.Run(t.Context(), &f.Cases[i], unittest.Options{Load: document}).Failures
			var text strings.Builder
			for _, failure := range failures {
				require.Positive(t, failure.Line)
				text.WriteString(failure.Text + "\n")
			}
			require.Contains(t, text.String(), c.what)
		})
	}
}

// TestDocumentQueriesFail puts the source document's queries in the place of ours (rows 7 and 8).
func TestDocumentQueriesFail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ ours, document, got string }{
		"availability counts redirects as failures": {
			"requests by the class of their answer", `(sum(rate(http_requests_total{code=~"2.."}[5m])) / sum(rate(http_requests_total[5m]))) * 100`, "+ {} 89.99",
		},
		"the error rate is missing without an error": {
			"without a single error the error rate is 0, not missing", `(sum(rate(http_requests_total{code=~"5.."}[5m])) / sum(rate(http_requests_total[5m]))) * 100`, "+ (no sample)",
		},
		"a percentile for each pod": {
			"the latency of a service, over all its pods", `histogram_quantile(0.95, rate(http_request_duration_seconds_bucket[5m]))`, `pod="query-api-b"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := unittest.ReadFile(filepath.Join(progtest.Stack(t).Root(), "tests", "rules", "slis.yml"))
			require.NoError(t, err)
			i := slices.IndexFunc(f.Cases, func(tc unittest.Case) bool { return tc.Name == c.ours })
			require.GreaterOrEqual(t, i, 0)
			tc := f.Cases[i]
			tc.Exprs = slices.Clone(tc.Exprs)
			last := len(tc.Exprs) - 1
			if strings.Contains(c.document, "2..") {
				last = 0
			}
			tc.Exprs[last].Expr = c.document
			failures := f.Run(t.Context(), &tc, unittest.Options{}).Failures
			require.Len(t, failures, 1)
			require.Contains(t, failures[0].Text, c.got)
		})
	}
}
