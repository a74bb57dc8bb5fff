package dashboards

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/stack"
)

// Suite is the suite of every result.
const Suite = "dashboards"

// Options of a run.
type Options struct {
	// Exclude is a file that excuses single findings, each with a reason; empty for none.
	Exclude string
	// Limits are the thresholds of the alerts by name; nil leaves out the check of panels that name an alert.
	// One that several numbers bound holds with any of them.
	Limits map[string][]float64
	// PromQL judges an expanded PromQL query beyond its syntax, for instance against a metric catalogue; nil for syntax alone.
	PromQL func(expr string) error
	// Lucene judges an expanded query of a log panel; nil leaves it out.
	Lucene func(query string) error
	// Run selects results by name; nil is all.
	Run *regexp.Regexp
}

// finding is one thing that is wrong.
type finding struct {
	line int
	// panel is the title of the panel; empty for the dashboard as a whole.
	panel string
	msg   string
}

// check is one rule about dashboards.
type check struct {
	// name is what excuses name: short, in kebab case.
	name string
	// holds says what holds when nothing is found.
	holds string
	find  func(d *Dashboard, all []*Dashboard, opt Options) []finding
}

func checks() []check {
	return []check{
		{"schema", "has what Grafana needs: uid, title, schemaVersion, panels with type and size", findSchema},
		{"unique", "has a uid and a title of its own, and so has every panel", findUnique},
		{"described", "says of every panel what is seen", findDescribed},
		{"unit", "gives every value a unit", findUnit},
		{"datasource", "chooses data sources by variable", findDatasource},
		{"legend", "names every series", findLegend},
		{"grid", "lays panels out on the grid, none over another", findGrid},
		{"variables", "defines the variables it uses and uses those it defines", findVariables},
		{"promql", "asks Prometheus in PromQL that parses and is in the catalogue", findPromQL},
		{"rate-interval", "takes rates over $__rate_interval", findRateInterval},
		{"lucene", "asks the log store in Lucene that parses and is in the mapping", findLucene},
		{"thresholds", "draws the limits of the alerts it names", findThresholds},
		{"links", "links to what exists", findLinks},
	}
}

// Run judges the dashboards. There is one result for each dashboard and check; it lists all findings.
func Run(all []*Dashboard, opt Options) (*report.Report, error) {
	if len(all) == 0 {
		return nil, errors.New("no dashboard to judge")
	}
	excuses, err := readExcuses(opt.Exclude)
	if err != nil {
		return nil, err
	}
	r := &report.Report{}
	for _, d := range all {
		for _, c := range checks() {
			name := fmt.Sprintf("%s %s", cmp.Or(d.UID, d.Title, d.File), c.holds)
			if opt.Run != nil && !opt.Run.MatchString(name) {
				continue
			}
			began := time.Now()
			found := slices.DeleteFunc(c.find(d, all, opt), func(f finding) bool { return excuses.excuse(c.name, d, f) })
			res := report.Result{Suite: Suite, Name: name, Status: report.Pass, Duration: time.Since(began)}
			if len(found) > 0 {
				res.Status, res.File, res.Line = report.Fail, d.File, found[0].line
				var lines []string
				for _, f := range found {
					where := ""
					if f.panel != "" {
						where = fmt.Sprintf("panel %q: ", f.panel)
					}
					lines = append(lines, fmt.Sprintf("%s:%d: %s%s (%s)", d.File, f.line, where, f.msg, c.name))
				}
				res.Detail = strings.Join(lines, "\n")
			}
			r.Add(res)
		}
	}
	if opt.Run == nil {
		r.Add(excuses.unused(opt.Exclude)...)
	}
	return r, nil
}

// excuse lets one finding stand.
type excuse struct {
	Check     string `yaml:"check"`
	Dashboard string `yaml:"dashboard"`
	Panel     string `yaml:"panel"`
	Reason    string `yaml:"reason"`
	line      int
	used      bool
}

type excuses []*excuse

// readExcuses reads a list of {check, dashboard (uid), panel (title), reason}.
func readExcuses(file string) (excuses, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the excuses for dashboards: %s: %w", file, errors.Unwrap(err))
	}
	var list excuses
	root, err := stack.Decode(file, data, &list)
	if err != nil {
		return nil, err
	}
	for i, e := range list {
		e.line = lineOf(root, i)
		if e.Check == "" || e.Dashboard == "" || strings.TrimSpace(e.Reason) == "" {
			return nil, &stack.FileError{File: file, Line: e.line, Msg: "an excuse needs check, dashboard and reason (and panel, where it is about one)"}
		}
		if !slices.ContainsFunc(checks(), func(c check) bool { return c.name == e.Check }) {
			return nil, &stack.FileError{File: file, Line: e.line, Msg: fmt.Sprintf("no check is called %q", e.Check)}
		}
	}
	return list, nil
}

func lineOf(root *yaml.Node, i int) int {
	if i < len(root.Content) {
		return root.Content[i].Line
	}
	return root.Line
}

func (list excuses) excuse(check string, d *Dashboard, f finding) bool {
	for _, e := range list {
		if e.Check == check && (e.Dashboard == d.UID || e.Dashboard == "*") && (e.Panel == f.panel || e.Panel == "") {
			e.used = true
			return true
		}
	}
	return false
}

// unused reports excuses that excuse nothing: they would hide the next fault.
func (list excuses) unused(file string) []report.Result {
	var results []report.Result
	for _, e := range list {
		if !e.used {
			results = append(results, report.Result{
				Suite: Suite, Name: fmt.Sprintf("the excuse of %s from %s is needed", e.Dashboard, e.Check), Status: report.Fail,
				Detail: "it excuses nothing: take it out", File: file, Line: e.line,
			})
		}
	}
	return results
}
