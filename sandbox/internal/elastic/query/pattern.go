package query

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// patternParams reads the parameters that prefix, wildcard, regexp and fuzzy share.
func patternParams(query string, body *xcontent.Value, more func(key string, v *xcontent.Value) (bool, error)) (name, text string, boost float64, fold bool, err error) {
	boost = 1
	name, v, err := fieldBody(query, body)
	if err != nil {
		return
	}
	text = v.Text()
	if !v.Is(xcontent.Object) {
		if !v.Scalar() {
			err = eserr.Illegal("value cannot be null")
		}
		return
	}
	found := false
	err = params(query, v, func(key string, p *xcontent.Value) (known bool, err error) {
		switch key {
		case "value", query:
			if query == "fuzzy" && key == query {
				return false, nil
			}
			text, found = p.Text(), true
		case "rewrite":
		case "case_insensitive":
			fold, err = p.Bool()
		default:
			if more != nil {
				if known, err := more(key, p); known || err != nil {
					return known, err
				}
			}
			return common(key, p, &boost)
		}
		return true, err
	})
	if err == nil && !found {
		err = eserr.Illegal("value cannot be null")
	}
	return
}

// matchTerms matches documents with a term that a matcher takes; make gets the text as the field has its terms, and
// prefix narrows the dictionary.
func matchTerms(name, text string, boost float64, c *Context, query string, make func(text string) func(string) bool, prefix string) (Node, error) {
	f, err := searchable(name, c)
	if name == "_index" {
		if make(text)(c.Index) {
			return allNode{boost}, nil
		}
		return noneNode{}, nil
	}
	if f == nil || err != nil {
		return noneNode{}, err
	}
	if f.Kind != mapping.Text && f.Kind != mapping.Keyword || f.Type == "ip" {
		kinds := "keyword, text and wildcard"
		if query == "regexp" || query == "fuzzy" {
			kinds = "keyword and text"
		}
		return nil, shardFail(c, "Can only use %s queries on %s fields - not on [%s] which is of type [%s]", query, kinds, name, f.Type)
	}
	if f.Key != "" && (query == "wildcard" || query == "regexp" || query == "fuzzy") {
		e := shardFail(c, "[%s] queries are not currently supported on keyed [flattened] fields.", query)
		return nil, e.CausedBy(eserr.New(400, "unsupported_operation_exception", "[%s] queries are not currently supported on keyed [flattened] fields.", query))
	}
	matches := make(text)
	key := ""
	if f.Key != "" {
		key = f.Key + "\x00"
	}
	return &bitsNode{boost: boost, marks: []Mark{{Field: f, Match: matches}}, match: func(v *engine.View, out Bits) {
		sf := v.Field(storage(f))
		if sf == nil || sf.Dict == nil {
			return
		}
		from, to := sf.Dict.Seek(key+prefix), sf.Dict.Len()
		var ords Bits
		for ord := from; ord < to; ord++ {
			term := sf.Dict.Term(ord)
			if !strings.HasPrefix(term, key+prefix) {
				break
			}
			if !matches(term[len(key):]) {
				continue
			}
			if sf.Indexed() {
				sf.Or(ord, out)
				continue
			}
			if ords == nil {
				ords = Bits(newOrds(sf.Dict.Len()))
			}
			ords[ord>>6] |= 1 << (ord & 63)
		}
		if ords != nil {
			for doc := range v.Docs() {
				for i, end := sf.Ords.Range(doc); i < end; i++ {
					if ords.Has(int(sf.Ords.At(i))) {
						out[doc>>6] |= 1 << (doc & 63)
						break
					}
				}
			}
		}
	}}, nil
}

func newOrds(n int) []uint64 { return make([]uint64, (n+63)/64) }

func normalized(name, text string, c *Context) string {
	if f := c.Mapping.Field(name); f != nil && f.Normalize != nil {
		return f.Normalize(text)
	}
	return text
}

func buildPrefix(body *xcontent.Value, c *Context) (Node, error) {
	name, text, boost, fold, err := patternParams("prefix", body, nil)
	if err != nil {
		return nil, err
	}
	return prefixOn(name, text, boost, fold, c)
}

func prefixOn(name, text string, boost float64, fold bool, c *Context) (Node, error) {
	text = normalized(name, text, c)
	literal := text
	if fold {
		literal = ""
	}
	return matchTerms(name, text, boost, c, "prefix", func(text string) func(string) bool {
		lower := strings.ToLower(text)
		return func(term string) bool {
			return strings.HasPrefix(term, text) || fold && strings.HasPrefix(strings.ToLower(term), lower)
		}
	}, literal)
}

func buildWildcard(body *xcontent.Value, c *Context) (Node, error) {
	name, text, boost, fold, err := patternParams("wildcard", body, nil)
	if err != nil {
		return nil, err
	}
	return wildcardOn(name, normalized(name, text, c), boost, fold, c)
}

