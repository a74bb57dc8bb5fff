package mutate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/rulefmt"
	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/rules"
	"obsandbox/sandbox/internal/rules/unittest"
	"obsandbox/sandbox/internal/stack"
)

// Suite is the name of the results' suite.
const Suite = "mutations"

// EquivalentsFile is the file beside the tests that explains survivors.
const EquivalentsFile = "mutants.yml"

// Options say what is mutated.
type Options struct {
	// Tests are test files, patterns or directories, as rules.Options has them. The rules that they load are mutated.
	Tests []string
	// Rules are the rule files that are mutated; all that the tests load where there is none.
	Rules []string
	// Equivalents is the file that explains survivors; where it is empty, mutants.yml beside the first tests, if it
	// is there.
	Equivalents string
	// Jobs is the number of mutants judged at the same time; 0 is one for each processor.
	Jobs int
	// Root is what file names in results are relative to.
	Root string
	// Progress, where it is set, is told how many mutants of how many are judged.
	Progress func(done, all int)

	// what is mutated, for the result that sums up.
	what string
}

// Outcome is what Run has found.
type Outcome struct {
	Report report.Report
	Score  Score
}

// Score counts mutants.
type Score struct {
	Mutants int `json:"mutants"`
	Killed  int `json:"killed"`
	// Equivalent are survivors that the equivalents file explains.
	Equivalent int `json:"equivalent"`
	// Survivors are the others.
	Survivors []Mutant `json:"survivors"`
}

// Add is the sum of two scores.
func (s Score) Add(o Score) Score {
	return Score{
		Mutants: s.Mutants + o.Mutants, Killed: s.Killed + o.Killed, Equivalent: s.Equivalent + o.Equivalent,
		Survivors: slices.Concat(s.Survivors, o.Survivors),
	}
}

// String is "312 of 318 mutants are noticed, 6 change nothing".
func (s Score) String() string {
	return fmt.Sprintf("%d of %d mutants are noticed, %d are marked as equivalent, %d survive", s.Killed, s.Mutants, s.Equivalent, len(s.Survivors))
}

// Equivalent is an entry of the file that explains survivors.
type Equivalent struct {
	Rule     string `yaml:"rule"`
	Mutation string `yaml:"mutation"`
	Reason   string `yaml:"reason"`

	line int
	used bool
}

// testCase is a case with the parts of it that each rule decides.
type testCase struct {
	file  *unittest.File
	c     *unittest.Case
	parts map[unittest.RuleID]*unittest.Part
	took  time.Duration
}

// Run judges every mutant of every rule that the tests load. The error says that it could not, as when the tests fail
// without any mutation.
func Run(ctx context.Context, opts Options) (*Outcome, error) {
	paths, err := rules.TestFiles(opts.Tests)
	if err != nil {
		return nil, err
	}
	equivalents, equivalentsFile, err := opts.equivalents(paths)
	if err != nil {
		return nil, err
	}
	cache := unittest.NewRuleFiles()
	cases, ruleFiles, err := load(ctx, paths, cache, opts.jobs())
	if err != nil {
		return nil, err
	}
	var mutants []Mutant
	for _, path := range ruleFiles {
		if len(opts.Rules) == 0 || slices.Contains(opts.Rules, path) {
			mutants = append(mutants, Mutants(cache.Get(path))...)
		}
	}
	killed := make([]bool, len(mutants))
	var next, done atomic.Int64
	var wg sync.WaitGroup
	for range opts.jobs() {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(mutants) || ctx.Err() != nil {
					return
				}
				killed[i] = noticed(ctx, &mutants[i], cases, cache)
				if n := int(done.Add(1)); opts.Progress != nil {
					opts.Progress(n, len(mutants))
				}
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("mutation tests: %w", err)
	}
	return opts.outcome(mutants, killed, equivalents, equivalentsFile), nil
}

func (o Options) jobs() int {
	if o.Jobs > 0 {
		return o.Jobs
	}
	return runtime.GOMAXPROCS(0)
}

// load reads the cases and evaluates each once: they must pass, and the quick ones will be asked first.
func load(ctx context.Context, paths []string, cache *unittest.RuleFiles, jobs int) ([]*testCase, []string, error) {
	var cases []*testCase
	var ruleFiles []string
	var errs []error
	for _, path := range paths {
		f, err := unittest.ReadFile(path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, rf := range f.RuleFiles {
			if !slices.Contains(ruleFiles, rf) {
				ruleFiles = append(ruleFiles, rf)
			}
		}
		for i := range f.Cases {
			c := &f.Cases[i]
			cases = append(cases, &testCase{file: f, c: c, parts: f.Parts(c, cache.Load)})
		}
	}
	failed := make([]error, len(cases))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range jobs {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(cases) {
					return
				}
				tc := cases[i]
				out := tc.file.Run(ctx, tc.c, unittest.Options{Load: cache.Load})
				tc.took = out.Duration
				if len(out.Failures) > 0 {
					failed[i] = fmt.Errorf("%s:%d: case %q fails without any mutation: make the rule tests pass first", tc.file.Path, out.Failures[0].Line, tc.c.Name)
				}
			}
		})
	}
	wg.Wait()
	slices.SortStableFunc(cases, func(a, b *testCase) int { return int(a.took - b.took) })
	return cases, ruleFiles, errors.Join(append(errs, failed...)...)
}

