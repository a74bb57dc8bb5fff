// Package segment is the immutable file that documents are searched in: columns of values for sorting and aggregating,
// sorted dictionaries with postings for finding, compressed sources, and a hash table from ids to documents. A segment
// is written once, mapped into memory and read without copying; deletions are kept by whoever holds it.
//
// Postings of more than a few documents are roaring bitmaps, sources are zstd blocks. The columns and dictionaries are
// our own, plain arrays: what a date histogram over a million documents needs is to walk an array of integers, and
// neither a key-value store (a key a value) nor a search library (five thousand documents a second) gives that.
package segment

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"unsafe"
)

const (
	magic      = "OBSSEG01"
	footerSize = 8 + 4 + 4 + 8
)

// section is a range of the file; all begin at multiples of 8.
type section struct {
	Off int64 `json:"o"`
	Len int64 `json:"n"`
}

// directory says where everything is; it is the last thing in the file before the footer.
type directory struct {
	Docs   int                  `json:"docs"`
	Fields map[string]*fieldDir `json:"fields"`
	Seq    *columnDir           `json:"seq"`
	Ver    *columnDir           `json:"ver"`
	// IDs are the documents' ids, one after the other; IDOffs their ends; Hash the table.
	IDs    section `json:"ids"`
	IDOffs section `json:"ido"`
	Hash   section `json:"hash"`
	// Blocks are the compressed sources; BlockOffs their ends; Firsts the first document of each.
	Blocks    section `json:"blk"`
	BlockOffs section `json:"bo"`
	Firsts    section `json:"bf"`
	// SourceBytes is the length of all sources uncompressed.
	SourceBytes int64 `json:"src"`
}

type columnDir struct {
	Min    int64   `json:"min"`
	Max    int64   `json:"max"`
	Width  int     `json:"w"`
	Values section `json:"v"`
	// Starts is there where documents have several values: the first value of each document and one more.
	Starts section `json:"s"`
	// Present is there where single-valued documents lack a value: a bit each.
	Present section `json:"p"`
	// Count is the number of documents with a value.
	Count int `json:"c"`
}

type dictDir struct {
	Terms int     `json:"n"`
	Blob  section `json:"b"`
	Offs  section `json:"o"`
}

type listDir struct {
	Blob section `json:"b"`
	Offs section `json:"o"`
}

type fieldDir struct {
	Num   *columnDir `json:"num,omitempty"`
	Dict  *dictDir   `json:"dict,omitempty"`
	Ords  *columnDir `json:"ords,omitempty"`
	Post  *listDir   `json:"post,omitempty"`
	Pos   *listDir   `json:"pos,omitempty"`
	Norms *columnDir `json:"norms,omitempty"`
	// SumLen is the number of tokens of all documents, DocCount that of documents with a token.
	SumLen   int64 `json:"sum,omitempty"`
	DocCount int   `json:"docs,omitempty"`
}

func encodeFooter(dirOff int64, dir []byte) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(dirOff))
	out = binary.LittleEndian.AppendUint32(out, uint32(len(dir)))
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(dir))
	return append(out, magic...)
}

func decodeDirectory(data []byte) (*directory, error) {
	if len(data) < len(magic)+footerSize || string(data[len(data)-8:]) != magic {
		return nil, fmt.Errorf("no segment: the footer is missing")
	}
	foot := data[len(data)-footerSize:]
	off, n := binary.LittleEndian.Uint64(foot), binary.LittleEndian.Uint32(foot[8:])
	if off+uint64(n)+footerSize != uint64(len(data)) {
		return nil, fmt.Errorf("no segment: the directory is not where the footer says")
	}
	raw := data[off : off+uint64(n)]
	if crc32.ChecksumIEEE(raw) != binary.LittleEndian.Uint32(foot[12:]) {
		return nil, fmt.Errorf("the segment's directory is damaged")
	}
	var dir directory
	if err := json.Unmarshal(raw, &dir); err != nil {
		return nil, fmt.Errorf("read the segment's directory: %w", err)
	}
	return &dir, nil
}

// slice is a section as numbers, without copying.
func slice[T any](data []byte, s section) []T {
	if s.Len == 0 {
		return nil
	}
	var t T
	return unsafe.Slice((*T)(unsafe.Pointer(&data[s.Off])), int(s.Len)/int(unsafe.Sizeof(t)))
}

func asBytes[T any](v []T) []byte {
	if len(v) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&v[0])), len(v)*int(unsafe.Sizeof(v[0])))
}

// NormByte keeps a field's length in one byte as Lucene does: exact to 40, then with four significant bits.
func NormByte(n int) byte {
	const free = 255 - 231 // numbers that need no float: Lucene's NUM_FREE_VALUES
	if n < free {
		return byte(n)
	}
	return byte(free + longToInt4(uint64(n-free)))
}

func longToInt4(i uint64) int {
	bits := 0
	for v := i; v != 0; v >>= 1 {
		bits++
	}
	if bits < 4 {
		return int(i)
	}
	shift := bits - 4
	return int(i>>shift)&7 | (shift+1)<<3
}

// NormLength is NormByte's inverse.
func NormLength(b byte) int {
	const free = 255 - 231
	if b < free {
		return int(b)
	}
	i := int(b) - free
	bits, shift := i&7, i>>3-1
	if shift == -1 {
		return free + bits
	}
	return free + (bits|8)<<shift
}
