package cli

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"obsandbox/sandbox/internal/embedded"
	"obsandbox/sandbox/internal/stack"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"sandbox": func() { os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs the command line as its users do. Each script has a cache of its own, $STACK is the checked-in stack
// directory, and the real programs are on PATH.
//
//	exits CODE COMMAND…       runs a command that must end with exactly this exit code
//	eventually COMMAND…       runs a command until it succeeds
//	broken FILE OLD NEW       a new copy of the stack in repo/, with text in one of its files replaced that must be there;
//	                          $LINE is its line
func TestScripts(t *testing.T) {
	t.Parallel()
	dir, err := stack.Find(".")
	if err != nil {
		t.Fatal(err)
	}
	bin := programsOnPath(t, dir)
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			env.Setenv("STACK", dir)
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, "cache"))
			env.Setenv("HOME", env.WorkDir) // where macOS has its cache directory
			env.Setenv("NO_COLOR", "1")
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "eventually": eventually, "broken": broken,
		},
		RequireExplicitExec: true,
	})
}

// programsOnPath is a directory with the pinned programs under their names; the first time ever they are built.
func programsOnPath(t *testing.T, dir string) string {
	t.Helper()
	s, err := stack.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range s.Programs {
		names = append(names, p.Name)
	}
	paths, err := embedded.FindPrograms(t.Context(), s, "", names, func(message string) { t.Log(message) })
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	for i, name := range names {
		if err := os.Symlink(paths[i], filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%s: %v", strings.Join(args[1:], " "), err)
	}
	if code != want {
		ts.Fatalf("%s: exit code %d, expected %d", strings.Join(args[1:], " "), code, want)
	}
}

func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: eventually COMMAND…")
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := ts.Exec(args[0], args[1:]...)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s: %v, for 20 s", strings.Join(args, " "), err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// broken copies what a repository has for `up`.
func broken(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: broken FILE OLD NEW")
	}
	repo := ts.MkAbs("repo")
	ts.Check(os.RemoveAll(repo))
	from := filepath.Dir(ts.Getenv("STACK"))
	for _, dir := range []string{"stack", "tests", "tools"} {
		ts.Check(os.CopyFS(filepath.Join(repo, dir), os.DirFS(filepath.Join(from, dir))))
	}
	file := filepath.Join(repo, "stack", args[0])
	text := ts.ReadFile(file)
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s has no %q", args[0], args[1])
	}
	before, _, _ := strings.Cut(text, args[1])
	ts.Setenv("LINE", strconv.Itoa(1+strings.Count(before, "\n")))
	ts.Check(os.WriteFile(file, []byte(strings.Replace(text, args[1], args[2], 1)), 0o644))
}
