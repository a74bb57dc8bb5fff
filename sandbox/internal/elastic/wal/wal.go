// Package wal is the log that makes acknowledged operations survive a crash: records are appended to numbered files,
// and Sync returns when what was appended is on disk. Callers that wait at the same time share one fsync.
package wal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Log is an open write-ahead log. It is safe for concurrent use.
type Log struct {
	dir  string
	sync bool

	mu      sync.Mutex
	f       *os.File
	w       *bufio.Writer
	number  int
	written int64 // bytes appended, of all files
	size    int64 // bytes in files not yet removed
	sizes   map[int]int64
	err     error

	syncMu sync.Mutex
	synced int64

	dropped string
}

const headerSize = 8

var table = crc32.MakeTable(crc32.Castagnoli)

// Open reads what the directory's files hold, in order, and begins a new file. A record that a crash cut off at the
// end of the last file was never acknowledged: it is cut from the file, and Dropped tells of it. Any other damage is an
// error that names file and offset, as acknowledged records may be lost. durable false leaves out every fsync.
func Open(dir string, durable bool, replay func(record []byte) error) (*Log, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open the write-ahead log: %w", err)
	}
	l := &Log{dir: dir, sync: durable, sizes: map[int]int64{}}
	names, err := filepath.Glob(filepath.Join(dir, "*.wal"))
	if err != nil {
		return nil, fmt.Errorf("open the write-ahead log: %w", err)
	}
	slices.Sort(names)
	for i, name := range names {
		n := 0
		if _, err := fmt.Sscanf(filepath.Base(name), "%d.wal", &n); err != nil {
			return nil, fmt.Errorf("open the write-ahead log: %s is no file of it", name)
		}
		if l.number > 0 && n != l.number+1 {
			return nil, fmt.Errorf("open the write-ahead log: file %d is missing before %s: operations that were acknowledged are lost; %s", l.number+1, name, advice)
		}
		size, torn, err := readFile(name, i == len(names)-1, replay)
		if err != nil {
			return nil, err
		}
		if torn > 0 {
			if err := truncate(name, size, durable); err != nil {
				return nil, err
			}
			l.dropped = fmt.Sprintf("%s: %d bytes of an unfinished record at offset %d", name, torn, size)
		}
		l.sizes[n], l.number = size, n
		l.size += size
	}
	if err := l.next(); err != nil {
		return nil, err
	}
	return l, nil
}

// next closes the current file and begins another; l.mu is held or not needed yet.
func (l *Log) next() error {
	if l.f != nil {
		err := errors.Join(l.w.Flush(), l.fsync(), l.f.Close())
		if err != nil {
			return fmt.Errorf("close a file of the write-ahead log: %w", err)
		}
	}
	l.number++
	l.sizes[l.number] = 0
	f, err := os.Create(filepath.Join(l.dir, fmt.Sprintf("%012d.wal", l.number)))
	if err != nil {
		return fmt.Errorf("begin a file of the write-ahead log: %w", err)
	}
	if l.sync {
		if err := SyncDir(l.dir); err != nil {
			return err
		}
	}
	l.f, l.w = f, bufio.NewWriterSize(f, 1<<18)
	return nil
}

func (l *Log) fsync() error {
	if !l.sync {
		return nil
	}
	return l.f.Sync()
}

// SyncDir makes the names in a directory durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync a directory: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync the directory %s: %w", dir, err)
	}
	return nil
}

// Append adds a record, made of parts, and is the position to give to Sync. An error is lasting: what cannot be logged
// must not be acknowledged.
func (l *Log) Append(parts ...[]byte) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, l.err
	}
	n, crc := 0, uint32(0)
	for _, p := range parts {
		n += len(p)
		crc = crc32.Update(crc, table, p)
	}
	var head [headerSize]byte
	binary.LittleEndian.PutUint32(head[:], uint32(n))
	binary.LittleEndian.PutUint32(head[4:], crc)
	_, err := l.w.Write(head[:])
	for _, p := range parts {
		if err == nil {
			_, err = l.w.Write(p)
		}
	}
	if err != nil {
		l.err = fmt.Errorf("append to the write-ahead log: %w", err)
		return 0, l.err
	}
	l.written += int64(n) + headerSize
	l.size += int64(n) + headerSize
	l.sizes[l.number] += int64(n) + headerSize
	return l.written, nil
}

// Sync returns when everything up to a position is on disk.
func (l *Log) Sync(pos int64) error {
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	if l.synced >= pos {
		return nil // another caller's fsync took this along
	}
	l.mu.Lock()
	err := l.err
	if err == nil {
		err = l.w.Flush()
	}
	f, written := l.f, l.written
	l.mu.Unlock()
	// A rotation meanwhile closes f, having synced it.
	if err == nil && l.sync {
		if err = f.Sync(); errors.Is(err, os.ErrClosed) {
			err = nil
		}
	}
	if err != nil {
		l.mu.Lock()
		l.err = fmt.Errorf("sync the write-ahead log: %w", err)
		l.mu.Unlock()
		return l.err
	}
	l.synced = written
	return nil
}

// Rotate begins a new file and is its number: what was appended before lies in files of lower numbers.
func (l *Log) Rotate() (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, l.err
	}
	if err := l.next(); err != nil {
		l.err = err
		return 0, err
	}
	return l.number, nil
}

// RemoveBefore deletes the files of lower numbers.
func (l *Log) RemoveBefore(number int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Oldest first: where a crash ends this, no file is missing between others.
	for _, n := range slices.Sorted(maps.Keys(l.sizes)) {
		if size := l.sizes[n]; n < number {
			if err := os.Remove(filepath.Join(l.dir, fmt.Sprintf("%012d.wal", n))); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("remove a file of the write-ahead log: %w", err)
			}
			delete(l.sizes, n)
			l.size -= size
		}
	}
	return nil
}

// Dropped says what Open cut from the end of the log; empty where nothing was.
func (l *Log) Dropped() string { return l.dropped }

// Size is the number of bytes in the log's files.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}

// Close flushes and closes the log.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return nil
	}
	err := errors.Join(l.w.Flush(), l.fsync(), l.f.Close())
	l.f = nil
	l.err = errors.New("the write-ahead log is closed")
	return err
}

// SyncAll is Sync of everything that was appended so far.
func (l *Log) SyncAll() error {
	l.mu.Lock()
	pos := l.written
	l.mu.Unlock()
	return l.Sync(pos)
}
