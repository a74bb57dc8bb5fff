// Package event is Logstash's event: fields of JSON's types, metadata that no output sees, tags, field references and
// sprintf templates, with the semantics of Logstash 9.
package event

import (
	"fmt"
	"time"
)

// Tags and fields that the event itself sets when it is built from data it cannot hold.
const (
	timestampFailureTag   = "_timestampparsefailure"
	timestampFailureField = "_@timestamp"
	tagsFailureTag        = "_tagsparsefailure"
	tagsFailureField      = "_tags"
)

var tagsRef = MustRef(TagsField)

// Event is one event. Its values are string, int64, float64, *big.Int, bool, nil, time.Time, []any and map[string]any.
// An event belongs to one goroutine at a time.
type Event struct {
	data      map[string]any
	meta      map[string]any
	cancelled bool
	// Seq is the event's place in its batch; whoever runs the batch sets it.
	Seq int
}

// New makes an event with @timestamp (now) and @version.
func New(now time.Time) *Event {
	return &Event{data: map[string]any{TimestampField: now.UTC(), VersionField: "1"}}
}

// FromMap makes an event of decoded data, which it keeps. A missing @timestamp is now; one that is no time, and tags
// that are no strings, are moved to a field beside them and tagged, as Logstash does.
func FromMap(data map[string]any, now time.Time) *Event {
	e := &Event{data: data}
	if _, ok := data[VersionField]; !ok {
		data[VersionField] = "1"
	}
	if meta, ok := data[MetadataField].(map[string]any); ok {
		e.meta = meta
	}
	delete(data, MetadataField)
	if tags, ok := data[TagsField]; ok && !legalTags(tags) {
		data[tagsFailureField] = []any{tags}
		data[TagsField] = []any{tagsFailureTag}
	}
	given := data[TimestampField]
	ts, err := ToTimestamp(given)
	if given == nil || err != nil {
		ts = now.UTC()
	}
	data[TimestampField] = ts
	if given != nil && err != nil {
		e.Tag(timestampFailureTag)
		data[timestampFailureField] = given
	}
	return e
}

// Cancel drops the event: nothing after the filter that does it sees the event.
func (e *Event) Cancel() { e.cancelled = true }

// Cancelled says whether the event was dropped.
func (e *Event) Cancelled() bool { return e.cancelled }

// Data is the event's fields without metadata; the caller must not keep it.
func (e *Event) Data() map[string]any { return e.data }

// Meta is the event's metadata; nil where it has none.
func (e *Event) Meta() map[string]any { return e.meta }

// Timestamp is @timestamp; false where it was removed or replaced by something else.
func (e *Event) Timestamp() (time.Time, bool) {
	t, ok := e.data[TimestampField].(time.Time)
	return t, ok
}

// SetTimestamp sets @timestamp.
func (e *Event) SetTimestamp(t time.Time) { e.data[TimestampField] = t.UTC() }

// Get is a field's value; nil where there is none.
func (e *Event) Get(ref Ref) any {
	v, _ := e.Lookup(ref)
	return v
}

// Lookup is a field's value and whether the field exists (it may exist and be nil).
func (e *Event) Lookup(ref Ref) (any, bool) {
	var at any = e.data
	if ref.meta {
		if e.meta == nil {
			e.meta = map[string]any{}
		}
		at = e.meta
	}
	for _, key := range ref.path {
		next, ok := child(at, key)
		if !ok {
			return nil, false
		}
		at = next
	}
	return at, true
}

