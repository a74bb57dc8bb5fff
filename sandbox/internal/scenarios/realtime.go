package scenarios

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"obsandbox/sandbox/internal/platform/inbox"
	"obsandbox/sandbox/internal/simulate"
	"obsandbox/sandbox/internal/stack"
)

// Realtime plays a scenario against a running stack: faults are set in its platform, alerts' states are read from its
// Prometheus and its Alertmanager, notifications from the stand-ins of Slack and PagerDuty. With a factor, every time of
// the file passes that many times as fast; whoever started the stack has given it rules and group waits that are as much
// shorter. The result says so.
func Realtime(addr stack.Addresses, factor float64, progress func(string)) func(context.Context, *stack.Stack, *Scenario) (*Course, error) {
	return func(ctx context.Context, _ *stack.Stack, s *Scenario) (*Course, error) {
		p := &player{addr: addr, s: s, factor: factor, states: map[string]simulate.Transition{}, told: map[int]bool{}}
		for _, c := range [][2]string{{"platform", "api"}, {"prometheus", "http"}, {"alertmanager", "http"}} {
			if addr.URL(c[0], c[1]) == "" {
				return nil, fmt.Errorf("play in real time: the stack has no %s", c[0])
			}
		}
		return p.play(ctx, progress)
	}
}

// player plays one scenario.
type player struct {
	addr   stack.Addresses
	s      *Scenario
	factor float64
	c      *Course
	states map[string]simulate.Transition
	told   map[int]bool
}

func (p *player) play(ctx context.Context, progress func(string)) (*Course, error) {
	p.c = &Course{start: time.Now(), factor: p.factor, ask: p.ask}
	if p.factor != 1 {
		p.c.note = fmt.Sprintf(", in real time %g times as fast: for, group_wait and group_interval of the running stack are taken to be as much shorter", p.factor)
	} else {
		p.c.note = ", in real time"
	}
	// What was sent before is not of this scenario.
	before, err := p.inbox(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range before {
		p.told[n.ID] = true
	}
	p.c.end = p.c.start.Add(p.real(p.s.Duration))
	events := slices.Clone(p.s.Timeline)
	slices.SortStableFunc(events, func(a, b Event) int { return int(a.At - b.At) })
	defer p.mend()
	clock := time.NewTicker(time.Second)
	defer clock.Stop()
	for {
		for len(events) > 0 && !time.Now().Before(p.c.start.Add(p.real(events[0].At))) {
			progress("fault " + events[0].Fault + events[0].Clear)
			if err := p.set(ctx, events[0]); err != nil {
				return nil, err
			}
			events = events[1:]
		}
		if err := p.look(ctx); err != nil {
			return nil, err
		}
		if time.Now().After(p.c.end) {
			return p.c, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-clock.C:
		}
	}
}

// real is how long a time of the file lasts.
func (p *player) real(d stack.Duration) time.Duration { return time.Duration(float64(d) / p.factor) }

// mend leaves the platform whole, whatever ended the scenario.
func (p *player) mend() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
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

// look notes what has changed since the last time.
func (p *player) look(ctx context.Context) error {
	var answer struct {
		Data struct {
			Alerts []struct {
				Labels   model.LabelSet `json:"labels"`
				State    string         `json:"state"`
				ActiveAt time.Time      `json:"activeAt"`
			} `json:"alerts"`
		} `json:"data"`
	}
	if err := fetch(ctx, http.MethodGet, p.addr.URL("prometheus", "http")+"/api/v1/alerts", nil, &answer); err != nil {
		return err
	}
	at, now := time.Now(), map[string]simulate.Transition{}
	for _, a := range answer.Data.Alerts {
		key := a.Labels.String()
		t := simulate.Transition{At: at, Alert: string(a.Labels[model.AlertNameLabel]), Labels: a.Labels, State: a.State, ActiveAt: a.ActiveAt}
		now[key] = t
		if p.states[key].State != a.State {
			p.c.Transitions = append(p.c.Transitions, t)
		}
	}
	for key, was := range p.states {
		if _, ok := now[key]; !ok {
			was.At, was.State = at, "inactive"
			p.c.Transitions = append(p.c.Transitions, was)
		}
	}
	p.states = now
	if err := p.inhibited(ctx, at); err != nil {
		return err
	}
	all, err := p.inbox(ctx)
	if err != nil {
		return err
	}
	for _, n := range all {
		if !p.told[n.ID] {
			p.told[n.ID] = true
			p.c.Notifications = append(p.c.Notifications, told(n))
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

// told is a notification as the scenario knows it. A payload names no receiver and no group: the stack's receivers are
// told apart by where they send, the group by the alert that the title names.
func told(n inbox.Notification) simulate.Notification {
	out := simulate.Notification{At: n.Received, Kind: n.Kind, Title: n.Title, Text: n.Text, Payload: n.Payload, Status: "firing", Group: model.LabelSet{}}
	out.Receiver = map[string]string{inbox.Slack: "slack-notifications", inbox.PagerDuty: "pagerduty-critical"}[n.Kind]
	if n.Severity == "resolved" || n.Action == "resolve" {
		out.Status = "resolved"
	}
	title := strings.TrimPrefix(strings.TrimPrefix(n.Title, "Resolved: "), "Critical: ")
	name, rest, _ := strings.Cut(title, " ")
	out.Group[model.AlertNameLabel] = model.LabelValue(strings.TrimSuffix(name, ":"))
	if layer, ok := strings.CutSuffix(strings.TrimPrefix(rest, "("), " layer)"); ok {
		out.Group["layer"] = model.LabelValue(layer)
	}
	var event struct {
		Payload struct {
			Group string `json:"group"`
		} `json:"payload"`
	}
	if json.Unmarshal(n.Payload, &event) == nil && event.Payload.Group != "" {
		out.Group["layer"] = model.LabelValue(event.Payload.Group)
	}
	return out
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

// fetch makes a request and reads its JSON into answer, where there is one.
func fetch(ctx context.Context, method, target string, body []byte, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, target, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(got)))
	}
	if err == nil && answer != nil {
		err = json.Unmarshal(got, answer)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, target, err)
	}
	return nil
}
