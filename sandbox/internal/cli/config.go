package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/pmezard/go-difflib/difflib"

	"obsandbox/sandbox/internal/stack"
)

type configCmd struct {
	stackFlag
	targetFlag
	Component string  `arg:"" help:"The component: ${components}"`
	Diff      bool    `help:"Print only what is rewritten, as a unified diff against what is checked in."`
	Factor    float64 `default:"1" placeholder:"N" help:"As a run would be started with whose monitoring is hastened N times."`
	Running   bool    `help:"Print what the running stack has been started with, instead of what it would be started with at the usual ports."`
}

func (c *configCmd) Run(con *console) error {
	s, err := c.load()
	if err != nil {
		return err
	}
	if _, err := s.Component(c.Component); err != nil {
		return err
	}
	run := usualRun(s)
	run.Factor = c.Factor
	if c.Running || c.Stack != "" {
		r, err := c.find(con.err)
		if err != nil {
			return err
		}
		if run.Addresses, err = r.Addresses(); err != nil {
			return err
		}
		run.Dir, run.Factor = r.Dir, run.Addresses.Factor
		if run.Addresses.StackDir != s.Dir {
			if s, err = stack.Load(run.Addresses.StackDir); err != nil {
				return err
			}
		}
	}
	files, err := s.Render(c.Component, run)
	if err != nil {
		return err
	}
	if c.Running || c.Stack != "" {
		// What it was started with, whatever has been changed in the stack directory since.
		for i, f := range files {
			if data, err := os.ReadFile(f.Path); err == nil && f.Rewritten() && !f.Secret {
				files[i].Running = data
			}
		}
	}
	for _, f := range files {
		if err := c.print(con.out, s, f); err != nil {
			return err
		}
	}
	return nil
}

// print writes one file, or its diff. The content of secrets stays where it is.
func (c *configCmd) print(out io.Writer, s *stack.Stack, f stack.Rendered) error {
	name := "stack/" + f.Name
	if f.Original == nil {
		name = f.Name
	}
	if rel, err := filepath.Rel(s.Root(), s.Path(f.Name)); err == nil && f.Original != nil {
		name = filepath.ToSlash(rel)
	}
	running := f.Running
	if f.Secret {
		running = []byte("<secret, " + strconv.Itoa(len(f.Running)) + " bytes>\n")
	}
	if !c.Diff {
		note := ""
		if f.Rewritten() && f.Original != nil {
			note = " (rewritten, see --diff)"
		}
		_, err := fmt.Fprintf(out, "# %s%s\n%s\n", name, note, bytes.TrimRight(running, "\n"))
		return err
	}
	if !f.Rewritten() {
		return nil
	}
	from := name
	if f.Original == nil {
		from = "/dev/null"
	}
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: splitLines(f.Original), B: splitLines(running), FromFile: from, ToFile: f.Path, Context: 3,
	})
	if err != nil {
		return fmt.Errorf("compare %s: %w", name, err)
	}
	_, err = io.WriteString(out, text)
	return err
}

func splitLines(data []byte) []string {
	if len(data) == 0 {
		return nil
	}
	lines := difflib.SplitLines(string(data))
	// SplitLines gives a text that ends in a newline one empty line more.
	if last := len(lines) - 1; lines[last] == "\n" && bytes.HasSuffix(data, []byte("\n")) {
		lines = lines[:last]
	}
	return lines
}

// usualRun is a run at the usual ports that does not exist.
func usualRun(s *stack.Stack) stack.RunContext {
	a := stack.Addresses{Mode: "embedded", StackDir: s.Dir, Components: map[string]map[string]string{}}
	for _, c := range s.Components {
		a.Components[c.Name] = map[string]string{}
		for _, p := range c.Ports {
			a.Components[c.Name][p.Name] = net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Number))
		}
	}
	return stack.RunContext{Addresses: a, Dir: "/run/obsandbox"}
}

var errNoPlatform = errors.New("the platform does not run in this stack: it is what makes faults")
