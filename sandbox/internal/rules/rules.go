// Package rules judges Prometheus rules by their promtool unit tests: stock promtool's verdicts, what promtool lets
// pass (patterns that match nothing, names of no alert, alerts that fire unnoticed), and what the tests leave out.
package rules

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/paths"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/rules/unittest"
	"obsandbox/sandbox/internal/stack"
)

// Suite is the name of the results' suite.
const Suite = "rules"

// Options say what is judged.
type Options struct {
	// Tests are test files, patterns of them, or directories, whose test files are found at any depth.
	Tests []string
	// Rules are rule files, patterns or directories that the tests must cover, beside the ones that tests load.
	Rules []string
	// Queries are expressions that the tests must cover, too.
	Queries []Query
	// Promtool is the program that judges. Without it the evaluation in this process does.
	Promtool string
	// Jobs is the number of files judged at the same time; 0 is one for each processor.
	Jobs int
	// Run judges only the cases whose "file: name" matches. What needs all cases (coverage) is left out then.
	Run *regexp.Regexp
	// Coverage is the least coverage in percent; 0 asks for none.
	Coverage float64
	// AllowUnmentioned lets alerts fire in cases that say nothing about them, as promtool does.
	AllowUnmentioned bool
	// Root is what file names in results are relative to; the working directory where it is empty.
	Root string
}

// Query is a named expression of a file.
type Query struct {
	Name, Expr, File string
	Line             int
}

// Outcome is what Run has found.
type Outcome struct {
	Report   report.Report
	Coverage Coverage
}

// judged is a test file with what both evaluations say of it.
type judged struct {
	path     string
	file     *unittest.File // nil where the file cannot be read
	err      error
	verdict  *Verdict
	outcomes []*unittest.Outcome // nil for a case that Run leaves out
}

// Run judges the tests and, by them, the rules. The error says that it could not: a missing path, promtool that does
// not start; whatever is wrong with tests and rules is a result.
func Run(ctx context.Context, opts Options) (*Outcome, error) {
	paths, err := TestFiles(opts.Tests)
	if err != nil {
		return nil, err
	}
	ruleFiles, err := findRules(opts.Rules)
	if err != nil {
		return nil, err
	}
	cache := unittest.NewRuleFiles()
	files := make([]*judged, len(paths))
	for i, path := range paths {
		files[i] = &judged{path: path}
	}
	opts.parallel(files, func(j *judged) { j.file, j.err = unittest.ReadFile(j.path) })
	var wanted []string
	for _, j := range files {
		path := j.path
		if opts.Run == nil || j.err != nil && opts.Run.MatchString(opts.rel(path)) || j.err == nil && slices.ContainsFunc(j.file.Cases, func(c unittest.Case) bool { return opts.wants(path, c) }) {
			wanted = append(wanted, path)
		}
	}
	files = slices.DeleteFunc(files, func(j *judged) bool { return !slices.Contains(wanted, j.path) })
	if err := opts.judge(ctx, files, cache); err != nil {
		return nil, err
	}
	out := &Outcome{}
	for _, j := range files {
		out.Report.Add(opts.results(j)...)
	}
	out.Report.Add(opts.vacuous(files, cache)...)
	if opts.Run == nil {
		out.Coverage = opts.coverage(files, ruleFiles, cache)
		out.Report.Add(opts.coverageResults(out.Coverage)...)
	}
	return out, nil
}

// jobs is the number of files judged at the same time.
func (o Options) jobs() int {
	if o.Jobs > 0 {
		return o.Jobs
	}
	return runtime.GOMAXPROCS(0)
}

// parallel calls do for each file, several at a time.
func (o Options) parallel(files []*judged, do func(j *judged)) {
	work := make(chan *judged)
	var workers sync.WaitGroup
	for range min(o.jobs(), len(files)) {
		workers.Go(func() {
			for j := range work {
				do(j)
			}
		})
	}
	for _, j := range files {
		work <- j
	}
	close(work)
	workers.Wait()
}

func (o Options) wants(path string, c unittest.Case) bool {
	return o.Run == nil || o.Run.MatchString(o.rel(path)+": "+c.Name)
}

