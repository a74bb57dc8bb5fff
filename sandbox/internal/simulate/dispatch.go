package simulate

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/timeinterval"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"google.golang.org/protobuf/types/known/timestamppb"

	"obsandbox/sandbox/internal/amconfig"
	"obsandbox/sandbox/internal/routes"
)

// Dispatcher is Alertmanager on a simulated clock. The routing tree, the stages of deduplication and of the log of what
// was sent, and inhibition are Alertmanager's own; when a group is flushed (after group_wait for the first time, every
// group_interval from then on, for as long as it has an alert) is written anew, because the original knows no clock but
// the machine's.
type Dispatcher struct {
	root      *dispatch.Route
	router    *routes.Router
	intervals *timeinterval.Intervener
	send      map[string][]notify.Integration
	log       *slog.Logger
	nflog     *sentLog

	alerts map[model.Fingerprint]*alert.Alert
	groups map[string]*group
	// silenced are the alerts that are inhibited, while those that fire are the same.
	silenced map[model.Fingerprint]bool
	firing   string

	// OnInhibited is told of every alert that would have been sent and was not, at each flush.
	OnInhibited func(at time.Time, receiver string, labels model.LabelSet)
}

// group is one group of alerts of one route.
type group struct {
	key    string
	route  *dispatch.Route
	labels model.LabelSet
	alerts map[model.Fingerprint]*alert.Alert
	next   time.Time
	flush  uint64
}

// NewDispatcher makes one of a configuration file, which sends through the integrations of each receiver.
func NewDispatcher(file string, send map[string][]notify.Integration) (*Dispatcher, error) {
	router, err := routes.Load(file)
	if err != nil {
		return nil, err
	}
	conf, err := amconfig.Load(file)
	if err != nil {
		return nil, err
	}
	intervals := map[string][]timeinterval.TimeInterval{}
	for _, i := range conf.MuteTimeIntervals {
		intervals[i.Name] = i.TimeIntervals
	}
	for _, i := range conf.TimeIntervals {
		intervals[i.Name] = i.TimeIntervals
	}
	return &Dispatcher{
		root: dispatch.NewRoute(conf.Route, nil), router: router, intervals: timeinterval.NewIntervener(intervals), send: send,
		log: promslog.NewNopLogger(), nflog: &sentLog{entries: map[string]*nflogpb.Entry{}, expiry: map[string]time.Time{}},
		alerts: map[model.Fingerprint]*alert.Alert{}, groups: map[string]*group{},
	}, nil
}

// Receive takes alerts as Prometheus sends them.
func (d *Dispatcher) Receive(at time.Time, alerts ...*alert.Alert) {
	for _, a := range alerts {
		a.UpdatedAt = at
		fp := a.Fingerprint()
		// As the original's store does.
		if old, ok := d.alerts[fp]; ok && (a.EndsAt.After(old.StartsAt) && a.EndsAt.Before(old.EndsAt) ||
			a.StartsAt.After(old.StartsAt) && a.StartsAt.Before(old.EndsAt)) {
			a = merge(old, a, at)
		}
		d.alerts[fp] = a
		for _, route := range d.root.Match(a.Labels) {
			labels := model.LabelSet{}
			for name, value := range a.Labels {
				if _, ok := route.RouteOpts.GroupBy[name]; ok || route.RouteOpts.GroupByAll {
					labels[name] = value
				}
			}
			id := route.ID() + " " + labels.String()
			g, ok := d.groups[id]
			if !ok {
				g = &group{
					key: fmt.Sprintf("%s:%s", route.Key(), labels), route: route, labels: labels,
					alerts: map[model.Fingerprint]*alert.Alert{}, next: at.Add(route.RouteOpts.GroupWait), flush: 1,
				}
				if a.StartsAt.Add(route.RouteOpts.GroupWait).Before(at) {
					g.next = at // it has waited long enough before it came
				}
				d.groups[id] = g
			}
			g.alerts[fp] = a
		}
	}
}

