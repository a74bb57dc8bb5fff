package logstash

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/logstash/event"
)

func TestGrok(t *testing.T) {
	t.Parallel()
	apache := `83.149.9.216 - frank [15/Jan/2024:10:30:00 +0000] \"GET /a?b=c HTTP/1.1\" 200 203023 \"http://example.org/\" \"Mozilla/5.0 (X11)\"`
	runFilterCases(t, []filterCase{
		{"fields and types", `grok { match => { "message" => "%{IP:client} %{WORD:method} %{NUMBER:bytes:int} %{NUMBER:[d][t]:float}" } }`,
			`{"message":"55.3.244.1 GET 15824 0.043"}`, []string{`{"message":"55.3.244.1 GET 15824 0.043","client":"55.3.244.1","method":"GET","bytes":15824,"d":{"t":0.043}}`}},
		{"no match", `grok { match => { "message" => "%{INT:n}$" } add_tag => ["x"] }`, `{"message":"none"}`, []string{`{"message":"none","tags":["_grokparsefailure"]}`}},
		{"the first of several patterns", `grok { match => { "message" => ["%{INT:n}", "%{WORD:w}"] } }`, `{"message":"a 1"}`, []string{`{"message":"a 1","n":"1"}`}},
		{"all patterns without break_on_match", `grok { match => { "message" => ["%{INT:n}", "%{WORD:w}"] } break_on_match => false }`, `{"message":"a 1"}`, []string{`{"message":"a 1","n":"1","w":"a"}`}},
		{"several fields stop at the first", `grok { match => { "a" => "%{INT:x}" "b" => "%{INT:y}" } }`, `{"a":"1","b":"2"}`, []string{`{"a":"1","b":"2","x":"1"}`}},
		{"overwrite", `grok { match => { "message" => "%{WORD} %{GREEDYDATA:message}" } overwrite => ["message"] }`, `{"message":"a b c"}`, []string{`{"message":"b c"}`}},
		{"a field that is there becomes a list", `grok { match => { "message" => "%{WORD} %{GREEDYDATA:message}" } }`, `{"message":"a b"}`, []string{`{"message":["a b","b"]}`}},
		{"one name twice", `grok { match => { "message" => "%{INT:n} %{INT:n}" } }`, `{"message":"1 2"}`, []string{`{"message":"1 2","n":["1","2"]}`}},
		{"ruby's named groups", `grok { match => { "message" => "(?<queue_id>[0-9A-F]{10,11})" } }`, `{"message":"id BEF25A72965"}`, []string{`{"message":"id BEF25A72965","queue_id":"BEF25A72965"}`}},
		{"pattern_definitions", `grok { match => { "message" => "%{ID:id}" } pattern_definitions => { "ID" => "[a-f]+%{INT}" } }`, `{"message":"abc12"}`, []string{`{"message":"abc12","id":"abc12"}`}},
		{"an inline definition", `grok { match => { "message" => "%{ID:id=x[0-9]{2}}" } }`, `{"message":"x12"}`, []string{`{"message":"x12","id":"x12"}`}},
		{"unnamed captures", `grok { match => { "message" => "%{INT} %{WORD:w}" } named_captures_only => false }`, `{"message":"1 a"}`, []string{`{"message":"1 a","INT":"1","w":"a"}`}},
		{"empty captures are left out", `grok { match => { "message" => "a%{DATA:d}b" } }`, `{"message":"ab"}`, []string{`{"message":"ab"}`}},
		{"or kept", `grok { match => { "message" => "a%{DATA:d}b(?<e>x)?" } keep_empty_captures => true }`, `{"message":"ab"}`, []string{`{"message":"ab","d":"","e":null}`}},
		{"target", `grok { match => { "message" => "%{INT:n} %{INT:[m][o]}" } target => "g" }`, `{"message":"1 2"}`, []string{`{"message":"1 2","g":{"n":"1","m":{"o":"2"}}}`}},
		{"a dot matches a line's end", `grok { match => { "message" => "%{WORD:w} %{GREEDYDATA:rest}" } }`, `{"message":"a b\nc"}`, []string{`{"message":"a b\nc","w":"a","rest":"b\nc"}`}},
		{"^ matches at a line's start", `grok { match => { "message" => "^%{INT:n}$" } }`, `{"message":"a\n5\nb"}`, []string{`{"message":"a\n5\nb","n":"5"}`}},
		{"numbers and lists as input", `grok { match => { "message" => "%{INT:n}" } }`, `{"message":[7,"8"]}`, []string{`{"message":[7,"8"],"n":["7","8"]}`}},
		{"possessive and atomic", `grok { match => { "message" => "^(?<a>\w++)-(?<b>(?>\d+))$" } }`, `{"message":"ab-12"}`, []string{`{"message":"ab-12","a":"ab","b":"12"}`}},
		{"combined log, ECS", `grok { match => { "message" => "%{COMBINEDAPACHELOG}" } remove_field => ["message"] }`, `{"message":"` + apache + `"}`,
			[]string{`{"timestamp":"15/Jan/2024:10:30:00 +0000","source":{"address":"83.149.9.216"},"user":{"name":"frank"},"url":{"original":"/a?b=c"},"user_agent":{"original":"Mozilla/5.0 (X11)"},
				"http":{"version":"1.1","request":{"method":"GET","referrer":"http://example.org/"},"response":{"status_code":200,"body":{"bytes":203023}}}}`}},
		{"combined log, legacy", `grok { match => { "message" => "%{COMBINEDAPACHELOG}" } remove_field => ["message"] ecs_compatibility => disabled }`, `{"message":"` + apache + `"}`,
			[]string{`{"timestamp":"15/Jan/2024:10:30:00 +0000","clientip":"83.149.9.216","ident":"-","auth":"frank","verb":"GET","request":"/a?b=c","httpversion":"1.1","response":"200","bytes":"203023","referrer":"\"http://example.org/\"","agent":"\"Mozilla/5.0 (X11)\""}`}},
		{"syslog, ECS", `grok { match => { "message" => "%{SYSLOGLINE}" } overwrite => ["message"] }`, `{"message":"Jan 15 10:30:00 host1 cron[42]: run"}`,
			[]string{`{"message":"run","timestamp":"Jan 15 10:30:00","host":{"hostname":"host1"},"process":{"name":"cron","pid":42}}`}},
		{"syslog, legacy", `grok { match => { "message" => "%{SYSLOGLINE}" } overwrite => ["message"] ecs_compatibility => disabled }`, `{"message":"Jan 15 10:30:00 host1 cron[42]: run"}`,
			[]string{`{"message":"run","timestamp":"Jan 15 10:30:00","logsource":"host1","program":"cron","pid":"42"}`}},
		{"a match that takes too long", `grok { match => { "message" => "^(a+)+$" } timeout_millis => 20 }`, `{"message":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"}`, []string{`{"message":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!","tags":["_groktimeout"]}`}},
	})
}

