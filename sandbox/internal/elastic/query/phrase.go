package query

import (
	"slices"
	"strings"

	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/segment"
)

// phraseNode looks for terms at their places, or within a slop of them.
type phraseNode struct {
	f     *mapping.Field
	terms []string
	at    []uint32
	slop  int
	boost float64
	c     *Context
	// last takes the last term as a prefix.
	last bool
}

func (n *phraseNode) Terms(add func(Mark)) {
	m := Mark{Field: n.f, Phrase: n.terms, Slop: n.slop}
	if n.last {
		m.Match = func(term string) bool {
			return slices.Contains(n.terms[:len(n.terms)-1], term) || strings.HasPrefix(term, n.terms[len(n.terms)-1])
		}
	}
	add(m)
}

func (n *phraseNode) Match(v *engine.View) Bits {
	out := newBits(v)
	n.walk(v, func(doc int, _ float64) { out[doc>>6] |= 1 << (doc & 63) })
	return out
}

func (n *phraseNode) Scorer(v *engine.View) Scorer {
	f := v.Field(n.f.Name)
	if f == nil || n.boost == 0 {
		return nil
	}
	idf, avg := 0.0, 0.0
	terms := n.terms
	if n.last {
		terms = slices.Concat(n.terms[:len(n.terms)-1], n.expansions())
	}
	for _, t := range terms {
		st := n.c.termStats(n.f, t)
		idf, avg = idf+st.idf(), st.avgLen
	}
	var norms *segment.Column
	if n.f.Norms {
		norms = f.Norms
	}
	scores := map[int]float64{}
	n.walk(v, func(doc int, freq float64) { scores[doc] = n.boost * idf * tf(freq, norms, doc, avg) })
	return mapScorer(scores)
}

