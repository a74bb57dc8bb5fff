package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const rules = "../prometheus/*/*.yml"

func TestCheckedInDashboardsAreWhatTheCodeWrites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, write(dir, rules))
	built, err := filepath.Glob(filepath.Join(dir, "*.json"))
	require.NoError(t, err)
	checkedIn, err := filepath.Glob("dashboards/*.json")
	require.NoError(t, err)
	require.Len(t, checkedIn, len(built), "a dashboard that no code writes, or one that was not written: go generate ./stack/grafana")
	for _, file := range built {
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join("dashboards", filepath.Base(file)))
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got), "%s is out of date: go generate ./stack/grafana", filepath.Base(file))
	}
}

func TestNoPanelOverlapsAnother(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("dashboards/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var board struct {
			Panels []struct {
				Title   string
				GridPos struct{ X, Y, W, H int }
			}
		}
		require.NoError(t, json.Unmarshal(data, &board))
		taken := map[[2]int]string{}
		for _, p := range board.Panels {
			require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, "%s: %s", file, p.Title)
			for x := range p.GridPos.W {
				for y := range p.GridPos.H {
					cell := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
					require.Empty(t, taken[cell], "%s: %s lies over it", file, p.Title)
					taken[cell] = p.Title
				}
			}
		}
	}
}

func TestLimitsComeFromTheAlerts(t *testing.T) {
	t.Parallel()
	l, err := readLimits(rules)
	require.NoError(t, err)
	for alert, want := range map[string]limit{
		"HighCollectorErrorRate": {value: 10},
		"StorageCapacityLow":     {value: 0.1, below: true},
		"FlinkJobDown":           {value: 0, below: true},
		"ProcessingLatencyHigh":  {value: 5},
	} {
		assert.Equal(t, want, *l.of(alert), alert)
	}
	require.NoError(t, l.err())
	assert.Equal(t, limit{value: 6}, *l.nth("ErrorBudgetBurnsFast", 1))
	assert.Equal(t, limit{value: 1}, *l.nth("ErrorBudgetBurnsSlowly", 1))
	require.NoError(t, l.err())
	l.of("NoSuchAlert")
	assert.ErrorContains(t, l.err(), "NoSuchAlert")
}

func TestRulesThatAreNotThereAreAnError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	assert.ErrorContains(t, write(dir, filepath.Join(dir, "*.yml")), "no rule file matches")
	bad := filepath.Join(dir, "bad.yml")
	require.NoError(t, os.WriteFile(bad, []byte("groups: [{name: g, rules: [{alert: Broken, expr: 'rate(x['}]}]"), 0o644))
	assert.ErrorContains(t, write(dir, bad), "alert Broken")
}
