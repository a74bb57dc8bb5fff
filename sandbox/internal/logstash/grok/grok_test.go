package grok

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// matches is what a pattern takes out of a text as a whole: "" where it does not match all of it.
func matches(t *testing.T, patterns Patterns, name, text string) string {
	t.Helper()
	e, err := patterns.Compile("\\A%{"+name+":v}\\z", true, time.Second)
	require.NoError(t, err)
	got := ""
	ok, err := e.Match(text, func(field string, v any) {
		if field == "v" {
			got, _ = v.(string)
		}
	})
	require.NoError(t, err)
	if !ok {
		return ""
	}
	return got
}

func TestBuiltinPatterns(t *testing.T) {
	t.Parallel()
	patterns, err := Builtin(true)
	require.NoError(t, err)
	legacy, err := Builtin(false)
	require.NoError(t, err)
	for name, c := range map[string]struct{ yes, no string }{
		"USERNAME":           {"a.b_c-1", "a b"},
		"EMAILADDRESS":       {"first.last+tag@mail.example.org|ab@b", "@b|a@"},
		"INT":                {"1|-5|+7", "1.5|x"},
		"NUMBER":             {"1|-1.5|.5|+3.0", "1.|abc"},
		"BASE16NUM":          {"0xFF|ff|-0x1a", "xyz"},
		"BASE16FLOAT":        {"0x1F.8|a.f", "g"},
		"POSINT":             {"7|10", "0|07"},
		"NONNEGINT":          {"0|42", "-1"},
		"WORD":               {"abc_1", "a-b"},
		"NOTSPACE":           {"a,b|[x]", "a b"},
		"QUOTEDSTRING":       {`"a b"|'x'|""|"a \"b\""`, `"a|a"`},
		"UUID":               {"550e8400-e29b-41d4-a716-446655440000", "550e8400"},
		"URN":                {"urn:example:a123,z456", "urn:"},
		"MAC":                {"00:1A:2b:3C:4d:5E|00-1A-2b-3C-4d-5E|001a.2b3c.4d5e", "00:1A:2b"},
		"IPV4":               {"127.0.0.1|255.255.255.255|8.8.8.8", "256.1.1.1|1.2.3|1.2.3.4.5"},
		"IPV6":               {"::1|::|fe80::1ff:fe23:4567:890a%eth0|2001:db8:85a3:0:0:8a2e:370:7334|::ffff:192.0.2.128|1::", "1:2:3|:::|12345::"},
		"HOSTNAME":           {"localhost|a-b.example.org|x1", "a_b"},
		"IPORHOST":           {"10.0.0.1|example.org|::1", "a b"},
		"HOSTPORT":           {"example.org:80|10.0.0.1:9092", "example.org"},
		"UNIXPATH":           {"/|/var/log/x-1.log|/a/b_c,d", "var/log"},
		"WINPATH":            {`C:\Windows\system32|\\share\x`, "/x"},
		"TTY":                {"/dev/pts/1|/dev/ttyp0", "/dev/null"},
		"URI":                {"http://example.org|https://user:pw@example.org:8443/a/b?c=d&e=f|ftp://x/y", "example.org/x"},
		"URIPATHPARAM":       {"/a/b?c=d|/", "a"},
		"MONTH":              {"Jan|January|Dec|jul", "Foo"},
		"MONTHNUM":           {"1|01|12", "13|0"},
		"MONTHDAY":           {"1|09|31", "32|0"},
		"DAY":                {"Mon|Tuesday", "Mond"},
		"YEAR":               {"24|2024", "2|202"},
		"TIME":               {"10:30:00|1:30:00|23:59:60|10:30:00.123|10:30:00,123", "10:30|24:00:00"},
		"DATE_US":            {"01/15/2024|1-15-24", "15/01/2024"},
		"DATE_EU":            {"15.01.2024|15/01/2024", "01.15.2024"},
		"TIMESTAMP_ISO8601":  {"2024-01-15T10:30:00.123Z|2024-01-15 10:30:00,123|2024-01-15T10:30+01:00|2024-01-15T10:30:00+0100", "2024-01-15|15-01-2024"},
		"DATESTAMP_RFC822":   {"Mon Jan 15 2024 10:30:00 UTC", "Mon Jan 15 2024"},
		"DATESTAMP_RFC2822":  {"Mon, 15 Jan 2024 10:30:00 +0000", "15 Jan 2024"},
		"DATESTAMP_EVENTLOG": {"20240115103000", "2024"},
		"SYSLOGTIMESTAMP":    {"Jan 15 10:30:00|Jan  5 10:30:00", "15 Jan 10:30:00"},
		"HTTPDATE":           {"15/Jan/2024:10:30:00 +0000", "15/01/2024:10:30:00 +0000"},
		"LOGLEVEL":           {"INFO|info|Warning|WARN|ERR|Error|crit|FATAL|severe|EMERGENCY|debug|TRACE|notice|Alert", "LOUD"},
		"PROG":               {"cron|sshd|a.b/c", "a b"},
		"JAVACLASS":          {"com.example.Main$Inner|Main", "1x"},
		"JAVAFILE":           {"Main.java|Native Method", "a/b"},
		"JAVASTACKTRACEPART": {"    at com.example.Main.main(Main.java:7)|\tat a.B.<init>(B.java)", "at nothing"},
		"COMMONAPACHELOG":    {`127.0.0.1 - - [15/Jan/2024:10:30:00 +0000] "GET / HTTP/1.1" 200 5|h - u [15/Jan/2024:10:30:00 +0000] "-" 408 -`, "x"},
	} {
		for set, p := range map[string]Patterns{"ecs": patterns, "legacy": legacy} {
			for _, text := range strings.Split(c.yes, "|") {
				require.Equal(t, text, matches(t, p, name, text), "%s: %s", set, name)
			}
			for _, text := range strings.Split(c.no, "|") {
				require.Empty(t, matches(t, p, name, text), "%s: %s", set, name)
			}
		}
	}
}

// Every pattern of both sets compiles.
func TestAllPatternsCompile(t *testing.T) {
	t.Parallel()
	for _, ecs := range []bool{true, false} {
		patterns, err := Builtin(ecs)
		require.NoError(t, err)
		require.Greater(t, len(patterns), 80)
		for name := range patterns {
			_, err := patterns.Compile("%{"+name+"}", true, time.Second)
			require.NoError(t, err, name)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{"%{INT:a:int} %{WORD}", "%{COMBINEDAPACHELOG}", "(?<x>[0-9A-F]{10,11})", "%{A:b=x{2}}", "%{NOSUCH}", "%{IP:[a][b]}(?>x++)\\Z", "%{A", "[[:alpha:]]", "%{A=%{A}}", "(?i:%{DATA})"} {
		f.Add(s, "some 12 text 10.0.0.1")
	}
	patterns, err := Builtin(true)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 200 || len(text) > 200 {
			t.Skip("long patterns are slow to compile, by nature")
		}
		e, err := patterns.Compile(pattern, true, 50*time.Millisecond)
		if err != nil {
			return
		}
		_, _ = e.Match(text, func(field string, v any) {
			switch v.(type) {
			case nil, string, int64, float64:
			default:
				t.Fatalf("field %s is a %T", field, v)
			}
		})
	})
}
