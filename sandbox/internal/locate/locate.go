// Package locate finds the line of a file that a program's message is about, where the message does not say it.
package locate

import (
	"regexp"
	"slices"
	"strings"
)

var (
	quoted = regexp.MustCompile("\"([^\"]*)\"|'([^']{2,})'|\\[([^\\]]{2,})\\]")
	// Go's errors quote regular expressions so; Prometheus has put anchors around them.
	anchored = regexp.MustCompile("`(?:\\^\\(\\?s:)?(.+?)(?:\\)\\$)?`")
	// Jaeger names places so: service::pipelines::traces.
	nested      = regexp.MustCompile(`(?:\w+::)+(\w+)`)
	pair        = regexp.MustCompile(`\((\w+): ([^()\s]+)\)`)
	invalidKeys = regexp.MustCompile(`invalid keys: ([^,\s]+)`)
	unknownName = regexp.MustCompile(`unknown (?:field|key|setting|parameter|property|option) ["'\[]([^"'\]]+)`)
	jobName     = regexp.MustCompile(`job name "([^"]+)"`)
)

// Line is the line of a file that a message without a line most likely means: one with what the message quotes, the
// rarer the better. 0 where there is none.
func Line(data []byte, message string) int {
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
	if line := ofValue(lines, words); line > 0 {
		return line
	}
	if m := nested.FindStringSubmatch(message); m != nil {
		// What is missing stands nowhere, and what it would belong to does.
		for _, name := range slices.Backward(strings.Split(m[0], "::")) {
			words = append(words, name)
		}
	}
	if line := ofWords(lines, words); line > 0 {
		return line
	}
	if line := ofLack(data, lines, message); line > 0 {
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

// First is Line for messages that name the particular before what it belongs to.
func First(data []byte, message string) int {
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
	if strings.Contains(message, "Limit of total fields") {
		words = append(words, "total_fields")
	}
	if line := ofWords(lines, words); line > 0 {
		return line
	}
	// Elasticsearch quotes settings in brackets: (min_age: 30d). What is told last is what is in the wrong place.
	for _, m := range slices.Backward(pair.FindAllStringSubmatch(message, -1)) {
		value := regexp.MustCompile(`"` + m[1] + `"\s*:\s*"?` + regexp.QuoteMeta(m[2]) + `"?[\s,}]*$`)
		if line := only(lines, value.MatchString); line > 0 {
			return line
		}
	}
	// In JSON, what is told as index.number_of_shards is nested.
	for i, word := range words {
		words[i] = word[strings.LastIndex(word, ".")+1:]
	}
	return ofWords(lines, words)
}

// ofValue is the one line where a word, of those that stand somewhere the first, is all there is after a key; 0 where
// there is no such line, or where there are several.
func ofValue(lines, words []string) int {
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

// ofWords is the line with the rarest of the words; of words that are as rare, the first.
func ofWords(lines, words []string) int {
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
