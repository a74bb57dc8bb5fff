// Package pipelines judges Logstash pipelines by their test cases: logstash-filter-verifier's case files and
// elastic-package's events with what is expected of them, run in this process; and says what the cases leave out.
package pipelines

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"obsandbox/sandbox/internal/logstash"
	"obsandbox/sandbox/internal/logstash/event"
	"obsandbox/sandbox/internal/paths"
	"obsandbox/sandbox/internal/report"
)

// Suite is the name of the results' suite.
const Suite = "pipelines"

// Options say what is judged.
type Options struct {
	// Settings is the directory of logstash.yml and pipelines.yml.
	Settings string
	// Tests are case files, patterns of them, or directories, whose case files are found at any depth.
	Tests []string
	// Env looks up ${NAME} in the pipelines; nil is the process's environment.
	Env func(name string) (string, bool)
	// Run judges only the cases whose "file: name" matches; coverage is left out then.
	Run *regexp.Regexp
	// Update writes what came out into the files as what is expected.
	Update bool
	// Coverage is the least coverage in percent; 0 asks for none.
	Coverage float64
	// Against runs the cases through another Logstash: the path of its program, or the URL of one that runs with the
	// settings that WriteHarness writes. Coverage is left out then.
	Against string
	// Progress is told what takes long; nil where nobody asks.
	Progress func(string)
	// Root is what file names in results are relative to; the working directory where it is empty.
	Root string
}

// Outcome is what Run has found.
type Outcome struct {
	Report   report.Report
	Coverage Coverage
	// Updated are the files that Update has written.
	Updated []string
}

// Coverage says what the cases have reached.
type Coverage struct {
	Items   []Item  `json:"items"`
	Percent float64 `json:"percent"`
}

// Item is a filter, a branch, a grok pattern or an output, with the number of events that came there.
type Item struct {
	Pipeline string `json:"pipeline"`
	Kind     string `json:"kind"`
	Name     string `json:"name"`
	File     string `json:"file"`
	Line     int    `json:"line"`
	Count    int64  `json:"count"`
}

// loaded is a case file with the pipeline that it is for, or with the result that says why there is none.
type loaded struct {
	*file
	pipeline *logstash.Pipeline
	failed   *report.Result
}

// load compiles the pipelines and reads the case files.
func (o Options) load() ([]*logstash.Pipeline, []loaded, error) {
	pipelines, err := logstash.Load(o.Settings, o.Env)
	if err != nil {
		return nil, nil, err
	}
	files, err := find(o.Tests)
	if err != nil {
		return nil, nil, err
	}
	if len(files) == 0 {
		return nil, nil, fmt.Errorf("no case files in %s", strings.Join(o.Tests, ", "))
	}
	var all []loaded
	for _, path := range files {
		f, err := readFile(path)
		if err != nil {
			r := o.failed(path, "the file can be read", err)
			all = append(all, loaded{failed: &r})
			continue
		}
		p, err := f.pipeline(pipelines)
		if err != nil {
			r := o.failed(path, "the file names its pipeline", err)
			all = append(all, loaded{failed: &r})
			continue
		}
		all = append(all, loaded{file: f, pipeline: p})
	}
	return pipelines, all, nil
}

// engine runs a case through a pipeline's filters.
type engine interface {
	run(ctx context.Context, p *logstash.Pipeline, f *file, c *testCase) ([]outcome, error)
}

// outcome is an event that came out, with JSON's types.
type outcome struct {
	fields, meta map[string]any
	sent         []logstash.Sent
}

// Run judges the cases. The error says that it could not: pipelines that do not load, a missing path, no Logstash;
// whatever is wrong with a case is a result.
func Run(ctx context.Context, opts Options) (*Outcome, error) {
	pipelines, files, err := opts.load()
	if err != nil {
		return nil, err
	}
	var by engine = inProcess{}
	if opts.Against != "" {
		original, err := startOriginal(ctx, opts, files)
		if err != nil {
			return nil, err
		}
		defer original.close()
		by = original
	}
	out := &Outcome{}
	for _, f := range files {
		if f.failed != nil {
			out.Report.Add(*f.failed)
			continue
		}
		changed := false
		for _, c := range f.cases {
			if opts.Run != nil && !opts.Run.MatchString(opts.rel(f.path)+": "+c.name) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			result, got := opts.judge(ctx, by, f, c)
			if opts.Update && result.Status == report.Fail && got != nil {
				c.expected, changed = got, true
				result.Status, result.Detail = report.Pass, "updated"
			}
			out.Report.Add(result)
		}
		if changed {
			if err := f.write(); err != nil {
				return nil, err
			}
			out.Updated = append(out.Updated, f.path)
		}
	}
	if opts.Run == nil && opts.Against == "" {
		out.Coverage = opts.coverage(pipelines)
		if opts.Coverage > 0 {
			out.Report.Add(out.Coverage.result(opts.Coverage))
		}
	}
	return out, nil
}

// suite tells results of another Logstash from our own, in one report of both.
func (o Options) suite() string {
	if o.Against != "" {
		return Suite + " in Logstash"
	}
	return Suite
}

func (o Options) rel(path string) string { return paths.Relative(o.Root, path) }

// failed is the result for a file that cannot be used; an error that names its place keeps it.
func (o Options) failed(path, name string, err error) report.Result {
	r := report.Result{Suite: o.suite(), Name: o.rel(path) + ": " + name, Status: report.Fail, Detail: err.Error(), File: o.rel(path), Line: 1}
	var placed *placedError
	if errors.As(err, &placed) {
		r.Line, r.Detail = placed.line, placed.msg
	}
	return r
}

