// Package grok expands grok patterns (%{SYNTAX:field:type}) to regular expressions and matches them. It is grok as
// Logstash's filter uses it: nested field names, types, inline definitions, Ruby's expressions.
package grok

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/dlclark/regexp2"

	"obsandbox/sandbox/internal/logstash/rubyre"
)

//go:embed patterns
var patternFiles embed.FS

// ErrTimeout is a match that was given up.
var ErrTimeout = errors.New("the match took too long")

// maxExpansions bounds how many %{…} one pattern may expand to; more is a pattern that contains itself.
const maxExpansions = 10000

// Patterns are named expressions.
type Patterns map[string]string

// Builtin are the patterns that come with Logstash; ecs chooses between the two sets.
func Builtin(ecs bool) (Patterns, error) {
	p := Patterns{}
	set := "patterns/legacy"
	if ecs {
		set = "patterns/ecs-v1"
	}
	for _, name := range []string{"patterns/core", set} {
		data, err := fs.ReadFile(patternFiles, name)
		if err != nil {
			return nil, fmt.Errorf("read the built-in patterns: %w", err)
		}
		if err := p.Add(name, string(data)); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Add reads a pattern file: a name, blanks and an expression a line; # starts a comment.
func (p Patterns) Add(file, text string) error {
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimLeft(strings.TrimRight(line, "\r\n"), " \t")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.IndexAny(line, " \t")
		if at < 0 {
			continue // Logstash skips a name without an expression
		}
		expression := strings.TrimLeft(line[at:], " \t")
		if strings.TrimRight(expression, " \t") != expression {
			return fmt.Errorf("%s:%d: pattern %s ends with white space: Logstash refuses that, remove it", file, n, line[:at])
		}
		p[line[:at]] = expression
	}
	return nil
}

// reference is %{NAME}, %{NAME:field}, %{NAME:field:type} and %{NAME:field=definition}.
var reference = regexp.MustCompile(`%\{([A-Za-z0-9_\[\]\\^` + "`" + `]+)(?::([@\[\]A-Za-z0-9_:.\\^` + "`" + `-]+))?(=)?`)

// Expression is a compiled grok pattern, safe for concurrent use.
type Expression struct {
	text     string
	re       *regexp2.Regexp
	captures []capture
}

type capture struct {
	group int
	field string
	// convert is "", "int" or "float".
	convert string
}

// Compile expands and compiles a pattern. Without namedOnly, %{NAME} without a field captures into a field NAME.
func (p Patterns) Compile(text string, namedOnly bool, timeout time.Duration) (*Expression, error) {
	x := expander{patterns: p, namedOnly: namedOnly}
	expanded, err := x.expand(text, nil)
	if err != nil {
		return nil, fmt.Errorf("grok pattern %q: %w", text, err)
	}
	translated, err := rubyre.Translate(x.renameGroups(expanded))
	if err != nil {
		return nil, fmt.Errorf("grok pattern %q: %w", text, err)
	}
	if timeout <= 0 {
		timeout = regexp2.DefaultMatchTimeout
	}
	// (?s): grok compiles with Ruby's MULTILINE, where a dot matches a line's end too.
	re, err := rubyre.Backtracking("(?s:"+translated+")", timeout)
	if err != nil {
		return nil, fmt.Errorf("grok pattern %q: %w", text, err)
	}
	e := &Expression{text: text, re: re}
	for i, name := range x.names {
		parts := strings.Split(name, ":")
		c := capture{group: re.GroupNumberFromName(groupName(i)), field: parts[0]}
		if len(parts) > 1 {
			c.field = parts[1]
		}
		if len(parts) > 2 && (parts[2] == "int" || parts[2] == "float") {
			c.convert = parts[2]
		}
		e.captures = append(e.captures, c)
	}
	return e, nil
}

func groupName(i int) string { return "g" + strconv.Itoa(i) }

type expander struct {
	patterns  Patterns
	namedOnly bool
	names     []string
	count     int
}

// expand replaces the references in text; path are the patterns that are being expanded.
func (x *expander) expand(text string, path []string) (string, error) {
	var out strings.Builder
	for {
		m := reference.FindStringSubmatchIndex(text)
		if m == nil {
			out.WriteString(text)
			return out.String(), nil
		}
		if x.count++; x.count > maxExpansions || len(path) > 100 {
			return "", fmt.Errorf("it contains itself: %s", strings.Join(path, " → "))
		}
		out.WriteString(text[:m[0]])
		name, field := text[m[2]:m[3]], ""
		if m[4] >= 0 {
			field = text[m[4]:m[5]]
		}
		end := m[1]
		if m[6] >= 0 {
			length, err := definition(text[end:])
			if err != nil {
				return "", err
			}
			if _, have := x.patterns[name]; !have || length > 0 {
				x.patterns = maps.Clone(x.patterns)
				x.patterns[name] = text[end : end+length]
			}
			end += length
		}
		closing := strings.IndexByte(text[end:], '}')
		if closing < 0 {
			out.WriteString(text[m[0]:])
			return out.String(), nil
		}
		end += closing + 1
		expression, ok := x.patterns[name]
		if !ok {
			return "", fmt.Errorf("pattern %s is not defined%s", text[m[0]:end], uncovered(name))
		}
		inner, err := x.expand(expression, append(path, name))
		if err != nil {
			return "", err
		}
		switch {
		case field == "" && x.namedOnly:
			out.WriteString("(?:" + inner + ")")
		case field == "":
			out.WriteString("(?<" + name + ">" + inner + ")")
		default:
			out.WriteString("(?<" + name + ":" + field + ">" + inner + ")")
		}
		text = text[end:]
	}
}

// uncovered says of a pattern that comes with Logstash, but not with this package, what to do.
func uncovered(name string) string {
	for _, set := range []struct{ file, names string }{
		{"aws", "S3_ ELB_ CLOUDFRONT_"}, {"bacula", "BACULA_"}, {"bind", "BIND9"}, {"bro and zeek", "BRO_ ZEEK_"}, {"exim", "EXIM_"},
		{"firewalls", "CISCO NETSCREENSESSIONLOG SHOREWALL SFW2 IPTABLES"}, {"haproxy", "HAPROXY"}, {"junos", "RT_FLOW"},
		{"mcollective", "MCOLLECTIVE"}, {"nagios", "NAGIOS"}, {"rails", "RAILS RCONTROLLER RPROCESSING RUUID"},
	} {
		for _, prefix := range strings.Fields(set.names) {
			if strings.HasPrefix(name, prefix) {
				return ": Logstash has it in its patterns for " + set.file + ", which are not built in here; add its definition by pattern_definitions or patterns_dir"
			}
		}
	}
	return ""
}

// definition is the length of an inline definition, up to the brace that closes the reference.
func definition(text string) (int, error) {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '{':
			depth++
		case '}':
			if depth == 0 {
				return i, nil
			}
			depth--
		}
	}
	return 0, errors.New("an inline definition is not closed")
}

