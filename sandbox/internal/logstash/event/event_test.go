package event

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var now = time.Date(2024, 1, 15, 10, 30, 0, 0, time.UTC)

func TestParseRef(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"a": {"a"}, "[a]": {"a"}, "[a][b c][d-e]": {"a", "b c", "d-e"}, "a.b": {"a.b"}, "": {""}, "[[a][b]]": {"a", "b"},
	} {
		r, err := ParseRef(text)
		require.NoError(t, err, text)
		require.Equal(t, want, r.path, text)
		require.False(t, r.meta)
	}
	r, err := ParseRef("[@metadata][a]")
	require.NoError(t, err)
	require.True(t, r.meta)
	require.Equal(t, []string{"a"}, r.path)
	for _, text := range []string{"[a", "a]", "[a]b", "a[b]", "[]", "[a][]", "[a]]"} {
		_, err := ParseRef(text)
		require.Error(t, err, text)
	}
	require.Equal(t, "[a][b]", MustRef("a").Child("b").String())
}

func TestSetGetRemove(t *testing.T) {
	t.Parallel()
	e := New(now)
	require.NoError(t, e.Set(MustRef("[a][b]"), int64(1)))
	require.NoError(t, e.Set(MustRef("[l]"), []any{"x"}))
	require.NoError(t, e.Set(MustRef("[l][2]"), "z"))
	require.Equal(t, []any{"x", nil, "z"}, e.Get(MustRef("l")))
	require.NoError(t, e.Set(MustRef("[l][-1]"), "last"))
	require.Equal(t, "last", e.Get(MustRef("[l][2]")))
	require.Error(t, e.Set(MustRef("[a][b][c]"), 1), "a number is no container")
	require.Error(t, e.Set(MustRef("[l][x]"), 1), "a name is no index")
	require.Error(t, e.Set(MustRef("[l][99999]"), 1), "nor is a number without end")
	require.NoError(t, e.Set(MustRef("[@metadata][m][n]"), "meta"))
	require.Equal(t, "meta", e.Get(MustRef("[@metadata][m][n]")))
	require.NotContains(t, string(e.JSON()), "meta")
	require.Equal(t, int64(1), e.Remove(MustRef("[a][b]")))
	require.Nil(t, e.Remove(MustRef("[a][b]")))
	require.Equal(t, nil, e.Remove(MustRef("[l][1]")))
	require.Equal(t, []any{"x", "last"}, e.Get(MustRef("l")))
	e.Remove(MustRef("@metadata"))
	require.Nil(t, e.Get(MustRef("[@metadata][m]")))
	require.Error(t, e.Set(MustRef("@metadata"), "x"))
	require.Error(t, e.Set(MustRef("tags"), []any{1}))
	require.Error(t, e.Set(MustRef("[tags][0]"), "x"))
	require.Error(t, e.Set(MustRef("@timestamp"), "2024-01-15T10:30:00Z"))
}

func TestCloneIsDeep(t *testing.T) {
	t.Parallel()
	e := FromMap(map[string]any{"a": map[string]any{"l": []any{"x"}}, MetadataField: map[string]any{"m": "1"}}, now)
	c := e.Clone()
	require.NoError(t, c.Set(MustRef("[a][l][0]"), "y"))
	require.NoError(t, c.Set(MustRef("[@metadata][m]"), "2"))
	require.Equal(t, "x", e.Get(MustRef("[a][l][0]")))
	require.Equal(t, "1", e.Get(MustRef("[@metadata][m]")))
}

func TestTags(t *testing.T) {
	t.Parallel()
	e := FromMap(map[string]any{"tags": "one"}, now)
	e.Tag("two")
	e.Tag("one")
	require.Equal(t, []any{"one", "two"}, e.Tags())
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	e := FromMap(map[string]any{
		"s": "text", "i": int64(5), "f": 1.0, "big": 12345678.0, "small": 0.0001, "b": true, "l": []any{"a", int64(1), map[string]any{"k": "v"}}, "h": map[string]any{"k": nil}, "nil": nil,
	}, now)
	for text, want := range map[string]string{
		"plain": "plain", "%{s}": "text", "%{i}-%{f}-%{b}": "5-1.0-true", "%{big} %{small}": "1.2345678E7 1.0E-4", "%{l}": `a,1,{k=v}`, "%{h}": `{"k":null}`,
		"%{none} %{nil}": "%{none} %{nil}", "%{[l][2][k]}": "v", "%{+yyyy.MM.dd}": "2024.01.15", "%{+%s}": "1705314600", "%{{yyyy-MM-dd}}": "2024-01-15",
		"%{@timestamp}": "2024-01-15T10:30:00.000Z", "a%{s": "a%{s", "%": "%", "%{s}}": "text}", "": "",
	} {
		tmpl, err := ParseTemplate(text)
		require.NoError(t, err, text)
		require.Equal(t, want, tmpl.Fill(e), text)
	}
	tmpl, err := ParseTemplate("%{{TIME_NOW}}")
	require.NoError(t, err)
	require.Regexp(t, `^20\d\d-.*Z$`, tmpl.Fill(e))
	tmpl, err = ParseTemplate("a-%{s}-%{none}")
	require.NoError(t, err)
	require.Equal(t, "none", tmpl.Missing(e))
	e.Remove(MustRef("@timestamp"))
	tmpl, err = ParseTemplate("a-%{+yyyy}")
	require.NoError(t, err)
	require.Equal(t, "a-", tmpl.Fill(e))
}

