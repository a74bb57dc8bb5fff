package logstash

import (
	"fmt"
	"log/slog"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"obsandbox/sandbox/internal/logstash/event"
)

// dissectFilter cuts text at fixed delimiters.
type dissectFilter struct {
	decorator
	mappings     []dissection
	conversions  []conversion
	tagOnFailure []string
	log          *slog.Logger
}

type dissection struct {
	source event.Ref
	cut    *dissector
}

type conversion struct {
	ref   event.Ref
	float bool
	name  string
}

func newDissect(b *build) (filter, error) {
	f := &dissectFilter{decorator: b.decorator(), tagOnFailure: b.list("tag_on_failure", "_dissectfailure"), log: b.log}
	for _, entry := range b.hash("mapping") {
		ref, err := event.ParseRef(entry.Key)
		text, ok := entry.Value.String()
		if err != nil || !ok {
			b.failAt(entry.Pos, "mapping", "expected field => \"%%{pattern}\"")
			continue
		}
		if text == "" {
			continue // Logstash skips it
		}
		d, err := newDissector(text)
		if err != nil {
			b.failAt(entry.Pos, "mapping", "%v", err)
			continue
		}
		f.mappings = append(f.mappings, dissection{source: ref, cut: d})
	}
	for _, entry := range b.hash("convert_datatype") {
		ref, err := event.ParseRef(entry.Key)
		kind, _ := entry.Value.String()
		if err != nil || kind != "int" && kind != "float" {
			b.failAt(entry.Pos, "convert_datatype", "expected field => \"int\" or \"float\"")
			continue
		}
		f.conversions = append(f.conversions, conversion{ref: ref, float: kind == "float", name: entry.Key + "_" + kind})
	}
	return f, b.done()
}

func (f *dissectFilter) filter(e *event.Event) error {
	for _, m := range f.mappings {
		value, ok := e.Lookup(m.source)
		if !ok {
			continue
		}
		text := event.RubyString(value)
		if value == nil || text == "" || !m.cut.dissect(text, e, f.log) {
			tagAll(e, f.tagOnFailure)
			continue
		}
		if err := f.matched(e); err != nil {
			return err
		}
	}
	for _, c := range f.conversions {
		v := e.Get(c.ref)
		if v == nil {
			e.Tag("_dataconversionnullvalue_" + c.name)
			continue
		}
		n, ok := decimalNumber(event.ToString(v), c.float)
		if !ok {
			e.Tag("_dataconversionuncoercible_" + c.name)
			continue
		}
		if err := e.Set(c.ref, n); err != nil {
			return err
		}
	}
	return nil
}

var javaDecimal = regexp.MustCompile(`^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?$`)

func decimalNumber(s string, float bool) (any, bool) {
	if !javaDecimal.MatchString(s) || len(s) > 1000 {
		return nil, false
	}
	// A whole number stays one, as a float too.
	if float && strings.ContainsAny(s, ".eE") {
		n, err := strconv.ParseFloat(s, 64)
		return n, err == nil
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return nil, false
	}
	return wholeNumber(new(big.Int).Quo(r.Num(), r.Denom())), true
}

// dissector is a compiled mapping: fields with the delimiters before and after them.
type dissector struct {
	fields []dissectField
	// save is the order in which fields are written: plain, appended by their numbers, indirect.
	save []int
	// lead is the length of the text before the first field.
	lead int
}

type dissectField struct {
	name string
	ref  event.Ref
	// kind is 0 (plain), '?' (skipped), '+' (appended) or '&' (indirect).
	kind       byte
	order      int
	greedy     bool
	prev, next *delimiter
}

type delimiter struct {
	text string
	// greedy delimiters (->) may come several times in a row.
	greedy bool
}

var (
	dissectPart   = regexp.MustCompile(`(?s)(.*?)%\{([^}]*?)\}`)
	dissectEnd    = regexp.MustCompile(`[^}]+$`)
	dissectSuffix = regexp.MustCompile(`^(.*?)(/\d{1,2}|->|/\d{1,2}->|->/\d{1,2})?$`)
	digits        = regexp.MustCompile(`\d+`)
)

