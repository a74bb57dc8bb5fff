package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/notify/pagerduty"
	"github.com/prometheus/alertmanager/notify/slack"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"

	"obsandbox/sandbox/internal/amconfig"
	"obsandbox/sandbox/internal/platform"
	"obsandbox/sandbox/internal/platform/inbox"
	"obsandbox/sandbox/internal/platform/logs"
	"obsandbox/sandbox/internal/platform/traces"
	"obsandbox/sandbox/internal/platform/world"
	"obsandbox/sandbox/internal/rules/unittest"
	"obsandbox/sandbox/internal/stack"
)

// Config of a simulation.
type Config struct {
	Stack *stack.Stack
	// Rules are the rule files; those that the stack's prometheus.yml loads where it is nil.
	Rules []string
	// Seed and Start are the world's. What is simulated must be over by the machine's clock: Alertmanager's templates
	// ask it whether an alert is resolved.
	Seed  uint64
	Start time.Time
	// Noise makes the load stray more than usual: 1 or 0 is the usual.
	Noise float64
	// Ask are expressions that Query will be asked, so that their series are stored.
	Ask []string
	// Scrape is the time between scrapes; 0 is the configuration's.
	Scrape time.Duration
	// Slow lets groups of recording rules be evaluated no more often than this; 0 evaluates as configured.
	Slow time.Duration
	// Tell is who is told what the services log and trace; it may be nil, which saves the time.
	Tell Listener
	// Exact stores and reads every sample as a database does, which takes longer.
	Exact bool
}

// Listener is told what the services log and trace, second by second.
type Listener interface {
	// Listens says whether anything is to be told of a second; what is not wanted is not made up.
	Listens(at time.Time) bool
	Line(at time.Time, line logs.Line)
	// Story is told with the spans of it that arrive.
	Story(story traces.Story, arriving []traces.Span)
}

// Transition is a change of an alert's state.
type Transition struct {
	At     time.Time      `json:"at"`
	Alert  string         `json:"alert"`
	Labels model.LabelSet `json:"labels"`
	// State is pending, firing or inactive.
	State string `json:"state"`
	// ActiveAt is since when its expression has been true.
	ActiveAt time.Time `json:"active_at"`
}

// Notification is a request that reached Slack's or PagerDuty's stand-in.
type Notification struct {
	At       time.Time      `json:"at"`
	Receiver string         `json:"receiver"`
	Kind     string         `json:"kind"`
	Group    model.LabelSet `json:"group"`
	// Status is firing or resolved.
	Status string `json:"status"`
	// Alerts are the labels of those that it tells of as firing.
	Alerts []model.LabelSet `json:"alerts"`
	Title  string           `json:"title"`
	Text   string           `json:"text"`
	// Payload is the request's body.
	Payload json.RawMessage `json:"payload"`
}

// Inhibition is an alert that another one kept from being sent, and for how long it did.
type Inhibition struct {
	From, To time.Time
	Receiver string
	Labels   model.LabelSet
}

// Simulation is one run. Its methods are for one goroutine.
type Simulation struct {
	World *world.World
	// ScrapeInterval is the time between scrapes.
	ScrapeInterval time.Duration

	cfg        Config
	store      *Store
	scraper    *scraper
	rules      *Rules
	dispatcher *Dispatcher
	inbox      *inbox.Inbox
	server     *httptest.Server
	dir        string
	now        time.Time
	// tale is what the services log and trace, told until toldTo; nil where nobody listens.
	tale          *platform.Tale
	telling       time.Time
	toldTo        time.Time
	external      labels.Labels
	notifications []Notification
	inhibitions   []Inhibition
	// held are alerts that a leap has found and not yet come to.
	held    []held
	holding bool
}

// held are alerts on their way to Alertmanager.
type held struct {
	at     time.Time
	alerts []*alert.Alert
}

