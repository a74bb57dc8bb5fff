package logstash

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"obsandbox/sandbox/internal/logstash/event"
	"obsandbox/sandbox/internal/logstash/lang"
)

// Load compiles the pipelines of a settings directory for tests: nothing is started, filters can be run. env is as in
// Config.
func Load(settings string, env func(name string) (string, bool)) ([]*Pipeline, error) {
	return load(Config{Settings: settings, Data: settings, Env: env}, slog.New(slog.DiscardHandler))
}

// ID is the pipeline's id.
func (p *Pipeline) ID() string { return p.settings.ID }

// HasInput says whether the pipeline has an input with the given id.
func (p *Pipeline) HasInput(id string) bool {
	for _, in := range p.inputs {
		if in.id == id {
			return true
		}
	}
	return false
}

// Joins says whether the codec of the input with the given id joins lines, so that one text depends on the next.
func (p *Pipeline) Joins(inputID string) bool {
	for _, in := range p.inputs {
		if decoder, ok := in.input.(interface {
			decoding() (codecMaker, *inputDecorator)
		}); ok && in.id == inputID {
			maker, _ := decoder.decoding()
			_, joins := maker().(*multiline)
			return joins
		}
	}
	return false
}

// Decode makes events of texts as an input does: by the codec and the common options of the input with the given id. Where
// the file names no codec, each text is an event as a whole.
// With no id it is the codec whose configuration is given, such as "line" or "json_lines".
func (p *Pipeline) Decode(inputID, codecConfig string, texts ...string) ([]*event.Event, error) {
	var events []*event.Event
	emit := func(e *event.Event) { events = append(events, e) }
	for _, in := range p.inputs {
		decoder, ok := in.input.(interface {
			decoding() (codecMaker, *inputDecorator)
		})
		if inputID == "" || in.id != inputID {
			continue
		}
		if !ok {
			return nil, fmt.Errorf("the input %q reads no texts", inputID)
		}
		maker, deco := decoder.decoding()
		c := maker()
		if !in.ownCodec {
			var err error
			if c, err = p.parseCodec("plain"); err != nil {
				return nil, err
			}
		}
		end := ""
		switch c.(type) {
		case *line, *jsonLines:
			end = "\n" // each text is a whole line
		}
		for _, text := range texts {
			if err := c.decode([]byte(text+end), emit); err != nil {
				return nil, err
			}
		}
		c.flush(emit)
		for _, e := range events {
			deco.decorate(e)
		}
		return events, nil
	}
	if inputID != "" {
		return nil, fmt.Errorf("the pipeline %s has no input with the id %q", p.ID(), inputID)
	}
	c, err := p.parseCodec(codecConfig)
	if err != nil {
		return nil, err
	}
	for _, text := range texts {
		if err := c.decode([]byte(text), emit); err != nil {
			return nil, err
		}
		c.flush(emit)
	}
	return events, nil
}

func (p *Pipeline) parseCodec(config string) (codec, error) {
	if !strings.Contains(config, "{") {
		config += " { }"
	}
	tree, err := lang.Parse([]lang.Source{{Name: "codec", Text: "input { stdin { codec => " + config + " } }"}}, lang.Options{})
	if err != nil {
		return nil, err
	}
	b := &build{plugin: tree.Inputs[0].(*lang.Plugin), pipeline: &p.settings, log: p.log, now: p.now}
	maker := b.codec("line")
	if err := b.done(); err != nil {
		return nil, err
	}
	return maker(), nil
}

func (in *kafkaInput) decoding() (codecMaker, *inputDecorator) { return in.codec, &in.deco }
func (in *stdinInput) decoding() (codecMaker, *inputDecorator) { return in.codec, &in.deco }
func (in *generator) decoding() (codecMaker, *inputDecorator)  { return in.codec, &in.deco }
func (in *tcpInput) decoding() (codecMaker, *inputDecorator)   { return in.codec, &in.deco }
func (in *httpInput) decoding() (codecMaker, *inputDecorator)  { return in.codec, &in.deco }
func (in *fileInput) decoding() (codecMaker, *inputDecorator)  { return in.codec, &in.deco }

// ReadTopic makes events of records as the pipeline's Kafka input of their topic does; false where no input reads it.
func (p *Pipeline) ReadTopic(topic string, records ...*kgo.Record) ([]*event.Event, bool) {
	for _, in := range p.inputs {
		k, ok := in.input.(*kafkaInput)
		if !ok || !k.reads(topic) {
			continue
		}
		acks := &acknowledgements{partitions: map[partition]*ackLine[*kgo.Record]{}}
		c := k.codec()
		var events []*event.Event
		for _, r := range records {
			for _, item := range k.decode(r, c, acks) {
				events = append(events, item.event)
			}
		}
		return events, true
	}
	return nil, false
}