// merge is alert.Merge with the clock of the simulation.
func merge(old, a *alert.Alert, at time.Time) *alert.Alert {
	res := *a
	if old.StartsAt.Before(a.StartsAt) {
		res.StartsAt = old.StartsAt
	}
	if a.ResolvedAt(at) {
		if old.ResolvedAt(at) && old.EndsAt.After(a.EndsAt) {
			res.EndsAt = old.EndsAt
		}
	} else if old.EndsAt.After(a.EndsAt) && !old.Timeout {
		res.EndsAt = old.EndsAt
	}
	return &res
}

// Next is when something will be flushed; false while there is nothing.
func (d *Dispatcher) Next() (time.Time, bool) {
	var next time.Time
	for _, g := range d.groups {
		if next.IsZero() || g.next.Before(next) {
			next = g.next
		}
	}
	return next, !next.IsZero()
}

// Advance flushes whatever is due until then, in the order of time.
func (d *Dispatcher) Advance(ctx context.Context, to time.Time) error {
	for {
		next, ok := d.Next()
		if !ok || next.After(to) {
			return nil
		}
		var due []string
		for id, g := range d.groups {
			if g.next.Equal(next) {
				due = append(due, id)
			}
		}
		sort.Strings(due)
		for _, id := range due {
			if err := d.flush(ctx, id, next); err != nil {
				return err
			}
		}
	}
}

// flush sends what is new of a group, and forgets what is resolved.
func (d *Dispatcher) flush(ctx context.Context, id string, now time.Time) error {
	g := d.groups[id]
	opts := &g.route.RouteOpts
	g.next = now.Add(opts.GroupInterval)
	var all alert.AlertSlice
	var resolved []model.Fingerprint
	for fp, a := range g.alerts {
		c := *a
		if c.ResolvedAt(now) {
			resolved = append(resolved, fp)
		} else {
			c.EndsAt = time.Time{}
		}
		all = append(all, &c)
	}
	sort.Sort(all)
	ctx = notify.WithNow(ctx, now)
	ctx = notify.WithGroupKey(ctx, g.key)
	ctx = notify.WithGroupLabels(ctx, g.labels)
	ctx = notify.WithReceiverName(ctx, opts.Receiver)
	ctx = notify.WithRepeatInterval(ctx, opts.RepeatInterval)
	ctx = notify.WithRouteID(ctx, g.route.ID())
	ctx = notify.WithFlushID(ctx, g.flush)
	g.flush++
	if err := d.exec(ctx, g, all, now); err != nil {
		return err
	}
	for _, fp := range resolved {
		delete(g.alerts, fp)
	}
	if len(g.alerts) == 0 {
		delete(d.groups, id)
	}
	return nil
}

// exec are the stages of the original's pipeline, in its order.
func (d *Dispatcher) exec(ctx context.Context, g *group, all alert.AlertSlice, now time.Time) error {
	opts := &g.route.RouteOpts
	silenced, err := d.inhibited(ctx, now)
	if err != nil {
		return err
	}
	kept := slices.DeleteFunc(slices.Clone(all), func(a *alert.Alert) bool {
		if !silenced[a.Fingerprint()] {
			return false
		}
		if d.OnInhibited != nil {
			d.OnInhibited(now, opts.Receiver, a.Labels)
		}
		return true
	})
	if len(kept) == 0 {
		return nil
	}
	if len(opts.ActiveTimeIntervals) > 0 {
		active, _, err := d.intervals.Mutes(opts.ActiveTimeIntervals, now)
		if err != nil || !active {
			return err
		}
	}
	if len(opts.MuteTimeIntervals) > 0 {
		muted, _, err := d.intervals.Mutes(opts.MuteTimeIntervals, now)
		if err != nil || muted {
			return err
		}
	}
	d.nflog.now = now
	for i := range d.send[opts.Receiver] {
		to := d.send[opts.Receiver][i]
		recv := &nflogpb.Receiver{GroupName: opts.Receiver, Integration: to.Name(), Idx: uint32(to.Index())}
		ctx, send, err := notify.NewDedupStage(&to, of{d.nflog, receiverKey(recv, g.key)}, recv).Exec(ctx, d.log, kept...)
		if err != nil {
			return fmt.Errorf("simulate Alertmanager: %w", err)
		}
		if len(send) == 0 {
			continue
		}
		if err := d.deliver(ctx, &to, send, now); err != nil {
			return fmt.Errorf("simulate Alertmanager: send to %s: %w", opts.Receiver, err)
		}
		if _, _, err := notify.NewSetNotifiesStage(of{d.nflog, receiverKey(recv, g.key)}, recv).Exec(ctx, d.log, send...); err != nil {
			return fmt.Errorf("simulate Alertmanager: %w", err)
		}
	}
	return nil
}

