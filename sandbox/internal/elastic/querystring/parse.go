// Package querystring reads Lucene's query syntax, as query_string takes it, into a tree.
package querystring

import (
	"fmt"
	"obsandbox/sandbox/internal/elastic/eserr"
	"strings"
	"unicode/utf8"
)

// Kind is what a node of the tree is.
type Kind int

// The kinds.
const (
	// Bool has clauses.
	Bool Kind = iota
	// Term is a word; its wildcards are unescaped * and ? in Text.
	Term
	// Phrase is a quoted text.
	Phrase
	// Range has ends.
	Range
	// Regexp is a text between slashes.
	Regexp
	// Exists is field:*, _exists_:field, and without a field a lone *.
	Exists
	// All is *:*.
	All
)

// Node is a part of a query.
type Node struct {
	Kind Kind
	// Field is the field it is for; empty is the default.
	Field string
	// Text is the word, phrase or expression. Of a Term with Wild it keeps its backslashes; otherwise they are resolved.
	Text string
	// Wild says that a Term has wildcards.
	Wild bool
	// Fuzzy is the fuzziness after ~ of a word, "" where there is none; Slop the number after ~ of a phrase.
	Fuzzy string
	Slop  int
	// Boost is the number after ^, 1 where there is none.
	Boost float64
	// Low and High are a range's ends, "*" where open.
	Low, High               string
	IncludeLow, IncludeHigh bool
	Clauses                 []Clause
}

// Occur says whether a clause must, may or must not match.
type Occur int

// The occurrences.
const (
	Should Occur = iota
	Must
	MustNot
)

// Clause is a part of a Bool.
type Clause struct {
	Occur Occur
	Node  *Node
}

// Parse reads a query. and says that words without an operator between them all must match.
func Parse(query string, and bool) (*Node, error) {
	p := &parser{s: query, and: and}
	n, err := p.query("", 0)
	if err == nil && p.i < len(p.s) {
		err = p.unexpected()
	}
	if err != nil {
		return nil, eserr.Reason("Cannot parse '%s': %s", query, err)
	}
	return n, nil
}

type parser struct {
	s   string
	i   int
	and bool
}

// maxDepth bounds nested parentheses.
const maxDepth = 200

func (p *parser) unexpected() error {
	if p.i >= len(p.s) {
		return eserr.Reason("Encountered \"<EOF>\" at line 1, column %d.", p.i)
	}
	r, _ := utf8.DecodeRuneInString(p.s[p.i:])
	return eserr.Reason("Encountered \" \"%c\" \"%c \"\" at line 1, column %d.", r, r, p.i)
}

func (p *parser) space() {
	for p.i < len(p.s) && (strings.IndexByte(" \t\n\r", p.s[p.i]) >= 0 || strings.HasPrefix(p.s[p.i:], "\u3000")) {
		if p.s[p.i] >= utf8.RuneSelf {
			p.i += 2
		}
		p.i++
	}
}

// word takes an operator word that stands alone.
func (p *parser) word(w string) bool {
	rest := p.s[p.i:]
	if !strings.HasPrefix(rest, w) {
		return false
	}
	if after := rest[len(w):]; after != "" && strings.IndexByte(" \t\n\r()\"+-!{}[]", after[0]) < 0 {
		return false
	}
	p.i += len(w)
	return true
}

// query reads clauses up to a closing parenthesis or the end.
func (p *parser) query(field string, depth int) (*Node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("too many nested parentheses")
	}
	var clauses []Clause
	for {
		p.space()
		if p.i >= len(p.s) || p.s[p.i] == ')' {
			break
		}
		if n := p.words(field); n != nil {
			clauses = append(clauses, Clause{map[bool]Occur{true: Must}[p.and], n})
			continue
		}
		const none, and, or = 0, 1, 2
		conj := none
		switch {
		case p.word("AND"), p.two("&&"):
			conj = and
		case p.word("OR"), p.two("||"):
			conj = or
		}
		if conj != none && len(clauses) == 0 {
			return nil, p.unexpected()
		}
		p.space()
		mod := Should
		switch {
		case p.word("NOT"):
			mod = MustNot
		case p.i < len(p.s) && (p.s[p.i] == '-' || p.s[p.i] == '!'):
			mod = MustNot
			p.i++
		case p.i < len(p.s) && p.s[p.i] == '+':
			mod = Must
			p.i++
		}
		p.space()
		if at := p.i; p.word("NOT") || p.word("AND") || p.word("OR") || p.i < len(p.s) && strings.IndexByte("+-!", p.s[p.i]) >= 0 {
			p.i = at
			return nil, p.unexpected()
		}
		n, err := p.clause(field, depth)
		if err != nil {
			return nil, err
		}
		// As Lucene's classic parser: AND makes both sides required, an implicit or explicit OR leaves them optional.
		if last := len(clauses) - 1; last >= 0 {
			if conj == and && clauses[last].Occur == Should {
				clauses[last].Occur = Must
			}
			if p.and && conj == or && clauses[last].Occur == Must {
				clauses[last].Occur = Should
			}
		}
		if mod == Should {
			if conj == and || p.and && conj != or {
				mod = Must
			}
		}
		clauses = append(clauses, Clause{mod, n})
	}
	if len(clauses) == 0 {
		if depth == 0 && p.i >= len(p.s) {
			return &Node{Kind: Bool, Boost: 1}, nil
		}
		return nil, p.unexpected()
	}
	if len(clauses) == 1 && clauses[0].Occur != MustNot {
		return clauses[0].Node, nil
	}
	return &Node{Kind: Bool, Boost: 1, Clauses: clauses}, nil
}

