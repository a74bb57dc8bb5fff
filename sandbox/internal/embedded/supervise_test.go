package embedded

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/ports"
	"obsandbox/sandbox/internal/stack"
)

const patience = 20 * time.Second

func awaitClosed(t *testing.T, ch <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(patience):
		require.FailNow(t, "timed out: "+what)
	}
}

func TestWhatNeedsStartsLater(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := ports.Address(t), ports.Address(t)
	first := testUnit(dir, "first", a, helper("serve "+a))
	second := testUnit(dir, "second", b, helper("serve "+b))
	second.needs = []string{"first", "absent"}
	var setUp, released atomic.Bool
	first.setup = func(context.Context) error { setUp.Store(true); return nil }
	second.release = func() { released.Store(true); assert.True(t, setUp.Load(), "first is set up before second starts") }
	rec, ready, stop := supervised(t, testTiming(), second, first)
	awaitClosed(t, ready, "all are ready")
	require.NoError(t, stop())
	assert.True(t, released.Load())
	require.Len(t, rec.of("first", Ready), 1)
	require.Len(t, rec.of("second", Starting), 1)
	assert.False(t, rec.of("second", Starting)[0].Time.Before(rec.of("first", Ready)[0].Time))
	assert.Positive(t, rec.of("first", Ready)[0].ReadyAfter)
	assert.Positive(t, rec.of("first", Ready)[0].Memory)
	assert.Len(t, rec.of("first", Stopped), 1)
}

func TestDeadComponentIsShownAndStartedAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stable time.Duration
		want   []string
	}{
		"ever later":                     {time.Hour, []string{"10ms", "20ms", "40ms", "40ms"}},
		"soon again after it was stable": {time.Nanosecond, []string{"10ms", "10ms", "10ms"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := ports.Address(t)
			u := testUnit(t.TempDir(), "frail", address, helper("serve "+address))
			timing := testTiming()
			timing.stable = c.stable
			rec, ready, stop := supervised(t, timing, u)
			awaitClosed(t, ready, "ready")
			for i, backoff := range c.want {
				resp, err := http.Get("http://" + address + "/die")
				if err == nil {
					resp.Body.Close()
				}
				require.Eventually(t, func() bool { return len(rec.of("frail", Ready)) == i+2 }, patience, time.Millisecond)
				death := rec.of("frail", Restarting)[i]
				assert.Equal(t, "ended (exit code 3), starts again in "+backoff, death.Message)
				assert.Equal(t, []string{"last words", "of the helper"}, death.LastLines)
				assert.Equal(t, i+1, death.Restarts)
				assert.Empty(t, rec.of("frail", Ready)[i+1].LastLines)
			}
			require.NoError(t, stop())
		})
	}
}

func TestComponentThatCannotStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mode, want string
		starts     int
		timeout    time.Duration
	}{
		"refuses its configuration": {"refuse", "bad cannot start (exit code 2):\n  some log line\n  program.yml:3: unknown key \"prot\"\nits log: ", 1, patience},
		"dies at every start":       {"die", "bad cannot start (exit code 1):\n  no space left\nits log: ", 3, patience},
		"never gets ready":          {"hang", "bad cannot start (not ready after 300ms)", 1, 300 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, good, bad := t.TempDir(), ports.Address(t), ports.Address(t)
			timing := testTiming()
			timing.readyTimeout = c.timeout
			ok := testUnit(dir, "good", good, helper("serve "+good))
			ok.probe = func(context.Context) error { return nil } // however slow the machine is
			broken := testUnit(dir, "bad", bad, helper(c.mode))
			broken.needs = []string{"good"}
			spawn, err := newSpawner([]string{os.Args[0]})
			require.NoError(t, err)
			rec := &recorder{}
			// Nobody cancels: the component that cannot start ends the run.
			err = newSupervisor([]*unit{ok, broken}, spawn, timing, rec.add).run(t.Context(), func() { t.Error("all ready") })
			var start *StartError
			require.ErrorAs(t, err, &start)
			assert.ErrorContains(t, err, c.want)
			assert.Len(t, rec.of("bad", Starting), c.starts)
			assert.Len(t, rec.of("bad", Failed), 1)
			assert.Len(t, rec.of("good", Stopped), 1)
		})
	}
}

// Where the lines of a process explain its end, it is not started again.
func TestComponentWhoseEndIsExplained(t *testing.T) {
	t.Parallel()
	u := testUnit(t.TempDir(), "bad", ports.Address(t), helper("die"))
	u.explain = func(lines []string) error {
		assert.Equal(t, []string{"no space left"}, lines)
		return &stack.FileError{File: "/stack/bad.yml", Line: 3, Msg: "no such storage"}
	}
	spawn, err := newSpawner([]string{os.Args[0]})
	require.NoError(t, err)
	defer spawn.close()
	rec := &recorder{}
	err = newSupervisor([]*unit{u}, spawn, testTiming(), rec.add).run(t.Context(), func() { t.Error("all ready") })
	assert.EqualError(t, err, "/stack/bad.yml:3: no such storage")
	assert.Len(t, rec.of("bad", Starting), 1)
}