// Bulk is what the pipeline's Elasticsearch outputs would send of an event: lines of a bulk request.
func (p *Pipeline) Bulk(e *event.Event) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shared == nil {
		p.shared = newWorker(p)
	}
	return p.shared.bulk(p.outputs, e)
}

func (w *worker) bulk(nodes []node, e *event.Event) []byte {
	var out []byte
	for _, n := range nodes {
		switch n := n.(type) {
		case *branchNode:
			if arm := w.arm(n, e); arm >= 0 {
				out = append(out, w.bulk(n.nodes(arm), e)...)
			}
		case *outputNode:
			if o, ok := n.output.(*elasticsearchOutput); ok {
				out = append(out, o.actionOf(e).body...)
			}
		}
	}
	return out
}

// Sent is what an output would do with an event.
type Sent struct {
	// Output is the output's id.
	Output string
	// Index and DocumentID are set for Elasticsearch, Topic for Kafka, Path for files.
	Index, DocumentID, Topic, Path string
}

// Sends says where the outputs would send an event. An event that a condition cannot be evaluated for goes nowhere.
func (p *Pipeline) Sends(e *event.Event) []Sent {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shared == nil {
		p.shared = newWorker(p)
	}
	return p.shared.sends(p.outputs, e)
}

func (w *worker) sends(nodes []node, e *event.Event) []Sent {
	var out []Sent
	for _, n := range nodes {
		switch n := n.(type) {
		case *branchNode:
			if arm := w.arm(n, e); arm >= 0 {
				w.taken[n.index][arm].Add(1)
				out = append(out, w.sends(n.nodes(arm), e)...)
			}
		case *outputNode:
			w.plugins[n.index].in.Add(1)
			s := Sent{Output: n.id}
			switch o := n.output.(type) {
			case *elasticsearchOutput:
				a := o.actionOf(e)
				s.Index, s.DocumentID = a.index, a.id
			case *kafkaOutput:
				s.Topic = o.topic.Fill(e)
			case *fileOutput:
				s.Path = o.eventPath(e)
			}
			out = append(out, s)
		}
	}
	return out
}

// Covered is a part of a pipeline with how often events have come there through Filter and Sends.
type Covered struct {
	// Kind is filter, branch, pattern or output.
	Kind string
	// Name is the plugin with its id, the condition, or the pattern.
	Name string
	File string
	Line int
	// Count is the number of events.
	Count int64
}

// Coverage lists every filter, every arm of every conditional (the way past all of them included), every grok pattern
// and every output, in the order of the files.
func (p *Pipeline) Coverage() []Covered {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shared == nil {
		p.shared = newWorker(p)
	}
	return p.shared.coverage(p.outputs, p.shared.coverage(p.filters, nil))
}

func (w *worker) coverage(nodes []node, out []Covered) []Covered {
	for _, n := range nodes {
		switch n := n.(type) {
		case *filterNode:
			out = append(out, w.covered(n.pluginInfo))
			if g, ok := n.filter.(*grokFilter); ok {
				out = append(out, g.covered()...)
			}
		case *outputNode:
			out = append(out, w.covered(n.pluginInfo))
		case *branchNode:
			for i, arm := range n.branch.Arms {
				name := "if " + arm.Text
				if i > 0 {
					name = "else if " + arm.Text
				}
				out = append(out, Covered{Kind: "branch", Name: name, File: arm.Pos.File, Line: arm.Pos.Line, Count: w.taken[n.index][i].Load()})
				out = w.coverage(n.arms[i], out)
			}
			pos, name := n.branch.ElsePos, "else"
			if pos.Line == 0 {
				pos, name = n.branch.Pos, "none of the conditions of: if "+n.branch.Arms[0].Text
			}
			out = append(out, Covered{Kind: "branch", Name: name, File: pos.File, Line: pos.Line, Count: w.taken[n.index][len(n.arms)].Load()})
			out = w.coverage(n.els, out)
		}
	}
	return out
}

func (w *worker) covered(n *pluginInfo) Covered {
	name := n.name
	if len(n.id) != 64 {
		name += " " + n.id
	}
	return Covered{Kind: n.kind, Name: name, File: n.pos.File, Line: n.pos.Line, Count: w.plugins[n.index].in.Load()}
}

func (f *grokFilter) covered() []Covered {
	var out []Covered
	for _, field := range f.fields {
		for _, p := range field.patterns {
			out = append(out, Covered{Kind: "pattern", Name: p.String(), File: p.pos.File, Line: p.pos.Line, Count: p.hits.Load()})
		}
	}
	return out
}
