package rules

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	promrules "github.com/prometheus/prometheus/rules"

	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/rules/unittest"
)

// Coverage says what the tests have looked at. An alert counts once for each of its states; a recording rule or a
// query counts once.
type Coverage struct {
	Items []Item `json:"items"`
	// Percent is the share of what is covered; 100 where there is nothing to cover.
	Percent float64 `json:"percent"`
}

// Item is a rule or a query with what tests expect of it.
type Item struct {
	Kind  string `json:"kind"` // alert, record or query
	Name  string `json:"name"`
	Group string `json:"group,omitempty"`
	File  string `json:"file"`
	Line  int    `json:"line"`
	// Covered has, for each state that a passed expectation has looked at, the first such expectation's file:line.
	Covered map[string]string `json:"covered"`
	Missing []string          `json:"missing"`
}

// The states of an alert. A pending alert is looked at by whatever expects something of it while it is pending; it is
// resolved when nothing is expected after it has fired in the same case, silent when it has not.
const (
	Silent   = "silent"
	Pending  = "pending"
	Firing   = "firing"
	Resolved = "resolved"
	Value    = "value"
)

// coverage goes through the expectations of the cases that passed.
func (o Options) coverage(files []*judged, ruleFiles []string, cache *unittest.RuleFiles) Coverage {
	var cov Coverage
	paths := slices.Clone(ruleFiles)
	for _, j := range files {
		if j.file != nil {
			paths = append(paths, j.file.RuleFiles...)
		}
	}
	type ruleItem struct {
		item *Item
		rule rulefmt.Rule
		ids  []unittest.RuleID
	}
	var items []*ruleItem
	byPlace := map[unittest.RuleID]*ruleItem{}
	for _, path := range paths {
		rf := cache.Get(path)
		for g, group := range rf.Groups {
			for r, rule := range group.Rules {
				id := unittest.RuleID{File: path, Group: g, Rule: r}
				place := unittest.RuleID{File: o.rel(path), Group: g, Rule: r}
				if known, ok := byPlace[place]; ok {
					known.ids = append(known.ids, id) // the same file under another name
					continue
				}
				it := &Item{Kind: "record", Name: unittest.RuleName(rule), Group: group.Name, File: place.File, Line: rf.Line(id, "expr"), Covered: map[string]string{}, Missing: []string{Value}}
				if rule.Alert != "" {
					it.Kind, it.Name, it.Line = "alert", unittest.RuleName(rule), rf.Line(id, "alert")
					it.Missing = []string{Silent, Firing, Resolved}
					if rule.For > 0 {
						it.Missing = slices.Insert(it.Missing, 1, Pending)
					}
				}
				ri := &ruleItem{item: it, rule: rule, ids: []unittest.RuleID{id}}
				byPlace[place] = ri
				items = append(items, ri)
			}
		}
	}
	queries := make([]*Item, len(o.Queries))
	for i, q := range o.Queries {
		queries[i] = &Item{Kind: "query", Name: q.Name, File: o.rel(q.File), Line: q.Line, Covered: map[string]string{}, Missing: []string{Value}}
	}
	for _, j := range files {
		for i, outcome := range j.outcomes {
			if outcome == nil || len(outcome.Failures) > 0 {
				continue
			}
			c := &j.file.Cases[i]
			tests := make([]exprTest, len(c.Exprs))
			for k, t := range c.Exprs {
				tests[k] = newExprTest(t)
			}
			at := func(line int) string { return fmt.Sprintf("%s:%d", o.rel(j.path), line) }
			for _, ri := range items {
				for _, id := range ri.ids {
					if ri.rule.Alert == "" {
						for _, t := range tests {
							if t.coversRecord(ri.rule) && slices.Contains(j.file.RuleFiles, id.File) {
								ri.item.cover(Value, at(t.Line))
							}
						}
						continue
					}
					timeline := outcome.Timelines[id]
					for _, t := range c.Alerts {
						if t.Name == ri.rule.Alert {
							ri.item.coverState(timeline, t.At, at(t.Line))
						}
					}
					for _, t := range tests {
						if t.uses.Alerts[ri.rule.Alert] {
							ri.item.coverState(timeline, t.At, at(t.Line))
						}
					}
				}
			}
			for k, q := range o.Queries {
				for _, t := range tests {
					if len(t.Expect) > 0 && t.contains(q.Expr) {
						queries[k].cover(Value, at(t.Line))
					}
				}
			}
		}
	}
	covered, all := 0, 0
	add := func(it *Item) {
		covered += len(it.Covered)
		all += len(it.Covered) + len(it.Missing)
		cov.Items = append(cov.Items, *it)
	}
	for _, ri := range items {
		add(ri.item)
	}
	for _, it := range queries {
		add(it)
	}
	cov.Percent = 100
	if all > 0 {
		cov.Percent = 100 * float64(covered) / float64(all)
	}
	return cov
}

func (it *Item) cover(state, at string) {
	i := slices.Index(it.Missing, state)
	if i < 0 {
		return
	}
	it.Missing = slices.Delete(it.Missing, i, i+1)
	it.Covered[state] = at
}

