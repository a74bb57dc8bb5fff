package routes

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/config"
	amcommon "github.com/prometheus/alertmanager/config/common"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/timeinterval"
	"github.com/prometheus/common/model"

	"obsandbox/sandbox/internal/amconfig"
)

// Router is an Alertmanager configuration that can be asked.
type Router struct {
	conf      *config.Config
	root      *dispatch.Route
	intervals *timeinterval.Intervener
}

// Load reads an Alertmanager configuration. Errors name file and line.
func Load(file string) (*Router, error) {
	conf, err := amconfig.Load(file)
	if err != nil {
		return nil, err
	}
	return newRouter(conf), nil
}

// Parse is Load of a configuration that is in no file; templates and secrets that it names are not looked for.
func Parse(text string) (*Router, error) {
	conf, err := amconfig.Parse(text)
	if err != nil {
		return nil, err
	}
	return newRouter(conf), nil
}

func newRouter(conf *config.Config) *Router {
	intervals := map[string][]timeinterval.TimeInterval{}
	for _, i := range conf.MuteTimeIntervals {
		intervals[i.Name] = i.TimeIntervals
	}
	for _, i := range conf.TimeIntervals {
		intervals[i.Name] = i.TimeIntervals
	}
	return &Router{conf: conf, root: dispatch.NewRoute(conf.Route, nil), intervals: timeinterval.NewIntervener(intervals)}
}

// Destination is a route that an alert takes.
type Destination struct {
	Receiver string
	// Group are the labels that the alert is grouped by there.
	Group model.LabelSet
	// Muted says that the route is silent at that time.
	Muted bool

	route *dispatch.Route
}

// Route says where an alert goes, in order. Without a time no route is muted.
func (r *Router) Route(labels model.LabelSet, at *time.Time) ([]Destination, error) {
	var out []Destination
	for _, route := range r.root.Match(labels) {
		opts := route.RouteOpts
		d := Destination{Receiver: opts.Receiver, Group: model.LabelSet{}, route: route}
		for name, value := range labels {
			if _, ok := opts.GroupBy[name]; ok || opts.GroupByAll {
				d.Group[name] = value
			}
		}
		if at != nil {
			muted, _, err := r.intervals.Mutes(opts.MuteTimeIntervals, *at)
			if err != nil {
				return nil, fmt.Errorf("route %s: %w", route.ID(), err)
			}
			active := true
			if len(opts.ActiveTimeIntervals) > 0 {
				if active, _, err = r.intervals.Mutes(opts.ActiveTimeIntervals, *at); err != nil {
					return nil, fmt.Errorf("route %s: %w", route.ID(), err)
				}
			}
			d.Muted = muted || !active
		}
		out = append(out, d)
	}
	return out, nil
}

// Inhibition says what silences an alert.
type Inhibition struct {
	// Rules are the indexes of the inhibition rules that silence it, whichever alert came last.
	Rules []int
	// Chance are those that silence it or not as the alerts happen to come. Alertmanager remembers, for each rule and
	// each set of equal labels, one source only; where that one is a target of the rule itself, it silences nothing.
	Chance []int
}

// Inhibited says, for each of the alerts that fire together, which inhibition rules silence it.
func (r *Router) Inhibited(ctx context.Context, alerts []model.LabelSet) ([]Inhibition, error) {
	var orders [2][][]bool
	for i, later := range []time.Duration{time.Second, -time.Second} {
		var err error
		if orders[i], err = r.mutes(ctx, alerts, later); err != nil {
			return nil, fmt.Errorf("inhibition: %w", err)
		}
	}
	out := make([]Inhibition, len(alerts))
	for rule := range r.conf.InhibitRules {
		for j := range alerts {
			switch first, second := orders[0][rule][j], orders[1][rule][j]; {
			case first && second:
				out[j].Rules = append(out[j].Rules, rule)
			case first != second:
				out[j].Chance = append(out[j].Chance, rule)
			}
		}
	}
	return out, nil
}

// mutes says for each inhibition rule which alerts it silences. Each alert ends later than the one before it by a time,
// which makes it the one that Alertmanager remembers (or, where later is negative, the one that it does not).
func (r *Router) mutes(ctx context.Context, alerts []model.LabelSet, later time.Duration) ([][]bool, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	firing, err := mem.NewAlerts(ctx, time.Hour, 0, nil, quiet, eventrecorder.NopRecorder(), nil, nil)
	if err != nil {
		return nil, err
	}
	defer firing.Close()
	now := time.Now()
	for i, labels := range alerts {
		ends := now.Add(24*time.Hour + time.Duration(i)*later)
		a := &alert.Alert{Alert: model.Alert{Labels: labels, StartsAt: now, EndsAt: ends}, UpdatedAt: now}
		if err := firing.Put(ctx, a); err != nil {
			return nil, err
		}
	}
	out := make([][]bool, len(r.conf.InhibitRules))
	// One inhibitor for each rule, to know which of them it was.
	for i, rule := range r.conf.InhibitRules {
		inhibitor := inhibit.NewInhibitor(firing, []amcommon.InhibitRule{rule}, quiet, eventrecorder.NopRecorder())
		done := make(chan struct{})
		go func() {
			defer close(done)
			inhibitor.Run()
		}()
		inhibitor.WaitForLoading()
		for _, labels := range alerts {
			out[i] = append(out[i], inhibitor.Mutes(ctx, labels))
		}
		inhibitor.Stop()
		<-done
	}
	return out, nil
}
