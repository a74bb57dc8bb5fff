package logstash

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"obsandbox/sandbox/internal/logstash/event"
)

// translate replaces values by what a dictionary has for them.
type translate struct {
	decorator
	source, target event.Ref
	iterate        event.Ref
	iterateSource  bool
	iterateMaps    bool
	override       bool
	inPlace        bool
	fallback       *event.Template
	exact, regex   bool
	words          atomic.Pointer[dictionary]
	file           string
	refresh        time.Duration
	replace        bool
	nextLook       atomic.Int64
	now            func() time.Time
	log            *slog.Logger
}

func newTranslate(b *build) (filter, error) {
	f := &translate{
		decorator: b.decorator(),
		exact:     b.boolean("exact", true),
		regex:     b.boolean("regex", false),
		fallback:  b.template("fallback", ""),
		refresh:   time.Duration(b.integer("refresh_interval", 300)) * time.Second,
		replace:   b.oneOf("refresh_behaviour", "merge", "merge", "replace") == "replace",
		now:       b.now,
		log:       b.log,
	}
	if b.find("fallback") != nil && f.fallback == nil {
		f.fallback = b.parseTemplate("fallback", "")
	}
	source := b.alias("source", "field")
	if source == "" {
		b.required("source")
		source = "message"
	}
	target := b.alias("target", "destination")
	if ecs := b.ecs(); target == "" {
		target = source
		if ecs == "disabled" {
			target = "translation"
		}
	}
	var err error
	if f.source, err = event.ParseRef(source); err != nil {
		b.fail("source", "%v", err)
	}
	if f.target, err = event.ParseRef(target); err != nil {
		b.fail("target", "%v", err)
	}
	f.inPlace = source == target
	f.override = b.boolean("override", f.inPlace)
	if f.inPlace && !f.override {
		b.fail("override", "false has no effect on a translation in place: remove the option")
	}
	if iterate := b.str("iterate_on", ""); iterate != "" {
		f.iterate = b.ref("iterate_on", "")
		f.iterateSource = iterate == source
		f.iterateMaps = !f.iterateSource
	}
	f.load(b)
	return f, b.done()
}

// alias is an option that has an older name.
func (b *build) alias(name, old string) string {
	current, former := b.str(name, ""), b.str(old, "")
	if current != "" && former != "" {
		b.fail(old, "is the old name of %s: remove it", name)
	}
	if current == "" {
		return former
	}
	return current
}

func (f *translate) load(b *build) {
	inline, path := b.hash("dictionary"), b.str("dictionary_path", "")
	b.ignore("yaml_dictionary_code_point_limit", "yaml_load_strategy")
	d := &dictionary{values: map[string]any{}}
	switch {
	case inline != nil && path != "":
		b.fail("dictionary_path", "dictionary and dictionary_path exclude each other")
	case path != "":
		f.file = b.pipeline.path(path)
		var err error
		if d, err = readDictionary(f.file); err != nil {
			b.fail("dictionary_path", "%v", err)
			return
		}
	default:
		for _, e := range inline {
			d.add(e.Key, e.Value.Plain())
		}
	}
	if err := d.compile(f.exact, f.regex); err != nil {
		b.fail("dictionary", "%v", err)
	}
	f.words.Store(d)
	f.nextLook.Store(f.now().Add(f.refresh).UnixNano())
}

// current is the dictionary, read again where its file has changed and the time to look has come.
func (f *translate) current() *dictionary {
	d := f.words.Load()
	now := f.now()
	next := f.nextLook.Load()
	if f.file == "" || f.refresh == 0 || now.UnixNano() < next || !f.nextLook.CompareAndSwap(next, now.Add(f.refresh).UnixNano()) {
		return d
	}
	info, err := os.Stat(f.file)
	if err != nil || info.ModTime().Equal(d.modified) {
		return d
	}
	fresh, err := readDictionary(f.file)
	if err == nil && !f.replace {
		merged := &dictionary{keys: slices.Clone(d.keys), values: map[string]any{}, modified: fresh.modified}
		for k, v := range d.values {
			merged.values[k] = v
		}
		for _, k := range fresh.keys {
			merged.add(k, fresh.values[k])
		}
		fresh = merged
	}
	if err == nil {
		err = fresh.compile(f.exact, f.regex)
	}
	if err != nil {
		f.log.Warn("translate: the dictionary cannot be read again, the old one stays", "error", err)
		return d
	}
	f.words.Store(fresh)
	return fresh
}

func (f *translate) lookup(d *dictionary, s string) (any, bool) {
	switch {
	case f.exact && f.regex:
		for i, re := range d.patterns {
			if re.MatchString(s) {
				return event.CloneValue(d.values[d.keys[i]]), true
			}
		}
		return nil, false
	case f.exact:
		v, ok := d.values[s]
		return event.CloneValue(v), ok
	}
	out := d.replaceAll(s)
	return out, out != s
}

func (f *translate) filter(e *event.Event) error {
	d := f.current()
	done, err := false, error(nil)
	_, hasTarget := e.Lookup(f.target)
	switch {
	case f.iterateMaps:
		done, err = f.eachMap(e, d)
	case !f.override && hasTarget:
		return nil
	case f.iterateSource:
		done, err = f.eachValue(e, d)
	default:
		done, err = f.single(e, d)
	}
	if err != nil {
		f.log.Error("translate: something went wrong", "error", err)
		return nil
	}
	if done {
		return f.matched(e)
	}
	return nil
}

func (f *translate) single(e *event.Event, d *dictionary) (bool, error) {
	v, ok := e.Lookup(f.source)
	if !ok {
		return false, nil
	}
	if list, isList := v.([]any); isList {
		v = ""
		if len(list) > 0 {
			v = list[0]
		}
	}
	result, found := f.lookup(d, event.RubyString(v))
	if !found {
		if f.fallback == nil {
			return f.inPlace, nil
		}
		result = f.fallback.Fill(e)
	}
	return true, e.Set(f.target, result)
}

func (f *translate) eachValue(e *event.Event, d *dictionary) (bool, error) {
	v, ok := e.Lookup(f.iterate)
	if !ok {
		return false, nil
	}
	source := event.ToList(v)
	out := make([]any, len(source))
	done := f.inPlace
	for i, item := range source {
		if result, found := f.lookup(d, event.RubyString(item)); found {
			out[i] = result
		} else if f.fallback != nil {
			out[i] = f.fallback.Fill(e)
		}
		done = done || out[i] != nil
	}
	return done, e.Set(f.target, out)
}

func (f *translate) eachMap(e *event.Event, d *dictionary) (bool, error) {
	v, ok := e.Lookup(f.iterate)
	if !ok {
		return false, nil
	}
	done := f.inPlace
	for i := range event.ToList(v) {
		at := func(ref event.Ref) (event.Ref, error) {
			return event.ParseRef(bracketed(f.iterate) + fmt.Sprintf("[%d]", i) + bracketed(ref))
		}
		src, err := at(f.source)
		if err != nil {
			return done, err
		}
		inner := e.Get(src)
		if inner == nil {
			continue
		}
		result, found := f.lookup(d, event.RubyString(inner))
		if !found {
			if f.fallback == nil {
				continue
			}
			result = f.fallback.Fill(e)
		}
		dst, err := at(f.target)
		if err != nil {
			return done, err
		}
		if err := e.Set(dst, result); err != nil {
			return done, err
		}
		done = true
	}
	return done, nil
}

func bracketed(ref event.Ref) string {
	if s := ref.String(); strings.HasPrefix(s, "[") {
		return s
	}
	return "[" + ref.String() + "]"
}
