package logstash

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/logstash/event"
)

// clock is the time of all tests of filters.
var clock = time.Date(2024, 1, 15, 10, 30, 0, 0, time.UTC)

// filterCase is an event before and after filters. Fields are JSON; @timestamp and @version are left out of the
// comparison unless want names them.
type filterCase struct {
	name, filter, in string
	// want is one event for each that comes out.
	want []string
}

func runFilter(t *testing.T, filter, in string) []*event.Event {
	t.Helper()
	p, err := CompileText("test.conf", "filter {\n"+filter+"\n}\n", defaultSettings(t.TempDir(), t.TempDir(), nil), func() time.Time { return clock })
	require.NoError(t, err)
	return p.Filter([]*event.Event{eventOf(t, in)})
}

func eventOf(t *testing.T, in string) *event.Event {
	t.Helper()
	v, err := event.DecodeJSON(in)
	require.NoError(t, err)
	return event.FromMap(v.(map[string]any), clock)
}

func runFilterCases(t *testing.T, cases []filterCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for i, e := range runFilter(t, c.filter, c.in) {
				fields := event.CloneValue(e.Data()).(map[string]any)
				for _, name := range []string{event.TimestampField, event.VersionField} {
					if i >= len(c.want) || !containsKey(t, c.want[i], name) {
						delete(fields, name)
					}
				}
				if m := e.Meta(); i < len(c.want) && containsKey(t, c.want[i], event.MetadataField) {
					fields[event.MetadataField] = m
				}
				got = append(got, string(event.AppendJSON(nil, fields)))
			}
			var want []string
			for _, w := range c.want {
				v, err := event.DecodeJSON(w)
				require.NoError(t, err)
				want = append(want, string(event.AppendJSON(nil, v)))
			}
			require.Equal(t, want, got)
		})
	}
}

func containsKey(t *testing.T, text, key string) bool {
	t.Helper()
	v, err := event.DecodeJSON(text)
	require.NoError(t, err)
	_, ok := v.(map[string]any)[key]
	return ok
}

