// Command benchmark measures what people wait for, and prints it beside what was promised:
//
//	go run ./sandbox/benchmark            start, smoke checks, memory
//	go run ./sandbox/benchmark -first     also the first start ever, with empty caches: minutes
//	go run ./sandbox/benchmark dashboards the viewer's pages and the previews
//	go run ./sandbox/benchmark scenarios  simulated incidents and weeks, backtests
//	go run ./sandbox/benchmark tests      sandbox test: the repository's own tests, and a suite of them beside promtool
//
// It asserts nothing: figures depend on the machine, and on what else it does.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	runs := flag.Int("runs", 5, "how often to start the stack")
	first := flag.Bool("first", false, "measure the first start ever too, with empty caches")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	measure := func() error { return run(ctx, *runs, *first) }
	if mode := flag.Arg(0); mode != "" {
		other, ok := modes()[mode]
		if !ok {
			fmt.Fprintf(os.Stderr, "benchmark: no mode %q (there are: %s)\n", mode, strings.Join(slices.Sorted(maps.Keys(modes())), ", "))
			os.Exit(2)
		}
		measure = func() error { return other(ctx) }
	}
	if err := measure(); err != nil {
		fmt.Fprintln(os.Stderr, "benchmark:", err)
		os.Exit(2)
	}
}

// modes are what can be measured beside the running stack; each is a file of its own.
func modes() map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"dashboards": benchDashboards,
		"scenarios":  benchScenarios,
		"tests":      benchTests,
	}
}

func run(ctx context.Context, runs int, first bool) error {
	dir, program, err := built(ctx)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Printf("%d processors, %s/%s, %s\n\n", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())

	if first {
		took, err := firstStart(ctx, dir)
		if err != nil {
			return err
		}
		row("first start ever, compiling included", took.Round(time.Second).String(), "under 7m")
	}
	// Once unmeasured, so that the programs are built.
	if _, err := start(ctx, exec.CommandContext(ctx, program, "up", "--json", "--ports", "auto"), 0); err != nil {
		return err
	}
	var ready []time.Duration
	var memory []float64
	for range runs {
		s, err := start(ctx, exec.CommandContext(ctx, program, "up", "--json", "--ports", "auto"), 20*time.Second)
		if err != nil {
			return err
		}
		ready, memory = append(ready, s.ready), append(memory, s.memory)
	}
	row("all components ready", spread(ready, func(d time.Duration) string { return d.Round(10 * time.Millisecond).String() }), "3s")
	row("resident memory, 20 s after the start", spread(memory, func(b float64) string { return fmt.Sprintf("%.0f MB", b/1e6) }), "under 700 MB")

	var smoke []time.Duration
	for range runs {
		began := time.Now()
		if out, err := exec.CommandContext(ctx, program, "smoke").CombinedOutput(); err != nil {
			return fmt.Errorf("smoke: %w\n%s", err, out)
		}
		smoke = append(smoke, time.Since(began))
	}
	row("smoke checks green, starting a stack included", spread(smoke, func(d time.Duration) string { return d.Round(10 * time.Millisecond).String() }), "12s")
	return nil
}

// built makes a directory with the sandbox's program in it.
func built(ctx context.Context) (dir, program string, err error) {
	if dir, err = os.MkdirTemp("", "obsandbox-benchmark-"); err != nil {
		return "", "", err
	}
	program = filepath.Join(dir, "sandbox")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./sandbox").CombinedOutput(); err != nil {
		return "", "", errors.Join(fmt.Errorf("build the sandbox: %w\n%s", err, out), os.RemoveAll(dir))
	}
	return dir, program, nil
}

func row(what, figure, promised string) {
	fmt.Printf("%-48s %-34s promised: %s\n", what, figure, promised)
}

// spread is the median with the least and the most.
func spread[T time.Duration | float64](all []T, show func(T) string) string {
	slices.Sort(all)
	return fmt.Sprintf("%s (%s to %s)", show(all[len(all)/2]), show(all[0]), show(all[len(all)-1]))
}

type started struct {
	ready  time.Duration
	memory float64 // bytes, of all processes
}

// line is one of those that `up --json` prints.
type line struct {
	Event       string  `json:"event"`
	Component   string  `json:"component"`
	PID         int     `json:"pid"`
	MemoryBytes float64 `json:"memory_bytes"`
}

// start starts a stack, waits until all is ready and for a while after it, and ends it.
func start(ctx context.Context, cmd *exec.Cmd, stay time.Duration) (started, error) {
	var s started
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	// A group of its own: `go run` passes no signal on to what it runs.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	interrupt := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.Cancel = interrupt
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return s, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return s, fmt.Errorf("start the stack: %w", err)
	}
	pids := map[string]int{"sandbox": cmd.Process.Pid}
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			continue
		}
		if l.PID != 0 {
			pids[l.Component] = l.PID
		}
		if l.Event == "all ready" {
			s.ready = time.Since(began)
			break
		}
	}
	if s.ready > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(stay):
		}
		for _, pid := range pids {
			s.memory += resident(pid)
		}
	}
	if err := interrupt(); err != nil && !errors.Is(err, syscall.ESRCH) {
		return s, fmt.Errorf("end the stack: %w", err)
	}
	for lines.Scan() { // so that it can write its last lines
	}
	err = cmd.Wait()
	if s.ready == 0 {
		return s, fmt.Errorf("the stack did not become ready: %w\n%s", err, stderr.String())
	}
	// However it ended: `go run` calls an end that was asked for a failure.
	return s, ctx.Err()
}

// resident is a process' memory as Linux tells it; 0 elsewhere.
func resident(pid int) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var size, pages float64
	if _, err := fmt.Sscan(string(data), &size, &pages); err != nil {
		return 0
	}
	return pages * float64(os.Getpagesize())
}

// firstStart runs `go run ./sandbox up` with empty caches, as a fresh machine would. Modules are downloaded too.
func firstStart(ctx context.Context, dir string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, "go", "run", "./sandbox", "up", "--json", "--ports", "auto")
	cmd.Env = append(os.Environ(), "GOCACHE="+filepath.Join(dir, "build"), "GOMODCACHE="+filepath.Join(dir, "modules"),
		"XDG_CACHE_HOME="+filepath.Join(dir, "cache"), "GOFLAGS=-modcacherw")
	s, err := start(ctx, cmd, 0)
	return s.ready, err
}
