package dashboards

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/report"
)

// checkedIn are the project's own dashboards.
const checkedIn = "../../../stack/grafana/dashboards"

var limits = map[string][]float64{
	"HighCollectorErrorRate": {10}, "KafkaProducerLag": {1000}, "HighValidationFailureRate": {50}, "ProcessingLatencyHigh": {5},
	"HighStorageWriteLatency": {1}, "StorageCapacityLow": {0.1}, "DatabaseConnectionPoolExhausted": {0.9}, "QueryAPIHighErrorRate": {10},
	"ErrorBudgetBurnsFast": {14.4, 6}, "ErrorBudgetBurnsSlowly": {3, 1},
}

func TestOurDashboardsHold(t *testing.T) {
	t.Parallel()
	all, err := Load(checkedIn)
	require.NoError(t, err)
	require.Len(t, all, 6)
	r, err := Run(all, Options{Limits: limits})
	require.NoError(t, err)
	for _, res := range r.Results {
		assert.Equal(t, report.Pass, res.Status, "%s\n%s", res.Name, res.Detail)
	}
	assert.Len(t, r.Results, 6*len(checks()))
}

// TestEveryCheckFinds breaks the storage dashboard in one place at a time: the check that is meant must find it, at a line
// of the file, and no other check may.
func TestEveryCheckFinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, old, new string
		// check is the one that must find it.
		check, want string
	}{
		{"no title", `"title": "Storage layer",`, ``, "schema", "no title"},
		{"no uid", `"uid": "storage",`, ``, "schema", "no uid"},
		{"old schema", `"schemaVersion": 42`, `"schemaVersion": 12`, "schema", "schemaVersion 12"},
		{"a visualization that is none", `"type": "timeseries"`, `"type": "timesries"`, "schema", "Grafana has no visualization of the type timesries"},
		{"a uid twice", `"uid": "storage"`, `"uid": "overview"`, "unique", "overview.json has the uid"},
		{"a title twice", `"title": "Storage layer"`, `"title": "Overview"`, "unique", "overview.json has the title"},
		{"two panels of one title", `"title": "Write errors"`, `"title": "Query errors"`, "unique", "two panels of a row have this title"},
		{"a refId twice", `"refId": "B"`, `"refId": "A"`, "schema", "two queries have the refId A"},
		{"no description", `"description": "Writes a second to each backend.",`, ``, "described", "no description"},
		{"no unit", `"unit": "wps"`, `"unit": ""`, "unit", "no unit"},
		{"a fixed data source", `"uid": "${metrics}"`, `"uid": "prometheus"`, "datasource", `data source "prometheus" is fixed`},
		{"no legend", `"legendFormat": "{{backend}}"`, `"legendFormat": ""`, "legend", "has no legendFormat"},
		{"a panel over another", `"x": 8,`, `"x": 4,`, "grid", "lies over the panel"},
		{"a panel off the grid", `"x": 16,`, `"x": 17,`, "grid", "off the grid"},
		{"a variable that is not there", `sum by (backend) (rate(storage_writes_total[`, `sum by (backend) (rate(storage_writes_total{backend=~\"$backend\"}[`, "variables", `uses the variable "backend"`},
		{"a variable that nobody uses", `"name": "logs"`, `"name": "spare"`, "variables", `defines the variable "spare"`},
		{"PromQL that does not parse", `sum by (backend) (rate(storage_writes_total[`, `sum by backend (rate(storage_writes_total[`, "promql", "query A: 1:8: parse error"},
		{"a fixed range", `storage_writes_total[$__rate_interval]`, `storage_writes_total[5m]`, "rate-interval", "rate over 5m0s"},
		{"a log query without a time field", `"timeField": "@timestamp"`, `"timeField": ""`, "lucene", "no timeField"},
		{"a limit that is not the alert's", `"value": 0.9`, `"value": 0.8`, "thresholds", "whose limit is"},
		{"a link to nowhere", `"url": "/explore?`, `"url": "/d/gone?`, "links", `no dashboard has the uid "gone"`},
		{"a link to no dashboard", "\"tags\": [\n        \"data-ingestion\"", "\"tags\": [\n        \"other\"", "links", "no dashboard has the tags [other]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := runBroken(t, c.old, c.new)
			var names []string
			for _, res := range r.Results {
				if res.Status == report.Fail && strings.HasSuffix(res.File, "storage.json") {
					names = append(names, res.Detail)
					assert.Contains(t, res.Detail, "("+c.check+")", "only this check may find it")
					assert.Contains(t, res.Detail, c.want)
					assert.Positive(t, res.Line)
				}
			}
			assert.Len(t, names, 1, "%v", names)
		})
	}
}

