// Package rubyre runs Ruby's regular expressions, which Logstash's configurations are written in. Patterns that Go's
// linear-time engine can run are given to it; the rest (look-around, atomic groups, back references) go to regexp2 with
// a time limit.
package rubyre

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// matchTimeout bounds a backtracking match outside of grok, which has its own limit.
const matchTimeout = 5 * time.Second

// Regexp is a compiled expression, safe for concurrent use.
type Regexp struct {
	source string
	// literals are alternatives without any syntax: a search for plain text.
	literals []string
	fast     *regexp.Regexp
	slow     *regexp2.Regexp
}

// Compile reads a Ruby regular expression (the text between the slashes).
func Compile(pattern string) (*Regexp, error) {
	if !utf8.ValidString(pattern) {
		return nil, fmt.Errorf("regular expression %q: it is not UTF-8", pattern)
	}
	if !strings.ContainsAny(pattern, `\^$.[](){}*+?`) {
		return &Regexp{source: pattern, literals: strings.Split(pattern, "|"), fast: regexp.MustCompile(pattern)}, nil
	}
	text, err := Translate(pattern)
	if err != nil {
		return nil, err
	}
	r := &Regexp{source: pattern}
	if r.fast, err = regexp.Compile("(?m)" + text); err == nil {
		return r, nil
	}
	if r.slow, err = Backtracking(text, matchTimeout); err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", pattern, err)
	}
	return r, nil
}

// Backtracking compiles an already translated expression for regexp2.
func Backtracking(text string, timeout time.Duration) (*regexp2.Regexp, error) {
	// regexp2 spells code points \uXXXX.
	text = codePoint.ReplaceAllStringFunc(text, func(s string) string {
		digits := s[3 : len(s)-1]
		if len(digits) > 4 {
			digits = "ffff"
		}
		return `\u` + strings.Repeat("0", 4-len(digits)) + digits
	})
	re, err := regexp2.Compile(text, regexp2.Multiline)
	if err != nil {
		return nil, err
	}
	re.MatchTimeout = timeout
	return re, nil
}

var codePoint = regexp.MustCompile(`\\x\{[0-9a-fA-F]+\}`)

// String is the expression as it was written.
func (r *Regexp) String() string { return r.source }

// MatchString says whether the expression matches anywhere in s. A match that takes too long is none.
func (r *Regexp) MatchString(s string) bool {
	switch {
	case r.literals != nil:
		for _, l := range r.literals {
			if strings.Contains(s, l) {
				return true
			}
		}
		return false
	case r.fast != nil:
		return r.fast.MatchString(s)
	}
	ok, err := r.slow.MatchString(s)
	return ok && err == nil
}

// match is the byte range of a match and of its groups (-1 where a group took no part).
type match struct {
	spans []int
	names []string
}

func (r *Regexp) matches(s string, limit int) []match {
	var out []match
	if r.fast != nil {
		for _, spans := range r.fast.FindAllStringSubmatchIndex(s, limit) {
			out = append(out, match{spans: spans, names: r.fast.SubexpNames()})
		}
		return out
	}
	runes := []rune(s)
	offsets := make([]int, 0, len(runes)+1)
	for at := range s {
		offsets = append(offsets, at)
	}
	offsets = append(offsets, len(s))
	m, err := r.slow.FindRunesMatch(runes)
	for m != nil && err == nil && (limit < 0 || len(out) < limit) {
		groups := m.Groups()
		found := match{}
		for _, g := range groups {
			found.names = append(found.names, g.Name)
			if len(g.Captures) == 0 {
				found.spans = append(found.spans, -1, -1)
				continue
			}
			found.spans = append(found.spans, offsets[g.Index], offsets[g.Index+g.Length])
		}
		out = append(out, found)
		m, err = r.slow.FindNextMatch(m)
	}
	return out
}

// ReplaceAll replaces every match by Ruby's rules for gsub: \1, \0, \k<name> and \\ in the replacement.
func (r *Regexp) ReplaceAll(s, replacement string) string {
	if r.literals != nil && !r.MatchString(s) {
		return s
	}
	found := r.matches(s, -1)
	if len(found) == 0 {
		return s
	}
	var out strings.Builder
	last := 0
	for _, m := range found {
		out.WriteString(s[last:m.spans[0]])
		expand(&out, replacement, s, m)
		last = m.spans[1]
	}
	out.WriteString(s[last:])
	return out.String()
}

func expand(out *strings.Builder, replacement, s string, m match) {
	group := func(i int) {
		if i*2+1 < len(m.spans) && m.spans[i*2] >= 0 {
			out.WriteString(s[m.spans[i*2]:m.spans[i*2+1]])
		}
	}
	for i := 0; i < len(replacement); i++ {
		c := replacement[i]
		if c != '\\' || i+1 == len(replacement) {
			out.WriteByte(c)
			continue
		}
		i++
		switch c = replacement[i]; {
		case c >= '0' && c <= '9':
			group(int(c - '0'))
		case c == '&':
			group(0)
		case c == '\\':
			out.WriteByte('\\')
		case c == 'k' && strings.HasPrefix(replacement[i+1:], "<"):
			name, _, ok := strings.Cut(replacement[i+2:], ">")
			if !ok {
				out.WriteString(`\k`)
				break
			}
			for n, have := range m.names {
				if have == name {
					group(n)
				}
			}
			i += len(name) + 2
		default:
			out.WriteByte('\\')
			out.WriteByte(c)
		}
	}
}

// Split cuts s at every match, by Ruby's rules: empty pieces at the end are dropped.
func (r *Regexp) Split(s string) []string {
	var out []string
	last := 0
	for _, m := range r.matches(s, -1) {
		if m.spans[1] == 0 {
			continue
		}
		out = append(out, s[last:m.spans[0]])
		last = m.spans[1]
	}
	out = append(out, s[last:])
	for len(out) > 0 && out[len(out)-1] == "" {
		out = out[:len(out)-1]
	}
	return out
}

// Submatches are all matches with their groups' texts; a group that took no part is empty.
func (r *Regexp) Submatches(s string) [][]string {
	var out [][]string
	for _, m := range r.matches(s, -1) {
		row := make([]string, len(m.spans)/2)
		for i := range row {
			if m.spans[2*i] >= 0 {
				row[i] = s[m.spans[2*i]:m.spans[2*i+1]]
			}
		}
		out = append(out, row)
	}
	return out
}

// FindIndex is the first match's range of bytes and its groups' ranges; nil where there is none.
func (r *Regexp) FindIndex(s string) []int {
	if m := r.matches(s, 1); len(m) > 0 {
		return m[0].spans
	}
	return nil
}
