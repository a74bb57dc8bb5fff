package rubyre

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern string
		yes, no []string
	}{
		{"collector", []string{"shipping-collector"}, []string{"query"}},
		{"flink|processing", []string{"flink", "x-processing"}, []string{"storage"}},
		{"^b$", []string{"a\nb\nc"}, []string{"ab"}},
		{`\Ab`, []string{"b"}, []string{"a\nb"}},
		{"a.b", []string{"axb"}, []string{"a\nb"}},
		{"(?m)a.b", []string{"a\nb"}, nil},
		{"(?m:a.b)c", []string{"a\nbc"}, nil},
		{"(?i)AB", []string{"xabx"}, nil},
		{`\h{4}`, []string{"beEF"}, []string{"xyzw"}},
		{`[[:alpha:]_]+\d`, []string{"a_1"}, []string{"-1"}},
		{`(?<!a)b`, []string{"cb"}, []string{"ab"}},
		{`a(?=b)`, []string{"ab"}, []string{"ac"}},
		{`(?>a+)b`, []string{"aab"}, []string{"c"}},
		{`a++b`, []string{"aab"}, []string{"c"}},
		{`(a)\1`, []string{"aa"}, []string{"ab"}},
		{`(?<x>a)\k<x>`, []string{"aa"}, []string{"ab"}},
		{`a{,2}b`, []string{"b", "aab"}, nil},
		{`x{y`, []string{"x{y"}, []string{"xy"}},
		{`\w`, []string{"a"}, []string{"ä"}},
		{`[^\W]`, []string{"a"}, []string{"-"}},
		{`a\/b\-c\_d`, []string{"a/b-c_d"}, nil},
		{`[]a]`, []string{"]"}, nil},
		{`a(?#comment)b`, []string{"ab"}, nil},
		{`\R`, []string{"\r\n", "\n"}, []string{"x"}},
		{`end\Z`, []string{"end\n", "end"}, []string{"end\nx"}},
		{"äö", []string{"xäö"}, nil},
	} {
		re, err := Compile(c.pattern)
		require.NoError(t, err, c.pattern)
		for _, s := range c.yes {
			require.True(t, re.MatchString(s), "%s matches %q", c.pattern, s)
		}
		for _, s := range c.no {
			require.False(t, re.MatchString(s), "%s does not match %q", c.pattern, s)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"(", ")", "[", "a**b(", `\K`, `\g<x>`, "[a&&b]", "(?q)", `a\`, `[[:nope:]]`, "(?<x"} {
		_, err := Compile(p)
		require.Error(t, err, p)
	}
}

func TestReplaceSplitFind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ pattern, in, replacement, want string }{
		{"a", "banana", "o", "bonono"}, {`(\w)-(\w)`, "a-b", `\2+\1`, "b+a"}, {`(?<x>\d)`, "a1", `<\k<x>>`, "a<1>"}, {`b`, "abc", `[\0&\\]`, `a[b&\]c`}, {`(?<=a)b`, "abcb", "x", "axcb"},
		{`(?<!ä)b`, "äbcb", "x", "äbcx"}, {"", "ab", "-", "-a-b-"}, {"z", "abc", "x", "abc"}, {"a", "a", `\9\q`, `\q`},
	} {
		re, err := Compile(c.pattern)
		require.NoError(t, err)
		require.Equal(t, c.want, re.ReplaceAll(c.in, c.replacement), c.pattern)
	}
	re, err := Compile(`,\s*`)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "", "c"}, re.Split("a, b,,c,,"))
	re, err = Compile(`(?<!x)ä(b)?`)
	require.NoError(t, err)
	require.Equal(t, [][]string{{"äb", "b"}, {"ä", ""}}, re.Submatches("äb-ä"))
	require.Equal(t, []int{2, 5, 4, 5}, re.FindIndex("üäb"))
	require.Nil(t, re.FindIndex("none"))
}

// FuzzCompile: an expression is refused or can be used; what is replaced by itself stays.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{`^a|b$`, `(?<n>\d+)(?=x)`, `[[:alpha:]\w-]`, `a++(?>b*)`, `\p{L}`, `(?m)x`} {
		f.Add(s, "some text 12x")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 100 || len(text) > 100 {
			t.Skip("backtracking takes its time on long texts, by nature")
		}
		re, err := Compile(pattern)
		if err != nil {
			return
		}
		re.MatchString(text)
		if got := re.ReplaceAll(text, `\0`); got != text && string([]rune(text)) == text {
			t.Fatalf("%q: %q became %q", pattern, text, got)
		}
	})
}
