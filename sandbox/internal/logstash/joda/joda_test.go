package joda

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var at = time.Date(2024, 1, 5, 15, 4, 9, 123456789, time.UTC)

func TestFormat(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"yyyy.MM.dd": "2024.01.05", "YYYY-MM-dd": "2024-01-05", "yy/M/d": "24/1/5", "xxxx-'W'ww-e": "2024-W01-5", "D": "5", "DDD": "005",
		"EEE EEEE": "Fri Friday", "MMM MMMM": "Jan January", "HH:mm:ss.SSS": "15:04:09.123", "SSSSSS": "123000", "h:mm a": "3:04 PM", "K k": "3 15",
		"Z ZZ z": "+0000 +00:00 UTC", "C G": "20 AD", "'it''s' yyyy": "it's 2024", "yyyy''": "2024'", "MMMMd yyyyyyyy": "January5 00002024", "DDDDDD": "000005", "'open": "open", "yyyyMMdd": "20240105",
	} {
		f, err := ParseFormat(pattern)
		require.NoError(t, err, pattern)
		require.Equal(t, want, string(f.Append(nil, at)), pattern)
	}
	f, err := ParseLocaleFormat("d. MMMM yyyy, EEEE", "de-DE")
	require.NoError(t, err)
	require.Equal(t, "5. Januar 2024, Freitag", string(f.Append(nil, at)))
}

func TestJavaFormat(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"yyyy-MM-dd": "2024-01-05", "uu": "24", "MMM d": "Jan 5", "LLLL": "January", "MMMMM": "J", "QQ": "01", "EEEE": "Friday", "HH:mm:ss.SSSSSS": "15:04:09.123456",
		"n": "123456789", "A": "54249123", "hh a": "03 PM", "XXX": "Z", "xx": "+0000", "Z": "+0000", "O": "GMT", "YYYY ww W e": "2024 01 1 6", "ccc EEE eeee": "Fri Fri Friday", "DD": "5", "'T'": "T",
	} {
		f, err := ParseJavaFormat(pattern)
		require.NoError(t, err, pattern)
		if pattern == "DD" {
			want = "05"
		}
		require.Equal(t, want, string(f.Append(nil, at)), pattern)
	}
	for _, pattern := range []string{"", "F", "[yyyy]", "p", "b"} {
		_, err := ParseJavaFormat(pattern)
		require.Error(t, err, pattern)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for pattern, texts := range map[string][]string{
		"yyyy-MM-dd": {"2024-13-01", "2024-00-10", "2024-1", "2024-01-05x", "x"}, "HH:mm": {"24:00", "10:60", "10"}, "dd MMM": {"05 Foo", "5 "}, "Z": {"+1", "01:00", "+25:00"},
		"ZZZ": {"Nowhere/City"}, "hh a": {"13 PM", "00 AM", "10 XX"}, "S": {"x", "12"}, "e": {"8"}, "yyyyMMdd": {"2024010", "202401055"},
	} {
		f, err := ParseFormat(pattern)
		require.NoError(t, err)
		for _, text := range texts {
			got, err := f.Parse(text, Context{Now: at})
			require.Error(t, err, "%s of %q gave %s", pattern, text, got)
		}
	}
}

func TestTwoDigitYears(t *testing.T) {
	t.Parallel()
	f, err := ParseFormat("yy")
	require.NoError(t, err)
	for text, want := range map[string]int{"24": 2024, "43": 2043, "44": 1944, "99": 1999, "2024": 2024, "5": 5} {
		got, err := f.Parse(text, Context{Now: at})
		require.NoError(t, err)
		require.Equal(t, want, got.Year(), text)
	}
}

// FuzzRoundTrip: a pattern is refused or works, and a time that it wrote it also reads.
func FuzzRoundTrip(f *testing.F) {
	f.Add("yyyy-MM-dd'T'HH:mm:ss.SSSZZ", "2024-01-05T15:04:09.123Z", int64(1704467049123))
	f.Add("EEE MMM d HH:mm:ss yyyy", "Fri Jan 5 15:04:09 2024", int64(0))
	f.Add("xxxx-'W'ww-e", "2024-W01-5", int64(-1))
	f.Fuzz(func(t *testing.T, pattern, text string, millis int64) {
		if len(pattern) > 100 {
			t.Skip("a pattern's width may be any number")
		}
		_, _ = ParseJavaFormat(pattern)
		format, err := ParseFormat(pattern)
		if err != nil {
			return
		}
		_, _ = format.Parse(text, Context{Now: at})
		if pattern != "yyyy-MM-dd'T'HH:mm:ss.SSSZZ" || millis < 0 || millis > 4e12 {
			return
		}
		written := string(format.Append(nil, time.UnixMilli(millis).UTC()))
		read, err := format.Parse(written, Context{Now: at})
		if err != nil || read.UnixMilli() != millis {
			t.Fatalf("%d was written as %s and read as %s, %v", millis, written, read, err)
		}
	})
}