// New prepares a simulation; nothing has been scraped yet. Close ends it.
func New(ctx context.Context, cfg Config) (*Simulation, error) {
	s := &Simulation{cfg: cfg, now: cfg.Start}
	if err := s.open(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Simulation) open(ctx context.Context) error {
	st := s.cfg.Stack
	cat, err := stack.LoadMetrics(st.Path("metrics.yaml"))
	if err != nil {
		return err
	}
	if s.World, err = world.New(world.Config{Seed: s.cfg.Seed, Start: s.cfg.Start, Noise: s.cfg.Noise}, cat); err != nil {
		return err
	}
	if to := s.cfg.Tell; to != nil {
		s.toldTo = s.cfg.Start
		s.tale = platform.NewTale(s.World, s.cfg.Seed, s.cfg.Start,
			func(l logs.Line) { to.Line(s.telling, l) },
			func(story traces.Story) { to.Story(story, traces.Arriving(s.World, story)) })
	}
	if s.cfg.Rules == nil {
		if s.cfg.Rules, err = st.RuleFiles(); err != nil {
			return err
		}
	}
	c, err := st.Component("prometheus")
	if err != nil {
		return err
	}
	conf, err := promconfig.LoadFile(st.Path(c.Config[0]), false, promslog.NewNopLogger())
	if err != nil {
		return fmt.Errorf("%s: %w", st.Path(c.Config[0]), err)
	}
	s.external = conf.GlobalConfig.ExternalLabels
	s.ScrapeInterval = time.Duration(conf.GlobalConfig.ScrapeInterval)
	if s.cfg.Scrape > 0 {
		s.ScrapeInterval = s.cfg.Scrape
	}
	s.store = NewStore(s.cfg.Exact)
	s.rules, err = LoadRules(ctx, RulesConfig{
		Files: s.cfg.Rules, Interval: time.Duration(conf.GlobalConfig.EvaluationInterval), Slow: s.cfg.Slow, External: s.external, Notify: s.receive,
	}, s.store)
	if err != nil {
		return err
	}
	wanted, err := s.selectors()
	if err != nil {
		return err
	}
	if s.scraper, err = newScraper(s.World, s.store, conf, wanted); err != nil {
		return err
	}
	return s.notifier()
}

// selectors are those of all rules and of what will be asked.
func (s *Simulation) selectors() ([]selector, error) {
	var out []selector
	for _, g := range s.rules.groups {
		out = append(out, g.selectors()...)
	}
	p := parser.NewParser(unittest.ParserOptions())
	for _, expr := range s.cfg.Ask {
		e, err := p.ParseExpr(expr)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", expr, err)
		}
		out = append(out, selectorsOf(e)...)
	}
	return out, nil
}

// notifier is Alertmanager with the stack's configuration, and the stand-ins of Slack and PagerDuty.
func (s *Simulation) notifier() error {
	var err error
	if s.dir, err = os.MkdirTemp("", "simulation-"); err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	s.inbox = inbox.New(inbox.Config{Now: func() time.Time { return s.now }, Keep: 1}, slog.New(slog.DiscardHandler))
	mux := http.NewServeMux()
	s.inbox.Register(mux)
	s.server = httptest.NewServer(mux)
	files, err := s.cfg.Stack.Render("alertmanager", stack.RunContext{Dir: s.dir, Addresses: stack.Addresses{
		Components: map[string]map[string]string{"platform": {"api": strings.TrimPrefix(s.server.URL, "http://")}},
	}})
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return errors.New("simulate: the stack has no Alertmanager configuration")
	}
	if err := stack.WriteRendered(files); err != nil {
		return err
	}
	file := files[0].Path
	conf, err := amconfig.Load(file)
	if err != nil {
		return err
	}
	tmpl, err := template.FromGlobs(conf.Templates)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	tmpl.ExternalURL = &url.URL{Scheme: "http", Host: "alertmanager.example.com"}
	send := map[string][]notify.Integration{}
	for _, r := range conf.Receivers {
		made, err := integrations(r, tmpl)
		if err != nil {
			return fmt.Errorf("%s: receiver %s: %w", file, r.Name, err)
		}
		for _, in := range made {
			to := &recorded{s: s, Integration: in, receiver: r.Name}
			send[r.Name] = append(send[r.Name], notify.NewIntegration(to, &in, in.Name(), in.Index(), r.Name))
		}
	}
	if s.dispatcher, err = NewDispatcher(file, send); err != nil {
		return err
	}
	s.dispatcher.OnInhibited = s.inhibited
	return nil
}

