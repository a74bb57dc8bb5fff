package mutate_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/golden"
	"obsandbox/sandbox/internal/mutate"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/routes"
	"obsandbox/sandbox/internal/rules/progtest"
)

const timesConfig = "../routes/testdata/times/alertmanager.yml"

func TestRouteMutants(t *testing.T) {
	t.Parallel()
	all, err := mutate.RouteMutants(timesConfig)
	require.NoError(t, err)
	var b bytes.Buffer
	for _, m := range all {
		fmt.Fprintf(&b, "%d %s: %s\n    %s\n", m.Line, m.Rule, m.Mutation, m.Expr)
	}
	golden.Check(t, "routemutants.txt", b.Bytes())
}

// The document's form of matchers, which Alertmanager still reads.
func TestOldMatchersAreMutated(t *testing.T) {
	t.Parallel()
	all, err := mutate.RouteMutants("../routes/testdata/document/alertmanager.yml")
	require.NoError(t, err)
	var names []string
	for _, m := range all {
		names = append(names, m.Rule+": "+m.Mutation)
	}
	require.Contains(t, names, `route > {severity="critical"}: match: without severity`)
	require.Contains(t, names, `route > {severity="critical"}: continue: true → false`)
	require.Contains(t, names, "inhibition rule 1: source_match: without severity")
	require.Contains(t, names, "inhibition rule 1: equal: without layer")
}

func TestEveryFormOfMatchersIsMutated(t *testing.T) {
	t.Parallel()
	all, err := mutate.RouteMutants("../routes/testdata/forms/alertmanager.yml")
	require.NoError(t, err)
	var names []string
	for _, m := range all {
		names = append(names, m.Rule+": "+m.Mutation)
	}
	require.Contains(t, names, `route > {"service.name"="api"}: matchers: service.name="api" → without it`)
	require.Contains(t, names, `route > {severity=~"crit.*", team="web"}: match_re: without severity`)
	require.Contains(t, names, `route > {severity=~"crit.*", team="web"} > {zone=~"a|b", severity!=warning}: matchers: severity!="warning" → without it`)
	require.Contains(t, names, `inhibition rule 2: source_matchers: node.name!="" → =`)
}

func TestWeakRouteTestsAreFound(t *testing.T) {
	t.Parallel()
	out, err := mutate.Routes(t.Context(), mutate.RouteOptions{
		Config: timesConfig, Tests: []string{"../routes/testdata/times/passes.yml"}, Equivalents: "testdata/weak/routes.yml",
	})
	require.NoError(t, err)
	require.Equal(t, out.Score.Mutants, out.Score.Killed+out.Score.Equivalent+len(out.Score.Survivors))
	require.Equal(t, 1, out.Score.Equivalent)
	require.Positive(t, out.Score.Killed)
	var b bytes.Buffer
	for _, m := range out.Score.Survivors {
		fmt.Fprintf(&b, "%d: %s: %s\n", m.Line, m.Rule, m.Mutation)
	}
	golden.Check(t, "routesurvivors.txt", b.Bytes())
	require.False(t, out.Report.OK())
	last := out.Report.Results[len(out.Report.Results)-1]
	require.Equal(t, "every mutation of the routes and of inhibition is noticed or explained", last.Name)
	require.Equal(t, report.Fail, last.Status)
}

func TestOwnRoutesAreTestedWell(t *testing.T) {
	t.Parallel()
	s := progtest.Stack(t)
	out, err := mutate.Routes(t.Context(), mutate.RouteOptions{
		Config: s.Path("alertmanager/alertmanager.yml"), Tests: []string{filepath.Join(s.Root(), "tests", "routes")}, Root: s.Root(),
	})
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, out.Report.HumanEnd(&b, false))
	require.True(t, out.Report.OK(), b.String())
	require.Greater(t, out.Score.Killed, 15, out.Score.String())
	t.Log(out.Score)
}

func TestCannotMutateRoutes(t *testing.T) {
	t.Parallel()
	_, err := mutate.Routes(t.Context(), mutate.RouteOptions{Config: timesConfig, Tests: []string{"../routes/testdata/times/fails.yml"}})
	require.ErrorContains(t, err, "fails without any mutation: make the route tests pass first")
	_, err = mutate.Routes(t.Context(), mutate.RouteOptions{Config: "testdata/none.yml", Tests: []string{"../routes/testdata/times/passes.yml"}})
	require.ErrorContains(t, err, "testdata/none.yml")
}

// Configurations that were not written for this program: Alertmanager's own examples.
func TestForeignConfigurationsAreMutated(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/prometheus/alertmanager").Output()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "*", "*", "*.yml"))
	require.NoError(t, err)
	configurations, mutants := 0, 0
	for _, file := range files {
		if _, err := routes.Load(file); err != nil {
			continue // one that is meant to be refused
		}
		all, err := mutate.RouteMutants(file)
		require.NoError(t, err, file)
		seen := map[string]bool{}
		for _, m := range all {
			require.Positive(t, m.Line, "%s: %s", file, m.Mutation)
			require.False(t, seen[m.Rule+m.Mutation], "%s: %s: %s stands twice", file, m.Rule, m.Mutation)
			seen[m.Rule+m.Mutation] = true
		}
		configurations++
		mutants += len(all)
	}
	require.Greater(t, configurations, 10)
	require.Greater(t, mutants, 100)
	t.Logf("%d mutants of %d configurations", mutants, configurations)
}
