package logstash

import (
	"slices"

	"obsandbox/sandbox/internal/logstash/event"
)

// cloneFilter adds copies of an event, one for each name; the event itself stays as it is.
type cloneFilter struct {
	decorator
	clones []string
	// byType marks copies by the field type, as without ECS, else by a tag.
	byType bool
}

func newClone(b *build) (filter, error) {
	b.required("clones")
	return &cloneFilter{decorator: b.decorator(), clones: b.list("clones"), byType: b.ecs() == "disabled"}, b.done()
}

func (f *cloneFilter) filter(e *event.Event) error {
	_, err := f.split(e)
	return err
}

func (f *cloneFilter) split(e *event.Event) ([]*event.Event, error) {
	var out []*event.Event
	for _, name := range f.clones {
		made := e.Clone()
		if !f.byType {
			made.SetTags(append(slices.Clone(made.Tags()), name))
		} else if err := made.Set(event.MustRef("type"), name); err != nil {
			return out, err
		}
		if err := f.matched(made); err != nil {
			return out, err
		}
		out = append(out, made)
	}
	return out, nil
}

// uuidFilter sets a random UUID.
type uuidFilter struct {
	decorator
	target    event.Ref
	overwrite bool
}

func newUUIDFilter(b *build) (filter, error) {
	b.required("target")
	b.ecs()
	return &uuidFilter{decorator: b.decorator(), target: b.ref("target", ""), overwrite: b.boolean("overwrite", false)}, b.done()
}

func (f *uuidFilter) filter(e *event.Event) error {
	if f.overwrite || e.Get(f.target) == nil {
		if err := e.Set(f.target, newUUID()); err != nil {
			return err
		}
	}
	return f.matched(e)
}
