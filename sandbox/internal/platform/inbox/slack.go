package inbox

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// slackMessage is what of an incoming webhook's message is judged and shown.
type slackMessage struct {
	Channel     string            `json:"channel"`
	Text        string            `json:"text"`
	Attachments []slackAttachment `json:"attachments"`
	Blocks      []json.RawMessage `json:"blocks"`
}

type slackAttachment struct {
	Fallback string            `json:"fallback"`
	Color    string            `json:"color"`
	Pretext  string            `json:"pretext"`
	Title    string            `json:"title"`
	Text     string            `json:"text"`
	ImageURL string            `json:"image_url"`
	Fields   []json.RawMessage `json:"fields"`
	Blocks   []json.RawMessage `json:"blocks"`
}

func (a slackAttachment) empty() bool {
	return strings.TrimSpace(a.Fallback+a.Pretext+a.Title+a.Text+a.ImageURL) == "" && len(a.Fields) == 0 && len(a.Blocks) == 0
}

// The limits of Slack's messages.
const maxAttachments = 100

// slackChannel is what a channel can be called: #name or @user as people write it, or an id.
var slackChannel = regexp.MustCompile(`^(?:[#@]?[\p{Ll}\p{Lo}\p{N}._-]{1,80}|[CDGU][A-Z0-9]{8,})$`)

// refusal is one of the errors of Slack's incoming webhooks: a word and a status.
type refusal struct {
	code int
	word string
}

// slack answers as hooks.slack.com: "ok", or one word that says what is wrong.
func (b *Inbox) slack(w http.ResponseWriter, r *http.Request) {
	message, raw, refused := readSlack(w, r)
	w.Header().Set("Content-Type", "text/html")
	if refused != nil {
		b.log.Warn("slack message refused", "path", r.URL.Path, "code", refused.code, "reason", refused.word)
		w.WriteHeader(refused.code)
		_, _ = io.WriteString(w, refused.word)
		return
	}
	b.record(r, message.summary(raw))
	_, _ = io.WriteString(w, "ok")
}

func readSlack(w http.ResponseWriter, r *http.Request) (slackMessage, json.RawMessage, *refusal) {
	var m slackMessage
	if strings.Trim(strings.TrimPrefix(r.URL.Path, "/slack/services/"), "/") == "" {
		return m, nil, &refusal{http.StatusNotFound, "no_service"} // a webhook's address ends in its secret
	}
	if r.Method != http.MethodPost {
		return m, nil, &refusal{http.StatusBadRequest, "invalid_payload"}
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return m, nil, &refusal{http.StatusBadRequest, "invalid_payload"}
	}
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media == "application/x-www-form-urlencoded" {
		form, err := url.ParseQuery(string(raw))
		if err != nil || form.Get("payload") == "" {
			return m, nil, &refusal{http.StatusBadRequest, "invalid_payload"}
		}
		raw = []byte(form.Get("payload"))
	}
	// An object: a JSON null, too, would decode into the message.
	if !strings.HasPrefix(strings.TrimSpace(string(raw)), "{") || json.Unmarshal(raw, &m) != nil {
		return m, nil, &refusal{http.StatusBadRequest, "invalid_payload"}
	}
	return m, raw, m.refuse()
}

func (m slackMessage) refuse() *refusal {
	switch {
	case len(m.Attachments) > maxAttachments:
		return &refusal{http.StatusBadRequest, "too_many_attachments"}
	case m.Channel != "" && !slackChannel.MatchString(m.Channel):
		return &refusal{http.StatusNotFound, "channel_not_found"}
	case strings.TrimSpace(m.Text) != "" || len(m.Blocks) > 0:
		return nil
	case len(m.Attachments) == 0:
		return &refusal{http.StatusBadRequest, "no_text"}
	}
	for _, a := range m.Attachments {
		if !a.empty() {
			return nil
		}
	}
	return &refusal{http.StatusBadRequest, "missing_text_or_fallback_or_attachments"}
}

// slackColours are what the colours stand for that have names; hex colours say nothing.
var slackColours = map[string]string{"good": "resolved", "warning": "warning", "danger": "critical"}

func (m slackMessage) summary(raw json.RawMessage) Notification {
	n := Notification{Kind: Slack, Channel: m.Channel, Text: m.Text, Payload: raw}
	if len(m.Attachments) > 0 {
		a := m.Attachments[0]
		n.Severity = slackColours[a.Color]
		n.Title = firstOf(a.Title, a.Pretext, a.Fallback)
		n.Text = firstOf(m.Text, a.Text, a.Fallback)
	}
	n.Title, _, _ = strings.Cut(firstOf(n.Title, n.Text), "\n")
	return n
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t = strings.TrimSpace(t); t != "" {
			return t
		}
	}
	return ""
}
