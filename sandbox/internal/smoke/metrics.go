package smoke

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"obsandbox/sandbox/internal/stack"
)

// window stands for any window in the queries of slos.yaml.
var window = regexp.MustCompile(`\{\{\s*\.window\s*\}\}`)

// metricChecks: whatever a rule or an indicator selects is there. A rule on a metric that nobody exposes is silent for
// ever, and looks healthy.
func metricChecks(e *env) []*check {
	needs := []string{"prometheus", "platform"}
	var all []*check
	groups, err := loadRuleGroups(e.stack)
	if err != nil {
		return nil // ruleChecks say so
	}
	// What rules record is there when their group was due; what they are made of is looked at here.
	recorded := map[string]bool{}
	for _, g := range groups {
		for _, r := range g.Rules {
			recorded[r.Record] = true
		}
	}
	byFile := map[string][]string{}
	for _, g := range groups {
		for _, r := range g.Rules {
			byFile[g.file] = append(byFile[g.file], r.Expr)
		}
	}
	objectives, objectivesCheck := e.objectives(recorded)
	known := map[string]bool{}
	for _, s := range objectives {
		known[s.text] = true
	}
	for _, file := range slices.Sorted(maps.Keys(byFile)) {
		wanted, err := selectors(byFile[file], recorded)
		if err == nil && !slices.ContainsFunc(wanted, func(s selector) bool { return !known[s.text] }) {
			continue // rules that are made from the objectives select what these do
		}
		all = append(all, &check{
			name: "prometheus has the series that the rules in " + fileTail(file) + " select", needs: needs, file: file,
			assert: func(ctx context.Context) (string, error) { return e.seriesExist(ctx, file, wanted, err) },
		})
	}
	return append(all, objectivesCheck)
}

// objectives are the selectors of slos.yaml, and the check of them.
func (e *env) objectives(recorded map[string]bool) ([]selector, *check) {
	file := e.stack.Path(stack.SLOsFile)
	slos, err := stack.LoadSLOs(file)
	if err != nil {
		return nil, broken("prometheus: which series the SLOs select is known", file, err)
	}
	var exprs []string
	for _, s := range slos.SLOs {
		exprs = append(exprs, s.SLI.ErrorRatio("5m"))
	}
	for _, q := range slos.Queries {
		exprs = append(exprs, window.ReplaceAllString(q.Expr, "5m"))
	}
	wanted, err := selectors(exprs, recorded)
	return wanted, &check{
		name: "prometheus has the series that the SLOs select", needs: []string{"prometheus", "platform"}, file: file,
		assert: func(ctx context.Context) (string, error) { return e.seriesExist(ctx, file, wanted, err) },
	}
}

// selector is a vector selector.
type selector struct {
	text     string
	matchers []*labels.Matcher
}

// matches says whether it selects a series.
func (s selector) matches(series map[string]string) bool {
	return !slices.ContainsFunc(s.matchers, func(m *labels.Matcher) bool { return !m.Matches(series[m.Name]) })
}

// selectors are the distinct vector selectors of expressions, but for those of the names in except.
func selectors(exprs []string, except map[string]bool) ([]selector, error) {
	distinct := map[string]selector{}
	for _, expr := range exprs {
		parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", expr, err)
		}
		parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
			vector, ok := node.(*parser.VectorSelector)
			if !ok || except[vector.Name] {
				return nil
			}
			var matchers []string
			for _, m := range vector.LabelMatchers {
				if m.Name != model.MetricNameLabel || m.Type != labels.MatchEqual {
					matchers = append(matchers, m.String())
				}
			}
			text := vector.Name
			if len(matchers) > 0 {
				text += "{" + strings.Join(matchers, ",") + "}"
			}
			distinct[text] = selector{text, vector.LabelMatchers}
			return nil
		})
	}
	all := slices.Collect(maps.Values(distinct))
	slices.SortFunc(all, func(a, b selector) int { return strings.Compare(a.text, b.text) })
	return all, nil
}

// seriesExist asks for every selector; err says why there are none.
func (e *env) seriesExist(ctx context.Context, file string, wanted []selector, err error) (string, error) {
	if err != nil {
		return "", final(err)
	}
	pending, err := e.pending(ctx)
	if err != nil {
		return "", err
	}
	var empty []string
	series, line := 0.0, 0
	for _, selector := range wanted {
		count, err := e.query(ctx, "count("+selector.text+")")
		if err != nil {
			return "", err
		}
		n := 0.0
		if len(count) > 0 {
			n = count[0].value
		}
		for _, p := range pending {
			for _, s := range p.series {
				if selector.matches(s) {
					n++
				}
			}
		}
		if n == 0 {
			empty = append(empty, selector.text)
			name, _, _ := strings.Cut(selector.text, "{")
			line = cmp.Or(line, lineWith(file, name))
		}
		series += n
	}
	if len(wanted) == 0 || len(empty) > 0 {
		return "", at(file, line, &mismatch{
			fmt.Sprintf("series for each of %d selectors", len(wanted)), "none for " + strings.Join(empty, ", "),
			"metrics.yaml (who exposes it) and that job's targets",
		})
	}
	return fmt.Sprintf("%d selectors, %.0f series", len(wanted), series) + pendingNote(len(pending)), nil
}
