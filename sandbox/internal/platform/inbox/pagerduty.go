package inbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// pagerDutyEvent is what of an event is judged and shown. Members that may be of the wrong type are kept raw.
type pagerDutyEvent struct {
	RoutingKey string            `json:"routing_key"`
	Action     string            `json:"event_action"`
	DedupKey   string            `json:"dedup_key"`
	Payload    *pagerDutyPayload `json:"payload"`
}

type pagerDutyPayload struct {
	Summary   string `json:"summary"`
	Source    string `json:"source"`
	Severity  string `json:"severity"`
	Timestamp string `json:"timestamp"`
	Component string `json:"component"`
}

// The limits and words of the Events API v2.
const (
	routingKeyLength = 32
	maxSummary       = 1024
	maxDedupKey      = 255
)

var (
	pagerDutyActions    = []string{"trigger", "acknowledge", "resolve"}
	pagerDutySeverities = []string{"critical", "warning", "error", "info"}
)

// pagerDutyAnswer is the body of every answer.
type pagerDutyAnswer struct {
	Status   string   `json:"status"`
	Message  string   `json:"message"`
	DedupKey string   `json:"dedup_key,omitempty"`
	Errors   []string `json:"errors,omitempty"`
}

// pagerDuty answers as events.pagerduty.com.
func (b *Inbox) pagerDuty(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	event, raw, errs := readEvent(w, r)
	if len(errs) > 0 {
		b.log.Warn("pagerduty event refused", "errors", errs)
		writeJSON(w, http.StatusBadRequest, pagerDutyAnswer{Status: "invalid event", Message: "Event object is invalid", Errors: errs})
		return
	}
	if event.DedupKey == "" {
		event.DedupKey = strings.ReplaceAll(uuid.NewString(), "-", "")
	}
	b.record(r, event.summary(raw))
	writeJSON(w, http.StatusAccepted, pagerDutyAnswer{Status: "success", Message: "Event processed", DedupKey: event.DedupKey})
}

func readEvent(w http.ResponseWriter, r *http.Request) (e pagerDutyEvent, raw json.RawMessage, errs []string) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return e, nil, []string{"The event is larger than 512 KB or could not be read"}
	}
	if !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		return e, nil, []string{"Event object is not a JSON object"}
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return e, nil, []string{"Event object is not valid JSON: " + err.Error()}
	}
	return e, raw, e.faults()
}

func (e pagerDutyEvent) faults() []string {
	var errs []string
	blank := func(name, value string) bool {
		if strings.TrimSpace(value) != "" {
			return false
		}
		errs = append(errs, fmt.Sprintf("'%s' is missing or blank", name))
		return true
	}
	one := func(name, value string, of []string) {
		if !blank(name, value) && !slices.Contains(of, value) {
			last := len(of) - 1
			errs = append(errs, fmt.Sprintf("'%s' is invalid (must be one of the following: '%s' or '%s')", name, strings.Join(of[:last], "', '"), of[last]))
		}
	}
	if !blank("routing_key", e.RoutingKey) && len(e.RoutingKey) != routingKeyLength {
		errs = append(errs, fmt.Sprintf("Length of 'routing_key' is incorrect (should be %d characters)", routingKeyLength))
	}
	one("event_action", e.Action, pagerDutyActions)
	if len(e.DedupKey) > maxDedupKey {
		errs = append(errs, fmt.Sprintf("'dedup_key' is too long (maximum is %d characters)", maxDedupKey))
	}
	if e.Action != "trigger" {
		// The other actions are about an incident that is there.
		if slices.Contains(pagerDutyActions, e.Action) {
			blank("dedup_key", e.DedupKey)
		}
		return errs
	}
	if e.Payload == nil {
		return append(errs, "'payload' is missing or blank")
	}
	p := e.Payload
	if !blank("payload.summary", p.Summary) && len([]rune(p.Summary)) > maxSummary {
		errs = append(errs, fmt.Sprintf("'payload.summary' is too long (maximum is %d characters)", maxSummary))
	}
	blank("payload.source", p.Source)
	one("payload.severity", p.Severity, pagerDutySeverities)
	if p.Timestamp != "" {
		if _, err := time.Parse(time.RFC3339, p.Timestamp); err != nil {
			errs = append(errs, "'payload.timestamp' is not a valid ISO 8601 time")
		}
	}
	return errs
}

func (e pagerDutyEvent) summary(raw json.RawMessage) Notification {
	n := Notification{Kind: PagerDuty, Action: e.Action, DedupKey: e.DedupKey, Title: e.Action + " " + e.DedupKey, Payload: raw}
	if p := e.Payload; p != nil {
		n.Title = firstOf(p.Summary, n.Title)
		n.Severity = p.Severity
		n.Text = firstOf(detail(raw, "description"), p.Component)
	}
	if e.Action == "resolve" {
		n.Severity = "resolved"
	}
	return n
}

// detail is a custom detail as text; empty where there is none. Alertmanager reads details as YAML: a text such as
// "disk full: 3 GB left" arrives as an object of one member.
func detail(raw json.RawMessage, key string) string {
	var e struct {
		Payload struct {
			Details map[string]any `json:"custom_details"`
		} `json:"payload"`
	}
	if json.Unmarshal(raw, &e) != nil {
		return "" // details may be anything
	}
	switch value := e.Payload.Details[key].(type) {
	case string:
		return value
	case map[string]any:
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(value)) {
			parts = append(parts, fmt.Sprintf("%s: %v", k, value[k]))
		}
		return strings.Join(parts, "; ")
	}
	return ""
}
