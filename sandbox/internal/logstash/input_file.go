package logstash

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"obsandbox/sandbox/internal/logstash/event"
)

// fileInput reads files line by line: it follows them (tail) or reads each once (read). How far it came is written down
// when the outputs have the events.
type fileInput struct {
	codec              codecMaker
	deco               inputDecorator
	paths, exclude     []string
	fromStart, read    bool
	exitAfterRead      bool
	remove             bool
	completedLog       string
	delimiter          []byte
	stat, discover     time.Duration
	writeEvery         time.Duration
	sincedb            string
	fieldHost, fieldAt event.Ref
	log                *slog.Logger
}

func newFileInput(b *build) (input, error) {
	b.required("path")
	in := &fileInput{
		codec:         b.codec("plain"),
		deco:          b.inputDecorator(),
		paths:         b.list("path"),
		exclude:       b.list("exclude"),
		read:          b.oneOf("mode", "tail", "tail", "read") == "read",
		exitAfterRead: b.boolean("exit_after_read", false),
		delimiter:     []byte(b.delimiter()),
		stat:          b.duration("stat_interval", time.Second),
		writeEvery:    b.duration("sincedb_write_interval", 15*time.Second),
		completedLog:  b.str("file_completed_log_path", ""),
		log:           b.log,
	}
	in.discover = max(time.Duration(b.integer("discover_interval", 15))*in.stat, in.stat)
	in.fromStart = b.oneOf("start_position", "end", "beginning", "end") == "beginning" || in.read
	action := b.oneOf("file_completed_action", "delete", "delete", "log", "log_and_delete")
	in.remove = in.read && strings.Contains(action, "delete")
	if !strings.Contains(action, "log") {
		in.completedLog = ""
	} else if in.completedLog == "" {
		b.fail("file_completed_log_path", "the action %s needs it", action)
	}
	if in.exitAfterRead && !in.read {
		b.fail("exit_after_read", "needs mode => read")
	}
	for i, p := range in.paths {
		if !filepath.IsAbs(p) {
			b.fail("path", "%q must be absolute", p)
		}
		in.paths[i] = b.pipeline.path(p)
	}
	sum := md5.Sum([]byte(strings.Join(in.paths, ",")))
	in.sincedb = b.pipeline.path(b.str("sincedb_path", filepath.Join(b.pipeline.data, "plugins", "inputs", "file", ".sincedb_"+hex.EncodeToString(sum[:]))))
	in.fieldHost, in.fieldAt = event.MustRef("host"), event.MustRef("path")
	if b.ecs() != "disabled" {
		in.fieldHost, in.fieldAt = event.MustRef("[host][name]"), event.MustRef("[log][file][path]")
	}
	return in, b.done()
}

// duration is a number of seconds or a text such as "250 ms".
func (b *build) duration(name string, def time.Duration) time.Duration {
	if b.option(name) == nil {
		return def
	}
	text := strings.TrimSpace(b.str(name, ""))
	at := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	number, unit := text, "s"
	if at > 0 {
		number, unit = text[:at], strings.TrimSpace(text[at:])
	}
	scale, known := map[string]time.Duration{
		"s": time.Second, "sec": time.Second, "second": time.Second, "seconds": time.Second, "m": time.Minute, "min": time.Minute,
		"minute": time.Minute, "minutes": time.Minute, "ms": time.Millisecond, "msec": time.Millisecond, "msecs": time.Millisecond,
		"h": time.Hour, "hour": time.Hour, "hours": time.Hour, "d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
	}[unit]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !known {
		b.fail(name, "expected seconds or a duration such as 250 ms")
		return def
	}
	return time.Duration(n * float64(scale))
}

// watched is one file that is read.
type watched struct {
	path   string
	file   *os.File
	id     string
	offset int64
	codec  codec
	acks   ackLine[int64]
	// behind is the last place that was delivered.
	behind int64
	done   bool
}

func (in *fileInput) run(ctx context.Context, q *queue) error {
	known := in.remembered()
	files := map[string]*watched{}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("file input: %w", err)
	}
	waiting := func() int {
		n := 0
		for _, w := range files {
			n += w.acks.waiting()
		}
		return n
	}
	defer func() {
		waitFor(waiting, drainTime*3/4)
		in.remember(files, known)
		for _, w := range files {
			if w.file != nil {
				_ = w.file.Close()
			}
		}
	}()
	var nextLook, nextWrite time.Time
	first := true
	for {
		now := time.Now()
		if !now.Before(nextLook) {
			if err := in.look(files, known, first); err != nil {
				return err
			}
			first, nextLook = false, now.Add(in.discover)
		}
		for _, w := range files {
			if err := in.follow(ctx, q, w, host); err != nil && ctx.Err() == nil {
				in.log.Warn("file input: cannot read", "file", w.path, "error", err)
			}
		}
		if !now.Before(nextWrite) {
			in.remember(files, known)
			nextWrite = now.Add(in.writeEvery)
		}
		if in.read {
			in.complete(files)
			if in.exitAfterRead && !slices.ContainsFunc(mapValues(files), func(w *watched) bool { return !w.done || w.file != nil }) {
				return nil
			}
		}
		select {
		case <-time.After(in.stat):
		case <-ctx.Done():
			return nil
		}
	}
}

