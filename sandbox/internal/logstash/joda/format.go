// Package joda writes and reads dates in the pattern languages that Logstash's users write: Joda-Time's (the date
// filter, %{+yyyy.MM.dd}) and, for writing only, java.time's (%{{yyyy-MM-dd}}).
package joda

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Format is a compiled pattern.
type Format struct {
	pattern string
	tokens  []token
	names   *names
	// hasYear says whether a pattern that is read names the year.
	hasYear bool
}

// token is one run of a pattern letter, or literal text where letter is 0.
type token struct {
	letter byte
	count  int
	text   string
	// fixed says that a digit follows directly: a number must not read more digits than the pattern has letters.
	fixed bool
	// java letters are written by java.time's rules.
	java bool
}

const (
	jodaLetters = "GCYxweEyDMdaKhHkmsSzZ"
	javaLetters = "GuyDMLdQqYwWEecaKkhHmsSnAVzOXxZ"
)

// ParseFormat compiles a Joda-Time pattern; names of months and days are English.
func ParseFormat(pattern string) (*Format, error) { return ParseLocaleFormat(pattern, "en") }

// ParseLocaleFormat compiles a Joda-Time pattern with the names of a language ("en-US", "de").
func ParseLocaleFormat(pattern, locale string) (*Format, error) {
	n, err := namesOf(locale)
	if err != nil {
		return nil, err
	}
	tokens, err := scan(pattern, jodaLetters)
	if err != nil {
		return nil, err
	}
	for i := range tokens {
		if i+1 < len(tokens) && numeric(tokens[i]) {
			tokens[i].fixed = numeric(tokens[i+1])
		}
	}
	return &Format{pattern: pattern, tokens: tokens, names: n, hasYear: strings.ContainsAny(pattern, "yY")}, nil
}

// ParseJavaFormat compiles a java.time pattern for writing in UTC.
func ParseJavaFormat(pattern string) (*Format, error) {
	if strings.ContainsAny(stripQuoted(pattern), "[]#{}") {
		return nil, fmt.Errorf("date pattern %q: optional sections and reserved characters are not supported", pattern)
	}
	tokens, err := scan(pattern, javaLetters)
	if err != nil {
		return nil, err
	}
	for i := range tokens {
		tokens[i].java = true
	}
	n, err := namesOf("en")
	return &Format{pattern: pattern, tokens: tokens, names: n}, err
}

func stripQuoted(pattern string) string {
	parts := strings.Split(pattern, "'")
	var out strings.Builder
	for i := 0; i < len(parts); i += 2 {
		out.WriteString(parts[i])
	}
	return out.String()
}

func numeric(t token) bool {
	switch t.letter {
	case 0, 'G', 'a', 'E', 'z', 'Z':
		return false
	case 'M':
		return t.count < 3
	}
	return true
}

