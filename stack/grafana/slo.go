package main

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// burn is a panel of the burn rates over one window; note says what follows from the limit that is drawn.
func burn(name, window string, limit *limit, note string) cog.Builder[dashboard.Panel] {
	return panel{
		title: "Burn rate over " + name,
		description: fmt.Sprintf("How many times as fast as it may each objective uses its error budget, over %s. "+
			"At 1 the budget lasts exactly 30 days. The scale is logarithmic. %s", name, note),
		unit: "suffix:×", width: 12, height: 10, limit: limit, logarithmic: true, many: true, from: ptr(0.01),
		queries: []query{{
			fmt.Sprintf(`slo:sli_error:ratio_rate%s{layer=~"$layer"} / on (slo, layer) slo:error_budget:ratio`, window), "{{slo}}",
		}},
	}.lines()
}

// indicator is a panel of the share of good events in one layer.
func indicator(title, layer string) cog.Builder[dashboard.Panel] {
	return panel{
		title:       title,
		description: "Share of good events, or of good minutes, over the last 5 minutes, for each objective of the layer.",
		unit:        "percentunit", to: ptr(1.0), near: true,
		queries: []query{{fmt.Sprintf(`1 - slo:sli_error:ratio_rate5m{layer=%q}`, layer), "{{slo}}"}},
	}.lines()
}

func objectives(l *limits) *dashboard.DashboardBuilder {
	const fast, slow = "ErrorBudgetBurnsFast", "ErrorBudgetBurnsSlowly"
	return board{
		uid: "slo", title: "Service level objectives", layers: true, alerts: "ErrorBudgetBurns.+",
		description: "What is left of each objective's error budget, how fast it is used, and what the layers deliver.",
		panels: []cog.Builder[dashboard.Panel]{
			panel{
				title:       "Error budget left",
				description: "Share of the budget of 30 days that is left for each objective. Nothing left, and only repairs are rolled out.",
				unit:        "percentunit", width: 12, height: 16, from: ptr(0.0), to: ptr(1.0), limit: &limit{value: 0, below: true},
				queries: []query{{`sort(slo:error_budget_remaining:ratio{layer=~"$layer"})`, "{{slo}}"}},
			}.gauges(),
			panel{
				title:       "Error budget left over time",
				description: "Share of the budget of 30 days that is left; what is overdrawn more than once is cut off. A steep fall is an incident, a slow one a fault that nobody has looked at.",
				unit:        "percentunit", width: 12, height: 16, from: ptr(-1.0), to: ptr(1.0), many: true,
				queries: []query{{`slo:error_budget_remaining:ratio{layer=~"$layer"}`, "{{slo}}"}},
			}.lines(),
			burn("5 minutes", "5m", l.of(fast), "Above the line here and over 1 hour, "+fast+" fires."),
			burn("1 hour", "1h", l.of(fast), "Above the line here and over 5 minutes, "+fast+" fires."),
			burn("6 hours", "6h", l.nth(fast, 1), "Above the line here and over 30 minutes, "+fast+" fires."),
			burn("3 days", "3d", l.nth(slow, 1), "Above the line here and over 6 hours, "+slow+" fires."),
			indicator("Collection: good events", "collection"),
			indicator("Processing: good events", "processing"),
			indicator("Storage: good events", "storage"),
			panel{
				title:       "Alerts of the objectives",
				description: "The burn-rate alerts that are pending or fire.",
				unit:        "short", width: 24, height: 6, empty: "No budget burns faster than it may.",
				queries: []query{{`ALERTS{alertname=~"ErrorBudgetBurns.+", layer=~"$layer"}`, ""}},
			}.alerts("service", "backend"),
		},
	}.build()
}
