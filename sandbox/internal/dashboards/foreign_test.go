package dashboards

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/report"
)

// What other people's dashboards have, and is no fault. Each is a whole dashboard but for what all of them share.
func TestOtherPeoplesWaysAreNoFaults(t *testing.T) {
	t.Parallel()
	const head = `"uid": "u", "title": "t", "schemaVersion": 39, `
	panel := func(rest string) string {
		return `"panels": [{"type": "timeseries", "title": "p", "description": "d", "gridPos": {"x": 0, "y": 1, "w": 8, "h": 8}, "datasource": {"uid": "$ds"}, "fieldConfig": {"defaults": {"unit": "s"}}, ` + rest + `}]`
	}
	const ds = `{"name": "ds", "type": "datasource", "query": "prometheus", "current": {"value": "default"}}`
	vars := func(more ...string) string {
		return `"templating": {"list": [` + strings.Join(append([]string{ds}, more...), ",") + `]}, `
	}
	query := func(expr string) string { return `"targets": [{"expr": "` + expr + `", "legendFormat": "l"}]` }
	for _, c := range []struct{ name, json string }{
		{"a query without refId", vars() + panel(query("up"))},
		{"a row that repeats, and a title of it", vars(`{"name": "node", "type": "query", "query": "label_values(up, node)"}`) +
			`"panels": [{"type": "row", "title": "Node $node", "repeat": "node", "gridPos": {"x": 0, "y": 0, "w": 0, "h": 1}}, ` + panel(query("up"))[len(`"panels": [`):]},
		{"panels of one title in two rows", vars() + `"panels": [{"type": "row", "title": "a", "collapsed": true, "gridPos": {"x": 0, "y": 0, "w": 24, "h": 1}, ` + panel(query("up")) + `}, ` +
			`{"type": "row", "title": "b", "collapsed": true, "gridPos": {"x": 0, "y": 1, "w": 24, "h": 1}, ` + panel(query("up")) + `}]`},
		{"an input of an exported dashboard", `"__inputs": [{"name": "DS_P", "pluginId": "prometheus"}], ` + strings.ReplaceAll(panel(query("up")), "$ds", "${DS_P}")},
		{"a variable as a range", vars(`{"name": "interval", "type": "interval", "query": "1m,5m"}`) + panel(query("rate(up[$interval])"))},
		{"a variable within a name", vars(`{"name": "mount", "type": "query", "query": "label_values(up, mount)"}`) + panel(query("vault_read_${mount}_count"))},
		{"$__interval with a least length", vars() + panel(`"interval": "1m", `+query("increase(up[$__interval])"))},
		{"a single series without a name", vars() + strings.Replace(panel(`"targets": [{"expr": "sum(up) / count(up)"}]`), "timeseries", "stat", 1)},
		{"words in place of values", vars() + strings.Replace(panel(query("up")), `"unit": "s"`, `"mappings": [{"type": "value"}]`, 1)},
		{"a unit in an override", vars() + strings.Replace(panel(query("up")), `{"defaults": {"unit": "s"}}`, `{"overrides": [{"properties": [{"id": "unit", "value": "s"}]}]}`, 1)},
		{"a panel from the library", vars() + `"panels": [{"libraryPanel": {"uid": "l", "name": "n"}, "gridPos": {"x": 0, "y": 0, "w": 8, "h": 8}}, ` + panel(query("up"))[len(`"panels": [`):]},
		{"mixed data sources", vars() + strings.Replace(panel(`"targets": [{"datasource": {"uid": "${ds}"}, "expr": "up", "legendFormat": "l"}]`), `{"uid": "$ds"}`, `{"type": "datasource", "uid": "-- Mixed --"}`, 1)},
		{"a text without title and description", vars() + `"panels": [{"type": "text", "gridPos": {"x": 8, "y": 1, "w": 8, "h": 8}, "options": {"content": "c"}}, ` + panel(query("up"))[len(`"panels": [`):]},
		{"a variable that links pass on", vars(`{"name": "env", "type": "custom", "query": "a,b"}`) + `"links": [{"type": "link", "url": "/x", "includeVars": true}], ` + panel(query("up"))},
		{"a dollar of a regular expression", vars() + panel(query(`up{a!~\"\\\\$SYS.*\"}`))},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, err := Parse("d.json", []byte("{"+head+c.json+"}"))
			require.NoError(t, err)
			r, err := Run([]*Dashboard{d}, Options{})
			require.NoError(t, err)
			for _, res := range r.Results {
				assert.Equal(t, report.Pass, res.Status, "%s\n%s", res.Name, res.Detail)
			}
		})
	}
}

