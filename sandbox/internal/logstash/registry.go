package logstash

import (
	"context"
	"maps"
	"slices"
	"strings"

	"obsandbox/sandbox/internal/logstash/event"
	"obsandbox/sandbox/internal/logstash/lang"
)

// filter changes one event at a time. A filter is shared by all workers.
type filter interface {
	filter(e *event.Event) error
}

// splitter is a filter that makes other events out of one; they take its place.
type splitter interface {
	filter
	split(e *event.Event) ([]*event.Event, error)
}

// input makes events and hands them to the pipeline until ctx ends or it has no more.
type input interface {
	run(ctx context.Context, q *queue) error
}

// output sends a batch and returns when all of it is where it belongs; it fails only when ctx ends.
type output interface {
	send(ctx context.Context, events []*event.Event) error
	close() error
}

// starter is an output that has to do something before there are events.
type starter interface {
	start(ctx context.Context) error
}

// codec turns bytes into events and back. An instance belongs to one stream.
type codec interface {
	decode(data []byte, emit func(*event.Event)) error
	// flush emits what the codec still holds.
	flush(emit func(*event.Event))
	encode(e *event.Event) ([]byte, error)
}

// registry is every plugin there is, by section and name.
type registry struct {
	inputs  map[string]func(*build) (input, error)
	filters map[string]func(*build) (filter, error)
	outputs map[string]func(*build) (output, error)
	codecs  map[string]func(*build) (codecMaker, error)
}

// codecMaker makes an instance for each stream.
type codecMaker func() codec

func plugins() *registry {
	return &registry{
		inputs: map[string]func(*build) (input, error){
			"dead_letter_queue": newDeadLetterInput,
			"file":              newFileInput,
			"generator":         newGenerator,
			"http":              newHTTP,
			"kafka":             newKafkaInput,
			"stdin":             newStdin,
			"tcp":               newTCP,
		},
		filters: map[string]func(*build) (filter, error){
			"clone":       newClone,
			"date":        newDate,
			"dissect":     newDissect,
			"fingerprint": newFingerprint,
			"kv":          newKV,
			"prune":       newPrune,
			"split":       newSplit,
			"translate":   newTranslate,
			"truncate":    newTruncate,
			"urldecode":   newURLDecode,
			"uuid":        newUUIDFilter,
			"drop":        newDrop,
			"grok":        newGrok,
			"json":        newJSONFilter,
			"mutate":      newMutate,
		},
		outputs: map[string]func(*build) (output, error){
			"elasticsearch": newElasticsearch,
			"file":          newFileOutput,
			"kafka":         newKafkaOutput,
			"stdout":        newStdout,
			"tcp":           newTCPOutput,
		},
		codecs: map[string]func(*build) (codecMaker, error){
			"json":       newJSONCodec,
			"json_lines": newJSONLines,
			"line":       newLine,
			"multiline":  newMultiline,
			"plain":      newPlain,
			"rubydebug":  newRubyDebug,
		},
	}
}

// unknownPlugin is the refusal of a plugin that this runner does not have.
func unknownPlugin[T any](p *lang.Plugin, known map[string]T) error {
	names := slices.Sorted(maps.Keys(known))
	return p.Pos.Errorf("unknown %s plugin %q: this runner has %s", p.Section, p.Name, strings.Join(names, ", "))
}

// codec makes the codec that an option names: codec => json, or codec => json { … }.
func (b *build) codec(def string) codecMaker {
	o := b.option("codec")
	p := &lang.Plugin{Pos: b.plugin.Pos, Section: "codec", Name: def}
	if o != nil {
		switch v := o.Value.Any.(type) {
		case *lang.Plugin:
			p = v
		case string:
			p = &lang.Plugin{Pos: o.Pos, Section: "codec", Name: v}
		default:
			b.fail("codec", "expected the name of a codec")
			return nil
		}
	}
	known := plugins().codecs
	make, ok := known[p.Name]
	if !ok {
		b.errs = append(b.errs, unknownPlugin(p, known))
		return nil
	}
	inner := &build{plugin: p, pipeline: b.pipeline, log: b.log, now: b.now, id: b.id + "/codec"}
	inner.ignore("id", "enable_metric")
	c, err := make(inner)
	if err == nil {
		err = inner.done()
	}
	if err != nil {
		b.errs = append(b.errs, err)
	}
	return c
}
