package segment

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"os"
	"sort"
	"sync"
	"unsafe"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// Segment is an open segment file. Everything it hands out lies in the mapped file and is valid until Close.
type Segment struct {
	Path   string
	data   []byte
	dir    *directory
	fields map[string]*Field
	// Seq and Version have a value for every document.
	Seq, Version *Column
	ids          []byte
	idOffs       []uint32
	hash         []uint64
	blocks       []byte
	blockOffs    []uint64
	firsts       []uint32
}

// Field is what a segment has of a field; what a kind of field lacks is nil.
type Field struct {
	Num      *Column
	Dict     *Dict
	Ords     *Column
	Norms    *Column
	SumLen   int64
	DocCount int
	docs     int
	post     *list
	pos      *list
}

// Open maps a segment file.
func Open(path string) (*Segment, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open a segment: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open a segment: %w", err)
	}
	if st.Size() == 0 {
		return nil, fmt.Errorf("open the segment %s: the file is empty", path)
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the segment %s: %w", path, err)
	}
	dir, err := decodeDirectory(data)
	if err != nil {
		_ = unix.Munmap(data)
		return nil, fmt.Errorf("open the segment %s: %w", path, err)
	}
	s := &Segment{Path: path, data: data, dir: dir, fields: make(map[string]*Field, len(dir.Fields)),
		Seq: newColumn(data, dir.Seq, dir.Docs), Version: newColumn(data, dir.Ver, dir.Docs),
		ids: slice[byte](data, dir.IDs), idOffs: slice[uint32](data, dir.IDOffs), hash: slice[uint64](data, dir.Hash),
		blocks: slice[byte](data, dir.Blocks), blockOffs: slice[uint64](data, dir.BlockOffs), firsts: slice[uint32](data, dir.Firsts)}
	for name, fd := range dir.Fields {
		s.fields[name] = &Field{Num: newColumn(data, fd.Num, dir.Docs), Ords: newColumn(data, fd.Ords, dir.Docs),
			Norms: newColumn(data, fd.Norms, dir.Docs), Dict: newDict(data, fd.Dict), post: newList(data, fd.Post), pos: newList(data, fd.Pos),
			SumLen: fd.SumLen, DocCount: fd.DocCount, docs: dir.Docs}
	}
	return s, nil
}

// Close unmaps the file.
func (s *Segment) Close() error {
	data := s.data
	s.data = nil
	if data == nil {
		return nil
	}
	if err := unix.Munmap(data); err != nil {
		return fmt.Errorf("unmap the segment %s: %w", s.Path, err)
	}
	return nil
}

// Sync puts the file safely on disk.
func (s *Segment) Sync() error {
	f, err := os.Open(s.Path)
	if err != nil {
		return fmt.Errorf("sync a segment: %w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync the segment %s: %w", s.Path, err)
	}
	return nil
}

// Docs is the number of documents, deleted ones included.
func (s *Segment) Docs() int { return s.dir.Docs }

// Size is the length of the file in bytes.
func (s *Segment) Size() int64 { return int64(len(s.data)) }

// Field is what the segment has of a field; nil where no document has it.
func (s *Segment) Field(name string) *Field { return s.fields[name] }

// FieldNames are the fields that a document of the segment has.
func (s *Segment) FieldNames() []string {
	out := make([]string, 0, len(s.fields))
	for name := range s.fields {
		out = append(out, name)
	}
	return out
}

// ID is the id of a document, copied.
func (s *Segment) ID(doc int) string { return string(s.ids[s.idOffs[doc]:s.idOffs[doc+1]]) }

// Find is the document with an id.
func (s *Segment) Find(id string) (doc int, ok bool) {
	if len(s.hash) == 0 {
		return 0, false
	}
	h := hashOf(id)
	mask := uint64(len(s.hash) - 1)
	for at := h & mask; s.hash[at] != 0; at = (at + 1) & mask {
		if e := s.hash[at]; e>>32 == h>>32 {
			d := int(uint32(e)) - 1
			if string(s.ids[s.idOffs[d]:s.idOffs[d+1]]) == id {
				return d, true
			}
		}
	}
	return 0, false
}

var decoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0))
	if err != nil {
		panic(err) // only options can be wrong
	}
	return d
})

// Sources reads sources; it keeps the last block, so that neighbours cost little. It is for one goroutine.
type Sources struct {
	s     *Segment
	block int
	raw   []byte
	ends  []int
	body  []byte
}

// Sources is a reader of the segment's sources.
func (s *Segment) Sources() *Sources { return &Sources{s: s, block: -1} }

