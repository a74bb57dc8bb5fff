package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"unsafe"

	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/segment"
	"obsandbox/sandbox/internal/elastic/wal"
)

// commit is what a restart finds: the segments and up to which operation they hold everything.
type commit struct {
	Generation int             `json:"generation"`
	NextFile   int             `json:"next_file"`
	Seq        int64           `json:"seq"`
	Segments   []commitSegment `json:"segments"`
}

type commitSegment struct {
	File string `json:"file"`
	// Deleted is the file with the deletions; empty where there are none.
	Deleted string `json:"deleted,omitempty"`
}

const commitFile = "commit.json"

func (c *commit) has(name string) bool {
	return slices.ContainsFunc(c.Segments, func(s commitSegment) bool { return s.File == name })
}

// flush makes everything applied so far durable without the log.
func (s *Shard) flush(durable bool) error {
	s.merging.Lock() // segments stay where they are meanwhile
	defer s.merging.Unlock()
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	s.mu.Lock()
	if s.closed || !s.uncommitted {
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	var next commit
	if err := s.refresh(func() { next.Seq = s.seq }); err != nil {
		return err
	}
	s.mu.Lock()
	next.Generation, next.NextFile = s.committed.Generation+1, s.nextFile
	segs := slices.Clone(s.segs)
	var dels [][]uint64
	for _, h := range segs {
		dels = append(dels, slices.Clone(h.view))
	}
	s.uncommitted = s.seq != next.Seq
	s.mu.Unlock()
	for i, h := range segs {
		cs := commitSegment{File: h.name}
		if durable && !h.synced {
			if err := h.Sync(); err != nil {
				return err
			}
			h.synced = true
		}
		if dels[i] != nil {
			cs.Deleted = fmt.Sprintf("%s.%d.del", h.name, next.Generation)
			data := unsafe.Slice((*byte)(unsafe.Pointer(&dels[i][0])), len(dels[i])*8)
			if err := WriteFile(filepath.Join(s.dir, cs.Deleted), data, durable); err != nil {
				return err
			}
		}
		next.Segments = append(next.Segments, cs)
	}
	data, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("commit index %s: %w", s.UID, err)
	}
	if err := WriteFile(filepath.Join(s.dir, commitFile), data, durable); err != nil {
		return fmt.Errorf("commit index %s: %w", s.UID, err)
	}
	s.mu.Lock()
	old := s.committed
	s.committed = next
	gone := s.replaced
	s.replaced = nil
	s.mu.Unlock()
	for _, h := range gone {
		h.obsolete.Store(true)
		h.release()
	}
	for _, seg := range old.Segments {
		if seg.Deleted != "" {
			_ = os.Remove(filepath.Join(s.dir, seg.Deleted))
		}
	}
	s.Flushes.Add(1)
	return nil
}

// WriteFile replaces a file so that after a crash either the old or the new one is there, whole.
func WriteFile(path string, data []byte, durable bool) error {
	tmp := path + ".tmp"
	f, err := os.Create(tmp)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(data)
	if err == nil && durable {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if durable {
		return wal.SyncDir(filepath.Dir(path))
	}
	return nil
}

// load opens the committed segments and removes what belongs to none.
func (s *Shard) load() error {
	data, err := os.ReadFile(filepath.Join(s.dir, commitFile))
	if err == nil {
		err = json.Unmarshal(data, &s.committed)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read the commit: %w", err)
	}
	if err == nil {
		s.seq, s.nextFile = s.committed.Seq, s.committed.NextFile
	}
	keep := map[string]bool{commitFile: true}
	for _, cs := range s.committed.Segments {
		keep[cs.File], keep[cs.Deleted] = true, true
		seg, err := segment.Open(filepath.Join(s.dir, cs.File))
		if err != nil {
			return err
		}
		h := &handle{Segment: seg, name: cs.File, synced: true}
		h.refs.Store(1)
		if cs.Deleted != "" {
			raw, err := os.ReadFile(filepath.Join(s.dir, cs.Deleted))
			if err != nil || len(raw) != (seg.Docs()+63)/64*8 {
				return fmt.Errorf("read the deletions of %s: %d bytes: %w", cs.File, len(raw), err)
			}
			h.del = make([]uint64, len(raw)/8)
			copy(unsafe.Slice((*byte)(unsafe.Pointer(&h.del[0])), len(raw)), raw)
			h.view = slices.Clone(h.del)
		}
		s.segs = append(s.segs, h)
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("look for left over files: %w", err)
	}
	for _, e := range entries {
		if !keep[e.Name()] {
			_ = os.Remove(filepath.Join(s.dir, e.Name()))
		}
	}
	s.publish()
	return nil
}

// replay does the operations of the log that the segments do not hold, with the numbers they had.
func (s *Shard) replay(records []replayed) error {
	records = slices.DeleteFunc(records, func(r replayed) bool {
		return r.seq <= s.committed.Seq && len(s.committed.Segments)+s.committed.Generation > 0
	})
	var p *mapping.Parser
	for i := range records {
		r := &records[i]
		var doc *mapping.Document
		if r.op.Kind != Delete {
			var err error
			if doc, p, err = s.parse(p, r.op.ID, r.op.Source); err != nil {
				return fmt.Errorf("replay document %q: %w", r.op.ID, err)
			}
		}
		s.mu.Lock()
		at, exists := s.locate(r.op.ID)
		if !exists || at.seq < r.seq {
			s.commitOp(&r.op, doc, at, exists, r.seq, r.version)
		}
		full := s.buf.Bytes() > maxBuffer
		s.mu.Unlock()
		if full {
			if err := s.Refresh(); err != nil {
				return err
			}
		}
	}
	return s.Refresh()
}

func (s *Shard) close(remove bool) {
	s.merging.Lock()
	defer s.merging.Unlock()
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.buf = newBuffer()
	for _, h := range append(s.segs, s.replaced...) {
		h.obsolete.Store(remove)
		h.release()
	}
	s.segs, s.replaced = nil, nil
	s.publish()
}

// Stats are numbers about a shard.
type Stats struct {
	Docs, Deleted, Segments int
	Bytes                   int64
	MaxSeq                  int64
}

// Stats counts what is searchable.
func (s *Shard) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{Segments: len(s.segs), MaxSeq: s.seq, Docs: s.snap.Docs}
	for _, h := range s.segs {
		st.Bytes += h.Size()
		if h.view != nil {
			st.Deleted += segment.Count(h.view)
		}
	}
	return st
}
