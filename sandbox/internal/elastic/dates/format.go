// Package dates has Elasticsearch's date formats, date math, rounding and intervals.
package dates

import (
	"fmt"
	"obsandbox/sandbox/internal/elastic/eserr"
	"strconv"
	"strings"
	"time"
)

// Default is the format of a date field that names none.
const Default = "strict_date_optional_time||epoch_millis"

// Format reads and prints dates; several alternatives are tried in order, the first prints.
type Format struct {
	// Name is the format as it was written.
	Name string
	alts []pattern
}

// pattern is one alternative of a format.
type pattern interface {
	// parse reads the whole text; what the text leaves out has its smallest value, or its largest where up is set.
	parse(text string, loc *time.Location, up bool) (time.Time, bool)
	print(t time.Time) string
}

// Compile reads a format such as "yyyy-MM-dd HH:mm:ss||epoch_millis".
func Compile(name string) (*Format, error) {
	f := &Format{Name: name}
	for _, alt := range strings.Split(name, "||") {
		p, err := compile(alt)
		if err != nil {
			return nil, eserr.Reason("Invalid format: [%s]: %s", name, err)
		}
		f.alts = append(f.alts, p)
	}
	return f, nil
}

// MustCompile is Compile for formats that are known to be right.
func MustCompile(name string) *Format {
	f, err := Compile(name)
	if err != nil {
		panic(err)
	}
	return f
}

// Parse reads a date; a text without a zone is in loc (nil: UTC).
func (f *Format) Parse(text string, loc *time.Location) (time.Time, error) {
	return f.parse(text, loc, false)
}

func (f *Format) parse(text string, loc *time.Location, up bool) (time.Time, error) {
	if loc == nil {
		loc = time.UTC
	}
	for _, alt := range f.alts {
		if t, ok := alt.parse(text, loc, up); ok {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("failed to parse date field [%s] with format [%s]", text, f.Name)
}

// counts says whether a text is read as a number since 1970.
func (f *Format) counts(text string) bool {
	for _, alt := range f.alts {
		if _, ok := alt.parse(text, time.UTC, false); ok {
			_, number := alt.(epoch)
			return number
		}
	}
	return false
}

// Print is the date in the first alternative, in t's zone.
func (f *Format) Print(t time.Time) string { return f.alts[0].print(t) }

// Epoch says whether the format prints plain numbers.
func (f *Format) Epoch() bool {
	_, ok := f.alts[0].(epoch)
	return ok
}

// epoch counts units of the given length since 1970.
type epoch time.Duration

func (e epoch) parse(text string, _ *time.Location, _ bool) (time.Time, bool) {
	whole, frac, hasFrac := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || whole[0] == '+' {
		return time.Time{}, false
	}
	var rest int64
	if hasFrac {
		if frac == "" || len(frac) > 9 || strings.Trim(frac, "0123456789") != "" {
			return time.Time{}, false
		}
		f, _ := strconv.ParseFloat("0."+frac, 64)
		rest = int64(f*float64(e) + 0.5)
		if whole[0] == '-' {
			rest = -rest
		}
	}
	perSecond := int64(time.Second) / int64(e)
	sec, sub := n/perSecond, n%perSecond
	return time.Unix(sec, sub*int64(e)+rest).UTC(), true
}

func (e epoch) print(t time.Time) string {
	if time.Duration(e) == time.Second {
		return strconv.FormatInt(t.Unix(), 10)
	}
	ms := strconv.FormatInt(t.UnixMilli(), 10)
	if sub := t.Nanosecond() % 1e6; sub != 0 {
		return ms + strings.TrimRight(fmt.Sprintf(".%06d", sub), "0")
	}
	return ms
}

// iso is (strict_)date_optional_time and iso8601: everything after the year may be missing.
type iso struct {
	strict, nanos bool
}

func (p iso) print(t time.Time) string {
	layout := "2006-01-02T15:04:05.000Z07:00"
	if p.nanos && t.Nanosecond()%1e6 != 0 {
		digits := strings.TrimRight(fmt.Sprintf("%09d", t.Nanosecond()), "0")
		layout = "2006-01-02T15:04:05." + "000000000"[:len(digits)] + "Z07:00"
	}
	if y := t.Year(); y > 9999 || y < 0 {
		// Java writes a sign before years that do not fit four digits.
		return yearText(y) + t.Format(layout[4:])
	}
	return t.Format(layout)
}

func yearText(y int) string {
	if y < 0 {
		return fmt.Sprintf("-%04d", -y)
	}
	if y > 9999 {
		return fmt.Sprintf("+%d", y)
	}
	return fmt.Sprintf("%04d", y)
}

// parts are a date's fields while it is read; -1 is missing.
type parts struct {
	year, month, day, hour, min, sec, nano int
	yday, week, wday, quarter              int
	weekYear                               bool
	pm, half                               int
	loc                                    *time.Location
}

func newParts() parts {
	return parts{year: -1, month: -1, day: -1, hour: -1, min: -1, sec: -1, nano: -1, yday: -1, week: -1, wday: -1, quarter: -1, pm: -1, half: -1}
}

func (p iso) parse(s string, loc *time.Location, up bool) (time.Time, bool) {
	f := newParts()
	f.loc = loc
	i := 0
	number := func(lo, hi int) (int, bool) {
		n, start := 0, i
		for i < len(s) && i-start < hi && '0' <= s[i] && s[i] <= '9' {
			n = n*10 + int(s[i]-'0')
			i++
		}
		return n, i-start >= lo
	}
	lo, ylo := 2, 4
	if !p.strict {
		lo, ylo = 1, 1
	}
	yhi := 4
	sign := 1
	if len(s) > 0 && (s[0] == '+' || s[0] == '-') {
		if s[0] == '-' {
			sign = -1
		}
		i, yhi = 1, 9
	} else if !p.strict {
		yhi = 9
	}
	ok := true
	next := func(sep byte) bool {
		if i < len(s) && s[i] == sep {
			i++
			return true
		}
		return false
	}
	if f.year, ok = number(ylo, yhi); !ok {
		return time.Time{}, false
	}
	f.year *= sign
	if next('-') {
		if f.month, ok = number(lo, 2); !ok {
			return time.Time{}, false
		}
		if next('-') {
			if f.day, ok = number(lo, 2); !ok {
				return time.Time{}, false
			}
		}
	}
	if next('T') && i < len(s) {
		if f.hour, ok = number(lo, 2); !ok {
			return time.Time{}, false
		}
		if next(':') {
			if f.min, ok = number(lo, 2); !ok {
				return time.Time{}, false
			}
			if next(':') {
				if f.sec, ok = number(lo, 2); !ok {
					return time.Time{}, false
				}
				if next('.') || next(',') {
					start := i
					if f.nano, ok = number(1, 9); !ok {
						return time.Time{}, false
					}
					for range 9 - (i - start) {
						f.nano *= 10
					}
				}
			}
		}
		if i < len(s) {
			n, zone := readZone(s[i:])
			if n == 0 {
				return time.Time{}, false
			}
			i += n
			f.loc = zone
		}
	}
	if i != len(s) || p.nanos && f.hour >= 0 && f.sec < 0 {
		return time.Time{}, false // with a time, this format wants it to the second
	}
	return f.time(up)
}
