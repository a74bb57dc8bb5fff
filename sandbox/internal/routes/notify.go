package routes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/stack"
)

// Notification is a request that Alertmanager has made of a receiver.
type Notification struct {
	// To is "slack" or "pagerduty".
	To   string          `json:"to"`
	Body json.RawMessage `json:"body"`
}

// NotifyOptions say what is sent.
type NotifyOptions struct {
	Stack *stack.Stack
	// Alertmanager is the real program.
	Alertmanager string
	// Alerts fire together, and are resolved together after they have been sent.
	Alerts []Posted
}

// Alertmanager's own address in notifications.
const externalURL = "http://alertmanager.example.com"

// Notifications has a real Alertmanager with the stack's configuration send what it sends about alerts, to stand-ins of
// Slack and PagerDuty: all that fires, then all that is resolved, each sorted by receiver and body.
func Notifications(ctx context.Context, o NotifyOptions) ([]Notification, error) {
	in := &inbox{}
	server := httptest.NewServer(in)
	defer server.Close()
	dir, err := os.MkdirTemp("", "notifications-")
	if err != nil {
		return nil, fmt.Errorf("send notifications: %w", err)
	}
	defer os.RemoveAll(dir)
	api := strings.TrimPrefix(server.URL, "http://")
	files, err := o.Stack.Render("alertmanager", stack.RunContext{
		Dir:       dir,
		Addresses: stack.Addresses{Components: map[string]map[string]string{"platform": {"api": api}}},
	})
	if err != nil {
		return nil, err
	}
	if err := stack.WriteRendered(files); err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, errors.New("send notifications: the stack has no Alertmanager configuration")
	}
	config := filepath.Join(dir, "quick.yml")
	if err := quick(files[0].Path, config); err != nil {
		return nil, err
	}
	count, err := o.expected(ctx, config)
	if err != nil {
		return nil, err
	}
	am, err := Start(ctx, o.Alertmanager, config, filepath.Join(dir, "data"), "--web.external-url="+externalURL, "--web.route-prefix=/")
	if err != nil {
		return nil, err
	}
	defer am.Stop()
	var out []Notification
	began := time.Now()
	for _, resolved := range []bool{false, true} {
		alerts := slices.Clone(o.Alerts)
		for i := range alerts {
			// Not earlier: Alertmanager does not wait for the rest of a group whose first alert has begun long ago.
			alerts[i].StartsAt = began
			alerts[i].EndsAt = time.Now().Add(time.Hour)
			if resolved {
				alerts[i].EndsAt = time.Now()
			}
		}
		if err := am.Post(ctx, alerts); err != nil {
			return nil, err
		}
		got, err := in.wait(ctx, count)
		if err != nil {
			return nil, fmt.Errorf("%w (Alertmanager's log: %s)", err, strings.TrimSpace(am.log.String()))
		}
		slices.SortFunc(got, func(a, b Notification) int {
			return strings.Compare(a.To+string(a.Body), b.To+string(b.Body))
		})
		out = append(out, got...)
	}
	return out, nil
}

// quick shortens the times of a configuration: the alerts of a group still come together.
func quick(from, to string) error {
	root, err := ReadYAML(from)
	if err != nil {
		return err
	}
	setInRoutes(root, map[string]string{"group_wait": "500ms", "group_interval": "1s"})
	data, err := yaml.Marshal(root)
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("send notifications: %w", err)
	}
	return nil
}

// expected is the number of groups, each of which is one notification.
func (o NotifyOptions) expected(ctx context.Context, config string) (int, error) {
	router, err := Load(config)
	if err != nil {
		return 0, err
	}
	sets := make([]model.LabelSet, len(o.Alerts))
	for i, a := range o.Alerts {
		sets[i] = a.Labels
	}
	inhibited, err := router.Inhibited(ctx, sets)
	if err != nil {
		return 0, err
	}
	groups := map[string]bool{}
	now := time.Now()
	for i, labels := range sets {
		if len(inhibited[i].Rules)+len(inhibited[i].Chance) > 0 {
			continue
		}
		destinations, err := router.Route(labels, &now)
		if err != nil {
			return 0, err
		}
		for _, d := range destinations {
			if !d.Muted {
				groups[d.route.ID()+" "+d.Group.String()] = true
			}
		}
	}
	return len(groups), nil
}

