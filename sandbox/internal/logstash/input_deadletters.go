package logstash

import (
	"bufio"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"obsandbox/sandbox/internal/logstash/event"
)

// deadLetterInput reads another pipeline's dead letter queue and follows it.
type deadLetterInput struct {
	dir      string
	sincedb  string
	commit   bool
	clean    bool
	from     time.Time
	deco     inputDecorator
	now      func() time.Time
	interval time.Duration
	log      *slog.Logger
}

// deadPlace is a place in a queue: behind an entry of a segment.
type deadPlace struct {
	segment int
	offset  int64
}

func newDeadLetterInput(b *build) (input, error) {
	b.required("path")
	path := b.pipeline.path(b.str("path", ""))
	id := b.str("pipeline_id", "main")
	in := &deadLetterInput{
		dir: filepath.Join(path, id), commit: b.boolean("commit_offsets", true), clean: b.boolean("clean_consumed", false),
		deco: b.inputDecorator(), now: b.now, interval: 100 * time.Millisecond, log: b.log,
	}
	b.ignore("codec")
	if in.clean && !in.commit {
		b.fail("clean_consumed", "needs commit_offsets => true")
	}
	sum := md5.Sum([]byte(path))
	def := filepath.Join(b.pipeline.data, "plugins", "inputs", "dead_letter_queue", id, ".sincedb_"+hex.EncodeToString(sum[:]))
	in.sincedb = b.pipeline.path(b.str("sincedb_path", def))
	if s := b.str("start_timestamp", ""); s != "" {
		var err error
		if in.from, err = event.ToTimestamp(s); err != nil {
			b.fail("start_timestamp", "%v", err)
		}
	}
	return in, b.done()
}

func (in *deadLetterInput) run(ctx context.Context, q *queue) error {
	var acks ackLine[deadPlace]
	at := in.remembered()
	defer func() {
		waitFor(acks.waiting, drainTime*3/4)
		in.remember(&acks)
	}()
	ticker := time.NewTicker(in.interval)
	defer ticker.Stop()
	for {
		next, err := in.read(ctx, q, at, &acks)
		if err != nil && ctx.Err() == nil {
			in.log.Warn("dead letter queue: cannot be read, tried again", "dir", in.dir, "error", err)
		}
		at = next
		in.remember(&acks)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// read takes all entries behind a place and returns the place behind them.
func (in *deadLetterInput) read(ctx context.Context, q *queue, at deadPlace, acks *ackLine[deadPlace]) (deadPlace, error) {
	numbers, err := segments(in.dir)
	if err != nil {
		return at, err
	}
	for _, n := range numbers {
		if n < at.segment {
			continue
		}
		if n > at.segment {
			at = deadPlace{segment: n}
		}
		f, err := os.Open(segmentPath(in.dir, n))
		if err != nil {
			return at, err
		}
		at, err = in.readSegment(ctx, q, f, at, acks)
		if err := errors.Join(err, f.Close()); err != nil {
			return at, err
		}
	}
	return at, nil
}

func (in *deadLetterInput) readSegment(ctx context.Context, q *queue, f *os.File, at deadPlace, acks *ackLine[deadPlace]) (deadPlace, error) {
	if _, err := f.Seek(at.offset, io.SeekStart); err != nil {
		return at, err
	}
	r := bufio.NewReader(f)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return at, nil // the rest of the line is still to come
		}
		at.offset += int64(len(line))
		e := in.event(line)
		if e == nil {
			acks.expect(at, 0)
			continue
		}
		if err := q.push(ctx, e, acks.expect(at, 1)); err != nil {
			return at, err
		}
	}
}

// event is the event of an entry; nil for a line that a crash cut off, and for what is older than asked for.
func (in *deadLetterInput) event(line string) *event.Event {
	v, err := event.DecodeJSON(line)
	entry, ok := v.(map[string]any)
	fields, hasEvent := entry["event"].(map[string]any)
	if err != nil || !ok || !hasEvent {
		in.log.Warn("dead letter queue: an entry is damaged and skipped", "dir", in.dir)
		return nil
	}
	if !in.from.IsZero() {
		if t, err := event.ToTimestamp(entry["entry_time"]); err != nil || t.Before(in.from) {
			return nil
		}
	}
	e := event.FromMap(fields, in.now())
	if meta, ok := entry["metadata"].(map[string]any); ok {
		_ = e.Set(event.MustRef("[@metadata]"), meta)
	}
	about := map[string]any{}
	for _, k := range []string{"plugin_type", "plugin_id", "reason", "entry_time"} {
		about[k] = entry[k]
	}
	_ = e.Set(event.MustRef("[@metadata][dead_letter_queue]"), about)
	in.deco.decorate(e)
	return e
}

func (in *deadLetterInput) remembered() deadPlace {
	var at deadPlace
	data, err := os.ReadFile(in.sincedb)
	if err != nil || !in.commit {
		return at
	}
	if _, err := fmt.Sscanf(strings.TrimSpace(string(data)), "%d %d", &at.segment, &at.offset); err != nil {
		return deadPlace{}
	}
	return at
}

// remember writes down how far everything is delivered, and removes what is behind that where it is asked to.
func (in *deadLetterInput) remember(acks *ackLine[deadPlace]) {
	at, ok := acks.take()
	if !ok || !in.commit {
		return
	}
	if err := writeAtomic(in.sincedb, fmt.Appendf(nil, "%d %d\n", at.segment, at.offset)); err != nil {
		in.log.Warn("dead letter queue: the place cannot be remembered", "file", in.sincedb, "error", err)
		acks.putBack(at)
		return
	}
	if !in.clean {
		return
	}
	numbers, err := segments(in.dir)
	if err != nil {
		return
	}
	for _, n := range numbers {
		if n < at.segment {
			_ = os.Remove(segmentPath(in.dir, n))
		}
	}
}

// writeAtomic replaces a file so that a reader sees the old text or the new one.
func writeAtomic(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	tmp := file + ".tmp"
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, file)
}
