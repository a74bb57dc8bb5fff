package dashboards

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

func findSchema(d *Dashboard, _ []*Dashboard, _ Options) []finding {
	var found []finding
	for _, key := range []string{"uid", "title"} {
		if d.root.str(key) == "" {
			found = append(found, finding{line: d.root.line, msg: "no " + key})
		}
	}
	if v := d.root.num("schemaVersion"); v < 16 {
		found = append(found, finding{line: d.root.line, msg: "no schemaVersion of 16 or more: panels have had a gridPos since then"})
	}
	if len(d.UID) > 40 {
		found = append(found, finding{line: d.root.get("uid").line, msg: "uid has more than 40 characters, which Grafana refuses"})
	}
	if len(d.Panels) == 0 {
		found = append(found, finding{line: d.root.line, msg: "no panels"})
	}
	for _, p := range d.Panels {
		if p.Type == "" {
			found = append(found, finding{p.Line(), p.Title, "no type"})
		}
		if p.Type != "text" && p.Type != "dashlist" && p.Type != "news" && p.Type != "alertlist" && len(p.Queries) == 0 {
			found = append(found, finding{p.Line(), p.Title, "no query: targets is empty"})
		}
		refs := map[string]bool{}
		for _, q := range p.Queries {
			switch {
			case q.RefID == "":
				found = append(found, finding{q.node.line, p.Title, "a query has no refId"})
			case refs[q.RefID]:
				found = append(found, finding{q.node.line, p.Title, fmt.Sprintf("two queries have the refId %s", q.RefID)})
			}
			refs[q.RefID] = true
		}
	}
	return found
}

func findUnique(d *Dashboard, all []*Dashboard, _ Options) []finding {
	var found []finding
	for _, other := range all {
		if other == d {
			continue
		}
		if d.UID != "" && other.UID == d.UID {
			found = append(found, finding{line: d.root.get("uid").line, msg: fmt.Sprintf("%s has the uid %q too", other.File, d.UID)})
		}
		if d.Title != "" && other.Title == d.Title {
			found = append(found, finding{line: d.root.get("title").line, msg: fmt.Sprintf("%s has the title %q too", other.File, d.Title)})
		}
	}
	titles := map[string]bool{}
	for _, p := range d.Panels {
		if p.Title != "" && titles[p.Title] {
			found = append(found, finding{p.Line(), p.Title, "two panels have this title"})
		}
		titles[p.Title] = true
	}
	return found
}

func findDescribed(d *Dashboard, _ []*Dashboard, _ Options) []finding {
	var found []finding
	for _, p := range d.Panels {
		if strings.TrimSpace(p.Title) == "" {
			found = append(found, finding{p.Line(), p.Title, "no title"})
		}
		if strings.TrimSpace(p.node.str("description")) == "" {
			found = append(found, finding{p.Line(), p.Title, "no description: say what is seen and what to think of it"})
		}
	}
	return found
}

// unitless are the visualizations that show no number.
var unitless = []string{"text", "logs", "dashlist", "news", "alertlist", "nodeGraph", "traces", "row"}

func findUnit(d *Dashboard, _ []*Dashboard, _ Options) []finding {
	var found []finding
	for _, p := range d.Panels {
		if !slices.Contains(unitless, p.Type) && p.node.str("fieldConfig", "defaults", "unit") == "" {
			found = append(found, finding{p.Line(), p.Title, `no unit: set fieldConfig.defaults.unit, "short" for a plain number`})
		}
	}
	return found
}

