package routes_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/routes"
	"obsandbox/sandbox/internal/rules"
	"obsandbox/sandbox/internal/rules/progtest"
)

// TestOwnRoutes judges the repository's routes as `sandbox test` does.
func TestOwnRoutes(t *testing.T) {
	t.Parallel()
	s := progtest.Stack(t)
	got, err := routes.Run(t.Context(), routes.Options{
		Config:       s.Path("alertmanager/alertmanager.yml"),
		Tests:        []string{filepath.Join(s.Root(), "tests", "routes")},
		Alertmanager: progtest.Program(t, "alertmanager"),
		Coverage:     100,
		Root:         s.Root(),
	})
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, got.Report.Human(&b, false))
	require.True(t, got.Report.OK(), b.String())
}

// Every alert that the rule tests expect makes notifications that can be read.
func TestOwnNotifications(t *testing.T) {
	t.Parallel()
	s := progtest.Stack(t)
	expected, err := rules.ExpectedAlerts([]string{filepath.Join(s.Root(), "tests", "rules")})
	require.NoError(t, err)
	var alerts []routes.Posted
	for _, a := range expected {
		labels := model.LabelSet{}
		for name, value := range a.Labels {
			labels[model.LabelName(name)] = model.LabelValue(value)
		}
		alerts = append(alerts, routes.Posted{Labels: labels, Annotations: a.Annotations})
	}
	results, err := routes.CheckNotifications(t.Context(), routes.NotifyOptions{
		Stack: s, Alertmanager: progtest.Program(t, "alertmanager"), Alerts: alerts,
	})
	require.NoError(t, err)
	for _, res := range results {
		require.Equal(t, report.Pass, res.Status, res.Detail)
	}
}
