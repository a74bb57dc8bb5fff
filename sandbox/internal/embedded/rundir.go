package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"obsandbox/sandbox/internal/stack"
)

// The files of a run directory.
const (
	addressesFile = "addresses.json"
	statusFile    = "status.json"
	lockName      = "lock"
)

// The directory of a run that ended badly is kept for whoever wants to read its logs: for a day, and of the last ones only.
const (
	keepDead     = 24 * time.Hour
	keepDeadMost = 20
)

// CacheDir is where built programs, run directories and the list of running stacks are kept.
func CacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache directory: %w", err)
	}
	return filepath.Join(dir, "obsandbox"), nil
}

// Running is a stack that runs on this machine.
type Running struct {
	PID int `json:"pid"`
	// Dir is its run directory.
	Dir      string    `json:"dir"`
	StackDir string    `json:"stack_dir"`
	Started  time.Time `json:"started"`
}

// Addresses reads where the stack answers.
func (r Running) Addresses() (stack.Addresses, error) {
	return stack.ReadAddresses(filepath.Join(r.Dir, addressesFile))
}

// Status reads the state of its components as of the last change, or of some seconds ago.
func (r Running) Status() ([]Status, error) {
	data, err := os.ReadFile(filepath.Join(r.Dir, statusFile))
	if err != nil {
		return nil, fmt.Errorf("read the status of the stack in %s: %w", r.Dir, err)
	}
	var all []Status
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("read the status of the stack in %s: %w", r.Dir, err)
	}
	return all, nil
}

// LogFile is the log of one of its components.
func (r Running) LogFile(component string) string { return logFile(r.Dir, component) }

func logFile(dir, component string) string { return filepath.Join(dir, "logs", component+".log") }

// List is the running stacks, the newest first. What dead ones have left behind is removed.
func List(cache string) ([]Running, error) {
	dir := filepath.Join(cache, "running")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the running stacks: %w", err)
	}
	var live []Running
	for _, e := range entries {
		file := filepath.Join(dir, e.Name())
		data, err := os.ReadFile(file)
		if err != nil {
			continue // ended meanwhile
		}
		var r Running
		if json.Unmarshal(data, &r) == nil && isLocked(r.Dir) {
			live = append(live, r)
			continue
		}
		_ = os.Remove(file) // removed by another, or in the next run
	}
	slices.SortFunc(live, func(a, b Running) int { return b.Started.Compare(a.Started) })
	return live, nil
}

// Alive says whether the stack with that run directory runs.
func Alive(dir string) bool { return isLocked(dir) }

// isLocked says whether a run directory belongs to a live process.
func isLocked(dir string) bool {
	if _, err := os.Stat(filepath.Join(dir, lockName)); err != nil {
		return false
	}
	unlock, err := tryLock(filepath.Join(dir, lockName))
	if err != nil {
		return errors.Is(err, errLocked)
	}
	unlock()
	return false
}

// runDir is the directory of a run that this process has locked.
type runDir struct {
	path string
	// keep says that the user asked for the directory, so it stays.
	keep   bool
	unlock func()
	entry  string
}

// openRunDir makes and locks data, or a directory of its own where data is empty.
func openRunDir(cache, data string) (*runDir, error) {
	removeDead(filepath.Join(cache, "run"))
	d := &runDir{path: data, keep: data != ""}
	if d.keep {
		abs, err := filepath.Abs(data)
		if err != nil {
			return nil, fmt.Errorf("use the data directory %s: %w", data, err)
		}
		d.path = abs
		if err := os.MkdirAll(abs, 0o755); err != nil {
			return nil, fmt.Errorf("use the data directory %s: %w", data, err)
		}
	} else {
		if err := os.MkdirAll(filepath.Join(cache, "run"), 0o755); err != nil {
			return nil, fmt.Errorf("make a run directory: %w", err)
		}
		path, err := os.MkdirTemp(filepath.Join(cache, "run"), "")
		if err != nil {
			return nil, fmt.Errorf("make a run directory: %w", err)
		}
		d.path = path
	}
	unlock, err := tryLock(filepath.Join(d.path, lockName))
	if errors.Is(err, errLocked) {
		return nil, fmt.Errorf("the data directory %s belongs to a stack that is running: end it (sandbox down) or use another directory", d.path)
	}
	if err != nil {
		return nil, fmt.Errorf("use the run directory %s: %w", d.path, err)
	}
	d.unlock = unlock
	if err := os.MkdirAll(filepath.Join(d.path, "logs"), 0o755); err != nil {
		d.close(false)
		return nil, fmt.Errorf("use the run directory %s: %w", d.path, err)
	}
	return d, nil
}

// announce adds the stack to the list of running ones.
func (d *runDir) announce(cache, stackDir string) error {
	dir := filepath.Join(cache, "running")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("list this stack as running: %w", err)
	}
	r := Running{PID: os.Getpid(), Dir: d.path, StackDir: stackDir, Started: time.Now()}
	file, err := os.CreateTemp(dir, fmt.Sprintf("%d-*.json", r.PID))
	if err != nil {
		return fmt.Errorf("list this stack as running: %w", err)
	}
	d.entry = file.Name()
	if err := errors.Join(json.NewEncoder(file).Encode(r), file.Close()); err != nil {
		return fmt.Errorf("list this stack as running: %w", err)
	}
	return nil
}

// close unlocks the directory, and removes it where it is not wanted any more.
func (d *runDir) close(remove bool) {
	if d.entry != "" {
		_ = os.Remove(d.entry) // List removes it otherwise
	}
	if remove && !d.keep {
		_ = os.RemoveAll(d.path) // a later run removes the rest
	} else {
		_ = os.Remove(filepath.Join(d.path, statusFile))
		_ = os.Remove(filepath.Join(d.path, addressesFile))
	}
	d.unlock()
}

// removeDead removes the directories of runs that have ended without doing so themselves.
func removeDead(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	ended := map[string]time.Time{} // or begun
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := e.Info()
		if err == nil && !strings.HasPrefix(e.Name(), ".") && !isLocked(path) {
			ended[path] = info.ModTime()
		}
	}
	newest := slices.SortedFunc(maps.Keys(ended), func(a, b string) int { return ended[b].Compare(ended[a]) })
	for i, path := range newest {
		// One without a lock may be about to be locked.
		if age := time.Since(ended[path]); age > keepDead || i >= keepDeadMost && age > time.Minute {
			_ = os.RemoveAll(path)
		}
	}
}

// writeFile replaces a file in one step.
func writeFile(file string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), ".tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, werr := tmp.Write(data)
	if err := errors.Join(werr, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}
