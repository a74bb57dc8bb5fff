package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// compile runs one `go build` for programs of one module, into the directory out.
func compile(ctx context.Context, progs []program, out string, progress func(string)) error {
	if _, err := exec.LookPath("go"); err != nil {
		return errNoGo(progs[0])
	}
	var names, packages []string
	for _, prog := range progs {
		names = append(names, prog.Name)
		packages = append(packages, prog.Package)
	}
	what := strings.Join(names, " and ")
	began := time.Now()
	say := func(format string, args ...any) {
		progress(fmt.Sprintf("%s, %s", fmt.Sprintf(format, args...), time.Since(began).Round(time.Second)))
	}
	say("building %s: reading modules", what)
	total, err := countStale(ctx, progs[0], packages, func(line string) { say("building %s: %s", what, line) })
	if err != nil {
		return err
	}

	args := slices.Concat([]string{"build", "-v"}, progs[0].buildFlags(), []string{"-o", out + string(os.PathSeparator)}, packages)
	cmd, release, err := goCommand(ctx, progs[0].Dir, args)
	if err != nil {
		return err
	}
	defer release()
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("build %s: %w", what, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("build %s: %w", what, err)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for sc := bufio.NewScanner(stderr); sc.Scan(); {
			lines <- sc.Text()
		}
	}()
	var rest []string // what is neither a package nor a download: errors
	compiled := 0
	status := func() { say("compiling %s: %d of %d packages", what, compiled, total) }
	status()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for open := true; open; {
		var line string
		select {
		case line, open = <-lines:
		case <-tick.C:
			status()
			continue
		}
		switch {
		case !open:
		case strings.HasPrefix(line, "go: downloading "):
			say("building %s: %s", what, strings.TrimPrefix(line, "go: "))
		case isPackage(line):
			compiled++
			total = max(total, compiled)
			if compiled == total {
				say("linking %s", what)
			}
		default:
			rest = append(rest, line)
		}
	}
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("build %s: %w", what, ctx.Err())
		}
		return fmt.Errorf("build %s in %s: %w: %w\n%s", what, progs[0].Dir, errBuild, err, strings.Join(tail(rest, 20), "\n"))
	}
	return nil
}

// countStale is how many packages are not in Go's build cache: those that the build will name.
func countStale(ctx context.Context, prog program, packages []string, progress func(string)) (int, error) {
	args := slices.Concat([]string{"list", "-deps", "-f", "{{if .Stale}}{{.ImportPath}}{{end}}"}, prog.buildFlags(), packages)
	cmd, release, err := goCommand(ctx, prog.Dir, args)
	if err != nil {
		return 0, err
	}
	defer release()
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return 0, fmt.Errorf("list the packages of %s: %w", prog.Name, err)
	}
	var stdout strings.Builder
	cmd.Stdout = &stdout
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("list the packages of %s: %w", prog.Name, err)
	}
	var rest []string
	for sc := bufio.NewScanner(stderr); sc.Scan(); {
		if module, ok := strings.CutPrefix(sc.Text(), "go: downloading "); ok {
			progress("downloading " + module)
		} else {
			rest = append(rest, sc.Text())
		}
	}
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return 0, fmt.Errorf("list the packages of %s: %w", prog.Name, ctx.Err())
		}
		return 0, fmt.Errorf("list the packages of %s in %s: %w: %w\n%s", prog.Name, prog.Dir, errBuild, err, strings.Join(tail(rest, 20), "\n"))
	}
	return len(strings.Fields(stdout.String())), nil
}

// guarded runs the command that it is given, and kills it with everything that it has started as soon as file descriptor 3
// ends: that is when this program has died. The kernel would kill the go command alone, and leave its compilers.
const guarded = `
"$@" 3<&- &
job=$!
{ read -r _ <&3; kill -KILL 0; } >/dev/null 2>&1 &
wait $job
code=$?
kill -KILL $! 2>/dev/null
exit $code`

// goCommand is a go command that ends, with the compilers it has started, when ctx ends or this program dies. The function
// is to be called when it has ended.
func goCommand(ctx context.Context, dir string, args []string) (*exec.Cmd, func(), error) {
	guard, keep, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("make the guard pipe of a build: %w", err)
	}
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", guarded, "sh", "go"}, args...)...)
	cmd.Dir = dir
	cmd.ExtraFiles = []*os.File{guard}
	// Whatever workspace this directory may be in. With cgo as the environment has it: so half of Prometheus' packages
	// are in the build cache already, from building this program.
	// Compilers collect their garbage half as often, as long as memory is no more than the largest packages take: that is a tenth of the time.
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOGC=200", "GOMEMLIMIT=2500MiB")
	// A group of its own, which the guard kills; the guard itself has to live on for that.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) {
			return err
		}
		return os.ErrProcessDone
	}
	return cmd, func() { _, _ = guard.Close(), keep.Close() }, nil
}

// isPackage tells the import paths that `go build -v` prints from messages.
func isPackage(line string) bool { return line != "" && !strings.ContainsAny(line, " \t:#") }

func tail(lines []string, n int) []string { return lines[max(0, len(lines)-n):] }
