// Package engine keeps the documents of indices: it takes operations, makes them durable through a write-ahead log,
// searchable by refreshing, and keeps the number of segments small by merging.
package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/segment"
)

// Kind is what an operation does.
type Kind byte

// The kinds.
const (
	// Index replaces or adds, Create adds or conflicts, Delete removes.
	Index Kind = iota + 1
	Create
	Delete
)

// Op is one operation on a document.
type Op struct {
	Kind   Kind
	ID     string
	Source []byte
	// AutoID says that the id was made here and cannot exist yet.
	AutoID bool
	// IfSeqNo >= 0 refuses the operation unless the document's last change had this number.
	IfSeqNo int64
	// IfPrimaryTerm goes with IfSeqNo.
	IfPrimaryTerm int64
	// ExternalVersion > 0 is the version to set; it must be greater than the present one, or with GTE not less.
	ExternalVersion int64
	GTE             bool
}

// Result is what became of an operation.
type Result struct {
	ID           string
	Version, Seq int64
	// Result is "created", "updated", "deleted" or "not_found".
	Result string
	Err    *eserr.Error
}

// Doc is a document as it is now, refreshed or not.
type Doc struct {
	ID           string
	Source       []byte
	Version, Seq int64
}

// buffer holds documents that are not in a segment yet.
type buffer struct {
	*segment.Builder
	ids     map[string]int // the living document of an id
	deleted map[int]bool
}

func newBuffer() *buffer {
	return &buffer{segment.NewBuilder(), map[string]int{}, map[int]bool{}}
}

// handle counts the users of a segment; the last one closes it and, if it was replaced, removes its file.
type handle struct {
	*segment.Segment
	refs     atomic.Int64
	obsolete atomic.Bool
	name     string
	// del are the deleted documents as of now, view as of the last refresh; both nil while there are none.
	del, view []uint64
	dirty     bool
	synced    bool
	families  families
}

func (h *handle) release() {
	if h.refs.Add(-1) == 0 {
		h.families.close()
		_ = h.Close()
		if h.obsolete.Load() {
			_ = os.Remove(h.Path)
		}
	}
}

// tombstone remembers a deleted document's version for a while.
type tombstone struct {
	seq, version int64
	at           time.Time
}

// Shard holds one index's documents.
type Shard struct {
	UID   string
	dir   string
	store *Store

	refreshing sync.Mutex // one refresh at a time
	merging    sync.Mutex
	mapMu      sync.Mutex
	mapping    atomic.Pointer[mapping.Mapping]
	onMapping  func(*mapping.Mapping)

	mu          sync.Mutex
	buf         *buffer
	building    *buffer
	segs        []*handle
	snap        *Snapshot
	seq         int64 // the last given number
	tombstones  map[string]tombstone
	dirtySince  time.Time // zero while everything is searchable
	uncommitted bool
	nextFile    int
	replaced    []*handle // merged away, but still in the last commit
	closed      bool
	committed   commit
	interval    atomic.Int64 // of refreshes, ns; negative never
	failed      error        // what ended writing

	// Counters of operations since the start, for statistics.
	Indexed, Deleted, Searches atomic.Int64
	Refreshes, Merges, Flushes atomic.Int64
}

// SetRefreshInterval says how long a change may stay invisible; negative switches refreshing by time off.
func (s *Shard) SetRefreshInterval(d time.Duration) { s.interval.Store(int64(d)) }

// Mapping is the index's mapping.
func (s *Shard) Mapping() *mapping.Mapping { return s.mapping.Load() }

// UpdateMapping replaces the mapping by what change makes of it and tells the owner.
func (s *Shard) UpdateMapping(change func(*mapping.Mapping) (*mapping.Mapping, error)) error {
	s.mapMu.Lock()
	defer s.mapMu.Unlock()
	m, err := change(s.mapping.Load())
	if err != nil {
		return err
	}
	s.mapping.Store(m)
	if s.onMapping != nil {
		s.onMapping(m)
	}
	return nil
}

// parse reads a source and extends the mapping where it must.
func (s *Shard) parse(p *mapping.Parser, id string, source []byte) (*mapping.Document, *mapping.Parser, error) {
	if p == nil || p.Mapping() != s.mapping.Load() {
		p = mapping.NewParser(s.mapping.Load())
	}
	for range 8 {
		doc, err := p.Parse(id, source)
		if err != nil || doc.New == nil {
			return doc, p, err
		}
		added := doc.New
		// A document that is refused all the same leaves no fields behind.
		if trial, err := p.Mapping().MergeDynamic(added); err == nil {
			if _, err := mapping.NewParser(trial).Parse(id, source); err != nil {
				return nil, p, err
			}
		}
		if err := s.UpdateMapping(func(m *mapping.Mapping) (*mapping.Mapping, error) { return m.MergeDynamic(added) }); err != nil {
			return nil, p, err
		}
		p = mapping.NewParser(s.mapping.Load())
	}
	return nil, p, fmt.Errorf("the mapping of document %q does not settle", id)
}

