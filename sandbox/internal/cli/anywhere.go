package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/embedded"
	"obsandbox/sandbox/internal/paths"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/stack"
)

// files are what people keep in a repository of rules, told apart by their keys.
type files struct {
	rules, ruleTests, routeTests, alertmanagers []string
	// operators are PrometheusRules of the Prometheus operator.
	operators []string
	// broken are files that are no YAML: templates, most often.
	broken []string
	// others are files that are named and are none of these.
	others []string
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
		if !f.add(path, data) && slices.Contains(args, path) {
			f.others = append(f.others, path)
		}
	}
	if len(f.rules)+len(f.ruleTests)+len(f.routeTests)+len(f.alertmanagers)+len(f.operators)+len(f.broken) == 0 {
		return f, fmt.Errorf("nothing to test in %s: %s", strings.Join(args, ", "), noneOf)
	}
	return f, nil
}

const noneOf = "neither rules (groups:, or a PrometheusRule), nor tests of rules or routes (tests:), nor a configuration of Alertmanager (route: and receivers:)"

// add sorts one file in, and says whether it is any of these. One that is no YAML is told by how its lines begin: what is
// wrong with it is then said by whoever judges it.
func (f *files) add(path string, data []byte) bool {
	keys, doc := paths.Keys(data)
	route := stack.Child(doc, "route")
	switch {
	case doc == nil && (template.Match(data) || isPrometheusRule(data)) && (keys["groups"] || keys["tests"] || keys["route"] || isPrometheusRule(data)):
		f.broken = append(f.broken, path)
	case keys["apiVersion"] && isPrometheusRule(data):
		f.operators = append(f.operators, path)
	case keys["apiVersion"]:
		return false
	case keys["route"] && (keys["receivers"] || stack.Child(route, "receiver").Kind != 0):
		f.alertmanagers = append(f.alertmanagers, path)
	case keys["tests"]:
		keys, ok := paths.TestKeys(path)
		switch {
		case !ok:
			return false
		case paths.RuleTests(keys):
			f.ruleTests = append(f.ruleTests, path)
		default:
			f.routeTests = append(f.routeTests, path)
		}
	case keys["groups"] && (doc == nil || len(keys) == 1 || stack.Child(doc, "groups").Kind == yaml.SequenceNode):
		f.rules = append(f.rules, path)
	default:
		return false
	}
	return true
}

// kinds are the tests of these files; alerts may fire that no test mentions where it is allowed.
func (f files) kinds(allowUnmentioned bool) ([]kind, error) {
	// with judges some of the paths only.
	with := func(paths []string, run func(context.Context, *testRun) (*judged, error)) func(context.Context, *testRun) (*judged, error) {
		return func(ctx context.Context, t *testRun) (*judged, error) {
			some := *t
			some.paths = paths
			return run(ctx, &some)
		}
	}
	var all []kind
	if len(f.rules)+len(f.alertmanagers)+len(f.operators)+len(f.broken)+len(f.others) > 0 {
		all = append(all, kind{"configuration", f.check})
	}
	if len(f.ruleTests) > 0 {
		all = append(all, kind{"rules", with(f.ruleTests, judgeRules(0, false, allowUnmentioned, ""))})
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
	rules := make([]checked, len(f.rules))
	for i, file := range f.rules {
		rules[i] = checked{file, file}
	}
	specs, err := specsOf(f.operators)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(specs.dir)
	configs := make([]checked, len(f.alertmanagers))
	for i, file := range f.alertmanagers {
		configs[i] = checked{file, file}
	}
	for _, c := range []struct {
		program string
		args    []string
		files   []checked
	}{
		{"promtool", []string{"check", "rules"}, append(rules, specs.files...)},
		{"amtool", []string{"check-config"}, configs},
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
		args := slices.Clone(c.args)
		for _, file := range c.files {
			args = append(args, file.as)
		}
		good := exec.CommandContext(ctx, program[0], args...).Run() == nil
		for _, file := range c.files {
			rel := paths.Relative(t.root(), file.path)
			res := report.Result{
				Suite: "configuration", Name: fmt.Sprintf("%s is accepted (%s %s)", rel, c.program, strings.Join(c.args, " ")),
				Status: report.Pass, File: rel, Duration: time.Since(began) / time.Duration(len(c.files)),
			}
			if !good {
				out, err := exec.CommandContext(ctx, program[0], append(slices.Clone(c.args), file.as)...).CombinedOutput()
				var exit *exec.ExitError
				switch {
				case ctx.Err() != nil:
					return nil, ctx.Err()
				case err != nil && !errors.As(err, &exit):
					return nil, fmt.Errorf("run %s: %w", c.program, err)
				case err != nil:
					text := complaint(strings.ReplaceAll(string(out), file.as, rel))
					res.Status, res.Detail, res.Line = report.Fail, text, lineIn(text)
				}
			}
			r.Add(res)
		}
	}
	for _, file := range f.others {
		rel := paths.Relative(t.root(), file)
		r.Add(report.Result{Suite: "configuration", Name: rel + " is looked at", Status: report.Skip, File: rel, Detail: "it has " + noneOf})
	}
	for _, file := range f.broken {
		rel := paths.Relative(t.root(), file)
		r.Add(noYAML(file, rel))
	}
	t.keep(r)
	return &judged{report: r}, nil
}

// checkerNoise is what the programs say around what is wrong.
var checkerNoise = regexp.MustCompile(`(?m)^Checking \S+( *\n|  )|^ *FAILED:( *\n| )|^amtool.*: error: failed to validate .*$`)

// complaint is what is wrong with a file, as a program says it, each line once.
func complaint(out string) string {
	var lines []string
	for line := range strings.Lines(checkerNoise.ReplaceAllString(out, "")) {
		line = strings.TrimRight(strings.Replace(line, "FAILED: ", "", 1), "\n")
		if strings.TrimSpace(line) != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// checked is a file, and where a program finds what it is to check of it.
type checked struct{ path, as string }

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
