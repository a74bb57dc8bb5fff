package rubyre

import (
	"fmt"
	"strings"
)

// dialects differ in how a class of characters is spelled.
const (
	word  = "a-zA-Z0-9_"
	digit = "0-9"
	space = `\t\n\v\f\r `
	hex   = "0-9a-fA-F"
)

var posix = map[string]string{
	"alpha": "a-zA-Z", "digit": digit, "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z", "space": space,
	"blank": `\t `, "punct": "!-/:-@\\[-`{-~", "xdigit": hex, "word": word, "cntrl": `\x00-\x1f\x7f`, "print": " -~", "graph": "!-~",
}

// Translate rewrites a Ruby (Onigmo) pattern in the syntax that Go's regexp and regexp2 share, plus look-around, atomic
// groups and back references where the pattern has them. Letters, digits and spaces are ASCII, as in Ruby.
func Translate(pattern string) (string, error) {
	t := translator{in: pattern}
	if err := t.run(); err != nil {
		return "", fmt.Errorf("regular expression %q: %w", pattern, err)
	}
	return t.out.String(), nil
}

type translator struct {
	in  string
	i   int
	out strings.Builder
	// atom is where the last atom starts in out; -1 where nothing can be repeated.
	atom int
	// groups are the starts of the groups that are open.
	groups []int
}

func (t *translator) run() error {
	t.atom = -1
	for t.i < len(t.in) {
		c := t.in[t.i]
		at := t.out.Len()
		switch {
		case c == '\\':
			if err := t.escape(false); err != nil {
				return err
			}
			t.atom = at
		case c == '[':
			if err := t.class(); err != nil {
				return err
			}
			t.atom = at
		case c == '(':
			t.groups = append(t.groups, at)
			if err := t.group(); err != nil {
				return err
			}
			t.atom = -1
		case c == ')':
			if len(t.groups) == 0 {
				return fmt.Errorf("a group is closed that was not opened")
			}
			t.atom = t.groups[len(t.groups)-1]
			t.groups = t.groups[:len(t.groups)-1]
			t.keep(1)
		case strings.IndexByte("*+?", c) >= 0:
			t.keep(1)
			t.suffix()
		case c == '{':
			t.braces()
		case c == '|':
			t.keep(1)
			t.atom = -1
		default:
			t.keep(1)
			for t.i < len(t.in) && t.in[t.i] >= 0x80 && c >= 0x80 && t.in[t.i] < 0xc0 {
				t.keep(1)
			}
			t.atom = at
		}
	}
	if len(t.groups) > 0 {
		return fmt.Errorf("a group is not closed")
	}
	return nil
}

func (t *translator) keep(n int) {
	t.out.WriteString(t.in[t.i : t.i+n])
	t.i += n
}

// suffix writes what may follow a quantifier: ? is lazy, + is possessive, which is an atomic group elsewhere.
func (t *translator) suffix() {
	if t.i >= len(t.in) {
		return
	}
	switch t.in[t.i] {
	case '?':
		t.keep(1)
	case '+':
		t.i++
		if t.atom >= 0 {
			all := t.out.String()
			t.out.Reset()
			t.out.WriteString(all[:t.atom] + "(?>" + all[t.atom:] + ")")
		}
	}
}

func (t *translator) braces() {
	end := strings.IndexByte(t.in[t.i:], '}')
	body := ""
	if end > 0 {
		body = t.in[t.i+1 : t.i+end]
	}
	low, high, ranged := strings.Cut(body, ",")
	digits := func(s string) bool { return strings.Trim(s, "0123456789") == "" }
	if body == "" || body == "," || !digits(low) || !digits(high) || t.atom < 0 {
		t.out.WriteString(`\{`)
		t.i++
		return
	}
	if low == "" {
		low = "0"
	}
	t.out.WriteString("{" + low)
	if ranged {
		t.out.WriteString("," + high)
	}
	t.out.WriteString("}")
	t.i += end + 1
	if t.i < len(t.in) && t.in[t.i] == '?' {
		t.keep(1)
	}
}

func (t *translator) group() error {
	rest := t.in[t.i:]
	if !strings.HasPrefix(rest, "(?") {
		t.keep(1)
		return nil
	}
	for _, kind := range []string{"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!", "(?<"} {
		if strings.HasPrefix(rest, kind) {
			t.keep(len(kind))
			return nil
		}
	}
	if strings.HasPrefix(rest, "(?#") {
		end := strings.IndexByte(rest, ')')
		if end < 0 {
			return fmt.Errorf("a comment is not closed")
		}
		t.i += end + 1
		t.groups = t.groups[:len(t.groups)-1]
		return nil
	}
	if strings.HasPrefix(rest, "(?'") {
		name, _, ok := strings.Cut(rest[3:], "'")
		if !ok {
			return fmt.Errorf("the name of a group is not closed")
		}
		t.out.WriteString("(?<" + name + ">")
		t.i += len(name) + 4
		return nil
	}
	// Options: Ruby's m lets a dot match a line's end, which others call s.
	for n := 2; n < len(rest); n++ {
		switch c := rest[n]; c {
		case 'm', 'i', 'x', '-':
		case ':', ')':
			t.out.WriteString(strings.ReplaceAll(rest[:n+1], "m", "s"))
			t.i += n + 1
			if c == ')' {
				t.groups = t.groups[:len(t.groups)-1]
			}
			return nil
		default:
			return fmt.Errorf("unknown group option %q", rest[:n+1])
		}
	}
	return fmt.Errorf("a group is not closed")
}

