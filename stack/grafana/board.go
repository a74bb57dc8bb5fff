package main

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// board is a dashboard with its panels, laid out from left to right and top to bottom in their order.
type board struct {
	uid, title, description string
	// layer is the alerts' layer that is marked in every panel while one of them fires; empty marks those of all layers.
	layer string
	// services is a regular expression of the services that the variable service offers; empty leaves the variable out.
	services string
	// layers offers the layers that have objectives as the variable layer.
	layers bool
	// alerts is a regular expression of the alerts that are marked; empty marks all of the layer.
	alerts string
	panels []cog.Builder[dashboard.Panel]
}

// tag joins the dashboards: each links to all others.
const tag = "data-ingestion"

func (b board) build() *dashboard.DashboardBuilder {
	d := dashboard.NewDashboardBuilder(b.title).
		Uid(b.uid).Description(b.description).Tags([]string{tag}).
		Readonly().Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Time("now-1h", "now").Refresh("30s").Timezone("browser").
		Link(dashboard.NewDashboardLinkBuilder("Dashboards").Type(dashboard.DashboardLinkTypeDashboards).
			Tags([]string{tag}).AsDropdown(true).KeepTime(true)).
		WithVariable(datasource("metrics", "Metrics", "prometheus")).
		WithVariable(datasource("logs", "Logs", "elasticsearch")).
		Annotation(firing(b.layer, b.alerts))
	if b.services != "" {
		d.WithVariable(dashboard.NewQueryVariableBuilder("service").Label("Service").Datasource(metrics()).
			Query(dashboard.StringOrMap{String: ptr(fmt.Sprintf("label_values(up{service=~%q}, service)", b.services))}).
			Multi(true).IncludeAll(true).AllValue(b.services).
			Current(dashboard.VariableOption{
				Text:  dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}},
				Value: dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}},
			}).
			Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc))
	}
	if b.layers {
		d.WithVariable(dashboard.NewQueryVariableBuilder("layer").Label("Layer").Datasource(metrics()).
			Query(dashboard.StringOrMap{String: ptr("label_values(slo:objective:ratio, layer)")}).
			Multi(true).IncludeAll(true).AllValue(".+").
			Current(dashboard.VariableOption{
				Text:  dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}},
				Value: dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}},
			}).
			Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc))
	}
	for _, p := range b.panels {
		d.WithPanel(p)
	}
	return d
}

func datasource(name, label, kind string) *dashboard.DatasourceVariableBuilder {
	return dashboard.NewDatasourceVariableBuilder(name).Label(label).Type(kind).
		Current(dashboard.VariableOption{
			Text:  dashboard.StringOrArrayOfString{String: ptr(kind)},
			Value: dashboard.StringOrArrayOfString{String: ptr(kind)},
		})
}

// firing marks the times at which an alert fires.
func firing(layer, alerts string) *dashboard.AnnotationQueryBuilder {
	selector := `ALERTS{alertstate="firing"}`
	if layer != "" {
		selector = fmt.Sprintf(`ALERTS{alertstate="firing", layer=%q}`, layer)
	}
	if alerts != "" {
		selector = fmt.Sprintf(`ALERTS{alertstate="firing", alertname=~%q}`, alerts)
	}
	return dashboard.NewAnnotationQueryBuilder().Name("Firing alerts").Datasource(metrics()).Enable(true).IconColor(bad).
		Target(prometheus.NewDataqueryBuilder().Datasource(metrics()).RefId("Anno").Expr(selector).Range()).
		Expr(selector).TitleFormat("{{alertname}}").TextFormat("{{severity}} {{service}} {{backend}}").TagKeys("layer,severity").Step("60s")
}

// quantiles are the p50, p95 and p99 of a histogram over all its series that match.
func quantiles(histogram, selector, by string) []query {
	var all []query
	for _, q := range []struct{ name, value string }{{"p50", "0.5"}, {"p95", "0.95"}, {"p99", "0.99"}} {
		labels, legend := "le", q.name
		if by != "" {
			labels, legend = "le, "+by, q.name+" {{"+by+"}}"
		}
		all = append(all, query{
			fmt.Sprintf("histogram_quantile(%s, sum by (%s) (rate(%s_bucket%s[$__rate_interval])))", q.value, labels, histogram, selector),
			legend,
		})
	}
	return all
}

// share is a part of a whole as a ratio from 0 to 1.
func share(part, rest, selector, by string) string {
	sum := func(metric string) string {
		return fmt.Sprintf("sum by (%s) (rate(%s%s[$__rate_interval]))", by, metric, selector)
	}
	return fmt.Sprintf("%s\n/\n(%s + %s)", sum(part), sum(part), sum(rest))
}
