package stack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// writeStack makes a stack directory with that stack.yaml, a file a.yml and a pinning go.mod beside it.
func writeStack(t *testing.T, text string) string {
	t.Helper()
	root := t.TempDir()
	for name, data := range map[string]string{"stack/" + FileName: text, "stack/a.yml": "a: 1\n", "tools/prog/go.mod": "module x\n"} {
		file := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(data), 0o644))
	}
	return filepath.Join(root, "stack")
}

// replaceOnce changes the one place of a text where old stands.
func replaceOnce(t *testing.T, text, old, with string) string {
	t.Helper()
	require.Equal(t, 1, strings.Count(text, old), old)
	return strings.Replace(text, old, with, 1)
}

const goodStack = `programs:
  - name: prog
    module: tools/prog
    package: example.com/prog/cmd/prog
components:
  - name: one
    image: example.com/one:v1
    program: prog
    ports:
      - {name: http, port: 81}
      - {name: grpc, port: 82}
    config: [a.yml]
    ready: {port: http, path: /ready}
    setup:
      - {put: /x, file: a.yml}
  - name: two
    ports: [{name: http, port: 83}]
    ready: {port: http, kafka: true}
    needs: [one]
`

func TestLoadNotesLines(t *testing.T) {
	t.Parallel()
	s, err := Load(writeStack(t, goodStack))
	require.NoError(t, err)
	assert.Equal(t, 2, s.Programs[0].Line)
	assert.Equal(t, 6, s.Components[0].Line)
	assert.Equal(t, 7, s.Components[0].ImageLine)
	assert.Equal(t, 15, s.Components[0].Setup[0].Line)
	assert.Equal(t, 19, s.Components[1].NeedsLine)
}

// Each slip in a stack.yaml is told with the line where it stands.
func TestLoadSaysWhatIsWrongAndWhere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ old, new, want string }{
		{"components:", "components: []\nnone:", `:6: unknown key "none"`},
		{"needs: [one]", "neds: [one]", `:19: unknown key "neds"`},
		{"needs: [one]", "needs: [ones]", `:19: component "two": needs "ones", which is no component`},
		{"    needs: [one]\n", "    needs: [one]\n  - name: three\n    ports: [{name: http, port: 84}]\n    ready: {port: http, path: /}\n    needs: [four]\n" +
			"  - name: four\n    ports: [{name: http, port: 85}]\n    ready: {port: http, path: /}\n    needs: [three]\n",
			":27: components need each other in a circle: three → four → three"},
		{"- name: two", "- name: one", `:16: component "one": named twice`},
		{"- name: two", "- name: ''", `:16: component "": a component has no name`},
		{"port: 82", "port: 81", `:11: component "one": port 81 is also a port of one`},
		{"port: 83", "port: 81", `:17: component "two": port 81 is also a port of one`},
		{"name: grpc", "name: http", `:11: component "one": two ports are called http`},
		{"port: 82", "port: 70000", `:11: component "one": a port needs a name and a number from 1 to 65535`},
		{"{port: http, path: /ready}", "{port: htp, path: /ready}", `:13: component "one": ready.port "htp" is none of its ports`},
		{"path: /ready", "path: ready", `:13: component "one": ready.path is "ready", and must begin with a slash`},
		{"path: /ready", "kafka: false", `:13: component "one": ready needs either path or kafka: true`},
		{"program: prog", "program: prg", `:8: component "one": program "prg" is not listed under programs`},
		{"config: [a.yml]", "config:\n      - a.yml\n      - b.yml", `:14: component "one": b.yml: no such file or directory`},
		{"config: [a.yml]", "config: ['']", `:12: component "one": config names a file without a name`},
		{"file: a.yml", "file: b.yml", `:15: component "one": setup: "b.yml" is not among the files of its config`},
		{"put: /x", "put: x", `:15: component "one": setup: put is "x", and must begin with a slash`},
		{"module: tools/prog", "module: tools/prg", `:3: program "prog": no go.mod in `},
		{"    module: tools/prog\n", "", `:2: program "prog": a program needs`},
		{"components:", "  - {name: prog, module: tools/prog, package: p}\ncomponents:", `:5: program "prog": named twice`},
	} {
		dir := writeStack(t, replaceOnce(t, goodStack, c.old, c.new))
		_, err := Load(dir)
		assert.ErrorContains(t, err, filepath.Join(dir, FileName)+c.want)
	}
}

// What runs already builds nothing.
func TestReadNeedsNoModules(t *testing.T) {
	t.Parallel()
	dir := writeStack(t, replaceOnce(t, goodStack, "module: tools/prog", "module: tools/elsewhere"))
	_, err := Load(dir)
	require.ErrorContains(t, err, "no go.mod in")
	s, err := Read(dir)
	require.NoError(t, err)
	assert.Equal(t, "one", s.Components[0].Name)
}

func TestTag(t *testing.T) {
	t.Parallel()
	for image, want := range map[string]string{
		"docker.io/prom/prometheus:v3.15.1": "v3.15.1", "localhost:5000/x": "", "localhost:5000/x:1": "1",
		"example.com/x:2@sha256:abc": "2", "example.com/x@sha256:abc": "",
	} {
		assert.Equal(t, want, Tag(image), image)
	}
}

// yaml.v3 does not say where an unknown anchor is asked for.
func TestUnknownAnchorHasALine(t *testing.T) {
	t.Parallel()
	_, err := Decode("x.yaml", []byte("a: &one 1\nb: *one\nc: *two\n"), new(any))
	assert.EqualError(t, err, "x.yaml:3: unknown anchor 'two' referenced")
}

func TestAStackWithoutModulesTakesTheRepositorys(t *testing.T) {
	t.Parallel()
	s, err := Load(writeStack(t, replaceOnce(t, goodStack, "module: tools/prog", "module: tools/prometheus")))
	require.NoError(t, err)
	here, err := Find(".")
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(filepath.Dir(here), "tools", "prometheus"), s.Programs[0].Dir)

	s, err = Load(writeStack(t, goodStack))
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(s.Root(), "tools", "prog"), s.Programs[0].Dir, "its own come first")
}
