package lang

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	config "github.com/breml/logstash-config"
	"github.com/breml/logstash-config/ast"
)

// Options are the settings of Logstash that change how files are read.
type Options struct {
	// Env looks up ${NAME}; nil knows no names.
	Env func(name string) (string, bool)
	// Escapes is config.support_escapes: \n, \t … in strings are processed.
	Escapes bool
}

// parsing guards the library's parser, which keeps the place of its farthest failure in a package variable.
var parsing sync.Mutex

// Parse reads the files of one pipeline as Logstash would read them joined together.
func Parse(sources []Source, opts Options) (*Config, error) {
	out := &Config{}
	for _, src := range sources {
		tree, err := parseSource(src)
		if err != nil {
			return nil, err
		}
		b := builder{src: src, opts: opts}
		for _, part := range []struct {
			name     string
			sections []ast.PluginSection
			to       *[]Node
		}{{"input", tree.Input, &out.Inputs}, {"filter", tree.Filter, &out.Filters}, {"output", tree.Output, &out.Outputs}} {
			b.section = part.name
			for _, s := range part.sections {
				nodes, err := b.nodes(s.BranchOrPlugins)
				if err != nil {
					return nil, err
				}
				*part.to = append(*part.to, nodes...)
			}
		}
	}
	return out, nil
}

var (
	failurePos    = regexp.MustCompile(`(?:pos |^)(\d+):(\d+)`)
	failureOffset = regexp.MustCompile(`Parsing error at pos .* and \[(\d+)\]`)
)

func parseSource(src Source) (tree ast.Config, err error) {
	parsing.Lock()
	defer parsing.Unlock()
	fail := func(msg string) error {
		pos := Pos{File: src.Name, Line: 1}
		if m := failurePos.FindStringSubmatch(msg); m != nil {
			pos.Line, _ = strconv.Atoi(m[1])
			pos.Column, _ = strconv.Atoi(m[2])
		}
		// Where the parser knows how far it came, that is the place, not where the thing began that it could not read.
		if m := failureOffset.FindStringSubmatch(msg); m != nil {
			offset, _ := strconv.Atoi(m[1])
			b := builder{src: src}
			pos = b.at(offset)
		}
		if _, reasons, ok := strings.Cut(msg, "-> "); ok {
			msg = strings.ReplaceAll(strings.TrimSpace(reasons), "\n-> ", ", or ")
		}
		return pos.Errorf("the pipeline cannot be parsed: %s", strings.TrimSpace(msg))
	}
	defer func() {
		if r := recover(); r != nil {
			err = fail(fmt.Sprint(r))
		}
	}()
	got, err := config.Parse(src.Name, []byte(src.Text), config.IgnoreComments(true))
	if err != nil {
		if msg, ok := config.GetFarthestFailure(); ok {
			return tree, fail(msg)
		}
		return tree, fail(strings.TrimPrefix(err.Error(), src.Name+":"))
	}
	tree, ok := got.(ast.Config)
	if !ok {
		return tree, fail(fmt.Sprintf("unexpected result %T", got))
	}
	return tree, nil
}

type builder struct {
	src     Source
	opts    Options
	section string
}

// pos is the place of a node's first character; the library's starts with the white space and comments before it.
func (b *builder) pos(p ast.Pos) Pos {
	text, at := b.src.Text, p.Offset
	if p.Line == 0 {
		return Pos{File: b.src.Name}
	}
	for at < len(text) {
		switch text[at] {
		case ' ', '\t', '\r', '\n':
			at++
			continue
		case '#':
			if end := strings.IndexByte(text[at:], '\n'); end >= 0 {
				at += end + 1
				continue
			}
		}
		break
	}
	return b.at(at)
}

func (b *builder) at(offset int) Pos {
	before := b.src.Text[:min(offset, len(b.src.Text))]
	return Pos{
		File:   b.src.Name,
		Line:   1 + strings.Count(before, "\n"),
		Column: offset - strings.LastIndexByte(before, '\n'),
	}
}

func (b *builder) nodes(in []ast.BranchOrPlugin) ([]Node, error) {
	var out []Node
	for _, n := range in {
		switch n := n.(type) {
		case ast.Plugin:
			p, err := b.plugin(n, b.section)
			if err != nil {
				return nil, err
			}
			out = append(out, p)
		case ast.Branch:
			br, err := b.branch(n)
			if err != nil {
				return nil, err
			}
			out = append(out, br)
		}
	}
	return out, nil
}

func (b *builder) branch(n ast.Branch) (*Branch, error) {
	if b.section == "input" {
		return nil, b.pos(n.IfBlock.Start).Errorf("inputs cannot stand in a conditional: there is no event yet")
	}
	br := &Branch{Pos: b.pos(n.IfBlock.Start)}
	arm := func(start ast.Pos, cond ast.Condition, body []ast.BranchOrPlugin) error {
		pos := b.pos(start)
		c, err := b.condition(cond, pos)
		if err != nil {
			return err
		}
		nodes, err := b.nodes(body)
		br.Arms = append(br.Arms, Arm{Pos: pos, Text: cond.String(), Cond: c, Body: nodes})
		return err
	}
	if err := arm(n.IfBlock.Start, n.IfBlock.Condition, n.IfBlock.Block); err != nil {
		return nil, err
	}
	for _, eib := range n.ElseIfBlock {
		if err := arm(eib.Start, eib.Condition, eib.Block); err != nil {
			return nil, err
		}
	}
	if n.ElseBlock.Start.Line > 0 {
		br.ElsePos = b.pos(n.ElseBlock.Start)
		var err error
		br.Else, err = b.nodes(n.ElseBlock.Block)
		return br, err
	}
	return br, nil
}

