package embedded

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ignoreStopSignals takes the signals that end a process and does nothing with them. Ignoring them in the kernel's sense
// would be passed on to every child.
func ignoreStopSignals() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
}

// parentPoll is how soon the death of `go run` is seen.
const parentPoll = 100 * time.Millisecond

// WithParent ends ctx when `go run` has started this process and is gone: killed, it takes nothing with it. A shell
// that goes away is no reason to end.
func WithParent(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	parent := os.Getppid()
	if parent > 1 && isGoCommand(parent) {
		go func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-time.After(parentPoll):
				}
				if os.Getppid() != parent {
					cancel(errors.New("go run is gone"))
					return
				}
			}
		}()
	}
	return ctx, func() { cancel(context.Canceled) }
}

// isGoCommand says whether a process is the go command.
func isGoCommand(pid int) bool {
	if exe, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe"); err == nil {
		return filepath.Base(exe) == "go"
	}
	out, err := exec.Command("ps", "-o", "comm=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && filepath.Base(strings.TrimSpace(string(out))) == "go"
}
