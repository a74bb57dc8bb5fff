package logstash

import (
	"log/slog"
	"regexp"
	"slices"
	"strings"

	"obsandbox/sandbox/internal/logstash/event"
	"obsandbox/sandbox/internal/logstash/lang"
	"obsandbox/sandbox/internal/logstash/rubyre"
)

// kv finds key=value pairs in text.
type kv struct {
	decorator
	source, target             event.Ref
	hasTarget                  bool
	scan, splitter             *rubyre.Regexp
	trimKey, trimValue         *rubyre.Regexp
	removeKey, removeValue     *rubyre.Regexp
	transformKey, transformVal func(string) string
	prefix                     *event.Template
	include, exclude           []*event.Template
	defaults                   lang.Hash
	duplicates, empties        bool
	recursive                  bool
	tagOnFailure               []string
	log                        *slog.Logger
}

func newKV(b *build) (filter, error) {
	f := &kv{
		decorator:    b.decorator(),
		source:       b.ref("source", "message"),
		prefix:       b.parseTemplate("prefix", b.str("prefix", "")),
		include:      b.templates("include_keys"),
		exclude:      b.templates("exclude_keys"),
		defaults:     b.hash("default_keys"),
		duplicates:   b.boolean("allow_duplicate_values", true),
		empties:      b.boolean("allow_empty_values", false),
		recursive:    b.boolean("recursive", false),
		tagOnFailure: b.list("tag_on_failure", "_kv_filter_error"),
		log:          b.log,
	}
	b.ecs()
	f.target, f.hasTarget = b.target("target")
	f.trimKey = b.charClass("trim_key", func(c string) string { return "^[" + c + "]+|[" + c + "]+$" })
	f.trimValue = b.charClass("trim_value", func(c string) string { return "^[" + c + "]+|[" + c + "]+$" })
	f.removeKey = b.charClass("remove_char_key", func(c string) string { return "[" + c + "]" })
	f.removeValue = b.charClass("remove_char_value", func(c string) string { return "[" + c + "]" })
	f.transformKey, f.transformVal = b.transform("transform_key"), b.transform("transform_value")
	f.expressions(b)
	// Go's engine needs no limit; patterns with look-ahead have regexp2's.
	b.number("timeout_millis", 30000)
	b.str("tag_on_timeout", "_kv_filter_timeout")
	return f, b.done()
}

func (b *build) charClass(option string, pattern func(chars string) string) *rubyre.Regexp {
	if b.option(option) == nil {
		return nil
	}
	return b.regexp(option, pattern(b.str(option, "")))
}

func (b *build) regexp(option, pattern string) *rubyre.Regexp {
	re, err := rubyre.Compile(pattern)
	if err != nil {
		b.fail(option, "%v", err)
		return nil
	}
	return re
}

func (b *build) transform(option string) func(string) string {
	switch b.oneOf(option, "", "lowercase", "uppercase", "capitalize") {
	case "lowercase":
		return strings.ToLower
	case "uppercase":
		return strings.ToUpper
	case "capitalize":
		return capitalize
	}
	return nil
}

