package record

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/rules/progtest"
)

func TestEncode(t *testing.T) {
	t.Parallel()
	stale := math.Float64frombits(value.StaleNaN)
	f := func(v ...any) []*float64 {
		var out []*float64
		for _, x := range v {
			switch x := x.(type) {
			case float64:
				out = append(out, &x)
			default:
				out = append(out, nil)
			}
		}
		return out
	}
	for want, values := range map[string][]*float64{
		"1x3":                  f(1.0, 1.0, 1.0, 1.0),
		"1+2x3":                f(1.0, 3.0, 5.0, 7.0),
		"7-2x2 _ 1 stale _x2":  f(7.0, 5.0, 3.0, nil, 1.0, stale, nil, nil),
		"1 4 2":                f(1.0, 4.0, 2.0),
		"NaN NaN NaN Inf -Inf": f(math.NaN(), math.NaN(), math.NaN(), math.Inf(1), math.Inf(-1)),
		"0.1 0.2 0.3":          f(0.1, 0.2, 0.3), // 0.1+0.1+0.1 is not 0.3
	} {
		got := Encode(values)
		assert.Equal(t, want, got)
		_, back, err := parser.NewParser(parser.Options{}).ParseSeriesDesc("m " + got)
		require.NoError(t, err)
		require.Len(t, back, len(values), got)
		for i, v := range back {
			require.Equal(t, values[i] == nil, v.Omitted, got)
			if values[i] != nil && *values[i] == *values[i] {
				assert.Equal(t, *values[i], v.Value, got)
			}
		}
	}
}

const rules = `groups:
  - name: g
    rules:
      - {record: 'job:up:sum', expr: 'sum by (job) (up)'}
      - {alert: Down, expr: 'job:up:sum == 0', for: 1m, labels: {severity: critical}, annotations: {summary: '{{ $labels.job }} is down'}}
`

// TestAnIncidentBecomesATestThatPasses records an outage out of an OpenMetrics file, and gives the test to promtool.
func TestAnIncidentBecomesATestThatPasses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ruleFile := filepath.Join(dir, "rules.yml")
	require.NoError(t, os.WriteFile(ruleFile, []byte(rules), 0o600))
	var b strings.Builder
	b.WriteString("# TYPE up gauge\n")
	start := time.Date(2025, 1, 6, 9, 0, 3, 0, time.UTC)
	for i := range 40 {
		v := "1"
		if i >= 10 && i < 30 {
			v = "0"
		}
		b.WriteString(`up{job="a"} ` + v + " " + strconv.FormatInt(start.Add(time.Duration(i)*15*time.Second).Unix(), 10) + "\n")
	}
	b.WriteString("# EOF\n")
	data := filepath.Join(dir, "data.om")
	require.NoError(t, os.WriteFile(data, []byte(b.String()), 0o600))
	o := Options{
		Source: data, From: start, To: start.Add(10 * time.Minute), Interval: 15 * time.Second, Rules: []string{"rules.yml"}, RuleFiles: []string{ruleFile},
	}
	got, err := Record(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, 1, got.Series)
	require.Positive(t, got.Alerts)
	assert.Contains(t, string(got.Data), "values: 1x9 0x19 1x9")
	file := filepath.Join(dir, "test.yml")
	require.NoError(t, os.WriteFile(file, got.Data, 0o600))
	out, err := exec.CommandContext(t.Context(), progtest.Program(t, "promtool"), "test", "rules", file).CombinedOutput()
	require.NoError(t, err, "%s\n%s", out, got.Data)
	// The test is of use: with another rule it fails.
	require.NoError(t, os.WriteFile(ruleFile, []byte(strings.Replace(rules, "for: 1m", "for: 9m", 1)), 0o600))
	out, err = exec.CommandContext(t.Context(), progtest.Program(t, "promtool"), "test", "rules", file).CombinedOutput()
	require.Error(t, err, "%s", out)

	// What the Prometheus has not seen because it did not run yet is not missing.
	early := o
	early.From = start.Add(-3 * time.Minute)
	got, err = Record(t.Context(), early)
	require.NoError(t, err)
	assert.Contains(t, string(got.Data), "recorded from 2025-01-06T09:00:03Z")
	assert.Contains(t, string(got.Data), "values: 1x9 0x19 1x9")

	o.Source, o.From, o.To = data, start.Add(time.Hour), start.Add(2*time.Hour)
	_, err = Record(t.Context(), o)
	require.ErrorContains(t, err, "no series is there in the window")
}