func (p *parser) two(op string) bool {
	if strings.HasPrefix(p.s[p.i:], op) {
		p.i += len(op)
		return true
	}
	return false
}

// words reads several plain words that follow each other: they are one text for a field's analyzer, which keeps them
// together where it is a keyword's. A word with something of its own, or beside AND or OR, is not among them.
func (p *parser) words(field string) *Node {
	start := p.i
	var all []string
	for {
		before := p.i
		p.space()
		word, ok := p.plain()
		if ok && len(all) > 0 {
			ok = p.endsWord()
		}
		if !ok {
			p.i = before
			break
		}
		all = append(all, word)
	}
	if len(all) < 2 {
		p.i = start
		return nil
	}
	return &Node{Kind: Term, Field: field, Text: unescape(strings.Join(all, " ")), Boost: 1}
}

// plain reads a word without wildcards that is no operator.
func (p *parser) plain() (string, bool) {
	if p.i < len(p.s) && strings.IndexByte("<>&|", p.s[p.i]) >= 0 {
		return "", false
	}
	for _, operator := range []string{"AND", "OR", "NOT"} {
		if at := p.i; p.word(operator) {
			p.i = at
			return "", false
		}
	}
	word, wild, ok := p.raw()
	return word, ok && !wild
}

// endsWord says whether what follows a word leaves it as it is.
func (p *parser) endsWord() bool {
	at := p.i
	defer func() { p.i = at }()
	p.space()
	if p.i >= len(p.s) {
		return true
	}
	if strings.IndexByte(":^~", p.s[p.i]) >= 0 || p.word("AND") || p.word("OR") || p.two("&&") || p.two("||") {
		return false
	}
	word, _, _ := p.raw()
	return word != "*"
}

// clause reads [field:]something.
func (p *parser) clause(field string, depth int) (*Node, error) {
	if p.i >= len(p.s) {
		return nil, p.unexpected()
	}
	start := p.i
	if name, ok := p.name(); ok {
		field = name
		p.space()
	} else {
		p.i = start
	}
	if p.i >= len(p.s) {
		return nil, p.unexpected()
	}
	switch p.s[p.i] {
	case '(':
		p.i++
		n, err := p.query(field, depth+1)
		if err != nil {
			return nil, err
		}
		if p.i >= len(p.s) || p.s[p.i] != ')' {
			return nil, p.unexpected()
		}
		p.i++
		boost, err := p.boost()
		if err != nil {
			return nil, err
		}
		if boost != 1 {
			c := *n
			c.Boost *= boost
			n = &c
		}
		return n, nil
	case '"':
		return p.phrase(field)
	case '/':
		return p.regexp(field)
	case '[', '{':
		return p.ranges(field)
	case '>', '<':
		return p.compare(field)
	}
	return p.term(field)
}

// name reads a field's name and the colon after it.
func (p *parser) name() (string, bool) {
	raw, _, ok := p.raw()
	if !ok {
		return "", false
	}
	p.space()
	if p.i >= len(p.s) || p.s[p.i] != ':' {
		return "", false
	}
	p.i++
	return unescape(raw), true
}

// raw reads a word with its backslashes; wild says that it has wildcards.
func (p *parser) raw() (text string, wild, ok bool) {
	start := p.i
	for p.i < len(p.s) {
		ch := p.s[p.i]
		switch {
		case ch == '\\':
			if p.i+1 >= len(p.s) {
				return "", false, false
			}
			_, size := utf8.DecodeRuneInString(p.s[p.i+1:])
			p.i += 1 + size
			continue
		case ch == '*' || ch == '?':
			wild = true
		case strings.IndexByte(" \t\n\r:()[]{}\"^~/", ch) >= 0:
			if ch == '/' && p.i > start {
				p.i++ // a slash only begins an expression at the start of a word
				continue
			}
			return p.s[start:p.i], wild, p.i > start
		case p.i == start && strings.IndexByte("+-!", ch) >= 0:
			return "", false, false
		}
		p.i++
	}
	return p.s[start:p.i], wild, p.i > start
}