// integrations are what a receiver sends through. Only those that have a stand-in are made.
func integrations(r config.Receiver, tmpl *template.Template) ([]notify.Integration, error) {
	var out []notify.Integration
	for i, c := range r.SlackConfigs {
		n, err := slack.New(c, tmpl, promslog.NewNopLogger())
		if err != nil {
			return nil, err
		}
		out = append(out, notify.NewIntegration(n, c, "slack", i, r.Name))
	}
	for i, c := range r.PagerdutyConfigs {
		n, err := pagerduty.New(c, tmpl, promslog.NewNopLogger())
		if err != nil {
			return nil, err
		}
		out = append(out, notify.NewIntegration(n, c, "pagerduty", i, r.Name))
	}
	if len(out) == 0 {
		return nil, errors.New("it sends neither to Slack nor to PagerDuty: others are not simulated")
	}
	return out, nil
}

// inhibited joins what one flush after the other finds.
func (s *Simulation) inhibited(at time.Time, receiver string, lset model.LabelSet) {
	for i := len(s.inhibitions) - 1; i >= 0; i-- {
		in := &s.inhibitions[i]
		if in.Receiver == receiver && in.Labels.Equal(lset) && at.Sub(in.To) <= 5*time.Minute {
			in.To = at
			return
		}
	}
	s.inhibitions = append(s.inhibitions, Inhibition{From: at, To: at, Receiver: receiver, Labels: lset})
}

// recorded is an integration of which is written down what it sends.
type recorded struct {
	notify.Integration
	s        *Simulation
	receiver string
}

// Notify implements notify.Notifier.
func (r *recorded) Notify(ctx context.Context, alerts ...*alert.Alert) (bool, error) {
	now, _ := notify.Now(ctx)
	group, _ := notify.GroupLabels(ctx)
	r.s.now = now
	if again, err := r.Integration.Notify(ctx, alerts...); err != nil {
		return again, err
	}
	n := Notification{At: now, Receiver: r.receiver, Kind: r.Name(), Group: group, Status: "resolved"}
	for _, a := range alerts {
		if !a.ResolvedAt(now) {
			n.Status = "firing"
			n.Alerts = append(n.Alerts, a.Labels)
		}
	}
	got := r.s.inbox.List("", "")
	if len(got) == 0 {
		return false, errors.New("nothing reached the stand-in")
	}
	last := got[len(got)-1]
	n.Title, n.Text, n.Payload = last.Title, last.Text, last.Payload
	r.s.notifications = append(r.s.notifications, n)
	return false, nil
}

// receive is called by rules with the alerts that Prometheus would send.
func (s *Simulation) receive(_ context.Context, expr string, alerts ...*rules.Alert) {
	var out []*alert.Alert
	for _, a := range alerts {
		c := &alert.Alert{Alert: model.Alert{
			Labels: labelSet(a.Labels), Annotations: labelSet(a.Annotations), StartsAt: a.FiredAt, EndsAt: a.ValidUntil,
			GeneratorURL: prometheusURL + "/graph?g0.expr=" + url.QueryEscape(expr) + "&g0.tab=1",
		}}
		if !a.ResolvedAt.IsZero() {
			c.EndsAt = a.ResolvedAt
		}
		s.external.Range(func(l labels.Label) {
			if _, ok := c.Labels[model.LabelName(l.Name)]; !ok {
				c.Labels[model.LabelName(l.Name)] = model.LabelValue(l.Value)
			}
		})
		out = append(out, c)
	}
	if s.holding {
		s.held = append(s.held, held{s.now, out})
		return
	}
	s.dispatcher.Receive(s.now, out...)
}

