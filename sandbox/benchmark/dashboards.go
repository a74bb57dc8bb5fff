package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/chromedp/chromedp"

	"obsandbox/sandbox/internal/preview"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/viewer"
)

// benchDashboards measures the viewer's pages and the previews. The time of the processor counts the programs that are
// started, the browser too.
func benchDashboards(ctx context.Context) error {
	if err := benchBundle(); err != nil {
		return err
	}
	dir, program, err := built(ctx)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	draw := func(what, promised string, args ...string) error {
		cmd := exec.CommandContext(ctx, program, append([]string{"preview", "--out", filepath.Join(dir, "preview")}, args...)...)
		began := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("preview: %w\n%s", err, out)
		}
		used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		row(what, fmt.Sprintf("%s (%s of processor)", report.Seconds(time.Since(began)), report.Seconds(used)), promised)
		return nil
	}
	if err := draw("six dashboards, all queries, to HTML", "under 10s", "--chromium", "none"); err != nil {
		return err
	}
	chromium := preview.FindChromium()
	if chromium == "" {
		fmt.Println("Chromium is not installed: pictures, and how long pages take to open, are not measured")
		return nil
	}
	if err := draw("the same, and to pictures", "under 40s", "--chromium", chromium); err != nil {
		return err
	}
	if err := benchOpening(ctx, program, chromium); err != nil {
		return err
	}
	return benchWatch(ctx, program, chromium, dir)
}

// benchBundle adds up what a browser loads.
func benchBundle() error {
	sizes, err := viewer.Sizes()
	if err != nil {
		return err
	}
	firsts := regexp.MustCompile(`^assets/(index|rolldown-runtime|style)-`)
	var first, all int
	for name, size := range sizes {
		if !strings.HasPrefix(name, "assets/") {
			continue
		}
		all += size
		if firsts.MatchString(name) {
			first += size
		}
	}
	row("scripts and styles of the pages, gzipped", fmt.Sprintf("%d KB (%d KB for the first page)", all/1000, first/1000), "under 900 KB")
	return nil
}

// tab is a browser with one page open.
func tab(ctx context.Context, chromium string) (context.Context, func()) {
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.Flag("disable-gpu", true))
	if os.Getuid() == 0 {
		opts = append(opts, chromedp.NoSandbox)
	}
	allocated, stop := chromedp.NewExecAllocator(ctx, opts...)
	page, cancel := chromedp.NewContext(allocated)
	return page, func() { cancel(); stop() }
}

// await asks the page until an expression is true.
func await(ctx context.Context, expression string) error {
	deadline := time.Now().Add(time.Minute)
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		if err == nil && ok {
			return nil
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return fmt.Errorf("the page does not come to %s: %w", expression, errors.Join(err, ctx.Err()))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// benchOpening measures the time until the time range of a dashboard can be operated.
func benchOpening(ctx context.Context, program, chromium string) (err error) {
	cmd := exec.CommandContext(ctx, program, "up", "--ports", "auto", "--json")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the stack: %w", err)
	}
	defer func() {
		err = errors.Join(err, cmd.Process.Signal(syscall.SIGINT), cmd.Wait())
	}()
	var event struct {
		Event string
		Links []struct{ Name, URL string }
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for event.Event != "all ready" && lines.Scan() {
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return fmt.Errorf("read what the stack says: %w", err)
		}
	}
	go func() { // so that it can write its last lines
		for lines.Scan() {
		}
	}()
	address := ""
	for _, l := range event.Links {
		if strings.HasPrefix(l.Name, "Grafana") {
			address = l.URL
		}
	}
	// Each visitor is a browser that has never seen a page, and comes several times.
	var first, later []time.Duration
	for range 4 {
		visits, err := visits(ctx, chromium, address+"d/overview", 4)
		if err != nil {
			return err
		}
		first, later = append(first, visits[0]), append(later, visits[1:]...)
	}
	show := func(d time.Duration) string { return d.Round(10 * time.Millisecond).String() }
	row("a page can be operated, first visit", spread(first, show), "under 1s")
	row("a page can be operated, later", spread(later, show), "under 1s")
	return nil
}

// visits opens a dashboard in a new browser, which has started before the clock does, again and again.
func visits(ctx context.Context, chromium, address string, n int) ([]time.Duration, error) {
	page, done := tab(ctx, chromium)
	defer done()
	if err := chromedp.Do(page, chromedp.Navigate("about:blank")); err != nil {
		return nil, fmt.Errorf("start the browser: %w", err)
	}
	var took []time.Duration
	for range n {
		began := time.Now()
		if err := chromedp.Do(page, chromedp.Navigate(address)); err != nil {
			return nil, fmt.Errorf("open the viewer: %w", err)
		}
		if err := await(page, `!!document.querySelector('[aria-label^="Time range selected"]') && document.querySelectorAll('[data-panel]').length > 5`); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}

// benchWatch measures the time from saving a dashboard's Go code until the open page shows it.
func benchWatch(ctx context.Context, program, chromium, dir string) error {
	root := filepath.Join(dir, "copy")
	for _, name := range []string{"stack", "tools"} {
		if err := os.CopyFS(filepath.Join(root, name), os.DirFS(name)); err != nil {
			return fmt.Errorf("copy the stack: %w", err)
		}
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("copy the stack: %w", err)
		}
		if err := os.WriteFile(filepath.Join(root, name), data, 0o600); err != nil {
			return fmt.Errorf("copy the stack: %w", err)
		}
	}
	cmd := exec.CommandContext(ctx, program, "preview", "--watch", "--stack-dir", filepath.Join(root, "stack"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("watch the dashboards: %w", err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	lines := bufio.NewScanner(out)
	address := ""
	for address == "" && lines.Scan() {
		address = regexp.MustCompile(`http://\S+/`).FindString(lines.Text())
	}
	go func() {
		for lines.Scan() {
		}
	}()
	page, done := tab(ctx, chromium)
	defer done()
	if err := chromedp.Do(page, chromedp.Navigate(address)); err != nil {
		return fmt.Errorf("open the preview: %w", err)
	}
	file := filepath.Join(root, "stack", "grafana", "overview.go")
	was := "Total throughput"
	var took []time.Duration
	for i := range 4 {
		if err := await(page, fmt.Sprintf(`document.readyState === 'complete' && document.body.innerText.includes(%q)`, was)); err != nil {
			return err
		}
		code, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		now := fmt.Sprintf("Throughput %d", i)
		began := time.Now()
		if err := os.WriteFile(file, bytes.Replace(code, []byte(was), []byte(now), 1), 0o600); err != nil {
			return err
		}
		if err := await(page, fmt.Sprintf(`document.body.innerText.includes(%q)`, now)); err != nil {
			return err
		}
		if was = now; i > 0 { // the first builds the package at its new place
			took = append(took, time.Since(began))
		}
	}
	row("preview --watch: a saved Go file is on the page", spread(took, func(d time.Duration) string { return d.Round(10 * time.Millisecond).String() }), "under 2s")
	return nil
}
