package logstash

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"obsandbox/sandbox/internal/logstash/event"
)

// elasticsearchOutput writes events with the bulk API. It retries for ever what may succeed later (no connection, 429,
// 5xx) and puts what never will (a document of the 400 class) into the dead letter queue.
type elasticsearchOutput struct {
	client      *bulkClient
	action      *event.Template
	index       *event.Template
	id          *event.Template
	routing     *event.Template
	pipeline    *event.Template
	version     *event.Template
	versionType string
	upsert      bool
	// conflictRetries is how often the store tries an update again by itself.
	conflictRetries int
	deadCodes       []int
	dropErrors      []string
	retryFirst      time.Duration
	retryMax        time.Duration
	dead            *deadLetters
	pluginID        string
	log             *slog.Logger
}

func newElasticsearch(b *build) (output, error) {
	out := &elasticsearchOutput{
		action:     b.template("action", "index"),
		id:         b.template("document_id", ""),
		routing:    b.template("routing", ""),
		pipeline:   b.template("pipeline", ""),
		version:    b.template("version", ""),
		dropErrors: b.list("drop_error_types"),
		retryFirst: time.Duration(b.integer("retry_initial_interval", 2)) * time.Second,
		retryMax:   time.Duration(b.integer("retry_max_interval", 64)) * time.Second,
		dead:       b.pipeline.dead,
		pluginID:   b.id,
		log:        b.log,
	}
	b.ecs()
	out.versionType = b.oneOf("version_type", "", "internal", "external", "external_gt", "external_gte")
	// Without a data stream the default index has Logstash's name and the day.
	out.index = b.template("index", "logstash-%{+yyyy.MM.dd}")
	if b.find("index") == nil && b.find("data_stream") == nil {
		b.fail("index", "write the option: without it Logstash 8 and later write to a data stream, which this runner does not")
	}
	if b.oneOf("data_stream", "false", "true", "false", "auto") != "false" {
		b.fail("data_stream", "data streams are not supported: name an index")
	}
	if a := b.str("action", "index"); !strings.Contains(a, "%{") && !slices.Contains([]string{"index", "create", "delete", "update"}, a) {
		b.fail("action", "%q is none of index, create, update, delete", a)
	}
	for _, code := range b.list("dlq_custom_codes") {
		n := 0
		for _, c := range code {
			n = n*10 + int(c-'0')
		}
		out.deadCodes = append(out.deadCodes, n)
	}
	out.deadCodes = append(out.deadCodes, 400, 404, http.StatusRequestEntityTooLarge)
	b.indexManagement()
	out.client = b.bulkClient()
	out.upsert = b.boolean("doc_as_upsert", false)
	out.conflictRetries = b.integer("retry_on_conflict", 1)
	b.ignore("silence_errors_in_log")
	b.outputCommon()
	return out, b.done()
}

// indexManagement checks the options of templates and life cycles: both are put into the cluster by whoever owns it, so an
// output that would do so itself is refused. Logstash does it by default, but to indices of its own name alone: where the
// index has another name and nothing is said of templates, the default changes nothing.
func (b *build) indexManagement() {
	own := strings.HasPrefix(b.str("index", "logstash"), "logstash") || strings.HasPrefix(b.str("index", ""), "ecs-logstash")
	for _, name := range []string{"template", "template_name", "template_overwrite", "template_api"} {
		own = own || b.option(name) != nil
	}
	if b.boolean("manage_template", own) {
		b.fail("manage_template", "set it to false: this runner installs no index template, and Logstash would")
	}
	own = own || b.find("ilm_rollover_alias") != nil || b.find("ilm_pattern") != nil || b.find("ilm_policy") != nil
	if ilm := b.oneOf("ilm_enabled", "auto", "true", "false", "auto"); ilm == "true" || ilm == "auto" && own {
		b.fail("ilm_enabled", "set it to false: the index template carries the policy")
	}
	b.ignore("ilm_rollover_alias", "ilm_pattern", "ilm_policy")
}

