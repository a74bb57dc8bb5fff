package dashboards

import (
	"regexp"
	"slices"
	"strings"
)

// reference matches Grafana's three ways to write a variable: $name, ${name}, ${name:format}, [[name]].
var reference = regexp.MustCompile(`\$\{(\w+)(?:\.[^:}]*)?(?::[^}]*)?\}|\$(\w+)|\[\[(\w+)(?::[^\]]*)?\]\]`)

// references are the names of the variables that a text uses.
func references(text string) []string {
	var names []string
	for _, m := range reference.FindAllStringSubmatchIndex(text, -1) {
		if m[0] > 0 && text[m[0]-1] == '\\' {
			continue // a dollar of a regular expression
		}
		for group := 2; group < 8; group += 2 {
			if m[group] >= 0 {
				names = append(names, text[m[group]:m[group+1]])
			}
		}
	}
	return names
}

// Expand puts values in the place of variables. Names that have none are left as they are.
func Expand(text string, value func(name string) (string, bool)) string {
	return reference.ReplaceAllStringFunc(text, func(ref string) string {
		m := reference.FindStringSubmatch(ref)
		if v, ok := value(m[1] + m[2] + m[3]); ok {
			return v
		}
		return ref
	})
}

// Builtin is the value of one of Grafana's own variables in a panel with a step of 15 s and a scrape interval of 15 s,
// over an hour.
func Builtin(name string) (string, bool) {
	v, ok := map[string]string{
		"__rate_interval": "1m", "__interval": "15s", "__interval_ms": "15000", "__range": "1h", "__range_s": "3600",
		"__range_ms": "3600000", "__from": "0", "__to": "3600000", "__dashboard": "dashboard", "__org": "1",
	}[name]
	return v, ok
}

// builtinPrefixes begin the names that Grafana fills in at the time of drawing.
var builtinPrefixes = []string{"__"}

func isBuiltin(name string) bool {
	return slices.ContainsFunc(builtinPrefixes, func(p string) bool { return strings.HasPrefix(name, p) }) || name == "timeFilter" || isDigits(name)
}

// isDigits is for the $1 of a regular expression's replacement.
func isDigits(name string) bool {
	return name != "" && strings.Trim(name, "0123456789") == ""
}

// value is what a variable of the dashboard stands for in a query: what "All" means, or what is chosen. The viewer's
// pages say the same (web/src/variables.ts).
func (d *Dashboard) value(name string) (string, bool) {
	if v, ok := Builtin(name); ok {
		return v, true
	}
	v, ok := d.Variables[name]
	if !ok {
		return "", false
	}
	chosen := texts(v.get("current", "value"))
	kind := v.str("type")
	if len(chosen) == 0 && (kind == "textbox" || kind == "constant") {
		return v.str("query"), true
	}
	offered := slices.DeleteFunc(options(v), func(o string) bool { return o == allChosen })
	switch everything := v.str("allValue"); {
	case len(chosen) == 0 && len(offered) > 0 && v.str("type") != "query" && !v.yes("includeAll"):
		chosen = offered[:1]
	case len(chosen) > 0 && !slices.Contains(chosen, allChosen):
	case everything != "":
		return everything, true
	default:
		chosen = offered
	}
	switch {
	case len(chosen) == 1 && strings.HasPrefix(chosen[0], "$__auto"):
		return Builtin("__interval")
	case len(chosen) == 1:
		return chosen[0], true
	case len(chosen) > 1:
		for i := range chosen {
			chosen[i] = special.ReplaceAllString(chosen[i], `\\$0`)
		}
		return "(" + strings.Join(chosen, "|") + ")", true
	case kind == "interval":
		return "5m", true
	}
	return unknown, true
}

const (
	// allChosen is what Grafana saves where everything is chosen.
	allChosen = "$__all"
	// unknown stands for values that only a data source knows.
	unknown = ".+"
)

var special = regexp.MustCompile(`[\\^$*+?.()|\[\]{}/]`)

// texts are the strings of a value that is one or a list of them.
func texts(n *node) []string {
	var found []string
	if n != nil && n.text != nil {
		found = append(found, *n.text)
	}
	if n != nil {
		for _, item := range n.items {
			found = append(found, texts(item)...)
		}
	}
	return found
}

// options are what can be chosen, as far as the dashboard itself says so.
func options(v *node) []string {
	var found []string
	for _, o := range v.list("options") {
		found = append(found, texts(o.get("value"))...)
	}
	if kind := v.str("type"); len(found) == 0 && (kind == "custom" || kind == "interval") && v.str("query") != "" {
		for o := range strings.SplitSeq(v.str("query"), ",") { // "text : value, text : value"
			if i := strings.LastIndex(o, " : "); i >= 0 {
				o = o[i+3:]
			}
			found = append(found, strings.TrimSpace(o))
		}
	}
	return found
}

// Expanded is the query's text with the dashboard's variables and Grafana's own filled in.
func (d *Dashboard) Expanded(q *Query) string { return Expand(q.Text, d.value) }

// ExpandedAs is Expanded with other values for Grafana's own variables.
func (d *Dashboard) ExpandedAs(q *Query, own func(name string) (string, bool)) string {
	return Expand(q.Text, func(name string) (string, bool) {
		if v, ok := own(name); ok {
			return v, true
		}
		return d.value(name)
	})
}

// inRange matches a variable as the range of a selector: [$interval], [${interval}:].
var inRange = regexp.MustCompile(`\[\s*\$\{?(\w+)\}?\s*[:\]]`)

// tries are texts of a query with its variables filled in: with their values and, where those are known only to a data
// source, with a length of time or a word in their place, as what stands around them needs.
func (d *Dashboard) tries(q *Query) []string {
	ranges := map[string]bool{}
	for _, m := range inRange.FindAllStringSubmatch(q.Text, -1) {
		ranges[m[1]] = true
	}
	return []string{d.Expanded(q), d.ExpandedAs(q, func(name string) (string, bool) {
		value, ok := d.value(name)
		switch {
		case ok && ranges[name] && value == unknown:
			return "5m", true
		case ok && value == unknown:
			return "value", true
		}
		return "", false
	})}
}
