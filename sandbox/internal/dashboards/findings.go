package dashboards

import (
	"fmt"
	"maps"
	"math"
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
	// gridSince is the version that brought the grid to Grafana, with its release 5.
	const gridSince = 16
	v := d.root.num("schemaVersion")
	if v < gridSince {
		found = append(found, finding{line: d.root.line, msg: fmt.Sprintf("schemaVersion %v: panels have had a place on the grid since %d; open and save it in a current Grafana", v, gridSince)})
	}
	if len(d.UID) > 40 {
		found = append(found, finding{line: d.root.get("uid").line, msg: "uid has more than 40 characters, which Grafana refuses"})
	}
	if len(d.Panels) == 0 {
		found = append(found, finding{line: d.root.line, msg: "no panels"})
	}
	for _, p := range d.Panels {
		if p.isLibrary() {
			continue
		}
		if p.Type == "" {
			found = append(found, finding{p.Line(), p.Title, "no type"})
		} else if !isVisualization(p.Type) {
			found = append(found, finding{p.Line(), p.Title, fmt.Sprintf("Grafana has no visualization of the type %s, and a plugin's ends in -panel", p.Type)})
		}
		if !slices.Contains(unasked, p.Type) && len(p.Queries) == 0 {
			found = append(found, finding{p.Line(), p.Title, "no query: targets is empty"})
		}
		refs := map[string]bool{}
		for _, q := range p.Queries {
			if refs[q.RefID] {
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
	type place struct {
		row   int
		title string
	}
	titles := map[place]bool{}
	for _, p := range d.Panels {
		at := place{p.row, p.Title}
		if p.Title != "" && titles[at] {
			found = append(found, finding{p.Line(), p.Title, "two panels of a row have this title"})
		}
		titles[at] = true
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
		if uid == "" {
			found = append(found, finding{n.line, panel, "no data source: Grafana would take whichever is the default"})
		} else if !strings.HasPrefix(uid, "$") && !strings.HasPrefix(uid, "[[") && uid != "-- Mixed --" && uid != "-- Dashboard --" && uid != "-- Grafana --" && uid != "grafana" {
			found = append(found, finding{n.line, panel, fmt.Sprintf("data source %q is fixed: choose it by a variable, so that the dashboard works anywhere", uid)})
		}
	}
	for _, p := range d.Panels {
		if len(p.Queries) == 0 || slices.Contains(unasked, p.Type) {
			continue
		}
		own := 0
		for _, q := range p.Queries {
			if n := q.node.get("datasource"); n != nil {
				own++
				look(n, n.line, p.Title)
			}
		}
		if n := p.node.get("datasource"); n != nil || own < len(p.Queries) {
			look(n, p.Line(), p.Title)
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
			if n.str("type") == "row" {
				x, w, h = 0, columns, 1 // whatever it says
			}
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
				if d.Variables[name] == nil && d.input(name) == nil && !isBuiltin(name) {
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
	for _, row := range d.rows {
		note(row.get("title"), row.str("title"))
		used[row.str("repeat")] = true
	}
	for _, key := range []string{"annotations", "links"} {
		note(d.root.get(key), "")
	}
	passed := slices.ContainsFunc(d.root.list("links"), func(l *node) bool { return l.yes("includeVars") })
	for _, v := range d.root.list("templating", "list") {
		for _, key := range []string{"query", "datasource", "regex", "definition"} {
			note(v.get(key), "")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Variables)) {
		if v := d.Variables[name]; !used[name] && v.str("type") != "adhoc" && !passed {
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
