package scenarios

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"obsandbox/sandbox/internal/platform/inbox"
	"obsandbox/sandbox/internal/platform/world"
	"obsandbox/sandbox/internal/simulate"
	"obsandbox/sandbox/internal/stack"
)

// Realtime plays a scenario against a running stack: faults are set in its platform, alerts' states are read from its
// Prometheus and its Alertmanager, notifications from the stand-ins of Slack and PagerDuty, lines and traces from
// Elasticsearch and Jaeger. In a stack whose monitoring is hastened, every time of the file passes as many times as fast,
// and the result says so.
func Realtime(addr stack.Addresses, progress func(string)) func(context.Context, *stack.Stack, *Scenario) (*Course, error) {
	return func(ctx context.Context, _ *stack.Stack, s *Scenario) (*Course, error) {
		p := &player{addr: addr, s: s, factor: max(addr.Factor, 1), states: map[string]simulate.Transition{}, known: map[int]bool{}}
		for _, c := range [][2]string{{"platform", "api"}, {"prometheus", "http"}, {"alertmanager", "http"}} {
			if addr.URL(c[0], c[1]) == "" {
				return nil, fmt.Errorf("play in real time: the stack has no %s", c[0])
			}
		}
		if s.Noise > 1 {
			progress(s.Name + ": a running platform has the usual noise")
		}
		c, err := p.play(ctx, progress)
		if err != nil {
			return nil, fmt.Errorf("play in real time: %w", err)
		}
		return c, nil
	}
}

// player plays one scenario.
type player struct {
	addr    stack.Addresses
	s       *Scenario
	factor  float64
	c       *Course
	states  map[string]simulate.Transition
	senders *senders
	// known are the notifications that have been seen, got those of the scenario.
	known map[int]bool
	got   []inbox.Notification
}

// settling is how long a stack is left alone before a scenario begins: what an earlier one has left behind is to be over.
// arriving is how long lines and spans may be on their way.
const (
	settling = time.Minute
	arriving = 5 * time.Second
)

func (p *player) play(ctx context.Context, progress func(string)) (*Course, error) {
	if err := p.settle(ctx, progress); err != nil {
		return nil, err
	}
	p.c = &Course{start: time.Now(), factor: p.factor, ask: p.ask,
		evidence: stores{elasticsearch: p.addr.URL("elasticsearch", "http"), jaeger: p.addr.URL("jaeger", "query")}}
	p.c.note = ", in real time"
	if p.factor != 1 {
		p.c.note += fmt.Sprintf(" %g times as fast: intervals, windows, for and the waits of groups are as much shorter than checked in", p.factor)
	}
	p.c.end = p.c.start.Add(p.real(p.s.Duration))
	progress(fmt.Sprintf("%s: %s of it in real time, until %s", p.s.Name, p.real(p.s.Duration).Round(time.Second), p.c.end.Format(time.TimeOnly)))
	events := slices.Clone(p.s.Timeline)
	slices.SortStableFunc(events, func(a, b Event) int { return int(a.At - b.At) })
	defer p.mend(ctx)
	clock := time.NewTicker(min(time.Second, p.real(stack.Duration(15*time.Second))))
	defer clock.Stop()
	for {
		for len(events) > 0 && !time.Now().Before(p.c.start.Add(p.real(events[0].At))) {
			progress(strings.TrimSpace(fmt.Sprintf("%s: %s%s %s", events[0].At, map[bool]string{true: "mend "}[events[0].Clear != ""], events[0].Fault+events[0].Clear, events[0].Service)))
			if err := p.set(ctx, events[0]); err != nil {
				return nil, err
			}
			events = events[1:]
		}
		if err := p.look(ctx, progress); err != nil {
			return nil, err
		}
		if time.Now().After(p.c.end) {
			break
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-clock.C:
		}
	}
	for _, n := range p.got {
		p.c.Notifications = append(p.c.Notifications, p.senders.told(n))
	}
	if len(p.s.Expect.Logs)+len(p.s.Expect.Traces) == 0 {
		return p.c, nil
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(arriving):
	}
	return p.c, nil
}

