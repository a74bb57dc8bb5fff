package logstash

import (
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"obsandbox/sandbox/internal/logstash/event"
	"obsandbox/sandbox/internal/logstash/lang"
)

// build is what a plugin is made from: its options, and what it may know of its pipeline.
type build struct {
	plugin   *lang.Plugin
	pipeline *Settings
	log      *slog.Logger
	// now is the clock; tests set it.
	now func() time.Time
	// id is the plugin's id, given or made up.
	id string

	asked map[string]bool
	errs  []error
}

// fail notes a fault of an option; the option's place is where it stands, or the plugin's where it is missing.
func (b *build) fail(option, format string, args ...any) {
	pos := b.plugin.Pos
	if o := b.find(option); o != nil {
		pos = o.Pos
	}
	b.failAt(pos, option, format, args...)
}

func (b *build) failAt(pos lang.Pos, option, format string, args ...any) {
	msg := fmt.Sprintf(format, args...)
	b.errs = append(b.errs, pos.Errorf("%s %s: option %s: %s", b.plugin.Section, b.plugin.Name, option, msg))
}

func (b *build) find(name string) *lang.Option {
	for i := range b.plugin.Options {
		if b.plugin.Options[i].Name == name {
			return &b.plugin.Options[i]
		}
	}
	return nil
}

// option marks an option as known and finds it.
func (b *build) option(name string) *lang.Option {
	if b.asked == nil {
		b.asked = map[string]bool{}
	}
	b.asked[name] = true
	return b.find(name)
}

// ignore accepts options that change nothing that anybody could see here.
func (b *build) ignore(names ...string) {
	for _, n := range names {
		b.option(n)
	}
}

// done reports all faults, options that nobody asked for among them.
func (b *build) done() error {
	for _, o := range b.plugin.Options {
		if !b.asked[o.Name] {
			known := make([]string, 0, len(b.asked))
			for n := range b.asked {
				known = append(known, n)
			}
			slices.Sort(known)
			b.failAt(o.Pos, o.Name, "unknown here (known: %s)", strings.Join(known, ", "))
		}
	}
	return joinErrors(b.errs)
}

func (b *build) required(names ...string) {
	for _, n := range names {
		if b.find(n) == nil {
			b.errs = append(b.errs, b.plugin.Pos.Errorf("%s %s: option %s is missing: the plugin needs it", b.plugin.Section, b.plugin.Name, n))
		}
	}
}

func (b *build) str(name, def string) string {
	o := b.option(name)
	if o == nil {
		return def
	}
	values := o.Value.List()
	if _, hash := o.Value.Any.(lang.Hash); !hash && len(values) == 1 {
		if s, ok := values[0].String(); ok {
			return s
		}
	}
	b.fail(name, "expected a string")
	return def
}

func (b *build) oneOf(name, def string, allowed ...string) string {
	s := b.str(name, def)
	if s != def && !slices.Contains(allowed, s) {
		b.fail(name, "%q is none of %s", s, strings.Join(allowed, ", "))
	}
	return s
}

func (b *build) boolean(name string, def bool) bool {
	if b.option(name) == nil {
		return def
	}
	switch b.str(name, "") {
	case "true":
		return true
	case "false":
		return false
	}
	b.fail(name, "expected true or false")
	return def
}

func (b *build) integer(name string, def int) int {
	f := b.number(name, float64(def))
	if f != float64(int(f)) {
		b.fail(name, "expected a whole number")
	}
	return int(f)
}

func (b *build) number(name string, def float64) float64 {
	if b.option(name) == nil {
		return def
	}
	f, err := strconv.ParseFloat(b.str(name, ""), 64)
	if err != nil {
		b.fail(name, "expected a number")
		return def
	}
	return f
}

// list is an option that takes one or more strings.
func (b *build) list(name string, def ...string) []string {
	o := b.option(name)
	if o == nil {
		return def
	}
	var out []string
	for _, v := range o.Value.List() {
		s, ok := v.String()
		if !ok {
			b.failAt(v.Pos, name, "expected strings")
			return def
		}
		out = append(out, s)
	}
	return out
}