// deliver sends without what the receiver does not want to know.
func (d *Dispatcher) deliver(ctx context.Context, to *notify.Integration, all []*alert.Alert, now time.Time) error {
	if !to.SendResolved() {
		firing, _ := notify.FiringAlerts(ctx)
		if len(firing) == 0 {
			return nil
		}
		all = slices.DeleteFunc(slices.Clone(all), func(a *alert.Alert) bool { return a.ResolvedAt(now) })
	}
	_, err := to.Notify(ctx, all...)
	return err
}

// inhibited are the alerts that others silence now. The original's inhibitor is asked anew only where other alerts fire
// than before.
func (d *Dispatcher) inhibited(ctx context.Context, now time.Time) (map[model.Fingerprint]bool, error) {
	var all []model.LabelSet
	var key strings.Builder
	var fps []model.Fingerprint
	for fp, a := range d.alerts {
		if a.ResolvedAt(now) {
			if now.Sub(a.EndsAt) > time.Hour {
				delete(d.alerts, fp)
			}
			continue
		}
		fps = append(fps, fp)
	}
	slices.Sort(fps)
	for _, fp := range fps {
		key.WriteString(fp.String())
		all = append(all, d.alerts[fp].Labels)
	}
	if d.silenced != nil && key.String() == d.firing {
		return d.silenced, nil
	}
	by, err := d.router.Inhibited(ctx, all)
	if err != nil {
		return nil, err
	}
	d.silenced, d.firing = map[model.Fingerprint]bool{}, key.String()
	for i, inhibition := range by {
		if len(inhibition.Rules) > 0 {
			d.silenced[fps[i]] = true
		}
	}
	return d.silenced, nil
}

// sentLog is what was last sent of each group to each receiver, and for how long that counts.
type sentLog struct {
	now     time.Time
	entries map[string]*nflogpb.Entry
	expiry  map[string]time.Time
}

func (l *sentLog) Log(r *nflogpb.Receiver, key string, firing, resolved []uint64, _ *nflog.Store, expiry time.Duration) error {
	id := receiverKey(r, key)
	l.entries[id] = &nflogpb.Entry{
		Receiver: r, GroupKey: []byte(key), Timestamp: timestamppb.New(l.now), FiringAlerts: firing, ResolvedAlerts: resolved,
	}
	l.expiry[id] = l.now.Add(expiry)
	return nil
}

func receiverKey(r *nflogpb.Receiver, group string) string {
	return fmt.Sprintf("%s/%s/%d %s", r.GroupName, r.Integration, r.Idx, group)
}

// of implements notify.NotificationLog for one receiver and one group: the parameters of a query can be read only by the
// original, which knows no clock but the machine's.
type of struct {
	*sentLog
	id string
}

func (o of) Query(...nflog.QueryParam) ([]*nflogpb.Entry, error) {
	e, ok := o.entries[o.id]
	if !ok || !o.expiry[o.id].After(o.now) {
		return nil, nflog.ErrNotFound
	}
	return []*nflogpb.Entry{e}, nil
}
