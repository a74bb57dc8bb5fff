package logstash

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"obsandbox/sandbox/internal/logstash/event"
)

// deadLetters is a pipeline's dead letter queue: events that the store will never take, in segments below
// DATA/dead_letter_queue/PIPELINE. A segment holds one entry a line, as JSON; Logstash's own segments are binary.
type deadLetters struct {
	dir string
	now func() time.Time

	mu      sync.Mutex
	file    *os.File
	entries int
}

// errNoDeadLetters is a write to a queue that is switched off.
var errNoDeadLetters = errors.New("dead_letter_queue.enable is false")

func newDeadLetters(dir string, now func() time.Time) *deadLetters {
	return &deadLetters{dir: dir, now: now}
}

// write appends an event with the reason; it is on disk when write returns.
func (d *deadLetters) write(e *event.Event, pluginType, pluginID, reason string) error {
	if d == nil {
		return errNoDeadLetters
	}
	entry := map[string]any{
		"entry_time": d.now().UTC(), "plugin_type": pluginType, "plugin_id": pluginID, "reason": reason, "event": e.Data(),
	}
	if m := e.Meta(); m != nil {
		entry["metadata"] = m
	}
	line := append(event.AppendJSON(nil, entry), '\n')
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.open(); err != nil {
		return fmt.Errorf("open the dead letter queue: %w", err)
	}
	if _, err := d.file.Write(line); err != nil {
		return fmt.Errorf("write to the dead letter queue: %w", err)
	}
	if err := d.file.Sync(); err != nil {
		return fmt.Errorf("write to the dead letter queue: %w", err)
	}
	d.entries++
	if info, err := d.file.Stat(); err == nil && info.Size() > segmentBytes {
		// The next entry starts a new segment.
		return d.closeFile()
	}
	return nil
}

// segmentBytes is how large a segment grows, as in Logstash.
const segmentBytes = 10 << 20

// open opens the newest segment, or a new one where that is full.
func (d *deadLetters) open() error {
	if d.file != nil {
		return nil
	}
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return err
	}
	numbers, err := segments(d.dir)
	if err != nil {
		return err
	}
	n := 1
	if len(numbers) > 0 {
		n = numbers[len(numbers)-1]
		if info, err := os.Stat(segmentPath(d.dir, n)); err == nil && info.Size() > segmentBytes {
			n++
		}
	}
	f, err := os.OpenFile(segmentPath(d.dir, n), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	d.file = f
	return closeLine(f)
}

func segmentPath(dir string, n int) string { return filepath.Join(dir, strconv.Itoa(n)+".log") }

// segments are the numbers of the segments in a directory, in order; none where there is no directory yet.
func segments(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var out []int
	for _, e := range entries {
		if n, err := strconv.Atoi(strings.TrimSuffix(e.Name(), ".log")); err == nil {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// closeLine ends a line that a crash cut off, so that the next entry starts on its own.
func closeLine(f *os.File) error {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, info.Size()-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err = f.Write([]byte{'\n'})
	return err
}

func (d *deadLetters) count() int {
	if d == nil {
		return 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.entries
}

func (d *deadLetters) close() error {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closeFile()
}

func (d *deadLetters) closeFile() error {
	if d.file == nil {
		return nil
	}
	err := d.file.Close()
	d.file = nil
	return err
}
