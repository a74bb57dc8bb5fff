package logstash

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/logstash/event"
)

func TestConditions(t *testing.T) {
	t.Parallel()
	const in = `{"s":"abc","n":5,"f":5.0,"neg":-1,"t":true,"no":false,"empty":"","nil":null,"l":["a","b",1],"h":{"k":"v","[x]":1},"sub":"b","@metadata":{"m":{"x":"y"}},"tags":["one","two"],"word":"false"}`
	for _, c := range []struct {
		condition string
		want      bool
	}{
		{`[s]`, true}, {`[none]`, false}, {`[nil]`, false}, {`[no]`, false}, {`[empty]`, false}, {`[word]`, false}, {`[n]`, true}, {`[l]`, true}, {`[h]`, true},
		{`![s]`, false}, {`![none]`, true}, {`!([s] == "x")`, true},
		{`[h][k] == "v"`, true}, {`[@metadata][m][x] == "y"`, true}, {`"v" == [h][k]`, true}, {`[l][0] == "a"`, true}, {`[l][-1] == 1`, true},
		{`[s] == "abc"`, true}, {`[s] != "abc"`, false}, {`[none] != "abc"`, true}, {`[n] == 5`, true}, {`[n] == 5.0`, true}, {`[f] == 5`, false}, {`[f] != 5`, true}, {`[n] == "5"`, false}, {`[n] == [f]`, false},
		{`[n] > 4`, true}, {`[n] >= 5`, true}, {`[n] < 5`, false}, {`[n] <= 5`, true}, {`4 < [n]`, true}, {`[neg] < 0`, true}, {`[neg] == -1`, true}, {`[s] < "b"`, true}, {`2 > 1`, true},
		{`[s] =~ /^a.c$/`, true}, {`[s] =~ "b"`, true}, {`[s] !~ /b/`, false}, {`[none] =~ /a/`, false}, {`[none] !~ /a/`, true}, {`[n] =~ /5/`, false}, {`[s] =~ /a\/b/`, false}, {`[s] =~ /(?i)ABC/`, true}, {`[s] =~ /^(?=a)/`, true},
		{`"a" in [l]`, true}, {`"c" in [l]`, false}, {`1 in [l]`, true}, {`"bc" in [s]`, true}, {`[sub] in [l]`, true}, {`[sub] in [s]`, true}, {`[n] in [f]`, true}, {`[l] in [l]`, false}, {`"one" in [tags]`, true}, {`"on" in [tags]`, false},
		{`[s] in ["abc","d"]`, true}, {`[n] in [5, 6]`, true}, {`[n] in ["5", "6"]`, true}, {`[none] in ["abc", "x"]`, false}, {`[s] in "xabcx"`, true}, {`[none] in "x"`, false},
		{`[s] not in ["abc", "x"]`, false}, {`[none] not in ["abc", "x"]`, true}, {`"a" not in [l]`, false}, {`"a" in ["a","b"]`, true}, {`"a" in "cat"`, true},
		{`[s] and [n]`, true}, {`[s] and [none]`, false}, {`[none] or [s]`, true}, {`[s] xor [n]`, false}, {`[s] xor [none]`, true}, {`[s] nand [n]`, false}, {`[s] nand [none]`, true},
		{`[none] and [s] or [n]`, true}, {`[n] or [s] and [none]`, true}, {`([n] or [s]) and [none]`, false}, {`[s] and !([none] or [empty])`, true},
		// Logstash's own precedence: this is [none] and (([s] and [s]) or [n]).
		{`[none] and [s] and [s] or [n]`, false},
		{`("a" in [l] and [s] == "abc") or [none]`, true},
	} {
		t.Run(c.condition, func(t *testing.T) {
			t.Parallel()
			p, err := CompileText("test.conf", "filter { if "+c.condition+" { mutate { add_field => { took => \"if\" } } } else { mutate { add_field => { took => \"else\" } } } }", defaultSettings(".", ".", nil), time.Now)
			require.NoError(t, err)
			out := p.Filter([]*event.Event{eventOf(t, in)})
			require.Len(t, out, 1)
			require.Equal(t, map[bool]string{true: "if", false: "else"}[c.want], out[0].Get(event.MustRef("took")))
		})
	}
}

func TestElseIf(t *testing.T) {
	t.Parallel()
	const filter = `if [a] == 1 { mutate { add_tag => ["one"] } } else if [a] == 2 { mutate { add_tag => ["two"] } } else if [a] == 3 { } else { mutate { add_tag => ["else"] } }`
	p, err := CompileText("test.conf", "filter {"+filter+"}", defaultSettings(".", ".", nil), time.Now)
	require.NoError(t, err)
	var batch []*event.Event
	for _, in := range []string{`{"a":4}`, `{"a":1}`, `{"a":2}`, `{"a":3}`, `{"a":1}`} {
		batch = append(batch, eventOf(t, in))
	}
	out := p.Filter(batch)
	var got []any
	for _, e := range out {
		got = append(got, e.Get(event.MustRef("a")), e.Get(event.MustRef("tags")))
	}
	require.Equal(t, []any{int64(4), []any{"else"}, int64(1), []any{"one"}, int64(2), []any{"two"}, int64(3), nil, int64(1), []any{"one"}}, got, "the order of the batch stays")
}

