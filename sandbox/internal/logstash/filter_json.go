package logstash

import (
	"log/slog"
	"strings"
	"time"

	"obsandbox/sandbox/internal/logstash/event"
)

// jsonFilter parses a field that holds JSON and puts what it finds into the event, or below a target.
type jsonFilter struct {
	decorator
	source       event.Ref
	target       event.Ref
	hasTarget    bool
	tagOnFailure []string
	skipInvalid  bool
	now          func() time.Time
	log          *slog.Logger
}

func newJSONFilter(b *build) (filter, error) {
	b.required("source")
	f := &jsonFilter{
		decorator:    b.decorator(),
		source:       b.ref("source", "message"),
		tagOnFailure: b.list("tag_on_failure", "_jsonparsefailure"),
		skipInvalid:  b.boolean("skip_on_invalid_json", false),
		now:          b.now,
		log:          b.log,
	}
	b.ecs()
	f.target, f.hasTarget = b.target("target")
	return f, b.done()
}

func (f *jsonFilter) filter(e *event.Event) error {
	source := e.Get(f.source)
	if source == nil || source == false {
		return nil
	}
	text, ok := source.(string)
	if !ok {
		// Logstash's parser takes strings only; a list or a hash is a failure, unless it is to be skipped.
		f.failed(e)
		return nil
	}
	var parsed any
	var err error
	// Of an empty text Logstash makes a null, whatever is to be skipped; a byte order mark it overlooks.
	if text != "" {
		parsed, err = event.DecodeJSON(strings.TrimPrefix(text, "\ufeff"))
	}
	if err != nil {
		if !f.skipInvalid {
			f.failed(e)
		}
		return nil
	}
	if f.hasTarget {
		if err := e.Set(f.target, parsed); err != nil {
			f.failed(e)
			return nil
		}
		return f.matched(e)
	}
	fields, ok := parsed.(map[string]any)
	if !ok {
		f.failed(e)
		return nil
	}
	given, hasTime := fields[event.TimestampField]
	delete(fields, event.TimestampField)
	for k, v := range fields {
		ref, err := event.ParseRef(k)
		if err == nil {
			err = e.Set(ref, v)
		}
		if err != nil {
			f.log.Warn("json filter: a field cannot be set", "error", err)
			f.failed(e)
			return nil
		}
	}
	if hasTime && given != nil && given != false {
		if t, err := event.ToTimestamp(given); err == nil {
			e.SetTimestamp(t)
		} else {
			e.SetTimestamp(f.now())
			e.Tag("_timestampparsefailure")
			_ = e.Set(event.MustRef("_@timestamp"), event.ToString(given))
		}
	}
	return f.matched(e)
}

func (f *jsonFilter) failed(e *event.Event) { tagAll(e, f.tagOnFailure) }
