// Package progtest gives tests the real programs.
package progtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/stack"
)

// EnvPrograms names a directory with programs that are built already.
const EnvPrograms = "OBSANDBOX_PROGRAMS"

// Program is the path of a program of stack.yaml, built from its pinned module if it is not yet. The first build takes
// minutes; go's build cache makes the next ones short.
func Program(t testing.TB, name string) string {
	t.Helper()
	if dir := os.Getenv(EnvPrograms); dir != "" {
		return filepath.Join(dir, name)
	}
	s := Stack(t)
	p, err := s.Program(name)
	require.NoError(t, err)
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	out := filepath.Join(cache, "obsandbox", "test-programs", name)
	require.NoError(t, os.MkdirAll(filepath.Dir(out), 0o755))
	cmd := exec.CommandContext(t.Context(), "go", "build", "-tags", strings.Join(p.Tags, ","), "-o", out, p.Package)
	cmd.Dir = filepath.Join(s.Root(), p.Module)
	msg, err := cmd.CombinedOutput()
	require.NoError(t, err, "build %s: %s", name, msg)
	return out
}

// Stack is the repository's own stack.
func Stack(t testing.TB) *stack.Stack {
	t.Helper()
	dir, err := stack.Find(".")
	require.NoError(t, err)
	// Not stack.Load: these tests do not need the files of every component.
	s := &stack.Stack{Dir: dir}
	_, err = stack.DecodeFile(s.Path(stack.FileName), s)
	require.NoError(t, err)
	return s
}
