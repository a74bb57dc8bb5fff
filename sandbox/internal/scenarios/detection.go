package scenarios

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/prometheus/common/model"

	"obsandbox/sandbox/internal/platform/world"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/simulate"
	"obsandbox/sandbox/internal/stack"
)

// DetectionSuite is the name of the results' suite.
const DetectionSuite = "detection"

// DetectionOptions say how long what is simulated.
type DetectionOptions struct {
	Stack *stack.Stack
	// Normal and Noisy are how long the times without a fault are; a week each where they are 0.
	Normal, Noisy time.Duration
	// Noise is how far the noisy load strays, in times of the usual; 3 where it is 0.
	Noise float64
	// Seed is the worlds'.
	Seed uint64
	// Faults is how long after a fault its alert is waited for; 35 minutes where it is 0.
	Faults time.Duration
	// Progress is told of each part that is done; it may be nil.
	Progress func(string)
}

// Figure is what is known of one alert.
type Figure struct {
	Alert string `json:"alert"`
	// Fault and Service are what fires it, the first in the catalogue of faults.
	Fault   string `json:"fault,omitempty"`
	Service string `json:"service,omitempty"`
	// Detect is from the fault until it fires, Notify until somebody is told; 0 where it is not known.
	Detect time.Duration `json:"detect_ns,omitempty"`
	Notify time.Duration `json:"notify_ns,omitempty"`
	// Normal and Noisy are how often it fires without a fault.
	Normal int `json:"normal"`
	Noisy  int `json:"noisy"`
}

// Detection measures every alert of the stack. One that fires under normal load, and one that no fault fires, fails.
func Detection(ctx context.Context, o DetectionOptions) (*report.Report, []Figure, error) {
	const week = 7 * 24 * time.Hour
	o.Normal, o.Noisy = cmp.Or(o.Normal, week), cmp.Or(o.Noisy, week)
	o.Noise, o.Faults = cmp.Or(o.Noise, 3), cmp.Or(o.Faults, 35*time.Minute)
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	files, err := o.Stack.RuleFiles()
	if err != nil {
		return nil, nil, err
	}
	names, err := Alerts(files)
	if err != nil {
		return nil, nil, err
	}
	figures := make([]Figure, len(names))
	var jobs []func() error
	var normal, noisy map[string]int
	jobs = append(jobs,
		func() (err error) { normal, err = o.quiet(ctx, o.Normal, 1); return err },
		func() (err error) { noisy, err = o.quiet(ctx, o.Noisy, o.Noise); return err })
	for i, name := range names {
		figures[i] = Figure{Alert: name}
		var known bool
		if figures[i].Fault, figures[i].Service, known = firedBy(name); known {
			jobs = append(jobs, func() error { return o.fault(ctx, &figures[i]) })
		}
	}
	if err := inTurns(2, jobs); err != nil {
		return nil, nil, err
	}
	r := &report.Report{}
	for i := range figures {
		f := &figures[i]
		f.Normal, f.Noisy = normal[f.Alert], noisy[f.Alert]
		quiet := report.Result{Suite: DetectionSuite, Name: f.Alert + " is silent under normal load", Status: report.Pass, Detail: o.Normal.String()}
		if f.Normal > 0 {
			quiet.Status = report.Fail
			quiet.Detail = fmt.Sprintf("it fires %d times in %s without any fault: raise its limit or the time it waits (for)", f.Normal, o.Normal)
		}
		found := report.Result{Suite: DetectionSuite, Name: f.Alert + " is fired by its fault and somebody is told", Status: report.Pass}
		switch {
		case f.Fault == "":
			found.Status, found.Detail = report.Fail, "no fault of the catalogue fires it (`sandbox fault --list`)"
		case f.Detect == 0:
			found.Status, found.Detail = report.Fail, fmt.Sprintf("fault %q of %q does not fire it within %s", f.Fault, f.Service, o.Faults)
		case f.Notify == 0:
			found.Status, found.Detail = report.Fail, "it fires, and nobody is told"
		default:
			found.Detail = fmt.Sprintf("%s: %s until it fires, %s until somebody is told", f.Fault, f.Detect, f.Notify)
		}
		r.Add(quiet, found)
	}
	return r, figures, nil
}

