package embedded

import (
	"regexp"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
)

var ofRule = regexp.MustCompile(`(?:annotation|label) "([^"]+)": `)

// lineInRule goes from the line of a rule on to that of the label or annotation that the message is about.
func lineInRule(data []byte, line int, message string) int {
	m := ofRule.FindStringSubmatch(message)
	if m == nil {
		return line
	}
	lines := strings.Split(string(data), "\n")
	for i := line; i < len(lines); i++ {
		if strings.HasPrefix(strings.TrimSpace(lines[i]), m[1]+":") {
			return i + 1
		}
	}
	return line
}

// originalLine is the line of the checked-in file that became the given line of the file that runs.
func originalLine(original, running []byte, line int) int {
	a, b := difflib.SplitLines(string(original)), difflib.SplitLines(string(running))
	at := line - 1
	for _, op := range difflib.NewMatcher(a, b).GetOpCodes() {
		if at < op.J1 || at >= op.J2 {
			continue
		}
		// A changed line stands for itself; of lines that were put in, the one before them.
		return max(0, min(op.I1+at-op.J1, max(op.I2-1, op.I1-1), len(a)-1)) + 1
	}
	return min(line, len(a))
}
