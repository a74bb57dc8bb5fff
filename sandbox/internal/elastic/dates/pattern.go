package dates

import (
	"fmt"
	"strings"
	"time"

	"obsandbox/sandbox/internal/elastic/eserr"
)

// named are Elasticsearch's named formats as patterns of java.time; the strict forms differ only in what they take.
func named(name string) (string, bool) {
	patterns := map[string]string{
		"basic_date": "yyyyMMdd", "basic_date_time": "yyyyMMdd'T'HHmmss.SSSX", "basic_date_time_no_millis": "yyyyMMdd'T'HHmmssX",
		"basic_ordinal_date": "yyyyDDD", "basic_time": "HHmmss.SSSX", "basic_time_no_millis": "HHmmssX",
		"date": "yyyy-MM-dd", "date_hour": "yyyy-MM-dd'T'HH", "date_hour_minute": "yyyy-MM-dd'T'HH:mm",
		"date_hour_minute_second": "yyyy-MM-dd'T'HH:mm:ss", "date_hour_minute_second_fraction": "yyyy-MM-dd'T'HH:mm:ss.SSS",
		"date_hour_minute_second_millis": "yyyy-MM-dd'T'HH:mm:ss.SSS", "date_time": "yyyy-MM-dd'T'HH:mm:ss[.SSS]XXX",
		"date_time_no_millis": "yyyy-MM-dd'T'HH:mm:ssXXX", "hour": "HH", "hour_minute": "HH:mm", "hour_minute_second": "HH:mm:ss",
		"hour_minute_second_fraction": "HH:mm:ss.SSS", "hour_minute_second_millis": "HH:mm:ss.SSS", "ordinal_date": "yyyy-DDD",
		"time": "HH:mm:ss.SSSXXX", "time_no_millis": "HH:mm:ssXXX", "year": "yyyy", "year_month": "yyyy-MM",
		"year_month_day": "yyyy-MM-dd", "weekyear": "YYYY", "weekyear_week": "YYYY-'W'ww", "weekyear_week_day": "YYYY-'W'ww-e",
		"week_date": "YYYY-'W'ww-e",
	}
	p, ok := patterns[strings.TrimPrefix(name, "strict_")]
	return p, ok
}

func compile(name string) (pattern, error) {
	switch name {
	case "":
		return nil, fmt.Errorf("no date pattern provided")
	case "epoch_millis":
		return epoch(time.Millisecond), nil
	case "epoch_second":
		return epoch(time.Second), nil
	case "strict_date_optional_time", "iso8601":
		return iso{strict: true}, nil
	case "strict_date_optional_time_nanos":
		return iso{strict: true, nanos: true}, nil
	case "date_optional_time":
		return iso{}, nil
	}
	strict := strings.HasPrefix(name, "strict_")
	if p, ok := named(name); ok {
		return compilePattern(p, !strict)
	}
	return compilePattern(name, false)
}

// item is one piece of a java.time pattern: n letters of a kind, or literal text.
type item struct {
	letter byte
	n      int
	text   string
	// optional holds the pieces of a [section].
	optional []item
}

type javaPattern struct {
	items   []item
	lenient bool
}

const patternLetters = "yuYMLdDHhkKmsSAnNaeEcwQqzZXxVOG"

func compilePattern(s string, lenient bool) (pattern, error) {
	items, rest, err := parseItems(s, false)
	if err != nil {
		return nil, err
	}
	if rest != "" {
		return nil, eserr.Reason("Pattern invalid as it contains ] without previous [")
	}
	return javaPattern{items, lenient}, nil
}