func (it *Item) coverState(timeline []unittest.State, at time.Duration, place string) {
	fired := false
	state := promrules.StateUnknown
	for _, s := range timeline {
		if s.At > at {
			break
		}
		fired = fired || s.AlertState == promrules.StateFiring
		state = s.AlertState
	}
	switch {
	case state == promrules.StateFiring:
		it.cover(Firing, place)
	case state == promrules.StatePending:
		it.cover(Pending, place)
	case state == promrules.StateInactive && fired:
		it.cover(Resolved, place)
	case state == promrules.StateInactive:
		it.cover(Silent, place)
	}
}

// exprTest is a promql_expr_test with what its expression reads.
type exprTest struct {
	unittest.ExprTest
	uses   *unittest.Uses
	parsed parser.Expr // nil where it is no PromQL
	labels []labels.Labels
}

func newExprTest(t unittest.ExprTest) exprTest {
	e := exprTest{ExprTest: t, uses: unittest.ExprUses(t.Expr)}
	p := parser.NewParser(unittest.ParserOptions())
	if parsed, err := p.ParseExpr(t.Expr); err == nil {
		e.parsed = parsed
	}
	for _, s := range t.Expect {
		if lset, err := p.ParseMetric(s.Labels); err == nil {
			e.labels = append(e.labels, lset)
		}
	}
	return e
}

// coversRecord says whether the test expects a value of a recording rule: of its name and of its labels, where rules
// of the same name have different ones.
func (t exprTest) coversRecord(rule rulefmt.Rule) bool {
	if len(t.Expect) == 0 || t.parsed == nil || !t.uses.Metrics[rule.Record] {
		return false
	}
	for _, lset := range t.labels {
		if hasAll(lset.Get, rule.Labels) {
			return true
		}
	}
	found := false
	parser.Inspect(t.parsed, func(node parser.Node, _ []parser.Node) error {
		if vs, ok := node.(*parser.VectorSelector); ok {
			equal := map[string]string{}
			for _, m := range vs.LabelMatchers {
				if m.Type == labels.MatchEqual {
					equal[m.Name] = m.Value
				}
			}
			found = found || equal[model.MetricNameLabel] == rule.Record && hasAll(func(name string) string { return equal[name] }, rule.Labels)
		}
		return nil
	})
	return found
}

// contains says whether the expression is another one, or has it as a part.
func (t exprTest) contains(part string) bool {
	other, err := parser.NewParser(unittest.ParserOptions()).ParseExpr(part)
	if err != nil || t.parsed == nil {
		return false
	}
	want, found := other.String(), false
	parser.Inspect(t.parsed, func(node parser.Node, _ []parser.Node) error {
		found = found || node != nil && node.String() == want
		return nil
	})
	return found
}

func hasAll(get func(string) string, want map[string]string) bool {
	for name, value := range want {
		if get(name) != value {
			return false
		}
	}
	return true
}

// coverageResults is the threshold's verdict, and a failure for each place where something is missing if it is missed.
func (o Options) coverageResults(cov Coverage) []report.Result {
	if o.Coverage <= 0 {
		return nil
	}
	res := report.Result{
		Suite: Suite, Name: fmt.Sprintf("the tests cover at least %g %% of rules, states and queries", o.Coverage),
		Status: report.Pass, Detail: fmt.Sprintf("%.1f %%", cov.Percent),
	}
	if cov.Percent >= o.Coverage {
		return []report.Result{res}
	}
	var table bytes.Buffer
	_ = cov.Table(&table)
	res.Status, res.Detail = report.Fail, fmt.Sprintf("%.1f %% are covered\n%s", cov.Percent, table.String())
	out := []report.Result{res}
	for _, it := range cov.Items {
		if len(it.Missing) == 0 {
			continue
		}
		what := "in no state " + strings.Join(it.Missing, ", ") + ": add an alert_rule_test at such a time"
		if it.Kind != "alert" {
			what = "by no promql_expr_test that expects a value"
		}
		out = append(out, report.Result{
			Suite: Suite, Name: fmt.Sprintf("%s %s is covered (%s:%d)", it.Kind, it.Name, it.File, it.Line), Status: report.Fail,
			Detail: "is looked at " + what, File: it.File, Line: it.Line,
		})
	}
	return out
}

// Table writes the coverage for people: a line for each alert, and for whatever else is not covered; the sum below.
func (c Coverage) Table(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(tw, "rule\tkind\tsilent\tpending\tfiring\tresolved\tvalue")
	values, covered := 0, 0
	for _, it := range c.Items {
		if it.Kind != "alert" {
			values++
			if len(it.Missing) == 0 {
				covered++
				continue
			}
		}
		_, _ = fmt.Fprintf(tw, "%s\t%s", it.Name, it.Kind)
		for _, state := range []string{Silent, Pending, Firing, Resolved, Value} {
			mark := "·"
			switch {
			case it.Covered[state] != "":
				mark = "yes"
			case slices.Contains(it.Missing, state):
				mark = "NO"
			}
			_, _ = fmt.Fprint(tw, "\t"+mark)
		}
		_, _ = fmt.Fprintln(tw)
	}
	if err := tw.Flush(); err != nil {
		return fmt.Errorf("write the coverage: %w", err)
	}
	if _, err := fmt.Fprintf(w, "%d of %d recording rules and queries have a value that is expected\n%.1f %% covered\n", covered, values, c.Percent); err != nil {
		return fmt.Errorf("write the coverage: %w", err)
	}
	return nil
}
