package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stopGrace is how long a component has to end by itself. With what the kernel needs, everything is over within 2 s.
const stopGrace = 1500 * time.Millisecond

// guardEnv names the file descriptor that reads end-of-file when the supervisor has died.
const guardEnv = "OBSANDBOX_GUARD_FD"

// command is a process to start.
type command struct {
	path string
	args []string
	// env is added to the supervisor's own.
	env []string
	dir string
	// own says that the program watches the guard pipe itself (ServeGuard).
	own bool
}

// spawner starts processes that do not outlive this one, however it ends.
type spawner struct {
	requests chan func()
	// guard is the read end of a pipe whose write end only this process has.
	guard *os.File
	keep  *os.File
	// self is this program's own command line prefix, for the guard command.
	self []string
	// wrap runs programs that do not watch the guard pipe under the guard command; where the kernel kills orphans this
	// is not needed.
	wrap bool
}

func newSpawner(self []string) (*spawner, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make the guard pipe: %w", err)
	}
	s := &spawner{requests: make(chan func()), guard: r, keep: w, self: self, wrap: !kernelKills}
	go func() {
		// Linux kills a child when the thread that started it ends, so this thread has to last. It ends with the
		// requests, when no child is left.
		runtime.LockOSThread()
		for request := range s.requests {
			request()
		}
	}()
	return s, nil
}

// close ends the spawner; every process must have ended.
func (s *spawner) close() {
	close(s.requests)
	s.guard.Close()
	s.keep.Close()
}

// process is a started process.
type process struct {
	pid  int
	done chan struct{}
	// code is the exit code, or 128 + the signal that ended it; valid when done is closed.
	code int
	// fate says how it ended, in words.
	fate string
}

// start runs a command with its output appended to log.
func (s *spawner) start(c command, log *os.File) (*process, error) {
	path, args := c.path, c.args
	attributes := childAttributes()
	if s.wrap && !c.own {
		// The guard must live on for a moment, to kill the whole group.
		attributes = &syscall.SysProcAttr{Setpgid: true}
		args = append(append(append([]string{}, s.self[1:]...), "guard", "--", path), args...)
		path = s.self[0]
	}
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, log, log
	cmd.Env = append(os.Environ(), c.env...)
	if c.own || s.wrap {
		cmd.ExtraFiles = []*os.File{s.guard}
		cmd.Env = append(cmd.Env, guardEnv+"=3")
	}
	cmd.SysProcAttr = attributes
	started := make(chan error)
	s.requests <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	p := &process{pid: cmd.Process.Pid, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		err := cmd.Wait()
		// Whatever the process has started goes with it.
		_ = syscall.Kill(-p.pid, syscall.SIGKILL)
		p.code, p.fate = fateOf(cmd.ProcessState, err)
	}()
	return p, nil
}

// output runs a command to its end, or kills it when ctx ends, and returns what it has written.
func (s *spawner) output(ctx context.Context, c command) (string, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, &out, &out
	cmd.Env = append(os.Environ(), c.env...)
	cmd.SysProcAttr = childAttributes()
	started := make(chan error)
	s.requests <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return "", fmt.Errorf("start %s: %w", c.path, err)
	}
	err := cmd.Wait()
	return out.String(), err
}

func fateOf(state *os.ProcessState, err error) (int, string) {
	if state == nil {
		return -1, err.Error()
	}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), "killed by signal " + status.Signal().String()
	}
	return state.ExitCode(), "exit code " + strconv.Itoa(state.ExitCode())
}

// stop ends the process and everything in its group: asks, and after the grace kills.
func (p *process) stop(grace time.Duration) {
	_ = syscall.Kill(-p.pid, syscall.SIGTERM)
	select {
	case <-p.done:
		return
	case <-time.After(grace):
	}
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	<-p.done
}

// ServeGuard makes a component that the supervisor has started end with it: ctx is cancelled when the supervisor dies,
// and the process exits half a second later if it is still there. Without a supervisor it does nothing.
func ServeGuard(ctx context.Context) (context.Context, error) {
	guard, err := guardFile()
	if err != nil || guard == nil {
		return ctx, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		awaitEOF(guard)
		cancel(errors.New("the supervisor has died"))
		time.Sleep(500 * time.Millisecond)
		os.Exit(1)
	}()
	return ctx, nil
}

// Guard runs a program that knows nothing of the guard pipe, and kills it and its process group when the supervisor
// dies. It returns the program's exit code.
func Guard(args []string) (int, error) {
	if len(args) == 0 {
		return 2, errors.New("guard: no program to run")
	}
	guard, err := guardFile()
	if err != nil {
		return 2, err
	}
	if guard == nil {
		return 2, fmt.Errorf("guard: %s is not set: only the supervisor runs this command", guardEnv)
	}
	go func() {
		awaitEOF(guard)
		_ = syscall.Kill(0, syscall.SIGKILL) // the whole group, this process included
	}()
	ignoreStopSignals() // they reach the program, which is of the same group; its end is this one's
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	// The pipe is not passed on, so its name must not be either.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, guardEnv+"=") })
	err = cmd.Run()
	if cmd.ProcessState == nil {
		return 2, fmt.Errorf("start %s: %w", args[0], err)
	}
	code, _ := fateOf(cmd.ProcessState, err)
	return code, nil
}

// guardFile is the guard pipe that this process was given; nil where there is none.
func guardFile() (*os.File, error) {
	text := os.Getenv(guardEnv)
	if text == "" {
		return nil, nil
	}
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("%s is %q, expected a file descriptor", guardEnv, text)
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), "guard"), nil
}

func awaitEOF(f *os.File) {
	var b [1]byte
	for {
		if _, err := f.Read(b[:]); err != nil {
			return
		}
	}
}