// Set gives a field a value and makes the fields above it. It fails where one of those is no container, and where tags
// would become anything but strings.
func (e *Event) Set(ref Ref, value any) error {
	if tags, below := ref.isTags(); below || (tags && !legalTags(value)) {
		return fmt.Errorf("could not set the reserved field %s: tags takes a string or a list of strings", ref)
	}
	if !ref.meta && len(ref.path) == 1 {
		if ref.path[0] == TimestampField {
			if _, ok := value.(time.Time); !ok {
				return fmt.Errorf("could not set %s: wrong argument type (expected LogStash::Timestamp); use the date filter", ref)
			}
		}
		e.data[ref.path[0]] = value
		return nil
	}
	at := any(e.data)
	if ref.meta {
		if len(ref.path) == 0 {
			m, ok := value.(map[string]any)
			if !ok {
				return fmt.Errorf("could not set %s: metadata must be a hash", ref)
			}
			e.meta = m
			return nil
		}
		if e.meta == nil {
			e.meta = make(map[string]any, 4)
		}
		at = e.meta
	}
	last := len(ref.path) - 1
	var put func(any) error
	for i, key := range ref.path {
		var val any
		exists := false
		if i == last {
			val = value
		} else if val, exists = child(at, key); !exists || val == nil {
			val, exists = map[string]any{}, false
		}
		if exists {
			list, isList := val.([]any)
			_, isMap := val.(map[string]any)
			if !isList && !isMap {
				return fmt.Errorf("could not set field %s: %q above it is no hash", ref, key)
			}
			if isList {
				parent := at
				put = func(v any) error { return assign(parent, key, v, nil) }
				at = list
				continue
			}
		} else if err := assign(at, key, val, put); err != nil {
			return fmt.Errorf("could not set field %s: %w", ref, err)
		}
		at, put = val, nil
	}
	return nil
}

// assign puts a value into a container; a list that has to grow is handed to put.
func assign(container any, key string, value any, put func(any) error) error {
	switch c := container.(type) {
	case map[string]any:
		c[key] = value
		return nil
	case []any:
		i, ok := index(key, len(c))
		if !ok || i > len(c)+1000 {
			return fmt.Errorf("%q is no index of a list", key)
		}
		if i < len(c) {
			c[i] = value
			return nil
		}
		if put == nil {
			return fmt.Errorf("the list ends before %q", key)
		}
		for len(c) <= i {
			c = append(c, nil)
		}
		c[i] = value
		return put(c)
	}
	return fmt.Errorf("%T is no hash", container)
}

// Remove takes a field away and returns what it held. Removing @metadata empties it.
func (e *Event) Remove(ref Ref) any {
	var at any = e.data
	if ref.meta {
		if len(ref.path) == 0 {
			old := e.meta
			e.meta = nil
			return old
		}
		at = e.meta
	}
	last := len(ref.path) - 1
	for _, key := range ref.path[:last] {
		next, ok := child(at, key)
		if !ok {
			return nil
		}
		at = next
	}
	key := ref.path[last]
	switch c := at.(type) {
	case map[string]any:
		old := c[key]
		delete(c, key)
		return old
	case []any:
		if i, ok := index(key, len(c)); ok && i < len(c) {
			old := c[i]
			parent := Ref{path: ref.path[:last], text: ref.text, meta: ref.meta}
			rest := append(append([]any{}, c[:i]...), c[i+1:]...)
			if parent.meta || len(parent.path) > 0 {
				_ = e.Set(parent, rest)
			}
			return old
		}
	}
	return nil
}

// Tag adds a tag unless the event has it.
func (e *Event) Tag(tag string) {
	switch tags := e.data[TagsField].(type) {
	case nil:
		e.data[TagsField] = []any{tag}
	case string:
		if tags != tag {
			e.data[TagsField] = []any{tags, tag}
		}
	case []any:
		for _, t := range tags {
			if t == tag {
				return
			}
		}
		e.data[TagsField] = append(tags, tag)
	}
}

// Tags are the event's tags as a list.
func (e *Event) Tags() []any { return ToList(e.data[TagsField]) }

// SetTags replaces the tags; repeated ones are kept, as Logstash's add_tag does.
func (e *Event) SetTags(tags []any) { _ = e.Set(tagsRef, tags) }

// Clone is a deep copy.
func (e *Event) Clone() *Event {
	c := &Event{data: CloneValue(e.data).(map[string]any), Seq: e.Seq}
	if e.meta != nil {
		c.meta = CloneValue(e.meta).(map[string]any)
	}
	return c
}

func legalTags(v any) bool {
	switch t := v.(type) {
	case nil, string:
		return true
	case []any:
		for _, item := range t {
			if _, ok := item.(string); !ok {
				return false
			}
		}
		return true
	}
	return false
}