// expressions builds the pattern that finds a pair, the way Logstash's plugin does.
func (f *kv) expressions(b *build) {
	fieldChars, valueChars := b.str("field_split", " "), b.str("value_split", "=")
	fieldPattern, valuePattern := b.str("field_split_pattern", ""), b.str("value_split_pattern", "")
	if valueChars == "" {
		b.fail("value_split", "must not be empty")
	}
	for _, name := range []string{"field_split_pattern", "value_split_pattern"} {
		if b.find(name) != nil && b.str(name, "") == "" {
			b.fail(name, "must not be empty")
		}
	}
	fieldSplit, valueSplit := fieldPattern, valuePattern
	if fieldSplit == "" {
		fieldSplit = "[" + fieldChars + "]"
	}
	if valueSplit == "" {
		valueSplit = "[" + valueChars + "]"
	}
	fieldSplit = "(?:" + fieldSplit + ")"
	valueSplit = "(?:" + valueSplit + ")"
	if b.oneOf("whitespace", "lenient", "strict", "lenient") == "lenient" {
		valueSplit = "(?: *" + valueSplit + " *)"
	}
	until := func(class string) string { return `((?:\\.|[^` + class + `])+)` }
	untilPattern := func(patterns ...string) string {
		return `((?:(?!` + strings.Join(patterns, "|") + `)(?:\\.|.))+)`
	}
	key := until(valueChars + fieldChars)
	if fieldPattern != "" || valuePattern != "" {
		key = untilPattern(valueSplit, fieldSplit)
	}
	quoted := func(open, end string) string {
		return regexp.QuoteMeta(open) + until(`\`+end) + "?" + regexp.QuoteMeta(end)
	}
	values := []string{`"` + until(`"`) + `?"`, `'` + until(`'`) + `?'`}
	if b.boolean("include_brackets", true) {
		values = append(values, quoted("(", ")"), quoted("[", "]"), "<"+until(">")+"?>")
	}
	if fieldPattern != "" {
		values = append(values, untilPattern(fieldSplit))
	} else {
		values = append(values, until(fieldChars))
	}
	f.scan = b.regexp("field_split", key+valueSplit+"(?:"+strings.Join(values, "|")+")?(?:"+fieldSplit+"|$)")
	f.splitter = b.regexp("value_split", valueSplit)
}

func (f *kv) filter(e *event.Event) error {
	found := &pairs{values: map[string]any{}}
	for _, d := range f.defaults {
		found.set(d.Key, d.Value.Plain())
	}
	parsed := &pairs{values: map[string]any{}}
	switch v := e.Get(f.source).(type) {
	case string:
		f.parse(v, e, parsed)
	case []any:
		for _, item := range v {
			if s, ok := item.(string); ok {
				f.parse(s, e, parsed)
			}
		}
	}
	for _, k := range parsed.keys {
		found.set(k, parsed.values[k])
	}
	if len(found.keys) == 0 {
		return nil
	}
	if err := f.set(e, found); err != nil {
		f.log.Warn("kv: an exception while parsing", "error", err)
		tagAll(e, f.tagOnFailure)
	}
	return nil
}

// set writes what was found into the event, in the order of the text, up to the first that cannot be set.
func (f *kv) set(e *event.Event, found *pairs) error {
	if f.hasTarget {
		if err := e.Set(f.target, found.values); err != nil {
			return err
		}
		return f.matched(e)
	}
	for _, k := range found.keys {
		ref, err := event.ParseRef(k)
		if err == nil {
			err = e.Set(ref, found.values[k])
		}
		if err != nil {
			return err
		}
	}
	return f.matched(e)
}

// pairs are keys with their values, in the order in which the keys came.
type pairs struct {
	keys   []string
	values map[string]any
}

func (p *pairs) set(key string, value any) {
	if _, known := p.values[key]; !known {
		p.keys = append(p.keys, key)
	}
	p.values[key] = value
}

func fillAll(templates []*event.Template, e *event.Event) []string {
	var out []string
	for _, t := range templates {
		out = append(out, t.Fill(e))
	}
	return out
}

func (f *kv) parse(text string, e *event.Event, found *pairs) {
	if !f.splitter.MatchString(text) {
		return
	}
	include, exclude := fillAll(f.include, e), fillAll(f.exclude, e)
	change := func(s string, trim, remove *rubyre.Regexp, transform func(string) string) string {
		if trim != nil {
			s = trim.ReplaceAll(s, "")
		}
		if remove != nil {
			s = remove.ReplaceAll(s, "")
		}
		if transform != nil {
			s = transform(s)
		}
		return s
	}
	for _, groups := range f.scan.Submatches(text) {
		value := ""
		for _, g := range groups[2:] {
			if value = g; g != "" {
				break
			}
		}
		if value == "" && !f.empties {
			continue
		}
		key := change(groups[1], f.trimKey, f.removeKey, f.transformKey)
		if len(include) > 0 && !slices.Contains(include, key) || slices.Contains(exclude, key) {
			continue
		}
		key = f.prefix.Fill(e) + key
		value = change(value, f.trimValue, f.removeValue, f.transformVal)
		have, known := found.values[key]
		if known && !f.duplicates && includes(have, value) {
			continue
		}
		item := any(value)
		if f.recursive {
			inner := &pairs{values: map[string]any{}}
			if f.parse(value, e, inner); len(inner.keys) > 0 {
				item = inner.values
			}
		}
		switch {
		case !known:
			found.set(key, item)
		default:
			if list, ok := have.([]any); ok {
				found.set(key, append(list, item))
			} else {
				found.set(key, []any{have, item})
			}
		}
	}
}

// includes is Ruby's include?: an element of a list, a part of a text, a key of a hash.
func includes(have any, value string) bool {
	switch h := have.(type) {
	case string:
		return strings.Contains(h, value)
	case []any:
		return slices.Contains(h, any(value))
	case map[string]any:
		_, ok := h[value]
		return ok
	}
	return false
}
