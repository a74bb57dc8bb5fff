// Package inbox stands in for the services that notify people: Slack's incoming webhooks and PagerDuty's Events API v2.
// Both answer as documented, refusals included, and keep what they accepted for whoever wants to see what was sent.
package inbox

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The kinds of receiver.
const (
	Slack     = "slack"
	PagerDuty = "pagerduty"
)

// Notification is one request that was accepted.
type Notification struct {
	// ID counts from 1 and goes on where the inbox is cleared.
	ID       int       `json:"id"`
	Received time.Time `json:"received"`
	// Kind is Slack or PagerDuty.
	Kind string `json:"kind"`
	Path string `json:"path"`
	// Title and Text are what a person reads first.
	Title string `json:"title"`
	Text  string `json:"text"`
	// Severity is PagerDuty's severity, or what Slack's colour stands for; "resolved" for the end of an incident.
	Severity string `json:"severity,omitempty"`
	// Action is PagerDuty's event_action, Channel Slack's channel.
	Action   string `json:"action,omitempty"`
	Channel  string `json:"channel,omitempty"`
	DedupKey string `json:"dedup_key,omitempty"`
	// Payload is the request's JSON as it came.
	Payload json.RawMessage `json:"payload"`
}

// maxBody is the largest request that is read: PagerDuty takes 512 KB, Slack less.
const maxBody = 512 << 10

// Config says how an Inbox behaves; the zero value is of use.
type Config struct {
	// Keep is the number of notifications that are remembered; 1000 where it is 0.
	Keep int
	// Now is the clock; time.Now where it is nil.
	Now func() time.Time
}

// Inbox records notifications. It serves
//
//	POST   /slack/services/…   an incoming webhook of Slack
//	POST   /v2/enqueue         PagerDuty's Events API v2
//	GET    /api/notifications  what was accepted, oldest first; ?kind= and ?contains= select
//	DELETE /api/notifications  forgets it
type Inbox struct {
	keep int
	now  func() time.Time
	log  *slog.Logger

	mu     sync.Mutex
	last   int
	recent []Notification
}

// New makes an empty Inbox.
func New(cfg Config, log *slog.Logger) *Inbox {
	if cfg.Keep == 0 {
		cfg.Keep = 1000
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Inbox{keep: cfg.Keep, now: cfg.Now, log: log, recent: []Notification{}}
}

// Register adds the inbox's paths to a mux.
func (b *Inbox) Register(mux *http.ServeMux) {
	mux.HandleFunc("/slack/services/", b.slack)
	mux.HandleFunc("/v2/enqueue", b.pagerDuty)
	mux.HandleFunc("GET /api/notifications", b.list)
	mux.HandleFunc("DELETE /api/notifications", b.clear)
}

// List is what was accepted, oldest first. An empty kind is every kind; contains is looked for in the payload's strings,
// whatever its case.
func (b *Inbox) List(kind, contains string) []Notification {
	b.mu.Lock()
	all := slices.Clone(b.recent)
	b.mu.Unlock()
	contains = strings.ToLower(contains)
	return slices.DeleteFunc(all, func(n Notification) bool {
		return kind != "" && n.Kind != kind || contains != "" && !mentions(n.Payload, contains)
	})
}

// mentions looks for lower-case text in the strings of a JSON value, keys excepted.
func mentions(raw json.RawMessage, text string) bool {
	var value any
	if json.Unmarshal(raw, &value) != nil {
		return false
	}
	var in func(any) bool
	in = func(v any) bool {
		switch v := v.(type) {
		case string:
			return strings.Contains(strings.ToLower(v), text)
		case []any:
			return slices.ContainsFunc(v, in)
		case map[string]any:
			for _, member := range v {
				if in(member) {
					return true
				}
			}
		}
		return false
	}
	return in(value)
}

func (b *Inbox) record(r *http.Request, n Notification) Notification {
	n.Received, n.Path = b.now().UTC(), r.URL.Path
	b.mu.Lock()
	b.last++
	n.ID = b.last
	if surplus := len(b.recent) + 1 - b.keep; surplus > 0 {
		b.recent = slices.Delete(b.recent, 0, surplus)
	}
	b.recent = append(b.recent, n)
	b.mu.Unlock()
	b.log.Info("notification received", "id", n.ID, "kind", n.Kind, "severity", n.Severity, "title", n.Title)
	return n
}

func (b *Inbox) list(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	for name := range query {
		if name != "kind" && name != "contains" {
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": fmt.Sprintf("unknown parameter %q (known: kind, contains)", name)})
			return
		}
	}
	kind := query.Get("kind")
	if kind != "" && kind != Slack && kind != PagerDuty {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": fmt.Sprintf("unknown kind %q (known: %s, %s)", kind, Slack, PagerDuty)})
		return
	}
	writeJSON(w, http.StatusOK, b.List(kind, query.Get("contains")))
}

func (b *Inbox) clear(w http.ResponseWriter, _ *http.Request) {
	b.mu.Lock()
	b.recent = []Notification{}
	b.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func writeJSON(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(value) // the client has gone: there is nobody to tell
}