// unescape resolves backslashes.
func unescape(s string) string {
	if !strings.Contains(s, "\\") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func (p *parser) number() (string, error) {
	start := p.i
	for p.i < len(p.s) && (p.s[p.i] >= '0' && p.s[p.i] <= '9' || p.s[p.i] == '.') {
		p.i++
	}
	return p.s[start:p.i], nil
}

func (p *parser) boost() (float64, error) {
	if p.i >= len(p.s) || p.s[p.i] != '^' {
		return 1, nil
	}
	p.i++
	text, _ := p.number()
	var v float64
	if _, err := fmt.Sscanf(text, "%g", &v); err != nil {
		return 0, p.unexpected()
	}
	return v, nil
}

func (p *parser) term(field string) (*Node, error) {
	raw, wild, ok := p.raw()
	if !ok {
		return nil, p.unexpected()
	}
	n := &Node{Kind: Term, Field: field, Text: raw, Wild: wild, Boost: 1}
	if !wild {
		n.Text = unescape(raw)
	}
	for range 2 {
		if p.i < len(p.s) && p.s[p.i] == '~' {
			p.i++
			number, _ := p.number()
			if n.Fuzzy = number; number == "" {
				n.Fuzzy = "AUTO"
			}
			continue
		}
		boost, err := p.boost()
		if err != nil {
			return nil, err
		}
		n.Boost *= boost
	}
	switch {
	case raw == "*" && field == "*":
		*n = Node{Kind: All, Boost: n.Boost}
	case field == "_exists_":
		*n = Node{Kind: Exists, Field: n.Text, Boost: n.Boost}
	case raw == "*":
		*n = Node{Kind: Exists, Field: field, Boost: n.Boost}
	}
	return n, nil
}

func (p *parser) phrase(field string) (*Node, error) {
	text, err := p.quoted()
	if err != nil {
		return nil, err
	}
	n := &Node{Kind: Phrase, Field: field, Text: text, Boost: 1}
	if p.i < len(p.s) && p.s[p.i] == '~' {
		p.i++
		number, _ := p.number()
		if _, err := fmt.Sscanf(number, "%d", &n.Slop); err != nil {
			return nil, p.unexpected()
		}
	}
	n.Boost, err = p.boost()
	if field == "_exists_" {
		n.Kind, n.Field, n.Text = Exists, text, ""
	}
	return n, err
}

func (p *parser) quoted() (string, error) {
	start := p.i + 1
	for i := start; i < len(p.s); i++ {
		switch p.s[i] {
		case '\\':
			i++
		case '"':
			p.i = i + 1
			return unescape(p.s[start:i]), nil
		}
	}
	return "", eserr.Reason("Lexical error at line 1, column %d.  Encountered: <EOF> after : %q", len(p.s)+1, p.s[p.i:])
}

func (p *parser) regexp(field string) (*Node, error) {
	start := p.i + 1
	for i := start; i < len(p.s); i++ {
		switch p.s[i] {
		case '\\':
			i++
		case '/':
			n := &Node{Kind: Regexp, Field: field, Text: strings.ReplaceAll(p.s[start:i], `\/`, `/`), Boost: 1}
			p.i = i + 1
			var err error
			n.Boost, err = p.boost()
			return n, err
		}
	}
	return nil, eserr.Reason("Lexical error at line 1, column %d.  Encountered: <EOF> after : %q", len(p.s)+1, p.s[p.i:])
}

// ranges reads [low TO high] with either kind of bracket at either end.
func (p *parser) ranges(field string) (*Node, error) {
	n := &Node{Kind: Range, Field: field, IncludeLow: p.s[p.i] == '[', Boost: 1}
	p.i++
	var err error
	if n.Low, err = p.bound(); err != nil {
		return nil, err
	}
	p.space()
	if !p.two("TO") {
		return nil, p.unexpected()
	}
	if n.High, err = p.bound(); err != nil {
		return nil, err
	}
	p.space()
	if p.i >= len(p.s) || p.s[p.i] != ']' && p.s[p.i] != '}' {
		return nil, p.unexpected()
	}
	n.IncludeHigh = p.s[p.i] == ']'
	p.i++
	n.Boost, err = p.boost()
	return n, err
}

func (p *parser) bound() (string, error) {
	p.space()
	if p.i < len(p.s) && p.s[p.i] == '"' {
		return p.quoted()
	}
	start := p.i
	for p.i < len(p.s) && strings.IndexByte(" \t\n\r]}", p.s[p.i]) < 0 {
		if p.s[p.i] == '\\' {
			p.i++
		}
		p.i++
	}
	if p.i = min(p.i, len(p.s)); p.i == start {
		return "", p.unexpected()
	}
	return unescape(p.s[start:p.i]), nil
}

// compare reads >x, >=x, <x and <=x.
func (p *parser) compare(field string) (*Node, error) {
	op := p.s[p.i]
	p.i++
	equal := p.i < len(p.s) && p.s[p.i] == '='
	if equal {
		p.i++
	}
	p.space()
	var text string
	if p.i < len(p.s) && p.s[p.i] == '"' {
		var err error
		if text, err = p.quoted(); err != nil {
			return nil, err
		}
	} else {
		raw, _, ok := p.raw()
		if !ok {
			return nil, p.unexpected()
		}
		text = unescape(raw)
	}
	n := &Node{Kind: Range, Field: field, Low: "*", High: "*", Boost: 1, IncludeLow: true, IncludeHigh: true}
	if op == '>' {
		n.Low, n.IncludeLow = text, equal
	} else {
		n.High, n.IncludeHigh = text, equal
	}
	return n, nil
}
