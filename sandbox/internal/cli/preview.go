package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"obsandbox/sandbox/internal/preview"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/stack"
)

type previewCmd struct {
	stackFlag
	Out      string `type:"path" default:"preview" placeholder:"DIR" help:"Write preview.html, summary.md and pictures to this directory."`
	Base     string `placeholder:"REF" help:"Compare with the dashboards of this revision of git."`
	Chromium string `placeholder:"PROGRAM" help:"The browser that makes the pictures (default: the one that is installed; none leaves them out)."`
	BaseDir  string `type:"path" placeholder:"DIR" help:"The dashboards of --base are in this directory; without it, git has them."`
	Grafana  string `type:"path" placeholder:"FILE" help:"Take the pictures with the Grafana of this running stack (its addresses.json), which has an image renderer; its Prometheus and its Elasticsearch, empty so far, are given the data."`
	Watch    bool   `help:"Serve the page, and draw it anew whenever a dashboard or its Go code is saved."`
	Listen   string `default:"127.0.0.1:0" placeholder:"HOST:PORT" help:"Where --watch serves the page."`
}

func (c *previewCmd) Run(ctx context.Context, con *console) error {
	began := time.Now()
	s, err := c.load()
	if err != nil {
		return err
	}
	opt := preview.Options{Out: c.Out, Base: c.Base, BaseDir: c.BaseDir, Chromium: c.Chromium, Progress: func(line string) {
		fmt.Fprintf(con.err, "%s after %s\n", line, report.Seconds(time.Since(began)))
	}}
	switch c.Chromium {
	case "":
		opt.Chromium = preview.FindChromium()
	case "none":
		opt.Chromium = ""
	}
	if c.BaseDir != "" && c.Base == "" {
		return errors.New("--base-dir needs --base, the name of what is in it")
	}
	if c.Grafana != "" {
		a, err := stack.ReadAddresses(addressesFile(c.Grafana))
		if err != nil {
			return err
		}
		for _, name := range []string{"grafana", "prometheus", "elasticsearch"} {
			if a.URL(name, "http") == "" {
				return fmt.Errorf("--grafana %s: %s does not run there", c.Grafana, name)
			}
		}
		opt.Grafana = &preview.Grafana{URL: a.URL("grafana", "http"), Prometheus: a.URL("prometheus", "http"), Elasticsearch: a.URL("elasticsearch", "http")}
	}
	scenes, err := preview.Record(ctx, s)
	if err != nil {
		return err
	}
	defer func() {
		for _, sc := range scenes {
			if err := sc.Close(); err != nil {
				fmt.Fprintln(con.err, "sandbox:", err)
			}
		}
	}()
	if c.Watch {
		return preview.Watch(ctx, s, scenes, preview.WatchOptions{Listen: c.Listen, Base: c.Base, Tell: func(line string) { fmt.Fprintln(con.out, line) }})
	}
	res, err := preview.Run(ctx, s, scenes, opt)
	if err != nil {
		return err
	}
	for _, change := range res.Changes {
		fmt.Fprintf(con.out, "%-8s %s: %s\n", change.Kind, change.Board, change.Panel)
	}
	fmt.Fprintf(con.out, "%d files in %s, in %s\n", len(res.Files), c.Out, report.Seconds(time.Since(began)))
	fmt.Fprintf(con.out, "  %s\n  %s\n", filepath.Join(c.Out, "preview.html"), filepath.Join(c.Out, "summary.md"))
	if res.Missing != "" {
		fmt.Fprintln(con.err, res.Missing)
	}
	if len(res.Broken) > 0 {
		for _, text := range res.Broken {
			fmt.Fprintln(con.out, "cannot be drawn:", text)
		}
		return &exitError{code: exitFailed}
	}
	return nil
}
