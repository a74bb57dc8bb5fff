package embedded

import (
	"regexp"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
)

var (
	quoted = regexp.MustCompile("\"([^\"]*)\"|'([^']{2,})'|\\[([^\\]]{2,})\\]")
	// Go's errors quote regular expressions so; Prometheus has put anchors around them.
	anchored = regexp.MustCompile("`(?:\\^\\(\\?s:)?(.+?)(?:\\)\\$)?`")
	// Jaeger names places so: service::pipelines::traces.
	nested      = regexp.MustCompile(`(?:\w+::)+(\w+)`)
	ofRule      = regexp.MustCompile(`(?:annotation|label) "([^"]+)": `)
	invalidKeys = regexp.MustCompile(`invalid keys: ([^,\s]+)`)
	unknownName = regexp.MustCompile(`unknown (?:field|key|setting|parameter|property|option) ["'\[]([^"'\]]+)`)
	jobName     = regexp.MustCompile(`job name "([^"]+)"`)
)

// lineOf is the line of a file that a message without a line most likely means: one with what the message quotes, the
// rarer the better. 0 where there is none.
func lineOf(data []byte, message string) int {
	lines := strings.Split(string(data), "\n")
	var words []string
	if m := jobName.FindStringSubmatch(message); m != nil {
		words = append(words, "job_name: "+m[1])
	}
	if m := invalidKeys.FindStringSubmatch(message); m != nil {
		words = append(words, m[1])
	}
	found := quoted.FindAllStringSubmatch(message, -1)
	for i := range found { // the last is the most particular
		if m := found[len(found)-1-i]; len(m[1]+m[2]+m[3]) > 1 {
			words = append(words, m[1]+m[2]+m[3])
		}
	}
	for _, m := range anchored.FindAllStringSubmatch(message, -1) {
		words = append(words, m[1])
	}
	if line := lineOfValue(lines, words); line > 0 {
		return line
	}
	if m := nested.FindStringSubmatch(message); m != nil {
		words = append(words, m[1])
	}
	if line := lineOfWords(lines, words); line > 0 {
		return line
	}
	// What stands after the last colon is often the text that was not liked.
	if i := strings.LastIndex(message, ": "); i >= 0 {
		text := strings.TrimSpace(message[i+2:])
		for i, line := range lines {
			if len(text) > 2 && strings.Contains(line, text) {
				return i + 1
			}
		}
	}
	return 0
}

// lineOfFirst is lineOf for messages that name the particular before what it belongs to.
func lineOfFirst(data []byte, message string) int {
	var words []string
	if m := unknownName.FindStringSubmatch(message); m != nil {
		words = append(words, m[1])
	}
	for _, m := range quoted.FindAllStringSubmatch(message, -1) {
		if len(m[1]+m[2]+m[3]) > 1 {
			words = append(words, m[1]+m[2]+m[3])
		}
	}
	lines := strings.Split(string(data), "\n")
	if line := lineOfWords(lines, words); line > 0 {
		return line
	}
	// In JSON, what is told as index.number_of_shards is nested.
	for i, word := range words {
		words[i] = word[strings.LastIndex(word, ".")+1:]
	}
	return lineOfWords(lines, words)
}

// lineOfValue is the one line where a word, of those that stand somewhere the first, is all there is after a key; 0 where
// there is no such line, or where there are several.
func lineOfValue(lines, words []string) int {
	for _, word := range words {
		if last, _ := occurrences(lines, word); last == 0 {
			continue
		}
		found := 0
		for i, line := range lines {
			_, value, ok := strings.Cut(line, ": ")
			if !ok || strings.Trim(strings.TrimSpace(value), `"'`) != word {
				continue
			}
			if found > 0 {
				found = 0
				break
			}
			found = i + 1
		}
		return found
	}
	return 0
}

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

// lineOfWords is the line with the rarest of the words; of words that are as rare, the first.
func lineOfWords(lines, words []string) int {
	best, bestCount := 0, len(lines)+1
	for _, word := range words {
		if last, count := occurrences(lines, word); count > 0 && count < bestCount {
			best, bestCount = last, count
		}
		if bestCount == 1 || (best > 0 && strings.HasPrefix(word, "job_name")) {
			return best
		}
	}
	return best
}

// occurrences is on how many lines a word stands by itself, and the last of them.
func occurrences(lines []string, word string) (last, count int) {
	alone := regexp.MustCompile(`(^|[^A-Za-z0-9_.-])` + regexp.QuoteMeta(word) + `($|[^A-Za-z0-9_.-])`)
	for i, line := range lines {
		if alone.MatchString(line) {
			last = i + 1
			count++
		}
	}
	return last, count
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