// Advance lets time pass until then: every second that something happens in.
func (s *Simulation) Advance(ctx context.Context, to time.Time) error {
	for t := s.World.Now().Truncate(time.Second); !t.After(to); t = t.Add(time.Second) {
		if err := s.step(ctx, t); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	s.World.Advance(to)
	return nil
}

// step is one second: scrapes come first, then rules, then what is to be sent.
func (s *Simulation) step(ctx context.Context, t time.Time) error {
	since := t.Sub(s.cfg.Start)
	if t.Before(s.now) || since > 0 && t.Equal(s.now) {
		return nil
	}
	s.now = t
	if since%s.ScrapeInterval == 0 {
		s.World.Advance(t)
		s.tell(t)
		if err := s.scraper.scrape(); err != nil {
			return err
		}
		if since > 0 && since%(6*time.Hour) == 0 {
			s.forget(t)
		}
	}
	if since == 0 {
		return nil
	}
	if err := s.rules.Eval(ctx, t, since, func(bool) bool { return true }); err != nil {
		return err
	}
	return s.dispatcher.Advance(ctx, t)
}

// tell makes up what was logged and traced until now, out of the world as it is now: a scrape's interval is short enough
// for that.
func (s *Simulation) tell(now time.Time) {
	if s.tale == nil {
		return
	}
	for s.telling = s.toldTo.Add(time.Second); !s.telling.After(now); s.telling = s.telling.Add(time.Second) {
		if s.cfg.Tell.Listens(s.telling) {
			s.tale.Step(s.telling, time.Second)
		}
	}
	s.toldTo = now
}

// Leap is Advance for a time in which nobody breaks anything: scrapes come first, then what is recorded, then alerts and
// what is sent, each for the whole time. It comes to the same and takes a fraction.
func (s *Simulation) Leap(ctx context.Context, to time.Time) error {
	from := s.now
	if err := s.seconds(ctx, from, to, func(t time.Time, since time.Duration) error {
		if since%s.ScrapeInterval != 0 {
			return nil
		}
		s.World.Advance(t)
		s.tell(t)
		return s.scraper.scrape()
	}); err != nil {
		return err
	}
	if err := s.rules.AheadOfRecording(ctx, s.cfg.Start, from.Add(time.Second), to, s.ScrapeInterval); err != nil {
		return err
	}
	s.holding = true
	defer func() { s.holding = false }()
	if err := s.seconds(ctx, from, to, func(t time.Time, since time.Duration) error {
		if !s.rules.Due(since, true) || since == 0 {
			return nil
		}
		s.now = t
		return s.rules.Eval(ctx, t, since, func(recording bool) bool { return recording })
	}); err != nil {
		return err
	}
	s.holding = false
	if err := s.rules.Ahead(ctx, s.cfg.Start, from.Add(time.Second), to); err != nil {
		return err
	}
	if err := s.seconds(ctx, from, to, func(t time.Time, since time.Duration) error {
		s.now = t
		for len(s.held) > 0 && !s.held[0].at.After(t) {
			s.dispatcher.Receive(t, s.held[0].alerts...)
			s.held = s.held[1:]
		}
		if since != 0 && s.rules.Due(since, false) {
			if err := s.rules.Eval(ctx, t, since, func(recording bool) bool { return !recording }); err != nil {
				return err
			}
		}
		return s.dispatcher.Advance(ctx, t)
	}); err != nil {
		return err
	}
	s.now = to
	s.forget(to)
	return nil
}

// seconds calls fn for every second after from, and for the first of all.
func (s *Simulation) seconds(ctx context.Context, from, to time.Time, fn func(t time.Time, since time.Duration) error) error {
	for t := from; !t.After(to); t = t.Add(time.Second) {
		if t.Equal(from) && !t.Equal(s.cfg.Start) {
			continue
		}
		if err := fn(t, t.Sub(s.cfg.Start)); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// forget drops what no rule looks back to: no window of scraped series is longer than three days.
func (s *Simulation) forget(t time.Time) {
	for _, list := range s.store.byName {
		if len(list) == 0 || strings.Contains(list[0].labels.Get(model.MetricNameLabel), ":") {
			continue
		}
		old := t.Add(-73 * time.Hour).UnixMilli()
		for _, series := range list {
			series.forget(old)
		}
	}
}

// Transitions are the changes of alerts' states, in the order of time.
func (s *Simulation) Transitions() []Transition {
	out := slices.Clone(s.rules.Transitions)
	slices.SortStableFunc(out, func(a, b Transition) int { return a.At.Compare(b.At) })
	return out
}

// Alerts are the names of all alerting rules, sorted.
func (s *Simulation) Alerts() []string { return s.rules.Alerts }

// Now is the moment that the simulation has come to.
func (s *Simulation) Now() time.Time { return s.now }

// Notifications are all that were sent, in the order of time.
func (s *Simulation) Notifications() []Notification { return s.notifications }

// Inhibitions are the alerts that were kept back.
func (s *Simulation) Inhibitions() []Inhibition { return s.inhibitions }

// Query evaluates an expression, which must be among those that Config.Ask names.
func (s *Simulation) Query(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	return s.rules.Query(ctx, expr, at)
}

// Stored is the number of series and of samples that are kept.
func (s *Simulation) Stored() (series, samples int) { return s.store.Count() }

// Store is where everything is kept.
func (s *Simulation) Store() *Store { return s.store }

// Close gives everything back.
func (s *Simulation) Close() {
	if s.rules != nil {
		s.rules.Close()
	}
	if s.server != nil {
		s.server.Close()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}