// What is known of a query holds, wherever its data source is named.
func TestKindOfDataSource(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, json string }{
		{"by a variable", `"templating": {"list": [{"name": "ds", "type": "datasource", "query": "prometheus"}]}, "panels": [{"datasource": "$ds", "targets": [{"expr": "sum(", "refId": "A"}]}]`},
		{"by an input", `"__inputs": [{"name": "DS", "pluginId": "prometheus"}], "panels": [{"datasource": "${DS}", "targets": [{"expr": "sum("}]}]`},
		{"by the target alone", `"panels": [{"datasource": {"type": "datasource", "uid": "-- Mixed --"}, "targets": [{"datasource": {"type": "prometheus", "uid": "x"}, "expr": "sum("}]}]`},
		{"by nobody", `"panels": [{"targets": [{"expr": "sum("}]}]`},
		{"in a row of old", `"rows": [{"panels": [{"datasource": null, "targets": [{"expr": "sum("}]}]}]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, err := Parse("d.json", []byte("{"+c.json+"}"))
			require.NoError(t, err)
			found := findPromQL(d, nil, Options{})
			require.Len(t, found, 1)
			assert.Contains(t, found[0].msg, "query A: 1:5: parse error")
		})
	}
	d, err := Parse("d.json", []byte(`{"panels": [{"datasource": {"type": "loki"}, "targets": [{"expr": "{a=\"b\"} |= \"c\""}]}]}`))
	require.NoError(t, err)
	assert.Empty(t, findPromQL(d, nil, Options{}), "another language is none of ours")
}

func TestValuesOfVariables(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, variable, want string }{
		{"all, with a value for it", `"type": "query", "allValue": ".*x", "current": {"value": ["$__all"]}`, ".*x"},
		{"all of what is offered", `"type": "custom", "query": "a.b,c", "current": {"value": "$__all"}`, `(a\\.b|c)`},
		{"several", `"type": "query", "current": {"value": ["a", "b"]}`, "(a|b)"},
		{"one", `"type": "query", "current": {"value": "a"}`, "a"},
		{"names of values", `"type": "custom", "query": "One : 1, Two : 2", "current": {"value": "$__all"}`, "(1|2)"},
		{"a text", `"type": "textbox", "query": "", "current": {}`, ""},
		{"a length of time", `"type": "interval", "query": "1m,5m"`, "1m"},
		{"one that follows the range", `"type": "interval", "query": "1m", "current": {"value": "$__auto_interval_v"}`, "15s"},
		{"nothing known", `"type": "query", "query": "label_values(x)"`, ".+"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, err := Parse("d.json", []byte(`{"templating": {"list": [{"name": "v", `+c.variable+`}]}}`))
			require.NoError(t, err)
			assert.Equal(t, c.want, Expand("${v:regex}", d.value))
		})
	}
}

func TestExcusesOfAWholeDashboard(t *testing.T) {
	t.Parallel()
	d, err := Parse("d.json", []byte(`{"uid": "u", "panels": [{"title": "p", "targets": [{"expr": "a{"}, {"expr": "b{"}]}]}`))
	require.NoError(t, err)
	for _, uid := range []string{"u", "*"} {
		list := excuses{{Check: "promql", Dashboard: uid}}
		for _, f := range findPromQL(d, nil, Options{}) {
			assert.True(t, list.excuse("promql", d, f))
		}
	}
	other := excuses{{Check: "promql", Dashboard: "other"}, {Check: "promql", Dashboard: "u", Panel: "q"}}
	assert.False(t, other.excuse("promql", d, finding{panel: "p"}))
}

func TestSchemaV2IsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"apiVersion": "dashboard.grafana.app/v2", "kind": "Dashboard", "spec": {"elements": {}}}`, `{"elements": {"panel-1": {}}}`} {
		_, err := Parse("d.json", []byte(text))
		require.ErrorContains(t, err, "d.json:1: a dashboard in Grafana's schema v2")
	}
}

// Each thing that is unknown is a finding of its own, with its place.
func TestEveryUnknownMetricHasALine(t *testing.T) {
	t.Parallel()
	d, err := Parse("d.json", []byte(`{"uid": "u", "panels": [{"title": "p", "targets": [{"expr": "a + b"}]}]}`))
	require.NoError(t, err)
	found := findPromQL(d, nil, Options{PromQL: func(string) error { return errors.Join(errors.New("no a"), errors.New("no b")) }})
	require.Len(t, found, 2)
	assert.Equal(t, "query A: no a", found[0].msg)
	assert.Equal(t, "query A: no b", found[1].msg)
}