// judge has promtool evaluate the files and, meanwhile, follows the alerts of each case here. Only what promtool
// fails, or everything where it is not at hand, is evaluated in full here, for expectations line by line.
func (o Options) judge(ctx context.Context, files []*judged, cache *unittest.RuleFiles) error {
	var verdicts map[string]*Verdict
	var err error
	var wg sync.WaitGroup
	if o.Promtool != "" {
		wg.Go(func() {
			var paths []string
			for _, j := range files {
				paths = append(paths, j.path)
			}
			verdicts, err = Promtool{Path: o.Promtool, Jobs: o.jobs()}.Test(ctx, paths)
		})
	}
	each := func(do func(j *judged, i int, c *unittest.Case)) {
		o.parallel(files, func(j *judged) {
			if j.err != nil {
				return
			}
			for i := range j.file.Cases {
				if c := &j.file.Cases[i]; o.wants(j.path, *c) {
					do(j, i, c)
				}
			}
		})
	}
	for _, j := range files {
		if j.err == nil {
			j.outcomes = make([]*unittest.Outcome, len(j.file.Cases))
		}
	}
	full := unittest.Options{Load: cache.Load, Unmentioned: true, Timelines: true, Where: func(id unittest.RuleID) string {
		return fmt.Sprintf("%s:%d", o.rel(id.File), cache.Get(id.File).Line(id, "expr"))
	}}
	each(func(j *judged, i int, c *unittest.Case) {
		if o.Promtool != "" {
			j.outcomes[i] = j.file.Trace(ctx, c, cache.Load)
		} else {
			j.outcomes[i] = j.file.Run(ctx, c, full)
		}
	})
	wg.Wait()
	if err == nil {
		err = ctx.Err()
	}
	if err != nil || o.Promtool == "" {
		return err
	}
	for _, j := range files {
		j.verdict = verdicts[j.path]
	}
	each(func(j *judged, i int, c *unittest.Case) {
		if i < len(j.verdict.Cases) && len(j.verdict.Cases[i].Messages) > 0 {
			j.outcomes[i] = j.file.Run(ctx, c, full)
		}
	})
	return ctx.Err()
}

// results has one result for each case of a file.
func (o Options) results(j *judged) []report.Result {
	rel := o.rel(j.path)
	if j.err != nil {
		res := report.Result{Suite: Suite, Name: rel + ": is a test file", Status: report.Fail, Detail: j.err.Error(), File: rel}
		var at *stack.FileError
		if errors.As(j.err, &at) {
			res.Line = at.Line
		}
		if j.verdict != nil {
			res.Detail = strings.Join(j.verdict.Errors, "\n")
		}
		return []report.Result{res}
	}
	var out []report.Result
	names := map[string]bool{}
	for i, c := range j.file.Cases {
		outcome := j.outcomes[i]
		if outcome == nil {
			continue
		}
		name := rel + ": " + c.Name
		if names[name] {
			name += fmt.Sprintf(" (line %d)", c.Line)
		}
		names[name] = true
		res := report.Result{Suite: Suite, Name: name, Status: report.Pass, File: rel, Line: c.Line, Duration: outcome.Duration}
		ok := len(outcome.Failures) == 0
		var detail []string
		for _, f := range outcome.Failures {
			detail = append(detail, fmt.Sprintf("%s:%d: %s", rel, f.Line, f.Text))
		}
		if j.verdict != nil && i < len(j.verdict.Cases) {
			v := j.verdict.Cases[i]
			if len(v.Messages) > 0 {
				detail = append(detail, "promtool:\n"+strings.Join(v.Messages, "\n"))
			}
			if ours := ok; ours != (len(v.Messages) == 0) {
				detail = append(detail, "promtool and the evaluation in this process disagree about this case, which is an error of the sandbox; promtool's verdict counts")
				ok = false
			}
		}
		if !ok {
			res.Status = report.Fail
			res.Detail = strings.Join(detail, "\n")
			if len(outcome.Failures) > 0 {
				res.Line = outcome.Failures[0].Line
			}
		}
		out = append(out, res)
	}
	if j.verdict != nil && len(j.verdict.Errors) > 0 {
		out = append(out, report.Result{
			Suite: Suite, Name: rel + ": promtool runs the file", Status: report.Fail, File: rel,
			Detail: strings.Join(j.verdict.Errors, "\n"),
		})
	}
	return out
}

// rel is a path as results name it.
func (o Options) rel(path string) string { return paths.Relative(o.Root, path) }

// TestFiles are the test files that files, patterns and directories lead to. In a directory a test file is a YAML
// file with the key tests; a file that is named is taken as one. Nothing found is an error.
func TestFiles(args []string) ([]string, error) {
	files, err := paths.Find("rule tests", args, func(path string) bool {
		keys, ok := paths.TestKeys(path)
		return paths.IsYAML(path) && ok && paths.RuleTests(keys)
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("no rule tests in %s: a test file is YAML in promtool's format with the key tests", strings.Join(args, ", "))
	}
	return files, err
}

func findRules(args []string) ([]string, error) {
	return paths.Find("rule files", args, func(path string) bool { return paths.IsYAML(path) && hasKey(path, "groups") })
}

// hasKey says whether a file's first document is a mapping with a key whose value is a list.
func hasKey(path, key string) bool {
	data, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	var doc map[string]yaml.Node
	if yaml.Unmarshal(data, &doc) != nil {
		return false
	}
	node, ok := doc[key]
	return ok && node.Kind == yaml.SequenceNode
}