func findDatasource(d *Dashboard, _ []*Dashboard, _ Options) []finding {
	var found []finding
	look := func(n *node, line int, panel string) {
		if n == nil {
			found = append(found, finding{line, panel, "no data source: Grafana would take whichever is the default"})
			return
		}
		uid := n.str("uid")
		if n.text != nil {
			uid = *n.text // the form of old dashboards
		}
		if !strings.HasPrefix(uid, "$") && uid != "-- Mixed --" && uid != "-- Dashboard --" && uid != "-- Grafana --" && uid != "grafana" {
			found = append(found, finding{n.line, panel, fmt.Sprintf("data source %q is fixed: choose it by a variable, so that the dashboard works anywhere", uid)})
		}
	}
	for _, p := range d.Panels {
		if len(p.Queries) == 0 {
			continue
		}
		look(p.node.get("datasource"), p.Line(), p.Title)
		for _, q := range p.Queries {
			if n := q.node.get("datasource"); n != nil {
				look(n, n.line, p.Title)
			}
		}
	}
	return found
}

func findLegend(d *Dashboard, _ []*Dashboard, _ Options) []finding {
	var found []finding
	for _, p := range d.Panels {
		if p.Type == "table" || slices.Contains(unitless, p.Type) {
			continue
		}
		for _, q := range p.Queries {
			if q.Datasource == "prometheus" && q.node.str("legendFormat") == "" {
				found = append(found, finding{q.Line(), p.Title, "query " + q.RefID + " has no legendFormat: its series would be named by all their labels"})
			}
		}
	}
	return found
}

// columns is the width of Grafana's grid.
const columns = 24

func findGrid(d *Dashboard, _ []*Dashboard, _ Options) []finding {
	var found []finding
	type cell struct{ x, y int }
	lay := func(panels []*node) {
		taken := map[cell]string{}
		for _, n := range panels {
			title, pos := n.str("title"), n.get("gridPos")
			if pos == nil {
				found = append(found, finding{n.line, title, "no gridPos"})
				continue
			}
			x, y, w, h := int(pos.num("x")), int(pos.num("y")), int(pos.num("w")), int(pos.num("h"))
			if w < 1 || h < 1 || x < 0 || y < 0 || x+w > columns || h > 1000 {
				found = append(found, finding{pos.line, title, fmt.Sprintf("off the grid of %d columns: x %d, y %d, w %d, h %d", columns, x, y, w, h)})
				continue
			}
			over := ""
			for cx := x; cx < x+w; cx++ {
				for cy := y; cy < y+h; cy++ {
					if other, ok := taken[cell{cx, cy}]; ok {
						over = other
					}
					taken[cell{cx, cy}] = title
				}
			}
			if over != "" {
				found = append(found, finding{pos.line, title, fmt.Sprintf("lies over the panel %q", over)})
			}
		}
	}
	lay(d.root.list("panels"))
	for _, n := range d.root.list("panels") {
		if n.str("type") == "row" && len(n.list("panels")) > 0 {
			lay(n.list("panels"))
		}
	}
	return found
}

func findVariables(d *Dashboard, _ []*Dashboard, _ Options) []finding {
	var found []finding
	used := map[string]bool{}
	note := func(n *node, panel string) {
		n.walk(func(text *node) {
			for _, name := range references(*text.text) {
				used[name] = true
				if d.Variables[name] == nil && !isBuiltin(name) {
					found = append(found, finding{text.line, panel, fmt.Sprintf("uses the variable %q, which the dashboard does not define", name)})
				}
			}
		})
	}
	for _, p := range d.Panels {
		note(p.node, p.Title)
		if repeat := p.node.str("repeat"); repeat != "" {
			used[repeat] = true
		}
	}
	for _, key := range []string{"annotations", "links"} {
		note(d.root.get(key), "")
	}
	for _, v := range d.root.list("templating", "list") {
		for _, key := range []string{"query", "datasource", "regex", "definition"} {
			note(v.get(key), "")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Variables)) {
		if v := d.Variables[name]; !used[name] && v.str("type") != "adhoc" {
			found = append(found, finding{line: v.line, msg: fmt.Sprintf("defines the variable %q and never uses it", name)})
		}
	}
	return found
}

