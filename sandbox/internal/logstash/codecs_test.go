package logstash

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/logstash/event"
	"obsandbox/sandbox/internal/logstash/lang"
)

// codecOf makes a codec from its configuration: "json", or "line { delimiter => \"|\" }".
func codecOf(t *testing.T, config string) codec {
	t.Helper()
	if !strings.Contains(config, "{") {
		config += " { }"
	}
	tree, err := lang.Parse([]lang.Source{{Name: "test.conf", Text: "input { stdin { codec => " + config + " } }"}}, lang.Options{})
	require.NoError(t, err)
	s := defaultSettings(".", ".", nil)
	b := &build{plugin: tree.Inputs[0].(*lang.Plugin), pipeline: &s, log: discard(), now: func() time.Time { return clock }}
	maker := b.codec("plain")
	require.NoError(t, b.done())
	return maker()
}

func TestCodecsDecode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, codec string
		chunks      []string
		want        []string
	}{
		{"plain", "plain", []string{"a\nb"}, []string{`{"message":"a\nb","event":{"original":"a\nb"}}`}},
		{"plain without ECS", "plain { ecs_compatibility => disabled }", []string{"a"}, []string{`{"message":"a"}`}},
		{"plain, not UTF-8", "plain { ecs_compatibility => disabled }", []string{"a\xff\n\"#{"}, []string{`{"message":"a\\xFF\\n\\\"\\#{"}`}},
		{"plain, Latin 1", "plain { ecs_compatibility => disabled charset => \"ISO-8859-1\" }", []string{"\xe4"}, []string{`{"message":"ä"}`}},
		{"plain, by Ruby's name", "plain { ecs_compatibility => disabled charset => \"CP1252\" }", []string{"\x80"}, []string{`{"message":"€"}`}},
		{"line", "line { ecs_compatibility => disabled }", []string{"a\nb", "c\n", "rest"}, []string{`{"message":"a"}`, `{"message":"bc"}`, `{"message":"rest"}`}},
		{"line with a delimiter", `line { ecs_compatibility => disabled delimiter => "||" }`, []string{"a|", "|b"}, []string{`{"message":"a"}`, `{"message":"b"}`}},
		{"json", "json", []string{`{"a":1}`}, []string{`{"a":1,"event":{"original":"{\"a\":1}"}}`}},
		{"json array", "json", []string{`[{"a":1},{"a":2}]`}, []string{`{"a":1}`, `{"a":2}`}},
		{"json blank", "json", []string{"  "}, nil},
		{"json malformed", "json", []string{`{"a"`}, []string{`{"message":"{\"a\"","tags":["_jsonparsefailure"]}`}},
		{"json scalar", "json", []string{`5`}, []string{`{"message":"5","tags":["_jsonparsefailure"]}`}},
		{"json target", "json { target => \"[x]\" ecs_compatibility => disabled }", []string{`{"a":1}`}, []string{`{"x":{"a":1}}`}},
		{"json with tags that are none", "json { ecs_compatibility => disabled }", []string{`{"tags":{"a":1}}`}, []string{`{"_tags":[{"a":1}],"tags":["_tagsparsefailure"]}`}},
		{"json_lines", "json_lines", []string{"{\"a\":1}\n{\"a\"", ":2}\nx\n{\"a\":3}"}, []string{`{"a":1}`, `{"a":2}`, `{"message":"x","tags":["_jsonparsefailure"]}`, `{"a":3}`}},
		{"multiline, to the previous", `multiline { pattern => "^\s" what => "previous" ecs_compatibility => disabled }`, []string{"a\n  b", "  c", "d"},
			[]string{`{"message":"a\n  b\n  c","tags":["multiline"]}`, `{"message":"d"}`}},
		{"multiline, negated, a grok pattern", `multiline { pattern => "^%{TIMESTAMP_ISO8601} " negate => true what => "previous" multiline_tag => "" ecs_compatibility => disabled }`,
			[]string{"2024-01-15 10:30:00 a\nb", "2024-01-15 10:30:01 c"}, []string{`{"message":"2024-01-15 10:30:00 a\nb"}`, `{"message":"2024-01-15 10:30:01 c"}`}},
		{"multiline, to the next", `multiline { pattern => "\\$" what => "next" ecs_compatibility => disabled }`, []string{"a\\\nb\nc"}, []string{`{"message":"a\\\nb","tags":["multiline"]}`, `{"message":"c"}`}},
		{"multiline, too many lines", `multiline { pattern => "." what => "previous" max_lines => 2 ecs_compatibility => disabled }`, []string{"1\n2\n3\n4"},
			[]string{`{"message":"1\n2\n3","tags":["multiline","multiline_codec_max_lines_reached"]}`, `{"message":"4"}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			emit := func(e *event.Event) {
				delete(e.Data(), "@timestamp")
				delete(e.Data(), "@version")
				got = append(got, string(e.JSON()))
			}
			cd := codecOf(t, c.codec)
			for _, chunk := range c.chunks {
				require.NoError(t, cd.decode([]byte(chunk), emit))
			}
			cd.flush(emit)
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

func TestCodecsEncode(t *testing.T) {
	t.Parallel()
	const in = `{"message":"hi","n":1,"h":{"k":[true,null]},"@metadata":{"m":1}}`
	for _, c := range []struct{ codec, want string }{
		{"plain", "2024-01-15T10:30:00.000Z %{host} hi"},
		{`plain { format => "%{n}: %{message}" }`, "1: hi"},
		{`line { format => "%{n}" }`, "1\n"},
		{"json", `{"@timestamp":"2024-01-15T10:30:00.000Z","@version":"1","h":{"k":[true,null]},"message":"hi","n":1}`},
		{"json_lines", `{"@timestamp":"2024-01-15T10:30:00.000Z","@version":"1","h":{"k":[true,null]},"message":"hi","n":1}` + "\n"},
		{"rubydebug", `{
    "@timestamp" => 2024-01-15T10:30:00.000Z,
      "@version" => "1",
             "h" => {
        "k" => [
            [0] true,
            [1] nil
        ]
    },
       "message" => "hi",
             "n" => 1
}
`},
	} {
		out, err := codecOf(t, c.codec).encode(eventOf(t, in))
		require.NoError(t, err)
		require.Equal(t, c.want, string(out))
	}
	out, err := codecOf(t, "rubydebug { metadata => true }").encode(eventOf(t, in))
	require.NoError(t, err)
	require.Contains(t, string(out), "\"@metadata\" => {\n        \"m\" => 1\n    }")
	require.Error(t, codecOf(t, "rubydebug").decode([]byte("x"), nil))
}
