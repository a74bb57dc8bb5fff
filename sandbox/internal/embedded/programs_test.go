package embedded

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/stack"
)

// writeFiles makes a tree of files.
func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o755))
	}
}

// pinnedStack is a stack with two programs of a module that lies beside it, so that nothing is downloaded.
func pinnedStack(t *testing.T, source string) *stack.Stack {
	t.Helper()
	root := t.TempDir()
	writeFiles(t, root, map[string]string{
		"prog/go.mod":             "module example.com/prog\n\ngo 1.26\n",
		"prog/cmd/hello/main.go":  source,
		"prog/cmd/helper/main.go": "package main\n\nfunc main() {}\n",
		"tools/prog/go.mod": "module x/tools/prog\n\ngo 1.26\n\ntool (\n\texample.com/prog/cmd/hello\n\texample.com/prog/cmd/helper\n)\n\n" +
			"require example.com/prog v0.415.2 // indirect\n\nreplace example.com/prog => ../../prog\n",
		"tools/prog/go.sum": "",
	})
	module := filepath.Join(root, "tools", "prog")
	return &stack.Stack{
		Dir: filepath.Join(root, "stack"),
		Programs: []stack.Program{
			{Name: "obsandbox-hello", Module: "tools/prog", Dir: module, Package: "example.com/prog/cmd/hello"},
			{Name: "obsandbox-helper", Module: "tools/prog", Dir: module, Package: "example.com/prog/cmd/helper"},
		},
		Components: []stack.Component{{Name: "hello", Image: "example.com/hello:v4.15.2", Program: "obsandbox-hello"}},
	}
}

const helloSource = "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello\") }\n"

func TestProgramsAreBuiltOnce(t *testing.T) {
	t.Parallel()
	s, bin := pinnedStack(t, helloSource), t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(bin, ".build-prog-1"), 0o755)) // a build that was killed has left it
	var mu sync.Mutex
	var said []string
	var wg sync.WaitGroup
	for range 2 { // as two runs at the same time
		wg.Go(func() {
			p, err := newPrograms(t.Context(), s, bin)
			if !assert.NoError(t, err) {
				return
			}
			paths, err := p.ensure(t.Context(), []string{"obsandbox-hello", "obsandbox-helper"}, func(message string) {
				mu.Lock()
				defer mu.Unlock()
				said = append(said, message)
			})
			if !assert.NoError(t, err) {
				return
			}
			assert.Len(t, paths, 2)
			out, err := exec.Command(paths[0]).Output()
			assert.NoError(t, err)
			assert.Equal(t, "hello\n", string(out))
			assert.Contains(t, filepath.Base(paths[0]), "obsandbox-hello-v0.415.2-")
		})
	}
	wg.Wait()
	all := strings.Join(said, "\n")
	assert.Equal(t, 1, strings.Count(all, "reading modules"), "%s", all)
	assert.Contains(t, all, "compiling obsandbox-hello and obsandbox-helper: 0 of ")
	left, err := filepath.Glob(filepath.Join(bin, ".build-*"))
	require.NoError(t, err)
	assert.Empty(t, left)

	// Another go.sum is another program.
	p, err := newPrograms(t.Context(), s, bin)
	require.NoError(t, err)
	require.NotEmpty(t, p.find(t.Context(), "obsandbox-hello"))
	writeFiles(t, s.Root(), map[string]string{"tools/prog/go.sum": "\n"})
	p, err = newPrograms(t.Context(), s, bin)
	require.NoError(t, err)
	assert.Empty(t, p.find(t.Context(), "obsandbox-hello"))
}

