package engine

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"obsandbox/sandbox/internal/elastic/segment"
)

// View is a segment with the deletions that a snapshot sees.
type View struct {
	*segment.Segment
	// Deleted has a bit for every deleted document; nil where there are none.
	Deleted []uint64
	// Live is the number of documents that are not deleted.
	Live int
	h    *handle
	// Of a nested view: what it belongs to and its path.
	family *family
	path   string
}

// Alive says whether a document is not deleted.
func (v *View) Alive(doc int) bool { return v.Deleted == nil || v.Deleted[doc>>6]&(1<<(doc&63)) == 0 }

// Snapshot is an index as it was when it was last refreshed. Release it after use.
type Snapshot struct {
	Views []*View
	// Docs is the number of living documents.
	Docs int
}

// Snapshot is what can be searched now.
func (s *Shard) Snapshot() *Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.snap.Views {
		v.h.refs.Add(1)
	}
	return s.snap
}

// Retain counts one user more, who releases it too.
func (s *Snapshot) Retain() *Snapshot {
	for _, v := range s.Views {
		v.h.refs.Add(1)
	}
	return s
}

// Release ends the use of a snapshot.
func (s *Snapshot) Release() {
	for _, v := range s.Views {
		v.h.release()
	}
}

// publish makes the present segments the snapshot; s.mu is held.
func (s *Shard) publish() {
	snap := &Snapshot{}
	for _, h := range s.segs {
		v := &View{Segment: h.Segment, Deleted: h.view, Live: h.Docs(), h: h}
		if h.view != nil {
			v.Live -= segment.Count(h.view)
		}
		snap.Docs += v.Live
		snap.Views = append(snap.Views, v)
	}
	s.snap = snap
}

// Refresh makes every operation before it searchable.
func (s *Shard) Refresh() error {
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	return s.refresh(nil)
}

// refresh does the work; atSwap is called while no operation can run, right when the buffer is taken.
func (s *Shard) refresh(atSwap func()) error {
	s.mu.Lock()
	if s.closed || s.dirtySince.IsZero() {
		if atSwap != nil {
			atSwap()
		}
		s.mu.Unlock()
		return nil
	}
	if s.failed != nil {
		s.mu.Unlock()
		return s.failed
	}
	buf := s.buf
	gone := maps.Clone(buf.deleted)
	s.buf, s.building = newBuffer(), buf
	s.dirtySince = time.Time{}
	name, path := s.segmentPath()
	// Deletions up to here become visible together with the documents that replace them.
	views := make([][]uint64, len(s.segs))
	handles := slices.Clone(s.segs)
	for i, h := range s.segs {
		if h.dirty {
			views[i], h.dirty = slices.Clone(h.del), false
		}
	}
	if atSwap != nil {
		atSwap()
	}
	for id, t := range s.tombstones {
		if time.Since(t.at) > time.Minute {
			delete(s.tombstones, id)
		}
	}
	s.mu.Unlock()

	var added *handle
	if buf.Len() > 0 {
		if err := buf.Write(path, false); err != nil {
			return s.fail(err)
		}
		seg, err := segment.Open(path)
		if err != nil {
			return s.fail(err)
		}
		added = &handle{Segment: seg, name: name}
		added.refs.Store(1)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.building = nil
	for i, h := range handles {
		if views[i] != nil {
			h.view = views[i]
		}
	}
	if added != nil {
		// What was deleted since the swap stays visible until its successor is.
		added.view = bitset(gone, added.Docs())
		added.del = bitset(buf.deleted, added.Docs())
		added.dirty = len(buf.deleted) > len(gone)
		s.segs = append(s.segs, added)
	}
	s.Refreshes.Add(1)
	s.publish()
	return nil
}

func bitset(docs map[int]bool, n int) []uint64 {
	if len(docs) == 0 {
		return nil
	}
	out := make([]uint64, (n+63)/64)
	for doc := range docs {
		out[doc>>6] |= 1 << (doc & 63)
	}
	return out
}

// fail ends writing to the shard: the documents that could not be written stay readable by id and in the log.
func (s *Shard) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = fmt.Errorf("refresh index %s: %w", s.UID, err)
	return s.failed
}
