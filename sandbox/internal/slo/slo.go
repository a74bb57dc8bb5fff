// Package slo turns the objectives of slos.yaml into Prometheus rules: the share of bad events over each window, the
// error budget, how fast it burns, what is left of it, and the two alerts on multiple windows and burn rates of
// Google's SRE workbook (chapter "Alerting on SLOs").
//
// The rules follow the names of slok/sloth (slo:sli_error:ratio_rate5m …). The generator is our own: sloth's library
// loads its plugins through a Go interpreter and would add some twenty modules to this program, for rules that are
// one template; and it repeats the alerts for each objective, where one pair for all of them says the same. The package's
// tests hold its rules against those that sloth makes of the same objective: they record the same shares and fire at the
// same moments.
package slo

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/stack"
)

// Dir is where the rules are checked in, below the stack directory.
const Dir = "prometheus/slo"

// Source is the file that they are generated from, below the stack directory.
const Source = stack.SLOsFile

// BudgetFile has the rules that all objectives share.
const BudgetFile = "error-budget.yml"

// Burn is one pair of windows of an alert: it fires while the budget burns faster than Rate over both. Rate 1 uses
// the whole budget up in exactly the objective's window.
type Burn struct {
	Long, Short time.Duration
	Rate        float64
	Page        bool
}

// Burns are the workbook's windows for objectives over 30 days. The rates use up 2 % of the budget in an hour, 5 % in
// six hours (page), 10 % in a day and 10 % in three days (ticket).
func Burns() []Burn {
	const day = 24 * time.Hour
	return []Burn{
		{Long: time.Hour, Short: 5 * time.Minute, Rate: 14.4, Page: true},
		{Long: 6 * time.Hour, Short: 30 * time.Minute, Rate: 6, Page: true},
		{Long: day, Short: 2 * time.Hour, Rate: 3},
		{Long: 3 * day, Short: 6 * time.Hour, Rate: 1},
	}
}

// windows are all windows of the burns, rising.
func windows() []time.Duration {
	seen := map[time.Duration]bool{}
	for _, b := range Burns() {
		seen[b.Long], seen[b.Short] = true, true
	}
	return slices.Sorted(maps.Keys(seen))
}

// Generate makes the rule files, by name. runbook is the address that the alerts' runbook_url starts with.
func Generate(slos *stack.SLOs, runbook string) (map[string][]byte, error) {
	byLayer := map[string][]stack.SLO{}
	for _, s := range slos.SLOs {
		byLayer[s.Layer] = append(byLayer[s.Layer], s)
	}
	files := map[string][]byte{}
	for layer, list := range byLayer {
		w := newWriter()
		for _, s := range list {
			if err := w.objective(s); err != nil {
				return nil, err
			}
		}
		files[layer+"-layer.yml"] = w.Bytes()
	}
	w := newWriter()
	if err := w.budgets(slos.Window.String(), runbook); err != nil {
		return nil, err
	}
	files[BudgetFile] = w.Bytes()
	return files, nil
}

// writer writes rule files in the manner of the hand-written ones.
type writer struct{ bytes.Buffer }

// generated is how a file begins that is made of Source.
const generated = "# Generated from " + Source

func newWriter() *writer {
	w := &writer{}
	w.WriteString(generated + " by `go generate ./sandbox/internal/slo`: change that file, not this one.\ngroups:\n")
	return w
}

func (w *writer) group(name string) { fmt.Fprintf(w, "  - name: %s\n    rules:\n", name) }

// record writes a recording rule; labels are name, value, name, value …
func (w *writer) record(name, expr string, labels ...string) error {
	fmt.Fprintf(w, "      - record: %s\n", name)
	if err := w.expr(expr); err != nil {
		return fmt.Errorf("recording rule %s: %w", name, err)
	}
	w.mapping("labels", labels...)
	return nil
}

