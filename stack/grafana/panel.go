package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/elasticsearch"
	"github.com/grafana/grafana-foundation-sdk/go/logs"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// Colours say one thing everywhere: green holds, orange is near a limit, red is over it.
const (
	good = "green"
	near = "orange"
	bad  = "red"
)

// Sizes in pixels of what would else be as large as there is room.
const (
	titleSize = 14
	valueSize = 24
	wordSize  = 32
	barHeight = 60
)

// panel is what every panel has to say.
type panel struct {
	title string
	// description says what is seen, and what to think of it.
	description string
	// unit is one of Grafana's unit ids.
	unit    string
	queries []query
	// limit is drawn as a line and colours single values.
	limit *limit
	// width is in columns of 24, height in rows; 0 is a third of the width, 8 rows.
	width, height uint32
	// from and to are the ends of the scale, where it has any.
	from, to *float64
	// stacked draws series on top of each other: for parts of a whole.
	stacked bool
	// bars draws bars instead of lines: for counts of what happened in an interval.
	bars bool
	// logarithmic is for values of which the large ones would hide the small ones.
	logarithmic bool
	// many is for more series than fit below the lines: their names and last values stand beside them.
	many bool
	// near begins the scale near the values instead of at 0: for what is always almost whole.
	near bool
	// words are shown in place of values, each in its colour.
	words []word
	// empty is what is shown, and why, when there is nothing to show.
	empty string
}

// word is a value, what is shown in its place, and in which colour.
type word struct{ value, text, color string }

// mapping shows words in place of values.
func mapping(words []word) dashboard.ValueMapping {
	m := dashboard.NewValueMap()
	for i, w := range words {
		m.Options[w.value] = dashboard.ValueMappingResult{Text: ptr(w.text), Color: ptr(w.color), Index: ptr(int32(i))}
	}
	return dashboard.ValueMapping{ValueMap: m}
}

// query is one PromQL query and the name of its series.
type query struct{ expr, legend string }

func ptr[T any](v T) *T { return &v }

// metrics and logStore are the data sources, chosen by the dashboard's variables.
func metrics() common.DataSourceRef {
	return common.DataSourceRef{Type: ptr("prometheus"), Uid: ptr("${metrics}")}
}
func logStore() common.DataSourceRef {
	return common.DataSourceRef{Type: ptr("elasticsearch"), Uid: ptr("${logs}")}
}

// target is query number i; instant queries are for panels that show the present.
func (p panel) target(i int, instant bool) *prometheus.DataqueryBuilder {
	t := prometheus.NewDataqueryBuilder().Datasource(metrics()).
		RefId(string(rune('A' + i))).Expr(p.queries[i].expr).LegendFormat(p.queries[i].legend)
	if instant {
		return t.Instant()
	}
	return t.Range()
}

// thresholds colours what is beyond the limit.
func (p panel) thresholds() *dashboard.ThresholdsConfigBuilder {
	steps := []dashboard.Threshold{{Color: good}}
	if l := p.limit; l != nil && l.below {
		steps = []dashboard.Threshold{{Color: bad}, {Value: ptr(l.value), Color: good}}
	} else if l != nil {
		steps = append(steps, dashboard.Threshold{Value: ptr(l.value), Color: bad})
	}
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(steps)
}

func (p panel) size() (width, height uint32) {
	width, height = p.width, p.height
	if width == 0 {
		width = 8
	}
	if height == 0 {
		height = 8
	}
	return width, height
}

// lines draws the queries over time.
func (p panel) lines() cog.Builder[dashboard.Panel] {
	width, height := p.size()
	b := timeseries.NewPanelBuilder().
		Title(p.title).Description(p.description).Datasource(metrics()).Unit(p.unit).Span(width).Height(height).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending)).
		LineWidth(1.5).FillOpacity(8).ShowPoints(common.VisibilityModeNever).
		Thresholds(p.thresholds()).
		ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdPaletteClassic)).
		DataLinks([]cog.Builder[dashboard.DashboardLink]{toLogs()})
	if p.limit != nil {
		b.ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeDashed))
	}
	if p.stacked {
		b.Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal)).FillOpacity(25)
	}
	if p.bars {
		b.DrawStyle(common.GraphDrawStyleBars).FillOpacity(60)
	}
	if p.logarithmic {
		b.ScaleDistribution(common.NewScaleDistributionConfigBuilder().Type(common.ScaleDistributionLog).Log(10))
	}
	if p.many {
		b.FillOpacity(0).Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeTable).
			Placement(common.LegendPlacementRight).Calcs([]string{"lastNotNull"}))
	}
	switch {
	case p.from != nil:
		b.Min(*p.from)
	case !p.near:
		b.AxisSoftMin(0)
	}
	if p.to != nil {
		b.Max(*p.to)
	}
	if p.empty != "" {
		b.NoValue(p.empty)
	}
	for i := range p.queries {
		b.WithTarget(p.target(i, false))
	}
	return b
}

// number shows the present value of each query, with its course behind it.
func (p panel) number() cog.Builder[dashboard.Panel] {
	width, height := p.size()
	b := stat.NewPanelBuilder().
		Title(p.title).Description(p.description).Datasource(metrics()).Unit(p.unit).Span(width).Height(height).
		GraphMode(common.BigValueGraphModeArea).ColorMode(common.BigValueColorModeValue).TextMode(common.BigValueTextModeAuto).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		Thresholds(p.thresholds()).
		ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdThresholds))
	if p.words != nil {
		b.Mappings([]dashboard.ValueMapping{mapping(p.words)}).GraphMode(common.BigValueGraphModeNone).
			Text(common.NewVizTextDisplayOptionsBuilder().TitleSize(titleSize).ValueSize(wordSize))
	}
	if p.empty != "" {
		b.NoValue(p.empty)
	}
	for i := range p.queries {
		b.WithTarget(p.target(i, false))
	}
	return b
}

