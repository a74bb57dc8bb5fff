package dates

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"obsandbox/sandbox/internal/elastic/eserr"
)

// offset is what an offset from UTC is called, and how Java writes it: time.UTC is "Z".
func offset(secs int) *time.Location {
	if secs == 0 {
		return time.UTC
	}
	return time.FixedZone(offsetText(secs, ":", true), secs)
}

// offsetText is an offset as ±HH, or ±HHmm with a separator; without minutes where there are none and all is false.
func offsetText(secs int, separator string, all bool) string {
	sign := '+'
	if secs < 0 {
		sign, secs = '-', -secs
	}
	if s := secs % 60; s != 0 {
		return fmt.Sprintf("%c%02d%s%02d%s%02d", sign, secs/3600, separator, secs/60%60, separator, s)
	}
	if m := secs / 60 % 60; all || m != 0 {
		return fmt.Sprintf("%c%02d%s%02d", sign, secs/3600, separator, m)
	}
	return fmt.Sprintf("%c%02d", sign, secs/3600)
}

// readZone reads Z, ±HH, ±HHmm or ±HH:mm at the start of s.
func readZone(s string) (n int, loc *time.Location) {
	if s == "" {
		return 0, nil
	}
	if s[0] == 'Z' {
		return 1, time.UTC
	}
	if s[0] != '+' && s[0] != '-' || len(s) < 3 {
		return 0, nil
	}
	h, err := strconv.Atoi(s[1:3])
	if err != nil || h > 18 {
		return 0, nil
	}
	n = 3
	m := 0
	rest := s[3:]
	if strings.HasPrefix(rest, ":") {
		rest = rest[1:]
		n++
	}
	if len(rest) >= 2 && rest[0] >= '0' && rest[0] <= '9' {
		if m, err = strconv.Atoi(rest[:2]); err != nil || m > 59 {
			return 0, nil
		}
		n += 2
	} else if n == 4 {
		return 0, nil
	}
	secs := h*3600 + m*60
	if s[0] == '-' {
		secs = -secs
	}
	return n, offset(secs)
}

// Zone reads a time zone as Elasticsearch does: an id, an offset, or UTC, GMT or UT and an offset. The offset nothing and Z
// are time.UTC; the zone UTC is another one, as dates in it are printed with its name. Errors are Java's.
func Zone(name string) (*time.Location, error) {
	if name == "Z" {
		return time.UTC, nil
	}
	if len(name) <= 1 || name[0] == '+' || name[0] == '-' {
		return shift(name)
	}
	for _, prefix := range []string{"UTC", "GMT", "UT"} {
		rest, ok := strings.CutPrefix(name, prefix)
		switch {
		case ok && rest == "":
			return time.FixedZone(prefix, 0), nil
		case ok && (rest[0] == '+' || rest[0] == '-'):
			loc, err := shift(rest)
			if err != nil {
				return nil, eserr.New(500, "date_time_exception", "Invalid ID for offset-based ZoneId: %s", name).CausedBy(err)
			}
			if loc == time.UTC {
				return time.FixedZone(prefix, 0), nil
			}
			_, secs := (time.Time{}).In(loc).Zone()
			return time.FixedZone(prefix+loc.String(), secs), nil
		}
	}
	if !regions.MatchString(name) {
		return nil, eserr.New(500, "date_time_exception", "Invalid ID for region-based ZoneId, invalid format: %s", name)
	}
	switch name {
	case "Local", "EST", "HST", "MST", "ROC": // Java has the last four only as old names for offsets
	default:
		// Go takes UTC however it is written, and some file systems take all names so.
		if loc, err := time.LoadLocation(name); err == nil && loc.String() == name && !strings.EqualFold(name, "utc") {
			return loc, nil
		}
	}
	return nil, eserr.New(500, "zone_rules_exception", "Unknown time-zone ID: %s", name)
}

var (
	regions = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9~/._+-]+$`)
	offsets = regexp.MustCompile(`^([+-])(\d{1,2}|(\d\d)(:?)(\d\d)(?:(:?)(\d\d))?)$`)
)

// shift is an offset: ±h, ±hh, ±hh:mm, ±hhmm, ±hh:mm:ss or ±hhmmss.
func shift(text string) (*time.Location, error) {
	parts := offsets.FindStringSubmatch(text)
	switch n := len(text); {
	case parts == nil && (n == 2 || n == 3 || n == 5 || n == 6 || n == 7 || n == 9):
		return nil, eserr.New(500, "date_time_exception", "Invalid ID for ZoneOffset, non numeric characters found: %s", text)
	case parts == nil || parts[7] != "" && parts[4] != parts[6]:
		return nil, eserr.New(500, "date_time_exception", "Invalid ID for ZoneOffset, invalid format: %s", text)
	}
	number := func(texts ...string) int {
		n, _ := strconv.Atoi(strings.Join(texts, "")) // digits, or nothing
		return n
	}
	h, m, s := number(parts[2]), number(parts[5]), number(parts[7])
	if parts[3] != "" {
		h = number(parts[3])
	}
	for _, limit := range []struct {
		of      string
		n, most int
	}{{"hours", h, 18}, {"minutes", m, 59}, {"seconds", s, 59}} {
		if limit.n > limit.most {
			return nil, eserr.New(500, "date_time_exception", "Zone offset %s not in valid range: value %d is not in the range %d to %d", limit.of, limit.n, -limit.most, limit.most)
		}
	}
	secs := h*3600 + m*60 + s
	if secs > 18*3600 {
		return nil, eserr.New(500, "date_time_exception", "Zone offset not in valid range: -18:00 to +18:00")
	}
	if parts[1] == "-" {
		secs = -secs
	}
	return offset(secs), nil
}

// IsUTC says whether the clocks of a zone are never other than UTC's.
func IsUTC(loc *time.Location) bool {
	switch loc.String() {
	case "UTC", "GMT", "UT":
		return true
	}
	return false
}

// printZone is what a pattern's letters make of a time's zone, as Java writes it.
func printZone(letter byte, n int, t time.Time) string {
	short, secs := t.Zone()
	switch {
	case letter == 'V':
		return zoneID(t.Location())
	case letter == 'z':
		switch id := zoneID(t.Location()); {
		case strings.HasPrefix(id, "Etc/GMT") && secs != 0:
			return "GMT" + offsetText(secs, ":", true)
		case id == "Z" || strings.ContainsAny(short, "+-"):
			return id
		}
		return short
	case letter == 'O' || letter == 'Z' && n == 4:
		text := "GMT"
		switch {
		case secs != 0 && n == 4:
			text += offsetText(secs, ":", true)
		case secs != 0:
			text += offsetText(secs, ":", false)
			if text[4] == '0' {
				text = text[:4] + text[5:]
			}
		}
		return text
	case secs == 0 && (letter == 'X' || letter == 'Z' && n == 5):
		return "Z"
	case letter != 'Z' && n == 1:
		return offsetText(secs, "", false)
	case n == 3 && letter != 'Z' || n == 5:
		return offsetText(secs, ":", true)
	}
	return offsetText(secs, "", true)
}

func zoneID(loc *time.Location) string {
	if loc == time.UTC {
		return "Z"
	}
	return loc.String()
}
