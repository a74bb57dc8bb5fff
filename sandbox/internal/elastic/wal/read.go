package wal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// advice is what to do about a damaged log.
const advice = "restore the data directory from a copy, or delete the directory of the log to go on without what only it holds"

// readFile replays a file's records and is their length in bytes. torn is the length of what follows them: part of a
// record that was being written when the process ended, which only the last file may have.
func readFile(name string, last bool, replay func([]byte) error) (size, torn int64, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, 0, fmt.Errorf("read the write-ahead log: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, 0, fmt.Errorf("read the write-ahead log: %w", err)
	}
	r := bufio.NewReaderSize(f, 1<<20)
	for size < st.Size() {
		record, err := read(r, st.Size()-size)
		if errors.Is(err, errBroken) {
			return size, st.Size() - size, damage(f, size, st.Size(), last)
		}
		if err != nil {
			return size, 0, fmt.Errorf("read the write-ahead log %s at offset %d: %w", name, size, err)
		}
		if err := replay(record); err != nil {
			return size, 0, fmt.Errorf("replay the write-ahead log %s at offset %d: %w", name, size, err)
		}
		size += headerSize + int64(len(record))
	}
	return size, 0, nil
}

// errBroken says that what comes next is no whole record.
var errBroken = errors.New("no whole record")

// read takes the next record; left is how many bytes there are. No record is empty.
func read(r io.Reader, left int64) ([]byte, error) {
	var head [headerSize]byte
	if left < headerSize {
		return nil, errBroken
	}
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int64(binary.LittleEndian.Uint32(head[:]))
	if n == 0 || n > left-headerSize {
		return nil, errBroken
	}
	record := make([]byte, n)
	if _, err := io.ReadFull(r, record); err != nil {
		return nil, err
	}
	if crc32.Checksum(record, table) != binary.LittleEndian.Uint32(head[4:]) {
		return nil, errBroken
	}
	return record, nil
}

// damage tells whether what begins at an offset is more than an unfinished record at the end of the log: then it is
// the error.
func damage(f *os.File, at, end int64, last bool) error {
	if !last {
		return fmt.Errorf("the write-ahead log %s is damaged at offset %d, and later files follow it: operations that were acknowledged may be lost; %s", f.Name(), at, advice)
	}
	rest := make([]byte, end-at)
	if _, err := f.ReadAt(rest, at); err != nil {
		return fmt.Errorf("read the write-ahead log %s at offset %d: %w", f.Name(), at, err)
	}
	for i := 1; i+headerSize < len(rest); i++ {
		n := int64(binary.LittleEndian.Uint32(rest[i:]))
		if n == 0 || n > int64(len(rest)-i-headerSize) {
			continue
		}
		if crc32.Checksum(rest[i+headerSize:i+headerSize+int(n)], table) == binary.LittleEndian.Uint32(rest[i+4:]) {
			return fmt.Errorf("the write-ahead log %s is damaged at offset %d, and whole records follow from offset %d: operations that were acknowledged may be lost; %s", f.Name(), at, at+int64(i), advice)
		}
	}
	return nil
}

// truncate cuts a file.
func truncate(name string, size int64, durable bool) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("cut the write-ahead log: %w", err)
	}
	defer f.Close()
	err = f.Truncate(size)
	if err == nil && durable {
		err = f.Sync()
	}
	if err != nil {
		return fmt.Errorf("cut the write-ahead log %s: %w", name, err)
	}
	return nil
}
