package dashboards

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

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
		if title := link.str("dashboard"); target == "" && title != "" { // as before Grafana 7
			if !slices.ContainsFunc(all, func(o *Dashboard) bool { return o.Title == title }) {
				fail("no dashboard has the title %q", title)
			}
			return
		}
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
