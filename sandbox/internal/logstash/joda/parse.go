package joda

import (
	"fmt"
	"strings"
	"time"
)

// Context is what a pattern takes for granted when it reads a date.
type Context struct {
	// Zone is the zone of a date that names none; nil is UTC.
	Zone *time.Location
	// Now gives the year of a date that names none, and the pivot of two-digit years: 50 years before and after the
	// year 30 years ago.
	Now time.Time
}

func (c Context) zone() *time.Location {
	if c.Zone == nil {
		return time.UTC
	}
	return c.Zone
}

// Parse reads a whole text by the pattern.
func (f *Format) Parse(text string, ctx Context) (time.Time, error) {
	var v fields
	rest := text
	for _, tok := range f.tokens {
		n, err := f.read(tok, rest, &v, ctx)
		if err != nil {
			return time.Time{}, fmt.Errorf("invalid format: %q does not match %q: %w", text, f.pattern, err)
		}
		rest = rest[n:]
	}
	if rest != "" {
		return time.Time{}, fmt.Errorf("invalid format: %q does not match %q: it is malformed at %q", text, f.pattern, rest)
	}
	t, err := f.assemble(&v, ctx)
	if err != nil {
		return t, fmt.Errorf("cannot parse %q: %w", text, err)
	}
	return t, nil
}

// assemble makes a time of what was read. Like Logstash's date filter it guesses the year only where the pattern has
// neither y nor Y, and then minds the zone that was read only where the pattern has a Z.
func (f *Format) assemble(v *fields, ctx Context) (time.Time, error) {
	local, err := v.local(ctx.Now.UTC().Year())
	if err != nil {
		return time.Time{}, err
	}
	zone := v.zone
	if zone == nil || !f.hasYear && !strings.Contains(f.pattern, "Z") {
		zone = ctx.zone()
	}
	if !f.hasYear {
		// A zone that was read only decides here which day it is; Logstash looks at the local month.
		local = setYear(local, guessYear(local.Month(), ctx.Now.UTC()))
	}
	return inZone(local, zone)
}

// guessYear is the year of a date without one: the current year, but for December read in January and the reverse.
func guessYear(month time.Month, now time.Time) int {
	switch {
	case month == time.December && now.Month() == time.January:
		return now.Year() - 1
	case month == time.January && now.Month() == time.December:
		return now.Year() + 1
	}
	return now.Year()
}

func number(s string, limit int, signed bool) (value, length int, err error) {
	neg := false
	if signed && s != "" && (s[0] == '-' || s[0] == '+') {
		neg = s[0] == '-'
		length = 1
	}
	start := length
	for length < len(s) && length-start < limit && s[length] >= '0' && s[length] <= '9' {
		value = value*10 + int(s[length]-'0')
		length++
	}
	if length == start {
		return 0, 0, fmt.Errorf("expected a number at %q", s)
	}
	if neg {
		value = -value
	}
	return value, length, nil
}

// numbers are the letters that are read as plain numbers: the field, how many digits it has at most, and what stands
// for zero in the two clocks that start with 1.
var numbers = map[byte]struct {
	unit         unit
	limit, wraps int
}{
	'C': {century, 9, 0}, 'M': {month, 2, 0}, 'd': {day, 2, 0}, 'D': {yearDay, 3, 0}, 'w': {week, 2, 0}, 'e': {weekday, 1, 0},
	'H': {hour, 2, 0}, 'k': {hour, 2, 24}, 'K': {hourOfHalf, 2, 0}, 'h': {hourOfHalf, 2, 12}, 'm': {minute, 2, 0}, 's': {second, 2, 0},
}

