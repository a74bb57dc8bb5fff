package platform

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"obsandbox/sandbox/internal/platform/logs"
	"obsandbox/sandbox/internal/platform/traces"
)

// activity is what the services log and trace: stories at a pace.
type activity struct {
	log      *slog.Logger
	next     func(now time.Time) (traces.Story, bool)
	write    func(traces.Story) []logs.Line
	lines    *logs.Producer // nil where no lines are written
	spans    *traces.Sender // nil where no traces are sent
	sendLine func(logs.Line)
	sendTale func(traces.Story)

	// lineRate and traceRate are per second; 0 for none.
	lineRate, traceRate float64
	// dueLines and dueTraces are how many are to be sent by now, fractions included.
	dueLines, dueTraces float64
	// waiting are lines of stories that have begun to be sent.
	waiting []logs.Line
}

// activityRates are what the services write per second, and how much of it has arrived.
type activityRates struct {
	Logs      float64 `json:"log_lines_per_second"`
	Traces    float64 `json:"traces_per_second"`
	LinesSent uint64  `json:"log_lines_sent"`
	LinesLost uint64  `json:"log_lines_lost"`
	SpansSent uint64  `json:"spans_sent"`
}

// maxRate is more than any machine writes, and less than what makes a beat take forever.
const maxRate = 1_000_000

func newActivity(ctx context.Context, cfg Config, w traces.Cluster, started time.Time, log *slog.Logger) (*activity, error) {
	for _, rate := range []struct {
		flag  string
		value float64
	}{{"--log-rate", cfg.LogRate}, {"--trace-rate", cfg.TraceRate}} {
		if !(rate.value >= 0 && rate.value <= maxRate) {
			return nil, fmt.Errorf("%s %v: expected a number per second from 0 to %d", rate.flag, rate.value, maxRate)
		}
	}
	// What is queued when ctx ends is still to be sent.
	sending := context.WithoutCancel(ctx)
	a := &activity{log: log, next: traces.NewTeller(w, cfg.Seed, started).Next, write: logs.NewWriter(w, cfg.Seed).Lines}
	var err error
	if cfg.OTLP != "" && cfg.TraceRate > 0 {
		if a.spans, err = traces.NewSender(sending, cfg.OTLP, w, log); err != nil {
			return nil, err
		}
		a.traceRate = cfg.TraceRate
		a.sendTale = func(s traces.Story) { a.spans.Send(sending, s) }
	}
	if cfg.Kafka != "" && cfg.LogRate > 0 {
		if a.lines, err = logs.NewProducer(cfg.Kafka, log); err != nil {
			return nil, err
		}
		a.lineRate = cfg.LogRate
		a.sendLine = func(l logs.Line) { a.lines.Send(sending, l) }
	}
	return a, nil
}

// What the services write per second where nobody says otherwise.
const (
	UsualLogRate   = 20.0
	UsualTraceRate = 2.0
)

// Tale is what the services of a world log and trace at the usual rates, for whoever has a clock of their own.
type Tale struct{ activity activity }

// NewTale tells of a world; line and story are given whatever is written. It is for one goroutine.
func NewTale(w traces.Cluster, seed uint64, started time.Time, line func(logs.Line), story func(traces.Story)) *Tale {
	return &Tale{activity{
		next: traces.NewTeller(w, seed, started).Next, write: logs.NewWriter(w, seed).Lines, sendLine: line, sendTale: story,
		lineRate: UsualLogRate, traceRate: UsualTraceRate,
	}}
}

// Step writes what is due after a time has passed.
func (t *Tale) Step(now time.Time, passed time.Duration) { t.activity.step(now, passed) }

// beat is how often lines and spans are written.
const beat = 100 * time.Millisecond

// run writes until ctx ends.
func (a *activity) run(ctx context.Context) {
	clock := time.NewTicker(beat)
	defer clock.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-clock.C:
			// After a pause (a laptop that slept) there is no burst.
			a.step(now, min(now.Sub(last), time.Second))
			last = now
		}
	}
}

// step writes what is due after a time has passed. A story is written as lines, and traced as well where traces are due:
// at the usual rates most lines lead to a trace, as with sampling. Only where there are far more traces than lines are
// there traces that nothing was logged in.
func (a *activity) step(now time.Time, passed time.Duration) {
	a.dueLines += a.lineRate * passed.Seconds()
	a.dueTraces += a.traceRate * passed.Seconds()
	for a.dueLines >= 1 {
		if len(a.waiting) == 0 {
			story, ok := a.tell(now)
			if !ok {
				break
			}
			a.waiting = a.write(story)
			continue
		}
		a.sendLine(a.waiting[0])
		a.waiting = a.waiting[1:]
		a.dueLines--
	}
	// A second's worth of traces may wait for stories that are logged too.
	for a.dueTraces >= 1+a.traceRate {
		if _, ok := a.tell(now); !ok {
			break
		}
	}
	// Where nobody is there to have stories, they are not made up for later.
	a.dueLines, a.dueTraces = min(a.dueLines, 1+a.lineRate), min(a.dueTraces, 1+a.traceRate)
}

// tell has the next story, and traces it where that is due.
func (a *activity) tell(now time.Time) (traces.Story, bool) {
	story, ok := a.next(now)
	if ok && a.dueTraces >= 1 {
		a.dueTraces--
		a.sendTale(story)
	}
	return story, ok
}

func (a *activity) rates() activityRates {
	r := activityRates{Logs: a.lineRate, Traces: a.traceRate}
	if a.lines != nil {
		r.LinesSent, r.LinesLost = a.lines.Counts()
	}
	if a.spans != nil {
		r.SpansSent = a.spans.Sent()
	}
	return r
}

// close sends what is queued, lines and spans at once: neither takes the other's time.
func (a *activity) close(ctx context.Context) {
	var both sync.WaitGroup
	if a.spans != nil {
		both.Go(func() {
			if err := a.spans.Close(ctx); err != nil {
				a.log.Warn("spans are lost", "error", err)
			}
		})
	}
	if a.lines != nil {
		both.Go(func() {
			if err := a.lines.Close(ctx); err != nil {
				a.log.Warn("log lines are lost", "error", err)
			}
		})
	}
	both.Wait()
}
