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