// hash is an option that takes a hash, in the order in which Logstash works it off; an even list stands for one, as for Logstash.
func (b *build) hash(name string) lang.Hash {
	o := b.option(name)
	if o == nil {
		return nil
	}
	switch v := o.Value.Any.(type) {
	case lang.Hash:
		return javaOrder(v)
	case []lang.Value:
		if len(v)%2 == 0 {
			var h lang.Hash
			for i := 0; i < len(v); i += 2 {
				key, ok := v[i].String()
				if !ok {
					break
				}
				h = append(h, lang.Entry{Pos: v[i].Pos, Key: key, Value: v[i+1]})
			}
			if len(h)*2 == len(v) {
				return h
			}
		}
	}
	b.fail(name, "expected a hash: { \"key\" => \"value\" }")
	return nil
}

func (b *build) ref(name, def string) event.Ref {
	s := b.str(name, def)
	r, err := event.ParseRef(s)
	if err != nil {
		b.fail(name, "%v", err)
		return event.MustRef("invalid")
	}
	return r
}

func (b *build) refs(name string) []event.Ref {
	var out []event.Ref
	for _, s := range b.list(name) {
		r, err := event.ParseRef(s)
		if err != nil {
			b.fail(name, "%v", err)
			continue
		}
		out = append(out, r)
	}
	return out
}

// template is a string with sprintf references; nil where the option is not set and has no default.
func (b *build) template(name, def string) *event.Template {
	if b.option(name) == nil && def == "" {
		return nil
	}
	return b.parseTemplate(name, b.str(name, def))
}

func (b *build) parseTemplate(name, text string) *event.Template {
	t, err := event.ParseTemplate(text)
	if err != nil {
		b.fail(name, "%v", err)
		t, _ = event.ParseTemplate("")
	}
	return t
}

func (b *build) templates(name string) []*event.Template {
	var out []*event.Template
	for _, s := range b.list(name) {
		out = append(out, b.parseTemplate(name, s))
	}
	return out
}

// fieldName is a field's name that may itself have references: "[labels][%{key}]".
type fieldName struct {
	template *event.Template
	fixed    event.Ref
}

func (b *build) fieldName(option, text string) fieldName {
	n := fieldName{template: b.parseTemplate(option, text)}
	if n.template.Plain() {
		ref, err := event.ParseRef(text)
		if err != nil {
			b.fail(option, "%v", err)
			ref = event.MustRef("invalid")
		}
		n.fixed = ref
	}
	return n
}

func (n fieldName) ref(e *event.Event) (event.Ref, error) {
	if n.template.Plain() {
		return n.fixed, nil
	}
	return event.ParseRef(n.template.Fill(e))
}

// ecs is the mode of ECS compatibility that is in force for a plugin: "disabled", "v1" or "v8".
func (b *build) ecs() string {
	return b.oneOf("ecs_compatibility", b.pipeline.ECS, "disabled", "v1", "v8")
}

// target is an option that names where a filter writes: "name" or "[a][b]"; empty where it is not set.
func (b *build) target(name string) (event.Ref, bool) {
	if b.option(name) == nil {
		return event.Ref{}, false
	}
	return b.ref(name, ""), true
}

// bytes is a size: a number, or a number with a unit such as "10 MiB".
func (b *build) bytes(name string, def int) int {
	if b.option(name) == nil {
		return def
	}
	text := strings.TrimSpace(b.str(name, ""))
	at := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	number, unit := text, ""
	if at >= 0 {
		number, unit = text[:at], strings.ToLower(strings.TrimSpace(text[at:]))
	}
	factor, known := map[string]float64{
		"": 1, "b": 1, "k": 1 << 10, "kb": 1e3, "kib": 1 << 10, "m": 1 << 20, "mb": 1e6, "mib": 1 << 20, "g": 1 << 30, "gb": 1e9, "gib": 1 << 30,
	}[unit]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !known {
		b.fail(name, "expected a size such as 10 MiB")
		return def
	}
	return int(n * factor)
}
