package logstash

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	if d.file == nil {
		if err := os.MkdirAll(d.dir, 0o755); err != nil {
			return fmt.Errorf("open the dead letter queue: %w", err)
		}
		f, err := os.OpenFile(filepath.Join(d.dir, "1.log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o644)
		if err != nil {
			return fmt.Errorf("open the dead letter queue: %w", err)
		}
		if err := closeLine(f); err != nil {
			return err
		}
		d.file = f
	}
	if _, err := d.file.Write(line); err != nil {
		return fmt.Errorf("write to the dead letter queue: %w", err)
	}
	if err := d.file.Sync(); err != nil {
		return fmt.Errorf("write to the dead letter queue: %w", err)
	}
	d.entries++
	return nil
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
	if d.file == nil {
		return nil
	}
	err := d.file.Close()
	d.file = nil
	return err
}

// deadLetter is one entry as it is read back.
type deadLetter struct {
	fields map[string]any
}

// readDeadLetter reads the next entry; a line that a crash cut off is skipped. ok is false at the end.
func readDeadLetter(r *bufio.Reader) (entry deadLetter, size int64, ok bool) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return deadLetter{}, size, false
		}
		size += int64(len(line))
		v, err := event.DecodeJSON(line)
		if m, isMap := v.(map[string]any); err == nil && isMap {
			return deadLetter{fields: m}, size, true
		}
	}
}
