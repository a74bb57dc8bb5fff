package locate

import (
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

var (
	lacks      = regexp.MustCompile(`(?i)\bempty\b|\bmissing\b|\bno address\b|\brequired\b|\bblank\b|""`)
	emptyValue = regexp.MustCompile(`(?:[:\-\[,]\s*)(?:""|'')\s*(?:[,\]}#]|$)`)
	setting    = regexp.MustCompile(`\b[a-z]+(?:_[a-z]+)+\b`)
	short      = regexp.MustCompile(`"(\S)"`)
)

// needed are keys that every element of a list must have, by what programs say of one that has not.
var needed = []struct{ says, list, key string }{
	{"job_name is empty", "scrape_configs", "job_name"},
	{"role missing", "kubernetes_sd_configs", "role"},
	{"Groupname must not be empty", "groups", "name"},
	{"missing name in receiver", "receivers", "name"},
}

// ofLack is the line of what a message says is not there: the element of a list that lacks its key, or the one value of
// the file that is empty; else that of the setting which the message names without quotes.
func ofLack(data []byte, lines []string, message string) int {
	for _, n := range needed {
		var doc yaml.Node
		if strings.Contains(message, n.says) && yaml.Unmarshal(data, &doc) == nil {
			if line := elementWithout(&doc, n.list, n.key); line > 0 {
				return line
			}
		}
	}
	if lacks.MatchString(message) {
		if line := only(lines, emptyValue.MatchString); line > 0 {
			return line
		}
	}
	for _, m := range short.FindAllStringSubmatch(message, -1) {
		value := regexp.MustCompile(`[:\-]\s+["']?` + regexp.QuoteMeta(m[1]) + `["']?\s*$`)
		if line := only(lines, value.MatchString); line > 0 {
			return line
		}
	}
	for _, name := range setting.FindAllString(message, -1) {
		key := regexp.MustCompile(`^[\s-]*` + name + `:`)
		if line := only(lines, key.MatchString); line > 0 {
			return line
		}
	}
	return 0
}

// elementWithout is the line of the first element of a list of that name that does not have a key, or has nothing for it.
func elementWithout(node *yaml.Node, list, key string) int {
	for i, child := range node.Content {
		if node.Kind == yaml.MappingNode && i%2 == 1 && node.Content[i-1].Value == list {
			for _, element := range child.Content {
				if element.Kind == yaml.MappingNode && valueOf(element, key) == "" {
					return element.Line
				}
			}
		}
		if line := elementWithout(child, list, key); line > 0 {
			return line
		}
	}
	return 0
}

func valueOf(mapping *yaml.Node, key string) string {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1].Value
		}
	}
	return ""
}

// only is the one line that is so; 0 where there is none, or several.
func only(lines []string, so func(string) bool) int {
	found := 0
	for i, line := range lines {
		if !so(line) {
			continue
		}
		if found > 0 {
			return 0
		}
		found = i + 1
	}
	return found
}