// Get is the source of a document; it is valid until the next call.
func (r *Sources) Get(doc int) ([]byte, error) {
	s := r.s
	b := sort.Search(len(s.firsts), func(i int) bool { return int(s.firsts[i]) > doc }) - 1
	if b < 0 {
		return nil, fmt.Errorf("read the source of document %d of %s: there is no such document", doc, s.Path)
	}
	if b != r.block {
		raw, err := decoder().DecodeAll(s.blocks[s.blockOffs[b]:s.blockOffs[b+1]], r.raw[:0])
		if err != nil {
			return nil, fmt.Errorf("read the source of document %d of %s: %w", doc, s.Path, err)
		}
		r.raw, r.block = raw, b
		n, k := binary.Uvarint(raw)
		r.ends = r.ends[:0]
		end := 0
		for range n {
			l, c := binary.Uvarint(raw[k:])
			k += c
			end += int(l)
			r.ends = append(r.ends, end)
		}
		r.body = raw[k:]
	}
	i := doc - int(s.firsts[b])
	start := 0
	if i > 0 {
		start = r.ends[i-1]
	}
	return r.body[start:r.ends[i]:r.ends[i]], nil
}

// Column is one value, or a run of ascending values, a document.
type Column struct {
	Min, Max int64
	// Count is the number of documents with a value.
	Count   int
	width   int
	docs    int
	v8      []uint8
	v16     []uint16
	v32     []uint32
	v64     []int64
	starts  []uint32
	present []uint64
}

func newColumn(data []byte, d *columnDir, docs int) *Column {
	if d == nil {
		return nil
	}
	c := &Column{Min: d.Min, Max: d.Max, Count: d.Count, width: d.Width, docs: docs,
		starts: slice[uint32](data, d.Starts), present: slice[uint64](data, d.Present)}
	switch d.Width {
	case 1:
		c.v8 = slice[uint8](data, d.Values)
	case 2:
		c.v16 = slice[uint16](data, d.Values)
	case 4:
		c.v32 = slice[uint32](data, d.Values)
	case 8:
		c.v64 = slice[int64](data, d.Values)
	}
	return c
}

// Single says whether no document has more than one value; then the value of document d is At(d) if Has(d).
func (c *Column) Single() bool { return c.starts == nil }

// Full says whether every document has exactly one value.
func (c *Column) Full() bool { return c.starts == nil && c.present == nil }

// Values is the number of values of all documents.
func (c *Column) Values() int {
	if c.starts != nil {
		return int(c.starts[len(c.starts)-1])
	}
	return c.Count
}

// Has says whether a document has a value.
func (c *Column) Has(doc int) bool {
	if c.starts != nil {
		return c.starts[doc] < c.starts[doc+1]
	}
	return c.present == nil || c.present[doc>>6]&(1<<(doc&63)) != 0
}

// Range are the indices of a document's values, for At.
func (c *Column) Range(doc int) (from, to int) {
	if c.starts != nil {
		return int(c.starts[doc]), int(c.starts[doc+1])
	}
	if c.Has(doc) {
		return doc, doc + 1
	}
	return 0, 0
}

// At is the value at an index that Range gave.
func (c *Column) At(i int) int64 {
	switch c.width {
	case 1:
		return c.Min + int64(c.v8[i])
	case 2:
		return c.Min + int64(c.v16[i])
	case 4:
		return c.Min + int64(c.v32[i])
	case 8:
		return c.v64[i]
	}
	return c.Min
}

// First is a document's smallest value.
func (c *Column) First(doc int) (int64, bool) {
	from, to := c.Range(doc)
	if from == to {
		return 0, false
	}
	return c.At(from), true
}

// Exists sets the bits of documents with a value.
func (c *Column) Exists(words []uint64) {
	switch {
	case c.starts != nil:
		for d := range c.docs {
			if c.starts[d] < c.starts[d+1] {
				words[d>>6] |= 1 << (d & 63)
			}
		}
	case c.present != nil:
		for i, w := range c.present {
			words[i] |= w
		}
	default:
		setRange(words, c.docs)
	}
}

func setRange(words []uint64, n int) {
	for i := range n / 64 {
		words[i] = ^uint64(0)
	}
	if n%64 != 0 {
		words[n/64] |= 1<<(n%64) - 1
	}
}

// Between sets the bits of documents with a value in [lo, hi].
func (c *Column) Between(lo, hi int64, words []uint64) {
	if c.Count == 0 || lo > hi || hi < c.Min || lo > c.Max {
		return
	}
	if lo <= c.Min && hi >= c.Max {
		c.Exists(words)
		return
	}
	if c.starts != nil {
		for d := range c.docs {
			for i := c.starts[d]; i < c.starts[d+1]; i++ {
				if v := c.At(int(i)); v >= lo && v <= hi {
					words[d>>6] |= 1 << (d & 63)
					break
				}
			}
		}
		return
	}
	l, h := uint64(max(lo, c.Min)-c.Min), uint64(min(hi, c.Max)-c.Min)
	switch c.width {
	case 1:
		between(c.v8, uint8(l), uint8(h), words)
	case 2:
		between(c.v16, uint16(l), uint16(h), words)
	case 4:
		between(c.v32, uint32(l), uint32(h), words)
	case 8:
		between(c.v64, max(lo, c.Min), min(hi, c.Max), words)
	}
	if c.present != nil {
		for i, w := range c.present {
			words[i] &= w
		}
	}
}