func TestGrokPatternsDir(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "own"), "# ours\nTICKET [A-Z]+-%{INT}\n\nJUSTANAME\n")
	s := defaultSettings(dir, dir, nil)
	p, err := CompileText("test.conf", `filter { grok { patterns_dir => ["`+dir+`"] match => { "message" => "%{TICKET:ticket}" } } }`, s, time.Now)
	require.NoError(t, err)
	out := p.Filter([]*event.Event{eventOf(t, `{"message":"see OPS-12"}`)})
	require.Equal(t, "OPS-12", out[0].Get(event.MustRef("ticket")))
	writeFile(t, filepath.Join(dir, "own"), "TICKET [A-Z]+ \n")
	_, err = CompileText("test.conf", `filter { grok { patterns_dir => ["`+dir+`"] match => { "message" => "%{TICKET:ticket}" } } }`, s, time.Now)
	require.ErrorContains(t, err, "own:1: pattern TICKET ends with white space")
}

func TestKV(t *testing.T) {
	t.Parallel()
	runFilterCases(t, []filterCase{
		{"defaults", `kv { }`, `{"message":"hello=world foo=bar baz=fizz doublequoted=\"hello world\" singlequoted='hello world' bracketsone=(hello world) bracketstwo=[hello world] bracketsthree=<hello world>"}`,
			[]string{`{"message":"hello=world foo=bar baz=fizz doublequoted=\"hello world\" singlequoted='hello world' bracketsone=(hello world) bracketstwo=[hello world] bracketsthree=<hello world>",
			"hello":"world","foo":"bar","baz":"fizz","doublequoted":"hello world","singlequoted":"hello world","bracketsone":"hello world","bracketstwo":"hello world","bracketsthree":"hello world"}`}},
		{"spaces around the separator", `kv { target => "kv" }`, `{"message":"a = b c= d"}`, []string{`{"message":"a = b c= d","kv":{"a":"b","c":"d"}}`}},
		{"strict about spaces", `kv { target => "kv" whitespace => "strict" }`, `{"message":"a = b c=d"}`, []string{`{"message":"a = b c=d","kv":{"c":"d"}}`}},
		{"separators", `kv { field_split => "&?" value_split => ":" target => "kv" }`, `{"message":"?a:1&b:2 3"}`, []string{`{"message":"?a:1&b:2 3","kv":{"a":"1","b":"2 3"}}`}},
		{"separator patterns", `kv { field_split_pattern => "::+" value_split_pattern => "=+" target => "kv" }`, `{"message":"k1=v1::k2==v2:::k3=v3"}`, []string{`{"message":"k1=v1::k2==v2:::k3=v3","kv":{"k1":"v1","k2":"v2","k3":"v3"}}`}},
		{"trimming and removing", `kv { trim_value => "<>," trim_key => "_" remove_char_value => "\[\]" remove_char_key => "-" target => "kv" include_brackets => false }`,
			`{"message":"_a-b_=<1>, c=[2]"}`, []string{`{"message":"_a-b_=<1>, c=[2]","kv":{"ab":"1","c":"2"}}`}},
		{"transforming", `kv { transform_key => "uppercase" transform_value => "capitalize" target => "kv" }`, `{"message":"a=bC"}`, []string{`{"message":"a=bC","kv":{"A":"Bc"}}`}},
		{"prefix, include and exclude", `kv { prefix => "p_" include_keys => ["a","b"] exclude_keys => ["b"] }`, `{"message":"a=1 b=2 c=3"}`, []string{`{"message":"a=1 b=2 c=3","p_a":"1"}`}},
		{"default keys", `kv { default_keys => { "a" => "0" "z" => "9" } target => "kv" }`, `{"message":"a=1"}`, []string{`{"message":"a=1","kv":{"a":"1","z":"9"}}`}},
		{"repeated keys", `kv { target => "kv" }`, `{"message":"a=1 a=1 a=2"}`, []string{`{"message":"a=1 a=1 a=2","kv":{"a":["1","1","2"]}}`}},
		{"without duplicates", `kv { target => "kv" allow_duplicate_values => false }`, `{"message":"a=1 a=1 a=2"}`, []string{`{"message":"a=1 a=1 a=2","kv":{"a":["1","2"]}}`}},
		{"empty values", `kv { target => "kv" allow_empty_values => true whitespace => strict }`, `{"message":"a= b=\"\" c=1"}`, []string{`{"message":"a= b=\"\" c=1","kv":{"a":"","b":"","c":"1"}}`}},
		{"empty values are left out", `kv { target => "kv" }`, `{"message":"a=\"\" c=1"}`, []string{`{"message":"a=\"\" c=1","kv":{"c":"1"}}`}},
		{"recursive", `kv { target => "kv" recursive => true }`, `{"message":"a=(b=1 c=2)"}`, []string{`{"message":"a=(b=1 c=2)","kv":{"a":{"b":"1","c":"2"}}}`}},
		{"a list", `kv { target => "kv" source => "l" }`, `{"l":["a=1","b=2",3]}`, []string{`{"l":["a=1","b=2",3],"kv":{"a":"1","b":"2"}}`}},
		{"the first key that cannot be set ends it", `kv { add_tag => ["x"] }`, `{"message":"b=1 @timestamp=x a=1"}`, []string{`{"message":"b=1 @timestamp=x a=1","b":"1","tags":["_kv_filter_error"]}`}},
		{"nothing found", `kv { add_tag => ["x"] }`, `{"message":"nothing"}`, []string{`{"message":"nothing"}`}},
		{"a key that is no reference", `kv { }`, `{"message":"[a=1"}`, []string{`{"message":"[a=1","tags":["_kv_filter_error"]}`}},
	})
}

