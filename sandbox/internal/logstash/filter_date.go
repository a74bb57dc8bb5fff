package logstash

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"obsandbox/sandbox/internal/logstash/event"
	"obsandbox/sandbox/internal/logstash/joda"
)

// dateFilter reads a date out of a field into @timestamp or another target.
type dateFilter struct {
	decorator
	source       event.Ref
	target       event.Ref
	parsers      []dateParser
	zone         *event.Template
	fixedZone    *time.Location
	tagOnFailure []string
	now          func() time.Time
}

type dateParser func(value any, zone *time.Location, now time.Time) (time.Time, error)

func newDate(b *build) (filter, error) {
	f := &dateFilter{
		decorator:    b.decorator(),
		target:       b.ref("target", event.TimestampField),
		tagOnFailure: b.list("tag_on_failure", "_dateparsefailure"),
		now:          b.now,
		zone:         b.template("timezone", ""),
	}
	locale := strings.ReplaceAll(b.str("locale", "en"), "_", "-")
	match := b.list("match")
	if len(match) < 2 {
		b.fail("match", "expected a field and at least one format, here is %q", match)
		return f, b.done()
	}
	var err error
	if f.source, err = event.ParseRef(match[0]); err != nil {
		b.fail("match", "%v", err)
	}
	for _, format := range match[1:] {
		p, err := newDateParser(format, locale)
		if err != nil {
			b.fail("match", "%v", err)
			continue
		}
		f.parsers = append(f.parsers, p)
	}
	f.fixedZone = time.UTC
	if f.zone != nil && f.zone.Plain() {
		if f.fixedZone, err = loadZone(f.zone.String()); err != nil {
			b.fail("timezone", "%v", err)
		}
		f.zone = nil
	}
	return f, b.done()
}

func loadZone(name string) (*time.Location, error) {
	if loc, err := time.LoadLocation(name); err == nil && name != "Local" && name != "" {
		return loc, nil
	}
	for _, layout := range []string{"-07:00", "-0700", "-07"} {
		if t, err := time.Parse(layout, name); err == nil {
			return t.Location(), nil
		}
	}
	return nil, fmt.Errorf("%q is no time zone: write an id such as Europe/Berlin", name)
}

func (f *dateFilter) filter(e *event.Event) error {
	source := e.Get(f.source)
	if source == nil {
		return nil
	}
	zone := f.fixedZone
	if f.zone != nil {
		var err error
		if zone, err = loadZone(f.zone.Fill(e)); err != nil {
			tagAll(e, f.tagOnFailure)
			return nil
		}
	}
	for _, parse := range f.parsers {
		t, err := parse(source, zone, f.now())
		if err != nil {
			continue
		}
		// Logstash's date filter works in milliseconds.
		t = t.UTC().Truncate(time.Millisecond)
		if err := e.Set(f.target, t); err != nil {
			return err
		}
		return f.matched(e)
	}
	tagAll(e, f.tagOnFailure)
	return nil
}

func newDateParser(format, locale string) (dateParser, error) {
	switch format {
	case "ISO8601":
		iso, err := joda.NewISO8601()
		if err != nil {
			return nil, err
		}
		return textParser(iso.Parse), nil
	case "UNIX":
		return parseUnix, nil
	case "UNIX_MS":
		return parseUnixMillis, nil
	case "TAI64N":
		return parseTAI64N, nil
	}
	pattern, err := joda.ParseLocaleFormat(format, locale)
	if err != nil {
		return nil, err
	}
	return textParser(pattern.Parse), nil
}

func textParser(parse func(text string, ctx joda.Context) (time.Time, error)) dateParser {
	return func(v any, zone *time.Location, now time.Time) (time.Time, error) {
		s, ok := v.(string)
		if !ok {
			return time.Time{}, fmt.Errorf("%T is no date", v)
		}
		return parse(s, joda.Context{Zone: zone, Now: now})
	}
}

// maxEpoch is the latest second that Logstash takes for a Unix time.
const maxEpoch = math.MaxInt32

// parseUnix reads seconds since 1970 with up to three digits of a fraction.
func parseUnix(v any, _ *time.Location, _ time.Time) (time.Time, error) {
	var seconds, millis int64
	var err error
	switch t := v.(type) {
	case int64:
		seconds = t
	case float64:
		seconds = int64(t)
		millis = int64(t*1000) - seconds*1000
	case string:
		whole, fraction, dotted := strings.Cut(t, ".")
		if seconds, err = strconv.ParseInt(whole, 10, 64); err != nil {
			return time.Time{}, fmt.Errorf("%q is no number of seconds", t)
		}
		if dotted {
			digits := (fraction + "000")[:3]
			if millis, err = strconv.ParseInt(digits, 10, 64); err != nil || fraction == "" {
				return time.Time{}, fmt.Errorf("%q is no number of seconds", t)
			}
		}
	default:
		return time.Time{}, fmt.Errorf("%T is no number of seconds", v)
	}
	if seconds > maxEpoch {
		return time.Time{}, fmt.Errorf("%d is larger than a Unix time can be", seconds)
	}
	return time.UnixMilli(seconds*1000 + millis), nil
}

func parseUnixMillis(v any, _ *time.Location, _ time.Time) (time.Time, error) {
	switch t := v.(type) {
	case int64:
		return time.UnixMilli(t), nil
	case float64:
		return time.UnixMilli(int64(t)), nil
	case string:
		if n, err := strconv.ParseInt(t, 10, 64); err == nil {
			return time.UnixMilli(n), nil
		}
	}
	return time.Time{}, fmt.Errorf("%v is no number of milliseconds", v)
}

// parseTAI64N reads an external TAI64N label, with or without its @.
func parseTAI64N(v any, _ *time.Location, _ time.Time) (time.Time, error) {
	s, ok := v.(string)
	s = strings.TrimPrefix(s, "@")
	if !ok || len(s) < 24 {
		return time.Time{}, fmt.Errorf("%v is no TAI64N label", v)
	}
	seconds, err := strconv.ParseInt(s[:16], 16, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no TAI64N label", s)
	}
	nanos, err := strconv.ParseInt(s[16:24], 16, 32)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no TAI64N label", s)
	}
	// TAI was 10 seconds ahead of UTC at the epoch; Logstash counts no leap seconds after that.
	return time.Unix(seconds&(1<<62-1)-10, nanos), nil
}
