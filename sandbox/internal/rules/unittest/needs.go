package unittest

import (
	"maps"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// Uses are the series that expressions read.
type Uses struct {
	// Metrics are the names that selectors ask for.
	Metrics map[string]bool
	// Alerts are the alerts whose states are asked for, through ALERTS and ALERTS_FOR_STATE.
	Alerts map[string]bool
	// Anything is set where a selector does not say what it reads.
	Anything bool
}

func newUses() *Uses { return &Uses{Metrics: map[string]bool{}, Alerts: map[string]bool{}} }

// add notes what an expression reads; one that does not parse reads nothing.
func (u *Uses) add(expr string) {
	parsed, err := parser.NewParser(parser.Options{ExperimentalDurationExpr: true}).ParseExpr(expr)
	if err != nil {
		return
	}
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			u.addSelector(selector)
		}
		return nil
	})
}

func (u *Uses) addSelector(selector *parser.VectorSelector) {
	name, alert := "", ""
	for _, m := range selector.LabelMatchers {
		if m.Type != labels.MatchEqual {
			continue
		}
		switch m.Name {
		case model.MetricNameLabel:
			name = m.Value
		case labels.AlertName:
			alert = m.Value
		}
	}
	switch {
	case name == "":
		u.Anything = true
	case name != "ALERTS" && name != "ALERTS_FOR_STATE":
		u.Metrics[name] = true
	case alert == "":
		u.Anything = true
	default:
		u.Alerts[alert] = true
	}
}

// Mentions are the alerts and metrics that the case says something about.
func (c *Case) Mentions() *Uses {
	u := newUses()
	for _, t := range c.Alerts {
		u.Alerts[t.Name] = true
	}
	for _, t := range c.Exprs {
		u.add(t.Expr)
	}
	return u
}

// ruleSet is what the rules of a test file produce and read.
type ruleSet struct {
	ids   []RuleID
	rules map[RuleID]rulefmt.Rule
	uses  map[RuleID]*Uses
	// limited are the rules that fail where they have too many results.
	limited map[RuleID]bool
}

func newRuleSet(files []string, load func(string) ([]rulefmt.RuleGroup, []error)) *ruleSet {
	set := &ruleSet{rules: map[RuleID]rulefmt.Rule{}, uses: map[RuleID]*Uses{}, limited: map[RuleID]bool{}}
	for _, path := range files {
		groups, _ := load(path)
		for i, g := range groups {
			for j, rule := range g.Rules {
				id := RuleID{path, i, j}
				if _, twice := set.rules[id]; twice {
					continue
				}
				u := newUses()
				u.add(rule.Expr)
				set.ids = append(set.ids, id)
				set.rules[id], set.uses[id], set.limited[id] = rule, u, g.Limit > 0
			}
		}
	}
	return set
}

// needed are the rules whose results the uses read, directly or through other rules.
func (s *ruleSet) needed(from *Uses) map[RuleID]bool {
	need := map[RuleID]bool{}
	todo := []*Uses{from}
	for len(todo) > 0 {
		u := todo[0]
		todo = todo[1:]
		for _, id := range s.ids {
			rule := s.rules[id]
			if need[id] || !(u.Anything || rule.Alert != "" && u.Alerts[rule.Alert] || rule.Record != "" && u.Metrics[rule.Record]) {
				continue
			}
			need[id] = true
			todo = append(todo, s.uses[id])
			// A template may query, too.
			for _, text := range rule.Annotations {
				if strings.Contains(text, "query") {
					todo = append(todo, &Uses{Anything: true})
				}
			}
		}
	}
	return need
}

// Needed says which rules decide the case's verdict. A rule that is left out cannot change it, other than by an error
// of its own evaluation.
func (f *File) Needed(c *Case, load func(string) ([]rulefmt.RuleGroup, []error)) map[RuleID]bool {
	return newRuleSet(f.RuleFiles, load).needed(c.Mentions())
}

// Part is a case with only those of its expectations that a rule decides, and the rules that these need.
type Part struct {
	Case   Case
	Needed map[RuleID]bool
}

// Parts has, for each rule that decides something of the case, that part of it. A change of the rule makes the part
// fail if and only if it makes the case fail.
func (f *File) Parts(c *Case, load func(string) ([]rulefmt.RuleGroup, []error)) map[RuleID]*Part {
	set := newRuleSet(f.RuleFiles, load)
	parts := map[RuleID]*Part{}
	add := func(uses *Uses, put func(*Case)) {
		need := set.needed(uses)
		for id := range need {
			p, ok := parts[id]
			if !ok {
				p = &Part{Case: *c, Needed: map[RuleID]bool{}}
				p.Case.Alerts, p.Case.Exprs = nil, nil
				parts[id] = p
			}
			put(&p.Case)
			maps.Copy(p.Needed, need)
		}
	}
	for _, t := range c.Alerts {
		add(&Uses{Alerts: map[string]bool{t.Name: true}}, func(c *Case) { c.Alerts = append(c.Alerts, t) })
	}
	for _, t := range c.Exprs {
		add(ExprUses(t.Expr), func(c *Case) { c.Exprs = append(c.Exprs, t) })
	}
	return parts
}

// ExprUses is what one expression reads.
func ExprUses(expr string) *Uses {
	u := newUses()
	u.add(expr)
	return u
}
