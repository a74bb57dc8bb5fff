// Package wal is the log that makes acknowledged operations survive a crash: records are appended to numbered files,
// and Sync returns when what was appended is on disk. Callers that wait at the same time share one fsync.
package wal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
}

const headerSize = 8

// maxRecord is the largest record taken for real when reading; bulk requests are far smaller.
const maxRecord = 1 << 30

var table = crc32.MakeTable(crc32.Castagnoli)

// Open reads what the directory's files hold, in order, and begins a new file. Records that a crash cut off at the end
// of a file end that file; nothing after them was acknowledged. durable false leaves out every fsync.
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
	for _, name := range names {
		n := 0
		if _, err := fmt.Sscanf(filepath.Base(name), "%d.wal", &n); err != nil || !strings.HasSuffix(name, ".wal") {
			continue
		}
		size, err := readFile(name, replay)
		if err != nil {
			return nil, err
		}
		l.sizes[n], l.number = size, n
		l.size += size
	}
	if err := l.next(); err != nil {
		return nil, err
	}
	return l, nil
}

func readFile(name string, replay func([]byte) error) (int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, fmt.Errorf("read the write-ahead log: %w", err)
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	var head [headerSize]byte
	size := int64(0)
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return size, nil
			}
			return size, fmt.Errorf("read the write-ahead log %s: %w", name, err)
		}
		n := binary.LittleEndian.Uint32(head[:])
		if n > maxRecord {
			return size, nil
		}
		record := make([]byte, n)
		if _, err := io.ReadFull(r, record); err != nil || crc32.Checksum(record, table) != binary.LittleEndian.Uint32(head[4:]) {
			return size, nil
		}
		if err := replay(record); err != nil {
			return size, fmt.Errorf("replay the write-ahead log %s: %w", name, err)
		}
		size += headerSize + int64(n)
	}
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
	for n, size := range l.sizes {
		if n < number {
			if err := os.Remove(filepath.Join(l.dir, fmt.Sprintf("%012d.wal", n))); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("remove a file of the write-ahead log: %w", err)
			}
			delete(l.sizes, n)
			l.size -= size
		}
	}
	return nil
}

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