func runBroken(t *testing.T, old, with string) *report.Report {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"overview.json", "storage.json"} {
		data, err := os.ReadFile(filepath.Join(checkedIn, name))
		require.NoError(t, err)
		text := string(data)
		if name == "storage.json" {
			require.Contains(t, text, old, "the fixture no longer breaks anything")
			text = strings.Replace(text, old, with, 1)
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	all, err := Load(dir)
	require.NoError(t, err)
	r, err := Run(all, Options{Limits: limits})
	require.NoError(t, err)
	return r
}

func TestCatalogueAndMappingAreAsked(t *testing.T) {
	t.Parallel()
	all, err := Load(checkedIn)
	require.NoError(t, err)
	no := func(query string) error { return errors.New("not known: " + query) }
	r, err := Run(all, Options{PromQL: no, Lucene: no})
	require.NoError(t, err)
	for _, want := range []string{"not known: sum by (backend) (rate(storage_writes_total[1m]))", "not known: layer:storage AND"} {
		found := false
		for _, res := range r.Results {
			found = found || res.Status == report.Fail && strings.Contains(res.Detail, want)
		}
		assert.True(t, found, want)
	}
}

func TestExcuses(t *testing.T) {
	t.Parallel()
	all, err := Load(checkedIn)
	require.NoError(t, err)
	all[0].Panels[0].node.members = nil // no title, no description, no unit, no query
	for _, c := range []struct{ name, text, want string }{
		{"no reason", "- {check: unit, dashboard: x}", "1: an excuse needs check, dashboard and reason"},
		{"no such check", "- {check: units, dashboard: x, reason: y}", `no check is called "units"`},
		{"unknown key", "- {check: unit, dashbord: x, reason: y}", `1: unknown key "dashbord"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "excuses.yml")
			require.NoError(t, os.WriteFile(file, []byte(c.text), 0o644))
			_, err := Run(all, Options{Exclude: file})
			require.ErrorContains(t, err, c.want)
		})
	}
	t.Run("one that excuses and one that does not", func(t *testing.T) {
		t.Parallel()
		r := runWith(t, "- {check: legend, dashboard: storage, panel: none, reason: for the test}\n"+
			"- {check: unit, dashboard: storage, panel: Write errors, reason: for the test}\n", `"unit": "wps"`, `"unit": ""`)
		var failed []string
		for _, res := range r.Results {
			if res.Status == report.Fail {
				failed = append(failed, res.Name)
			}
		}
		assert.Contains(t, failed, "the excuse of storage from legend is needed")
		assert.Contains(t, failed, "storage gives every value a unit", "another panel has lost its unit")
	})
}

func runWith(t *testing.T, excuses, old, with string) *report.Report {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(checkedIn, "storage.json"))
	require.NoError(t, err)
	d, err := Parse("storage.json", []byte(strings.Replace(string(data), old, with, 1)))
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "excuses.yml")
	require.NoError(t, os.WriteFile(file, []byte(excuses), 0o644))
	r, err := Run([]*Dashboard{d}, Options{Exclude: file})
	require.NoError(t, err)
	return r
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := Load(dir)
	require.ErrorContains(t, err, "no *.json in it")
	_, err = Load(filepath.Join(dir, "gone.json"))
	require.ErrorContains(t, err, "no such file")

	bad := filepath.Join(dir, "bad.json")
	require.NoError(t, os.WriteFile(bad, []byte("{\n  \"uid\": \"x\",\n  \"panels\": [}\n"), 0o644))
	_, err = Load(dir)
	require.ErrorContains(t, err, bad+":3: not JSON")

	d, err := Parse("export.json", []byte(`{"dashboard":{"uid":"inner","panels":[{"type":"row","panels":[{"type":"stat","title":"in a row"}]}]}}`))
	require.NoError(t, err)
	assert.Equal(t, "inner", d.UID)
	require.Len(t, d.Panels, 1)
	assert.Equal(t, "in a row", d.Panels[0].Title)
}
