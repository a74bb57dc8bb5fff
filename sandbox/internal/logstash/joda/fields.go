package joda

import (
	"fmt"
	"slices"
	"time"
)

// unit is a field of a date. Joda sets what was read in this order, the largest range first, so that a weekday moves
// the day of the month within its week.
type unit int

const (
	era unit = iota
	century
	// The years share a rank: of several the last one counts.
	year
	yearOfEra
	weekYear
	month
	week
	yearDay
	day
	weekday
	half
	hour
	hourOfHalf
	minute
	second
	// sundayBased is a weekday from Sunday (0) on, as names of days come; it is saved as a weekday.
	sundayBased
)

func (u unit) rank() unit {
	if u == yearOfEra || u == weekYear {
		return year
	}
	return u
}

type field struct {
	unit  unit
	value int
}

// fields are the parts of a date as they are read.
type fields struct {
	set   []field
	nanos int64
	zone  *time.Location
}

func (v *fields) save(u unit, value int) {
	if u == sundayBased {
		u, value = weekday, (value+6)%7+1
	}
	v.set = append(v.set, field{u, value})
}

// local is the date as a clock on the wall shows it, in UTC. defaultYear is the year of a date that has days or months
// but no year.
func (v *fields) local(defaultYear int) (time.Time, error) {
	sorted := slices.Clone(v.set)
	slices.SortStableFunc(sorted, func(a, b field) int { return int(a.unit.rank() - b.unit.rank()) })
	t := time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	if len(sorted) > 0 && sorted[0].unit >= month && sorted[0].unit <= weekday {
		sorted = slices.Insert(sorted, 0, field{year, defaultYear})
	}
	for _, f := range sorted {
		low, high, name := f.bounds(t)
		if f.value < low || f.value > high {
			return t, fmt.Errorf("value %d for %s must be in the range [%d,%d]", f.value, name, low, high)
		}
		t = f.apply(t)
	}
	// Joda sets everything once more: a weekday that led into the year before comes back to the year.
	for _, f := range sorted {
		t = f.again(t)
	}
	return t.Add(time.Duration(v.nanos)), nil
}

const farYear = 292_278_993 // the last year that Joda knows

// bounds are the values that a field may have at a date.
func (f field) bounds(t time.Time) (low, high int, name string) {
	switch f.unit {
	case century:
		return 0, farYear / 100, "centuryOfEra"
	case year:
		return -farYear, farYear, "year"
	case yearOfEra:
		return 1, farYear, "yearOfEra"
	case weekYear:
		return -farYear, farYear, "weekyear"
	case month:
		return 1, 12, "monthOfYear"
	case week:
		_, weeks := time.Date(isoYear(t), 12, 28, 0, 0, 0, 0, time.UTC).ISOWeek()
		return 1, weeks, "weekOfWeekyear"
	case yearDay:
		return 1, time.Date(t.Year(), 12, 31, 0, 0, 0, 0, time.UTC).YearDay(), "dayOfYear"
	case day:
		return 1, daysIn(t.Year(), t.Month()), "dayOfMonth"
	case weekday:
		return 1, 7, "dayOfWeek"
	case hour:
		return 0, 23, "hourOfDay"
	case hourOfHalf:
		return 0, 11, "hourOfHalfday"
	case minute:
		return 0, 59, "minuteOfHour"
	case second:
		return 0, 59, "secondOfMinute"
	}
	return 0, 1, "half of the day or era"
}

func isoYear(t time.Time) int {
	y, _ := t.ISOWeek()
	return y
}

func daysIn(year int, m time.Month) int { return time.Date(year, m+1, 0, 0, 0, 0, 0, time.UTC).Day() }

func isoWeekday(t time.Time) int { return (int(t.Weekday())+6)%7 + 1 }

// apply sets a field and sets back to the start what is smaller.
func (f field) apply(t time.Time) time.Time {
	date := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
	switch f.unit {
	case era:
		if f.value == 0 {
			return date(1-t.Year(), 1, 1)
		}
	case century:
		return date(f.value*100+t.Year()%100, 1, 1)
	case year:
		return date(f.value, 1, 1)
	case yearOfEra:
		if t.Year() <= 0 {
			return date(1-f.value, 1, 1)
		}
		return date(f.value, 1, 1)
	case weekYear:
		// January 4th is always in the first week.
		fourth := date(f.value, 1, 4)
		return fourth.AddDate(0, 0, 1-isoWeekday(fourth))
	case month:
		return date(t.Year(), time.Month(f.value), 1)
	case week:
		_, now := t.ISOWeek()
		return t.AddDate(0, 0, (f.value-now)*7+1-isoWeekday(t))
	case yearDay:
		return date(t.Year(), 1, f.value)
	case day:
		return date(t.Year(), t.Month(), f.value)
	case weekday:
		return t.AddDate(0, 0, f.value-isoWeekday(t))
	case half:
		return t.Add(time.Duration(f.value*12-t.Hour()/12*12) * time.Hour)
	case hour:
		return t.Add(time.Duration(f.value-t.Hour()) * time.Hour)
	case hourOfHalf:
		return t.Add(time.Duration(f.value-t.Hour()%12) * time.Hour)
	case minute:
		return t.Add(time.Duration(f.value-t.Minute()) * time.Minute)
	case second:
		return t.Add(time.Duration(f.value-t.Second()) * time.Second)
	}
	return t
}

// again sets a field and leaves what is smaller as it is.
func (f field) again(t time.Time) time.Time {
	date := func(m time.Month, d int) time.Time {
		return time.Date(t.Year(), m, d, t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
	}
	switch f.unit {
	case era, weekYear:
		return t
	case century, year, yearOfEra:
		return setYear(t, f.apply(t).Year())
	case month:
		return date(time.Month(f.value), min(t.Day(), daysIn(t.Year(), time.Month(f.value))))
	case week:
		_, now := t.ISOWeek()
		return t.AddDate(0, 0, (f.value-now)*7)
	case yearDay:
		return date(1, f.value)
	case day:
		return date(t.Month(), min(f.value, daysIn(t.Year(), t.Month())))
	}
	return f.apply(t)
}

// setYear moves a date to another year. Joda keeps the day of the year, and so the month and its day, of which a leap
// day is the last of February elsewhere.
func setYear(t time.Time, year int) time.Time {
	d := min(t.Day(), daysIn(year, t.Month()))
	return time.Date(year, t.Month(), d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// inZone is the instant at which clocks of a zone show a local time: the earlier one where they show it twice. A time
// that they skip is an error, as for Joda.
func inZone(local time.Time, zone *time.Location) (time.Time, error) {
	at := func(loc time.Time) time.Time {
		return time.Date(loc.Year(), loc.Month(), loc.Day(), loc.Hour(), loc.Minute(), loc.Second(), loc.Nanosecond(), zone)
	}
	t := at(local)
	if t.Hour() != local.Hour() || t.Minute() != local.Minute() || t.Day() != local.Day() {
		return t, fmt.Errorf("illegal instant due to time zone offset transition: %s in %s", local.Format("2006-01-02T15:04:05.000"), zone)
	}
	_, offset := t.Zone()
	// An hour or so before, the clocks may have been ahead: what they showed then was the same.
	if _, before := t.Add(-3 * time.Hour).Zone(); before > offset {
		if earlier := t.Add(time.Duration(offset-before) * time.Second); earlier.Hour() == local.Hour() && earlier.Minute() == local.Minute() {
			return earlier, nil
		}
	}
	return t, nil
}