// inbox stands in for Slack and PagerDuty.
type inbox struct {
	mu  sync.Mutex
	got []Notification
}

func (in *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var indented bytes.Buffer
	if err == nil {
		err = json.Indent(&indented, body, "", "  ")
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	n := Notification{To: "pagerduty", Body: indented.Bytes()}
	status, answer := http.StatusAccepted, `{"status":"success"}`
	if strings.HasPrefix(r.URL.Path, "/slack") {
		n.To, status, answer = "slack", http.StatusOK, "ok"
	}
	in.mu.Lock()
	in.got = append(in.got, n)
	in.mu.Unlock()
	w.WriteHeader(status)
	_, _ = io.WriteString(w, answer)
}

// wait takes the next count notifications out.
func (in *inbox) wait(ctx context.Context, count int) ([]Notification, error) {
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		in.mu.Lock()
		if len(in.got) >= count {
			out := in.got
			in.got = nil
			in.mu.Unlock()
			return out, nil
		}
		have := len(in.got)
		in.mu.Unlock()
		select {
		case <-tick.C:
		case <-deadline:
			return nil, fmt.Errorf("send notifications: %d of %d came within 30s", have, count)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// blankFields are the texts of a notification that nobody could read: empty, or with a hole in a template.
func (n Notification) blankFields() []string {
	var body any
	if json.Unmarshal(n.Body, &body) != nil {
		return []string{"the whole body, which is no JSON"}
	}
	// What people read; other fields may be empty.
	read := map[string][]string{
		"slack":     {"attachments.0.title", "attachments.0.text", "attachments.0.fallback", "channel"},
		"pagerduty": {"routing_key", "event_action", "payload.summary", "payload.severity", "payload.source"},
	}
	var blank []string
	for _, path := range read[n.To] {
		text, _ := lookup(body, strings.Split(path, ".")).(string)
		if strings.TrimSpace(text) == "" && !(path != "routing_key" && path != "event_action" && n.To == "pagerduty" && lookup(body, []string{"event_action"}) == "resolve") {
			blank = append(blank, path+" is empty")
		}
	}
	for _, list := range []string{"firing", "resolved"} {
		for _, alert := range asList(lookup(body, []string{"payload", "custom_details", list})) {
			annotations, _ := lookup(alert, []string{"annotations"}).(map[string]any)
			for _, name := range slices.Sorted(maps.Keys(annotations)) {
				// Alertmanager reads details as YAML once they are rendered: "a: b" becomes a mapping.
				if _, ok := annotations[name].(string); !ok {
					blank = append(blank, fmt.Sprintf("the annotation %s is no text any more (Alertmanager takes what has %q in it for YAML: write it otherwise)", name, ": "))
				}
			}
		}
	}
	if bytes.Contains(n.Body, []byte("<no value>")) || bytes.Contains(n.Body, []byte(`\u003cno value\u003e`)) {
		blank = append(blank, "a template has no value")
	}
	return blank
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}

func lookup(v any, path []string) any {
	for _, key := range path {
		switch t := v.(type) {
		case map[string]any:
			v = t[key]
		case []any:
			if len(t) == 0 {
				return nil
			}
			v = t[0]
		default:
			return nil
		}
	}
	return v
}

// CheckNotifications sends alerts and says which notifications nobody could read.
func CheckNotifications(ctx context.Context, o NotifyOptions) ([]report.Result, error) {
	began := time.Now()
	sent, err := Notifications(ctx, o)
	if err != nil {
		return nil, err
	}
	var out []report.Result
	for i, n := range sent {
		if blank := n.blankFields(); len(blank) > 0 {
			out = append(out, report.Result{
				Suite: Suite, Name: fmt.Sprintf("notification %d to %s can be read", i+1, n.To), Status: report.Fail,
				Detail: strings.Join(blank, ", ") + "\n" + string(n.Body), Duration: time.Since(began),
			})
		}
	}
	if len(out) == 0 {
		out = append(out, report.Result{
			Suite: Suite, Name: "every notification can be read", Status: report.Pass,
			Detail: fmt.Sprintf("%d notifications about %d alerts", len(sent), len(o.Alerts)), Duration: time.Since(began),
		})
	}
	return out, nil
}
