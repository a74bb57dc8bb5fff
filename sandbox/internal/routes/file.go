// Package routes tests Alertmanager's routes, inhibition and time intervals: Alertmanager's own packages say where
// the alerts of a test go, and, where the program is at hand, a real Alertmanager says it again.
package routes

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"obsandbox/sandbox/internal/paths"
	"obsandbox/sandbox/internal/stack"
)

// File is a test file in the batch form proposed for `amtool config routes test`. The keys time and expected_groups
// are ours.
type File struct {
	Path  string `yaml:"-"`
	Tests []Case `yaml:"tests"`
}

// Case is a set of alerts that fire together.
type Case struct {
	Name string `yaml:"name"`
	// Time is when they fire, for routes that are muted or active at times; without it no route is muted.
	Time   *time.Time `yaml:"time"`
	Alerts []Alert    `yaml:"alerts"`

	line int
}

// Alert is one alert with what is expected of it.
type Alert struct {
	Labels model.LabelSet `yaml:"labels"`
	// Receivers are those that the alert reaches, in order.
	Receivers *[]string `yaml:"expected_receivers"`
	// Inhibited says that it reaches nobody because of another alert of the case.
	Inhibited bool `yaml:"expected_inhibited"`
	// Groups are the groups that it is notified with, one for each receiver, in order.
	Groups []Group `yaml:"expected_groups"`

	line int
}

// Group is what notifications are grouped by.
type Group struct {
	Receiver string         `yaml:"receiver"`
	Labels   model.LabelSet `yaml:"labels"`
}

// ReadFile reads a test file. Every error names the file and the line.
func ReadFile(path string) (*File, error) {
	f := &File{Path: path}
	root, err := stack.DecodeFile(path, f)
	if err != nil {
		return nil, err
	}
	var errs []error
	fail := func(line int, format string, args ...any) {
		errs = append(errs, &stack.FileError{File: path, Line: line, Msg: fmt.Sprintf(format, args...)})
	}
	tests := stack.Child(root, "tests")
	if len(f.Tests) == 0 {
		fail(root.Line, "no tests")
	}
	for i := range f.Tests {
		c := &f.Tests[i]
		node := stack.Item(tests, i)
		c.line = node.Line
		if c.Name == "" {
			fail(c.line, "a test has no name")
		}
		if len(c.Alerts) == 0 {
			fail(c.line, "test %q has no alerts", c.Name)
		}
		for j := range c.Alerts {
			a := &c.Alerts[j]
			a.line = stack.Item(stack.Child(node, "alerts"), j).Line
			if len(a.Labels) == 0 {
				fail(a.line, "an alert has no labels")
			}
			if a.Receivers == nil && !a.Inhibited && a.Groups == nil {
				fail(a.line, "nothing is expected of the alert: expected_receivers, expected_groups or expected_inhibited is needed")
			}
			if a.Inhibited && a.Receivers != nil && len(*a.Receivers) > 0 {
				fail(a.line, "an alert that is inhibited reaches no receiver: expect one or the other")
			}
		}
	}
	return f, errors.Join(errs...)
}

// EquivalentsFile is the file beside the tests that says which mutations of the routes change nothing; it is no test.
const EquivalentsFile = "mutants.yml"

// TestFiles are the test files that files, patterns and directories lead to. In a directory a test file is a YAML file with
// the key tests that is no test of rules; a file that is named is taken as one.
func TestFiles(args []string) ([]string, error) {
	files, err := paths.Find("route tests", args, func(path string) bool {
		keys, ok := paths.TestKeys(path)
		return paths.IsYAML(path) && filepath.Base(path) != EquivalentsFile && ok && paths.RouteTests(keys)
	})
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no route tests in %s", strings.Join(args, ", "))
	}
	return files, nil
}
