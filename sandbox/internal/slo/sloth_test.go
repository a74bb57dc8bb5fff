package slo_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/slo"
	"obsandbox/sandbox/internal/stack"
)

// The same objective by our generator and by slok/sloth v0.16.0, a well-kept one: testdata/sloth/rules.yml is what
//
//	go run github.com/slok/sloth/cmd/sloth@v0.16.0 generate -i testdata/sloth/spec.yml
//
// makes of it. The rules are written differently; here they are asked the same questions.
func bySlothAndByUs(t *testing.T) (sloth, ours []rulefmt.Rule) {
	t.Helper()
	slos, err := stack.LoadSLOs("testdata/sloth/slos.yaml")
	require.NoError(t, err)
	files, err := slo.Generate(slos, "https://runbooks.example.com")
	require.NoError(t, err)
	for _, data := range files {
		ours = append(ours, rulesOf(t, data)...)
	}
	data, err := os.ReadFile(filepath.Join("testdata", "sloth", "rules.yml"))
	require.NoError(t, err)
	return rulesOf(t, data), ours
}

func rulesOf(t *testing.T, data []byte) []rulefmt.Rule {
	t.Helper()
	groups, errs := rulefmt.Parse(data, false, model.UTF8Validation, parser.NewParser(parser.Options{}), promslog.NewNopLogger())
	require.Empty(t, errs)
	var all []rulefmt.Rule
	for _, g := range groups.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// Both must page, and open a ticket, at the same moments, whatever the shares of bad events are over the seven windows.
func TestAlertsFireWithSloths(t *testing.T) {
	t.Parallel()
	sloth, ours := bySlothAndByUs(t)
	const moments = 4000
	random := rand.New(rand.NewPCG(1, 2))
	var load strings.Builder
	load.WriteString("load 1m\n")
	fmt.Fprintf(&load, "  slo:error_budget:ratio{slo=\"api-availability\", layer=\"api\"} 0.001x%d\n", moments)
	for _, window := range []string{"5m", "30m", "1h", "2h", "6h", "1d", "3d"} {
		fmt.Fprintf(&load, "  slo:sli_error:ratio_rate%s{slo=\"api-availability\", layer=\"api\", sloth_id=\"api-api-availability\", "+
			"sloth_service=\"api\", sloth_slo=\"api-availability\", sloth_window=%q}", window, window)
		for range moments + 1 {
			// Around the limits, above all and below all; and now and then nothing is known.
			if v := random.IntN(12); v == 11 {
				load.WriteString(" _")
			} else {
				fmt.Fprintf(&load, " %g", []float64{0, 0.99, 1.01, 2.99, 3.01, 5.99, 6.01, 14.39, 14.41, 20, 500}[v]*0.001)
			}
		}
		load.WriteString("\n")
	}
	st := promqltest.LoadedStorage(t, load.String())
	t.Cleanup(func() { _ = st.Close() })
	engine := promqltest.NewTestEngine(t, false, time.Minute, 10_000_000)
	for _, severity := range []string{"critical", "warning"} {
		firing := func(rules []rulefmt.Rule) map[int64]bool {
			at := map[int64]bool{}
			for _, rule := range rules {
				if rule.Alert == "" || rule.Labels["severity"] != severity {
					continue
				}
				require.Zero(t, rule.For)
				q, err := engine.NewRangeQuery(t.Context(), st, nil, rule.Expr, time.Unix(0, 0), time.Unix(moments*60, 0), time.Minute)
				require.NoError(t, err)
				matrix, err := q.Exec(t.Context()).Matrix()
				require.NoError(t, err)
				for _, series := range matrix {
					for _, point := range series.Floats {
						at[point.T] = true
					}
				}
				q.Close()
			}
			return at
		}
		want := firing(sloth)
		require.Greater(t, len(want), moments/20, "of neither little")
		require.Less(t, len(want), moments*19/20, "nor everything")
		require.Equal(t, want, firing(ours), severity)
		// Another limit or another window would be noticed.
		for _, slip := range [][2]string{{"> 14.4", "> 14.3"}, {"> 6\n", "> 5.9\n"}, {"> 3\n", "> 2.9\n"}, {"> 1\n", "> 0.9\n"}, {"rate3d", "rate1d"}, {"rate30m", "rate1h"}} {
			changed := slices.Clone(ours)
			for i := range changed {
				changed[i].Expr = strings.ReplaceAll(changed[i].Expr, slip[0], slip[1])
			}
			concerns := slices.ContainsFunc(ours, func(r rulefmt.Rule) bool {
				return r.Alert != "" && r.Labels["severity"] == severity && strings.Contains(r.Expr, slip[0])
			})
			require.Equal(t, concerns, !maps.Equal(want, firing(changed)), "%s: %s", severity, slip)
		}
	}
}

// Both record the same shares of bad events, over each window.
func TestSharesEqualSloths(t *testing.T) {
	t.Parallel()
	sloth, ours := bySlothAndByUs(t)
	st := promqltest.LoadedStorage(t, `load 2m
  requests_total{code="200", instance="a"} 1000000+9x1500 9+9x659
  requests_total{code="500", instance="a"} 5000+1x2099 _x20 7120+3x40
  requests_total{code="200", instance="b"} 0+7x2160
`)
	t.Cleanup(func() { _ = st.Close() })
	engine := promqltest.NewTestEngine(t, false, 5*time.Minute, 10_000_000)
	compared := 0
	for _, theirs := range sloth {
		for _, mine := range ours {
			if theirs.Record == "" || theirs.Record != mine.Record || !strings.HasPrefix(mine.Record, "slo:sli_error:") || strings.HasSuffix(mine.Record, "30d") {
				continue
			}
			want, got := value(t, engine, st, theirs.Expr), value(t, engine, st, mine.Expr)
			require.Positive(t, want)
			require.InDelta(t, want, got, 1e-12, mine.Record)
			compared++
		}
	}
	require.Equal(t, 7, compared)
}

// The share of 30 days, the objective and the burn rate are read from what was recorded.
func TestBudgetsEqualSloths(t *testing.T) {
	t.Parallel()
	sloth, ours := bySlothAndByUs(t)
	const labels = `{slo="api-availability", layer="api", sloth_id="api-api-availability", sloth_service="api", sloth_slo="api-availability"`
	st := promqltest.LoadedStorage(t, `load 1h
  slo:sli_error:ratio_rate5m`+labels+`, sloth_window="5m"} _ 0x300 0.02x5 _x20 0.0004x393
  slo:sli_error:ratio_rate30d`+labels+`, sloth_window="30d"} 0.0004x720
  slo:error_budget:ratio`+labels+`} 0.001x720
  slo:period_burn_rate:ratio`+labels+`} 0.4x720
`)
	t.Cleanup(func() { _ = st.Close() })
	engine := promqltest.NewTestEngine(t, false, 5*time.Minute, 10_000_000)
	for _, name := range [][2]string{
		{"slo:sli_error:ratio_rate30d", "slo:sli_error:ratio_rate30d"},
		{"slo:current_burn_rate:ratio", "slo:current_burn_rate:ratio"},
		{"slo:objective:ratio", "slo:objective:ratio"},
		{"slo:error_budget:ratio", "slo:error_budget:ratio"},
		{"slo:period_error_budget_remaining:ratio", "slo:error_budget_remaining:ratio"},
	} {
		expr := func(rules []rulefmt.Rule, name string) string {
			for _, rule := range rules {
				if rule.Record == name {
					return rule.Expr
				}
			}
			require.Fail(t, "no rule records "+name)
			return ""
		}
		want, got := value(t, engine, st, expr(sloth, name[0])), value(t, engine, st, expr(ours, name[1]))
		require.NotZero(t, want)
		require.InDelta(t, want, got, 1e-9, name[1])
	}
}

// value is an expression's only value at the end of 30 days, or at the last of the loaded samples.
func value(t *testing.T, engine *promql.Engine, st storage.Queryable, expr string) float64 {
	t.Helper()
	for _, at := range []time.Duration{30 * 24 * time.Hour, 3 * 24 * time.Hour} {
		q, err := engine.NewInstantQuery(t.Context(), st, nil, expr, time.Unix(0, 0).Add(at))
		require.NoError(t, err)
		vector, err := q.Exec(t.Context()).Vector()
		require.NoError(t, err)
		if len(vector) > 0 {
			require.Len(t, vector, 1, expr)
			return vector[0].F
		}
	}
	require.Fail(t, "no value", expr)
	return 0
}