func (f *Format) read(tok token, s string, v *fields, ctx Context) (int, error) {
	word := func(what string, u unit, first int, words ...[]string) (int, error) {
		i, n := match(s, words...)
		if i < 0 {
			return 0, fmt.Errorf("expected %s at %q", what, s)
		}
		v.save(u, first+i)
		return n, nil
	}
	switch tok.letter {
	case 0:
		if len(s) < len(tok.text) || !strings.EqualFold(s[:len(tok.text)], tok.text) {
			return 0, fmt.Errorf("expected %q at %q", tok.text, s)
		}
		return len(tok.text), nil
	case 'y', 'Y', 'x':
		return v.readYear(tok, s, ctx)
	case 'M':
		if tok.count >= 3 {
			return word("the name of a month", month, 1, f.names.months, f.names.shortMonths)
		}
	case 'E':
		return word("the name of a day", sundayBased, 0, f.names.days, f.names.shortDays)
	case 'a':
		return word("one of "+strings.Join(f.names.halves, ", "), half, 0, f.names.halves)
	case 'G':
		return word("BC or AD", era, 0, []string{"BC", "AD"}, []string{"BCE", "CE"})
	case 'S':
		return v.readFraction(tok.count, s)
	case 'Z', 'z':
		return v.readZone(tok, s)
	}
	spec, ok := numbers[tok.letter]
	if !ok {
		return 0, fmt.Errorf("%q cannot be read", string(tok.letter))
	}
	limit := spec.limit
	if tok.fixed {
		limit = tok.count
	}
	value, n, err := number(s, limit, tok.letter == 'C')
	if err != nil {
		return 0, err
	}
	if spec.wraps > 0 {
		if value == 0 {
			return 0, fmt.Errorf("value 0 for the hour must be in the range [1,%d]", spec.wraps)
		}
		if value == spec.wraps {
			value = 0
		}
	}
	v.save(spec.unit, value)
	return n, nil
}

func (v *fields) readYear(tok token, s string, ctx Context) (int, error) {
	limit := 9
	if tok.fixed {
		limit = tok.count
	}
	value, n, err := number(s, limit, true)
	if err != nil {
		return 0, err
	}
	if tok.count == 2 && n == 2 && s[0] >= '0' && s[0] <= '9' {
		base := ctx.Now.Year() - 30 - 50
		value += base - base%100
		if value < base {
			value += 100
		}
	}
	v.save(map[byte]unit{'x': weekYear, 'Y': yearOfEra, 'y': year}[tok.letter], value)
	return n, nil
}

func (v *fields) readFraction(limit int, s string) (int, error) {
	n, nanos, unit := 0, 0, int(1e8)
	for n < limit && n < len(s) && s[n] >= '0' && s[n] <= '9' {
		nanos += int(s[n]-'0') * unit
		unit /= 10
		n++
	}
	if n == 0 {
		return 0, fmt.Errorf("expected a fraction of a second at %q", s)
	}
	// Joda's clock has milliseconds.
	v.nanos = int64(nanos) / 1e6 * 1e6
	return n, nil
}

func (v *fields) readZone(tok token, s string) (int, error) {
	if tok.letter == 'z' {
		id, n := zoneName(s)
		if n == 0 {
			return 0, fmt.Errorf("expected the name of a time zone at %q", s)
		}
		loc, err := time.LoadLocation(id)
		v.zone = loc
		return n, err
	}
	if tok.count >= 3 {
		// The longest run of characters that a zone's id may have and that is one.
		n := 0
		for n < len(s) && (s[n] == '/' || s[n] == '_' || s[n] == '-' || s[n] == '+' || s[n] >= 'A' && s[n] <= 'Z' || s[n] >= 'a' && s[n] <= 'z' || s[n] >= '0' && s[n] <= '9') {
			n++
		}
		for ; n > 0; n-- {
			if loc, err := time.LoadLocation(s[:n]); err == nil && s[:n] != "Local" {
				v.zone = loc
				return n, nil
			}
		}
		return 0, fmt.Errorf("expected the id of a time zone at %q", s)
	}
	return v.readOffset(s)
}

// readOffset reads Z, +01, +0100 or +01:00.
func (v *fields) readOffset(s string) (int, error) {
	if s != "" && (s[0] == 'Z' || s[0] == 'z') {
		v.zone = time.UTC
		return 1, nil
	}
	if len(s) < 3 || (s[0] != '+' && s[0] != '-') {
		return 0, fmt.Errorf("expected an offset such as +0100 at %q", s)
	}
	hours, length, err := number(s[1:3], 2, false)
	if err != nil || hours > 23 || length != 2 {
		return 0, fmt.Errorf("expected an offset such as +0100 at %q", s)
	}
	n, minutes := 3, 0
	at := 3
	if at < len(s) && s[at] == ':' {
		at++
	}
	if at+2 <= len(s) {
		if m, length, err := number(s[at:at+2], 2, false); err == nil && length == 2 && m < 60 {
			n, minutes = at+2, m
		}
	}
	seconds := hours*3600 + minutes*60
	if s[0] == '-' {
		seconds = -seconds
	}
	v.zone = time.FixedZone("", seconds)
	return n, nil
}