// gauges shows the present value of each series as a bar on a scale.
func (p panel) gauges() cog.Builder[dashboard.Panel] {
	width, height := p.size()
	b := bargauge.NewPanelBuilder().
		Title(p.title).Description(p.description).Datasource(metrics()).Unit(p.unit).Span(width).Height(height).
		Orientation(common.VizOrientationHorizontal).DisplayMode(common.BarGaugeDisplayModeBasic).NamePlacement(common.BarGaugeNamePlacementTop).MaxVizHeight(barHeight).
		Text(common.NewVizTextDisplayOptionsBuilder().TitleSize(titleSize).ValueSize(valueSize)).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		Thresholds(p.thresholds()).
		ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdThresholds))
	if p.from != nil {
		b.Min(*p.from)
	}
	if p.to != nil {
		b.Max(*p.to)
	}
	for i := range p.queries {
		b.WithTarget(p.target(i, true))
	}
	return b
}

// alerts shows the alerts that a query finds, a row each, the worst first.
func (p panel) alerts(hidden ...string) cog.Builder[dashboard.Panel] {
	width, height := p.size()
	exclude := map[string]any{"Time": true, "Value": true, "__name__": true}
	for _, name := range hidden {
		exclude[name] = true
	}
	order, rename := map[string]any{}, map[string]any{}
	for i, column := range []struct{ label, title string }{
		{"alertstate", "State"}, {"severity", "Severity"}, {"alertname", "Alert"}, {"layer", "Layer"}, {"slo", "Objective"}, {"service", "Service"}, {"backend", "Backend"},
	} {
		order[column.label], rename[column.label] = i, column.title
	}
	coloured := func(words ...word) []dashboard.DynamicConfigValue {
		return []dashboard.DynamicConfigValue{
			{Id: "mappings", Value: []dashboard.ValueMapping{mapping(words)}},
			{Id: "custom.cellOptions", Value: map[string]any{"type": "color-text"}},
		}
	}
	b := table.NewPanelBuilder().
		Title(p.title).Description(p.description).Datasource(metrics()).Unit(p.unit).Span(width).Height(height).
		NoValue(p.empty).
		WithTransformation(dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{
			"excludeByName": exclude, "indexByName": order, "renameByName": rename,
		}}).
		OverrideByName("State", coloured(word{"firing", "firing", bad}, word{"pending", "pending", near})).
		OverrideByName("Severity", coloured(word{"critical", "critical", bad}, word{"warning", "warning", near})).
		OverrideByRegexp("Layer|Objective|Service|Backend", []dashboard.DynamicConfigValue{{Id: "noValue", Value: "–"}}).
		SortBy([]cog.Builder[common.TableSortByFieldState]{
			common.NewTableSortByFieldStateBuilder().DisplayName("State"), common.NewTableSortByFieldStateBuilder().DisplayName("Severity"),
		})
	for i := range p.queries {
		b.WithTarget(p.target(i, true).Format(prometheus.PromQueryFormatTable))
	}
	return b
}

// logLines shows the newest log lines that a Lucene query finds.
func logLines(title, description, lucene string) cog.Builder[dashboard.Panel] {
	newest := elasticsearch.NewMetricAggregation()
	newest.Logs = &elasticsearch.Logs{
		Type: elasticsearch.MetricAggregationTypeLogs, Id: "1",
		Settings: &elasticsearch.ElasticsearchLogsSettings{Limit: ptr("100")},
	}
	return logs.NewPanelBuilder().
		Title(title).Description(description).Datasource(logStore()).Unit("short").Span(24).Height(9).NoValue("No line is a warning or worse.").
		ShowTime(true).WrapLogMessage(true).EnableLogDetails(true).SortOrder(common.LogsSortOrderDescending).
		WithTarget(elasticsearch.NewDataqueryBuilder().Datasource(logStore()).RefId("A").Query(lucene).TimeField("@timestamp").
			Metrics([]elasticsearch.MetricAggregation{*newest}).BucketAggs([]elasticsearch.BucketAggregation{}))
}

// toLogs leads from a point of a series to the log lines of its service around that time.
func toLogs() *dashboard.DashboardLinkBuilder {
	return dashboard.NewDashboardLinkBuilder("Log lines of ${__field.labels.service}").
		Url(explore("${logs}", `service:"${__field.labels.service:percentencode}"`)).TargetBlank(false)
}

// explore is the address of Grafana's Explore page with a query of log lines in the dashboard's time range. Grafana fills
// in variables before it reads the address, so these stay as they are, and everything around them is escaped.
func explore(datasource, lucene string) string {
	panes, err := json.Marshal(map[string]any{"logs": map[string]any{
		"datasource": datasource,
		"queries": []any{map[string]any{
			"refId": "A", "query": lucene, "timeField": "@timestamp",
			"metrics": []any{map[string]any{"id": "1", "type": "logs"}},
		}},
		"range": map[string]any{"from": "${__from}", "to": "${__to}"},
	}})
	if err != nil {
		panic(fmt.Sprintf("a link made of constants cannot be written: %v", err))
	}
	var escaped strings.Builder
	rest := string(panes)
	for {
		at := variable.FindStringIndex(rest)
		if at == nil {
			break
		}
		escaped.WriteString(url.QueryEscape(rest[:at[0]]) + rest[at[0]:at[1]])
		rest = rest[at[1]:]
	}
	return "/explore?schemaVersion=1&panes=" + escaped.String() + url.QueryEscape(rest)
}

var variable = regexp.MustCompile(`\$\{[^}]+\}`)