func (b *build) bulkClient() *bulkClient {
	c := &bulkClient{log: b.log, timeout: time.Duration(b.integer("timeout", 60)) * time.Second}
	c.user, c.password, c.apiKey = b.str("user", ""), b.str("password", ""), b.str("api_key", "")
	c.path = strings.TrimSuffix(b.str("bulk_path", strings.TrimSuffix(b.str("path", ""), "/")+"/_bulk"), "/")
	c.compress = b.integer("compression_level", 1)
	secure := b.boolean("ssl_enabled", false)
	for _, host := range b.list("hosts", "http://127.0.0.1:9200") {
		for _, h := range strings.Split(host, ",") {
			h = strings.TrimSpace(h)
			if !strings.Contains(h, "://") {
				scheme := "http://"
				if secure {
					scheme = "https://"
				}
				h = scheme + h
			}
			u, err := url.Parse(h)
			if err != nil || u.Host == "" {
				b.fail("hosts", "%q is no address: write http://host:port", h)
				continue
			}
			if u.Port() == "" {
				u.Host += ":9200"
			}
			c.hosts = append(c.hosts, u)
		}
	}
	return c
}

// action is one line of a bulk request with its event.
type action struct {
	event *event.Event
	body  []byte
	// index and id say in messages what it was.
	index, id string
}

func (o *elasticsearchOutput) send(ctx context.Context, events []*event.Event) error {
	actions := make([]action, 0, len(events))
	for _, e := range events {
		actions = append(actions, o.actionOf(e))
	}
	wait := o.retryFirst
	for len(actions) > 0 {
		rest, err := o.submit(ctx, actions)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			o.log.Error("elasticsearch output: the bulk request failed and is sent again", "hosts", o.client.String(), "events", len(actions), "in", wait, "error", err)
		} else if len(rest) > 0 {
			o.log.Info("elasticsearch output: some actions are sent again", "events", len(rest), "in", wait)
		}
		actions = rest
		if len(actions) == 0 {
			return nil
		}
		select {
		case <-time.After(wait):
			wait = min(wait*2, o.retryMax)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// submit sends actions once and returns those to be sent again.
func (o *elasticsearchOutput) submit(ctx context.Context, actions []action) ([]action, error) {
	items, err := o.client.bulk(ctx, actions)
	if err != nil || items == nil {
		if err != nil {
			return actions, err
		}
		return nil, nil
	}
	var again []action
	for i, item := range items {
		switch {
		case item.Status >= 200 && item.Status < 300:
		case item.Status == 409 || slices.Contains(o.dropErrors, item.Error.Type):
			// A conflict is a document that is there already, or was changed since: nothing can be done.
			o.log.Warn("elasticsearch output: failed action", "index", actions[i].index, "id", actions[i].id, "status", item.Status, "type", item.Error.Type)
		case slices.Contains(o.deadCodes, item.Status):
			reason := "Could not index event to Elasticsearch. status: " + statusText(item) + ", index: " + actions[i].index
			err := o.dead.write(actions[i].event, "elasticsearch", o.pluginID, reason)
			if errors.Is(err, errNoDeadLetters) {
				o.log.Warn("elasticsearch output: the event is dropped, there is no dead letter queue", "reason", reason)
			} else if err != nil {
				o.log.Error("elasticsearch output: an event could not be put into the dead letter queue, it is sent again", "error", err)
				again = append(again, actions[i])
			}
		default:
			again = append(again, actions[i])
		}
	}
	return again, nil
}

// actionOf is an event's part of a bulk request: the action's line and, except for a deletion, the document.
func (o *elasticsearchOutput) actionOf(e *event.Event) action {
	a := action{event: e, index: o.index.Fill(e)}
	kind := o.action.Fill(e)
	body := make([]byte, 0, 1024)
	body = append(body, '{')
	body = append(event.AppendJSON(body, kind), `:{"_index":`...)
	body = event.AppendJSON(body, a.index)
	field := func(name string, t *event.Template) string {
		if t == nil {
			return ""
		}
		v := t.Fill(e)
		body = append(append(append(body, `,"`...), name...), `":`...)
		body = event.AppendJSON(body, v)
		return v
	}
	a.id = field("_id", o.id)
	field("routing", o.routing)
	field("pipeline", o.pipeline)
	field("version", o.version)
	if o.versionType != "" {
		body = append(body, `,"version_type":"`+o.versionType+`"`...)
	}
	if kind == "update" {
		body = strconv.AppendInt(append(body, `,"retry_on_conflict":`...), int64(o.conflictRetries), 10)
	}
	body = append(body, "}}\n"...)
	switch kind {
	case "delete":
	case "update":
		body = append(body, `{"doc":`...)
		body = event.AppendJSON(body, e.Data())
		if o.upsert {
			body = append(body, `,"doc_as_upsert":true`...)
		}
		body = append(body, "}\n"...)
	default:
		body = append(event.AppendJSON(body, e.Data()), '\n')
	}
	a.body = body
	return a
}

func (o *elasticsearchOutput) close() error {
	o.client.close()
	return nil
}
