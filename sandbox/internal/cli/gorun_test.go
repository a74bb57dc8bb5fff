package cli

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/embedded"
	"obsandbox/sandbox/internal/stack"
)

// `go run` that is killed takes its program with it no more than a shell does; the program sees to that itself.
func TestNothingOutlivesGoRun(t *testing.T) {
	t.Parallel()
	dir, err := stack.Find(".")
	require.NoError(t, err)
	for name, signal := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "terminated": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := t.TempDir()
			cmd := exec.Command("go", "run", "./sandbox", "up", "--only", "kafka", "--ports", "auto", "--data", data)
			cmd.Dir = filepath.Dir(dir)
			cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(data, "cache"), "GOCACHE="+goEnv(t, "GOCACHE"))
			cmd.Stderr = os.Stderr
			require.NoError(t, cmd.Start())
			defer func() { _ = cmd.Process.Kill() }()
			var status []embedded.Status
			require.Eventually(t, func() bool { // linking the program comes first
				text, err := os.ReadFile(filepath.Join(data, "status.json"))
				return err == nil && json.Unmarshal(text, &status) == nil && status[0].State == embedded.Ready
			}, 3*time.Minute, 50*time.Millisecond)
			require.True(t, embedded.Alive(data))

			require.NoError(t, cmd.Process.Signal(signal))
			_ = cmd.Wait()
			require.Eventually(t, func() bool { return !embedded.Alive(data) }, time.Minute, 20*time.Millisecond)
			require.Eventually(t, func() bool {
				conn, err := net.Dial("tcp", status[0].Address)
				if err == nil {
					conn.Close()
				}
				return err != nil
			}, time.Minute, 20*time.Millisecond)
		})
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	require.NoError(t, err)
	return string(out[:len(out)-1])
}
