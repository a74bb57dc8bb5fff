package lang

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func parse(t *testing.T, text string, opts Options) *Config {
	t.Helper()
	c, err := Parse([]Source{{Name: "a.conf", Text: text}}, opts)
	require.NoError(t, err)
	return c
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	c := parse(t, `# a comment
input {
  # another
  stdin {
    # and one
    codec => line {
      format => "x"   # here too
      delimiter =>
        ","
    }
    tags => ["a", "b"]
  }
}
filter {
  if [a] == "}" {

    mutate { add_field => {
      "k" => "v"
      "l" => ["x",
        "y"] } }
  } else if [b] {
  } else { drop { } }
}
`, Options{})
	in := c.Inputs[0].(*Plugin)
	require.Equal(t, Pos{"a.conf", 4, 3}, in.Pos)
	require.Equal(t, Pos{"a.conf", 6, 5}, in.Options[0].Pos)
	codec := in.Options[0].Value.Any.(*Plugin)
	require.Equal(t, []any{"codec", "line", Pos{"a.conf", 6, 14}}, []any{codec.Section, codec.Name, codec.Pos})
	require.Equal(t, []Pos{{"a.conf", 7, 7}, {"a.conf", 8, 7}}, []Pos{codec.Options[0].Pos, codec.Options[1].Pos})
	require.Equal(t, 11, in.Options[1].Pos.Line)
	b := c.Filters[0].(*Branch)
	require.Equal(t, []int{15, 15, 21, 22}, []int{b.Pos.Line, b.Arms[0].Pos.Line, b.Arms[1].Pos.Line, b.ElsePos.Line})
	mutate := b.Arms[0].Body[0].(*Plugin)
	hash := mutate.Options[0].Value.Any.(Hash)
	require.Equal(t, []int{17, 18, 19}, []int{mutate.Pos.Line, hash[0].Pos.Line, hash[1].Pos.Line})
	require.Equal(t, 20, hash[1].Value.List()[1].Pos.Line)
	var names []string
	Walk(c.Filters, func(p *Plugin) { names = append(names, p.Name) })
	require.Equal(t, []string{"mutate", "drop"}, names)
}

func TestRepeatedOptions(t *testing.T) {
	t.Parallel()
	p := parse(t, `filter { grok {
		match => { "a" => "1" }
		match => { "a" => "2" "b" => "3" }
		add_tag => ["x"]
		add_tag => "y"
		id => "one"
		id => "one"
		target => "p"
		target => "q"
	} }`, Options{}).Filters[0].(*Plugin)
	got := map[string]any{}
	for _, o := range p.Options {
		got[o.Name] = o.Value.Plain()
	}
	require.Equal(t, map[string]any{
		"match": map[string]any{"a": []any{"1", "2"}, "b": "3"}, "add_tag": []any{"x", "y"}, "id": "one", "target": []any{"p", "q"},
	}, got)
}

func TestValues(t *testing.T) {
	t.Parallel()
	env := func(name string) (string, bool) { return map[string]string{"SET": "v"}[name], name == "SET" }
	p := parse(t, `filter { x {
		bare => word
		int => -5
		float => 1.5
		single => 'it"s'
		double => "a\n\"b"
		list => [1, "two", three, [4, "five"]]
		env => "${SET}-${NOT:default}-${A.b:}-${ no }-$SET"
		hash => { 1 => one "k" => { "l" => [] } }
		"quoted" => "name"
	} }`, Options{Env: env}).Filters[0].(*Plugin)
	got := map[string]any{}
	for _, o := range p.Options {
		got[o.Name] = o.Value.Plain()
	}
	require.Equal(t, map[string]any{
		"bare": "word", "int": int64(-5), "float": 1.5, "single": `it"s`, "double": `a\n\"b`, "list": []any{int64(1), "two", "three", int64(4), "five"},
		"env": "v-default--${ no }-$SET", "hash": map[string]any{"1": "one", "k": map[string]any{"l": []any{}}}, "quoted": "name",
	}, got)
	escaped := parse(t, `filter { x { double => "a\n\"b\t\\n\q" } }`, Options{Escapes: true}).Filters[0].(*Plugin)
	require.Equal(t, "a\n\"b\t\\n\\q", escaped.Options[0].Value.Any)
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"filter {\n x {\n  a => \"${NO}\"\n }\n}":               "a.conf:3: cannot evaluate ${NO}",
		"filter {\n x {\n  a => \n }\n}":                        "a.conf:",
		"filter {\n x { a => { \"k\" => 1\n \"k\" => 2 } }\n}":  "a.conf:3: the key \"k\" stands twice",
		"filter {\n x { a => [1, 2 }\n}":                        "expect closing square bracket",
		"filter {\n\n if [a] == {\n }\n}":                       "a.conf:3",
		"output { x { } } }":                                    "a.conf:1",
		"input { x {\n codec =>\n\n y { z => \"${NO}\" } } }":   "a.conf:4: cannot evaluate",
		"filter { if [a] in [\"x\"] { } }":                      "reads [\"x\"] as a field's name",
		"filter { if [a]\n=~ /[/ { } }":                         "a.conf:1: regular expression",
		"filter {\n if [a] =~ \"(\" { }\n}":                     "a.conf:2: regular expression",
		"filter {\n if [a] nand [b] and [c] { }\n}":             "a.conf:2: Logstash takes xor and nand between two",
		"filter {\n if [\"a\", \"b\"] in [c] { }\n}":            "a.conf:2: Logstash cannot look for a list in a field",
		"input { if [a] { x { } } }":                            "a.conf:1: inputs cannot stand in a conditional",
		"filter {\n if [a] { if [b] { if 5 { } } }\n}":          "a.conf:2: 5 alone is no condition",
		"filter { x { a => 'not closed } }":                     "expect closing single quote",
		"filter {\n x { a => 1 b => 2 }\n x { c => [1,2] } }}}": "a.conf:3",
	} {
		_, err := Parse([]Source{{Name: "a.conf", Text: text}}, Options{Env: func(string) (string, bool) { return "", false }})
		require.ErrorContains(t, err, want, text)
	}
}
