package smoke

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// The synthetic alerts of a run.
const (
	alertCritical = "SmokeCritical"
	alertWarning  = "SmokeWarning"
	// alertSilent is a warning about the same service as the critical alert.
	alertSilent = "SmokeInhibited"
)

// alertInput plays a short story to Alertmanager: something critical and, elsewhere, a warning; then a warning about
// what is known to be critical; and when the first two have been notified of, all is well again.
type alertInput struct {
	*input
	env *env
	// over is closed when the resolutions are posted, or could not be.
	over chan struct{}
	stop context.CancelFunc

	mu sync.Mutex
	// posted are the alerts that Alertmanager may have been given and that are not resolved.
	posted []string
	// silent is what Alertmanager said of alertSilent while the critical alert fired.
	silent      alertStatus
	silentAsked error
	// other is what it said of alertWarning then, which is about another thing.
	other      alertStatus
	otherAsked error
	// critical is Alertmanager's fingerprint of the critical alert while it fired.
	critical string
	ended    error
}

func newAlertInput(e *env) *alertInput {
	return &alertInput{input: newInput(), env: e, over: make(chan struct{})}
}

// alertStatus is an alert as Alertmanager shows it.
type alertStatus struct {
	Fingerprint string            `json:"fingerprint"`
	Labels      map[string]string `json:"labels"`
	Status      struct {
		State       string   `json:"state"`
		InhibitedBy []string `json:"inhibitedBy"`
	} `json:"status"`
}

// name is an alert's name in this run: groups are by name, and those of two runs must not meet.
func (in *alertInput) name(alert string) string { return alert + "_" + in.env.id }

// service is the thing an alert is about.
func (in *alertInput) service(alert string) string {
	if alert == alertWarning {
		return in.env.id + "-other"
	}
	return in.env.id + "-thing"
}

func (in *alertInput) severity(alert string) string {
	if alert == alertCritical {
		return "critical"
	}
	return "warning"
}

func (in *alertInput) summary(alert string) string { return "Synthetic alert of a smoke run" }

func (in *alertInput) description(alert string) string {
	return in.name(alert) + " is no reason to do anything: it shows that notifications arrive."
}

func (in *alertInput) runbook() string { return in.env.stack.Runbook.URL + "#collectordown" }

// Layers that there are, so that routes and inhibitions see what they would see of a real alert.
const (
	alertLayer = "collection"
	otherLayer = "storage"
)

func (in *alertInput) layer(alert string) string {
	if alert == alertWarning {
		return otherLayer
	}
	return alertLayer
}

func (in *alertInput) body(ends time.Time, alerts ...string) any {
	var list []any
	for _, alert := range alerts {
		a := jsonObject{
			"labels": jsonObject{
				"alertname": in.name(alert), "severity": in.severity(alert), "layer": in.layer(alert),
				"service": in.service(alert), "smoke_run": in.env.id,
			},
			"annotations": jsonObject{
				"summary": in.summary(alert), "description": in.description(alert), "runbook_url": in.runbook(),
			},
			// Alertmanager waits group_wait from the start of an alert: for one that began a while ago it does not wait.
			"startsAt": in.env.began.Add(-5 * time.Minute).Format(time.RFC3339Nano),
		}
		if !ends.IsZero() {
			a["endsAt"] = ends.UTC().Format(time.RFC3339Nano)
		}
		list = append(list, a)
	}
	return list
}

func (in *alertInput) post(ctx context.Context, ends time.Time, alerts ...string) error {
	if ends.IsZero() {
		// Before it is sent: a request that was cut short may have arrived.
		in.mu.Lock()
		in.posted = append(in.posted, alerts...)
		in.mu.Unlock()
	}
	err := in.env.untilSent(ctx, func(ctx context.Context) error {
		return in.env.sendJSON(ctx, http.MethodPost, in.env.addr.URL("alertmanager", "http")+"/api/v2/alerts", in.body(ends, alerts...), nil)
	})
	if err != nil {
		return fmt.Errorf("post alerts to alertmanager: %w", err)
	}
	if !ends.IsZero() {
		in.mu.Lock()
		in.posted = slices.DeleteFunc(in.posted, func(alert string) bool { return slices.Contains(alerts, alert) })
		in.mu.Unlock()
	}
	return nil
}