// renameGroups gives every named group a name that any engine takes, and keeps the real ones in order.
func (x *expander) renameGroups(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			out.WriteString(text[i : i+2])
			i++
		case strings.HasPrefix(text[i:], "(?<") && i+3 < len(text) && text[i+3] != '=' && text[i+3] != '!':
			end := strings.IndexByte(text[i:], '>')
			if end < 0 {
				out.WriteByte(text[i])
				continue
			}
			out.WriteString("(?<" + groupName(len(x.names)) + ">")
			x.names = append(x.names, text[i+3:i+end])
			i += end
		default:
			out.WriteByte(text[i])
		}
	}
	return out.String()
}

// Fields are the names that the pattern captures into.
func (e *Expression) Fields() []string {
	var out []string
	for _, c := range e.captures {
		out = append(out, c.field)
	}
	return out
}

// String is the pattern as it was written.
func (e *Expression) String() string { return e.text }

// Match matches text and hands every capture to found, in order; value is nil for a group that took no part. It
// returns ErrTimeout where the match was given up.
func (e *Expression) Match(text string, found func(field string, value any)) (bool, error) {
	m, err := e.re.FindStringMatch(text)
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	if m == nil {
		return false, nil
	}
	for _, c := range e.captures {
		g := m.GroupByNumber(c.group)
		if g == nil || len(g.Captures) == 0 {
			found(c.field, nil)
			continue
		}
		s := g.String()
		switch c.convert {
		case "int":
			found(c.field, leadingInt(s))
		case "float":
			found(c.field, leadingFloat(s))
		default:
			found(c.field, s)
		}
	}
	return true, nil
}

var (
	intPrefix   = regexp.MustCompile(`^\s*[+-]?[0-9]+(?:_[0-9]+)*`)
	floatPrefix = regexp.MustCompile(`^\s*[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?`)
)

// leadingInt is Ruby's to_i: the number that a text starts with, 0 without one.
func leadingInt(s string) int64 {
	n, _ := strconv.ParseInt(strings.ReplaceAll(strings.TrimSpace(intPrefix.FindString(s)), "_", ""), 10, 64)
	return n
}

// leadingFloat is Ruby's to_f.
func leadingFloat(s string) float64 {
	f, _ := strconv.ParseFloat(strings.TrimSpace(floatPrefix.FindString(s)), 64)
	return f
}
