package joda

import (
	"fmt"
	"strings"
	"time"
)

// blankLayouts are what the date filter's ISO8601 reads besides the standard: a blank for the T, with milliseconds.
var blankLayouts = []string{"yyyy-MM-dd HH:mm:ss.SSSZ", "yyyy-MM-dd HH:mm:ss.SSS", "yyyy-MM-dd HH:mm:ss,SSSZ", "yyyy-MM-dd HH:mm:ss,SSS"}

// ISO8601 reads dates as the date filter's ISO8601 does.
type ISO8601 struct {
	blank []*Format
}

// NewISO8601 makes the reader.
func NewISO8601() (*ISO8601, error) {
	p := &ISO8601{}
	for _, layout := range blankLayouts {
		f, err := ParseFormat(layout)
		if err != nil {
			return nil, err
		}
		p.blank = append(p.blank, f)
	}
	return p, nil
}

// Parse reads a whole text.
func (p *ISO8601) Parse(text string, ctx Context) (time.Time, error) {
	t, err := parseISO(text, ctx)
	if err == nil || len(text) < 11 || text[10] != ' ' {
		return t, err
	}
	for _, f := range p.blank {
		if t, err := f.Parse(text, ctx); err == nil {
			return t, nil
		}
	}
	return t, err
}

// isoReader reads by Joda's ISODateTimeFormat.dateTimeParser:
//
//	datetime     = time | date ['T' [time of day] [offset]]
//	time         = 'T' time of day [offset]
//	date         = yyyy ['-' MM ['-' dd]] | yyyy '-' DDD | xxxx '-W' ww ['-' e]
//	time of day  = HH [':' mm [':' ss [fraction] | fraction] | fraction]
//	fraction     = ('.' | ',') digits
type isoReader struct {
	rest string
	v    fields
}

func parseISO(text string, ctx Context) (time.Time, error) {
	r := isoReader{rest: text}
	ok := true
	if !r.skip("T") {
		if ok = r.date(); ok && r.skip("T") {
			r.clock()
		} else if r.rest != "" {
			ok = false
		}
	} else if ok = r.clock(); !ok {
		r.rest = text
	}
	if !ok || r.rest != "" {
		return time.Time{}, fmt.Errorf("invalid format: %q is malformed at %q", text, r.rest)
	}
	local, err := r.v.local(1970)
	if err != nil {
		return local, fmt.Errorf("cannot parse %q: %w", text, err)
	}
	zone := r.v.zone
	if zone == nil {
		zone = ctx.zone()
	}
	return inZone(local, zone)
}

func (r *isoReader) skip(text string) bool {
	if len(r.rest) < len(text) || !strings.EqualFold(r.rest[:len(text)], text) {
		return false
	}
	r.rest = r.rest[len(text):]
	return true
}

// number saves a number of up to limit digits that follows a separator; false, and nothing read, where there is none.
func (r *isoReader) number(separator string, u unit, limit int, signed bool) bool {
	before := *r
	if !r.skip(separator) {
		return false
	}
	value, n, err := number(r.rest, limit, signed)
	if err != nil {
		r.rest = before.rest
		return false
	}
	r.rest = r.rest[n:]
	r.v.save(u, value)
	return true
}

func (r *isoReader) date() bool {
	whole := r.rest
	if !r.number("", year, 9, true) {
		return false
	}
	if _, n, err := number(strings.TrimPrefix(r.rest, "-"), 3, false); err == nil && n == 3 && r.rest[0] == '-' {
		return r.number("-", yearDay, 3, false)
	}
	if len(r.rest) > 1 && strings.EqualFold(r.rest[:2], "-W") {
		*r = isoReader{rest: whole}
		if r.number("", weekYear, 9, true) && r.number("-W", week, 2, false) {
			r.number("-", weekday, 1, false)
			return true
		}
		return false
	}
	if r.number("-", month, 2, false) {
		r.number("-", day, 2, false)
	}
	return true
}

// clock reads the time of day and the offset; false where there is no time of day.
func (r *isoReader) clock() bool {
	ok := r.number("", hour, 2, false)
	for _, step := range []struct {
		unit unit
		part time.Duration
	}{{minute, time.Hour}, {second, time.Minute}, {-1, time.Second}} {
		if !ok || r.fraction(step.part) || step.unit < 0 || !r.number(":", step.unit, 2, false) {
			break
		}
	}
	if n, err := r.v.readOffset(r.rest); err == nil {
		r.rest = r.rest[n:]
	}
	return ok
}

// fraction reads a fraction of an hour, a minute or a second, in milliseconds.
func (r *isoReader) fraction(of time.Duration) bool {
	if r.rest == "" || r.rest[0] != '.' && r.rest[0] != ',' {
		return false
	}
	n := 1
	value := 0.0
	for scale := float64(of); n < len(r.rest) && r.rest[n] >= '0' && r.rest[n] <= '9'; n++ {
		scale /= 10
		value += float64(r.rest[n]-'0') * scale
	}
	if n == 1 {
		return false
	}
	r.rest = r.rest[n:]
	r.v.nanos = int64(value+0.5) / 1e6 * 1e6
	return true
}
