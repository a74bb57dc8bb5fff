package logstash

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
)

// charset turns bytes into text.
type charset func(data []byte) string

// charset is the option of that name. Bytes that are no UTF-8 although they should be become escapes, as in Logstash;
// other encodings are converted.
func (b *build) charset() charset {
	name := b.str("charset", "UTF-8")
	switch strings.ToUpper(name) {
	case "UTF-8":
		return utf8Text
	case "US-ASCII":
		return func(data []byte) string {
			return strings.Map(func(r rune) rune {
				if r >= utf8.RuneSelf {
					return utf8.RuneError
				}
				return r
			}, string(data))
		}
	}
	e := findEncoding(name)
	if e == nil {
		b.fail("charset", "unknown encoding %q", name)
		return utf8Text
	}
	return func(data []byte) string {
		text, err := e.NewDecoder().Bytes(data)
		if err != nil {
			return utf8Text(data)
		}
		return string(text)
	}
}

// findEncoding knows encodings by their names at IANA, on the web, and in Ruby (CP1252, ISO8859-1).
func findEncoding(name string) encoding.Encoding {
	for _, n := range []string{name, strings.Replace(strings.ToUpper(name), "CP", "windows-", 1), strings.Replace(strings.ToUpper(name), "ISO8859", "ISO-8859", 1)} {
		if e, err := ianaindex.IANA.Encoding(n); err == nil && e != nil {
			return e
		}
		if e, err := htmlindex.Get(n); err == nil {
			return e
		}
	}
	return nil
}

// utf8Text is text as Logstash takes it in: where it is not UTF-8 as a whole, it is written as Ruby's inspect does.
func utf8Text(data []byte) string {
	text := string(data)
	if utf8.ValidString(text) {
		return text
	}
	var out strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&out, `\x%02X`, text[i])
		} else {
			inspectRune(&out, r, text[i+size:])
		}
		i += size
	}
	return out.String()
}

func inspectRune(out *strings.Builder, r rune, rest string) {
	if at := strings.IndexRune("\n\r\t\f\v\b\a\x1b\"\\", r); at >= 0 {
		out.WriteString([]string{`\n`, `\r`, `\t`, `\f`, `\v`, `\b`, `\a`, `\e`, `\"`, `\\`}[at])
		return
	}
	switch {
	case r == '#' && rest != "" && strings.ContainsRune("{$@", rune(rest[0])):
		out.WriteString(`\#`)
	case !unicode.IsPrint(r) && r > 0xffff:
		fmt.Fprintf(out, `\u{%X}`, r)
	case !unicode.IsPrint(r):
		fmt.Fprintf(out, `\u%04X`, r)
	default:
		out.WriteRune(r)
	}
}

// javaText is text as Kafka's Java client decodes it: what is not UTF-8 becomes U+FFFD.
func javaText(data []byte) string {
	text := string(data)
	if utf8.ValidString(text) {
		return text
	}
	return string([]rune(text))
}