// expr writes an expression as it is, once it has parsed.
func (w *writer) expr(text string) error {
	if _, err := parser.NewParser(parser.Options{}).ParseExpr(text); err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	if !strings.ContainsAny(text, "\n#:{") {
		fmt.Fprintf(w, "        expr: %s\n", text)
		return nil
	}
	w.WriteString("        expr: |-\n")
	for line := range strings.Lines(text) {
		w.WriteString("          " + strings.TrimRight(line, "\n") + "\n")
	}
	return nil
}

func (w *writer) mapping(key string, pairs ...string) {
	if len(pairs) == 0 {
		return
	}
	fmt.Fprintf(w, "        %s:\n", key)
	for i := 0; i+1 < len(pairs); i += 2 {
		fmt.Fprintf(w, "          %s: %s\n", pairs[i], pairs[i+1])
	}
}

// ratioName is the recorded share of bad events over a window.
func ratioName(window string) string { return "slo:sli_error:ratio_rate" + window }

func (w *writer) objective(s stack.SLO) error {
	w.group("slo-" + s.Name)
	labels := []string{"slo", s.Name, "layer", s.Layer}
	for i, d := range windows() {
		window := model.Duration(d).String()
		expr, labels := s.SLI.ErrorRatio(window), labels
		if s.SLI.Raw != nil && i > 0 {
			// Each moment counts the same, so the mean of short times is the share of the long one. Asked over days, a
			// query with a subquery of its own would take more samples than Prometheus' tests load.
			// It keeps the labels. (promtool's lint takes such rules of two objectives for duplicates: it compares the labels that
			// rules set, and not those that they keep. What they record has slo, and is never the same.)
			labels = nil
			expr = "avg_over_time(" + ratioName(model.Duration(windows()[0]).String()) + `{slo="` + s.Name + `"}[` + window + "])"
		}
		if err := w.record(ratioName(window), expr, labels...); err != nil {
			return fmt.Errorf("slo %q: %w", s.Name, err)
		}
	}
	return errors.Join(
		w.record("slo:objective:ratio", "vector("+number(s.Objective/100)+")", labels...),
		w.record("slo:error_budget:ratio", "vector("+number(1-s.Objective/100)+")", labels...),
	)
}

// number writes a share without the last digits, in which floats are not exact: 0.001, not 0.0010000000000000009.
func number(v float64) string {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 12, 64), 64)
	return strconv.FormatFloat(rounded, 'g', -1, 64)
}

func (w *writer) budgets(window, runbook string) error {
	const budget = "on (slo, layer) slo:error_budget:ratio"
	w.group("slo-error-budget")
	err := errors.Join(
		w.record(ratioName(window), "avg_over_time("+ratioName("5m")+"["+window+"])"),
		w.record("slo:error_budget_remaining:ratio", "1 - "+ratioName(window)+" / "+budget),
		w.record("slo:current_burn_rate:ratio", ratioName("5m")+" / "+budget),
	)
	alert := func(name, severity, summary, description string, page bool) error {
		var parts []string
		for _, b := range Burns() {
			if b.Page == page {
				over := func(d time.Duration) string {
					return ratioName(model.Duration(d).String()) + " / " + budget + " > " + number(b.Rate)
				}
				parts = append(parts, "(\n  "+over(b.Short)+"\n    and\n  "+over(b.Long)+"\n)")
			}
		}
		fmt.Fprintf(w, "      - alert: %s\n", name)
		if err := w.expr(strings.Join(parts, "\n  or\n")); err != nil {
			return err
		}
		w.mapping("labels", "severity", severity)
		w.mapping("annotations",
			"summary", summary,
			"description", description,
			"runbook_url", runbook+"#"+strings.ToLower(name),
		)
		return nil
	}
	return errors.Join(err,
		alert("ErrorBudgetBurnsFast", "critical", `Error budget of {{ $labels.slo }} burns fast`,
			`>-
            {{ $labels.slo }} uses its error budget {{ $value | printf "%.1f" }} times as fast as it may; at that rate the budget
            of `+window+` is gone within five days.`, true),
		alert("ErrorBudgetBurnsSlowly", "warning", `Error budget of {{ $labels.slo }} burns`,
			`>-
            {{ $labels.slo }} uses its error budget {{ $value | printf "%.1f" }} times as fast as it may; at that rate the budget
            of `+window+` is gone before its time.`, false),
	)
}