// noticed says whether a case fails on the mutant.
func noticed(ctx context.Context, m *Mutant, cases []*testCase, cache *unittest.RuleFiles) bool {
	load := func(path string) ([]rulefmt.RuleGroup, []error) {
		groups, errs := cache.Load(path)
		if path == m.id.File {
			groups = slices.Clone(groups)
			if m.group != nil {
				groups[m.id.Group] = *m.group
				return groups, errs
			}
			changed := slices.Clone(groups[m.id.Group].Rules)
			changed[m.id.Rule] = m.rule
			groups[m.id.Group].Rules = changed
		}
		return groups, errs
	}
	for _, tc := range cases {
		opts := unittest.Options{Load: load, FirstFailure: true}
		c := tc.c
		if m.group == nil {
			part, ok := tc.parts[m.id]
			if !ok {
				continue
			}
			c, opts.Keep = &part.Case, func(id unittest.RuleID) bool { return part.Needed[id] }
		} else if !slices.Contains(tc.file.RuleFiles, m.id.File) {
			continue
		}
		if len(tc.file.Run(ctx, c, opts).Failures) > 0 {
			return true
		}
	}
	return false
}

func (o Options) outcome(mutants []Mutant, killed []bool, equivalents []*Equivalent, file string) *Outcome {
	out := &Outcome{Score: Score{Mutants: len(mutants)}}
	rel := func(path string) string {
		if r, err := filepath.Rel(o.Root, path); o.Root != "" && err == nil && !strings.HasPrefix(r, "..") {
			return filepath.ToSlash(r)
		}
		return path
	}
	fail := func(name, path string, line int, detail string) {
		out.Report.Add(report.Result{Suite: Suite, Name: name, Status: report.Fail, Detail: detail, File: rel(path), Line: line})
	}
	exists := map[[2]string]bool{}
	for i, m := range mutants {
		exists[[2]string{m.Rule, m.Mutation}] = true
		j := slices.IndexFunc(equivalents, func(e *Equivalent) bool { return e.Rule == m.Rule && e.Mutation == m.Mutation })
		switch {
		case killed[i]:
			out.Score.Killed++
		case j >= 0:
			out.Score.Equivalent++
			equivalents[j].used = true
		default:
			out.Score.Survivors = append(out.Score.Survivors, m)
			fail(fmt.Sprintf("%s: %s is noticed", m.Rule, m.Mutation), m.File, m.Line,
				fmt.Sprintf("no test fails with\n  %s\nadd a test that tells the two apart, or mark the mutation in %s with the reason why it changes nothing", m.Expr, EquivalentsFile))
		}
	}
	for _, e := range equivalents {
		switch {
		case e.used, len(o.Rules) > 0 && !exists[[2]string{e.Rule, e.Mutation}]: // perhaps of another file
		case exists[[2]string{e.Rule, e.Mutation}]:
			fail(fmt.Sprintf("%s: %s is equivalent", e.Rule, e.Mutation), file, e.line, "a test notices this mutation: take the entry out")
		default:
			fail(fmt.Sprintf("%s: %s exists", e.Rule, e.Mutation), file, e.line, "there is no such mutation (any more): take the entry out")
		}
	}
	what := o.what
	if what == "" {
		what = "a rule"
	}
	status := report.Pass
	if len(out.Score.Survivors) > 0 {
		status = report.Fail
	}
	out.Report.Add(report.Result{Suite: Suite, Name: "every mutation of " + what + " is noticed or explained", Status: status, Detail: out.Score.String()})
	return out
}

func (o Options) equivalents(tests []string) ([]*Equivalent, string, error) {
	path := o.Equivalents
	if path == "" && len(tests) > 0 {
		path = filepath.Join(filepath.Dir(tests[0]), EquivalentsFile)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, "", nil
		}
	}
	if path == "" {
		return nil, "", nil
	}
	var in struct {
		Equivalent []*Equivalent `yaml:"equivalent"`
	}
	root, err := stack.DecodeFile(path, &in)
	if err != nil {
		return nil, "", err
	}
	var errs []error
	for i, e := range in.Equivalent {
		e.line = entryLine(root, i)
		if e.Rule == "" || e.Mutation == "" || strings.TrimSpace(e.Reason) == "" {
			errs = append(errs, &stack.FileError{File: path, Line: e.line, Msg: "an equivalent mutation needs rule, mutation and reason"})
		}
	}
	return in.Equivalent, path, errors.Join(errs...)
}

// entryLine is the line of the i-th entry of the mapping's only list.
func entryLine(root *yaml.Node, i int) int {
	if len(root.Content) > 1 && i < len(root.Content[1].Content) {
		return root.Content[1].Content[i].Line
	}
	return root.Line
}