func TestDissect(t *testing.T) {
	t.Parallel()
	runFilterCases(t, []filterCase{
		{"fields", `dissect { mapping => { "message" => "%{ts} %{+ts} %{+ts} %{src} %{} %{prog}[%{pid}]: %{msg}" } }`, `{"message":"Jan 15 10:30:00 h x cron[42]: a b"}`,
			[]string{`{"message":"Jan 15 10:30:00 h x cron[42]: a b","ts":"Jan 15 10:30:00","src":"h","prog":"cron","pid":"42","msg":"a b"}`}},
		{"append with order", `dissect { mapping => { "message" => "%{+a/2} %{+a/1} %{+a/4} %{+a/3}" } }`, `{"message":"1 2 3 go"}`, []string{`{"message":"1 2 3 go","a":"2 1 go 3"}`}},
		{"indirect", `dissect { mapping => { "message" => "error: %{?err}, %{&err}" } }`, `{"message":"error: some_error, description"}`, []string{`{"message":"error: some_error, description","some_error":"description"}`}},
		{"greedy delimiters", `dissect { mapping => { "message" => "%{a->} %{b}" } }`, `{"message":"x     y z"}`, []string{`{"message":"x     y z","a":"x","b":"y z"}`}},
		{"nested names and text at the end", `dissect { mapping => { "message" => "<%{[x][y]}>" } }`, `{"message":"<v>"}`, []string{`{"message":"<v>","x":{"y":"v"}}`}},
		{"text before the first field is missing", `dissect { mapping => { "message" => "id=%{a} %{b}" } }`, `{"message":"x id=1 2"}`, []string{`{"message":"x id=1 2","tags":["_dissectfailure"]}`}},
		{"a delimiter is missing", `dissect { mapping => { "message" => "%{a},%{b}" } tag_on_failure => ["bad"] }`, `{"message":"x"}`, []string{`{"message":"x","tags":["bad"]}`}},
		{"an empty text", `dissect { mapping => { "message" => "%{a}" } }`, `{"message":""}`, []string{`{"message":"","tags":["_dissectfailure"]}`}},
		{"no field, no work", `dissect { mapping => { "other" => "%{a}" } add_tag => ["x"] }`, `{"message":"a"}`, []string{`{"message":"a"}`}},
		{"a whole number stays one as a float", `dissect { mapping => { "message" => "%{a} %{b}" } convert_datatype => { "a" => "float" "b" => "float" } }`, `{"message":"12 1e3"}`, []string{`{"message":"12 1e3","a":12,"b":1000.0}`}},
		{"types", `dissect { mapping => { "message" => "%{i} %{f} %{x}" } convert_datatype => { "i" => "int" "f" => "float" "x" => "int" "none" => "int" } add_tag => ["ok"] }`, `{"message":"12 1.5 y"}`,
			[]string{`{"message":"12 1.5 y","i":12,"f":1.5,"x":"y","tags":["ok","_dataconversionuncoercible_x_int","_dataconversionnullvalue_none_int"]}`}},
	})
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	runFilterCases(t, []filterCase{
		{"SHA1 into ECS", `fingerprint { }`, `{"message":"abc"}`, []string{`{"message":"abc","event":{"hash":"a9993e364706816aba3e25717850c26c9cd0d89d"}}`}},
		{"legacy target", `fingerprint { method => "MD5" ecs_compatibility => disabled }`, `{"message":"abc"}`, []string{`{"message":"abc","fingerprint":"900150983cd24fb0d6963f7d28e17f72"}`}},
		{"HMAC", `fingerprint { method => "SHA1" key => "longencryptionkey" target => "f" source => ["clientip"] }`, `{"clientip":"123.123.123.123"}`, []string{`{"clientip":"123.123.123.123","f":"fdc60acc4773dc5ac569ffb78fcb93c9630797f4"}`}},
		{"a float is Ruby's text", `fingerprint { method => "MD5" target => "f" }`, `{"message":12345678.5}`, []string{`{"message":12345678.5,"f":"cf91e8ec6ab0b624a59d063b81a939ba"}`}},
		{"base64", `fingerprint { method => "SHA256" base64encode => true target => "f" }`, `{"message":"abc"}`, []string{`{"message":"abc","f":"ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="}`}},
		{"murmur3", `fingerprint { method => "MURMUR3" target => "f" source => ["clientip"] }`, `{"clientip":"123.52.122.33"}`, []string{`{"clientip":"123.52.122.33","f":1541804874}`}},
		{"network", `fingerprint { method => "IPV4_NETWORK" key => 24 target => "f" source => ["ip"] }`, `{"ip":"233.255.13.44"}`, []string{`{"ip":"233.255.13.44","f":"233.255.13.0"}`}},
		{"punctuation", `fingerprint { method => "PUNCTUATION" target => "f" source => ["m"] }`, `{"m":"PHP Warning: json_encode() [<a href='f']"}`, []string{`{"m":"PHP Warning: json_encode() [<a href='f']","f":":_()[<='']"}`}},
		{"concatenated", `fingerprint { concatenate_sources => true source => ["b","a"] target => "f" }`, `{"a":"1","b":2}`, []string{`{"a":"1","b":2,"f":"47d7ead16239ee4ea1c05f4c7577a241c5506404"}`}},
		{"a list", `fingerprint { method => "MD5" target => "f" }`, `{"message":["abc","abc"]}`, []string{`{"message":["abc","abc"],"f":["900150983cd24fb0d6963f7d28e17f72","900150983cd24fb0d6963f7d28e17f72"]}`}},
	})
	out := runFilter(t, `fingerprint { method => "UUID" target => "id" }`, `{}`)
	require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, out[0].Get(event.MustRef("id")))
}

