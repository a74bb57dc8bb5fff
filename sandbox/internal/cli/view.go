package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"obsandbox/sandbox/internal/embedded"
	"obsandbox/sandbox/internal/report"
)

// view shows a running stack: a table that is redrawn on a terminal, a line for each event elsewhere, JSON on demand.
type view struct {
	out      io.Writer
	json     bool
	terminal bool
	colour   bool
	fd       int
	// own says that services of the user's take part.
	own bool
	// note is said below the links; empty for nothing.
	note string

	mu     sync.Mutex
	status func() []embedded.Status
	notes  []string // what must not be lost when the table is redrawn
	footer string
	// footerNoted says that the terminal is too low for the footer, and it has been written above the table.
	footerNoted bool
	drawn       int // lines of the table on the screen
	stop        chan struct{}
	done        chan struct{}
	last        map[string]time.Time // when a component's progress was last printed
}

// quiet is how often the progress of a build is printed where the output is no terminal.
const quiet = 10 * time.Second

func newView(out io.Writer, json bool) *view {
	v := &view{out: out, json: json, last: map[string]time.Time{}}
	if f, ok := out.(*os.File); ok && !json && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		v.terminal, v.fd = true, int(f.Fd())
		v.colour = os.Getenv("NO_COLOR") == ""
	}
	return v
}

// event takes one change of a component.
func (v *view) event(e embedded.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.json:
		v.line(e)
	case v.terminal:
		if e.State == embedded.Restarting {
			v.notes = append(v.notes, noteOf(e)...)
		}
	case e.State == embedded.Building && time.Since(v.last[e.Component]) < quiet:
	default:
		if e.State == embedded.Building {
			v.last[e.Component] = time.Now()
		}
		for _, line := range noteOf(e) {
			fmt.Fprintln(v.out, line)
		}
	}
}

// noteOf is an event as plain lines.
func noteOf(e embedded.Event) []string {
	line := fmt.Sprintf("%s %-13s %-10s", e.Time.Format(time.TimeOnly), e.Component, e.State)
	switch e.State {
	case embedded.Ready:
		line += fmt.Sprintf(" %s after %s, %s", e.Address, report.Seconds(e.ReadyAfter), bytesText(e.Memory))
	case embedded.Starting:
		line += fmt.Sprintf(" %s, process %d", e.Address, e.PID)
	}
	if e.Message != "" && e.State != embedded.Failed { // the command ends with that message
		line += " " + e.Message
	}
	lines := []string{strings.TrimRight(line, " ")}
	if e.State == embedded.Restarting {
		for _, l := range e.LastLines {
			lines = append(lines, "    "+l)
		}
	}
	return lines
}

// show starts redrawing the table, on a terminal.
func (v *view) show(status func() []embedded.Status) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status = status
	if !v.terminal {
		return
	}
	v.stop, v.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(v.done)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			v.mu.Lock()
			v.draw()
			v.mu.Unlock()
			select {
			case <-v.stop:
				return
			case <-tick.C:
			}
		}
	}()
}

// close draws for the last time.
func (v *view) close() {
	if v.stop == nil {
		return
	}
	close(v.stop)
	<-v.done
	v.mu.Lock()
	defer v.mu.Unlock()
	v.footer = ""
	v.draw()
}

// ended says that all went as it was asked to.
func (v *view) ended() {
	if !v.json {
		fmt.Fprintln(v.out, "ended")
	}
}

// draw replaces the table on the screen; the caller holds the lock.
func (v *view) draw() {
	if !v.terminal || v.status == nil {
		return
	}
	width, height, err := term.GetSize(v.fd)
	if err != nil || width < 20 {
		width, height = 80, 24
	}
	table, footer := tableOf(v.status()), v.footer
	if footer != "" && strings.Count(table+footer, "\n") >= height {
		// Redrawing cannot reach lines that have left the screen: what does not change is written once, above.
		if !v.footerNoted {
			v.notes, v.footerNoted = append(v.notes, strings.TrimRight(footer, "\n")), true
		}
		footer = ""
	}
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", v.drawn)
	}
	b.WriteString("\r\x1b[J")
	for _, note := range v.notes {
		b.WriteString(note + "\n")
	}
	v.notes = nil
	v.drawn = 0
	for line := range strings.Lines(table + footer) {
		line = clip(strings.TrimRight(line, "\n"), width)
		if v.colour {
			line = paint(line)
		}
		b.WriteString(line + "\n")
		v.drawn++
	}
	fmt.Fprint(v.out, b.String())
}

// tableOf is the table without colours.
func tableOf(all []embedded.Status) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-14s %-11s %-22s %8s %9s\n", "COMPONENT", "STATE", "ADDRESS", "READY IN", "MEMORY")
	var memory int64
	for _, st := range all {
		memory += st.Memory
		after, mem := "", ""
		if st.ReadyAfter > 0 {
			after = report.Seconds(st.ReadyAfter)
		}
		if st.Memory > 0 {
			mem = bytesText(st.Memory)
		}
		note, _, _ := strings.Cut(st.Message, "\n")
		if st.Restarts > 0 && note == "" {
			note = fmt.Sprintf("restarted %d times", st.Restarts)
		}
		line := fmt.Sprintf("%-14s %-11s %-22s %8s %9s  %s", st.Component, st.State, st.Address, after, mem, note)
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	fmt.Fprintf(&b, "%-14s %-11s %-22s %8s %9s\n", "", "", "", "", bytesText(memory))
	return b.String()
}

// paint colours the state in a line of the table.
func paint(line string) string {
	for state, colour := range map[embedded.State]string{
		embedded.Ready: "32", embedded.Starting: "33", embedded.Building: "33", embedded.Restarting: "31", embedded.Failed: "31",
	} {
		padded := fmt.Sprintf("%-11s", state)
		if len(line) >= 26 && line[15:26] == padded {
			return line[:15] + "\x1b[" + colour + "m" + padded + "\x1b[0m" + line[26:]
		}
	}
	return line
}

// clip cuts a line to the terminal's width: a line that wraps would spoil the redrawing.
func clip(line string, width int) string {
	if r := []rune(line); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return line
}

// bytesText is a size in MB, as people compare it.
func bytesText(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }
