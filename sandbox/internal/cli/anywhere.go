package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/embedded"
	"obsandbox/sandbox/internal/paths"
	"obsandbox/sandbox/internal/report"
)

// files are what people keep in a repository of rules, told apart by their keys.
type files struct {
	rules, ruleTests, routeTests, alertmanagers []string
}

// sortFiles looks into the YAML files that paths lead to.
func sortFiles(args []string) (files, error) {
	var f files
	all, err := paths.Find("rules, tests and configuration", args, paths.IsYAML)
	if err != nil {
		return f, err
	}
	for _, path := range all {
		data, err := os.ReadFile(path)
		if err != nil {
			return f, err
		}
		var doc map[string]yaml.Node
		if yaml.Unmarshal(data, &doc) != nil {
			continue // a template, perhaps
		}
		is := func(key string, kind yaml.Kind) bool { n, ok := doc[key]; return ok && n.Kind == kind }
		switch {
		case is("route", yaml.MappingNode) && is("receivers", yaml.SequenceNode):
			f.alertmanagers = append(f.alertmanagers, path)
		case is("groups", yaml.SequenceNode):
			f.rules = append(f.rules, path)
		case is("tests", yaml.SequenceNode):
			if keys, _ := paths.TestKeys(path); paths.RuleTests(keys) {
				f.ruleTests = append(f.ruleTests, path)
			} else {
				f.routeTests = append(f.routeTests, path)
			}
		}
	}
	if len(f.rules)+len(f.ruleTests)+len(f.routeTests)+len(f.alertmanagers) == 0 {
		return f, fmt.Errorf("nothing to test in %s: neither rules (groups:), nor tests of rules or routes (tests:), nor a configuration of Alertmanager (route: and receivers:)", strings.Join(args, ", "))
	}
	return f, nil
}

// kinds are the tests of these files.
func (f files) kinds() ([]kind, error) {
	// with judges some of the paths only.
	with := func(paths []string, run func(context.Context, *testRun) (*judged, error)) func(context.Context, *testRun) (*judged, error) {
		return func(ctx context.Context, t *testRun) (*judged, error) {
			some := *t
			some.paths = paths
			return run(ctx, &some)
		}
	}
	var all []kind
	if len(f.rules)+len(f.alertmanagers) > 0 {
		all = append(all, kind{"configuration", f.check})
	}
	if len(f.ruleTests) > 0 {
		all = append(all, kind{"rules", with(f.ruleTests, judgeRules(0, false, false, ""))})
	}
	if len(f.routeTests) > 0 {
		if len(f.alertmanagers) != 1 {
			return nil, fmt.Errorf("%s tests routes, and there are %d configurations of Alertmanager beside it: say which is meant, with sandbox test routes --config FILE", f.routeTests[0], len(f.alertmanagers))
		}
		all = append(all, kind{"routes", with(f.routeTests, judgeRoutes(f.alertmanagers[0], 0))})
	}
	return all, nil
}

// check has promtool and amtool look at each file.
func (f files) check(ctx context.Context, t *testRun) (*judged, error) {
	r := &report.Report{}
	for _, c := range []struct {
		program string
		args    []string
		files   []string
	}{
		{"promtool", []string{"check", "rules"}, f.rules},
		{"amtool", []string{"check-config"}, f.alertmanagers},
	} {
		if len(c.files) == 0 {
			continue
		}
		program, err := embedded.FindPrograms(ctx, t.stack, "", []string{c.program}, t.progress)
		if err != nil {
			return nil, err
		}
		// All in one call, which is quick; only where something is wrong, one by one.
		began := time.Now()
		good := exec.CommandContext(ctx, program[0], append(c.args, c.files...)...).Run() == nil
		for _, file := range c.files {
			rel := paths.Relative(t.root(), file)
			res := report.Result{
				Suite: "configuration", Name: fmt.Sprintf("%s is accepted (%s %s)", rel, c.program, strings.Join(c.args, " ")),
				Status: report.Pass, File: rel, Duration: time.Since(began) / time.Duration(len(c.files)),
			}
			if !good {
				out, err := exec.CommandContext(ctx, program[0], append(c.args, file)...).CombinedOutput()
				var exit *exec.ExitError
				switch {
				case ctx.Err() != nil:
					return nil, ctx.Err()
				case err != nil && !errors.As(err, &exit):
					return nil, fmt.Errorf("run %s: %w", c.program, err)
				case err != nil:
					res.Status, res.Detail, res.Line = report.Fail, strings.TrimSpace(string(out)), lineIn(string(out))
				}
			}
			r.Add(res)
		}
	}
	t.keep(r)
	return &judged{report: r}, nil
}

var linesIn = []*regexp.Regexp{regexp.MustCompile(`: (\d+):\d+: `), regexp.MustCompile(`\bline (\d+)\b`)}

// lineIn is the line that a program's message names first; 0 where it names none.
func lineIn(message string) int {
	for _, re := range linesIn {
		if m := re.FindStringSubmatch(message); m != nil {
			line, _ := strconv.Atoi(m[1])
			return line
		}
	}
	return 0
}
