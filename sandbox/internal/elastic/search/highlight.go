package search

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"obsandbox/sandbox/internal/elastic/analysis"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/query"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// Highlight is a request's highlight.
type Highlight struct {
	highlightOptions
	fields []highlightField
}

type highlightField struct {
	pattern string
	highlightOptions
}

type highlightOptions struct {
	pre, post     string
	size, count   int
	noMatch       int
	requireField  bool
	html, byScore bool
}

func parseHighlight(v *xcontent.Value) (*Highlight, error) {
	h := &Highlight{highlightOptions: highlightOptions{pre: "<em>", post: "</em>", size: 100, count: 5, requireField: true}}
	for _, m := range v.Members {
		if m.Key == "fields" {
			continue
		}
		if err := h.set(m.Key, m.Value); err != nil {
			return nil, err
		}
	}
	fields := v.Get("fields")
	add := func(obj *xcontent.Value) error {
		for _, m := range obj.Members {
			f := highlightField{m.Key, h.highlightOptions}
			for _, p := range m.Value.Members {
				if err := f.set(p.Key, p.Value); err != nil {
					return err
				}
			}
			h.fields = append(h.fields, f)
		}
		return nil
	}
	if fields.Is(xcontent.Array) {
		for _, item := range fields.Items {
			if err := add(item); err != nil {
				return nil, err
			}
		}
		return h, nil
	}
	if fields == nil {
		return h, nil
	}
	return h, add(fields)
}

func (o *highlightOptions) set(key string, v *xcontent.Value) error {
	number := func(to *int) error {
		n, err := v.Int()
		*to = int(n)
		return err
	}
	first := func(to *string) error {
		tags, err := v.Strings()
		if len(tags) > 0 {
			*to = tags[0]
		}
		return err
	}
	var err error
	switch key {
	case "pre_tags":
		return first(&o.pre)
	case "post_tags":
		return first(&o.post)
	case "fragment_size":
		return number(&o.size)
	case "number_of_fragments":
		return number(&o.count)
	case "no_match_size":
		return number(&o.noMatch)
	case "require_field_match":
		o.requireField, err = v.Bool()
	case "encoder":
		o.html = v.Text() == "html"
	case "order":
		o.byScore = v.Text() == "score"
	case "type":
		if t := v.Text(); t != "unified" && t != "plain" && t != "fvh" {
			return eserr.Illegal("unknown highlighter type [%s] for the field [*]", t)
		}
	case "tags_schema":
		if v.Text() != "styled" && v.Text() != "default" {
			return eserr.Illegal("Unknown tag schema [%s]", v.Text())
		}
		if v.Text() == "styled" {
			o.pre, o.post = `<em class="hlt1">`, "</em>"
		}
	case "highlight_query", "matched_fields", "boundary_scanner", "boundary_chars", "boundary_max_scan", "boundary_scanner_locale",
		"fragmenter", "fragment_offset", "force_source", "phrase_limit", "max_analyzed_offset", "max_fragment_length", "options":
		return eserr.Unsupported("highlight parameter [%s]", key)
	default:
		line, col := v.Pos()
		return eserr.XContent(line, col, "[highlight] unknown field [%s]", key)
	}
	return err
}

// of are the highlights of a source, by field.
func (h *Highlight) of(t *Target, marks []query.Mark, src []byte) (map[string][]string, error) {
	tree, err := xcontent.Parse(src)
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, hf := range h.fields {
		for _, f := range t.Mapping.Matching(hf.pattern) {
			if out[f.Name] != nil || f.Kind != mapping.Text && f.Kind != mapping.Keyword || f.Keyed != nil || f.Type == "ip" {
				continue
			}
			var use []query.Mark
			for _, m := range marks {
				if !hf.requireField || m.Field.Name == f.Name {
					use = append(use, m)
				}
			}
			if len(use) == 0 && hf.noMatch == 0 {
				continue
			}
			name := f.Name
			if f.Parent != nil {
				name = f.Parent.Name
			}
			var values []string
			collect(tree, strings.Split(name, "."), &values)
			if frags := hf.fragments(f, use, values); len(frags) > 0 {
				out[f.Name] = frags
			}
		}
	}
	return out, nil
}

// collect gathers the strings at a path, through arrays and dotted keys.
func collect(v *xcontent.Value, path []string, out *[]string) {
	switch {
	case v.Is(xcontent.Array):
		for _, item := range v.Items {
			collect(item, path, out)
		}
	case len(path) == 0:
		if v.Scalar() {
			*out = append(*out, v.Text())
		}
	case v.Is(xcontent.Object):
		for n := 1; n <= len(path); n++ {
			if child := v.Get(strings.Join(path[:n], ".")); child != nil {
				collect(child, path[n:], out)
			}
		}
	}
}

type span struct{ start, end int }

func (o *highlightOptions) fragments(f *mapping.Field, marks []query.Mark, values []string) []string {
	var out []string
	for _, text := range values {
		spans := found(f, marks, text, !o.requireField)
		if len(spans) == 0 {
			continue
		}
		for _, frag := range o.cut(text, spans) {
			out = append(out, frag)
			if o.count > 0 && len(out) == o.count {
				return out
			}
		}
	}
	if len(out) == 0 && o.noMatch > 0 && len(values) > 0 {
		return []string{values[0][:wordEnd(values[0], min(o.noMatch, len(values[0])))]}
	}
	return out
}

