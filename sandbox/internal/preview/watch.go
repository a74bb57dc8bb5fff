package preview

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"obsandbox/sandbox/internal/stack"
)

// WatchOptions say how a preview is watched.
type WatchOptions struct {
	// Listen is "host:port".
	Listen string
	// Base is a revision of git to compare with; empty for none.
	Base string
	// Tell is called with lines for people.
	Tell func(string)
}

// every is how often files are looked at.
const every = 150 * time.Millisecond

// reload is put into the page: it waits for the next version, and loads it. The address keeps what is shown.
const reload = `<script>(async () => {
  const have = %d, ask = window.fetch.bind(window);
  for (;;) {
    try {
      const res = await ask('/next?after=' + have);
      if (res.status === 200) { location.reload(); return; }
    } catch (e) { await new Promise((r) => setTimeout(r, 500)); }
  }
})()</script>`

// watcher has the newest page.
type watcher struct {
	mu      sync.Mutex
	page    []byte
	count   int
	changed chan struct{} // closed at the next page
}

func (w *watcher) set(page func(count int) ([]byte, error)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	data, err := page(w.count + 1)
	if err != nil {
		return err
	}
	w.page, w.count = data, w.count+1
	if w.changed != nil {
		close(w.changed)
	}
	w.changed = make(chan struct{})
	return nil
}

func (w *watcher) get() ([]byte, int, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.page, w.count, w.changed
}

func (w *watcher) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	page, count, changed := w.get()
	if r.URL.Path == "/next" {
		if r.URL.Query().Get("after") != fmt.Sprint(count) {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
		case <-time.After(25 * time.Second):
			out.WriteHeader(http.StatusNoContent)
		}
		return
	}
	out.Header().Set("Content-Type", "text/html; charset=utf-8")
	out.Header().Set("Cache-Control", "no-store")
	_, _ = out.Write(page) // the reader went away
}

// Watch serves the preview's page until ctx ends, and makes it anew whenever a file under stack/grafana is saved: Go code
// is run first, which writes the dashboards. A fault is told, and the last good page stays.
func Watch(ctx context.Context, s *stack.Stack, scenes []*Scene, opt WatchOptions) error {
	w := &watcher{}
	build := func() error {
		head, err := Head(s)
		if err != nil {
			return err
		}
		versions := []Version{head}
		if opt.Base != "" {
			base, err := Base(ctx, s, opt.Base)
			if err != nil {
				return err
			}
			versions = append(versions, base)
		}
		return w.set(func(count int) ([]byte, error) { return Page(ctx, scenes, versions, fmt.Sprintf(reload, count)) })
	}
	if err := build(); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", opt.Listen)
	if err != nil {
		return fmt.Errorf("serve the preview: %w", err)
	}
	server := &http.Server{Handler: w, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer server.Close()
	opt.Tell("the preview is at http://" + listener.Addr().String() + "/, Ctrl-C ends it")

	code, boards := stamps(s.Path("grafana"), ".go"), stamps(s.Path(Dir), ".json")
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-served:
			if !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve the preview: %w", err)
			}
			return nil
		case <-time.After(every):
		}
		began := time.Now()
		newCode, newBoards := stamps(s.Path("grafana"), ".go"), stamps(s.Path(Dir), ".json")
		if newCode == code && newBoards == boards {
			continue
		}
		if newCode != code {
			code = newCode
			cmd := exec.CommandContext(ctx, "go", "run", ".")
			cmd.Dir = s.Path("grafana")
			if out, err := cmd.CombinedOutput(); err != nil {
				opt.Tell(fmt.Sprintf("go run ./stack/grafana: %v\n%s", err, out))
				continue
			}
			newBoards = stamps(s.Path(Dir), ".json")
		}
		boards = newBoards
		if err := build(); err != nil {
			opt.Tell(err.Error())
			continue
		}
		opt.Tell(fmt.Sprintf("drawn anew in %d ms", time.Since(began).Milliseconds()))
	}
}

// stamps are the names, sizes and times of a directory's files.
func stamps(dir, ending string) string {
	var b strings.Builder
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ending) {
			if info, err := d.Info(); err == nil {
				fmt.Fprintln(&b, path, info.Size(), info.ModTime().UnixNano())
			}
		}
		return nil // a file that goes while it is looked at is a change
	})
	return b.String()
}