func TestMutate(t *testing.T) {
	t.Parallel()
	runFilterCases(t, []filterCase{
		{"rename nested", `mutate { rename => { "[a][b]" => "[c][d]" } }`, `{"a":{"b":1}}`, []string{`{"a":{},"c":{"d":1}}`}},
		{"rename by reference", `mutate { rename => { "%{which}" => "new_%{which}" } }`, `{"which":"x","x":5}`, []string{`{"which":"x","new_x":5}`}},
		{"rename what is not there", `mutate { rename => { "a" => "b" } }`, `{"c":1}`, []string{`{"c":1}`}},
		{"replace makes a field, update does not", `mutate { replace => { "a" => "%{c}!" } update => { "b" => "x" } }`, `{"c":1}`, []string{`{"a":"1!","c":1}`}},
		{"coerce sets a default for null", `mutate { coerce => { "a" => "none" "b" => "none" } }`, `{"a":null}`, []string{`{"a":"none"}`}},
		{"order: rename comes before replace, copy last", `mutate { copy => { "b" => "c" } replace => { "b" => "%{b}2" } rename => { "a" => "b" } }`, `{"a":"x"}`, []string{`{"b":"x2","c":"x2"}`}},
		{"convert", `mutate { convert => { "i" => "integer" "f" => "float" "s" => "string" "b" => "boolean" "l" => "integer" } }`,
			`{"i":"1,234","f":"1.5","s":12.0,"b":"YES","l":["1","0x1A",null]}`, []string{`{"i":1234,"f":1.5,"s":"12.0","b":true,"l":[1,26,null]}`}},
		{"convert decimals and booleans to integers", `mutate { convert => { "a" => "integer" "b" => "integer" "c" => "float" "d" => "boolean" } }`,
			`{"a":"1.9","b":true,"c":"1e3","d":""}`, []string{`{"a":1,"b":1,"c":1000.0,"d":false}`}},
		{"convert european numbers", `mutate { convert => { "a" => "integer_eu" "b" => "float_eu" } }`, `{"a":"1.234","b":"1.234,5"}`, []string{`{"a":1234,"b":1234.5}`}},
		{"convert what is no number fails the whole filter", `mutate { convert => { "a" => "integer" } add_tag => ["done"] uppercase => ["b"] }`, `{"a":"many","b":"x"}`, []string{`{"a":"many","b":"x","tags":["_mutate_error"]}`}},
		{"convert a hash is skipped", `mutate { convert => { "a" => "string" } }`, `{"a":{"b":1}}`, []string{`{"a":{"b":1}}`}},
		{"gsub with a group and a reference", `mutate { gsub => ["a", "(\d+)-(\d+)", "\2-\1 %{b}", "l", "x", "y"] }`, `{"a":"1-2","b":"z","l":["xx",1]}`, []string{`{"a":"2-1 z","b":"z","l":["yy",1]}`}},
		{"gsub dynamic needle", `mutate { gsub => ["a", "%{b}", "-"] }`, `{"a":"foo bar","b":"o+"}`, []string{`{"a":"f- bar","b":"o+"}`}},
		{"case", `mutate { uppercase => ["a"] capitalize => ["b"] lowercase => ["c"] }`, `{"a":["x",1],"b":"hELLO wORLD","c":"ÄB"}`, []string{`{"a":["X",1],"b":"Hello world","c":"äb"}`}},
		{"strip", `mutate { strip => ["a","b"] }`, `{"a":" x\t\n","b":[" y "]}`, []string{`{"a":"x","b":["y"]}`}},
		{"split and join", `mutate { split => { "a" => "," } join => { "b" => "," } }`, `{"a":"1,2,,","b":["x",["y",3]]}`, []string{`{"a":["1","2"],"b":"x,y,3"}`}},
		{"split then join", `mutate { join => { "a" => "-" } split => { "a" => "," } }`, `{"a":"1,2"}`, []string{`{"a":"1-2"}`}},
		{"merge lists, texts and hashes", `mutate { merge => { "a" => "b" "h" => "g" "n" => "b" } }`, `{"a":"x","b":["y"],"h":{"k":1,"l":1},"g":{"l":2}}`,
			[]string{`{"a":["x","y"],"b":["y"],"h":{"k":1,"l":2},"g":{"l":2},"n":["y"]}`}},
		{"a hash's entries run in the order of Java's HashMap", `mutate { rename => { "b" => "c" "a" => "b" } }`, `{"a":1,"b":2}`, []string{`{"c":1}`}},
		{"merge several fields into a list, and into a single value, where the last one stays", `mutate { merge => { "l" => ["w","w"] "s" => ["w","x"] } }`, `{"l":["a"],"s":"a","w":"b","x":"c"}`, []string{`{"l":["a","b","b"],"s":["a","c"],"w":"b","x":"c"}`}},
		{"convert is strict about underscores and points", `mutate { convert => { "a" => "integer" } } mutate { convert => { "b" => "integer" } } mutate { convert => { "b" => "float" } } mutate { convert => { "c" => "float" } }`,
			`{"a":"1__0","b":"5.","c":"5."}`, []string{`{"a":"1__0","b":5.0,"c":"5.","tags":["_mutate_error"]}`}},
		{"convert floats to text as Ruby does, sprintf as Java does", `mutate { add_field => { "j" => "%{f} %{g}" } convert => { "f" => "string" "g" => "string" } }`,
			`{"f":12345678.5,"g":1e20}`, []string{`{"f":"12345678.5","g":"1.0e+20","j":"12345678.5 1.0e+20"}`}},
		{"uppercase of ß", `mutate { uppercase => ["a"] }`, `{"a":"straße"}`, []string{`{"a":"STRASSE"}`}},
		{"merge a list and a hash is not possible", `mutate { merge => { "a" => "b" } }`, `{"a":["x"],"b":{"k":1}}`, []string{`{"a":["x"],"b":{"k":1}}`}},
		{"@timestamp takes no text", `mutate { replace => { "@timestamp" => "now" } }`, `{}`, []string{`{"@timestamp":"2024-01-15T10:30:00.000Z","tags":["_mutate_error"]}`}},
		{"tags takes no hash", `mutate { rename => { "a" => "tags" } }`, `{"a":{"b":1}}`, []string{`{"tags":["_mutate_error"]}`}},
	})
}

