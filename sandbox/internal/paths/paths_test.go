package paths

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"a.yml", "b.txt", "deep/er/c.yaml", "deep/d.json"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	in := func(names ...string) []string {
		var all []string
		for _, n := range names {
			all = append(all, filepath.Join(dir, n))
		}
		return all
	}
	for _, c := range []struct {
		name       string
		args, want []string
	}{
		{"a directory", in("."), in("a.yml", "deep/er/c.yaml")},
		{"a file, whatever its name", in("b.txt"), in("b.txt")},
		{"a pattern", in("*"), in("a.yml", "b.txt", "deep/er/c.yaml")},
		{"the same twice", in("a.yml", "."), in("a.yml", "deep/er/c.yaml")},
		{"a directory without any", in("deep/er/../../deep/d.json"), in("deep/d.json")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := Find("things", c.args, IsYAML)
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
	_, err := Find("things", in("gone"), IsYAML)
	assert.ErrorContains(t, err, "find things: "+filepath.Join(dir, "gone")+": no such file")
	_, err = Find("things", []string{"[", "x"}, IsYAML)
	assert.ErrorContains(t, err, "syntax error in pattern")
}

func TestRelative(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "b/c.yml", Relative("/a", "/a/b/c.yml"))
	assert.Equal(t, "/x/c.yml", Relative("/a", "/x/c.yml"), "somewhere else")
	assert.Equal(t, "/ab/c.yml", Relative("/a", "/ab/c.yml"), "a name that only begins alike")
	assert.Equal(t, "paths.go", Relative("", "paths.go"))
}

func TestTestKeys(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct{ rules, routes, ok bool }{
		"tests: [{name: a, input_series: []}]":                  {rules: true, ok: true},
		"tests: [{name: a, alerts: []}]":                        {routes: true, ok: true},
		"tests: [{name: a, alerts: []}, {alert_rule_test: []}]": {rules: true, ok: true},
		"tests: [{name: a}]":                                    {rules: true, routes: true, ok: true},
		"tests: []":                                             {rules: true, routes: true, ok: true},
		"tests: yes":                                            {},
		"groups: []":                                            {},
		"{{ template }}":                                        {},
		// What is no YAML and was meant to be.
		"rule_files: [a]\ntests:\n\t- alert_rule_test: []": {rules: true, ok: true},
		"tests:\n\t- alerts: []":                           {routes: true, ok: true},
		"tests:\n\t- other: []":                            {},
		"rule_files: [a]\ntests: {name: a}":                {rules: true, ok: true},
		"groups: []\ngroups: []\n":                         {},
	} {
		file := filepath.Join(t.TempDir(), "f.yml")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		keys, ok := TestKeys(file)
		assert.Equal(t, want.ok, ok, text)
		if ok {
			assert.Equal(t, want.rules, RuleTests(keys), text)
			assert.Equal(t, want.routes, RouteTests(keys), text)
		}
	}
}