func findLucene(d *Dashboard, _ []*Dashboard, opt Options) []finding {
	var found []finding
	for _, p := range d.Panels {
		for _, q := range p.Queries {
			if q.Datasource != "elasticsearch" {
				continue
			}
			if q.node.str("timeField") == "" {
				found = append(found, finding{q.node.line, p.Title, "query " + q.RefID + " has no timeField"})
			}
			if len(q.node.list("metrics")) == 0 {
				found = append(found, finding{q.node.line, p.Title, "query " + q.RefID + " has no metrics: it asks for nothing"})
			}
			if opt.Lucene != nil && q.Text != "" {
				if err := opt.Lucene(d.Expanded(q)); err != nil {
					found = append(found, finding{q.Line(), p.Title, err.Error()})
				}
			}
		}
	}
	return found
}

var word = regexp.MustCompile(`\w+`)

// findThresholds holds the panels that name an alert in their description against the alert's own limit: the value
// itself, or its complement where the panel shows the other share.
func findThresholds(d *Dashboard, _ []*Dashboard, opt Options) []finding {
	var found []finding
	for _, p := range d.Panels {
		for _, name := range word.FindAllString(p.node.str("description"), -1) {
			limits := opt.Limits[name]
			if len(limits) == 0 {
				continue
			}
			var steps []string
			match := false
			for _, step := range p.node.list("fieldConfig", "defaults", "thresholds", "steps") {
				v := step.get("value")
				if v == nil || v.number == nil {
					continue
				}
				steps = append(steps, fmt.Sprint(*v.number))
				match = match || slices.ContainsFunc(limits, func(limit float64) bool {
					return close(*v.number, limit) || close(*v.number, 1-limit)
				})
			}
			if !match {
				found = append(found, finding{p.Line(), p.Title, fmt.Sprintf("its description names %s, whose limit is %s; the panel's thresholds are [%s]", name, strings.Trim(fmt.Sprint(limits), "[]"), strings.Join(steps, " "))})
			}
		}
	}
	return found
}

func close(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) }

var dashboardPath = regexp.MustCompile(`^/d/([^/?]+)`)

func findLinks(d *Dashboard, all []*Dashboard, _ Options) []finding {
	var found []finding
	look := func(link *node, panel string) {
		fail := func(format string, args ...any) {
			found = append(found, finding{link.line, panel, fmt.Sprintf("link %q: ", link.str("title")) + fmt.Sprintf(format, args...)})
		}
		if link.str("type") == "dashboards" {
			tags := []string{}
			for _, t := range link.list("tags") {
				if t.text != nil {
					tags = append(tags, *t.text)
				}
			}
			if !slices.ContainsFunc(all, func(o *Dashboard) bool { return o.hasTags(tags) }) {
				fail("no dashboard has the tags %v", tags)
			}
			return
		}
		target := link.str("url")
		if target == "" {
			fail("no url")
			return
		}
		if m := dashboardPath.FindStringSubmatch(target); m != nil && !strings.Contains(m[1], "$") {
			if !slices.ContainsFunc(all, func(o *Dashboard) bool { return o.UID == m[1] }) {
				fail("no dashboard has the uid %q", m[1])
			}
		}
		if strings.HasPrefix(target, "/explore") {
			u, err := url.Parse(target)
			if err != nil {
				fail("%v", err)
				return
			}
			if panes := u.Query().Get("panes"); !json.Valid([]byte(panes)) {
				fail("its panes are not JSON: %s", panes)
			}
		}
	}
	for _, link := range d.root.list("links") {
		look(link, "")
	}
	for _, p := range d.Panels {
		for _, link := range slices.Concat(p.node.list("links"), p.node.list("fieldConfig", "defaults", "links")) {
			look(link, p.Title)
		}
	}
	return found
}

func (d *Dashboard) hasTags(tags []string) bool {
	have := map[string]bool{}
	for _, t := range d.root.list("tags") {
		if t.text != nil {
			have[*t.text] = true
		}
	}
	return !slices.ContainsFunc(tags, func(t string) bool { return !have[t] })
}
