package scenarios

import (
	"encoding/json"
	"fmt"
	"html"
	"os"
	"strings"
	"time"

	"obsandbox/sandbox/internal/picture"
)

// write leaves BASE.svg, the picture, and BASE.json, the course.
func (s *Scenario) write(c *Course, faults []fault, base string) error {
	p := s.picture(c)
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("write the course: %w", err)
	}
	var page strings.Builder
	fmt.Fprintf(&page, "<!doctype html><html lang=en><meta charset=utf-8><title>%s</title><style>body{font:15px/1.5 system-ui,sans-serif;margin:2rem;color:#1f2328}pre{white-space:pre-wrap}td,th{text-align:left;vertical-align:top;padding:.3rem .8rem;border-bottom:1px solid #d8dee4}.fail{color:#cf222e}</style>%s\n", html.EscapeString(s.Name), p)
	for _, f := range faults {
		fmt.Fprintf(&page, "<p class=fail>line %d: %s</p>\n", f.line, html.EscapeString(f.text))
	}
	page.WriteString("<table><tr><th>At<th>Receiver<th>Status<th>Notification\n")
	for _, n := range c.Notifications {
		fmt.Fprintf(&page, "<tr><td>%s<td>%s<td>%s<td><b>%s</b><pre>%s</pre>\n", c.since(n.At), html.EscapeString(n.Receiver), n.Status, html.EscapeString(n.Title), html.EscapeString(n.Text))
	}
	page.WriteString("</table>\n")
	for ext, content := range map[string]string{".svg": p, ".json": string(data) + "\n", ".html": page.String()} {
		if err := os.WriteFile(base+ext, []byte(content), 0o644); err != nil {
			return fmt.Errorf("write the course: %w", err)
		}
	}
	return nil
}

func (c *Course) since(at time.Time) time.Duration {
	return time.Duration(float64(at.Sub(c.start)) * c.factor).Round(time.Second)
}

// picture has a row for each fault, each alert and each receiver.
func (s *Scenario) picture(c *Course) string {
	end := time.Duration(s.Duration)
	p := picture.Timeline{Title: s.Name, End: end}
	for i, e := range s.Timeline {
		if e.Fault == "" {
			continue
		}
		to := end
		if e.For > 0 {
			to = min(end, time.Duration(e.At+e.For))
		}
		for _, later := range s.Timeline[i+1:] {
			if later.Clear == e.Fault && (later.Service == "" || later.Service == e.Service) {
				to = min(to, time.Duration(later.At))
			}
		}
		p.Add("fault "+strings.TrimSpace(e.Fault+" "+e.Service), picture.Bar{From: time.Duration(e.At), To: to, Kind: "fault"})
	}
	p.AddStates(c.Transitions, c.since)
	for _, in := range c.Inhibitions {
		p.Add("inhibited "+string(in.Labels["alertname"]), picture.Bar{From: c.since(in.From), To: c.since(in.To), Kind: "inhibited", Text: in.Labels.String()})
	}
	for _, n := range c.Notifications {
		p.Add(n.Receiver, picture.Bar{From: c.since(n.At), To: c.since(n.At), Kind: n.Status, Text: n.Title})
	}
	return p.SVG()
}
