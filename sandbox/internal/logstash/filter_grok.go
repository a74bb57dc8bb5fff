package logstash

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"obsandbox/sandbox/internal/logstash/event"
	"obsandbox/sandbox/internal/logstash/grok"
	"obsandbox/sandbox/internal/logstash/lang"
)

// grokFilter takes fields out of text by named patterns.
type grokFilter struct {
	decorator
	fields       []grokField
	target       string
	overwrite    []string
	breakOnMatch bool
	keepEmpty    bool
	tagOnFailure []string
	tagOnTimeout string
	log          *slog.Logger
}

type grokField struct {
	ref      event.Ref
	patterns []*grokPattern
}

// grokPattern is an expression with its place and how often it has matched.
type grokPattern struct {
	*grok.Expression
	pos  lang.Pos
	hits atomic.Int64
}

func newGrok(b *build) (filter, error) {
	f := &grokFilter{
		decorator:    b.decorator(),
		overwrite:    b.list("overwrite"),
		breakOnMatch: b.boolean("break_on_match", true),
		keepEmpty:    b.boolean("keep_empty_captures", false),
		tagOnFailure: b.list("tag_on_failure", "_grokparsefailure"),
		tagOnTimeout: b.str("tag_on_timeout", "_groktimeout"),
		log:          b.log,
	}
	if target, ok := b.target("target"); ok {
		f.target = target.String()
		if !strings.HasPrefix(f.target, "[") {
			f.target = "[" + f.target + "]"
		}
	}
	b.oneOf("timeout_scope", "pattern", "pattern", "event")
	timeout := time.Duration(b.integer("timeout_millis", 30000)) * time.Millisecond
	namedOnly := b.boolean("named_captures_only", true)
	patterns, err := grok.Builtin(b.ecs() != "disabled")
	if err != nil {
		return nil, err
	}
	glob := b.str("patterns_files_glob", "*")
	for _, dir := range b.list("patterns_dir") {
		if err := addPatterns(patterns, b.pipeline.path(dir), glob); err != nil {
			b.fail("patterns_dir", "%v", err)
		}
	}
	for _, e := range b.hash("pattern_definitions") {
		s, _ := e.Value.String()
		patterns[e.Key] = strings.TrimRight(s, "\n")
	}
	b.required("match")
	for _, e := range b.hash("match") {
		ref, err := event.ParseRef(e.Key)
		if err != nil {
			b.failAt(e.Pos, "match", "%v", err)
			continue
		}
		gf := grokField{ref: ref}
		for _, v := range e.Value.List() {
			text, ok := v.String()
			if !ok {
				b.failAt(v.Pos, "match", "expected a pattern or a list of patterns for %s", e.Key)
				continue
			}
			x, err := patterns.Compile(text, namedOnly, timeout)
			if err != nil {
				b.failAt(v.Pos, "match", "%v", err)
				continue
			}
			for _, name := range x.Fields() {
				if _, err := event.ParseRef(name); err != nil {
					b.failAt(v.Pos, "match", "in %q: %v", text, err)
				}
			}
			gf.patterns = append(gf.patterns, &grokPattern{Expression: x, pos: v.Pos})
		}
		f.fields = append(f.fields, gf)
	}
	return f, b.done()
}

// addPatterns reads the pattern files of a directory, or one file.
func addPatterns(patterns grok.Patterns, path, glob string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, glob)
	}
	files, err := filepath.Glob(path)
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no pattern files at %s", path)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && info.IsDir() {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read patterns: %w", err)
		}
		if err := patterns.Add(file, string(data)); err != nil {
			return err
		}
	}
	return nil
}

func (f *grokFilter) filter(e *event.Event) error {
	matched := false
	for _, field := range f.fields {
		ok, err := f.match(e, field)
		if errors.Is(err, grok.ErrTimeout) {
			f.log.Warn("grok: a match was given up", "field", field.ref.String(), "error", err)
			e.Tag(f.tagOnTimeout)
			return nil
		}
		if ok {
			matched = true
			if f.breakOnMatch {
				break
			}
		}
	}
	if !matched {
		tagAll(e, f.tagOnFailure)
		return nil
	}
	return f.matched(e)
}

// match tries a field's expressions on its value, or on each value of a list.
func (f *grokFilter) match(e *event.Event, field grokField) (bool, error) {
	value := e.Get(field.ref)
	list, isList := value.([]any)
	if !isList {
		return f.matchText(e, field, value)
	}
	success := false
	for _, v := range slices.Clone(list) {
		ok, err := f.matchText(e, field, v)
		if err != nil {
			return false, err
		}
		success = success || ok
	}
	return success, nil
}

func (f *grokFilter) matchText(e *event.Event, field grokField, value any) (bool, error) {
	text := event.RubyString(value)
	matched := false
	for _, x := range field.patterns {
		ok, err := x.Match(text, func(name string, v any) { f.capture(e, name, v) })
		if err != nil {
			return false, err
		}
		// Without break_on_match the last expression decides, as in Logstash.
		matched = ok
		if ok {
			x.hits.Add(1)
		}
		if ok && f.breakOnMatch {
			break
		}
	}
	return matched, nil
}

func (f *grokFilter) capture(e *event.Event, name string, value any) {
	if !f.keepEmpty && (value == nil || value == "") {
		return
	}
	text := name
	if f.target != "" {
		if strings.HasPrefix(name, "[") {
			text = f.target + name
		} else {
			text = f.target + "[" + name + "]"
		}
	}
	ref, err := event.ParseRef(text)
	if err == nil && !slices.Contains(f.overwrite, name) {
		switch have := e.Get(ref).(type) {
		case nil:
		case []any:
			value = append(slices.Clone(have), value)
		case string:
			value = []any{have, value}
		default:
			return // Logstash keeps what is neither text nor a list
		}
	}
	if err == nil {
		err = e.Set(ref, value)
	}
	if err != nil {
		f.log.Warn("grok: a field cannot be set", "field", text, "error", err)
	}
}
