package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"obsandbox/sandbox/internal/rules"
)

// touched says which saved files a kind of test looks at, by the beginning of their path below the repository. A kind
// that is not here is run again after every save.
func touched(kind string) []string {
	return map[string][]string{
		"configuration": {"stack/"},
		"catalogue":     {"stack/metrics.yaml", "stack/prometheus/", "stack/slos.yaml", "stack/alertmanager/", "stack/runbook.md"},
		"slos":          {"stack/slos.yaml", "stack/prometheus/slo/", "stack/stack.yaml"},
		"rules":         {"stack/prometheus/", "stack/slos.yaml", "tests/rules/"},
		"mutations":     {"stack/prometheus/", "tests/rules/", "stack/alertmanager/", "tests/routes/"},
		"routes":        {"stack/alertmanager/", "tests/routes/", "tests/rules/"},
		"pipelines":     {"stack/logstash/", "tests/pipelines/"},
		"scenarios":     {"stack/prometheus/", "stack/alertmanager/", "stack/metrics.yaml", "tests/scenarios/"},
		"detection":     {"stack/prometheus/", "stack/alertmanager/", "stack/metrics.yaml"},
		"dashboards":    {"stack/grafana/", "stack/prometheus/", "stack/metrics.yaml", "stack/elasticsearch/"},
	}[kind]
}

// settle is how long a save may go on: editors write a file in several steps.
const settle = 150 * time.Millisecond

// watch judges, and judges again what a saved file touches, until ctx ends. What fails is shown and waited with.
func (f testFlags) watch(ctx context.Context, con *console, paths []string, chosen []kind) error {
	s, err := f.load()
	if err != nil {
		return err
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch the files: %w", err)
	}
	defer watcher.Close()
	for _, root := range append([]string{s.Dir, filepath.Join(s.Root(), "tests")}, paths...) {
		if err := watchTree(watcher, root); err != nil {
			return err
		}
	}
	again := chosen
	var saved []string
	for {
		read, err := readBy(paths, chosen)
		if err != nil {
			return err
		}
		for _, file := range read {
			if err := watcher.Add(filepath.Dir(file)); err != nil {
				return fmt.Errorf("watch %s: %w", file, err)
			}
		}
		if len(again) > 0 {
			var coded *exitError
			if err := f.judge(ctx, con, paths, saved, again...); err != nil && (!errors.As(err, &coded) || coded.err != nil) {
				fmt.Fprintln(con.err, "sandbox:", err)
			}
			fmt.Fprintln(con.err, "waiting for a saved file; Ctrl-C ends it")
		}
		saved, err = nextSave(ctx, watcher)
		if err != nil || len(saved) == 0 {
			return err
		}
		again = slices.DeleteFunc(slices.Clone(chosen), func(k kind) bool { return !concerns(k.name, s.Root(), append(read, paths...), saved) })
	}
}

// readBy are the files that tests which the user named read, wherever they are.
func readBy(paths []string, chosen []kind) ([]string, error) {
	if len(paths) == 0 || !slices.ContainsFunc(chosen, func(k kind) bool { return k.name == "rules" || k.name == "mutations" }) {
		return nil, nil
	}
	return rules.Reads(paths)
}

// concerns says whether one of the saved files is of a kind of test.
func concerns(kind, root string, paths, saved []string) bool {
	prefixes := touched(kind)
	for _, file := range saved {
		rel, err := filepath.Rel(root, file)
		if err != nil || len(prefixes) == 0 {
			return true
		}
		rel = filepath.ToSlash(rel)
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(rel, p) }) ||
			slices.ContainsFunc(paths, func(p string) bool { return strings.HasPrefix(file, p) }) {
			return true
		}
	}
	return false
}

// nextSave waits for a save and returns the files of it, and of whatever else is saved right after it; nothing when ctx
// ends.
func nextSave(ctx context.Context, watcher *fsnotify.Watcher) ([]string, error) {
	var saved []string
	var quiet <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil, nil
		case <-quiet:
			return saved, nil
		case err := <-watcher.Errors:
			return nil, fmt.Errorf("watch the files: %w", err)
		case e := <-watcher.Events:
			if e.Op == fsnotify.Chmod || temporary(e.Name) {
				continue
			}
			if info, err := os.Stat(e.Name); err == nil && info.IsDir() {
				if err := watchTree(watcher, e.Name); err != nil {
					return nil, err
				}
				continue
			}
			if !slices.Contains(saved, e.Name) {
				saved = append(saved, e.Name)
			}
			quiet = time.After(settle)
		}
	}
}

// temporary are the files that editors make beside the one that is saved.
func temporary(name string) bool {
	base := filepath.Base(name)
	return strings.HasPrefix(base, ".") || strings.HasSuffix(base, "~") || strings.HasSuffix(base, ".swp") || base == "4913"
}

// watchTree watches a file's directory, or a directory with all below it.
func watchTree(watcher *fsnotify.Watcher, root string) error {
	info, err := os.Stat(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a stack without tests
	}
	if err != nil {
		return fmt.Errorf("watch the files: %w", err)
	}
	if !info.IsDir() {
		root = filepath.Dir(root)
	}
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("watch the files: %w", err)
		}
		if !d.IsDir() {
			return nil
		}
		if strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "node_modules" {
			return filepath.SkipDir
		}
		if err := watcher.Add(path); err != nil {
			return fmt.Errorf("watch %s: %w", path, err)
		}
		return nil
	})
}
