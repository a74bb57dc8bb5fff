package pipelines

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"obsandbox/sandbox/internal/logstash/event"
)

// compare says how what came out differs from what is expected; empty where it does not.
func (f *file) compare(expected, got []any) string {
	var out strings.Builder
	if len(expected) != len(got) {
		fmt.Fprintf(&out, "%d events are expected, %d came out\n", len(expected), len(got))
	}
	for i := range max(len(expected), len(got)) {
		var lines []string
		switch {
		case i >= len(got):
			lines = show("-", "", expected[i], nil)
		case i >= len(expected):
			lines = show("+", "", got[i], nil)
		default:
			want := event.CloneValue(expected[i]).(map[string]any)
			have := event.CloneValue(got[i]).(map[string]any)
			delete(want, event.VersionField)
			for _, ref := range f.ignore {
				removeField(want, ref)
			}
			lines = f.dynamicLines(want, have)
			f.loosen(want, have)
			lines = append(lines, diff("", want, have)...)
		}
		if len(lines) > 0 {
			fmt.Fprintf(&out, "event %d:\n  %s\n", i+1, strings.Join(lines, "\n  "))
		}
	}
	return strings.TrimRight(out.String(), "\n")
}

// dynamicLines checks the fields whose values change against their expressions, and takes them out.
func (f *file) dynamicLines(want, have map[string]any) []string {
	var lines []string
	for _, d := range f.dynamic {
		v, ok := field(have, d.ref)
		if _, wanted := field(want, d.ref); !ok && wanted {
			lines = append(lines, fmt.Sprintf("- %s: something that matches %s", d.ref, d.pattern))
		} else if ok && !d.pattern.MatchString(event.ToString(v)) {
			lines = append(lines, fmt.Sprintf("! %s: %s does not match %s", d.ref, text(v), d.pattern))
		}
		removeField(want, d.ref)
		removeField(have, d.ref)
	}
	return lines
}

// loosen lets numbers and their texts be the same in the fields that the sidecar names.
func (f *file) loosen(want, have map[string]any) {
	for _, name := range slices.Concat(f.side.NumericKeywordFields, f.side.StringNumberFields) {
		ref, err := event.ParseRef(dotted(name))
		if err != nil {
			continue
		}
		w, okW := field(want, ref)
		h, okH := field(have, ref)
		if okW && okH && event.ToString(w) == event.ToString(h) {
			removeField(want, ref)
			removeField(have, ref)
		}
	}
}

// diff lists the fields that differ: - is expected and missing, + came out unexpected, ! is another value.
func diff(path string, want, have map[string]any) []string {
	var lines []string
	keys := slices.Sorted(maps.Keys(want))
	for k := range have {
		if _, ok := want[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		w, okW := want[k]
		h, okH := have[k]
		name := path + "[" + k + "]"
		if path == "" && !strings.ContainsAny(k, "[]") {
			name = k
		}
		wantMap, isMapW := w.(map[string]any)
		haveMap, isMapH := h.(map[string]any)
		switch {
		case !okH:
			lines = append(lines, fmt.Sprintf("- %s: %s", name, text(w)))
		case !okW:
			lines = append(lines, fmt.Sprintf("+ %s: %s", name, text(h)))
		case isMapW && isMapH:
			inner := path + "[" + k + "]"
			lines = append(lines, diff(inner, wantMap, haveMap)...)
		case !event.Equal(w, h):
			lines = append(lines, fmt.Sprintf("! %s: expected %s", name, text(w)), strings.Repeat(" ", len("! ")+len(name))+"  but was "+text(h))
		}
	}
	return lines
}

// show lists all fields of an event.
func show(sign, path string, v any, lines []string) []string {
	m, ok := v.(map[string]any)
	if !ok || path != "" {
		return append(lines, fmt.Sprintf("%s %s: %s", sign, path, text(v)))
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		lines = show(sign, k, m[k], lines)
	}
	return lines
}

// text is a value as JSON, cut where it is very long.
func text(v any) string {
	const most = 2000
	s := string(event.AppendJSON(nil, v))
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + fmt.Sprintf("… (%d bytes)", len(s))
	}
	return s
}

// field is what a reference names in plain fields.
func field(fields map[string]any, ref event.Ref) (any, bool) {
	return event.Lookup(fields, ref)
}

func removeField(fields map[string]any, ref event.Ref) { event.Delete(fields, ref) }