func TestDecodeJSON(t *testing.T) {
	t.Parallel()
	v, err := DecodeJSON(` {"a":[1,-2.5,1e3,true,false,null,"x\n\u00e4\ud83d\ude00\"\\\/"],"a2":{},"a":1,"big":123456789012345678901} `)
	require.NoError(t, err)
	m := v.(map[string]any)
	require.Equal(t, int64(1), m["a"], "the last of two keys counts")
	require.Equal(t, "123456789012345678901", ToString(m["big"]))
	v, err = DecodeJSON(`[1,-2.5,1e3,"x\n\u00e4\ud83d\ude00\"\\\/\ud800"]`)
	require.NoError(t, err)
	require.Equal(t, []any{int64(1), -2.5, 1000.0, "x\nä😀\"\\/\ufffd"}, v)
	for _, bad := range []string{"", "{", "[1,]", `{"a"}`, `{"a":1,}`, "01", "1.", "-", "1e", `"`, "\"\x01\"", `"\x"`, `"\u12"`, "nul", "[1] x", "{a:1}", "'a'"} {
		_, err := DecodeJSON(bad)
		require.Error(t, err, bad)
	}
}

func TestFloats(t *testing.T) {
	t.Parallel()
	for f, want := range map[float64]string{0: "0.0", 1: "1.0", -0.5: "-0.5", 1e7: "1.0E7", 9999999: "9999999.0", 0.001: "0.001", 0.00099: "9.9E-4", 1.5e300: "1.5E300", math.Inf(1): "Infinity"} {
		require.Equal(t, want, string(AppendFloat(nil, f)))
	}
}

func TestTimestamps(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2024-01-15T10:30:00Z": "2024-01-15T10:30:00.000Z", "2024-01-15T10:30:00.123456Z": "2024-01-15T10:30:00.123456Z", "2024-01-15T10:30:00.123456789Z": "2024-01-15T10:30:00.123456789Z",
		"2024-01-15T10:30:00,5+02:00": "2024-01-15T08:30:00.500Z", "2024-01-15": "2024-01-15T00:00:00.000Z",
	} {
		ts, err := ToTimestamp(text)
		require.NoError(t, err, text)
		require.Equal(t, want, ToString(ts))
	}
	e := FromMap(map[string]any{"@timestamp": "never"}, now)
	require.Equal(t, `{"@timestamp":"2024-01-15T10:30:00.000Z","@version":"1","_@timestamp":"never","tags":["_timestampparsefailure"]}`, string(e.JSON()))
}

// FuzzJSON: what is decoded is what the standard library decodes, and writing it gives the same value again.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5,"x\u00e4"],"b":null}`, `"\ud83d\ude00"`, `-0`, `1e400`, `[[[]]]`, `{"a":1}x`, "\"\xff\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := DecodeJSON(text)
		var want any
		stdErr := json.Unmarshal([]byte(text), &want)
		if err != nil {
			if stdErr == nil && len(text) < 500 {
				t.Fatalf("%q: %v, but it is JSON", text, err)
			}
			return
		}
		if stdErr != nil && !json.Valid([]byte(text)) {
			t.Fatalf("%q is no JSON: %v", text, stdErr)
		}
		written := AppendJSON(nil, got)
		again, err := DecodeJSON(string(written))
		if err != nil {
			t.Fatalf("%q was written as %q, which is no JSON: %v", text, written, err)
		}
		if string(AppendJSON(nil, again)) != string(written) {
			t.Fatalf("%q changes when it is written twice: %q", text, written)
		}
	})
}

// FuzzTemplate: a template is refused or filled, whatever it is.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"logs-%{[a][b]}-%{+yyyy.MM.dd}", "%{{yyyy}}", "%{+%s}%{", "%{[a}"} {
		f.Add(s)
	}
	e := FromMap(map[string]any{"a": map[string]any{"b": "c"}}, now)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 100 {
			t.Skip("a date's width may be any number")
		}
		if tmpl, err := ParseTemplate(text); err == nil {
			_ = tmpl.Fill(e)
		}
	})
}
