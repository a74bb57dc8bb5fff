package scenarios

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"obsandbox/sandbox/internal/amconfig"
	"obsandbox/sandbox/internal/paths"
	"obsandbox/sandbox/internal/platform/world"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/rules/unittest"
	"obsandbox/sandbox/internal/simulate"
	"obsandbox/sandbox/internal/stack"
)

// Suite is the name of the results' suite.
const Suite = "scenarios"

// Options say what is played.
type Options struct {
	Stack *stack.Stack
	// Tests are scenario files, patterns of them, or directories.
	Tests []string
	// Run plays only those whose "file: name" matches; whether every alert has a scenario is left out then.
	Run *regexp.Regexp
	// Root is what file names in results are relative to.
	Root string
	// Out is a directory for a picture and the course of each; none are written where it is empty.
	Out string
	// Every asks for a scenario that fires each alert of the stack.
	Every bool
	// Play plays a scenario; on simulated time where it is nil.
	Play func(ctx context.Context, st *stack.Stack, s *Scenario) (*Course, error)
	// Parallel is how many are played at a time; 2 where it is 0.
	Parallel int
}

// Alerts are the names of the alerting rules of files.
func Alerts(files []string) ([]string, error) {
	var names []string
	load := unittest.NewRuleFiles()
	for _, f := range files {
		groups, errs := load.Load(f)
		if len(errs) > 0 {
			return nil, errors.Join(errs...)
		}
		for _, g := range groups {
			for _, r := range g.Rules {
				if r.Alert != "" && !slices.Contains(names, r.Alert) {
					names = append(names, r.Alert)
				}
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

// Files finds the scenario files that paths, patterns and directories stand for.
func Files(args []string) ([]string, error) {
	files, err := paths.Find("scenarios", args, paths.IsYAML)
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: no scenario there", strings.Join(args, ", "))
	}
	return files, err
}

// Receivers are the names of the receivers of the stack's Alertmanager.
func Receivers(st *stack.Stack) ([]string, error) {
	c, err := st.Component("alertmanager")
	if err != nil || len(c.Config) == 0 {
		return nil, err
	}
	conf, err := amconfig.Load(st.Path(c.Config[0]))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, r := range conf.Receivers {
		names = append(names, r.Name)
	}
	return names, nil
}

// Run plays scenarios and judges them.
func Run(ctx context.Context, o Options) (*report.Report, error) {
	if o.Play == nil {
		o.Play = Simulate
	}
	if o.Parallel == 0 {
		o.Parallel = 2
	}
	files, err := Files(o.Tests)
	if err != nil {
		return nil, err
	}
	ruleFiles, err := o.Stack.RuleFiles()
	if err != nil {
		return nil, err
	}
	alerts, err := Alerts(ruleFiles)
	if err != nil {
		return nil, err
	}
	receivers, err := Receivers(o.Stack)
	if err != nil {
		return nil, err
	}
	names := Names{alerts, receivers}
	if o.Out != "" {
		if err := os.MkdirAll(o.Out, 0o755); err != nil {
			return nil, fmt.Errorf("write the pictures: %w", err)
		}
	}
	results := make([]*report.Result, len(files))
	played := make([]*Scenario, len(files))
	errs := make([]error, len(files))
	limit := make(chan struct{}, o.Parallel)
	var wg sync.WaitGroup
	for i, file := range files {
		wg.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			results[i], played[i], errs[i] = o.one(ctx, file, names)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	r := &report.Report{}
	for _, res := range results {
		if res != nil {
			r.Add(*res)
		}
	}
	if o.Every && o.Run == nil {
		r.Add(every(alerts, played)...)
	}
	return r, nil
}

// one plays one file; nil where it is not asked for.
func (o Options) one(ctx context.Context, file string, names Names) (*report.Result, *Scenario, error) {
	began := time.Now()
	rel := paths.Relative(o.Root, file)
	s, err := ReadFile(file, names)
	if err != nil {
		res := &report.Result{Suite: Suite, Name: rel + " can be read", Status: report.Fail, Detail: err.Error(), File: rel, Duration: time.Since(began)}
		var at *stack.FileError
		if errors.As(err, &at) {
			res.Line = at.Line
		}
		return res, nil, nil
	}
	name := filepath.Base(rel) + ": " + s.Name
	if o.Run != nil && !o.Run.MatchString(name) {
		return nil, nil, nil
	}
	c, err := o.Play(ctx, o.Stack, s)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", rel, err)
	}
	faults, err := s.judge(ctx, c)
	if err = errors.Join(err, c.close()); err != nil {
		return nil, nil, err
	}
	res := &report.Result{Suite: Suite, Name: name, Status: report.Pass, File: rel, Line: 1, Duration: time.Since(began)}
	res.Detail = fmt.Sprintf("%s played, %d notifications%s", s.Duration, len(c.Notifications), c.note)
	if len(faults) > 0 {
		res.Status, res.Line = report.Fail, faults[0].line
		var lines []string
		for _, f := range faults {
			lines = append(lines, fmt.Sprintf("%s:%d: %s", rel, f.line, f.text))
		}
		res.Detail = strings.Join(lines, "\n")
	}
	if o.Out != "" {
		base := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		if err := s.write(c, faults, filepath.Join(o.Out, base)); err != nil {
			return nil, nil, err
		}
	}
	return res, s, nil
}

// every are the checks that each alert has a fault in the catalogue that fires it, and a scenario that sets such a fault
// and sees the alert through to a notification.
func every(alerts []string, played []*Scenario) []report.Result {
	var unknown, missing []string
	for _, a := range alerts {
		if _, _, ok := firedBy(a); !ok {
			unknown = append(unknown, a)
		}
		if !slices.ContainsFunc(played, func(s *Scenario) bool { return s != nil && s.proves(a) }) {
			missing = append(missing, a)
		}
	}
	result := func(name, without string, all []string) report.Result {
		if len(all) > 0 {
			return report.Result{Suite: Suite, Name: name, Status: report.Fail, Detail: without + ": " + strings.Join(all, ", ")}
		}
		return report.Result{Suite: Suite, Name: name, Status: report.Pass, Detail: fmt.Sprintf("%d alerts", len(alerts))}
	}
	return []report.Result{
		result("every alert of the stack has a fault that fires it", "no fault of the catalogue (`sandbox fault --list`) fires", unknown),
		result("every alert of the stack has a scenario that fires it and sees its notification",
			"no scenario sets a fault that fires them, and sees them fire and notified", missing),
	}
}

// proves says whether a scenario sets a fault that, says the catalogue, fires an alert, and expects it to fire and
// somebody to be told.
func (s *Scenario) proves(alert string) bool {
	broken := slices.ContainsFunc(s.Timeline, func(e Event) bool {
		return slices.ContainsFunc(world.Faults(), func(f world.Fault) bool { return f.Name == e.Fault && f.FiresAny(alert, e.Service) })
	})
	return broken &&
		slices.ContainsFunc(s.Expect.Alerts, func(e AlertExpectation) bool { return e.Alert == alert && e.Firing != nil }) &&
		slices.ContainsFunc(s.Expect.Notifications, func(n NotificationExpectation) bool {
			return !n.Absent && n.Status == "firing" && n.Group["alertname"] == alert
		})
}

// Simulate plays a scenario on simulated time.
func Simulate(ctx context.Context, st *stack.Stack, s *Scenario) (*Course, error) {
	told, err := tell(ctx, st, s)
	if err != nil {
		return nil, err
	}
	cfg := simulate.Config{Stack: st, Seed: s.Seed, Start: s.Start, Noise: s.Noise, Slow: time.Duration(s.Slow), Ask: s.asks()}
	if told != nil {
		cfg.Tell = told
	}
	sim, err := simulate.New(ctx, cfg)
	if err != nil {
		return nil, errors.Join(err, told.close())
	}
	c, err := s.simulate(ctx, sim)
	if err != nil {
		sim.Close()
		return nil, errors.Join(err, told.close())
	}
	c.evidence = told
	c.done = func() error { sim.Close(); return told.close() }
	return c, nil
}

func (s *Scenario) simulate(ctx context.Context, sim *simulate.Simulation) (*Course, error) {
	var err error
	events := slices.Clone(s.Timeline)
	slices.SortStableFunc(events, func(a, b Event) int { return int(a.At - b.At) })
	for _, e := range events {
		at := s.Start.Add(time.Duration(e.At))
		if err := advance(ctx, sim, at); err != nil {
			return nil, err
		}
		if e.Clear != "" {
			err = sim.World.Clear(e.Clear, e.Service)
		} else {
			until := time.Time{}
			if e.For > 0 {
				until = at.Add(time.Duration(e.For))
			}
			err = sim.World.Set(e.Fault, e.Service, until)
		}
		if err != nil {
			return nil, &stack.FileError{File: s.File, Line: e.Line, Msg: err.Error()}
		}
	}
	end := s.Start.Add(time.Duration(s.Duration))
	if err := advance(ctx, sim, end); err != nil {
		return nil, err
	}
	return &Course{
		Transitions: sim.Transitions(), Notifications: sim.Notifications(), Inhibitions: sim.Inhibitions(),
		start: s.Start, end: end, factor: 1,
		ask: func(ctx context.Context, expr string, at time.Time) ([]value, error) {
			got, err := sim.Query(ctx, expr, at)
			var out []value
			for _, g := range got {
				out = append(out, value{labelSet(g.Metric), g.F})
			}
			return out, err
		},
	}, nil
}

// advance lets time pass in pieces of which the answers to alerts' questions are few enough to keep.
func advance(ctx context.Context, sim *simulate.Simulation, to time.Time) error {
	for at := sim.Now(); at.Before(to); {
		at = at.Add(min(6*time.Hour, to.Sub(at)))
		if err := sim.Leap(ctx, at); err != nil {
			return err
		}
	}
	return nil
}
