package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"obsandbox/sandbox/internal/backtest"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/scenarios"
	"obsandbox/sandbox/internal/simulate"
	"obsandbox/sandbox/internal/stack"
)

const (
	day       = 24 * time.Hour
	week      = 7 * day
	benchStep = 15 * time.Second
	// benchSeries is how many series a backtest reads.
	benchSeries = 1000
)

// benchScenarios measures incidents on simulated time and backtests. The time of the processor is printed too: it is what
// the work costs, whatever else the machine does.
func benchScenarios(ctx context.Context) error {
	st, err := stack.Load("stack")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "obsandbox-benchmark-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	play := func(name, promised, text string) error {
		file := filepath.Join(dir, "scenario.yml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
		return timed(name, promised, func() error {
			r, err := scenarios.Run(ctx, scenarios.Options{Stack: st, Tests: []string{file}})
			if err == nil && !r.OK() {
				err = errors.New(r.Results[0].Detail)
			}
			return err
		})
	}
	for _, b := range []struct{ name, promised, text string }{
		{"a scenario of 2 simulated hours, all rules", "under 5s",
			"name: x\nduration: 2h\ntimeline: [{at: 60m, fault: query-errors, service: query-api, for: 20m}]\nexpect: {tolerate: [QueryAPIHighErrorRate, ErrorBudgetBurnsFast, ErrorBudgetBurnsSlowly]}\n"},
		{"a simulated week of normal load", "under 60s", "name: x\nduration: 7d\nslow: 5m\n"},
		{"a simulated week of noisy load", "under 60s", "name: x\nduration: 7d\nslow: 5m\nnoise: 3\n"},
	} {
		if err := play(b.name, b.promised, b.text); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		debug.FreeOSMemory()
	}
	data := filepath.Join(dir, "prometheus")
	n, err := benchData(ctx, st, data)
	if err != nil {
		return err
	}
	debug.FreeOSMemory()
	rules, err := st.RuleFiles()
	if err != nil {
		return err
	}
	return timed(fmt.Sprintf("a backtest of 7 days of %d series, all rules", n), "under 60s", func() error {
		out, err := backtest.Run(ctx, backtest.Options{Rules: rules, Data: data, Interval: benchStep, Slow: 5 * time.Minute})
		if err == nil && (out.Series != n || out.Samples < n*int(week/benchStep)) {
			err = fmt.Errorf("%d series with %d samples were read", out.Series, out.Samples)
		}
		return err
	})
}

func timed(what, promised string, do func() error) error {
	began, used := time.Now(), processor()
	if err := do(); err != nil {
		return err
	}
	row(what, fmt.Sprintf("%s (%s of processor)", report.Seconds(time.Since(began)), report.Seconds(processor()-used)), promised)
	return nil
}

// processor is the time that this process has had of all processors.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchData writes a database of a week, in blocks of a day: what the platform shows in an hour, again and again, of as
// many series as promised. Those that the rules ask for come first; what is missing are pods of other names.
func benchData(ctx context.Context, st *stack.Stack, dir string) (int, error) {
	start := time.Date(2025, 1, 6, 0, 0, 0, 0, time.UTC)
	sim, err := simulate.New(ctx, simulate.Config{Stack: st, Seed: 1, Start: start, Slow: day, Exact: true})
	if err != nil {
		return 0, err
	}
	defer sim.Close()
	if err := sim.Leap(ctx, start.Add(time.Hour-benchStep)); err != nil {
		return 0, err
	}
	type wave struct {
		lset    labels.Labels
		values  []float64
		rise    float64 // of a counter in an hour
		counter bool
	}
	const perHour = int(time.Hour / benchStep)
	var waves []wave
	sim.Store().Each(func(lset labels.Labels, _ []int64, values []float64) {
		name := lset.Get(model.MetricNameLabel)
		if len(values) != perHour || strings.Contains(name, ":") || name == "up" || name == "ALERTS" || name == "ALERTS_FOR_STATE" || len(waves) == benchSeries {
			return
		}
		w := wave{lset: lset, values: values}
		for _, suffix := range []string{"_total", "_count", "_sum", "_bucket"} {
			w.counter = w.counter || strings.HasSuffix(name, suffix)
		}
		if last := len(values) - 1; w.counter {
			w.rise = values[last] - values[0] + (values[last]-values[0])/float64(last)
		}
		waves = append(waves, w)
	})
	for i := 0; len(waves) < benchSeries && i < benchSeries; i++ {
		if w := waves[i]; w.lset.Get("pod") != "" {
			b := labels.NewBuilder(w.lset)
			b.Set("pod", "more-"+strconv.Itoa(i))
			w.lset = b.Labels()
			waves = append(waves, w)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	for d := range 7 {
		w, err := tsdb.NewBlockWriter(promslog.NewNopLogger(), dir, day.Milliseconds())
		if err != nil {
			return 0, err
		}
		refs := make([]storage.SeriesRef, len(waves))
		for i := d * 24 * perHour; i < (d+1)*24*perHour; {
			app := w.Appender(ctx)
			for end := i + perHour; i < end; i++ {
				at := start.Add(time.Duration(i) * benchStep).UnixMilli()
				for k, s := range waves {
					if refs[k], err = app.Append(refs[k], s.lset, at, s.values[i%perHour]+s.rise*float64(i/perHour)); err != nil {
						return 0, errors.Join(err, w.Close())
					}
				}
			}
			if err := app.Commit(); err != nil {
				return 0, errors.Join(err, w.Close())
			}
		}
		_, err = w.Flush(ctx)
		if err := errors.Join(err, w.Close()); err != nil {
			return 0, err
		}
	}
	return len(waves), nil
}