func mapValues[K comparable, V any](m map[K]V) []V {
	out := make([]V, 0, len(m))
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// look finds the files there are. A file that turns up later is read from its start.
func (in *fileInput) look(files map[string]*watched, known map[string]int64, first bool) error {
	for _, pattern := range in.paths {
		names, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("file input: path %q: %w", pattern, err)
		}
		for _, name := range names {
			if slices.ContainsFunc(in.exclude, func(p string) bool { ok, _ := filepath.Match(p, filepath.Base(name)); return ok }) {
				continue
			}
			info, err := os.Stat(name)
			if err != nil || info.IsDir() {
				continue
			}
			id := fileID(info)
			if w := files[id]; w != nil {
				w.path = name
				continue
			}
			w := &watched{path: name, id: id, codec: in.codec()}
			offset, seen := known[id]
			switch {
			case seen && offset <= info.Size():
				w.offset = offset
			case first && !in.fromStart:
				w.offset = info.Size()
			}
			w.behind = w.offset
			files[id] = w
		}
	}
	return nil
}

// follow reads what a file has got since, whole lines only; in read mode also a last line without an end.
func (in *fileInput) follow(ctx context.Context, q *queue, w *watched, host string) error {
	if w.done {
		return nil
	}
	if w.file == nil {
		f, err := os.Open(w.path)
		if err != nil {
			return err
		}
		w.file = f
	}
	info, err := w.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() < w.offset {
		w.offset, w.behind = 0, 0 // it was truncated
	}
	if _, err := w.file.Seek(w.offset, io.SeekStart); err != nil {
		return err
	}
	r := bufio.NewReaderSize(w.file, 64<<10)
	for {
		text, err := readUntil(r, in.delimiter)
		atEnd := errors.Is(err, io.EOF)
		if err != nil && !atEnd {
			return err
		}
		if atEnd && (!in.read || len(text) == 0) {
			break
		}
		w.offset += int64(len(text))
		var events []*event.Event
		emit := func(e *event.Event) { events = append(events, e) }
		if err := w.codec.decode(bytes.TrimSuffix(text, in.delimiter), emit); err != nil {
			return err
		}
		if err := in.hand(ctx, q, w, host, events); err != nil {
			return err
		}
		if atEnd {
			break
		}
	}
	if m, ok := w.codec.(*multiline); in.read || ok && m.overdue() {
		var events []*event.Event
		w.codec.flush(func(e *event.Event) { events = append(events, e) })
		if err := in.hand(ctx, q, w, host, events); err != nil {
			return err
		}
	}
	w.done = in.read
	return nil
}

func (in *fileInput) hand(ctx context.Context, q *queue, w *watched, host string, events []*event.Event) error {
	done := w.acks.expect(w.offset, len(events))
	for _, e := range events {
		_ = e.Set(event.MustRef("[@metadata][path]"), w.path)
		_ = e.Set(event.MustRef("[@metadata][host]"), host)
		for ref, v := range map[*event.Ref]string{&in.fieldHost: host, &in.fieldAt: w.path} {
			if _, have := e.Lookup(*ref); !have {
				_ = e.Set(*ref, v)
			}
		}
		in.deco.decorate(e)
		if err := q.push(ctx, e, done); err != nil {
			return err
		}
	}
	return nil
}

// readUntil reads up to and with a delimiter.
func readUntil(r *bufio.Reader, delimiter []byte) ([]byte, error) {
	var out []byte
	for {
		part, err := r.ReadBytes(delimiter[len(delimiter)-1])
		out = append(out, part...)
		if err != nil || bytes.HasSuffix(out, delimiter) {
			return out, err
		}
	}
}

// complete does what is asked for with files that were read and delivered.
func (in *fileInput) complete(files map[string]*watched) {
	for _, w := range files {
		if !w.done || w.file == nil || w.acks.waiting() > 0 {
			continue
		}
		_ = w.file.Close()
		w.file = nil
		if in.completedLog != "" {
			f, err := os.OpenFile(in.completedLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
			if err == nil {
				_, err = fmt.Fprintln(f, w.path)
				err = errors.Join(err, f.Close())
			}
			if err != nil {
				in.log.Warn("file input: a read file cannot be logged", "file", w.path, "error", err)
			}
		}
		if in.remove {
			if err := os.Remove(w.path); err != nil {
				in.log.Warn("file input: a read file cannot be removed", "file", w.path, "error", err)
			}
		}
	}
}