func (b *builder) plugin(n ast.Plugin, section string) (*Plugin, error) {
	p := &Plugin{Pos: b.pos(n.Start), Section: section, Name: n.Name()}
	for _, a := range n.Attributes {
		pos := b.pos(a.Pos())
		name := strings.Trim(a.Name(), `"'`)
		v, err := b.value(a, pos)
		if err != nil {
			return nil, err
		}
		p.Options = mergeOption(p.Options, Option{Pos: pos, Name: name, Value: v})
	}
	return p, nil
}

// mergeOption adds an option; one that is there already takes the new value in, by Logstash's rules.
func mergeOption(options []Option, o Option) []Option {
	for i := range options {
		have := &options[i]
		if have.Name != o.Name {
			continue
		}
		switch old := have.Value.Any.(type) {
		case Hash:
			if add, ok := o.Value.Any.(Hash); ok {
				have.Value.Any = mergeHash(old, add)
				return options
			}
		case []Value:
			have.Value.Any = append(old, o.Value.List()...)
			return options
		}
		if have.Value.Any != o.Value.Any {
			have.Value.Any = append([]Value{have.Value}, o.Value.List()...)
		}
		return options
	}
	return append(options, o)
}

// mergeHash adds a hash's keys to another's; a key in both collects the values.
func mergeHash(old, add Hash) Hash {
	for _, e := range add {
		at := -1
		for i := range old {
			if old[i].Key == e.Key {
				at = i
			}
		}
		if at < 0 {
			old = append(old, e)
			continue
		}
		old[at].Value.Any = append(append([]Value{}, old[at].Value.List()...), e.Value.List()...)
	}
	return old
}

func (b *builder) value(a ast.Attribute, pos Pos) (Value, error) {
	v := Value{Pos: pos}
	switch a := a.(type) {
	case ast.StringAttribute:
		s, err := b.str(a, pos)
		v.Any = s
		return v, err
	case ast.NumberAttribute:
		v.Any = number(a.Value())
	case ast.ArrayAttribute:
		list := []Value{}
		for _, item := range a.Attributes {
			p := pos
			if item.Pos().Line > 0 {
				p = b.pos(item.Pos())
			}
			iv, err := b.value(item, p)
			if err != nil {
				return v, err
			}
			// Logstash flattens lists in lists.
			if inner, ok := iv.Any.([]Value); ok {
				list = append(list, inner...)
				continue
			}
			list = append(list, iv)
		}
		v.Any = list
	case ast.HashAttribute:
		h := Hash{}
		for _, entry := range a.Entries {
			e := Entry{Pos: b.pos(entry.Start)}
			switch k := entry.Key.(type) {
			case ast.StringAttribute:
				s, err := b.str(k, e.Pos)
				if err != nil {
					return v, err
				}
				e.Key = s
			case ast.NumberAttribute:
				e.Key, _ = Value{Any: number(k.Value())}.String()
			}
			for _, have := range h {
				if have.Key == e.Key {
					return v, e.Pos.Errorf("the key %q stands twice in one hash: Logstash refuses that; write one key with a list", e.Key)
				}
			}
			var err error
			if e.Value, err = b.value(entry.Value, e.Pos); err != nil {
				return v, err
			}
			h = append(h, e)
		}
		v.Any = h
	case ast.PluginAttribute:
		p, err := b.codec(a, pos)
		v.Any = p
		return v, err
	}
	return v, nil
}

func number(f float64) any {
	if f == float64(int64(f)) {
		return int64(f)
	}
	return f
}

func (b *builder) str(a ast.StringAttribute, pos Pos) (string, error) {
	s := a.Value()
	if a.StringAttributeType() != ast.Bareword && b.opts.Escapes {
		s = unescape(s)
	}
	s, err := Substitute(s, b.opts.Env)
	if err != nil {
		return "", pos.Errorf("%v", err)
	}
	return s, nil
}

// unescape is config.support_escapes: \n \r \t \" \' \\ \0 and \/; other escapes stay as they are.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\'`, `'`, `\n`, "\n", `\r`, "\r", `\t`, "\t", `\/`, "/", `\0`, "\x00").Replace(s)
}

var placeholder = regexp.MustCompile(`\$\{([a-zA-Z_.][a-zA-Z0-9_.]*)(:([^}]*))?\}`)

// Substitute replaces ${NAME} and ${NAME:default} by what env gives; a name without either is an error.
func Substitute(s string, env func(string) (string, bool)) (string, error) {
	if !strings.Contains(s, "${") {
		return s, nil
	}
	var fault error
	s = placeholder.ReplaceAllStringFunc(s, func(all string) string {
		m := placeholder.FindStringSubmatch(all)
		if env != nil {
			if v, ok := env(m[1]); ok {
				return v
			}
		}
		if m[2] == "" {
			fault = fmt.Errorf("cannot evaluate %s: the environment has no %s and no default is given, write ${%s:default}", all, m[1], m[1])
		}
		return m[3]
	})
	return s, fault
}