// expansions are the terms that begin as the last one does, each of which counts in a score.
func (n *phraseNode) expansions() []string {
	prefix := n.terms[len(n.terms)-1]
	var out []string
	for _, v := range n.c.Views {
		f := v.Field(n.f.Name)
		if f == nil || f.Dict == nil {
			continue
		}
		for ord := f.Dict.Seek(prefix); ord < f.Dict.Len() && strings.HasPrefix(f.Dict.Term(ord), prefix); ord++ {
			out = append(out, strings.Clone(f.Dict.Term(ord)))
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(len(out), maxExpansions)]
}

type mapScorer map[int]float64

func (m mapScorer) Score(doc int) float64 { return m[doc] }

// walker is one place of a phrase: the documents of its terms with positions.
type walker struct {
	docs []uint32
	at   int
	pos  *segment.Positions
	buf  []uint32
}

// seek moves to a document and says whether the term is in it.
func (w *walker) seek(doc uint32) bool {
	for w.at < len(w.docs) && w.docs[w.at] < doc {
		w.pos.Skip()
		w.at++
	}
	if w.at < len(w.docs) && w.docs[w.at] == doc {
		w.buf = w.pos.Next(w.buf[:0])
		w.at++
		return true
	}
	return false
}

// walk calls fn for every document with the phrase and how often it has it.
func (n *phraseNode) walk(v *engine.View, fn func(doc int, freq float64)) {
	f := v.Field(n.f.Name)
	if f == nil || f.Dict == nil {
		return
	}
	places := make([][]*walker, len(n.terms))
	var both Bits
	for i, term := range n.terms {
		from := f.Dict.Seek(term)
		to := from
		if n.last && i == len(n.terms)-1 {
			for to < f.Dict.Len() && strings.HasPrefix(f.Dict.Term(to), term) {
				to++
			}
		} else if from < f.Dict.Len() && f.Dict.Term(from) == term {
			to = from + 1
		}
		has := newBits(v)
		for ord := from; ord < to; ord++ {
			f.Or(ord, has)
			places[i] = append(places[i], &walker{docs: f.Docs(ord, nil), pos: f.Positions(ord)})
		}
		if both == nil {
			both = has
		} else {
			both.and(has)
		}
		if both.empty() {
			return
		}
	}
	lists := make([][]uint32, len(n.terms))
	for doc := range v.Docs() {
		if !both.Has(doc) {
			continue
		}
		for i, ws := range places {
			lists[i] = lists[i][:0]
			for _, w := range ws {
				if w.seek(uint32(doc)) {
					lists[i] = append(lists[i], w.buf...)
				}
			}
			if len(ws) > 1 {
				slices.Sort(lists[i])
			}
		}
		if freq := n.count(lists); freq > 0 {
			fn(doc, freq)
		}
	}
}

// count is how often a document has the phrase; sloppy finds count less the further apart the terms are.
func (n *phraseNode) count(lists [][]uint32) float64 {
	freq := 0.0
	if n.slop == 0 {
		for _, p := range lists[0] {
			found := true
			for i := 1; i < len(lists) && found; i++ {
				_, found = slices.BinarySearch(lists[i], p+n.at[i]-n.at[0])
			}
			if found {
				freq++
			}
		}
		return freq
	}
	s := sloppy{phrase: n, lists: lists, idx: make([]int, len(lists))}
	if !s.spread() {
		return 0
	}
	for done := false; !done; {
		var length int64
		if length, done = s.next(); length <= int64(n.slop) {
			freq += 1 / float64(1+length)
		}
	}
	return freq
}

// sloppy finds the terms of a phrase near each other as Lucene does. Shifted by their places, the terms of an exact
// phrase are at one position; a match's length is how far apart they are.
type sloppy struct {
	phrase *phraseNode
	lists  [][]uint32
	idx    []int
	end    int64
}

func (s *sloppy) at(i int) int64 { return int64(s.lists[i][s.idx[i]]) - int64(s.phrase.at[i]) }

// spread moves the repetitions of a term to its first places, one each, and says whether there are enough.
func (s *sloppy) spread() bool {
	for i, term := range s.phrase.terms {
		for _, before := range s.phrase.terms[:i] {
			if before == term {
				s.idx[i]++
			}
		}
		if s.idx[i] >= len(s.lists[i]) {
			return false
		}
	}
	s.end = s.at(0)
	for i := range s.lists {
		s.end = max(s.end, s.at(i))
	}
	return true
}

// order says whether a term's place comes before another's.
func (s *sloppy) order(a, b int) bool {
	pa, pb := s.at(a), s.at(b)
	return pa < pb || pa == pb && (s.phrase.at[a] < s.phrase.at[b] || s.phrase.at[a] == s.phrase.at[b] && a < b)
}

// first is the term that comes first, not counting one.
func (s *sloppy) first(but int) int {
	least := -1
	for i := range s.lists {
		if i != but && (least < 0 || s.order(i, least)) {
			least = i
		}
	}
	return least
}

// advance moves a term to its next place, and on as long as a repetition of it is there.
func (s *sloppy) advance(i int) bool {
	for {
		if s.idx[i]++; s.idx[i] >= len(s.lists[i]) {
			return false
		}
		s.end = max(s.end, s.at(i))
		other := -1
		for j := range s.lists {
			if j != i && s.phrase.terms[j] == s.phrase.terms[i] && s.lists[j][s.idx[j]] == s.lists[i][s.idx[i]] {
				other = j
			}
		}
		if other < 0 {
			return true
		}
		if s.order(other, i) {
			i = other
		}
	}
}

// next is the length of the next match and whether it is the last.
func (s *sloppy) next() (length int64, done bool) {
	lead := s.first(-1)
	length = s.end - s.at(lead)
	if len(s.lists) == 1 {
		return length, !s.advance(lead)
	}
	rest := s.at(s.first(lead))
	for s.advance(lead) {
		if s.at(lead) > rest {
			return length, false
		}
		length = min(length, s.end-s.at(lead))
	}
	return length, true
}
