package logstash

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"obsandbox/sandbox/internal/logstash/event"
	"obsandbox/sandbox/internal/logstash/lang"
)

// Pipeline is a compiled pipeline.
type Pipeline struct {
	settings Settings
	log      *slog.Logger
	inputs   []*inputNode
	filters  []node
	outputs  []node
	// nodes are all plugins, in the order of the files: what the monitoring API reports.
	nodes []*pluginInfo
	// branches are all conditionals, in the order of the files.
	branches []*branchNode
	queue    *queue
	dead     *deadLetters
	now      func() time.Time
	// shared is the worker of Filter; mu guards it.
	mu     sync.Mutex
	shared *worker
	// totals are the counters of the pipeline as a whole.
	totals totals
}

// pluginInfo is one use of a plugin.
type pluginInfo struct {
	id, kind, name string
	pos            lang.Pos
	// index is the plugin's place in the workers' counters.
	index int
}

// node is a plugin or a conditional in the tree of filters or of outputs.
type node interface{}

type filterNode struct {
	*pluginInfo
	filter filter
}

type outputNode struct {
	*pluginInfo
	output output
}

type inputNode struct {
	*pluginInfo
	input input
	queue *queue
	// ownCodec says that the file names the codec.
	ownCodec bool
}

// branchNode is a conditional. Its counters say how many events took each arm; the last one is for none of them.
type branchNode struct {
	branch *lang.Branch
	arms   [][]node
	els    []node
	index  int
}

// Compile reads pipeline files for tests: filters alone are run, inputs and outputs must load but are not started.
// Environment variables come from the process.
func Compile(files ...string) (*Pipeline, error) {
	dir := "."
	if len(files) > 0 {
		dir = filepath.Dir(filepath.Dir(files[0]))
	}
	s := defaultSettings(dir, dir, os.LookupEnv)
	s.Files = files
	return compile(s, slog.New(slog.DiscardHandler), time.Now)
}

// CompileText is Compile for a text with a name for messages.
func CompileText(name, text string, settings Settings, now func() time.Time) (*Pipeline, error) {
	if settings.ECS == "" {
		base := defaultSettings(".", ".", os.LookupEnv)
		base.Text, settings = text, base
	}
	settings.Text = text
	p, err := compileSources([]lang.Source{{Name: name, Text: text}}, settings, slog.New(slog.DiscardHandler), now)
	return p, err
}

func compile(s Settings, log *slog.Logger, now func() time.Time) (*Pipeline, error) {
	sources, err := s.sources()
	if err != nil {
		return nil, err
	}
	return compileSources(sources, s, log, now)
}

func compileSources(sources []lang.Source, s Settings, log *slog.Logger, now func() time.Time) (*Pipeline, error) {
	config, err := lang.Parse(sources, lang.Options{Env: s.env, Escapes: s.Escapes})
	if err != nil {
		return nil, err
	}
	p := &Pipeline{settings: s, log: log.With("pipeline", s.ID), now: now}
	if s.DeadLetters {
		p.dead = newDeadLetters(filepath.Join(s.data, "dead_letter_queue", s.ID), now)
		p.settings.dead = p.dead
	}
	c := &compiler{pipeline: p, registry: plugins(), ids: map[string]lang.Pos{}}
	for _, n := range config.Inputs {
		c.input(n)
	}
	p.filters = c.tree(config.Filters)
	p.outputs = c.tree(config.Outputs)
	if err := joinErrors(c.errs); err != nil {
		return nil, err
	}
	p.queue = newQueue(s.Workers * s.BatchSize)
	for _, in := range p.inputs {
		in.queue = p.queue.part()
	}
	return p, nil
}

type compiler struct {
	pipeline *Pipeline
	registry *registry
	ids      map[string]lang.Pos
	errs     []error
}

func (c *compiler) info(p *lang.Plugin) *pluginInfo {
	info := &pluginInfo{kind: p.Section, name: p.Name, pos: p.Pos, index: len(c.pipeline.nodes)}
	for _, o := range p.Options {
		if o.Name == "id" {
			info.id, _ = o.Value.String()
			if first, have := c.ids[info.id]; have {
				c.errs = append(c.errs, o.Pos.Errorf("%s %s: option id: %q is already the id of the plugin in line %d", p.Section, p.Name, info.id, first.Line))
			}
			c.ids[info.id] = o.Pos
		}
	}
	if info.id == "" {
		// As Logstash does: stable as long as the file is.
		sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d", p.Section, p.Name, info.index))
		info.id = hex.EncodeToString(sum[:])
	}
	c.pipeline.nodes = append(c.pipeline.nodes, info)
	return info
}

func (c *compiler) build(p *lang.Plugin, info *pluginInfo) *build {
	return &build{plugin: p, pipeline: &c.pipeline.settings, log: c.pipeline.log, now: c.pipeline.now, id: info.id}
}

func made[T any](c *compiler, p *lang.Plugin, known map[string]func(*build) (T, error)) (*pluginInfo, T, bool) {
	var none T
	make, ok := known[p.Name]
	if !ok {
		c.errs = append(c.errs, unknownPlugin(p, known))
		return nil, none, false
	}
	info := c.info(p)
	plugin, err := make(c.build(p, info))
	if err != nil {
		c.errs = append(c.errs, err)
		return nil, none, false
	}
	return info, plugin, true
}

func (c *compiler) input(n lang.Node) {
	p, ok := n.(*lang.Plugin)
	if !ok {
		return // the parser refuses conditionals here
	}
	if info, in, ok := made(c, p, c.registry.inputs); ok {
		own := slices.ContainsFunc(p.Options, func(o lang.Option) bool { return o.Name == "codec" })
		c.pipeline.inputs = append(c.pipeline.inputs, &inputNode{pluginInfo: info, input: in, ownCodec: own})
	}
}

func (c *compiler) tree(nodes []lang.Node) []node {
	var out []node
	for _, n := range nodes {
		switch n := n.(type) {
		case *lang.Branch:
			b := &branchNode{branch: n, index: len(c.pipeline.branches)}
			c.pipeline.branches = append(c.pipeline.branches, b)
			for _, arm := range n.Arms {
				b.arms = append(b.arms, c.tree(arm.Body))
			}
			b.els = c.tree(n.Else)
			out = append(out, b)
		case *lang.Plugin:
			if n.Section == "filter" {
				if info, f, ok := made(c, n, c.registry.filters); ok {
					out = append(out, &filterNode{pluginInfo: info, filter: f})
				}
			} else if info, o, ok := made(c, n, c.registry.outputs); ok {
				out = append(out, &outputNode{pluginInfo: info, output: o})
			}
		}
	}
	return out
}

// Filter runs events through the filters, as one batch, and returns what comes out in order: without the dropped ones,
// with those that filters made.
func (p *Pipeline) Filter(events []*event.Event) []*event.Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shared == nil {
		p.shared = newWorker(p)
	}
	for i, e := range events {
		e.Seq = i
	}
	return p.shared.filterAll(p.filters, events)
}
