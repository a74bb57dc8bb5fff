package dashboards

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/report"
)

const stackDir = "../../../stack"

func known(t *testing.T) Options {
	t.Helper()
	rules, err := filepath.Glob(stackDir + "/prometheus/*/*.yml")
	require.NoError(t, err)
	opt := Options{}
	opt.Limits, err = ReadLimits(rules)
	require.NoError(t, err)
	opt.PromQL, err = KnownSeries(stackDir+"/metrics.yaml", rules)
	require.NoError(t, err)
	opt.Lucene, err = KnownFields(stackDir + "/elasticsearch/index-template.json")
	require.NoError(t, err)
	return opt
}

func TestOurDashboardsAskForWhatIsThere(t *testing.T) {
	t.Parallel()
	all, err := Load(checkedIn)
	require.NoError(t, err)
	r, err := Run(all, known(t))
	require.NoError(t, err)
	for _, res := range r.Results {
		assert.Equal(t, report.Pass, res.Status, "%s\n%s", res.Name, res.Detail)
	}
}

func TestKnownSeries(t *testing.T) {
	t.Parallel()
	judge := known(t).PromQL
	for expr, want := range map[string]string{
		`sum by (backend) (rate(storage_writes_total[1m]))`:    "",
		`slo:error_budget_remaining:ratio{layer="storage"}`:    "",
		`sum by (backend) (rate(storage_write_total[1m]))`:     "is storage_writes_total meant?",
		`sum by (bakend) (rate(storage_writes_total[1m]))`:     "bakend",
		`rate(storage_writes_total{backend="oracle"}[1m])`:     `never "oracle"`,
		`slo:error_budget_left:ratio`:                          "no metric slo:error_budget_left:ratio",
		`sum by (team) (slo:error_budget_remaining:ratio)`:     "team",
		`rate(storage_capacity_utilization{backend="s3"}[1m])`: "gauge",
	} {
		t.Run(expr, func(t *testing.T) {
			t.Parallel()
			err := judge(expr)
			if want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, want)
		})
	}
}

func TestKnownFields(t *testing.T) {
	t.Parallel()
	judge := known(t).Lucene
	for query, want := range map[string]string{
		`layer:storage AND level:(WARN OR ERROR)`: "",
		`timed out`:                             "",
		`_exists_:trace_id AND metadata.zone:x`: "",
		`kubernetes.*:node-1`:                   "",
		`processing_time_ms:[100 TO *]`:         "",
		`layer:storage AND (level:WARN`:         "Cannot parse",
		`layer:storage AND severity:ERROR`:      "no field severity in the index template",
		`pod.*:x`:                               "matches pod.*",
		`event.original:"x"`:                    "not indexed",
		`processing_time_ms:fast`:               `"fast" is none`,
		`processing_time_ms:[slow TO 100]`:      `"slow" is none`,
		`NOT (level:DEBUG OR levl:INFO)`:        "no field levl",
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			err := judge(query)
			if want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, want)
		})
	}
}

func TestFilesThatCannotBeKnown(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "bad")
	require.NoError(t, os.WriteFile(bad, []byte("{"), 0o644))
	_, err := KnownSeries(stackDir+"/metrics.yaml", []string{bad})
	require.ErrorContains(t, err, bad)
	_, err = KnownSeries(stackDir+"/metrics.yaml", []string{bad + "-gone"})
	require.ErrorContains(t, err, "no such file")
	_, err = KnownSeries(bad+"-gone", nil)
	require.ErrorContains(t, err, "gone")
	_, err = KnownFields(bad)
	require.ErrorContains(t, err, bad)
	_, err = KnownFields(bad + "-gone")
	require.ErrorContains(t, err, "no such file")
	require.NoError(t, os.WriteFile(bad, []byte(`{"template":{"mappings":{"properties":{"a":{"type":"wrong"}}}}}`), 0o644))
	_, err = KnownFields(bad)
	require.ErrorContains(t, err, "wrong")
}
