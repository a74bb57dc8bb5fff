package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/wal"
)

// Store holds the shards of all indices and their common log.
type Store struct {
	dir     string
	durable bool
	log     *slog.Logger
	wal     *wal.Log

	mu      sync.Mutex
	shards  map[string]*Shard
	pending map[string][]replayed // records of the log, until their shard is opened

	flushing sync.Mutex
	wake     chan struct{}
}

// replayed is an operation found in the log at the start.
type replayed struct {
	op           Op
	seq, version int64
}

// flushAt is the size of the log at which what it holds is written to segments for good; it bounds the time a restart
// takes.
const flushAt = 64 << 20

// OpenStore opens or makes a store below a directory. durable false leaves out every fsync: the directory is not to
// outlive the process.
func OpenStore(dir string, durable bool, log *slog.Logger) (*Store, error) {
	s := &Store{dir: dir, durable: durable, log: log, shards: map[string]*Shard{}, pending: map[string][]replayed{}, wake: make(chan struct{}, 1)}
	if err := os.MkdirAll(filepath.Join(dir, "indices"), 0o755); err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	var err error
	s.wal, err = wal.Open(filepath.Join(dir, "wal"), durable, func(record []byte) error {
		uid, r, err := decodeOp(record)
		if err != nil {
			return err
		}
		s.pending[uid] = append(s.pending[uid], r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if what := s.wal.Dropped(); what != "" {
		log.Warn("the write-ahead log ended in the middle of a record, which was cut off: its operation was not acknowledged", "cut", what)
	}
	return s, nil
}

// logOp writes an operation to the log.
func (s *Store) logOp(uid string, op *Op, seq, version int64) error {
	var buf [64]byte
	head := append(buf[:0], byte(op.Kind), byte(len(uid)))
	head = append(head, uid...)
	head = binary.AppendUvarint(head, uint64(seq))
	head = binary.AppendUvarint(head, uint64(version))
	head = binary.AppendUvarint(head, uint64(len(op.ID)))
	head = append(head, op.ID...)
	_, err := s.wal.Append(head, op.Source)
	return err
}

func decodeOp(b []byte) (string, replayed, error) {
	bad := errors.New("a record does not have the form of an operation")
	if len(b) < 2 || len(b) < 2+int(b[1]) {
		return "", replayed{}, bad
	}
	r := replayed{op: Op{Kind: Kind(b[0]), IfSeqNo: -1}}
	uid := string(b[2 : 2+int(b[1])])
	b = b[2+int(b[1]):]
	var nums [3]uint64
	for i := range nums {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return "", r, bad
		}
		nums[i], b = v, b[n:]
	}
	if uint64(len(b)) < nums[2] {
		return "", r, bad
	}
	r.seq, r.version = int64(nums[0]), int64(nums[1])
	r.op.ID, r.op.Source = string(b[:nums[2]]), b[nums[2]:]
	return uid, r, nil
}

// Sync returns when everything that was applied before is durable.
func (s *Store) Sync() error {
	if err := s.wal.SyncAll(); err != nil {
		return err
	}
	if s.wal.Size() > flushAt {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// Shard opens or makes the shard of an index. onMapping is told when documents extend the mapping.
func (s *Store) Shard(uid string, m *mapping.Mapping, onMapping func(*mapping.Mapping)) (*Shard, error) {
	sh := &Shard{UID: uid, dir: filepath.Join(s.dir, "indices", uid), store: s, onMapping: onMapping, buf: newBuffer(),
		tombstones: map[string]tombstone{}, seq: -1}
	sh.mapping.Store(m)
	sh.interval.Store(int64(time.Second))
	if err := os.MkdirAll(sh.dir, 0o755); err != nil {
		return nil, fmt.Errorf("open index %s: %w", uid, err)
	}
	if err := sh.load(); err != nil {
		return nil, fmt.Errorf("open index %s: %w", uid, err)
	}
	s.mu.Lock()
	records := s.pending[uid]
	delete(s.pending, uid)
	s.shards[uid] = sh
	s.mu.Unlock()
	if err := sh.replay(records); err != nil {
		return nil, fmt.Errorf("open index %s: %w", uid, err)
	}
	return sh, nil
}

// Drop deletes a shard and its files.
func (s *Store) Drop(uid string) error {
	s.mu.Lock()
	sh := s.shards[uid]
	delete(s.shards, uid)
	s.mu.Unlock()
	if sh != nil {
		sh.close(true)
	}
	if err := os.RemoveAll(filepath.Join(s.dir, "indices", uid)); err != nil {
		return fmt.Errorf("delete index %s: %w", uid, err)
	}
	return nil
}

// DropUnknown removes what is left of indices that are no more.
func (s *Store) DropUnknown() error {
	entries, err := os.ReadDir(filepath.Join(s.dir, "indices"))
	if err != nil {
		return fmt.Errorf("look for left over indices: %w", err)
	}
	for _, e := range entries {
		s.mu.Lock()
		known := s.shards[e.Name()] != nil
		s.mu.Unlock()
		if !known {
			if err := s.Drop(e.Name()); err != nil {
				return err
			}
		}
	}
	s.pending = nil
	return nil
}

func (s *Store) all() []*Shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*Shard, 0, len(s.shards))
	for _, sh := range s.shards {
		out = append(out, sh)
	}
	return out
}

// Flush writes everything to segments and empties the log.
func (s *Store) Flush() error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	number, err := s.wal.Rotate()
	if err != nil {
		return err
	}
	for _, sh := range s.all() {
		if err := sh.flush(s.durable); err != nil {
			return err
		}
	}
	return s.wal.RemoveBefore(number)
}

// refreshEvery is how often it is looked whether an index must be refreshed.
const refreshEvery = 100 * time.Millisecond

// Run refreshes, merges and flushes until ctx ends.
func (s *Store) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	loop := func(every time.Duration, wake <-chan struct{}, what string, do func() error) {
		wg.Go(func() {
			t := time.NewTicker(every)
			defer t.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-t.C:
				case <-wake:
				}
				if err := do(); err != nil {
					s.log.Error(what+" failed", "err", err)
				}
			}
		})
	}
	loop(refreshEvery, nil, "refresh", func() error {
		var errs error
		for _, sh := range s.all() {
			if sh.due(time.Now()) {
				errs = errors.Join(errs, sh.Refresh())
			}
		}
		return errs
	})
	loop(time.Second, nil, "merge", func() error {
		var errs error
		for _, sh := range s.all() {
			for more := true; more && ctx.Err() == nil; {
				var err error
				if more, err = sh.MergeOnce(); err != nil {
					errs = errors.Join(errs, err)
				}
			}
		}
		return errs
	})
	loop(5*time.Minute, s.wake, "flush", func() error {
		if s.wal.Size() == 0 {
			return nil
		}
		return s.Flush()
	})
}

// due says whether a change would soon be invisible for longer than the refresh interval.
func (s *Shard) due(now time.Time) bool {
	interval := time.Duration(s.interval.Load())
	s.mu.Lock()
	defer s.mu.Unlock()
	return interval >= 0 && s.failed == nil && !s.dirtySince.IsZero() && now.Sub(s.dirtySince) >= interval-3*refreshEvery
}

// Close flushes and closes everything.
func (s *Store) Close() error {
	err := s.Flush()
	for _, sh := range s.all() {
		sh.close(false)
	}
	return errors.Join(err, s.wal.Close())
}