// FromStack generates the rule files of a stack.
func FromStack(s *stack.Stack) (map[string][]byte, error) {
	slos, err := stack.LoadSLOs(s.Path(Source))
	if err != nil {
		return nil, err
	}
	return Generate(slos, s.Runbook.URL)
}

// Write puts the rule files of a stack into its directory, and takes away others that were generated before.
func Write(s *stack.Stack) error {
	files, err := FromStack(s)
	if err != nil {
		return err
	}
	dir := s.Path(Dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write the rules of the objectives: %w", err)
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.yml"))
	if err != nil {
		return fmt.Errorf("write the rules of the objectives: %w", err)
	}
	for _, path := range old {
		if _, keep := files[filepath.Base(path)]; !keep {
			if err := os.Remove(path); err != nil {
				return fmt.Errorf("write the rules of the objectives: %w", err)
			}
		}
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return fmt.Errorf("write the rules of the objectives: %w", err)
		}
	}
	return nil
}

// Orphans says which rules of a stack without Source were generated from it: nobody could change them any more.
func Orphans(s *stack.Stack) error {
	files, err := filepath.Glob(s.Path(Dir + "/*.yml"))
	if err != nil {
		return fmt.Errorf("look for the rules of the objectives: %w", err)
	}
	var errs []error
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && strings.HasPrefix(string(text), generated) {
			errs = append(errs, &stack.FileError{File: file, Line: 1, Msg: Source + ", from which it is generated, is not there: bring it back, or take this file out"})
		}
	}
	return errors.Join(errs...)
}

// Check says whether the rules that are checked in are those that slos.yaml generates.
func Check(s *stack.Stack) []report.Result {
	res := report.Result{Suite: "slos", Name: "the rules of the objectives are those of " + Source, Status: report.Pass}
	fail := func(file string, line int, format string, args ...any) {
		if res.Status == report.Pass {
			res.Status, res.File, res.Line = report.Fail, file, line
			res.Detail = fmt.Sprintf(format, args...) + "\nrun: go generate ./sandbox/internal/slo"
		}
	}
	files, err := FromStack(s)
	if err != nil {
		res.Status, res.Detail, res.File = report.Fail, err.Error(), s.Path(Source)
		var at *stack.FileError
		if errors.As(err, &at) {
			res.Line = at.Line
		}
		return []report.Result{res}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := s.Path(Dir + "/" + name)
		got, err := os.ReadFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			fail(path, 0, "%s/%s is missing", Dir, name)
		case err != nil:
			fail(path, 0, "%v", err)
		case !bytes.Equal(got, files[name]):
			line, want, have := firstDifference(files[name], got)
			fail(path, line, "differs from what %s generates\n- expected\n+ checked in\n- %s\n+ %s", Source, want, have)
		}
	}
	there, _ := filepath.Glob(s.Path(Dir + "/*.yml"))
	for _, path := range there {
		if _, ok := files[filepath.Base(path)]; !ok {
			fail(path, 1, "%s generates no such file", Source)
		}
	}
	return []report.Result{res}
}

func firstDifference(want, got []byte) (line int, w, g string) {
	a, b := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	for i := range max(len(a), len(b)) {
		w, g = "(end of the file)", "(end of the file)"
		if i < len(a) {
			w = a[i]
		}
		if i < len(b) {
			g = b[i]
		}
		if w != g {
			return i + 1, w, g
		}
	}
	return 0, "", ""
}
