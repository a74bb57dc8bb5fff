package segment

import (
	"container/heap"
	"maps"
	"slices"
)

// Source of a merge: a segment and which of its documents are deleted (nil: none).
type Source struct {
	Segment *Segment
	Deleted []uint64
}

// dropped is the new number of a document that a merge leaves out.
const dropped = ^uint32(0)

// Merge writes a segment with the living documents of several, in their order, and says for each source which number
// its documents have now; Deleted documents have none (^uint32(0)).
func Merge(path string, sync bool, sources []Source) (renumber [][]uint32, err error) {
	w, err := create(path)
	if err != nil {
		return nil, err
	}
	defer w.abort()
	dir := &directory{Fields: map[string]*fieldDir{}}
	var ids []string
	var seqs, vers []int64
	names := map[string]bool{}
	for _, s := range sources {
		to := make([]uint32, s.Segment.Docs())
		for d := range to {
			if s.Deleted != nil && s.Deleted[d>>6]&(1<<(d&63)) != 0 {
				to[d] = dropped
				continue
			}
			to[d] = uint32(dir.Docs)
			dir.Docs++
			ids = append(ids, s.Segment.ID(d))
			seqs = append(seqs, s.Segment.Seq.At(d))
			vers = append(vers, s.Segment.Version.At(d))
		}
		renumber = append(renumber, to)
		for name := range s.Segment.fields {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		dir.Fields[name] = mergeField(w, dir.Docs, name, sources, renumber)
	}
	dir.Seq, dir.Ver = w.dense(seqs), w.dense(vers)
	w.ids(dir, ids)
	src := newSourceWriter(w)
	for i, s := range sources {
		r := s.Segment.Sources()
		for d, to := range renumber[i] {
			if to == dropped {
				continue
			}
			raw, err := r.Get(d)
			if err != nil {
				return nil, err
			}
			src.add(int(to), raw)
		}
	}
	src.finish(dir)
	return renumber, w.finish(dir, sync)
}

func mergeField(w *writer, docs int, name string, sources []Source, renumber [][]uint32) *fieldDir {
	out := &fieldDir{}
	var numeric, norms, ords, dict, indexed, positions bool
	for _, s := range sources {
		if f := s.Segment.fields[name]; f != nil {
			numeric, norms, ords = numeric || f.Num != nil, norms || f.Norms != nil, ords || f.Ords != nil
			dict, indexed, positions = dict || f.Dict != nil, indexed || f.post != nil, positions || f.pos != nil
		}
	}
	if numeric {
		out.Num = mergeColumn(w, docs, sources, renumber, func(s *Segment) *Column { return s.column(name, func(f *Field) *Column { return f.Num }) }, nil)
	}
	var toOrd [][]uint32
	if dict {
		toOrd = mergeTerms(w, out, name, sources, renumber, indexed, positions)
	}
	if ords {
		out.Ords = mergeColumn(w, docs, sources, renumber, func(s *Segment) *Column { return s.column(name, func(f *Field) *Column { return f.Ords }) }, toOrd)
	}
	if norms {
		out.Norms = mergeColumn(w, docs, sources, renumber, func(s *Segment) *Column { return s.column(name, func(f *Field) *Column { return f.Norms }) }, nil)
		for i, s := range sources {
			f := s.Segment.fields[name]
			if f == nil || f.Norms == nil {
				continue
			}
			kept := 0
			for d, to := range renumber[i] {
				if to != dropped && f.Norms.Has(d) {
					kept++
				}
			}
			out.DocCount += kept
			if f.DocCount > 0 {
				// Of deleted documents only the share is known, as in Lucene's statistics after a merge.
				out.SumLen += f.SumLen * int64(kept) / int64(f.DocCount)
			}
		}
	}
	return out
}

func (s *Segment) column(name string, of func(*Field) *Column) *Column {
	if f := s.fields[name]; f != nil {
		return of(f)
	}
	return nil
}

func mergeColumn(w *writer, docs int, sources []Source, renumber [][]uint32, of func(*Segment) *Column, toOrd [][]uint32) *columnDir {
	var at []uint32
	var values []int64
	for i, s := range sources {
		c := of(s.Segment)
		if c == nil {
			continue
		}
		for d, to := range renumber[i] {
			if to == dropped {
				continue
			}
			for from, end := c.Range(d); from < end; from++ {
				v := c.At(from)
				if toOrd != nil {
					v = int64(toOrd[i][v])
				}
				at, values = append(at, to), append(values, v)
			}
		}
	}
	return w.column(docs, at, values)
}

// cursor is a source's place in its dictionary.
type cursor struct {
	source, ord int
	term        string
	dict        *Dict
}

type cursors []*cursor

func (c cursors) Len() int { return len(c) }
func (c cursors) Less(i, j int) bool {
	return c[i].term < c[j].term || c[i].term == c[j].term && c[i].source < c[j].source
}
func (c cursors) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c *cursors) Push(x any)   { *c = append(*c, x.(*cursor)) }
func (c *cursors) Pop() any {
	old := *c
	x := old[len(old)-1]
	*c = old[:len(old)-1]
	return x
}

// mergeTerms merges dictionaries and postings and says which ord each source's ords have now.
func mergeTerms(w *writer, out *fieldDir, name string, sources []Source, renumber [][]uint32, indexed, positions bool) [][]uint32 {
	toOrd := make([][]uint32, len(sources))
	var h cursors
	for i, s := range sources {
		f := s.Segment.fields[name]
		if f == nil || f.Dict == nil || f.Dict.Len() == 0 {
			continue
		}
		toOrd[i] = make([]uint32, f.Dict.Len())
		h = append(h, &cursor{source: i, dict: f.Dict, term: f.Dict.Term(0)})
	}
	heap.Init(&h)
	dw, post, pos := newDictWriter(), newListWriter(), newListWriter()
	next := uint32(0)
	var docs, buf, at []uint32
	for len(h) > 0 {
		term := h[0].term
		docs = docs[:0]
		alive := !indexed
		for len(h) > 0 && h[0].term == term {
			c := h[0]
			toOrd[c.source][c.ord] = next
			if f := sources[c.source].Segment.fields[name]; f.post != nil {
				buf = f.Docs(c.ord, buf[:0])
				var p *Positions
				if positions {
					p = f.Positions(c.ord)
				}
				for _, d := range buf {
					to := renumber[c.source][d]
					if to == dropped {
						if p != nil {
							p.Skip()
						}
						continue
					}
					docs = append(docs, to)
					if positions {
						at = at[:0]
						if p != nil {
							at = p.Next(at)
						}
						pos.blob = appendPositions(pos.blob, at)
					}
				}
			}
			if c.ord++; c.ord < c.dict.Len() {
				c.term = c.dict.Term(c.ord)
				heap.Fix(&h, 0)
			} else {
				heap.Pop(&h)
			}
		}
		if len(docs) == 0 && !alive {
			continue // only deleted documents had it
		}
		dw.add(term)
		next++
		if indexed {
			post.addPostings(docs)
			if positions {
				pos.end()
			}
		}
	}
	out.Dict = dw.write(w)
	if indexed {
		out.Post = post.write(w)
		if positions {
			out.Pos = pos.write(w)
		}
	}
	return toOrd
}
