package dates

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Math reads a date that may be date math: "now-1h/h", "2024-01-15||+1d/d". up is set where the largest moment of what
// is meant counts (lte and gt), so that rounding and missing parts go up.
func (f *Format) Math(text string, now time.Time, loc *time.Location, up bool) (time.Time, error) {
	return f.math(text, now, loc, up, false)
}

// LocalMath is Math as range queries have it: there, numbers since 1970 too count as the zone's own clock shows.
func (f *Format) LocalMath(text string, now time.Time, loc *time.Location, up bool) (time.Time, error) {
	return f.math(text, now, loc, up, true)
}

func (f *Format) math(text string, now time.Time, loc *time.Location, up, local bool) (time.Time, error) {
	if loc == nil {
		loc = time.UTC
	}
	var t time.Time
	var ops string
	if rest, ok := strings.CutPrefix(text, "now"); ok {
		t, ops = now, rest
	} else {
		date, rest, isMath := strings.Cut(text, "||")
		var err error
		if t, err = f.parse(date, loc, up && !isMath); err != nil {
			return t, err
		}
		ops = rest
		if local && f.counts(date) {
			u := t.UTC()
			t = time.Date(u.Year(), u.Month(), u.Day(), u.Hour(), u.Minute(), u.Second(), u.Nanosecond(), loc)
		}
	}
	t = t.In(loc)
	for ops != "" {
		op := ops[0]
		ops = ops[1:]
		n := 0
		for n < len(ops) && '0' <= ops[n] && ops[n] <= '9' {
			n++
		}
		count := 1
		if n > 0 {
			var err error
			if count, err = strconv.Atoi(ops[:n]); err != nil {
				return t, fmt.Errorf("invalid number in date math [%s]", text)
			}
		}
		if n == len(ops) {
			return t, fmt.Errorf("truncated date math [%s]", text)
		}
		unit := ops[n]
		ops = ops[n+1:]
		switch op {
		case '/':
			if n > 0 && count != 1 {
				return t, fmt.Errorf("rounding `/` can only be used on single unit types [%s]", text)
			}
			floor, err := Floor(t, unit)
			if err != nil {
				return t, fmt.Errorf("unit [%c] not supported for date math [%s]", unit, text)
			}
			if t = floor; up {
				next, _ := Add(t, unit, 1)
				t = next.Add(-time.Millisecond)
			}
		case '+', '-':
			if op == '-' {
				count = -count
			}
			next, err := Add(t, unit, count)
			if err != nil {
				return t, fmt.Errorf("unit [%c] not supported for date math [%s]", unit, text)
			}
			t = next
		default:
			return t, fmt.Errorf("operator not supported for date math [%s]", text)
		}
	}
	return t, nil
}

// Add moves t by n units of date math (y M w d h H m s, and q for quarters), in t's zone.
func Add(t time.Time, unit byte, n int) (time.Time, error) {
	switch unit {
	case 'y':
		return addMonths(t, 12*n), nil
	case 'q':
		return addMonths(t, 3*n), nil
	case 'M':
		return addMonths(t, n), nil
	case 'w':
		return t.AddDate(0, 0, 7*n), nil
	case 'd':
		return t.AddDate(0, 0, n), nil
	case 'h', 'H':
		return t.Add(time.Duration(n) * time.Hour), nil
	case 'm':
		return t.Add(time.Duration(n) * time.Minute), nil
	case 's':
		return t.Add(time.Duration(n) * time.Second), nil
	}
	return t, fmt.Errorf("unit [%c] not supported", unit)
}

// addMonths stays in the month it reaches: a month after 31 January is the last of February.
func addMonths(t time.Time, n int) time.Time {
	y, m, d := t.Date()
	last := time.Date(y, m+time.Month(n)+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return time.Date(y, m+time.Month(n), min(d, last), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
}

// Floor is the beginning of the unit that t is in, in t's zone; weeks begin on Monday.
func Floor(t time.Time, unit byte) (time.Time, error) {
	y, m, d := t.Date()
	loc := t.Location()
	switch unit {
	case 'y':
		return midnight(y, 1, 1, loc), nil
	case 'q':
		return midnight(y, (m-1)/3*3+1, 1, loc), nil
	case 'M':
		return midnight(y, m, 1, loc), nil
	case 'w':
		return midnight(y, m, d-(int(t.Weekday())+6)%7, loc), nil
	case 'd':
		return midnight(y, m, d, loc), nil
	case 'h', 'H':
		return floorWithin(t, time.Hour), nil
	case 'm':
		return floorWithin(t, time.Minute), nil
	case 's':
		return floorWithin(t, time.Second), nil
	}
	return t, fmt.Errorf("unit [%c] not supported", unit)
}

// midnight is the first moment of a day: where clocks leave midnight out, the moment after.
func midnight(y int, m time.Month, d int, loc *time.Location) time.Time {
	t := time.Date(y, m, d, 0, 0, 0, 0, loc)
	if t.Hour() != 0 && t.Hour() > 12 {
		if _, end := t.ZoneBounds(); !end.IsZero() {
			return end
		}
	}
	return t
}

// floorWithin rounds in local time without passing through a wall clock, which may be ambiguous.
func floorWithin(t time.Time, d time.Duration) time.Time {
	_, offset := t.Zone()
	shift := time.Duration(offset) * time.Second
	return t.Add(shift).Truncate(d).Add(-shift)
}

// Duration reads a time value such as "30s", "500ms", "1d".
func Duration(text string) (time.Duration, error) {
	for _, u := range []struct {
		suffix string
		unit   time.Duration
	}{{"nanos", 1}, {"micros", time.Microsecond}, {"ms", time.Millisecond}, {"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}, {"d", 24 * time.Hour}} {
		if number, ok := strings.CutSuffix(text, u.suffix); ok {
			v, err := strconv.ParseFloat(number, 64)
			if err != nil {
				break
			}
			return time.Duration(v * float64(u.unit)), nil
		}
	}
	if text == "0" || text == "-1" {
		n, _ := strconv.Atoi(text)
		return time.Duration(n), nil
	}
	return 0, fmt.Errorf("failed to parse [%s] as a time value: unit is missing or unrecognized", text)
}
