package cli

import (
	"context"
	"fmt"

	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/routes"
	"obsandbox/sandbox/internal/slo"
	"obsandbox/sandbox/internal/smoke"
	"obsandbox/sandbox/internal/stack"
)

// fileChecks are what the smoke checks see of files that no component reads, or that a component reads without saying
// that they do not fit together: an objective whose rules say something else, a panel that asks for a metric of another
// name. They are those of `test`, of the kinds that take no time.
func fileChecks(s *stack.Stack) []smoke.FileCheck {
	all := []smoke.FileCheck{
		{Name: "rules, objectives and panels ask for metrics of the catalogue", Judge: judgedAs(s, judgeCatalogue)},
	}
	if _, err := s.Component("prometheus"); err == nil {
		all = append(all, smoke.FileCheck{
			Name: "every alert says what its notification needs", Judge: func(context.Context) error { return s.CheckAlerts() },
		})
		if _, err := s.Component("alertmanager"); err == nil {
			all = append(all, smoke.FileCheck{
				Name: "every critical alert pages somebody", Judge: func(context.Context) error { return routes.CheckPages(s) },
			})
		}
	}
	if s.Runbook.File != "" {
		all = append(all, smoke.FileCheck{
			Name: "every alert leads to its place in the runbook", Judge: func(context.Context) error { return s.CheckRunbook() },
		})
	}
	if s.Has(slo.Source) {
		all = append(all, smoke.FileCheck{Name: "the objectives' rules are those of " + slo.Source, Judge: judgedAs(s, judgeSLOs)})
	}
	if s.Has("grafana/dashboards") {
		all = append(all, smoke.FileCheck{Name: "dashboards ask for what is there", Judge: judgedAs(s, judgeDashboards)})
	}
	return all
}

// judgedAs turns the report of a kind of test into one verdict, with the first failure's place.
func judgedAs(s *stack.Stack, run func(context.Context, *testRun) (*judged, error)) func(context.Context) error {
	return func(ctx context.Context) error {
		j, err := run(ctx, &testRun{stack: s, progress: func(string) {}})
		if err != nil {
			return err
		}
		var first *report.Result
		failed := 0
		for i, res := range j.report.Results {
			if res.Status != report.Fail {
				continue
			}
			if failed++; first == nil {
				first = &j.report.Results[i]
			}
		}
		if first == nil {
			return nil
		}
		text := first.Name + ": " + first.Detail
		if failed > 1 {
			text += fmt.Sprintf("\nand %d more: sandbox test", failed-1)
		}
		return &stack.FileError{File: first.File, Line: first.Line, Msg: text}
	}
}
