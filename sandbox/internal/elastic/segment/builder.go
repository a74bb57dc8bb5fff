package segment

import (
	"encoding/binary"
	"slices"
	"strings"

	"obsandbox/sandbox/internal/elastic/mapping"
)

// Builder gathers documents in memory until they become a segment. It is not safe for concurrent use.
type Builder struct {
	fields []*fieldBuilder // by field id
	order  []*fieldBuilder
	ids    []string
	srcs   [][]byte
	seqs   []int64
	vers   []int64
	bytes  int
}

type fieldBuilder struct {
	field *mapping.Field
	// numbers
	docs []uint32
	nums []int64
	// keywords and text: docs[i] has terms[i], of text at pos[i]
	dict  map[string]uint32
	names []string
	terms []uint32
	pos   []uint32
	// text lengths
	lenDocs []uint32
	lens    []int64
	sum     int64
}

// ignoredField holds the names of fields that were left out of a document.
const ignoredField = "_ignored"

// NewBuilder is an empty builder.
func NewBuilder() *Builder { return &Builder{} }

// Len is the number of documents.
func (b *Builder) Len() int { return len(b.ids) }

// Bytes is the length of all sources.
func (b *Builder) Bytes() int { return b.bytes }

// ID is a document's id.
func (b *Builder) ID(doc int) string { return b.ids[doc] }

// Source is a document's source.
func (b *Builder) Source(doc int) []byte { return b.srcs[doc] }

// Version is a document's sequence number and version.
func (b *Builder) Version(doc int) (seq, version int64) { return b.seqs[doc], b.vers[doc] }

func (b *Builder) field(f *mapping.Field) *fieldBuilder {
	for f.ID >= len(b.fields) {
		b.fields = append(b.fields, make([]*fieldBuilder, max(16, f.ID+1-len(b.fields)))...)
	}
	fb := b.fields[f.ID]
	if fb == nil {
		fb = &fieldBuilder{field: f}
		if !f.Numeric() {
			fb.dict = map[string]uint32{}
		}
		b.fields[f.ID] = fb
		b.order = append(b.order, fb)
	}
	return fb
}

func (fb *fieldBuilder) term(s string) uint32 {
	id, ok := fb.dict[s]
	if !ok {
		id = uint32(len(fb.names))
		s = strings.Clone(s)
		fb.dict[s] = id
		fb.names = append(fb.names, s)
	}
	return id
}

// Add takes a document and is its number.
func (b *Builder) Add(d *mapping.Document, id string, source []byte, seq, version int64) int {
	doc := uint32(len(b.ids))
	b.ids, b.srcs = append(b.ids, id), append(b.srcs, source)
	b.seqs, b.vers = append(b.seqs, seq), append(b.vers, version)
	b.bytes += len(source)
	for _, v := range d.Nums {
		fb := b.field(v.Field)
		fb.docs, fb.nums = append(fb.docs, doc), append(fb.nums, v.V)
	}
	for _, v := range d.Terms {
		fb := b.field(v.Field)
		fb.docs, fb.terms = append(fb.docs, doc), append(fb.terms, fb.term(v.S))
	}
	for _, name := range d.Ignored {
		fb := b.field(&mapping.Field{ID: 0, Name: ignoredField, Kind: mapping.Keyword, Index: true, DocValues: true})
		fb.docs, fb.terms = append(fb.docs, doc), append(fb.terms, fb.term(name))
	}
	for _, v := range d.Texts {
		b.text(v, doc)
	}
	return int(doc)
}

// positionGap separates the values of a field, so that no phrase reaches from one into the next.
const positionGap = 100

func (b *Builder) text(v mapping.StrValue, doc uint32) {
	fb := b.field(v.Field)
	base, n := 0, len(fb.lenDocs)
	again := n > 0 && fb.lenDocs[n-1] == doc
	if again {
		base = int(fb.pos[len(fb.pos)-1]) + 1 + positionGap
	}
	count := 0
	v.Field.Analyzer(v.S, func(t tokenOf) {
		count++
		fb.docs = append(fb.docs, doc)
		fb.terms = append(fb.terms, fb.term(t.Term))
		fb.pos = append(fb.pos, uint32(base+t.Pos))
	})
	fb.sum += int64(count)
	switch {
	case again:
		fb.lens[n-1] += int64(count)
	case count > 0:
		fb.lenDocs, fb.lens = append(fb.lenDocs, doc), append(fb.lens, int64(count))
	}
}

