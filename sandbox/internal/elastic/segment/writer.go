package segment

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/bits"
	"os"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"

	"obsandbox/sandbox/internal/elastic/analysis"
)

type tokenOf = analysis.Token

// writer appends sections to a segment file.
type writer struct {
	path string
	f    *os.File
	w    *bufio.Writer
	off  int64
	err  error
}

func create(path string) (*writer, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("create a segment: %w", err)
	}
	w := &writer{path: path, f: f, w: bufio.NewWriterSize(f, 1<<20)}
	w.raw([]byte(magic))
	return w, nil
}

func (w *writer) raw(b []byte) {
	if w.err == nil {
		_, w.err = w.w.Write(b)
	}
	w.off += int64(len(b))
}

func (w *writer) section(b []byte) section {
	s := section{w.off, int64(len(b))}
	w.raw(b)
	if pad := -w.off & 7; pad > 0 {
		w.raw(make([]byte, pad))
	}
	return s
}

func (w *writer) finish(dir *directory, sync bool) error {
	raw, err := json.Marshal(dir)
	if err != nil {
		return fmt.Errorf("write the segment %s: %w", w.path, err)
	}
	off := w.off
	w.raw(raw)
	w.raw(encodeFooter(off, raw))
	err = w.err
	if err == nil {
		err = w.w.Flush()
	}
	if err == nil && sync {
		err = w.f.Sync()
	}
	f := w.f
	w.f = nil
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(w.path)
		return fmt.Errorf("write the segment %s: %w", w.path, err)
	}
	return nil
}

// abort removes a file that was not finished.
func (w *writer) abort() {
	if w.f != nil {
		w.f.Close()
		os.Remove(w.path)
	}
}

// dense writes one value a document.
func (w *writer) dense(values []int64) *columnDir {
	d := &columnDir{Count: len(values)}
	if len(values) > 0 {
		d.Min, d.Max = slices.Min(values), slices.Max(values)
	}
	d.Width, d.Values = w.pack(values, d.Min, d.Max)
	return d
}

// pack writes values as differences from the smallest, in as few bytes as all of them need.
func (w *writer) pack(values []int64, lo, hi int64) (int, section) {
	span := uint64(hi) - uint64(lo)
	switch {
	case span == 0:
		return 0, section{}
	case span < 1<<8:
		out := make([]byte, len(values))
		for i, v := range values {
			out[i] = byte(v - lo)
		}
		return 1, w.section(out)
	case span < 1<<16:
		out := make([]uint16, len(values))
		for i, v := range values {
			out[i] = uint16(v - lo)
		}
		return 2, w.section(asBytes(out))
	case span < 1<<32:
		out := make([]uint32, len(values))
		for i, v := range values {
			out[i] = uint32(v - lo)
		}
		return 4, w.section(asBytes(out))
	}
	return 8, w.section(asBytes(values))
}

// column writes the values of documents in ascending order; a document may have none or several.
func (w *writer) column(docs int, of []uint32, values []int64) *columnDir {
	d := &columnDir{}
	if len(values) == 0 {
		d.Present = w.section(make([]byte, (docs+63)/64*8))
		return d
	}
	multi := false
	for i := 1; i < len(of); i++ {
		if of[i] == of[i-1] {
			multi = true
			break
		}
	}
	d.Min, d.Max = slices.Min(values), slices.Max(values)
	if multi {
		starts := make([]uint32, docs+1)
		for i, doc := range of {
			if i == 0 || of[i-1] != doc {
				d.Count++
			}
			starts[doc+1]++
		}
		for i := range docs {
			starts[i+1] += starts[i]
		}
		for i := range docs {
			if run := values[starts[i]:starts[i+1]]; len(run) > 1 {
				slices.Sort(run)
			}
		}
		d.Starts = w.section(asBytes(starts))
		d.Width, d.Values = w.pack(values, d.Min, d.Max)
		return d
	}
	d.Count = len(of)
	if d.Count == docs {
		d.Width, d.Values = w.pack(values, d.Min, d.Max)
		return d
	}
	full := make([]int64, docs)
	for i := range full {
		full[i] = d.Min
	}
	present := make([]uint64, (docs+63)/64)
	for i, doc := range of {
		full[doc] = values[i]
		present[doc/64] |= 1 << (doc % 64)
	}
	d.Present = w.section(asBytes(present))
	d.Width, d.Values = w.pack(full, d.Min, d.Max)
	return d
}

// hashOf is the part of an id's hash that the table keeps.
func hashOf(id string) uint64 { return xxhash.Sum64String(id) }