func TestConditionThatCannotBeEvaluated(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := defaultSettings(".", data, nil)
	s.DeadLetters = true
	p, err := CompileText("test.conf", `filter { if [none] > 5 { drop { } } }`, s, time.Now)
	require.NoError(t, err)
	out := p.Filter([]*event.Event{eventOf(t, `{"a":1}`), eventOf(t, `{"none":1}`)})
	require.Len(t, out, 1, "the event that has no such field is taken out")
	require.Contains(t, readFile(t, segmentPath(p.dead.dir, 1)), `"a":1`)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"a list of one text", "filter { if [a] in [\"b\"] { drop { } } }", "Logstash reads [\"b\"] as a field's name"},
		{"a brace is missing", "filter {\n  mutate {\n    add_tag => [\"a\"]\n", "pipeline.conf:4"},
		{"a quote is missing", "filter {\n  mutate { add_tag => [\"a] }\n}\n", "closing double quotes"},
		{"unknown section", "filters { }", "pipeline.conf:1: the pipeline cannot be parsed"},
		{"unknown plugin", "filter {\n  # comment\n  ruby { code => \"x\" }\n}", `pipeline.conf:3: unknown filter plugin "ruby": this runner has clone, date, dissect,`},
		{"unknown input", "input { beats { port => 5044 } }", `pipeline.conf:1: unknown input plugin "beats"`},
		{"unknown output", "output { s3 { } }", `unknown output plugin "s3"`},
		{"unknown codec", "input {\n stdin {\n  codec => avro {\n    schema => 1\n  }\n }\n}", `pipeline.conf:3: unknown codec plugin "avro"`},
		{"unknown option", "filter {\n  mutate {\n    add_tag => [\"a\"]\n    ad_field => { \"a\" => \"b\" }\n  }\n}", "pipeline.conf:4: filter mutate: option ad_field: unknown here (known: add_field, add_tag,"},
		{"unknown option of a codec", "input {\n stdin {\n  codec => line {\n    format => \"x\"\n    charsets => \"UTF-8\"\n  }\n }\n}", "pipeline.conf:5: codec line: option charsets: unknown here"},
		{"option missing", "filter {\n\n json { }\n}", "pipeline.conf:3: filter json: option source is missing"},
		{"wrong type", "filter {\n grok { match => { \"message\" => \"%{INT:n}\" } break_on_match => maybe }\n}", "pipeline.conf:2: filter grok: option break_on_match: expected true or false"},
		{"unknown grok pattern", "filter {\n grok {\n  match => {\n   \"message\" => [\"%{INT:n}\",\n    \"%{NOSUCH:n}\"]\n  }\n }\n}", "pipeline.conf:5: filter grok: option match: grok pattern \"%{NOSUCH:n}\": pattern %{NOSUCH:n} is not defined"},
		{"recursive grok pattern", "filter { grok { match => { \"message\" => \"%{A}\" } pattern_definitions => { \"A\" => \"%{B}\" \"B\" => \"%{A}\" } } }", "it contains itself"},
		{"bad date pattern", "filter { date { match => [\"t\", \"yyyy-bb\"] } }", "illegal pattern component \"bb\""},
		{"unknown locale", "filter { date { match => [\"t\", \"MMM\"] locale => \"tlh\" } }", "locale \"tlh\""},
		{"unknown time zone", "filter { date { match => [\"t\", \"ISO8601\"] timezone => \"Mars/Base\" } }", "\"Mars/Base\" is no time zone"},
		{"date without a format", "filter { date { match => [\"t\"] } }", "expected a field and at least one format"},
		{"bad regular expression", "filter {\n if [a] =~ /(/ { drop { } }\n}", "pipeline.conf:2: regular expression \"(\": a group is not closed"},
		{"bad field reference", "filter { mutate { remove_field => [\"[a\"] } }", "invalid field reference \"[a\""},
		{"bad reference in a template", "filter { mutate { add_field => { \"a\" => \"%{[b}\" } } }", "invalid field reference \"[b\""},
		{"bad date in a template", "output { elasticsearch { index => \"a-%{+yyyy.bb}\" manage_template => false ilm_enabled => false } }", "option index"},
		{"xor in a chain", "filter { if [a] xor [b] xor [c] { drop { } } }", "put parentheses around"},
		{"a literal as a condition", "filter { if \"a\" { drop { } } }", "alone is no condition"},
		{"compare with a list", "filter { if [a] == [\"b\", \"c\"] { drop { } } }", "cannot compare with a list"},
		{"one key twice", "filter { mutate { add_field => { \"a\" => \"1\" \"a\" => \"2\" } } }", "the key \"a\" stands twice"},
		{"one id twice", "filter {\n drop { id => \"x\" }\n drop { id => \"x\" }\n}", "pipeline.conf:3: filter drop: option id: \"x\" is already the id of the plugin in line 2"},
		{"an environment variable without a default", "input { kafka { topics => [\"${NO_SUCH_TOPIC}\"] } }", "cannot evaluate ${NO_SUCH_TOPIC}"},
		{"gsub with two elements", "filter { mutate { gsub => [\"a\", \"b\"] } }", "expected three elements"},
		{"bad conversion", "filter { mutate { convert => { \"a\" => \"int\" } } }", "invalid conversion type \"int\" for a"},
		{"template management", "output { elasticsearch { index => \"a\" template_name => \"logs\" } }", "option manage_template: set it to false"},
		{"Logstash's own template", "output { elasticsearch { index => \"logstash-%{+yyyy}\" ilm_enabled => false } }", "option manage_template: set it to false"},
		{"life cycle management", "output { elasticsearch { index => \"a\" ilm_policy => \"p\" } }", "option ilm_enabled: set it to false"},
		{"conditional input", "input { if [a] { stdin { } } }", "inputs cannot stand in a conditional"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := CompileText("pipeline.conf", c.text, defaultSettings(".", ".", func(string) (string, bool) { return "", false }), time.Now)
			require.ErrorContains(t, err, c.want)
		})
	}
}