// wait is until the first alerts are posted; the rest of the story goes on by itself.
func (in *alertInput) wait(ctx context.Context) error { return in.input.wait(ctx, in.send) }

func (in *alertInput) send(ctx context.Context) error {
	if err := in.post(ctx, time.Time{}, alertCritical, alertWarning); err != nil {
		close(in.over)
		return err
	}
	story, stop := context.WithCancel(ctx)
	in.stop = stop
	go in.goOn(story)
	return nil
}

// end leaves no alert firing, however far the story went.
func (in *alertInput) end(ctx context.Context) {
	in.once.Do(func() { close(in.sent); close(in.over) }) // never sent
	<-in.sent
	if in.stop != nil {
		in.stop()
	}
	<-in.over
	in.resolve(ctx)
}

// notifyShare of the run is how long the story waits for the first notifications before it goes on without them; the
// checks say what is missing. Of the default deadline it is more than any group_wait that a person would set for a page.
const notifyShare = 3

func (in *alertInput) goOn(ctx context.Context) {
	defer close(in.over)
	patience := in.env.opt.Deadline / notifyShare
	if in.env.patience > 0 {
		patience = min(patience, in.env.patience)
	}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	in.until(limited, func() bool {
		got, err := in.env.notifications(limited)
		return err == nil && got.has(kindPagerDuty, in.name(alertCritical), false) &&
			got.has(kindSlack, in.name(alertCritical), false) && got.has(kindSlack, in.name(alertWarning), false)
	})
	if critical, err := in.status(ctx, alertCritical); err == nil {
		in.mu.Lock()
		in.critical = critical.Fingerprint
		in.mu.Unlock()
	}
	err := in.post(ctx, time.Time{}, alertSilent)
	if err == nil {
		limited, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		in.until(limited, func() bool {
			status, err := in.status(limited, alertSilent)
			in.mu.Lock()
			defer in.mu.Unlock()
			if limited.Err() == nil {
				in.silent, in.silentAsked = status, err
			}
			return err == nil && status.Status.State == "suppressed"
		})
	} else {
		in.mu.Lock()
		in.silentAsked = err
		in.mu.Unlock()
	}
	other, err := in.status(ctx, alertWarning)
	in.mu.Lock()
	in.other, in.otherAsked = other, err
	in.mu.Unlock()
	in.resolve(ctx)
}

// resolve ends what fires, all at once: the critical alert does not end before the warning that it keeps silent.
func (in *alertInput) resolve(ctx context.Context) {
	in.mu.Lock()
	posted := slices.Clone(in.posted)
	in.mu.Unlock()
	if len(posted) == 0 {
		return
	}
	if err := in.post(ctx, time.Now(), posted...); err != nil {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.ended = err
	}
}

// status is an alert as Alertmanager has it now.
func (in *alertInput) status(ctx context.Context, alert string) (alertStatus, error) {
	var alerts []alertStatus
	filter := url.Values{"filter": {fmt.Sprintf("alertname=%q", in.name(alert))}}
	if err := in.env.getJSON(ctx, in.env.addr.URL("alertmanager", "http")+"/api/v2/alerts?"+filter.Encode(), &alerts); err != nil {
		return alertStatus{}, err
	}
	if len(alerts) == 0 {
		return alertStatus{}, fmt.Errorf("alertmanager does not have alert %s", in.name(alert))
	}
	return alerts[0], nil
}

func (in *alertInput) until(ctx context.Context, holds func() bool) {
	for !holds() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(in.env.opt.pause):
		}
	}
}

// silently is what Alertmanager said of alertSilent, and the fingerprint of the critical alert.
func (in *alertInput) silently() (status alertStatus, critical string, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.silent, in.critical, in.silentAsked
}

// elsewhere is what Alertmanager said of alertWarning while the critical alert fired.
func (in *alertInput) elsewhere() (status alertStatus, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.other, in.otherAsked
}

// waitOver is until the alerts are resolved.
func (in *alertInput) waitOver(ctx context.Context) error {
	if err := in.wait(ctx); err != nil {
		return err
	}
	select {
	case <-in.over:
	case <-ctx.Done():
		return fmt.Errorf("the alerts are not resolved yet: %w", context.Cause(ctx))
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.ended != nil {
		return final(in.ended)
	}
	return nil
}