// wildcardOn matches terms against a pattern with * and ?, escaped by backslashes.
func wildcardOn(name, text string, boost float64, fold bool, c *Context) (Node, error) {
	re, prefix := Wildcard(text, fold)
	return matchTerms(name, text, boost, c, "wildcard", func(string) func(string) bool { return re.MatchString }, prefix)
}

// Wildcard is a pattern with * and ? as a regular expression, and the text before the first wildcard.
func Wildcard(text string, fold bool) (re *regexp.Regexp, prefix string) {
	var b strings.Builder
	b.WriteString("(?s")
	if fold {
		b.WriteByte('i')
	}
	b.WriteString(")^")
	literal, plain := "", true
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		chunk := text[i : i+size]
		i += size
		switch {
		case r == '*':
			b.WriteString(".*")
			plain = false
			continue
		case r == '?':
			b.WriteString(".")
			plain = false
			continue
		case r == '\\' && i < len(text):
			_, size := utf8.DecodeRuneInString(text[i:])
			chunk = text[i : i+size]
			i += size
		}
		b.WriteString(regexp.QuoteMeta(strings.ToValidUTF8(chunk, "\uFFFD")))
		if plain {
			literal += chunk
		}
	}
	b.WriteString("$")
	if fold {
		literal = ""
	}
	return regexp.MustCompile(b.String()), literal
}