func TestPrune(t *testing.T) {
	t.Parallel()
	runFilterCases(t, []filterCase{
		{"references that were never filled", `prune { }`, `{"a":1,"%{b}":2}`, []string{`{"a":1}`}},
		{"whitelist", `prune { whitelist_names => ["^a", "c$"] }`, `{"ab":1,"bc":2,"d":3}`, []string{`{"ab":1,"bc":2}`}},
		{"blacklist", `prune { blacklist_names => ["^a"] }`, `{"ab":1,"bc":2}`, []string{`{"bc":2}`}},
		{"values", `prune { whitelist_values => { "a" => "^x" } blacklist_values => { "b" => "^x" "l" => "x" } }`, `{"a":"y","b":"xz","l":["x","y"]}`, []string{`{"l":["y"]}`}},
		{"interpolated", `prune { interpolate => true blacklist_names => ["^%{which}$"] }`, `{"which":"a","a":1}`, []string{`{"which":"a"}`}},
	})
}

func TestSplit(t *testing.T) {
	t.Parallel()
	runFilterCases(t, []filterCase{
		{"lines", `split { add_tag => ["s"] }`, `{"message":"a\nb\n","k":1}`, []string{`{"message":"a","k":1,"tags":["s"]}`, `{"message":"b","k":1,"tags":["s"]}`}},
		{"one line is left alone", `split { add_tag => ["s"] }`, `{"message":"a"}`, []string{`{"message":"a"}`}},
		{"a list, then the following filters", `split { field => "[l]" } mutate { add_field => { "n" => "%{l}" } }`, `{"l":[1,{"x":2}]}`, []string{`{"l":1,"n":"1"}`, `{"l":{"x":2},"n":"{\"x\":2}"}`}},
		{"inside a conditional the order stays", `if [l] { split { field => "l" target => "e" } }  mutate { remove_field => ["l"] }`, `{"l":["a","b"]}`, []string{`{"e":"a"}`, `{"e":"b"}`}},
		{"terminator", `split { terminator => ";" }`, `{"message":"a;b"}`, []string{`{"message":"a"}`, `{"message":"b"}`}},
		{"a number", `split { }`, `{"message":5}`, []string{`{"message":5,"tags":["_split_type_failure"]}`}},
	})
}

