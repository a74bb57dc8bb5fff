package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/stack"
)

// Input is what a check may look at: the stack, and what of it is about to run.
type Input struct {
	Stack      *stack.Stack
	Components []stack.Component
	Run        stack.RunContext
	// Files are the configuration of each component as it will run.
	Files map[string][]stack.Rendered
	// Replace and Join are the real services that take part in the platform, Faults what is broken in it, as in Options.
	Replace, Join, Faults []string
}

// Runs says whether a component is about to run.
func (in Input) Runs(component string) bool {
	for _, c := range in.Components {
		if c.Name == component {
			return true
		}
	}
	return false
}

// Check judges configuration before anything starts, in this process and within milliseconds. An error names file and
// line (*stack.FileError).
type Check func(ctx context.Context, in Input) error

// Checks are the checks of every run.
func Checks() []Check { return []Check{checkSyntax, checkTopics} }

// checkSyntax reads every YAML and JSON file that configures a component. A file with nothing in it is no configuration,
// though some programs start with it, and then do nothing of what they were meant for.
func checkSyntax(_ context.Context, in Input) error {
	var errs []error
	for _, c := range in.Components {
		for _, f := range in.Files[c.Name] {
			if len(bytes.TrimSpace(f.Running)) == 0 {
				errs = append(errs, &stack.FileError{File: f.Path, Line: 1, Msg: "the file is empty"})
				continue
			}
			switch filepath.Ext(f.Name) {
			case ".yml", ".yaml":
				errs = append(errs, yamlSyntax(f.Path, f.Running))
			case ".json":
				errs = append(errs, jsonSyntax(f.Path, f.Running))
			}
		}
	}
	return errors.Join(errs...)
}

func yamlSyntax(file string, data []byte) error {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var node yaml.Node
		err := dec.Decode(&node)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			_, err := stack.Decode(file, data, new(any)) // says the line
			if err == nil {
				err = &stack.FileError{File: file, Line: 1, Msg: "no YAML"}
			}
			return err
		}
		var value any
		if err := node.Decode(&value); err != nil {
			_, err := stack.Decode(file, data, new(any))
			return err
		}
	}
}

func jsonSyntax(file string, data []byte) error {
	var value any
	err := json.Unmarshal(data, &value)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return &stack.FileError{File: file, Line: 1 + bytes.Count(data[:min(int64(len(data)), syntax.Offset)], []byte("\n")), Msg: "no JSON: " + err.Error()}
	}
	if err != nil {
		return &stack.FileError{File: file, Line: 1, Msg: "no JSON: " + err.Error()}
	}
	return nil
}

func checkTopics(_ context.Context, in Input) error {
	if !in.Runs("kafka") {
		return nil
	}
	c, err := in.Stack.Component("kafka")
	if err != nil || len(c.Config) == 0 {
		return err
	}
	_, err = stack.LoadTopics(in.Stack.Path(c.Config[0]))
	return err
}

// runChecks runs all checks; their errors are one.
func runChecks(ctx context.Context, checks []Check, in Input) error {
	var errs []error
	for _, check := range checks {
		errs = append(errs, check(ctx, in))
	}
	return distinct(errors.Join(errs...))
}

// distinct drops what two checks say in the same words.
func distinct(err error) error {
	if err == nil {
		return nil
	}
	seen := map[string]bool{}
	var lines []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if !seen[line] {
			seen[line] = true
			lines = append(lines, line)
		}
	}
	return &ConfigError{Text: strings.Join(lines, "\n"), Err: err}
}

// ConfigError is configuration that nothing is started with.
type ConfigError struct {
	// Text has one fault a line, each with its file and line.
	Text string
	Err  error
}

func (e *ConfigError) Error() string { return e.Text }
func (e *ConfigError) Unwrap() error { return e.Err }

// checkerOf is the program that judges a program's configuration, and its arguments for the main file; the programs'
// makers give it out together with them.
func checkerOf(program, config string) (checker string, args []string) {
	switch program {
	case "prometheus":
		return "promtool", []string{"check", "config", config}
	case "alertmanager":
		return "amtool", []string{"check-config", config}
	case "jaeger":
		return "jaeger", []string{"validate", "--config=" + config}
	}
	return "", nil
}

func checkerName(program string) string {
	name, _ := checkerOf(program, "")
	return name
}

// judge lets a component's own checker look at the configuration that is about to run. Places in files that were
// rewritten are told as places in what is checked in.
func (st *starter) judge(ctx context.Context, spawn *spawner, c stack.Component) error {
	files := st.files[c.Name]
	if len(files) == 0 {
		return nil
	}
	if err := st.judgeFiles(ctx, spawn, c, files); err != nil || c.Program != "jaeger" || !files[0].Rewritten() {
		return err
	}
	// Its storage is another one here: what is checked in is judged as it stands, too.
	main := files[0]
	main.Path, main.Running = st.stack.Path(main.Name), main.Original
	return st.judgeFiles(ctx, spawn, c, []stack.Rendered{main})
}

func (st *starter) judgeFiles(ctx context.Context, spawn *spawner, c stack.Component, files []stack.Rendered) error {
	name, args := checkerOf(c.Program, files[0].Path)
	if name == "" {
		return nil
	}
	out, err := spawn.output(ctx, command{path: st.path(name), args: args, dir: st.run.Dir})
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if out == "" {
		return fmt.Errorf("check the configuration of %s: %w", c.Name, err)
	}
	return distinct(st.explain(c, files, out))
}