func TestCommonOptions(t *testing.T) {
	t.Parallel()
	runFilterCases(t, []filterCase{
		{"add_field makes a list of what is there", `mutate { add_field => { "layer" => "collection" } }`, `{"layer":"collection"}`, []string{`{"layer":["collection","collection"]}`}},
		{"add_field with references in name and value", `mutate { add_field => { "[x][%{a}]" => "%{b}" "t" => "%{+yyyy.MM.dd} %{{yyyy}} %{+%s}" } }`,
			`{"a":"k","b":{"c":[1,2]}}`, []string{`{"a":"k","b":{"c":[1,2]},"x":{"k":"{\"c\":[1,2]}"},"t":"2024.01.15 2024 1705314600"}`}},
		{"a missing reference stays", `mutate { add_field => { "x" => "%{[no][where]}-%{" } }`, `{}`, []string{`{"x":"%{[no][where]}-%{"}`}},
		{"order: fields, removed fields, tags", `mutate { add_field => { "a" => "1" } remove_field => ["a", "%{b}"] add_tag => ["t-%{b}", "t-c"] remove_tag => ["old"] }`,
			`{"b":"c","c":2,"tags":["old"]}`, []string{`{"b":"c","tags":["t-c","t-c"]}`}},
		{"add_field to a hash makes a list of its pairs", `mutate { add_field => { "h" => "x" } }`, `{"h":{"k":1}}`, []string{`{"h":[["k",1],"x"]}`}},
		{"lists in a text", `mutate { add_field => { "x" => "%{l}" "f" => "%{f} %{g}" } }`, `{"l":["a",["b",{"k":[1,null],"m":"n"}],null,true],"f":12345678.5,"g":1e20}`,
			[]string{`{"l":["a",["b",{"k":[1,null],"m":"n"}],null,true],"g":1e20,"f":[12345678.5,"1.23456785E7 1.0E20"],"x":"a,b,{k=[1, null], m=n},,true"}`}},
		{"an empty reference is the time in seconds", `mutate { add_field => { "x" => "%{} %{+}" } }`, `{"@timestamp":"2024-01-05T03:04:05Z"}`, []string{`{"@timestamp":"2024-01-05T03:04:05.000Z","x":"1704423845 1704423845"}`}},
		{"java.time's fields of the week are American", `mutate { add_field => { "x" => "%{{YYYY.ww e W}}" } }`, `{"@timestamp":"2023-12-31T03:04:05Z"}`, []string{`{"@timestamp":"2023-12-31T03:04:05.000Z","x":"2024.01 1 6"}`}},
		{"a list in add_field adds each", `mutate { add_field => { "a" => ["1","2"] } }`, `{}`, []string{`{"a":["1","2"]}`}},
		{"remove_field on a failing filter does nothing", `json { source => "message" remove_field => ["message"] }`, `{"message":"{"}`, []string{`{"message":"{","tags":["_jsonparsefailure"]}`}},
	})
}

func TestJSONFilter(t *testing.T) {
	t.Parallel()
	runFilterCases(t, []filterCase{
		{"into the event", `json { source => "message" }`, `{"message":"{\"a\":1,\"b\":1.50,\"[c][d]\":true}"}`, []string{`{"message":"{\"a\":1,\"b\":1.50,\"[c][d]\":true}","a":1,"b":1.5,"c":{"d":true}}`}},
		{"into a target", `json { source => "message" target => "[x][y]" }`, `{"message":"[1,2]"}`, []string{`{"message":"[1,2]","x":{"y":[1,2]}}`}},
		{"no object without a target", `json { source => "message" }`, `{"message":"[1]"}`, []string{`{"message":"[1]","tags":["_jsonparsefailure"]}`}},
		{"no source, no work", `json { source => "other" add_tag => ["x"] }`, `{"message":"x"}`, []string{`{"message":"x"}`}},
		{"invalid and to be skipped", `json { source => "message" skip_on_invalid_json => true }`, `{"message":"x"}`, []string{`{"message":"x"}`}},
		{"own failure tags", `json { source => "message" tag_on_failure => ["a","b"] }`, `{"message":"x"}`, []string{`{"message":"x","tags":["a","b"]}`}},
		{"@timestamp is coerced", `json { source => "message" }`, `{"message":"{\"@timestamp\":\"2020-02-03T04:05:06Z\"}"}`, []string{`{"message":"{\"@timestamp\":\"2020-02-03T04:05:06Z\"}","@timestamp":"2020-02-03T04:05:06.000Z"}`}},
		{"@timestamp that is none", `json { source => "message" }`, `{"message":"{\"@timestamp\":\"soon\"}"}`, []string{`{"message":"{\"@timestamp\":\"soon\"}","_@timestamp":"soon","tags":["_timestampparsefailure"]}`}},
		{"an empty text is null", `json { source => "message" target => "t" } json { source => "message" skip_on_invalid_json => true }`, `{"message":""}`, []string{`{"message":"","t":null,"tags":["_jsonparsefailure"]}`}},
		{"a byte order mark", `json { source => "message" remove_field => ["message"] }`, `{"message":"\ufeff{\"a\":1}"}`, []string{`{"a":1}`}},
		{"large numbers stay exact", `json { source => "message" remove_field => ["message"] }`, `{"message":"{\"n\":123456789012345678901234567890}"}`, []string{`{"n":123456789012345678901234567890}`}},
	})
}