func TestClone(t *testing.T) {
	t.Parallel()
	runFilterCases(t, []filterCase{
		{"by type", `clone { clones => ["a","b"] ecs_compatibility => disabled add_field => { "x" => "1" } }`, `{"m":1}`, []string{`{"m":1}`, `{"m":1,"type":"a","x":"1"}`, `{"m":1,"type":"b","x":"1"}`}},
		{"by tag", `clone { clones => ["a"] }  if "a" in [tags] { mutate { remove_field => ["m"] } }`, `{"m":1,"tags":["t"]}`, []string{`{"tags":["t","a"]}`, `{"m":1,"tags":["t"]}`}},
		{"none", `clone { clones => [] }`, `{"m":1}`, []string{`{"m":1}`}},
	})
}

func TestUUID(t *testing.T) {
	t.Parallel()
	runFilterCases(t, []filterCase{{"what is there stays", `uuid { target => "id" }`, `{"id":"x"}`, []string{`{"id":"x"}`}}})
	for _, filter := range []string{`uuid { target => "id" }`, `uuid { target => "id" overwrite => true }`} {
		first, second := runFilter(t, filter, `{}`), runFilter(t, filter, `{}`)
		require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, first[0].Get(event.MustRef("id")))
		require.NotEqual(t, first[0].Get(event.MustRef("id")), second[0].Get(event.MustRef("id")))
	}
}