// Who waits for another's build is told so, again and again: minutes without a word look like the end.
func TestWaitForAnotherBuildIsTold(t *testing.T) {
	t.Parallel()
	s, bin := pinnedStack(t, helloSource), t.TempDir()
	p, err := newPrograms(t.Context(), s, bin)
	require.NoError(t, err)
	wait := func(let func(), want ...string) {
		said := make(chan string)
		ended := make(chan error, 1)
		go func() {
			_, err := p.ensure(t.Context(), []string{"obsandbox-hello"}, func(message string) { said <- message })
			ended <- err
		}()
		for _, text := range want {
			assert.Equal(t, text, <-said)
		}
		let()
		for {
			select {
			case <-said: // of the build itself
			case err := <-ended:
				require.NoError(t, err)
				return
			}
		}
	}
	p.building <- struct{}{}
	wait(func() { <-p.building }, "waits until another program is built", "waits until another program is built, 1s")

	require.NoError(t, os.Remove(p.byName["obsandbox-hello"].file))
	unlock, err := tryLock(filepath.Join(bin, "prog.lock"))
	require.NoError(t, err)
	wait(unlock, "waits for another run, which builds obsandbox-hello", "waits for another run, which builds obsandbox-hello, 1s")
}

func TestBuildThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	s := pinnedStack(t, "package main\n\nfunc main() { undefined() }\n")
	p, err := newPrograms(t.Context(), s, t.TempDir())
	require.NoError(t, err)
	_, err = p.ensure(t.Context(), []string{"obsandbox-hello"}, func(string) {})
	require.ErrorIs(t, err, errBuild)
	assert.ErrorContains(t, err, "main.go:3:15: undefined: undefined")

	s.Programs[0].Package, s.Programs[0].Line = "example.com/prog/cmd/helo", 7
	p, err = newPrograms(t.Context(), s, t.TempDir())
	require.NoError(t, err)
	_, err = p.ensure(t.Context(), []string{"obsandbox-hello"}, func(string) {})
	assert.EqualError(t, err, s.Path(stack.FileName)+`:7: program "obsandbox-hello": example.com/prog v0.415.2 has no package example.com/prog/cmd/helo`)

	s.Programs[0].Package = "example.com/other/cmd/hello"
	_, err = newPrograms(t.Context(), s, t.TempDir())
	assert.ErrorContains(t, err, `stack.yaml:7: program "obsandbox-hello": no module that `)
	assert.ErrorContains(t, err, filepath.Join("tools", "prog", "go.mod")+" requires has the package example.com/other/cmd/hello")
}

// Not parallel: PATH belongs to the process.
func TestProgramOnPathInExactlyThePinnedVersion(t *testing.T) {
	s := pinnedStack(t, helloSource)
	path := t.TempDir()
	t.Setenv("PATH", path+string(os.PathListSeparator)+os.Getenv("PATH"))
	p, err := newPrograms(t.Context(), s, t.TempDir())
	require.NoError(t, err)
	script := func(body string) {
		writeFiles(t, path, map[string]string{"obsandbox-hello": "#!/bin/sh\n" + body + "\n"})
	}
	for said, use := range map[string]bool{
		`echo "hello, version 4.15.2 (branch: HEAD)"`:          true,
		`echo "hello v4.15.2"`:                                 true,
		`echo '{"gitVersion":"v4.15.2","buildDate":""}'`:       true,
		`[ "$1" = version ] && echo "4.15.2"`:                  true,
		`echo "hello, version 4.15.3, built with 4.15.2"`:      false,
		`echo "hello, version 4.15.2-rc.1"`:                    false,
		`echo "hello, version  (branch: , revision: unknown)"`: false,
		`exit 1`: false,
	} {
		script(said)
		if use {
			assert.Equal(t, filepath.Join(path, "obsandbox-hello"), p.find(t.Context(), "obsandbox-hello"), said)
		} else {
			assert.Empty(t, p.find(t.Context(), "obsandbox-hello"), said)
		}
	}
	// A program that Go has built says its module's version, whatever it prints.
	for version, use := range map[string]bool{"v0.415.2": true, "v0.415.1": false} {
		prog := p.byName["obsandbox-hello"]
		prog.modVersion = version
		out := filepath.Join(path, "obsandbox-hello")
		require.NoError(t, os.Remove(out))
		cmd := exec.Command("go", "build", "-o", out, "example.com/prog/cmd/hello")
		cmd.Dir = prog.Dir
		said, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", said)
		assert.Equal(t, use, prog.isAt(t.Context(), out), fmt.Sprint(version))
	}
}
