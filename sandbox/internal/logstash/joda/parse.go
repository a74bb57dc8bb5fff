package joda

import (
	"fmt"
	"strings"
	"time"
)

// Context is what a pattern takes for granted when it reads a date.
type Context struct {
	// Zone is the zone of a date that names none.
	Zone *time.Location
	// Year is the year of a date that names none.
	Year func(month time.Month) int
	// Now gives the pivot of two-digit years: 30 years before to 69 after.
	Now time.Time
}

// fields are the parts of a date as they are read; -1 is not given.
type fields struct {
	year, month, day, yearDay, weekYear, week, weekday int
	hour, half, hourOfHalf                             int
	minute, second, nanos                              int
	zone                                               *time.Location
}

// Parse reads a whole text by the pattern.
func (f *Format) Parse(text string, ctx Context) (time.Time, error) {
	v := fields{year: -1, month: -1, day: -1, yearDay: -1, weekYear: -1, week: -1, weekday: -1, hour: -1, half: -1, hourOfHalf: -1}
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
	t, err := v.time(ctx)
	if err != nil {
		return t, fmt.Errorf("cannot parse %q: %w", text, err)
	}
	return t, nil
}

// HasYear says whether the pattern names the year.
func (f *Format) HasYear() bool {
	for _, t := range f.tokens {
		if t.letter == 'y' || t.letter == 'Y' || t.letter == 'x' {
			return true
		}
	}
	return false
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

func (f *Format) read(tok token, s string, v *fields, ctx Context) (int, error) {
	field, limit := (*int)(nil), 2
	switch tok.letter {
	case 0:
		if len(s) < len(tok.text) || !strings.EqualFold(s[:len(tok.text)], tok.text) {
			return 0, fmt.Errorf("expected %q at %q", tok.text, s)
		}
		return len(tok.text), nil
	case 'y', 'Y', 'x':
		return v.readYear(tok, s, ctx)
	case 'M':
		if tok.count < 3 {
			field = &v.month
			break
		}
		i, n := match(s, f.names.months, f.names.shortMonths)
		if i < 0 {
			return 0, fmt.Errorf("expected the name of a month at %q", s)
		}
		v.month = i + 1
		return n, nil
	case 'E':
		i, n := match(s, f.names.days, f.names.shortDays)
		if i < 0 {
			return 0, fmt.Errorf("expected the name of a day at %q", s)
		}
		v.weekday = (i+6)%7 + 1
		return n, nil
	case 'a':
		i, n := match(s, []string{"AM", "PM"})
		if i < 0 {
			return 0, fmt.Errorf("expected AM or PM at %q", s)
		}
		v.half = i
		return n, nil
	case 'G':
		i, n := match(s, []string{"AD"})
		if i < 0 {
			return 0, fmt.Errorf("expected AD at %q", s)
		}
		return n, nil
	case 'S':
		return v.readFraction(tok.count, s)
	case 'Z', 'z':
		return v.readZone(tok, s)
	case 'd':
		field = &v.day
	case 'D':
		field, limit = &v.yearDay, 3
	case 'w':
		field = &v.week
	case 'e':
		field, limit = &v.weekday, 1
	case 'H', 'k':
		field = &v.hour
	case 'K', 'h':
		field = &v.hourOfHalf
	case 'm':
		field = &v.minute
	case 's':
		field = &v.second
	default:
		return 0, fmt.Errorf("%q cannot be read", string(tok.letter))
	}
	if tok.fixed {
		limit = max(tok.count, 1)
	}
	value, n, err := number(s, limit, false)
	*field = value
	if (tok.letter == 'k' && value == 24) || (tok.letter == 'h' && value == 12) {
		*field = 0
	} else if (tok.letter == 'k' || tok.letter == 'h') && value == 0 && err == nil {
		return 0, fmt.Errorf("value 0 for the hour must be at least 1")
	}
	return n, err
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
	if tok.letter == 'x' {
		v.weekYear = value
	} else {
		v.year = value
	}
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
	v.nanos = nanos / 1e6 * 1e6
	return n, nil
}

func (v *fields) readZone(tok token, s string) (int, error) {
	if tok.letter == 'z' {
		seconds, n, ok := zoneOffset(s)
		if !ok {
			return 0, fmt.Errorf("expected the name of a time zone at %q", s)
		}
		v.zone = time.FixedZone(s[:n], seconds)
		return n, nil
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
	if s != "" && (s[0] == 'Z' || s[0] == 'z') {
		v.zone = time.UTC
		return 1, nil
	}
	if len(s) < 3 || (s[0] != '+' && s[0] != '-') {
		return 0, fmt.Errorf("expected an offset such as +0100 at %q", s)
	}
	hours, _, err := number(s[1:3], 2, false)
	if err != nil || hours > 23 {
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

func (v *fields) time(ctx Context) (time.Time, error) {
	zone := v.zone
	if zone == nil {
		zone = ctx.Zone
	}
	if zone == nil {
		zone = time.UTC
	}
	hour := max(v.hour, 0)
	if v.hourOfHalf >= 0 {
		hour = v.hourOfHalf + 12*max(v.half, 0)
	}
	for _, c := range []struct {
		name      string
		value     int
		low, high int
	}{
		{"month", v.month, 1, 12}, {"day", v.day, 1, 31}, {"hour", hour, 0, 23}, {"minute", v.minute, 0, 59},
		{"second", v.second, 0, 59}, {"day of the year", v.yearDay, 1, 366}, {"week", v.week, 1, 53}, {"weekday", v.weekday, 1, 7},
		{"hour of the half day", v.hourOfHalf, 0, 11},
	} {
		if c.value != -1 && (c.value < c.low || c.value > c.high) {
			return time.Time{}, fmt.Errorf("value %d for %s must be in the range [%d,%d]", c.value, c.name, c.low, c.high)
		}
	}
	if v.week >= 0 {
		year := v.weekYear
		if year < 0 {
			year = max(v.year, 1970)
		}
		// January 4th is always in the first week.
		first := time.Date(year, 1, 4, hour, v.minute, v.second, v.nanos, zone)
		monday := first.AddDate(0, 0, -int(first.Weekday()+6)%7)
		return monday.AddDate(0, 0, (v.week-1)*7+max(v.weekday, 1)-1), nil
	}
	month, day := time.Month(max(v.month, 1)), max(v.day, 1)
	year := v.year
	if year == -1 {
		year = 1970
		if ctx.Year != nil {
			year = ctx.Year(month)
		}
	}
	if v.yearDay > 0 {
		month, day = 1, v.yearDay
	}
	t := time.Date(year, month, day, hour, v.minute, v.second, v.nanos, zone)
	if v.yearDay <= 0 && (t.Day() != day && hour == t.Hour()) {
		return time.Time{}, fmt.Errorf("value %d for day must be in the range of the month", day)
	}
	return t, nil
}