// firedBy is the first fault of the catalogue that fires an alert, and the service to set it for; false where there is
// none.
func firedBy(alert string) (fault, service string, ok bool) {
	for _, f := range world.Faults() {
		for _, s := range f.Services {
			if f.FiresAny(alert, s) {
				return f.Name, s, true
			}
		}
	}
	return "", "", false
}

// warm is how long a platform is watched before something breaks.
const warm = 15 * time.Minute

func (o DetectionOptions) fault(ctx context.Context, f *Figure) error {
	start := defaultStart()
	sim, err := simulate.New(ctx, simulate.Config{Stack: o.Stack, Seed: o.Seed, Start: start, Slow: time.Minute})
	if err != nil {
		return err
	}
	defer sim.Close()
	if err := advance(ctx, sim, start.Add(warm)); err != nil {
		return err
	}
	began := sim.Now()
	if err := sim.World.Set(f.Fault, f.Service, time.Time{}); err != nil {
		return err
	}
	if err := advance(ctx, sim, began.Add(o.Faults)); err != nil {
		return err
	}
	for _, t := range sim.Transitions() {
		if t.Alert == f.Alert && t.State == "firing" && t.At.After(began) {
			f.Detect = t.At.Sub(began)
			break
		}
	}
	if f.Notify = notified(sim, f.Alert, began); f.Detect > 0 && f.Notify == 0 {
		// A graver alert about the same may silence it for as long as the fault lasts.
		if err := sim.World.Clear(f.Fault, f.Service); err != nil {
			return err
		}
		if err := advance(ctx, sim, sim.Now().Add(2*time.Hour)); err != nil {
			return err
		}
		f.Notify = notified(sim, f.Alert, began)
	}
	o.Progress("fault " + f.Fault + ", simulated")
	return nil
}

// notified is how long after a time somebody is first told of an alert; 0 for never.
func notified(sim *simulate.Simulation, alert string, began time.Time) time.Duration {
	for _, n := range sim.Notifications() {
		about := slices.ContainsFunc(n.Alerts, func(l model.LabelSet) bool { return string(l[model.AlertNameLabel]) == alert })
		if about && n.At.After(began) {
			return n.At.Sub(began)
		}
	}
	return 0
}

// quiet is a time without a fault: how often each alert fires.
func (o DetectionOptions) quiet(ctx context.Context, d time.Duration, noise float64) (map[string]int, error) {
	start := defaultStart()
	sim, err := simulate.New(ctx, simulate.Config{Stack: o.Stack, Seed: o.Seed, Start: start, Noise: noise, Slow: 5 * time.Minute})
	if err != nil {
		return nil, err
	}
	defer sim.Close()
	if err := advance(ctx, sim, start.Add(d)); err != nil {
		return nil, err
	}
	out := map[string]int{}
	for _, t := range sim.Transitions() {
		if t.State == "firing" {
			out[t.Alert]++
		}
	}
	o.Progress(fmt.Sprintf("%s of %gx noise, simulated", d, noise))
	return out, nil
}

// inTurns runs jobs, so many at a time.
func inTurns(n int, jobs []func() error) error {
	errs := make([]error, len(jobs))
	limit := make(chan struct{}, n)
	var wg sync.WaitGroup
	for i, job := range jobs {
		limit <- struct{}{}
		wg.Go(func() {
			defer func() { <-limit }()
			errs[i] = job()
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// FiguresTable writes the figures for people.
func FiguresTable(w io.Writer, all []Figure) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "ALERT\tFAULT\tTIME TO DETECT\tTIME TO NOTIFY\tFALSE, NORMAL\tFALSE, NOISY")
	for _, f := range all {
		known := func(d time.Duration) string {
			if d == 0 {
				return "-"
			}
			return d.String()
		}
		fmt.Fprintf(tw, "%s\t%s %s\t%s\t%s\t%d\t%d\n", f.Alert, f.Fault, f.Service, known(f.Detect), known(f.Notify), f.Normal, f.Noisy)
	}
	return tw.Flush()
}