// settle waits until no alert is active any more, for a time, and forgets what was sent until then.
func (p *player) settle(ctx context.Context, progress func(string)) error {
	var err error
	if p.senders, err = newSenders(ctx, p.addr.URL("alertmanager", "http")); err != nil {
		return err
	}
	var set struct {
		Active []world.Active `json:"active"`
	}
	if err := fetch(ctx, http.MethodGet, p.addr.URL("platform", "api")+"/api/faults", nil, &set); err != nil {
		return err
	}
	if len(set.Active) > 0 {
		return fmt.Errorf("%s is broken in the stack already: mend it first (sandbox fault --clear)", set.Active[0].Name)
	}
	for deadline := time.Now().Add(settling); ; {
		active, err := p.alerts(ctx)
		if err != nil {
			return err
		}
		if len(active) == 0 {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is active in the stack before anything is broken: wait until it is over, or start a stack of the scenario's own (without --stack)", active[0].Labels[model.AlertNameLabel])
		}
		progress("waiting for alerts to end: " + string(active[0].Labels[model.AlertNameLabel]))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
	before, err := p.inbox(ctx)
	for _, n := range before {
		p.known[n.ID] = true
	}
	return err
}

// real is how long a time of the file lasts.
func (p *player) real(d stack.Duration) time.Duration { return time.Duration(float64(d) / p.factor) }

// mend leaves the platform whole, whatever ended the scenario.
func (p *player) mend(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, e := range p.s.Timeline {
		if e.Fault != "" {
			_ = p.set(ctx, Event{Clear: e.Fault, Service: e.Service})
		}
	}
}

func (p *player) set(ctx context.Context, e Event) error {
	method, name, q := http.MethodPut, e.Fault, url.Values{}
	if e.Clear != "" {
		method, name = http.MethodDelete, e.Clear
	}
	if e.Service != "" {
		q.Set("service", e.Service)
	}
	if e.For > 0 {
		q.Set("for", p.real(e.For).String())
	}
	return fetch(ctx, method, p.addr.URL("platform", "api")+"/api/faults/"+url.PathEscape(name)+"?"+q.Encode(), nil, nil)
}

// activeAlert is an alert as Prometheus' API has it.
type activeAlert struct {
	Labels   model.LabelSet `json:"labels"`
	State    string         `json:"state"`
	ActiveAt time.Time      `json:"activeAt"`
}

func (p *player) alerts(ctx context.Context) ([]activeAlert, error) {
	var answer struct {
		Data struct {
			Alerts []activeAlert `json:"alerts"`
		} `json:"data"`
	}
	err := fetch(ctx, http.MethodGet, p.addr.URL("prometheus", "http")+"/api/v1/alerts", nil, &answer)
	return answer.Data.Alerts, err
}

// look notes what has changed since the last time.
func (p *player) look(ctx context.Context, progress func(string)) error {
	active, err := p.alerts(ctx)
	if err != nil {
		return err
	}
	at, now := time.Now(), map[string]simulate.Transition{}
	note := func(t simulate.Transition) {
		p.c.Transitions = append(p.c.Transitions, t)
		progress(fmt.Sprintf("%s: %s is %s", p.c.since(t.At), t.Alert, t.State))
	}
	for _, a := range active {
		key := a.Labels.String()
		t := simulate.Transition{At: at, Alert: string(a.Labels[model.AlertNameLabel]), Labels: a.Labels, State: a.State, ActiveAt: a.ActiveAt}
		now[key] = t
		if p.states[key].State != a.State {
			note(t)
		}
	}
	for key, was := range p.states {
		if _, ok := now[key]; !ok {
			was.At, was.State = at, "inactive"
			note(was)
		}
	}
	p.states = now
	alertmanager := p.addr.URL("alertmanager", "http")
	if err := errors.Join(p.inhibited(ctx, at), p.senders.look(ctx, alertmanager)); err != nil {
		return err
	}
	all, err := p.inbox(ctx)
	if err != nil {
		return err
	}
	for _, n := range all {
		if !p.known[n.ID] {
			p.known[n.ID] = true
			p.got = append(p.got, n)
			progress(fmt.Sprintf("%s: %s is told: %s", p.c.since(n.Received), n.Kind, n.Title))
		}
	}
	return nil
}

func (p *player) inhibited(ctx context.Context, at time.Time) error {
	var alerts []struct {
		Labels    model.LabelSet          `json:"labels"`
		Receivers []struct{ Name string } `json:"receivers"`
		Status    struct {
			InhibitedBy []string `json:"inhibitedBy"`
		} `json:"status"`
	}
	if err := fetch(ctx, http.MethodGet, p.addr.URL("alertmanager", "http")+"/api/v2/alerts", nil, &alerts); err != nil {
		return err
	}
	for _, a := range alerts {
		if len(a.Status.InhibitedBy) == 0 {
			continue
		}
		for _, r := range a.Receivers {
			i := slices.IndexFunc(p.c.Inhibitions, func(in simulate.Inhibition) bool { return in.Receiver == r.Name && in.Labels.Equal(a.Labels) })
			if i < 0 {
				p.c.Inhibitions = append(p.c.Inhibitions, simulate.Inhibition{From: at, To: at, Receiver: r.Name, Labels: a.Labels})
				continue
			}
			p.c.Inhibitions[i].To = at
		}
	}
	return nil
}

func (p *player) inbox(ctx context.Context) ([]inbox.Notification, error) {
	var all []inbox.Notification
	err := fetch(ctx, http.MethodGet, p.addr.URL("platform", "api")+"/api/notifications", nil, &all)
	return all, err
}

// ask asks the running Prometheus.
func (p *player) ask(ctx context.Context, expr string, at time.Time) ([]value, error) {
	var answer struct {
		Data struct {
			Result []struct {
				Metric model.LabelSet `json:"metric"`
				Value  [2]any         `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	q := url.Values{"query": {expr}, "time": {strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64)}}
	if err := fetch(ctx, http.MethodGet, p.addr.URL("prometheus", "http")+"/api/v1/query?"+q.Encode(), nil, &answer); err != nil {
		return nil, err
	}
	var out []value
	for _, r := range answer.Data.Result {
		text, _ := r.Value[1].(string)
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", expr, err)
		}
		out = append(out, value{r.Metric, v})
	}
	return out, nil
}