// between needs words to be empty where present bits are applied afterwards: callers give fresh ones.
func between[T uint8 | uint16 | uint32 | int64](values []T, lo, hi T, words []uint64) {
	for i, v := range values {
		if v >= lo && v <= hi {
			words[i>>6] |= 1 << (i & 63)
		}
	}
}

// Dict is a sorted dictionary.
type Dict struct {
	blob []byte
	offs []uint32
}

func newDict(data []byte, d *dictDir) *Dict {
	if d == nil {
		return nil
	}
	return &Dict{slice[byte](data, d.Blob), slice[uint32](data, d.Offs)}
}

// Len is the number of terms.
func (d *Dict) Len() int { return len(d.offs) - 1 }

// Term is the term of an ord, in mapped memory.
func (d *Dict) Term(ord int) string {
	from, to := d.offs[ord], d.offs[ord+1]
	if from == to {
		return ""
	}
	return unsafe.String(&d.blob[from], int(to-from))
}

// Seek is the first ord whose term is not less than the given one.
func (d *Dict) Seek(term string) int {
	return sort.Search(d.Len(), func(i int) bool { return d.Term(i) >= term })
}

// Find is the ord of a term.
func (d *Dict) Find(term string) (int, bool) {
	i := d.Seek(term)
	return i, i < d.Len() && d.Term(i) == term
}

type list struct {
	blob []byte
	offs []uint32
}

func newList(data []byte, d *listDir) *list {
	if d == nil {
		return nil
	}
	return &list{slice[byte](data, d.Blob), slice[uint32](data, d.Offs)}
}

func (l *list) get(ord int) []byte { return l.blob[l.offs[ord]:l.offs[ord+1]] }

// Indexed says whether the field has postings.
func (f *Field) Indexed() bool { return f.post != nil }

// DocFreq is the number of documents with a term, deleted ones included.
func (f *Field) DocFreq(ord int) int {
	n, _ := binary.Uvarint(f.post.get(ord))
	return int(n)
}

// Or sets the bits of the documents with a term.
func (f *Field) Or(ord int, words []uint64) {
	b := f.post.get(ord)
	n, k := binary.Uvarint(b)
	if n <= fewDocs {
		doc := uint64(0)
		for range n {
			delta, c := binary.Uvarint(b[k:])
			k += c
			doc += delta
			words[doc>>6] |= 1 << (doc & 63)
		}
		return
	}
	bm := roaring.New()
	if _, err := bm.FromBuffer(b[k:]); err != nil {
		return // written by us; the directory's checksum held
	}
	it := bm.ManyIterator()
	var buf [512]uint32
	for {
		got := it.NextMany(buf[:])
		if got == 0 {
			return
		}
		for _, d := range buf[:got] {
			words[d>>6] |= 1 << (d & 63)
		}
	}
}

// Docs appends the documents with a term in order.
func (f *Field) Docs(ord int, out []uint32) []uint32 {
	b := f.post.get(ord)
	n, k := binary.Uvarint(b)
	if n <= fewDocs {
		doc := uint32(0)
		for range n {
			delta, c := binary.Uvarint(b[k:])
			k += c
			doc += uint32(delta)
			out = append(out, doc)
		}
		return out
	}
	bm := roaring.New()
	if _, err := bm.FromBuffer(b[k:]); err != nil {
		return out
	}
	at := len(out)
	out = append(out, make([]uint32, n)...)
	bm.ManyIterator().NextMany(out[at:])
	return out
}

// Positions walks the positions of a term in its documents, in the order of Docs.
type Positions struct{ b []byte }

// Positions is a walk over a term's positions; nil where the field has none.
func (f *Field) Positions(ord int) *Positions {
	if f.pos == nil {
		return nil
	}
	return &Positions{f.pos.get(ord)}
}

// Next are the positions in the next document.
func (p *Positions) Next(buf []uint32) []uint32 {
	n, k := binary.Uvarint(p.b)
	p.b = p.b[k:]
	last := uint32(0)
	for range n {
		d, c := binary.Uvarint(p.b)
		p.b = p.b[c:]
		last += uint32(d)
		buf = append(buf, last)
	}
	return buf
}

// Skip is the number of positions in the next document, which is passed over.
func (p *Positions) Skip() int {
	n, k := binary.Uvarint(p.b)
	p.b = p.b[k:]
	for range n {
		_, c := binary.Uvarint(p.b)
		p.b = p.b[c:]
	}
	return int(n)
}

// Count is the number of bits set.
func Count(words []uint64) int {
	n := 0
	for _, w := range words {
		n += bits.OnesCount64(w)
	}
	return n
}
