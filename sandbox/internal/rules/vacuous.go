package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/rules/unittest"
)

// vacuous finds what passes without saying anything. Each kind is one passed result, or one failed result for each
// place.
func (o Options) vacuous(files []*judged, cache *unittest.RuleFiles) []report.Result {
	checks := []struct {
		name string
		find func(j *judged, fail func(line int, format string, args ...any))
	}{
		{"every pattern of rule_files matches", func(j *judged, fail func(int, string, ...any)) {
			for _, p := range j.file.Patterns {
				if len(p.Matches) == 0 {
					fail(p.Line, "rule_files: %s matches no file (it counts from the test file's directory): its tests judge nothing", p.Text)
				}
			}
		}},
		{"every alert that a test names exists", func(j *judged, fail func(int, string, ...any)) {
			there := map[string]bool{}
			for _, path := range j.file.RuleFiles {
				groups, _ := cache.Load(path)
				for _, g := range groups {
					for _, rule := range g.Rules {
						there[rule.Alert] = true
					}
				}
			}
			delete(there, "") // recording rules
			lost := func(p unittest.Pattern) bool { return len(p.Matches) == 0 }
			if len(there) == 0 && slices.ContainsFunc(j.file.Patterns, lost) {
				return // the check before has said why
			}
			names := slices.Sorted(maps.Keys(there))
			for _, c := range j.file.Cases {
				for _, t := range c.Alerts {
					if !there[t.Name] {
						fail(t.Line, "no rule of this test's rule_files is the alert %q (there are: %s)", t.Name, list(names))
					}
				}
				for _, t := range c.Exprs {
					for _, name := range slices.Sorted(maps.Keys(unittest.ExprUses(t.Expr).Alerts)) {
						if !there[name] {
							fail(t.Line, "%s: no rule of this test's rule_files is the alert %q", t.Expr, name)
						}
					}
				}
			}
		}},
		{"every alert that fires is mentioned", func(j *judged, fail func(int, string, ...any)) {
			if o.AllowUnmentioned {
				return
			}
			for i, outcome := range j.outcomes {
				if outcome == nil {
					continue
				}
				for _, u := range outcome.Unmentioned {
					fail(j.file.Cases[i].Line, "case %q: %s, and no test of the case says so: expect it or change the input series", j.file.Cases[i].Name, u)
				}
			}
		}},
		{"every test expects something", func(j *judged, fail func(int, string, ...any)) {
			if len(j.file.Cases) == 0 {
				fail(1, "no tests")
			}
			for _, c := range j.file.Cases {
				if len(c.Alerts)+len(c.Exprs) == 0 {
					fail(c.Line, "case %q has neither alert_rule_test nor promql_expr_test: it passes whatever the rules do", c.Name)
				}
			}
		}},
	}
	var out []report.Result
	for _, check := range checks {
		before := len(out)
		for _, j := range files {
			if j.file == nil {
				continue
			}
			rel := o.rel(j.path)
			check.find(j, func(line int, format string, args ...any) {
				res := report.Result{
					Suite: Suite, Name: fmt.Sprintf("%s (%s:%d)", check.name, rel, line), Status: report.Fail,
					Detail: fmt.Sprintf(format, args...), File: rel, Line: line,
				}
				if n := len(out); n > 0 && out[n-1].Name == res.Name {
					out[n-1].Detail += "\n" + res.Detail
					return
				}
				out = append(out, res)
			})
		}
		if len(out) == before {
			out = append(out, report.Result{Suite: Suite, Name: check.name, Status: report.Pass})
		}
	}
	return out
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
