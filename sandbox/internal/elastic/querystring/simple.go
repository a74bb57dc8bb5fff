package querystring

import "strings"

// ParseSimple reads simple_query_string's syntax (+ | - " * ( ) ~N), which has no errors: what makes no sense is text.
func ParseSimple(query string, and bool) *Node {
	p := &simple{s: query, and: and}
	n := p.group(0)
	if n == nil {
		return &Node{Kind: Bool, Boost: 1}
	}
	return n
}

type simple struct {
	s   string
	i   int
	and bool
}

// group reads clauses up to a closing parenthesis or the end.
func (p *simple) group(depth int) *Node {
	var required, optional []*Node // joined by AND and by OR, in the order of the text
	join, not := p.and, false
	current := &Node{Kind: Bool, Boost: 1}
	add := func(n *Node) {
		if n == nil {
			return
		}
		if not {
			n = &Node{Kind: Bool, Boost: 1, Clauses: []Clause{{MustNot, n}}}
		}
		if join {
			required = append(required, n)
		} else {
			optional = append(optional, n)
		}
		join, not = p.and, false
	}
	for p.i < len(p.s) {
		switch ch := p.s[p.i]; {
		case strings.IndexByte(" \t\n\r", ch) >= 0:
			p.i++
		case ch == ')' && depth > 0:
			p.i++
			return current.with(required, optional)
		case ch == '(' && depth < maxDepth:
			p.i++
			add(p.group(depth + 1))
		case ch == '+':
			p.i++
			// AND binds what was before it too.
			if len(optional) > 0 {
				required, optional = append(required, optional[len(optional)-1]), optional[:len(optional)-1]
			}
			join = true
		case ch == '|':
			p.i++
			if p.and && len(required) > 0 {
				optional, required = append(optional, required[len(required)-1]), required[:len(required)-1]
			}
			join = false
		case ch == '-':
			p.i++
			not = !not
		case ch == '"':
			add(p.phrase())
		default:
			add(p.token())
		}
	}
	return current.with(required, optional)
}

func (n *Node) with(required, optional []*Node) *Node {
	if len(required)+len(optional) == 0 {
		return nil
	}
	if len(required)+len(optional) == 1 {
		return append(required, optional...)[0]
	}
	for _, r := range required {
		n.Clauses = append(n.Clauses, Clause{Must, r})
	}
	if len(required) > 0 && len(optional) > 0 {
		group := &Node{Kind: Bool, Boost: 1}
		for _, o := range optional {
			group.Clauses = append(group.Clauses, Clause{Should, o})
		}
		return &Node{Kind: Bool, Boost: 1, Clauses: []Clause{{Should, n}, {Should, group}}}
	}
	for _, o := range optional {
		n.Clauses = append(n.Clauses, Clause{Should, o})
	}
	return n
}

func (p *simple) phrase() *Node {
	var b strings.Builder
	i := p.i + 1
	for ; i < len(p.s) && p.s[i] != '"'; i++ {
		if p.s[i] == '\\' && i+1 < len(p.s) {
			i++
		}
		b.WriteByte(p.s[i])
	}
	if i >= len(p.s) {
		p.i++ // no end: not a phrase
		return nil
	}
	p.i = i + 1
	n := &Node{Kind: Phrase, Text: b.String(), Boost: 1}
	if p.i < len(p.s) && p.s[p.i] == '~' {
		p.i++
		for p.i < len(p.s) && '0' <= p.s[p.i] && p.s[p.i] <= '9' && n.Slop < 1000 {
			n.Slop = n.Slop*10 + int(p.s[p.i]-'0')
			p.i++
		}
	}
	return n
}

func (p *simple) token() *Node {
	var b strings.Builder
	start := p.i
	fuzzy := ""
	for p.i < len(p.s) && strings.IndexByte(" \t\n\r()|+\"", p.s[p.i]) < 0 {
		switch {
		case p.s[p.i] == '\\' && p.i+1 < len(p.s):
			p.i++
			b.WriteByte(p.s[p.i])
		case p.s[p.i] == '~' && p.i > start:
			rest := p.s[p.i+1:]
			end := strings.IndexAny(rest, " \t\n\r()|+\"")
			if end < 0 {
				end = len(rest)
			}
			if fuzzy = rest[:end]; fuzzy == "" || strings.Trim(fuzzy, "012") != "" {
				fuzzy = "AUTO"
			}
			p.i += end
		default:
			b.WriteByte(p.s[p.i])
		}
		p.i++
	}
	if p.i == start {
		p.i++
		return nil
	}
	n := &Node{Kind: Term, Text: b.String(), Fuzzy: fuzzy, Boost: 1}
	if strings.HasSuffix(p.s[start:p.i], "*") && !strings.HasSuffix(p.s[start:p.i], `\*`) {
		body := strings.TrimRight(n.Text, "*")
		if body == "" {
			n.Kind = All
			return n
		}
		n.Wild, n.Text = true, strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`).Replace(body)+"*"
	}
	return n
}
