package querystring

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzParse(f *testing.F) {
	for _, s := range []string{`level:INFO AND NOT service:"a b"~2`, `n:[1 TO 3} OR n:>=2`, `(a OR b)^2 c~1 /re+/`, `_exists_:x *:* \(a\)`, `"open`, `a:(b c`, `[`, `\`, "\u3000x"} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, s string, and bool) {
		n, err := Parse(s, and)
		if err == nil {
			require.NotNil(t, n)
		}
		require.NotNil(t, ParseSimple(s, and))
	})
}

func TestParse(t *testing.T) {
	t.Parallel()
	term := func(field, text string) *Node { return &Node{Kind: Term, Field: field, Text: text, Boost: 1} }
	for _, c := range []struct {
		in   string
		and  bool
		want *Node
	}{
		{"a", false, term("", "a")},
		{"f:a", false, term("f", "a")},
		{`f\:g:a\ b`, false, term("f:g", "a b")},
		{"a  b", false, term("", "a b")},
		{"a b", true, term("", "a b")},
		{"a b c AND d", false, &Node{Kind: Bool, Boost: 1, Clauses: []Clause{{Should, term("", "a b")}, {Must, term("", "c")}, {Must, term("", "d")}}}},
		{"+a b c x:d", true, &Node{Kind: Bool, Boost: 1, Clauses: []Clause{{Must, term("", "a")}, {Must, term("", "b c")}, {Must, term("x", "d")}}}},
		{"a b*", false, &Node{Kind: Bool, Boost: 1, Clauses: []Clause{{Should, term("", "a")}, {Should, &Node{Kind: Term, Text: "b*", Wild: true, Boost: 1}}}}},
		{"a AND b OR c", false, &Node{Kind: Bool, Boost: 1, Clauses: []Clause{{Must, term("", "a")}, {Must, term("", "b")}, {Should, term("", "c")}}}},
		{"a AND NOT b", false, &Node{Kind: Bool, Boost: 1, Clauses: []Clause{{Must, term("", "a")}, {MustNot, term("", "b")}}}},
		{"a && !b", false, &Node{Kind: Bool, Boost: 1, Clauses: []Clause{{Must, term("", "a")}, {MustNot, term("", "b")}}}},
		{"f:(a b)", false, term("f", "a b")},
		{`"a b"~3^2`, false, &Node{Kind: Phrase, Text: "a b", Slop: 3, Boost: 2}},
		{"f:[1 TO 2}", false, &Node{Kind: Range, Field: "f", Low: "1", High: "2", IncludeLow: true, Boost: 1}},
		{`f:["a b" TO *]`, false, &Node{Kind: Range, Field: "f", Low: "a b", High: "*", IncludeLow: true, IncludeHigh: true, Boost: 1}},
		{"f:<=5", false, &Node{Kind: Range, Field: "f", Low: "*", High: "5", IncludeLow: true, IncludeHigh: true, Boost: 1}},
		{"f:/a+/", false, &Node{Kind: Regexp, Field: "f", Text: "a+", Boost: 1}},
		{"f:*", false, &Node{Kind: Exists, Field: "f", Boost: 1}},
		{"_exists_:f", false, &Node{Kind: Exists, Field: "f", Boost: 1}},
		{"*:*", false, &Node{Kind: All, Boost: 1}},
		{"a*b?", false, &Node{Kind: Term, Text: "a*b?", Wild: true, Boost: 1}},
		{"a~1^3", false, &Node{Kind: Term, Text: "a", Fuzzy: "1", Boost: 3}},
		{"ORANGE", false, term("", "ORANGE")},
		{"a-b/c", false, term("", "a-b/c")},
	} {
		got, err := Parse(c.in, c.and)
		require.NoError(t, err, c.in)
		require.Equal(t, c.want, got, c.in)
	}
	for _, bad := range []string{"(a", "a)", `"a`, "f:[1 TO", "AND a", "f:", "[1 2]", "/a", "a^"} {
		_, err := Parse(bad, false)
		require.ErrorContains(t, err, "Cannot parse '"+bad+"'", bad)
	}
}