func TestDrop(t *testing.T) {
	t.Parallel()
	runFilterCases(t, []filterCase{
		{"drops", `if [level] == "DEBUG" { drop { } }`, `{"level":"DEBUG"}`, nil},
		{"keeps", `if [level] == "DEBUG" { drop { } }`, `{"level":"INFO"}`, []string{`{"level":"INFO"}`}},
		{"no percentage", `drop { percentage => 0 }`, `{"a":1}`, []string{`{"a":1}`}},
	})
}

func TestDate(t *testing.T) {
	t.Parallel()
	var cases []filterCase
	for _, c := range []struct{ format, in, want string }{
		{`"ISO8601"`, `"2024-01-15T10:30:00.123Z"`, "2024-01-15T10:30:00.123Z"},
		{`"ISO8601"`, `"2024-01-15T10:30:00,123+0200"`, "2024-01-15T08:30:00.123Z"},
		{`"ISO8601"`, `"2024-01-15T10:30:00"`, "2024-01-15T10:30:00.000Z"},
		{`"ISO8601"`, `"2024-01-15"`, "2024-01-15T00:00:00.000Z"},
		{`"ISO8601"`, `"2024-01-15 10:30:00,123"`, "2024-01-15T10:30:00.123Z"},
		{`"ISO8601"`, `"2024-01-15T10:30:00.123456789Z"`, "2024-01-15T10:30:00.123Z"},
		{`"ISO8601"`, `"2024-01-15 10:30:00"`, ""},
		{`"ISO8601"`, `"yesterday"`, ""},
		{`"ISO8601"`, `1705314600`, ""},
		{`"UNIX"`, `1705314600`, "2024-01-15T10:30:00.000Z"},
		{`"UNIX"`, `"1705314600.5"`, "2024-01-15T10:30:00.500Z"},
		{`"UNIX"`, `1705314600.123`, "2024-01-15T10:30:00.123Z"},
		{`"UNIX"`, `1705314600123`, ""},
		{`"UNIX_MS"`, `"1705314600123"`, "2024-01-15T10:30:00.123Z"},
		{`"UNIX_MS"`, `"x"`, ""},
		{`"TAI64N"`, `"@4000000050d506482dbdf024"`, "2012-12-22T01:00:46.767Z"},
		{`"TAI64N"`, `"4000000050d506482dbdf024"`, "2012-12-22T01:00:46.767Z"},
		{`"dd/MMM/yyyy:HH:mm:ss Z"`, `"15/Jan/2024:10:30:00 +0100"`, "2024-01-15T09:30:00.000Z"},
		{`"EEE MMM dd HH:mm:ss yyyy"`, `"Mon Jan 15 10:30:00 2024"`, "2024-01-15T10:30:00.000Z"},
		{`"MMM  d HH:mm:ss", "MMM dd HH:mm:ss"`, `"Dec 24 10:30:00"`, "2023-12-24T10:30:00.000Z"},
		{`"yyyyMMddHHmmssSSS"`, `"20240115103000123"`, "2024-01-15T10:30:00.123Z"},
		{`"yyyy-MM-dd hh:mm:ss a"`, `"2024-01-15 10:30:00 PM"`, "2024-01-15T22:30:00.000Z"},
		{`"yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"`, `"2024-01-15T10:30:00.123Z"`, "2024-01-15T10:30:00.123Z"},
		{`"yyyy-MM-dd HH:mm:ss ZZZ"`, `"2024-07-15 10:30:00 Europe/Berlin"`, "2024-07-15T08:30:00.000Z"},
		{`"yyyy-DDD"`, `"2024-032"`, "2024-02-01T00:00:00.000Z"},
		{`"yyyy-'W'ww-e"`, `"2024-W03-1"`, "2024-01-15T00:00:00.000Z"},
		// Without y or Y Logstash takes the current year, which here is the same.
		{`"xxxx-'W'ww-e"`, `"2020-W03-1"`, "2024-01-13T00:00:00.000Z"},
		{`"ISO8601"`, `"2024-W03-1"`, "2024-01-15T00:00:00.000Z"},
		{`"ISO8601"`, `"2024-015T10"`, "2024-01-15T10:00:00.000Z"},
		{`"ISO8601"`, `"2024-1-5t1:3:0z"`, "2024-01-05T01:03:00.000Z"},
		{`"ISO8601"`, `"2024-01-15T10.5Z"`, "2024-01-15T10:30:00.000Z"},
		{`"ISO8601"`, `"2024-01-15T10:30,5+02"`, "2024-01-15T08:30:30.000Z"},
		{`"ISO8601"`, `"0"`, "0000-01-01T00:00:00.000Z"},
		{`"ISO8601"`, `"2024-01-15T10:30:00 +0100"`, ""},
		{`"ISO8601"`, `"20240115T103000Z"`, ""},
		{`"ISO8601"`, `"2024-01-15T24:00:00Z"`, ""},
		// A weekday that contradicts the day moves it within its week; alone it is one of the year's first or last week.
		{`"EEE dd MMM yyyy"`, `"Sun 02 Jun 2026"`, "2026-06-07T00:00:00.000Z"},
		{`"EEE"`, `"Wed"`, "2024-01-03T00:00:00.000Z"},
		{`"yyyy-DDD"`, `"2023-366"`, ""},
		{`"G yyyy"`, `"BC 44"`, "0044-01-01T00:00:00.000Z"},
		{`"CCyy"`, `"2024"`, "2024-01-01T00:00:00.000Z"},
		{`"yyyy-MM-dd HH:mm z"`, `"2024-01-15 10:30 PDT"`, "2024-01-15T18:30:00.000Z"},
		{`"yyyy-MM-dd"`, `"2024-02-30"`, ""},
		{`"yyyy-MM-dd"`, `"2024-01-15 and more"`, ""},
	} {
		want := fmt.Sprintf(`{"t":%s,"@timestamp":%q}`, c.in, c.want)
		if c.want == "" {
			want = fmt.Sprintf(`{"t":%s,"tags":["_dateparsefailure"]}`, c.in)
		}
		cases = append(cases, filterCase{c.format + " of " + c.in, `date { match => ["t", ` + c.format + `] }`, `{"t":` + c.in + `}`, []string{want}})
	}
	cases = append(cases,
		filterCase{"timezone", `date { match => ["t", "yyyy-MM-dd HH:mm"] timezone => "America/New_York" }`, `{"t":"2024-07-15 10:30"}`, []string{`{"t":"2024-07-15 10:30","@timestamp":"2024-07-15T14:30:00.000Z"}`}},
		filterCase{"timezone from the event", `date { match => ["t", "yyyy-MM-dd HH:mm"] timezone => "%{tz}" }`, `{"t":"2024-07-15 10:30","tz":"Asia/Tokyo"}`, []string{`{"t":"2024-07-15 10:30","tz":"Asia/Tokyo","@timestamp":"2024-07-15T01:30:00.000Z"}`}},
		filterCase{"locale", `date { match => ["t", "dd MMMM yyyy"] locale => "fr-FR" target => "x" }`, `{"t":"15 février 2024"}`, []string{`{"t":"15 février 2024","x":"2024-02-15T00:00:00.000Z"}`}},
		filterCase{"clocks that skip the time", `date { match => ["t", "yyyy-MM-dd HH:mm"] timezone => "Europe/Berlin" }`, `{"t":"2024-03-31 02:30"}`, []string{`{"t":"2024-03-31 02:30","tags":["_dateparsefailure"]}`}},
		filterCase{"clocks that show the time twice", `date { match => ["t", "yyyy-MM-dd HH:mm"] timezone => "Europe/Berlin" }`, `{"t":"2024-10-27 02:30"}`, []string{`{"t":"2024-10-27 02:30","@timestamp":"2024-10-27T00:30:00.000Z"}`}},
		filterCase{"a region's locale", `date { match => ["t", "dd MMM yyyy"] locale => "en_GB" }`, `{"t":"15 Sept 2024"}`, []string{`{"t":"15 Sept 2024","@timestamp":"2024-09-15T00:00:00.000Z"}`}},
		filterCase{"another locale", `date { match => ["t", "EEEE d MMMM yyyy"] locale => "pt-BR" }`, `{"t":"segunda-feira 15 janeiro 2024"}`, []string{`{"t":"segunda-feira 15 janeiro 2024","@timestamp":"2024-01-15T00:00:00.000Z"}`}},
		filterCase{"no field, no work", `date { match => ["u", "ISO8601"] add_tag => ["x"] }`, `{"t":1}`, []string{`{"t":1}`}},
		filterCase{"a later format", `date { match => ["t", "ISO8601", "UNIX"] add_tag => ["x"] }`, `{"t":"1705314600"}`, []string{`{"t":"1705314600","@timestamp":"2024-01-15T10:30:00.000Z","tags":["x"]}`}},
		filterCase{"a list is no date", `date { match => ["t", "ISO8601"] }`, `{"t":["2024-01-15"]}`, []string{`{"t":["2024-01-15"],"tags":["_dateparsefailure"]}`}},
	)
	runFilterCases(t, cases)
}