func parseItems(s string, nested bool) (items []item, rest string, err error) {
	for s != "" {
		c := s[0]
		switch {
		case c == '\'':
			end := strings.IndexByte(s[1:], '\'')
			if end < 0 {
				return nil, "", eserr.Reason("Pattern ends with an incomplete string literal: %s", s)
			}
			text := s[1 : 1+end]
			if text == "" {
				text = "'"
			}
			items = append(items, item{text: text})
			s = s[end+2:]
		case c == '[':
			inner, after, err := parseItems(s[1:], true)
			if err != nil {
				return nil, "", err
			}
			items = append(items, item{optional: inner})
			s = after
		case c == ']':
			if !nested {
				return items, s, nil
			}
			return items, s[1:], nil
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z':
			if strings.IndexByte("BFgpvW", c) >= 0 {
				return nil, "", eserr.Reason("pattern letter %c: not supported by this store", c)
			}
			if strings.IndexByte(patternLetters, c) < 0 {
				return nil, "", eserr.Reason("Unknown pattern letter: %c", c)
			}
			n := 1
			for n < len(s) && s[n] == c {
				n++
			}
			if err := fits(c, n); err != nil {
				return nil, "", err
			}
			items = append(items, item{letter: c, n: n})
			s = s[n:]
		default:
			items = append(items, item{text: s[:1]})
			s = s[1:]
		}
	}
	if nested {
		return items, "", nil
	}
	return items, "", nil
}

// fits refuses how often Java does not take a letter, and what it would write in words that are not known here.
func fits(letter byte, n int) error {
	most, exact := 0, 0
	switch letter {
	case 'V':
		exact = 2
	case 'O':
		if n != 1 {
			exact = 4
		}
	case 'X', 'x', 'Z':
		most = 5
	case 'z':
		most = 4
	case 'd', 'H', 'k', 'h', 'K', 'm', 's', 'w':
		most = 2
	case 'D':
		most = 3
	case 'a':
		exact = 1
	}
	switch {
	case letter == 'V' && n != exact:
		return eserr.Reason("Pattern letter count must be 2: V")
	case letter == 'O' && exact != 0 && n != exact:
		return eserr.Reason("Pattern letter count must be 1 or 4: O")
	case most != 0 && n > most || exact != 0 && n != exact:
		return eserr.Reason("Too many pattern letters: %c", letter)
	case letter == 'c' && n == 2:
		return eserr.Reason("Invalid pattern \"cc\"")
	case letter == 'z' && n == 4:
		return eserr.Reason("pattern letters zzzz: not supported by this store")
	}
	return nil
}

func (p javaPattern) parse(text string, loc *time.Location, up bool) (time.Time, bool) {
	f := newParts()
	f.loc = loc
	rest, ok := p.read(p.items, text, &f)
	if !ok || rest != "" {
		return time.Time{}, false
	}
	return f.time(up)
}

func (p javaPattern) read(items []item, s string, f *parts) (string, bool) {
	for i, it := range items {
		if it.optional != nil {
			saved := *f
			if rest, ok := p.read(it.optional, s, f); ok {
				if after, ok := p.read(items[i+1:], rest, f); ok {
					return after, true
				}
			}
			*f = saved
			continue
		}
		if it.letter == 0 {
			if !strings.HasPrefix(s, it.text) {
				return s, false
			}
			s = s[len(it.text):]
			continue
		}
		// A number directly before another number takes exactly its width.
		adjacent := i+1 < len(items) && strings.IndexByte("yuYMdDHhmsSw", items[i+1].letter) >= 0 && items[i+1].letter != 0
		n, ok := p.field(it, s, f, adjacent)
		if !ok {
			return s, false
		}
		s = s[n:]
	}
	return s, true
}

