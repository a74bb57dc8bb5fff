package logstash

import (
	"fmt"
	"slices"

	"obsandbox/sandbox/internal/logstash/event"
	"obsandbox/sandbox/internal/logstash/rubyre"
)

// prune removes fields by their names or values.
type prune struct {
	decorator
	keepNames, dropNames   []pattern
	keepValues, dropValues []valuePattern
}

// pattern is an expression that may have references in it.
type pattern struct {
	fixed    *rubyre.Regexp
	template *event.Template
}

type valuePattern struct {
	field   *event.Template
	pattern pattern
}

func newPrune(b *build) (filter, error) {
	interpolate := b.boolean("interpolate", false)
	compile := func(option, text string) pattern {
		if interpolate {
			return pattern{template: b.parseTemplate(option, text)}
		}
		return pattern{fixed: b.regexp(option, text)}
	}
	names := func(option string, def ...string) []pattern {
		var out []pattern
		for _, s := range b.list(option, def...) {
			out = append(out, compile(option, s))
		}
		return out
	}
	values := func(option string) []valuePattern {
		var out []valuePattern
		for _, entry := range b.hash(option) {
			text, ok := entry.Value.String()
			if !ok {
				b.failAt(entry.Pos, option, "expected field => \"expression\"")
				continue
			}
			field := entry.Key
			if !interpolate {
				// The name is taken as it is; a template without references is just that.
				t, err := event.ParseTemplate(field)
				if err != nil || !t.Plain() {
					b.failAt(entry.Pos, option, "references in %q need interpolate => true", field)
				}
			}
			out = append(out, valuePattern{field: b.parseTemplate(option, field), pattern: compile(option, text)})
		}
		return out
	}
	f := &prune{
		decorator:  b.decorator(),
		keepNames:  names("whitelist_names"),
		dropNames:  names("blacklist_names", `%\{[^}]+\}`),
		keepValues: values("whitelist_values"),
		dropValues: values("blacklist_values"),
	}
	return f, b.done()
}

func (p pattern) expression(e *event.Event) (*rubyre.Regexp, error) {
	if p.fixed != nil {
		return p.fixed, nil
	}
	return rubyre.Compile(p.template.Fill(e))
}

func anyMatch(patterns []pattern, e *event.Event, s string) (bool, error) {
	for _, p := range patterns {
		re, err := p.expression(e)
		if err != nil {
			return false, err
		}
		if re.MatchString(s) {
			return true, nil
		}
	}
	return false, nil
}

func (f *prune) filter(e *event.Event) error {
	var remove []string
	for name := range e.Data() {
		keep, err := anyMatch(f.keepNames, e, name)
		if err != nil {
			return err
		}
		drop, err := anyMatch(f.dropNames, e, name)
		if err != nil {
			return err
		}
		if len(f.keepNames) > 0 && !keep || drop {
			remove = append(remove, name)
		}
	}
	for _, list := range []struct {
		patterns []valuePattern
		drop     bool
	}{{f.keepValues, false}, {f.dropValues, true}} {
		for _, vp := range list.patterns {
			name, err := f.pruneValue(e, vp, list.drop)
			if err != nil {
				return err
			}
			if name != "" {
				remove = append(remove, name)
			}
		}
	}
	for _, name := range remove {
		ref, err := event.ParseRef(name)
		if err != nil {
			return err
		}
		e.Remove(ref)
	}
	return f.matched(e)
}

// pruneValue takes elements out of a list; for a single value, or a list of which nothing is left, it names the field.
func (f *prune) pruneValue(e *event.Event, vp valuePattern, drop bool) (string, error) {
	re, err := vp.pattern.expression(e)
	if err != nil {
		return "", err
	}
	name := vp.field.Fill(e)
	value := e.Data()[name]
	if value == nil || value == false {
		return "", nil
	}
	goes := func(v any) (bool, error) {
		s, ok := v.(string)
		if !ok {
			return false, fmt.Errorf("prune: %s holds a %T, which no expression can match", name, v)
		}
		return re.MatchString(s) == drop, nil
	}
	list, ok := value.([]any)
	if !ok {
		gone, err := goes(value)
		if gone {
			return name, err
		}
		return "", err
	}
	var kept []any
	for _, v := range list {
		gone, err := goes(v)
		if err != nil {
			return "", err
		}
		if !gone {
			kept = append(kept, v)
		}
	}
	if len(kept) == 0 {
		return name, nil
	}
	if len(kept) < len(list) {
		ref, err := event.ParseRef(name)
		if err != nil {
			return "", err
		}
		return "", e.Set(ref, slices.Clone(kept))
	}
	return "", nil
}