func TestTruncate(t *testing.T) {
	t.Parallel()
	runFilterCases(t, []filterCase{
		{"bytes, not characters in two", `truncate { fields => "a" length_bytes => 3 add_tag => ["cut"] }`, `{"a":"aäöü"}`, []string{`{"a":"aä","tags":["cut"]}`}},
		{"short texts", `truncate { fields => ["a"] length_bytes => 9 add_tag => ["cut"] }`, `{"a":"abc"}`, []string{`{"a":"abc"}`}},
		{"everything", `truncate { length_bytes => 2 }`, `{"a":"abc","l":["abc",1],"h":{"x":"abc"}}`, []string{`{"a":"ab","l":["ab",1],"h":{"x":"ab"}}`}},
	})
}

func TestURLDecode(t *testing.T) {
	t.Parallel()
	runFilterCases(t, []filterCase{
		{"message", `urldecode { }`, `{"message":"a%20b%C3%A4+c%zz"}`, []string{`{"message":"a bä+c%zz"}`}},
		{"all fields", `urldecode { all_fields => true }`, `{"a":"%41","l":["%42",{"x":"%43"}],"n":1}`, []string{`{"a":"A","l":["B",{"x":"C"}],"n":1}`}},
	})
}

func TestTranslate(t *testing.T) {
	t.Parallel()
	runFilterCases(t, []filterCase{
		{"in place", `translate { source => "s" dictionary => { "200" => "OK" "x" => "y" } }`, `{"s":200}`, []string{`{"s":"OK"}`}},
		{"target and fallback", `translate { source => "s" target => "t" dictionary => [ "1", "one" ] fallback => "no %{s}" }`, `{"s":"2"}`, []string{`{"s":"2","t":"no 2"}`}},
		{"no fallback, no field", `translate { source => "s" target => "t" dictionary => { "1" => "one" } add_tag => ["x"] }`, `{"s":"2"}`, []string{`{"s":"2"}`}},
		{"the target is there", `translate { source => "s" target => "t" dictionary => { "1" => "one" } }`, `{"s":"1","t":"old"}`, []string{`{"s":"1","t":"old"}`}},
		{"and overridden", `translate { source => "s" target => "t" dictionary => { "1" => "one" } override => true }`, `{"s":"1","t":"old"}`, []string{`{"s":"1","t":"one"}`}},
		{"regular expressions", `translate { source => "s" target => "t" regex => true dictionary => { "^5\d\d" => "server" "^4" => "client" } }`, `{"s":"503"}`, []string{`{"s":"503","t":"server"}`}},
		{"parts of a text", `translate { source => "s" target => "t" exact => false dictionary => { "foo" => "1" "bar" => "2" } }`, `{"s":"foo and bar"}`, []string{`{"s":"foo and bar","t":"1 and 2"}`}},
		{"each of a list", `translate { source => "l" target => "t" iterate_on => "l" dictionary => { "a" => "1" } fallback => "?" }`, `{"l":["a","b"]}`, []string{`{"l":["a","b"],"t":["1","?"]}`}},
		{"each of a list of hashes", `translate { iterate_on => "l" source => "k" target => "n" dictionary => { "a" => "1" } }`, `{"l":[{"k":"a"},{"k":"b"},{}]}`, []string{`{"l":[{"k":"a","n":"1"},{"k":"b"},{}]}`}},
		{"legacy target", `translate { source => "s" dictionary => { "1" => "one" } ecs_compatibility => disabled }`, `{"s":"1"}`, []string{`{"s":"1","translation":"one"}`}},
	})
}

func TestTranslateFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"d.yml": "\"1\": one\nhash:\n  a: [1, x]\n", "d.json": `{"1":"one","hash":{"a":[1,"x"]}}`, "d.csv": "1,one\n\"with,comma\",x\n",
	} {
		file := filepath.Join(dir, name)
		writeFile(t, file, text)
		p, err := CompileText("test.conf", `filter { translate { source => "s" target => "t" dictionary_path => "`+file+`" } }`, defaultSettings(dir, dir, nil), time.Now)
		require.NoError(t, err)
		require.Equal(t, "one", p.Filter([]*event.Event{eventOf(t, `{"s":1}`)})[0].Get(event.MustRef("t")))
		if name != "d.csv" {
			require.Equal(t, map[string]any{"a": []any{int64(1), "x"}}, p.Filter([]*event.Event{eventOf(t, `{"s":"hash"}`)})[0].Get(event.MustRef("t")))
		}
	}
	// A changed file is read again after refresh_interval.
	now := clock
	file := filepath.Join(dir, "d.yml")
	p, err := CompileText("test.conf", `filter { translate { source => "s" target => "t" dictionary_path => "`+file+`" refresh_interval => 60 refresh_behaviour => replace } }`, defaultSettings(dir, dir, nil), func() time.Time { return now })
	require.NoError(t, err)
	look := func() any { return p.Filter([]*event.Event{eventOf(t, `{"s":1}`)})[0].Get(event.MustRef("t")) }
	writeFile(t, file, "\"1\": eins\n")
	require.Equal(t, "one", look())
	now = now.Add(time.Minute)
	require.Equal(t, "eins", look())
}