func TestComponentThatCannotBePrepared(t *testing.T) {
	t.Parallel()
	u := testUnit(t.TempDir(), "unbuilt", "127.0.0.1:1", command{})
	u.prepare = func(_ context.Context, progress func(string)) (command, error) {
		progress("compiling")
		return command{}, errors.New("no compiler")
	}
	spawn, err := newSpawner([]string{os.Args[0]})
	require.NoError(t, err)
	defer spawn.close()
	rec := &recorder{}
	require.EqualError(t, newSupervisor([]*unit{u}, spawn, testTiming(), rec.add).run(t.Context(), func() {}), "no compiler")
	require.Len(t, rec.of("unbuilt", Building), 1)
	assert.Equal(t, "compiling", rec.of("unbuilt", Building)[0].Message)
}

func TestSetupThatIsRefusedEndsTheRun(t *testing.T) {
	t.Parallel()
	address := ports.Address(t)
	u := testUnit(t.TempDir(), "store", address, helper("serve "+address))
	u.setup = func(context.Context) error { return errors.New("template.json:7: no such field type") }
	spawn, err := newSpawner([]string{os.Args[0]})
	require.NoError(t, err)
	defer spawn.close()
	err = newSupervisor([]*unit{u}, spawn, testTiming(), nil).run(t.Context(), func() { t.Error("all ready") })
	assert.EqualError(t, err, "store cannot start: template.json:7: no such field type")
}

func TestEverythingEndsWithinTwoSeconds(t *testing.T) {
	t.Parallel()
	dir, a, b := t.TempDir(), ports.Address(t), ports.Address(t)
	rec, ready, stop := supervised(t, testTiming(),
		testUnit(dir, "stubborn", a, helper("stubborn "+a)), testUnit(dir, "polite", b, helper("serve "+b)))
	awaitClosed(t, ready, "ready")
	began := time.Now()
	require.NoError(t, stop())
	// What is left of the 2 s is for the kernel; how long a busy machine needs for that is not looked at.
	assert.Less(t, stopGrace, 2*time.Second)
	polite, stubborn := rec.of("polite", Stopped)[0].Time, rec.of("stubborn", Stopped)[0].Time
	assert.True(t, polite.Before(stubborn), "it need not wait for the other")
	assert.GreaterOrEqual(t, stubborn.Sub(began), stopGrace, "the other was given its time")
}

// The supervisor is killed; what it started, and what that has started, goes too.
func TestNothingOutlivesAKilledSupervisor(t *testing.T) {
	t.Parallel()
	addresses := strings.Join([]string{ports.Address(t), ports.Address(t), ports.Address(t)}, " ")
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=NONE")
	cmd.Env = append(os.Environ(), helperEnv+"=supervise "+addresses, "OBSANDBOX_TEST_DIR="+dir)
	var pids []string
	for line := range scanLines(t, cmd) {
		if f := strings.Fields(line); f[0] == "pid" {
			pids = append(pids, f[1])
		}
		if line == "ready" {
			break
		}
	}
	family, err := os.ReadFile(filepath.Join(dir, "guarded.log"))
	require.NoError(t, err)
	child, ok := strings.CutPrefix(strings.TrimSpace(string(family)), "child ")
	require.True(t, ok, "%s", family)
	pids = append(pids, child)
	require.Len(t, pids, 4)
	for _, pid := range pids {
		require.True(t, runs(pid), pid)
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
	_ = cmd.Wait()
	for _, pid := range pids {
		assert.Eventually(t, func() bool { return !runs(pid) }, time.Minute, 20*time.Millisecond, "process %s outlived the supervisor", pid)
	}
}

func TestNoCompilerOutlivesItsKilledStarter(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	compiler := "#!/bin/sh\nsleep 600 &\necho pid $$\necho pid $!\nwait\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "go"), []byte(compiler), 0o755))
	cmd := exec.Command(os.Args[0], "-test.run=NONE")
	cmd.Env = append(os.Environ(), helperEnv+"=compile", "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	var pids []string
	for line := range scanLines(t, cmd) {
		_, pid, ok := strings.Cut(line, "pid ")
		require.True(t, ok, line)
		if pids = append(pids, pid); len(pids) == 2 {
			break
		}
	}
	for _, pid := range pids {
		require.True(t, runs(pid), pid)
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
	_ = cmd.Wait()
	for _, pid := range pids {
		assert.Eventually(t, func() bool { return !runs(pid) }, time.Minute, 20*time.Millisecond, "process %s outlived its starter", pid)
	}
}

// The table on a terminal is drawn from the status, by whoever is told of events: neither may wait for the other.
func TestWhoIsToldMayAskForTheStatus(t *testing.T) {
	t.Parallel()
	spawn, err := newSpawner([]string{os.Args[0]})
	require.NoError(t, err)
	defer spawn.close()
	address := ports.Address(t)
	var sup *supervisor
	var states []State
	sup = newSupervisor([]*unit{testUnit(t.TempDir(), "one", address, helper("serve "+address))}, spawn, testTiming(), func(Event) {
		asked := make(chan []Status)
		go func() { asked <- sup.all() }()
		select {
		case all := <-asked:
			states = append(states, all[0].State)
		case <-time.After(time.Minute):
			t.Error("the status is not told while an event is")
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, sup.run(ctx, cancel))
	assert.Equal(t, []State{Starting, Ready, Stopped}, states)
}

func TestLastLines(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(file, []byte("before\none\n\ntwo\nthree\n"), 0o644))
	assert.Equal(t, []string{"one", "two", "three"}, lastLines(file, 7, 10))
	assert.Equal(t, []string{"two", "three"}, lastLines(file, 7, 2))
	assert.Empty(t, lastLines(file, 22, 10))
	assert.Empty(t, lastLines(filepath.Join(t.TempDir(), "none"), 0, 10))
}
