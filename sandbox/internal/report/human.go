package report

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The terminal's colours; the caller decides (a terminal, NO_COLOR) whether they are used.
const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	bold   = "\x1b[1m"
	plain  = "\x1b[0m"
)

// Human writes the report for people: one line per check with its duration, then every failure in full, then the
// summary line.
func (r *Report) Human(w io.Writer, colour bool) error {
	for _, res := range r.Results {
		if err := res.HumanLine(w, colour); err != nil {
			return err
		}
	}
	return r.HumanEnd(w, colour)
}

// HumanLine writes the result's one line: verdict, duration, suite and name; a skipped check also says why.
func (res Result) HumanLine(w io.Writer, colour bool) error {
	verdict, paint := string(res.Status), green
	switch res.Status {
	case Fail:
		verdict, paint = "FAIL", red
	case Skip:
		paint = yellow
	}
	line := fmt.Sprintf("%s %8s  %s: %s", painted(fmt.Sprintf("%-4s", verdict), paint, colour), Seconds(res.Duration), res.Suite, res.Name)
	if res.Status == Skip && res.Detail != "" {
		line += " (" + strings.ReplaceAll(strings.TrimSpace(res.Detail), "\n", "; ") + ")"
	}
	return write(w, "the report", []byte(line+"\n"))
}

// HumanEnd writes what Human writes below the lines, for callers that showed each line as its check ended: the
// failures in full, each with the line that it is at, and the summary line.
func (r *Report) HumanEnd(w io.Writer, colour bool) error {
	var b bytes.Buffer
	for _, res := range r.Results {
		if res.Status != Fail {
			continue
		}
		fmt.Fprintf(&b, "\n%s %s: %s\n", painted("FAIL", red, colour), res.Suite, painted(res.Name, bold, colour))
		if at := res.Place(); at != "" {
			fmt.Fprintf(&b, "  %s\n%s", at, r.excerpt(res))
		}
		for line := range strings.Lines(strings.TrimSpace(res.Detail)) {
			b.WriteString(strings.TrimRight("  "+line, " \r\n") + "\n")
		}
	}
	paint := green
	if !r.OK() {
		paint = red
	}
	fmt.Fprintf(&b, "\n%s\n", painted(r.Summary(), paint, colour))
	return write(w, "the report", b.Bytes())
}

// Summary is "N passed, N failed", with ", N skipped" where a check was skipped.
func (r *Report) Summary() string {
	s := fmt.Sprintf("%d passed, %d failed", r.Count(Pass), r.Count(Fail))
	if n := r.Count(Skip); n > 0 {
		s += fmt.Sprintf(", %d skipped", n)
	}
	if len(r.Results) == 0 {
		s += " (nothing was checked)"
	}
	return s
}

// Place is "file:line", "file" or empty, as far as the result names a place to mend.
func (res Result) Place() string {
	if res.File == "" || res.Line == 0 {
		return res.File
	}
	return res.File + ":" + strconv.Itoa(res.Line)
}

// longestLine is where a line that is shown is cut.
const longestLine = 160

// excerpt is the line that a result is at, with a mark under its column; empty where there is none to be read.
func (r *Report) excerpt(res Result) string {
	if res.Line < 1 {
		return ""
	}
	file := filepath.FromSlash(res.File)
	if !filepath.IsAbs(file) {
		file = filepath.Join(r.Root, file)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	lines := strings.Split(string(data), "\n")
	if res.Line > len(lines) {
		return ""
	}
	line := []rune(strings.ReplaceAll(strings.TrimRight(lines[res.Line-1], " \t\r"), "\t", " "))
	if len(line) == 0 {
		return ""
	}
	gutter := strconv.Itoa(res.Line) + " | "
	if len(line) > longestLine && res.Column < longestLine {
		line = append(line[:longestLine:longestLine], '…')
	}
	out := "  " + gutter + string(line) + "\n"
	if res.Column > 0 && res.Column <= len(line) {
		out += strings.Repeat(" ", 2+len(gutter)+res.Column-1) + "^\n"
	}
	return out
}

// Seconds writes a duration as people read it: "12ms" below one second, "1.2s" above.
func Seconds(d time.Duration) string {
	if d < time.Second {
		return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
}

func painted(text, paint string, colour bool) string {
	if !colour {
		return text
	}
	return paint + text + plain
}

func write(w io.Writer, what string, data []byte) error {
	if _, err := w.Write(data); err != nil {
		return fmt.Errorf("write %s: %w", what, err)
	}
	return nil
}