// found are the places of a text that the query looked for, in order. apart takes the words of phrases one by one, as
// Elasticsearch does where marks may be of other fields.
func found(f *mapping.Field, marks []query.Mark, text string, apart bool) []span {
	var tokens []analysis.Token
	if f.Kind == mapping.Text {
		f.Analyzer(text, func(t analysis.Token) { tokens = append(tokens, t) })
	} else {
		term := text
		if f.Normalize != nil {
			term = f.Normalize(text)
		}
		tokens = []analysis.Token{{Term: term, End: len(text)}}
	}
	var spans []span
	for _, m := range marks {
		phrase := m.Phrase
		if f.Kind == mapping.Keyword && m.Field.Key != "" {
			continue
		}
		if len(phrase) > 1 && !apart {
			spans = append(spans, phrases(tokens, m)...)
			continue
		}
		for _, t := range tokens {
			if m.Match != nil && m.Match(t.Term) || m.Match == nil && slices.Contains(phrase, t.Term) {
				spans = append(spans, span{t.Start, t.End})
			}
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return a.start - b.start })
	// What overlaps is marked as one.
	var out []span
	for _, s := range spans {
		if n := len(out); n > 0 && s.start < out[n-1].end {
			out[n-1].end = max(out[n-1].end, s.end)
			continue
		}
		out = append(out, s)
	}
	return out
}

// phrases are the places where a phrase is, each from its first word to its last.
func phrases(tokens []analysis.Token, m query.Mark) []span {
	var out []span
	last := len(m.Phrase) - 1
	fits := func(i int, term string) bool {
		return m.Phrase[i] == term || i == last && m.Match != nil && strings.HasPrefix(term, m.Phrase[i])
	}
	for i := range tokens {
		if m.Slop == 0 {
			same := i+last < len(tokens)
			for j := 0; same && j <= last; j++ {
				same = fits(j, tokens[i+j].Term) && tokens[i+j].Pos-tokens[i].Pos == j
			}
			if same {
				out = append(out, span{tokens[i].Start, tokens[i+last].End})
			}
			continue
		}
		// The words in any order, as near as the slop asks.
		missing := slices.Clone(m.Phrase)
		for j := i; j < len(tokens) && tokens[j].Pos-tokens[i].Pos <= last+m.Slop; j++ {
			if at := slices.Index(missing, tokens[j].Term); at >= 0 {
				missing = slices.Delete(missing, at, at+1)
			} else if j == i {
				break
			}
			if len(missing) == 0 {
				out = append(out, span{tokens[i].Start, tokens[j].End})
				break
			}
		}
	}
	return out
}

// cut makes fragments of about the wanted size around the spans: whole sentences, joined while they fit.
func (o *highlightOptions) cut(text string, spans []span) []string {
	if o.count == 0 {
		return []string{o.mark(text, 0, len(text), spans)}
	}
	var out []string
	for i := 0; i < len(spans); {
		start := sentenceStart(text, spans[i].start)
		if spans[i].start-start > o.size {
			start = spans[i].start
		}
		end := sentenceEnd(text, spans[i].end)
		for end < len(text) {
			next := sentenceEnd(text, end+1)
			if next-start > o.size {
				break
			}
			end = next
		}
		if end-start > o.size {
			end = max(wordEnd(text, start+min(o.size, len(text)-start)), spans[i].end)
		}
		j := i
		for j < len(spans) && spans[j].end <= end {
			j++
		}
		j = max(j, i+1)
		out = append(out, strings.TrimSpace(o.mark(text, start, end, spans[i:j])))
		i = j
	}
	return out
}

func sentenceStart(text string, at int) int {
	for i := at - 1; i > 0; i-- {
		if sentenceEnds(text, i-1) {
			return i
		}
	}
	return 0
}

func sentenceEnd(text string, at int) int {
	for i := at; i < len(text); i++ {
		if sentenceEnds(text, i) {
			return i + 1
		}
	}
	return len(text)
}

// sentenceEnds says whether a sentence ends with the character at i: after a full stop only where the next one does not
// begin with a small letter.
func sentenceEnds(text string, i int) bool {
	rest := text[i+1:]
	switch text[i] {
	case '\n':
		return true
	case '!', '?':
		return rest == "" || rest[0] == ' '
	case '.':
		next, _ := utf8.DecodeRuneInString(strings.TrimLeft(rest, " "))
		return rest == "" || rest[0] == ' ' && !unicode.IsLower(next)
	}
	return false
}

func wordEnd(text string, at int) int {
	for at < len(text) && text[at] != ' ' {
		at++
	}
	return at
}

func (o *highlightOptions) mark(text string, start, end int, spans []span) string {
	var b strings.Builder
	plain := func(s string) {
		if o.html {
			s = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#x27;", "/", "&#x2F;").Replace(s)
		}
		b.WriteString(s)
	}
	at := start
	for _, s := range spans {
		if s.start < at || s.end > end {
			continue
		}
		plain(text[at:s.start])
		b.WriteString(o.pre)
		plain(text[s.start:s.end])
		b.WriteString(o.post)
		at = s.end
	}
	plain(text[at:end])
	return b.String()
}