func (t *translator) escape(inClass bool) error {
	if t.i+1 >= len(t.in) {
		return fmt.Errorf("it ends with a backslash")
	}
	wrap := func(set string, negated bool) error {
		switch {
		case inClass && negated:
			return fmt.Errorf("a negated class inside a class is not supported: %q", t.in[t.i:t.i+2])
		case inClass:
			t.out.WriteString(set)
		case negated:
			t.out.WriteString("[^" + set + "]")
		default:
			t.out.WriteString("[" + set + "]")
		}
		t.i += 2
		return nil
	}
	switch c := t.in[t.i+1]; c {
	case 'w', 'W':
		return t.negatable(inClass, c == 'W', 'W', wrap, word)
	case 'd', 'D':
		return t.negatable(inClass, c == 'D', 'D', wrap, digit)
	case 's', 'S':
		return t.negatable(inClass, c == 'S', 'S', wrap, space)
	case 'h', 'H':
		return wrap(hex, c == 'H')
	case 'R':
		t.out.WriteString(`(?:\r\n|[\n\v\f\r\x{85}\x{2028}\x{2029}])`)
		t.i += 2
	case 'K', 'G', 'g', 'X':
		return fmt.Errorf(`\%c is not supported`, c)
	case 'p', 'P', 'k':
		stop := byte('}')
		if c == 'k' {
			stop = '>'
		}
		end := strings.IndexByte(t.in[t.i:], stop)
		if end < 0 {
			return fmt.Errorf(`\%c is not closed`, c)
		}
		t.keep(end + 1)
	case 'u':
		if t.i+6 > len(t.in) {
			return fmt.Errorf(`\u takes four hexadecimal digits`)
		}
		t.out.WriteString(`\x{` + t.in[t.i+2:t.i+6] + "}")
		t.i += 6
	case 'e':
		t.out.WriteString(`\x1b`)
		t.i += 2
	case 'A', 'z', 'Z', 'b', 'B', 'n', 'r', 't', 'f', 'v', 'a', 'x', 'c':
		t.keep(2)
	default:
		// Anything else that is a letter is itself; engines would not know the escape.
		if (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80 || c == '/' || c == '"' || c == '\'' || c == '%' || c == '<' || c == '>' || c == ',' || c == '=' || c == ':' || c == ';' || c == '@' || c == '!' || c == '~' || c == '`' || c == '&' {
			t.i++
			t.keep(1)
			return nil
		}
		t.keep(2)
	}
	return nil
}

// negatable writes \w and its like; Go and regexp2 know the negated form inside a class (ASCII in Go only, so it is
// spelled by its complement there).
func (t *translator) negatable(inClass, negated bool, letter byte, wrap func(string, bool) error, set string) error {
	if !inClass || !negated {
		return wrap(set, negated)
	}
	complement := map[byte]string{
		'W': "\\x00-/:-@\\[-\\^`{-\\x{10ffff}",
		'D': `\x00-/:-\x{10ffff}`,
		'S': `\x00-\x08\x0e-\x1f!-\x{10ffff}`,
	}[letter]
	t.out.WriteString(complement)
	t.i += 2
	return nil
}

func (t *translator) class() error {
	t.keep(1)
	if t.i < len(t.in) && t.in[t.i] == '^' {
		t.keep(1)
	}
	first := true
	for t.i < len(t.in) {
		c := t.in[t.i]
		switch {
		case c == ']' && !first:
			t.keep(1)
			return nil
		case c == ']':
			t.out.WriteString(`\]`)
			t.i++
		case strings.HasPrefix(t.in[t.i:], "[:"):
			name, _, ok := strings.Cut(t.in[t.i+2:], ":]")
			set := posix[name]
			if !ok || set == "" {
				return fmt.Errorf("unknown class %q", t.in[t.i:min(t.i+12, len(t.in))])
			}
			t.out.WriteString(set)
			t.i += len(name) + 4
		case strings.HasPrefix(t.in[t.i:], "&&"):
			return fmt.Errorf("the intersection of classes (&&) is not supported")
		case c == '[':
			// Ruby takes a nested set for part of the outer one.
			end := strings.IndexByte(t.in[t.i:], ']')
			if end > 1 && t.in[t.i+1] != '^' && strings.Contains(t.in[t.i+end+1:], "]") {
				return fmt.Errorf("a class inside a class is not supported: escape the bracket as \\[")
			}
			t.out.WriteString(`\[`)
			t.i++
		case c == '\\':
			if t.i+1 < len(t.in) && t.in[t.i+1] == 'b' {
				t.out.WriteString(`\x08`)
				t.i += 2
				break
			}
			if err := t.escape(true); err != nil {
				return err
			}
		default:
			t.keep(1)
		}
		first = false
	}
	return fmt.Errorf("a class is not closed")
}