// Apply does operations in order. It returns before they are durable: the caller syncs the store's log once for all.
func (s *Shard) Apply(ops []Op) ([]Result, error) {
	docs := make([]*mapping.Document, len(ops))
	results := make([]Result, len(ops))
	parse := func(from, to int) {
		var p *mapping.Parser
		for i := from; i < to; i++ {
			if ops[i].Kind == Delete {
				continue
			}
			var err error
			if docs[i], p, err = s.parse(p, ops[i].ID, ops[i].Source); err != nil {
				results[i].Err = eserr.From(err)
			}
		}
	}
	// Two halves side by side where there is enough to do.
	if n := len(ops); n > 256 {
		var wg sync.WaitGroup
		wg.Go(func() { parse(0, n/2) })
		parse(n/2, n)
		wg.Wait()
	} else {
		parse(0, len(ops))
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, eserr.IndexNotFound(s.UID)
	}
	err := s.failed
	for i := range ops {
		if err != nil {
			break
		}
		results[i].ID = ops[i].ID
		if results[i].Err == nil {
			err = s.apply(&ops[i], docs[i], &results[i])
		}
	}
	full := s.buf.Bytes() > maxBuffer
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if full {
		// Whoever fills the buffer waits for it to be written: that is the back-pressure.
		if err := s.Refresh(); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// maxBuffer is how many bytes of sources wait in memory at most.
const maxBuffer = 32 << 20

// place is where the living document of an id is.
type place struct {
	buf          *buffer
	seg          *handle
	doc          int
	seq, version int64
}

func (s *Shard) locate(id string) (place, bool) {
	for _, b := range []*buffer{s.buf, s.building} {
		if b == nil {
			continue
		}
		if doc, ok := b.ids[id]; ok {
			seq, version := b.Version(doc)
			return place{buf: b, doc: doc, seq: seq, version: version}, true
		}
	}
	for _, h := range slices.Backward(s.segs) {
		if doc, ok := h.Find(id); ok && (h.del == nil || h.del[doc>>6]&(1<<(doc&63)) == 0) {
			return place{seg: h, doc: doc, seq: h.Segment.Seq.At(doc), version: h.Version.At(doc)}, true
		}
	}
	return place{}, false
}

func (s *Shard) remove(p place) {
	if p.buf != nil {
		p.buf.deleted[p.doc] = true
		delete(p.buf.ids, p.buf.ID(p.doc))
		return
	}
	h := p.seg
	if h.del == nil {
		h.del = make([]uint64, (h.Docs()+63)/64)
	}
	h.del[p.doc>>6] |= 1 << (p.doc & 63)
	h.dirty = true
}

// apply does one operation; s.mu is held. An error is the log's: nothing more can be acknowledged.
func (s *Shard) apply(op *Op, doc *mapping.Document, r *Result) error {
	var at place
	exists := false
	version := int64(0)
	if !op.AutoID {
		if at, exists = s.locate(op.ID); exists {
			version = at.version
		} else if t, ok := s.tombstones[op.ID]; ok {
			version = t.version
		}
	}
	if r.Err = s.conflict(op, at, exists, version); r.Err != nil {
		return nil
	}
	version++
	if op.ExternalVersion > 0 {
		version = op.ExternalVersion
	}
	seq := s.seq + 1
	if err := s.store.logOp(s.UID, op, seq, version); err != nil {
		return err
	}
	r.Version, r.Seq = version, seq
	r.Result = s.commitOp(op, doc, at, exists, seq, version)
	return nil
}

// commitOp changes memory; s.mu is held.
func (s *Shard) commitOp(op *Op, doc *mapping.Document, at place, exists bool, seq, version int64) string {
	s.seq = max(s.seq, seq)
	s.uncommitted = true
	if s.dirtySince.IsZero() {
		s.dirtySince = time.Now()
	}
	if exists {
		s.remove(at)
	}
	if op.Kind == Delete {
		s.Deleted.Add(1)
		s.tombstones[op.ID] = tombstone{seq, version, time.Now()}
		if exists {
			return "deleted"
		}
		return "not_found"
	}
	s.Indexed.Add(1)
	if len(s.tombstones) > 0 {
		delete(s.tombstones, op.ID)
	}
	s.buf.ids[op.ID] = s.buf.Add(doc, op.ID, op.Source, seq, version)
	if exists {
		return "updated"
	}
	return "created"
}

func (s *Shard) conflict(op *Op, at place, exists bool, version int64) *eserr.Error {
	refuse := func(format string, args ...any) *eserr.Error {
		return eserr.New(409, "version_conflict_engine_exception", "[%s]: version conflict, %s", op.ID, fmt.Sprintf(format, args...))
	}
	switch {
	case op.Kind == Create && exists:
		return refuse("document already exists (current version [%d])", version)
	case op.IfSeqNo >= 0 && !exists:
		return refuse("required seqNo [%d], primary term [%d]. but no document was found", op.IfSeqNo, op.IfPrimaryTerm)
	case op.IfSeqNo >= 0 && (at.seq != op.IfSeqNo || op.IfPrimaryTerm != 1):
		return refuse("required seqNo [%d], primary term [%d]. current document has seqNo [%d] and primary term [%d]", op.IfSeqNo, op.IfPrimaryTerm, at.seq, 1)
	case op.ExternalVersion > 0 && version > 0 && (op.ExternalVersion < version || op.ExternalVersion == version && !op.GTE):
		cmp := "higher or equal to"
		if op.GTE {
			cmp = "higher than"
		}
		return refuse("current version [%d] is %s the one provided [%d]", version, cmp, op.ExternalVersion)
	}
	return nil
}

// Get is the present document of an id, refreshed or not; nil where there is none.
func (s *Shard) Get(id string) (*Doc, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.locate(id)
	if !ok {
		return nil, nil
	}
	d := &Doc{ID: id, Version: at.version, Seq: at.seq}
	if at.buf != nil {
		d.Source = slices.Clone(at.buf.Source(at.doc))
		return d, nil
	}
	src, err := at.seg.Sources().Get(at.doc)
	d.Source = slices.Clone(src)
	return d, err
}

func (s *Shard) segmentPath() (string, string) {
	s.nextFile++
	name := fmt.Sprintf("%08d.seg", s.nextFile)
	return name, filepath.Join(s.dir, name)
}