func buildRegexp(body *xcontent.Value, c *Context) (Node, error) {
	flags := "ALL"
	name, text, boost, fold, err := patternParams("regexp", body, func(key string, v *xcontent.Value) (bool, error) {
		switch key {
		case "flags":
			flags = v.Text()
			return true, nil
		case "flags_value", "max_determinized_states":
			return true, nil
		}
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	if flags != "ALL" && flags != "" {
		return nil, eserr.Unsupported("query [regexp] with flags [%s]", flags)
	}
	return regexpOn(name, text, boost, fold, c)
}

// maxRegexp is index.max_regex_length.
const maxRegexp = 1000

func regexpOn(name, text string, boost float64, fold bool, c *Context) (Node, error) {
	if len(text) > maxRegexp {
		return nil, shardFail(c, "The length of regex [%d] used in the Regexp Query request has exceeded the allowed maximum of [%d]. This maximum can be set by changing the [index.max_regex_length] index level setting.", len(text), maxRegexp)
	}
	match, err := LuceneRegexp(text, fold)
	if err != nil {
		return nil, shardFail(c, "%s", err)
	}
	return matchTerms(name, text, boost, c, "regexp", func(string) func(string) bool { return match }, "")
}

// LuceneRegexp is a matcher of Lucene's regular expressions, which always match the whole term. The operators ~, & and
// numeric intervals, which Go's engine has not, are refused by name.
func LuceneRegexp(text string, fold bool) (func(string) bool, error) {
	var b strings.Builder
	b.WriteString("(?s")
	if fold {
		b.WriteByte('i')
	}
	b.WriteString(")^(?:")
	inClass := false
	for i := 0; i < len(text); i++ {
		ch := text[i]
		switch {
		case ch == '\\':
			if i+1 >= len(text) {
				return nil, fmt.Errorf("end-of-string expected at position %d", i)
			}
			i++
			next := text[i]
			if strings.IndexByte("dDwWsS", next) >= 0 {
				b.WriteByte('\\')
				b.WriteByte(next)
			} else if next < utf8.RuneSelf {
				b.WriteString(regexp.QuoteMeta(string(rune(next))))
			} else {
				b.WriteByte(next)
			}
		case inClass:
			if ch == ']' {
				inClass = false
			}
			if ch == '[' || ch == '&' || ch == '~' {
				b.WriteByte('\\')
			}
			b.WriteByte(ch)
		case ch == '[':
			inClass = true
			b.WriteByte(ch)
			if i+1 < len(text) && text[i+1] == '^' {
				i++
				b.WriteByte('^')
			}
		case ch == '"':
			end := strings.IndexByte(text[i+1:], '"')
			if end < 0 {
				return nil, fmt.Errorf("expected '\"' at position %d", len(text))
			}
			b.WriteString("(?:" + regexp.QuoteMeta(text[i+1:i+1+end]) + ")")
			i += end + 1
		case ch == '@':
			b.WriteString(".*")
		case ch == '#':
			b.WriteString(`[^\x00-\x{10FFFF}]`)
		case ch == '~' || ch == '&' || ch == '<':
			return nil, fmt.Errorf("operator [%c] of regular expression [%s] is not supported by this store", ch, text)
		case ch == '^' || ch == '$' || ch == '>':
			b.WriteString(regexp.QuoteMeta(string(rune(ch))))
		case ch == '(' && i+1 < len(text) && text[i+1] == '?':
			return nil, fmt.Errorf("illegal start of group in regular expression [%s]", text)
		default:
			b.WriteByte(ch)
		}
	}
	b.WriteString(")$")
	re, err := regexp.Compile(b.String())
	if err != nil {
		return nil, fmt.Errorf("invalid regular expression [%s]: %w", text, err)
	}
	return re.MatchString, nil
}

func buildFuzzy(body *xcontent.Value, c *Context) (Node, error) {
	fuzziness, prefix, transpose := "AUTO", 0, true
	name, text, boost, _, err := patternParams("fuzzy", body, func(key string, v *xcontent.Value) (bool, error) {
		switch key {
		case "fuzziness":
			fuzziness = v.Text()
		case "prefix_length":
			n, err := v.Int()
			prefix = int(n)
			return true, err
		case "transpositions":
			on, err := v.Bool()
			transpose = on
			return true, err
		case "max_expansions":
		default:
			return false, nil
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return fuzzyOn(name, text, fuzziness, prefix, transpose, boost, c)
}

func fuzzyOn(name, text, fuzziness string, prefix int, transpose bool, boost float64, c *Context) (Node, error) {
	edits, err := edits(fuzziness, text)
	if err != nil {
		return nil, err
	}
	runes := []rune(text)
	head := string(runes[:min(prefix, len(runes))])
	n, err := matchTerms(name, text, boost, c, "fuzzy", func(string) func(string) bool {
		return func(term string) bool { return distance(runes, []rune(term), transpose) <= edits }
	}, head)
	if bits, ok := n.(*bitsNode); ok && err == nil {
		return &fuzzyNode{bitsNode: bits, f: c.Mapping.Field(name), runes: runes, head: head, edits: edits, transpose: transpose, c: c}, nil
	}
	return n, err
}

// fuzzyNode scores like its terms, the less the more a term differs; the terms share the statistics of the commonest.
type fuzzyNode struct {
	*bitsNode
	f         *mapping.Field
	runes     []rune
	head      string
	edits     int
	transpose bool
	c         *Context
}

// maxExpansions is how many terms a fuzzy query looks for at most.
const maxExpansions = 50

func (n *fuzzyNode) Scorer(v *engine.View) Scorer {
	type found struct {
		term  string
		boost float64
	}
	best := map[string]float64{}
	for _, view := range n.c.Views {
		sf := view.Field(storage(n.f))
		if sf == nil || sf.Dict == nil {
			continue
		}
		for ord := sf.Dict.Seek(n.head); ord < sf.Dict.Len(); ord++ {
			term := sf.Dict.Term(ord)
			if !strings.HasPrefix(term, n.head) {
				break
			}
			other := []rune(term)
			if d := distance(n.runes, other, n.transpose); d <= n.edits {
				best[strings.Clone(term)] = 1 - float64(d)/float64(max(min(len(other), len(n.runes)), 1))
			}
		}
	}
	var terms []found
	for term, boost := range best {
		terms = append(terms, found{term, boost})
	}
	slices.SortFunc(terms, func(a, b found) int { return cmp.Or(-cmp.Compare(a.boost, b.boost), strings.Compare(a.term, b.term)) })
	terms = terms[:min(len(terms), maxExpansions)]
	st := stats{}
	for _, t := range terms {
		s := n.c.termStats(n.f, t.term)
		st.docFreq, st.docCount, st.avgLen = max(st.docFreq, s.docFreq), s.docCount, s.avgLen
	}
	var parts sumScorer
	for _, t := range terms {
		node := &termNode{f: n.f, term: t.term, boost: n.boost * t.boost, c: n.c, blended: &st}
		if s := node.Scorer(v); s != nil {
			parts = append(parts, s)
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return parts
}

// edits is the edit distance that a fuzziness allows for a text.
func edits(fuzziness, text string) (int, error) {
	n := utf8.RuneCountInString(text)
	f := strings.ToUpper(fuzziness)
	switch {
	case f == "0" || f == "1" || f == "2":
		return int(f[0] - '0'), nil
	case strings.HasPrefix(f, "AUTO"):
		low, high := 3, 6
		if rest, ok := strings.CutPrefix(f, "AUTO:"); ok {
			if _, err := fmt.Sscanf(rest, "%d,%d", &low, &high); err != nil {
				return 0, eserr.Illegal("failed to find low and high distance values in [%s]", fuzziness)
			}
		}
		switch {
		case n < low:
			return 0, nil
		case n < high:
			return 1, nil
		}
		return 2, nil
	}
	return 0, eserr.Illegal("Invalid fuzziness value: %s", fuzziness)
}

// distance is the Damerau-Levenshtein distance (optimal string alignment), or Levenshtein's without transpositions.
func distance(a, b []rune, transpose bool) int {
	if d := len(a) - len(b); d > 2 || d < -2 {
		return 3
	}
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if transpose && i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
