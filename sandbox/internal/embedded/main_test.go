package embedded

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The test binary is also the programs that the tests supervise: OBSANDBOX_TEST says which one.
const helperEnv = "OBSANDBOX_TEST"

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "guard" {
		code, err := Guard(os.Args[3:])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(code)
	}
	mode, arg, _ := strings.Cut(os.Getenv(helperEnv), " ")
	switch mode {
	case "":
		os.Exit(m.Run())
	case "serve", "stubborn":
		if mode == "stubborn" {
			signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
		}
		if os.Getenv(guardEnv) != "" {
			ctx, err := ServeGuard(context.Background())
			exitOn(err)
			context.AfterFunc(ctx, func() { os.Exit(0) })
		}
		exitOn(serveHelper(arg))
	case "family": // has a child of its own
		child := helper("stubborn " + arg)
		cmd := exec.Command(child.path, child.args...)
		cmd.Env = append(os.Environ(), child.env...)
		exitOn(cmd.Start())
		fmt.Println("child", cmd.Process.Pid)
		exitOn(cmd.Wait())
	case "refuse":
		fmt.Fprintln(os.Stderr, "some log line\nprogram.yml:3: unknown key \"prot\"")
		os.Exit(2)
	case "die":
		fmt.Fprintln(os.Stderr, "no space left")
		os.Exit(1)
	case "hang":
		select {}
	case "compile": // by a go command that the test has put first on PATH
		cmd, release, err := goCommand(context.Background(), ".", []string{"build"})
		exitOn(err)
		defer release()
		cmd.Stdout = os.Stdout
		exitOn(cmd.Run())
	case "supervise":
		exitOn(superviseHelper(arg))
	}
	os.Exit(0)
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serveHelper is ready at /, and dies at /die with exit code 3.
func serveHelper(address string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/die", func(http.ResponseWriter, *http.Request) {
		fmt.Println("last words\nof the helper")
		os.Exit(3)
	})
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
	return http.ListenAndServe(address, mux)
}

func helper(mode string) command {
	return command{path: os.Args[0], args: []string{"-test.run=NONE"}, env: []string{helperEnv + "=" + mode}, own: true}
}

// superviseHelper runs a supervisor until it is killed; ports are three addresses.
func superviseHelper(ports string) error {
	addresses := strings.Fields(ports)
	dir := os.Getenv("OBSANDBOX_TEST_DIR")
	spawn, err := newSpawner([]string{os.Args[0]})
	if err != nil {
		return err
	}
	guarded, err := newSpawner([]string{os.Args[0]})
	if err != nil {
		return err
	}
	guarded.wrap = true
	unitOf := func(name, mode, address string) *unit {
		cmd := helper(mode + " " + address)
		cmd.own = mode == "stubborn"
		return testUnit(dir, name, address, cmd)
	}
	var wg sync.WaitGroup
	for i, sup := range []*supervisor{
		newSupervisor([]*unit{unitOf("own", "stubborn", addresses[0])}, spawn, usualTiming(), nil),
		newSupervisor([]*unit{unitOf("guarded", "family", addresses[1])}, guarded, usualTiming(), nil),
		newSupervisor([]*unit{unitOf("program", "serve", addresses[2])}, spawn, usualTiming(), nil),
	} {
		ready := make(chan struct{})
		wg.Go(func() { _ = sup.run(context.Background(), func() { close(ready) }) })
		<-ready
		fmt.Println("pid", sup.all()[0].PID, i)
	}
	fmt.Println("ready")
	wg.Wait()
	return nil
}

// testUnit is a unit that is ready when its address answers.
func testUnit(dir, name, address string, cmd command) *unit {
	client := newClient()
	return &unit{
		name: name, address: address, log: filepath.Join(dir, name+".log"),
		prepare: func(context.Context, func(string)) (command, error) { return cmd, nil },
		probe: func(ctx context.Context) error {
			_, err := request(ctx, client, http.MethodGet, "http://"+address+"/", nil)
			return err
		},
	}
}

func testTiming() timing {
	return timing{
		firstBackoff: 10 * time.Millisecond, maxBackoff: 40 * time.Millisecond, stable: time.Hour,
		readyTimeout: 20 * time.Second, grace: stopGrace, memory: 10 * time.Millisecond,
	}
}

// recorder keeps the events of a supervisor.
type recorder struct {
	mu     sync.Mutex
	events []Event
}

func (r *recorder) add(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *recorder) of(component string, state State) []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []Event
	for _, e := range r.events {
		if e.Component == component && e.State == state {
			found = append(found, e)
		}
	}
	return found
}

// supervised runs units until the test or stop ends them.
func supervised(t *testing.T, timing timing, units ...*unit) (rec *recorder, ready <-chan struct{}, stop func() error) {
	t.Helper()
	spawn, err := newSpawner([]string{os.Args[0]})
	require.NoError(t, err)
	rec = &recorder{}
	sup := newSupervisor(units, spawn, timing, rec.add)
	ctx, cancel := context.WithCancel(t.Context())
	allReady, done := make(chan struct{}), make(chan error, 1)
	go func() {
		err := sup.run(ctx, func() { close(allReady) })
		spawn.close()
		done <- err
	}()
	var once sync.Once
	var result error
	stop = func() error {
		once.Do(func() {
			cancel()
			result = <-done
		})
		return result
	}
	t.Cleanup(func() { _ = stop() })
	return rec, allReady, stop
}

// runs says whether a process exists and is not merely waiting to be collected.
func runs(pid string) bool {
	out, err := exec.Command("ps", "-o", "stat=", "-p", pid).Output()
	state := strings.TrimSpace(string(out))
	return err == nil && state != "" && !strings.HasPrefix(state, "Z")
}

// scanLines gives the lines that a process writes.
func scanLines(t *testing.T, cmd *exec.Cmd) <-chan string {
	t.Helper()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for sc := bufio.NewScanner(out); sc.Scan(); {
			lines <- sc.Text()
		}
	}()
	return lines
}
