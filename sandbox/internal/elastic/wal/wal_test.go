package wal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// write makes a log of two files with three records each, and an empty third file that a restart left.
func write(t *testing.T, dir string) {
	t.Helper()
	l, err := Open(dir, true, func([]byte) error { return nil })
	require.NoError(t, err)
	for i := range 6 {
		if i == 3 {
			_, err := l.Rotate()
			require.NoError(t, err)
		}
		pos, err := l.Append([]byte(fmt.Sprintf("record %d ", i)), []byte(strings.Repeat("x", 100)))
		require.NoError(t, err)
		require.NoError(t, l.Sync(pos))
	}
	require.NoError(t, l.Close())
}

func replay(dir string) (*Log, []string, error) {
	var got []string
	l, err := Open(dir, true, func(r []byte) error {
		got = append(got, string(r[:8]))
		return nil
	})
	return l, got, err
}

const recordSize = headerSize + 109

// TestDamage opens logs that a crash or a disk has damaged: an unfinished record at the very end is cut off and told
// of, everything else ends the start with file and offset.
func TestDamage(t *testing.T) {
	t.Parallel()
	const first, second = "000000000001.wal", "000000000002.wal"
	cut := func(file string, size int64) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) { require.NoError(t, os.Truncate(filepath.Join(dir, file), size)) }
	}
	set := func(file string, at int64, with string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			f, err := os.OpenFile(filepath.Join(dir, file), os.O_RDWR, 0)
			require.NoError(t, err)
			_, err = f.WriteAt([]byte(with), at)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
	}
	for name, c := range map[string]struct {
		do      func(t *testing.T, dir string)
		records int
		dropped string
		err     string
	}{
		"whole":                          {func(*testing.T, string) {}, 6, "", ""},
		"cut in the last record":         {cut(second, 3*recordSize-1), 5, fmt.Sprintf("%s: %d bytes of an unfinished record at offset %d", second, recordSize-1, 2*recordSize), ""},
		"cut in the last header":         {cut(second, 2*recordSize+3), 5, fmt.Sprintf("3 bytes of an unfinished record at offset %d", 2*recordSize), ""},
		"zeros at the end":               {set(second, 3*recordSize, strings.Repeat("\x00", 5000)), 6, "5000 bytes", ""},
		"half of the end was not stored": {set(second, 2*recordSize+50, strings.Repeat("\x00", 20)), 5, "unfinished record", ""},
		"a record in the middle":         {set(second, recordSize+20, "?"), 0, "", fmt.Sprintf("%s is damaged at offset %d, and whole records follow from offset %d", second, recordSize, 2*recordSize)},
		"a length in the middle":         {set(second, recordSize, "\xff\xff\xff"), 0, "", fmt.Sprintf("%s is damaged at offset %d, and whole records follow from offset %d", second, recordSize, 2*recordSize)},
		"a length of zero in the middle": {set(second, 0, "\x00"), 0, "", second + " is damaged at offset 0, and whole records follow"},
		"the end of an earlier file":     {cut(first, 3*recordSize-1), 0, "", fmt.Sprintf("%s is damaged at offset %d, and later files follow", first, 2*recordSize)},
		"an earlier file is gone": {func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(filepath.Join(dir, second), filepath.Join(dir, "000000000003.wal")))
		}, 0, "", "file 2 is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir)
			c.do(t, dir)
			l, got, err := replay(dir)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Len(t, got, c.records)
			require.Contains(t, l.Dropped(), c.dropped)
			require.Equal(t, c.dropped == "", l.Dropped() == "")
			// What is written now follows what was kept, and the cut is made once.
			pos, err := l.Append([]byte("record 9"))
			require.NoError(t, err)
			require.NoError(t, l.Sync(pos))
			require.NoError(t, l.Close())
			l, got, err = replay(dir)
			require.NoError(t, err)
			require.Len(t, got, c.records+1)
			require.Equal(t, "record 9", got[c.records])
			require.Empty(t, l.Dropped())
			require.NoError(t, l.Close())
		})
	}
}

// TestFull appends to a full disk: every later call fails too, so that nothing is acknowledged that is not there.
func TestFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := Open(dir, true, func([]byte) error { return nil })
	require.NoError(t, err)
	pos, err := l.Append([]byte("record 0"))
	require.NoError(t, err)
	require.NoError(t, l.Sync(pos))
	full := filepath.Join(dir, "000000000002.wal")
	require.NoError(t, os.Symlink("/dev/full", full))
	_, err = l.Rotate()
	require.NoError(t, err)
	pos, err = l.Append([]byte("record 1"))
	require.NoError(t, err, "still in memory")
	require.ErrorContains(t, l.Sync(pos), "no space left on device")
	_, err = l.Append([]byte("record 2"))
	require.ErrorContains(t, err, "no space left on device")
	require.ErrorContains(t, l.SyncAll(), "no space left on device")
	_, err = l.Rotate()
	require.ErrorContains(t, err, "no space left on device")
	require.Error(t, l.Close())
	require.NoError(t, os.Remove(full))
	l, got, err := replay(dir)
	require.NoError(t, err)
	require.Equal(t, []string{"record 0"}, got)
	require.NoError(t, l.Close())
}
