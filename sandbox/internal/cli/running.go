package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"obsandbox/sandbox/internal/embedded"
	"obsandbox/sandbox/internal/stack"
)

// targetFlag names a running stack.
type targetFlag struct {
	Stack string `type:"path" placeholder:"FILE" help:"The addresses.json of a running stack, or its run directory (default: the one that runs)."`
}

// find is the running stack that is meant: the named one, else the only one, else the newest of several.
func (f targetFlag) find(warn io.Writer) (embedded.Running, error) {
	if f.Stack != "" {
		file := addressesFile(f.Stack)
		a, err := stack.ReadAddresses(file)
		if err != nil {
			return embedded.Running{}, err
		}
		return embedded.Running{PID: a.PID, Dir: filepath.Dir(file), StackDir: a.StackDir}, nil
	}
	cache, err := embedded.CacheDir()
	if err != nil {
		return embedded.Running{}, err
	}
	all, err := embedded.List(cache)
	if err != nil {
		return embedded.Running{}, err
	}
	if len(all) == 0 {
		return embedded.Running{}, &noneError{filepath.Join(cache, "running")}
	}
	if len(all) > 1 {
		fmt.Fprintf(warn, "sandbox: %d stacks run, this is the newest, in %s (another: --stack)\n", len(all), all[0].Dir)
	}
	return all[0], nil
}

// addressesFile is the addresses.json that --stack means: the file itself, or that of a run directory.
func addressesFile(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return filepath.Join(path, "addresses.json")
	}
	return path
}

type statusCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *statusCmd) Run(con *console) error {
	cache, err := embedded.CacheDir()
	if err != nil {
		return err
	}
	all, err := embedded.List(cache)
	if err != nil {
		return err
	}
	type entry struct {
		embedded.Running
		Components []embedded.Status `json:"components"`
	}
	entries := []entry{}
	for _, r := range all {
		status, err := r.Status()
		if errors.Is(err, os.ErrNotExist) {
			continue // it is starting or ending
		}
		if err != nil {
			return err
		}
		entries = append(entries, entry{r, status})
	}
	if c.JSON {
		enc := json.NewEncoder(con.out)
		enc.SetIndent("", "  ")
		return enc.Encode(entries)
	}
	if len(entries) == 0 {
		fmt.Fprintln(con.out, "no stack runs")
	}
	for _, e := range entries {
		fmt.Fprintf(con.out, "%s\nprocess %d, up for %s, in %s\n%s\n", e.StackDir, e.PID, time.Since(e.Started).Round(time.Second), e.Dir, tableOf(e.Components))
	}
	return nil
}

type downCmd struct {
	targetFlag
}

// downTimeout is longer than a stack takes to end.
const downTimeout = 5 * time.Second

func (c *downCmd) Run(ctx context.Context, con *console) error {
	r, err := c.find(con.err)
	if err != nil {
		return err
	}
	if r.PID == 0 {
		return fmt.Errorf("the stack in %s is no process of this machine: end it where it was started", r.Dir)
	}
	if !embedded.Alive(r.Dir) {
		return fmt.Errorf("the stack in %s does not run any more", r.Dir)
	}
	if err := syscall.Kill(r.PID, syscall.SIGTERM); err != nil {
		return fmt.Errorf("end the stack of process %d: %w", r.PID, err)
	}
	for deadline := time.Now().Add(downTimeout); embedded.Alive(r.Dir); {
		if time.Now().After(deadline) {
			return fmt.Errorf("the stack of process %d has not ended after %s", r.PID, downTimeout)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	fmt.Fprintf(con.out, "the stack of process %d has ended\n", r.PID)
	return nil
}

type logsCmd struct {
	targetFlag
	Component string `arg:"" help:"The component: ${components}"`
	Follow    bool   `short:"f" help:"Go on with what is written later."`
}

func (c *logsCmd) Run(ctx context.Context, con *console) error {
	r, err := c.find(con.err)
	if err != nil {
		return err
	}
	file, err := os.Open(r.LogFile(c.Component))
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s has no log in %s (there are: %s)", c.Component, r.Dir, strings.Join(logNames(r.Dir), ", "))
	}
	if err != nil {
		return fmt.Errorf("print the log of %s: %w", c.Component, err)
	}
	defer file.Close()
	for {
		if _, err := io.Copy(con.out, file); err != nil {
			return fmt.Errorf("print the log of %s: %w", c.Component, err)
		}
		if !c.Follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// logNames are the components that have a log in a run directory.
func logNames(dir string) []string {
	var names []string
	entries, err := os.ReadDir(filepath.Join(dir, "logs"))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".log"))
	}
	return names
}