// Write makes the segment file.
func (b *Builder) Write(path string, sync bool) error {
	w, err := create(path)
	if err != nil {
		return err
	}
	defer w.abort()
	n := len(b.ids)
	dir := directory{Docs: n, Fields: map[string]*fieldDir{}}
	for _, fb := range b.order {
		if fb.field.Numeric() {
			dir.Fields[fb.field.Name] = &fieldDir{Num: w.column(n, fb.docs, fb.nums)}
			continue
		}
		dir.Fields[fb.field.Name] = fb.write(w, n)
	}
	dir.Seq = w.dense(b.seqs)
	dir.Ver = w.dense(b.vers)
	w.ids(&dir, b.ids)
	src := newSourceWriter(w)
	for i, s := range b.srcs {
		src.add(i, s)
	}
	src.finish(&dir)
	return w.finish(&dir, sync)
}

func (fb *fieldBuilder) write(w *writer, docs int) *fieldDir {
	// Sort the dictionary and renumber.
	order := make([]uint32, len(fb.names))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return strings.Compare(fb.names[a], fb.names[b]) })
	ord := make([]uint32, len(order))
	dw := newDictWriter()
	for i, id := range order {
		ord[id] = uint32(i)
		dw.add(fb.names[id])
	}
	text := fb.field.Kind == mapping.Text
	f := fb.field
	if !text {
		fb.dedupe(ord)
	} else {
		for i, id := range fb.terms {
			fb.terms[i] = ord[id]
		}
	}
	out := &fieldDir{Dict: dw.write(w)}
	if f.Index {
		starts := make([]uint32, len(order)+1)
		for _, o := range fb.terms {
			starts[o+1]++
		}
		for i := range order {
			starts[i+1] += starts[i]
		}
		at := slices.Clone(starts[:len(order)])
		sorted := make([]uint32, len(fb.terms))
		var pos []uint32
		if text {
			pos = make([]uint32, len(fb.terms))
		}
		for i, o := range fb.terms {
			sorted[at[o]] = fb.docs[i]
			if text {
				pos[at[o]] = fb.pos[i]
			}
			at[o]++
		}
		post, positions := newListWriter(), newListWriter()
		var unique []uint32
		for i := range order {
			docs := sorted[starts[i]:starts[i+1]]
			if text {
				unique = positions.addPositions(docs, pos[starts[i]:starts[i+1]], unique[:0])
				docs = unique
			}
			post.addPostings(docs)
		}
		out.Post = post.write(w)
		if text {
			out.Pos = positions.write(w)
		}
	}
	if text {
		norms := make([]int64, len(fb.lens))
		for i, n := range fb.lens {
			norms[i] = int64(NormByte(int(n)))
		}
		out.Norms, out.SumLen, out.DocCount = w.column(docs, fb.lenDocs, norms), fb.sum, len(fb.lens)
	} else if f.DocValues {
		values := make([]int64, len(fb.terms))
		for i, o := range fb.terms {
			values[i] = int64(o)
		}
		out.Ords = w.column(docs, fb.docs, values)
	}
	return out
}

// dedupe turns term ids into ords, sorted and each once a document.
func (fb *fieldBuilder) dedupe(ord []uint32) {
	out := 0
	for i := 0; i < len(fb.terms); {
		j := i
		for j < len(fb.terms) && fb.docs[j] == fb.docs[i] {
			fb.terms[j] = ord[fb.terms[j]]
			j++
		}
		run := fb.terms[i:j]
		if len(run) > 1 {
			slices.Sort(run)
			run = slices.Compact(run)
		}
		doc := fb.docs[i]
		for _, o := range run {
			fb.docs[out], fb.terms[out] = doc, o
			out++
		}
		i = j
	}
	fb.docs, fb.terms = fb.docs[:out], fb.terms[:out]
}

// addPositions writes the positions of a term in its documents and gathers each document once.
func (l *listWriter) addPositions(docs, pos, unique []uint32) []uint32 {
	for i := 0; i < len(docs); {
		j := i
		for j < len(docs) && docs[j] == docs[i] {
			j++
		}
		unique = append(unique, docs[i])
		l.blob = appendPositions(l.blob, pos[i:j])
		i = j
	}
	l.end()
	return unique
}

func appendPositions(out []byte, pos []uint32) []byte {
	out = binary.AppendUvarint(out, uint64(len(pos)))
	last := uint32(0)
	for _, p := range pos {
		out = binary.AppendUvarint(out, uint64(p-last))
		last = p
	}
	return out
}