func (w *writer) ids(dir *directory, ids []string) {
	total := 0
	for _, id := range ids {
		total += len(id)
	}
	blob := make([]byte, 0, total)
	offs := make([]uint32, len(ids)+1)
	size := 1 << bits.Len(uint(len(ids)*3/2+1))
	table := make([]uint64, size)
	for i, id := range ids {
		blob = append(blob, id...)
		offs[i+1] = uint32(len(blob))
		h := hashOf(id)
		at := h & uint64(size-1)
		for table[at] != 0 {
			// A later document of the same id replaces the earlier one, which is deleted.
			if table[at]>>32 == h>>32 && ids[uint32(table[at])-1] == id {
				break
			}
			at = (at + 1) & uint64(size-1)
		}
		table[at] = h&^(1<<32-1) | uint64(i+1)
	}
	dir.IDs, dir.IDOffs, dir.Hash = w.section(blob), w.section(asBytes(offs)), w.section(asBytes(table))
}

type dictWriter struct {
	blob []byte
	offs []uint32
}

func newDictWriter() *dictWriter { return &dictWriter{offs: []uint32{0}} }

func (d *dictWriter) add(term string) {
	d.blob = append(d.blob, term...)
	d.offs = append(d.offs, uint32(len(d.blob)))
}

func (d *dictWriter) write(w *writer) *dictDir {
	return &dictDir{Terms: len(d.offs) - 1, Blob: w.section(d.blob), Offs: w.section(asBytes(d.offs))}
}

// listWriter gathers one byte string a term.
type listWriter struct {
	blob []byte
	offs []uint32
}

func newListWriter() *listWriter { return &listWriter{offs: []uint32{0}} }

func (l *listWriter) end() { l.offs = append(l.offs, uint32(len(l.blob))) }

func (l *listWriter) write(w *writer) *listDir {
	return &listDir{Blob: w.section(l.blob), Offs: w.section(asBytes(l.offs))}
}

// fewDocs is the most documents a term may have to be kept as differences; more are a roaring bitmap.
const fewDocs = 64

func (l *listWriter) addPostings(docs []uint32) {
	l.blob = binary.AppendUvarint(l.blob, uint64(len(docs)))
	if len(docs) <= fewDocs {
		last := uint32(0)
		for _, d := range docs {
			l.blob = binary.AppendUvarint(l.blob, uint64(d-last))
			last = d
		}
	} else {
		bm := roaring.New()
		bm.AddMany(docs)
		bm.RunOptimize()
		b, _ := bm.ToBytes() // writes to memory
		l.blob = append(l.blob, b...)
	}
	l.end()
}

// blockSize is how much source is compressed together: enough for zstd to find what repeats, little enough that one
// document costs tens of microseconds.
const blockSize = 32 << 10

// sourceWriter compresses sources in blocks: the lengths of the documents, then their bytes.
type sourceWriter struct {
	w      *writer
	enc    *zstd.Encoder
	begin  int64
	lens   []byte
	raw    []byte
	out    []byte
	first  int
	n      int
	firsts []uint32
	offs   []uint64
	total  int64
}

func newSourceWriter(w *writer) *sourceWriter {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(64<<10))
	if err != nil {
		w.err = err
	}
	return &sourceWriter{w: w, enc: enc, begin: w.off, offs: []uint64{0}}
}

func (s *sourceWriter) add(doc int, source []byte) {
	if s.n == 0 {
		s.first = doc
	}
	s.n++
	s.total += int64(len(source))
	s.lens = binary.AppendUvarint(s.lens, uint64(len(source)))
	s.raw = append(s.raw, source...)
	if len(s.raw) >= blockSize {
		s.flush()
	}
}

func (s *sourceWriter) flush() {
	if s.n == 0 {
		return
	}
	head := binary.AppendUvarint(nil, uint64(s.n))
	s.out = s.enc.EncodeAll(append(append(head, s.lens...), s.raw...), s.out[:0])
	s.w.raw(s.out)
	s.firsts = append(s.firsts, uint32(s.first))
	s.offs = append(s.offs, uint64(s.w.off-s.begin))
	s.lens, s.raw, s.n = s.lens[:0], s.raw[:0], 0
}

func (s *sourceWriter) finish(dir *directory) {
	s.flush()
	dir.Blocks = section{s.begin, s.w.off - s.begin}
	s.w.section(nil) // align
	dir.BlockOffs, dir.Firsts, dir.SourceBytes = s.w.section(asBytes(s.offs)), s.w.section(asBytes(s.firsts)), s.total
	s.enc.Close()
}