// judge runs a case; got is what came out, nil where the case could not be run.
func (o Options) judge(ctx context.Context, by engine, f loaded, c *testCase) (result report.Result, got []any) {
	start := time.Now()
	result = report.Result{Suite: o.suite(), Name: o.rel(f.path) + ": " + c.name, File: o.rel(f.path), Line: c.line}
	defer func() { result.Duration = time.Since(start) }()
	if f.side.Skip != nil {
		result.Status, result.Detail = report.Skip, strings.TrimSpace(f.side.Skip.Reason+" "+f.side.Skip.Link)
		return result, nil
	}
	outcomes, err := by.run(ctx, f.pipeline, f.file, c)
	if err != nil {
		result.Status, result.Detail = report.Fail, err.Error()
		return result, nil
	}
	got = []any{}
	for _, e := range outcomes {
		got = append(got, f.result(e))
	}
	if diff := f.compare(c.expected, got); diff != "" {
		result.Status, result.Detail = report.Fail, diff
		return result, got
	}
	result.Status = report.Pass
	return result, got
}

// inProcess runs cases through this repository's own runner.
type inProcess struct{}

func (inProcess) run(_ context.Context, p *logstash.Pipeline, f *file, c *testCase) ([]outcome, error) {
	events, err := f.events(p, c)
	if err != nil {
		return nil, err
	}
	var out []outcome
	for _, e := range p.Filter(events) {
		o := outcome{fields: jsonValue(e.Data()).(map[string]any)}
		if e.Meta() != nil {
			o.meta = jsonValue(e.Meta()).(map[string]any)
		}
		if f.wantsOutputs() {
			o.sent = p.Sends(e)
		}
		out = append(out, o)
	}
	return out, nil
}

// wantsOutputs says whether what the outputs would do is part of what is compared.
func (f *file) wantsOutputs() bool { return f.exportOutputs || f.side.Outputs }

// result is an event in the form that is compared: without what is never compared.
func (f *file) result(e outcome) map[string]any {
	fields := e.fields
	delete(fields, event.VersionField)
	if f.exportMetadata {
		meta := map[string]any{}
		if e.meta != nil {
			meta = e.meta
		}
		fields[event.MetadataField] = meta
	}
	if f.wantsOutputs() {
		var ids, sent []any
		for _, s := range e.sent {
			ids = append(ids, s.Output)
			sent = append(sent, sentFields(s))
		}
		if f.exportOutputs {
			fields["_lfv_out_passed"] = single(ids)
		}
		if f.side.Outputs {
			fields["_outputs"] = sent
		}
	}
	for _, ref := range f.ignore {
		removeField(fields, ref)
	}
	return fields
}

func single(list []any) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}

func sentFields(s logstash.Sent) map[string]any {
	out := map[string]any{"output": s.Output}
	for name, v := range map[string]string{"index": s.Index, "document_id": s.DocumentID, "topic": s.Topic, "path": s.Path} {
		if v != "" {
			out[name] = v
		}
	}
	return out
}

// jsonValue is a value as it comes out of JSON.
func jsonValue(v any) any {
	out, err := event.DecodeJSON(string(event.AppendJSON(nil, v)))
	if err != nil {
		return v
	}
	return out
}

func (o Options) coverage(pipelines []*logstash.Pipeline) Coverage {
	var cov Coverage
	reached := 0
	for _, p := range pipelines {
		for _, c := range p.Coverage() {
			cov.Items = append(cov.Items, Item{Pipeline: p.ID(), Kind: c.Kind, Name: c.Name, File: o.rel(c.File), Line: c.Line, Count: c.Count})
			if c.Count > 0 {
				reached++
			}
		}
	}
	cov.Percent = 100
	if len(cov.Items) > 0 {
		cov.Percent = 100 * float64(reached) / float64(len(cov.Items))
	}
	return cov
}

// Missing are the items that no case has reached.
func (c Coverage) Missing() []Item {
	return slices.DeleteFunc(slices.Clone(c.Items), func(i Item) bool { return i.Count > 0 })
}

func (c Coverage) result(least float64) report.Result {
	r := report.Result{Suite: Suite, Name: fmt.Sprintf("the cases reach at least %g%% of the pipelines", least), Status: report.Pass}
	missing := c.Missing()
	var text strings.Builder
	fmt.Fprintf(&text, "%.1f%% of %d filters, branches, patterns and outputs", c.Percent, len(c.Items))
	if c.Percent < least {
		r.Status, r.File, r.Line = report.Fail, missing[0].File, missing[0].Line
		text.WriteString("; no case reaches")
		for _, m := range missing {
			fmt.Fprintf(&text, "\n%s:%d: %s %s", m.File, m.Line, m.Kind, m.Name)
		}
	}
	r.Detail = text.String()
	return r
}

// find lists the case files below the given paths, in order. Sidecars, expected files and hidden files are none.
func find(args []string) ([]string, error) { return paths.Find("case files", args, isCaseFile) }

func isCaseFile(path string) bool {
	base := filepath.Base(path)
	if strings.HasSuffix(base, "-expected.json") || strings.HasSuffix(base, "-config.yml") || strings.HasPrefix(base, ".") {
		return false
	}
	switch filepath.Ext(base) {
	case ".json", ".yml", ".yaml":
		return true
	case ".log":
		return strings.HasPrefix(base, "test-")
	}
	return false
}
