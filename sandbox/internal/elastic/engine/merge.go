package engine

import (
	"fmt"
	"math/bits"
	"slices"

	"obsandbox/sandbox/internal/elastic/segment"
)

// mergeFactor is how many segments of about the same size become one; maxMerged is the most documents a merge makes,
// so that no merge takes long or much memory.
const (
	mergeFactor = 8
	maxMerged   = 400_000
	smallest    = 2_000 // segments below this count as equally small
)

// candidates are the segments to merge next, neighbours in the list; nil where there is nothing to do. s.mu is held.
func (s *Shard) candidates() []*handle {
	class := func(h *handle) int { return bits.Len(uint(max(live(h), smallest)/smallest)) / 3 }
	for i := 0; i < len(s.segs); {
		j, docs := i, 0
		for j < len(s.segs) && class(s.segs[j]) == class(s.segs[i]) && docs+live(s.segs[j]) <= maxMerged {
			docs += live(s.segs[j])
			j++
		}
		if j-i >= mergeFactor {
			return slices.Clone(s.segs[i:j])
		}
		// A small run before a larger class is taken along when it grows long.
		i = max(j, i+1)
	}
	// Many segments all the same: out of order sizes; merge the cheapest neighbours.
	if len(s.segs) > 3*mergeFactor {
		best, at := int(^uint(0)>>1), -1
		for i := 0; i+mergeFactor <= len(s.segs); i++ {
			docs := 0
			for _, h := range s.segs[i : i+mergeFactor] {
				docs += live(h)
			}
			if docs < best && docs <= maxMerged {
				best, at = docs, i
			}
		}
		if at >= 0 {
			return slices.Clone(s.segs[at : at+mergeFactor])
		}
	}
	for _, h := range s.segs {
		if h.Docs() > 0 && live(h)*2 < h.Docs() {
			return []*handle{h} // mostly deleted
		}
	}
	return nil
}

func live(h *handle) int {
	if h.view == nil {
		return h.Docs()
	}
	return h.Docs() - segment.Count(h.view)
}

// MergeOnce merges what should be merged next and says whether there was something.
func (s *Shard) MergeOnce() (bool, error) {
	s.merging.Lock()
	defer s.merging.Unlock()
	s.mu.Lock()
	var from []*handle
	if !s.closed && s.failed == nil {
		from = s.candidates()
	}
	return s.merge(from)
}

// ForceMerge merges everything into one segment.
func (s *Shard) ForceMerge() error {
	s.merging.Lock()
	defer s.merging.Unlock()
	s.mu.Lock()
	var from []*handle
	if len(s.segs) > 1 || len(s.segs) == 1 && s.segs[0].view != nil {
		from = slices.Clone(s.segs)
	}
	_, err := s.merge(from)
	return err
}

// merge replaces neighbours by one segment; it is called with s.mu held and returns with it released.
func (s *Shard) merge(from []*handle) (bool, error) {
	if len(from) == 0 || s.closed {
		s.mu.Unlock()
		return false, nil
	}
	name, path := s.segmentPath()
	sources := make([]segment.Source, len(from))
	for i, h := range from {
		h.refs.Add(1)
		defer h.release()
		// Only deletions that searches see: others may still be needed until the next refresh.
		sources[i] = segment.Source{Segment: h.Segment, Deleted: h.view}
	}
	s.mu.Unlock()
	renumber, err := segment.Merge(path, false, sources)
	if err != nil {
		return false, fmt.Errorf("merge segments of index %s: %w", s.UID, err)
	}
	seg, err := segment.Open(path)
	if err != nil {
		return false, fmt.Errorf("merge segments of index %s: %w", s.UID, err)
	}
	merged := &handle{Segment: seg, name: name}
	merged.refs.Store(1)

	s.refreshing.Lock() // no refresh may be between taking the deletions and publishing them
	defer s.refreshing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.Index(s.segs, from[0])
	if s.closed || at < 0 {
		merged.obsolete.Store(true)
		merged.release()
		return false, nil
	}
	for i, h := range from {
		merged.del = carry(merged.del, h.del, renumber[i], seg.Docs())
		merged.view = carry(merged.view, h.view, renumber[i], seg.Docs())
		merged.dirty = merged.dirty || h.dirty
	}
	s.segs = slices.Replace(s.segs, at, at+len(from), merged)
	for _, h := range from {
		if s.committed.has(h.name) {
			s.replaced = append(s.replaced, h) // a restart may still need the file
			continue
		}
		h.obsolete.Store(true)
		h.release()
	}
	s.uncommitted = true
	s.Merges.Add(1)
	s.publish()
	return true, nil
}

// carry moves deletions to the documents' new numbers.
func carry(to, from []uint64, renumber []uint32, docs int) []uint64 {
	for w, word := range from {
		for ; word != 0; word &= word - 1 {
			doc := w<<6 + bits.TrailingZeros64(word)
			if now := renumber[doc]; now != ^uint32(0) {
				if to == nil {
					to = make([]uint64, (docs+63)/64)
				}
				to[now>>6] |= 1 << (now & 63)
			}
		}
	}
	return to
}