func scan(pattern, letters string) ([]token, error) {
	if pattern == "" {
		return nil, fmt.Errorf("the date pattern is empty")
	}
	var tokens []token
	literal := func(s string) {
		if n := len(tokens); n > 0 && tokens[n-1].letter == 0 {
			tokens[n-1].text += s
			return
		}
		tokens = append(tokens, token{text: s})
	}
	for i := 0; i < len(pattern); {
		c := pattern[i]
		switch {
		case c == '\'':
			if i+1 < len(pattern) && pattern[i+1] == '\'' {
				literal("'")
				i += 2
				continue
			}
			i++
			for closed := false; !closed; i++ {
				switch {
				case i >= len(pattern):
					// Joda takes the rest as text where the quote is not closed.
					return tokens, nil
				case pattern[i] != '\'':
					literal(pattern[i : i+1])
				case i+1 < len(pattern) && pattern[i+1] == '\'':
					literal("'")
					i++
				default:
					closed = true
				}
			}
		case (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'):
			n := i
			for n < len(pattern) && pattern[n] == c {
				n++
			}
			if !strings.ContainsRune(letters, rune(c)) {
				return nil, fmt.Errorf("date pattern %q: illegal pattern component %q", pattern, pattern[i:n])
			}
			tokens = append(tokens, token{letter: c, count: n - i})
			i = n
		default:
			literal(pattern[i : i+1])
			i++
		}
	}
	return tokens, nil
}

// String is the pattern.
func (f *Format) String() string { return f.pattern }

// Append writes a time, in the zone that it has.
func (f *Format) Append(dst []byte, t time.Time) []byte {
	for _, tok := range f.tokens {
		if tok.letter == 0 {
			dst = append(dst, tok.text...)
			continue
		}
		if tok.java {
			dst = f.appendJava(dst, tok, t)
			continue
		}
		dst = f.appendJoda(dst, tok, t)
	}
	return dst
}

func pad(dst []byte, n, width int) []byte {
	if n < 0 {
		dst, n = append(dst, '-'), -n
	}
	var room [20]byte
	digits := strconv.AppendInt(room[:0], int64(n), 10)
	for range width - len(digits) {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}

func (f *Format) appendJoda(dst []byte, tok token, t time.Time) []byte {
	switch tok.letter {
	case 'G':
		return append(dst, "AD"...)
	case 'C':
		return pad(dst, t.Year()/100, tok.count)
	case 'Y', 'y', 'x':
		year := t.Year()
		if tok.letter == 'x' {
			year, _ = t.ISOWeek()
		}
		if tok.count == 2 {
			return pad(dst, year%100, 2)
		}
		return pad(dst, year, tok.count)
	case 'w':
		_, week := t.ISOWeek()
		return pad(dst, week, tok.count)
	case 'e':
		return pad(dst, (int(t.Weekday())+6)%7+1, tok.count)
	case 'M':
		switch {
		case tok.count >= 4:
			return append(dst, f.names.months[t.Month()-1]...)
		case tok.count == 3:
			return append(dst, f.names.shortMonths[t.Month()-1]...)
		}
		return pad(dst, int(t.Month()), tok.count)
	case 'E':
		if tok.count >= 4 {
			return append(dst, f.names.days[t.Weekday()]...)
		}
		return append(dst, f.names.shortDays[t.Weekday()]...)
	case 'z':
		zone, _ := t.Zone()
		return append(dst, zone...)
	case 'Z':
		switch tok.count {
		case 1:
			return t.AppendFormat(dst, "-0700")
		case 2:
			return t.AppendFormat(dst, "-07:00")
		}
		return append(dst, t.Location().String()...)
	}
	return f.appendCommon(dst, tok, t)
}

// appendCommon writes the letters that mean the same in both languages.
func (f *Format) appendCommon(dst []byte, tok token, t time.Time) []byte {
	half := t.Hour() % 12
	n := 0
	switch tok.letter {
	case 'D':
		n = t.YearDay()
	case 'd':
		n = t.Day()
	case 'a':
		if t.Hour() < 12 {
			return append(dst, "AM"...)
		}
		return append(dst, "PM"...)
	case 'K':
		n = half
	case 'h':
		if n = half; n == 0 {
			n = 12
		}
	case 'H':
		n = t.Hour()
	case 'k':
		if n = t.Hour(); n == 0 {
			n = 24
		}
	case 'm':
		n = t.Minute()
	case 's':
		n = t.Second()
	case 'S':
		digits := pad(nil, t.Nanosecond(), 9)
		// Joda's clock has milliseconds.
		if !tok.java {
			digits = append(digits[:3], "000000"...)
		}
		for len(digits) < tok.count {
			digits = append(digits, '0')
		}
		return append(dst, digits[:tok.count]...)
	}
	return pad(dst, n, tok.count)
}

// appendWeek writes java.time's fields of a locale's week. Logstash's image speaks American English: weeks start on
// Sunday, and January 1st is in the first one.
func (f *Format) appendWeek(dst []byte, tok token, t time.Time) []byte {
	first := func(year int) time.Time { // the Sunday that the year's first week starts with
		january := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		return january.AddDate(0, 0, -int(january.Weekday()))
	}
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	year := t.Year()
	if !day.Before(first(year + 1)) {
		year++
	}
	switch tok.letter {
	case 'Y':
		if tok.count == 2 {
			return pad(dst, year%100, 2)
		}
		return pad(dst, year, tok.count)
	case 'w':
		return pad(dst, int(day.Sub(first(year)).Hours())/(24*7)+1, tok.count)
	case 'W':
		ofFirst := (int(t.Weekday()) - (t.Day()-1)%7 + 7) % 7
		return pad(dst, (t.Day()-1+ofFirst)/7+1, tok.count)
	}
	switch tok.count {
	case 3:
		return append(dst, f.names.shortDays[t.Weekday()]...)
	case 4:
		return append(dst, f.names.days[t.Weekday()]...)
	case 5:
		return append(dst, f.names.days[t.Weekday()][:1]...)
	}
	return pad(dst, int(t.Weekday())+1, tok.count)
}

func (f *Format) appendJava(dst []byte, tok token, t time.Time) []byte {
	switch tok.letter {
	case 'G':
		return append(dst, "AD"...)
	case 'u', 'y':
		if tok.count == 2 {
			return pad(dst, t.Year()%100, 2)
		}
		return pad(dst, t.Year(), tok.count)
	case 'M', 'L':
		switch tok.count {
		case 1, 2:
			return pad(dst, int(t.Month()), tok.count)
		case 3:
			return append(dst, f.names.shortMonths[t.Month()-1]...)
		case 4:
			return append(dst, f.names.months[t.Month()-1]...)
		}
		return append(dst, f.names.months[t.Month()-1][:1]...)
	case 'Q', 'q':
		return pad(dst, (int(t.Month())-1)/3+1, tok.count)
	case 'E':
		switch {
		case tok.count < 4:
			return append(dst, f.names.shortDays[t.Weekday()]...)
		case tok.count == 4:
			return append(dst, f.names.days[t.Weekday()]...)
		}
		return append(dst, f.names.days[t.Weekday()][:1]...)
	case 'Y', 'w', 'W', 'e', 'c':
		return f.appendWeek(dst, tok, t)
	case 'n':
		return pad(dst, t.Nanosecond(), tok.count)
	case 'A':
		return pad(dst, ((t.Hour()*60+t.Minute())*60+t.Second())*1000+t.Nanosecond()/1e6, tok.count)
	// The zone is UTC, always.
	case 'V', 'X', 'z':
		return append(dst, 'Z')
	case 'O':
		return append(dst, "GMT"...)
	case 'x':
		return append(dst, []string{"+00", "+0000", "+00:00", "+0000", "+00:00"}[min(tok.count, 5)-1]...)
	case 'Z':
		return append(dst, []string{"+0000", "+0000", "+0000", "GMT", "Z"}[min(tok.count, 5)-1]...)
	}
	return f.appendCommon(dst, tok, t)
}
