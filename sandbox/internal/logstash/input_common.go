package logstash

import (
	"slices"

	"obsandbox/sandbox/internal/logstash/event"
)

// inputDecorator is what every input does to its events: the options add_field, tags and type.
type inputDecorator struct {
	addField []addition
	tags     []string
	kind     string
}

func (b *build) inputDecorator() inputDecorator {
	b.ignore("id", "enable_metric")
	common := &build{plugin: b.plugin, pipeline: b.pipeline}
	d := common.decorator()
	b.ignore("add_field")
	b.errs = append(b.errs, common.errs...)
	return inputDecorator{addField: d.addField, tags: b.list("tags"), kind: b.str("type", "")}
}

var typeRef = event.MustRef("type")

func (d *inputDecorator) decorate(e *event.Event) {
	if d.kind != "" && e.Get(typeRef) == nil {
		_ = e.Set(typeRef, d.kind)
	}
	if len(d.tags) > 0 {
		tags := slices.Clone(e.Tags())
		for _, t := range d.tags {
			tags = append(tags, t)
		}
		e.SetTags(tags)
	}
	if len(d.addField) > 0 {
		_ = (&decorator{addField: d.addField}).matched(e)
	}
}