func (p javaPattern) field(it item, s string, f *parts, adjacent bool) (int, bool) {
	num := func(lo, hi int) (v, n int, ok bool) {
		if adjacent {
			lo, hi = it.n, it.n
		} else if p.lenient {
			lo = 1
		}
		for n < len(s) && n < hi && '0' <= s[n] && s[n] <= '9' {
			v = v*10 + int(s[n]-'0')
			n++
		}
		return v, n, n >= lo && n > 0
	}
	width := func(to *int, lo, hi int) (int, bool) {
		v, n, ok := num(lo, hi)
		*to = v
		return n, ok
	}
	switch it.letter {
	case 'y', 'u', 'Y':
		f.weekYear = it.letter == 'Y'
		hi := max(it.n, 4)
		if it.n == 2 {
			n, ok := width(&f.year, 2, 2)
			f.year += 2000
			return n, ok
		}
		return width(&f.year, it.n, hi)
	case 'M', 'L':
		if it.n >= 3 {
			return name(s, it.n, &f.month, 1, func(i int) string { return time.Month(i).String() }, 12)
		}
		return width(&f.month, it.n, 2)
	case 'd':
		return width(&f.day, it.n, 2)
	case 'D':
		return width(&f.yday, it.n, 3)
	case 'H', 'k':
		return width(&f.hour, it.n, 2)
	case 'h', 'K':
		return width(&f.half, it.n, 2)
	case 'm':
		return width(&f.min, it.n, 2)
	case 's':
		return width(&f.sec, it.n, 2)
	case 'S', 'n':
		hi := 9
		if it.n < 3 || adjacent {
			hi = it.n
		}
		v, n, ok := num(1, hi)
		for range 9 - n {
			v *= 10
		}
		f.nano = v
		return n, ok
	case 'w':
		return width(&f.week, it.n, 2)
	case 'e', 'c':
		return width(&f.wday, it.n, 1)
	case 'E':
		return name(s, it.n, &f.wday, 0, func(i int) string { return time.Weekday(i).String() }, 6)
	case 'a':
		if len(s) >= 2 && (strings.EqualFold(s[:2], "am") || strings.EqualFold(s[:2], "pm")) {
			f.pm = 0
			if s[0] == 'p' || s[0] == 'P' {
				f.pm = 1
			}
			return 2, true
		}
	case 'Z', 'X', 'x':
		n, loc := readZone(s)
		f.loc = loc
		return n, n > 0
	case 'z', 'V', 'O':
		n := 0
		for n < len(s) && s[n] != ' ' && s[n] != ']' {
			n++
		}
		loc, err := Zone(s[:n])
		f.loc = loc
		return n, err == nil && n > 0
	}
	return 0, false
}

// name reads an English name, short for less than four letters, and sets to to its number.
func name(s string, letters int, to *int, first int, of func(int) string, last int) (int, bool) {
	for i := first; i <= last; i++ {
		text := of(i)
		if letters < 4 {
			text = text[:3]
		}
		if len(s) >= len(text) && strings.EqualFold(s[:len(text)], text) {
			*to = i
			return len(text), true
		}
	}
	return 0, false
}

// time puts the parts together; what is missing is filled with the smallest or, with up, the largest value.
func (f *parts) time(up bool) (time.Time, bool) {
	or := func(v, lo, hi int) int {
		if v >= 0 {
			return v
		}
		if up {
			return hi
		}
		return lo
	}
	if f.half >= 0 {
		f.hour = f.half%12 + 12*max(f.pm, 0)
	}
	year := f.year
	if year == -1 {
		year = 1970
	}
	hour, minute := or(f.hour, 0, 23), or(f.min, 0, 59)
	sec, nano := or(f.sec, 0, 59), or(f.nano, 0, 999999999)
	if hour > 24 || minute > 59 || sec > 59 || f.month > 12 || f.month == 0 || f.day == 0 {
		return time.Time{}, false
	}
	if f.week >= 0 || f.weekYear {
		week, wday := max(f.week, 1), max(f.wday, 1)
		first := time.Date(year, 1, 1, hour, minute, sec, nano, f.loc)
		return first.AddDate(0, 0, -int(first.Weekday())+(week-1)*7+wday-1), true
	}
	if f.yday >= 0 {
		return time.Date(year, 1, f.yday, hour, minute, sec, nano, f.loc), f.yday > 0 && f.yday <= 366
	}
	// A month or a day that is missing is the first one, also when rounding up: so does Elasticsearch.
	month := or(f.month, 1, 1)
	days := time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
	day := or(f.day, 1, 1)
	if day > days {
		return time.Time{}, false
	}
	return time.Date(year, time.Month(month), day, hour, minute, sec, nano, f.loc), true
}

// rootWeek is the year and the week of a date as Java's root locale counts since version 23: weeks begin on Sunday, and
// the first one has 1 January.
func rootWeek(t time.Time) (year, week int) {
	saturday := t.AddDate(0, 0, 6-int(t.Weekday()))
	return saturday.Year(), (saturday.YearDay()-1)/7 + 1
}
