package dashboards

import (
	"slices"
	"strings"
)

func findDescribed(d *Dashboard, _ []*Dashboard, _ Options) []finding {
	var found []finding
	for _, p := range d.Panels {
		if p.isLibrary() || slices.Contains(unasked, p.Type) {
			continue // it is elsewhere, or says itself what it is
		}
		if strings.TrimSpace(p.Title) == "" {
			found = append(found, finding{p.Line(), p.Title, "no title"})
		}
		if strings.TrimSpace(p.node.str("description")) == "" {
			found = append(found, finding{p.Line(), p.Title, "no description: say what is seen and what to think of it"})
		}
	}
	return found
}

// unasked are the visualizations that have no query.
var unasked = []string{"text", "dashlist", "news", "alertlist", "annolist", "welcome", "gettingstarted", "pluginlist"}

// visualizations are those that come with Grafana, and their former selves.
var visualizations = append([]string{
	"alertGroups", "barchart", "bargauge", "candlestick", "canvas", "datagrid", "debug", "flamegraph", "gauge", "geomap",
	"graph", "heatmap", "histogram", "live", "logs", "nodeGraph", "piechart", "singlestat", "stat", "state-timeline", "status-history",
	"table", "table-old", "timeseries", "traces", "trend", "xychart",
}, unasked...)

// isVisualization says whether a panel of this type can be drawn: by Grafana itself, or by a plugin, whose id is that of
// its maker, its name and "panel".
func isVisualization(kind string) bool {
	return slices.Contains(visualizations, kind) || strings.HasSuffix(kind, "-panel") || strings.HasSuffix(kind, "-app")
}

// unitless are those that show no number, or have no unit.
var unitless = append([]string{"logs", "nodeGraph", "traces", "canvas", "geomap", "flamegraph", "datagrid", "row"}, unasked...)

func findUnit(d *Dashboard, _ []*Dashboard, _ Options) []finding {
	var found []finding
	for _, p := range d.Panels {
		if !p.isLibrary() && !slices.Contains(unitless, p.Type) && !p.hasUnit() {
			found = append(found, finding{p.Line(), p.Title, `no unit: set fieldConfig.defaults.unit, "short" for a plain number`})
		}
	}
	return found
}

// hasUnit looks where a visualization has its unit, also in its former selves; where words are shown in place of values,
// there is none.
func (p *Panel) hasUnit() bool {
	defaults := p.node.get("fieldConfig", "defaults")
	for _, path := range [][]string{{"options", "yAxis", "unit"}, {"yAxis", "format"}, {"format"}} {
		if p.node.str(path...) != "" {
			return true
		}
	}
	for _, axis := range p.node.list("yaxes") {
		if axis.str("format") != "" {
			return true
		}
	}
	for _, override := range p.node.list("fieldConfig", "overrides") {
		for _, property := range override.list("properties") {
			if property.str("id") == "unit" {
				return true
			}
		}
	}
	for _, style := range p.node.list("styles") {
		if style.str("unit") != "" {
			return true
		}
	}
	return defaults.str("unit") != "" || len(defaults.list("mappings")) > 0 || p.node.str("options", "textMode") == "name"
}

// isLibrary says that the panel itself is kept in Grafana, and the dashboard has its name alone.
func (p *Panel) isLibrary() bool { return p.node.get("libraryPanel") != nil && p.Type == "" }

// nameless are the visualizations that show labels or bounds in place of series' names; singles do not show the name of
// the only series.
var (
	nameless = []string{"table", "table-old", "heatmap", "histogram"}
	singles  = []string{"stat", "gauge", "singlestat"}
)

func findLegend(d *Dashboard, _ []*Dashboard, _ Options) []finding {
	var found []finding
	for _, p := range d.Panels {
		if slices.Contains(nameless, p.Type) || slices.Contains(unitless, p.Type) || p.node.str("fieldConfig", "defaults", "displayName") != "" {
			continue
		}
		single := len(p.Queries) == 1 && slices.Contains(singles, p.Type)
		for _, q := range p.Queries {
			if single && oneSeries(d.Expanded(q)) || q.node.str("format") == "table" {
				continue
			}
			if q.Datasource == "prometheus" && q.node.str("legendFormat") == "" {
				found = append(found, finding{q.Line(), p.Title, "query " + q.RefID + " has no legendFormat: its series would be named by all their labels"})
			}
		}
	}
	return found
}
