// Package picture draws what happened over a time as an SVG that needs nothing else: a row for each thing, bars for how
// long it lasted, marks for moments.
package picture

import (
	"fmt"
	"html"
	"slices"
	"strings"
	"time"

	"obsandbox/sandbox/internal/simulate"
)

// Timeline is a picture.
type Timeline struct {
	Title string
	// End is its length.
	End  time.Duration
	rows []row
}

type row struct {
	name string
	bars []Bar
}

// Bar is a stretch of a row, or a mark where it has no length.
type Bar struct {
	From, To time.Duration
	// Kind is its colour: fault, pending, firing, resolved, inhibited.
	Kind string
	// Text is shown where the mouse rests.
	Text string
}

// Add puts a bar into the row of that name, which is made where there is none.
func (t *Timeline) Add(name string, b Bar) {
	for i := range t.rows {
		if t.rows[i].name == name {
			t.rows[i].bars = append(t.rows[i].bars, b)
			return
		}
	}
	t.rows = append(t.rows, row{name, []Bar{b}})
}

// AddStates draws the states of alerts, those of one name in one row.
func (t *Timeline) AddStates(all []simulate.Transition, since func(time.Time) time.Duration) {
	type open struct {
		from  time.Duration
		state string
	}
	now := map[string]open{}
	var order []simulate.Transition
	for _, tr := range all {
		key := tr.Alert + tr.Labels.String()
		if o, ok := now[key]; ok {
			t.Add(tr.Alert, Bar{From: o.from, To: since(tr.At), Kind: o.state, Text: tr.Labels.String()})
			delete(now, key)
		} else {
			order = append(order, tr)
		}
		if tr.State != "inactive" {
			now[key] = open{since(tr.At), tr.State}
		}
	}
	for _, tr := range order {
		if o, ok := now[tr.Alert+tr.Labels.String()]; ok {
			t.Add(tr.Alert, Bar{From: o.from, To: t.End, Kind: o.state, Text: tr.Labels.String()})
			delete(now, tr.Alert+tr.Labels.String())
		}
	}
}

const (
	left, width, high, top = 300, 800, 24, 56
)

func colour(kind string) string {
	switch kind {
	case "fault":
		return "#57606a"
	case "pending":
		return "#d4a72c"
	case "firing":
		return "#cf222e"
	case "resolved":
		return "#1a7f37"
	case "inhibited":
		return "#8250df"
	}
	return "#0969da"
}

// SVG is the picture.
func (t *Timeline) SVG() string {
	var b strings.Builder
	h := top + high*len(t.rows) + 44
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="system-ui, sans-serif" font-size="13" role="img">`+"\n", left+width+30, h, left+width+30, h)
	fmt.Fprintf(&b, `<title>%s</title><rect width="100%%" height="100%%" fill="#fff"/><text x="12" y="26" font-size="16" font-weight="600" fill="#1f2328">%s</text>`+"\n", html.EscapeString(t.Title), html.EscapeString(t.Title))
	x := func(d time.Duration) float64 { return left + width*float64(d)/float64(max(t.End, 1)) }
	step := grid(t.End)
	for d := time.Duration(0); d <= t.End; d += step {
		fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#d8dee4"/><text x="%.1f" y="%d" font-size="11" text-anchor="middle" fill="#57606a">%s</text>`+"\n", x(d), x(d), top-6, h-40, x(d), top-12, short(d))
	}
	for i, r := range t.rows {
		y := top + i*high
		fmt.Fprintf(&b, `<text x="12" y="%d" fill="#1f2328">%s</text>`+"\n", y+16, html.EscapeString(r.name))
		for _, bar := range r.bars {
			tip := fmt.Sprintf("%s %s to %s %s", bar.Kind, bar.From, bar.To, bar.Text)
			if bar.From == bar.To {
				fmt.Fprintf(&b, `<circle cx="%.1f" cy="%d" r="5" fill="%s"><title>%s</title></circle>`+"\n", x(bar.From), y+12, colour(bar.Kind), html.EscapeString(tip))
				continue
			}
			fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="16" rx="2" fill="%s" fill-opacity=".85"><title>%s</title></rect>`+"\n", x(bar.From), y+4, max(x(bar.To)-x(bar.From), 1.5), colour(bar.Kind), html.EscapeString(tip))
		}
	}
	at := 12
	for _, k := range []string{"fault", "pending", "firing", "resolved", "inhibited"} {
		if !t.has(k) {
			continue
		}
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="12" height="12" fill="%s"/><text x="%d" y="%d" font-size="12" fill="#57606a">%s</text>`+"\n", at, h-26, colour(k), at+17, h-16, k)
		at += 90
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// has says whether a bar of a kind is in the picture.
func (t *Timeline) has(kind string) bool {
	return slices.ContainsFunc(t.rows, func(r row) bool {
		return slices.ContainsFunc(r.bars, func(b Bar) bool { return b.Kind == kind })
	})
}

// grid is the time between lines: about ten of them.
func grid(end time.Duration) time.Duration {
	for _, d := range []time.Duration{time.Second, 10 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour} {
		if end/d <= 14 {
			return d
		}
	}
	return 24 * time.Hour * (1 + end/(14*24*time.Hour))
}

func short(d time.Duration) string {
	switch {
	case d == 0:
		return "0"
	case d%(24*time.Hour) == 0:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	if d%time.Minute == 0 {
		return strings.TrimSuffix(d.String(), "0s")
	}
	return d.String()
}