func newDissector(mapping string) (*dissector, error) {
	d := &dissector{}
	add := func(name string, prev *delimiter) error {
		f, err := newDissectField(name)
		if err != nil {
			return err
		}
		f.prev = prev
		if n := len(d.fields); n > 0 {
			d.fields[n-1].next = prev
			prev.greedy = d.fields[n-1].greedy
		}
		d.fields = append(d.fields, f)
		return nil
	}
	for _, m := range dissectPart.FindAllStringSubmatch(mapping, -1) {
		if len(d.fields) == 0 {
			d.lead = len(m[1])
		}
		if err := add(m[2], &delimiter{text: m[1]}); err != nil {
			return nil, fmt.Errorf("dissect mapping %q: %w", mapping, err)
		}
	}
	if len(d.fields) == 0 {
		return nil, fmt.Errorf("dissect mapping %q has no %%{field}", mapping)
	}
	if end := dissectEnd.FindString(mapping); end != "" {
		if err := add("?auto_added_skip", &delimiter{text: end}); err != nil {
			return nil, err
		}
	}
	for i, f := range d.fields {
		if f.kind != '?' {
			d.save = append(d.save, i)
		}
	}
	slices.SortStableFunc(d.save, func(a, b int) int { return d.fields[a].order - d.fields[b].order })
	return d, nil
}

func newDissectField(text string) (f dissectField, err error) {
	name := text
	f.order = 1
	switch {
	case text == "" || text[0] == '?':
		f.kind = '?'
		name = strings.TrimPrefix(text, "?")
	case strings.HasPrefix(text, "+&") || strings.HasPrefix(text, "&+"):
		return f, fmt.Errorf("field %q cannot be appended and indirect", text)
	case text[0] == '+':
		f.kind, f.order, name = '+', 100, text[1:]
	case text[0] == '&':
		f.kind, f.order, name = '&', 1000, text[1:]
	}
	m := dissectSuffix.FindStringSubmatch(name)
	if m == nil {
		return f, fmt.Errorf("field %q is malformed", text)
	}
	f.name = m[1]
	if f.name == "" && f.kind != '?' {
		return f, fmt.Errorf("field %q has no name", text)
	}
	if n := digits.FindString(m[2]); n != "" && f.kind == '+' {
		order, _ := strconv.Atoi(n)
		f.order += order
	}
	if f.kind != '?' && f.kind != '&' {
		if f.ref, err = event.ParseRef(f.name); err != nil {
			return f, err
		}
	}
	f.greedy = strings.Contains(m[2], "->")
	return f, nil
}

// dissect cuts text and sets the fields; false where a delimiter is missing, and nothing is set then.
func (d *dissector) dissect(text string, e *event.Event, log *slog.Logger) bool {
	values, ok := d.cut(text)
	if !ok {
		return false
	}
	set := func(ref event.Ref, value string) {
		if !ok {
			return // Logstash stops at the first field that it cannot set
		}
		if err := e.Set(ref, value); err != nil {
			log.Warn("dissect: a field cannot be set", "field", ref.String(), "error", err)
			ok = false
		}
	}
	for _, i := range d.save {
		f := d.fields[i]
		value := values[i]
		switch f.kind {
		case '+':
			if have, exists := e.Lookup(f.ref); exists {
				join := " "
				if f.prev != nil && f.prev.text != "" {
					join = f.prev.text
				}
				value = event.ToString(have) + join + value
			}
			set(f.ref, value)
		case '&':
			if name := d.indirectName(f.name, i, values, e); name != "" {
				ref, err := event.ParseRef(name)
				if err != nil {
					ok = false
					continue
				}
				set(ref, value)
			}
		default:
			set(f.ref, value)
		}
	}
	return ok
}

func (d *dissector) indirectName(key string, self int, values []string, e *event.Event) string {
	if ref, err := event.ParseRef(key); err == nil {
		if v, ok := e.Lookup(ref); ok {
			return event.ToString(v)
		}
	}
	for i, f := range d.fields {
		if i != self && f.name == key {
			return values[i]
		}
	}
	return ""
}

// cut finds every field's text. It follows Logstash's dissector step by step, its corner cases included.
func (d *dissector) cut(text string) ([]string, bool) {
	values := make([]string, len(d.fields))
	left, start := 0, 0
	beyond := func(prev *delimiter) bool {
		switch {
		case prev.greedy:
			for prev.text != "" && strings.HasPrefix(text[left:], prev.text) {
				left += len(prev.text)
			}
		case left == 0 && d.lead > 0:
			if prev.text == "" || !strings.HasPrefix(text, prev.text) {
				return false
			}
			left = len(prev.text)
		}
		start = left
		return true
	}
	last := len(d.fields) - 1
	for i := range last {
		f := d.fields[i]
		if !beyond(f.prev) {
			return nil, false
		}
		at := -1
		if f.next.text != "" {
			at = strings.Index(text[left:], f.next.text)
		}
		if at < 0 {
			return nil, false
		}
		length := 0
		if pos := left + at; pos > 0 {
			length = at
			left = pos + len(f.next.text)
		}
		values[i] = text[start : start+length]
	}
	if !beyond(d.fields[last].prev) {
		return nil, false
	}
	values[last] = text[start:]
	return values, true
}
