package logstash

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"obsandbox/sandbox/internal/logstash/event"
)

// fileOutput appends events to files whose names may come from the events.
type fileOutput struct {
	codec     codecMaker
	path      *event.Template
	root      string
	failure   string
	create    bool
	overwrite bool
	dirMode   os.FileMode
	fileMode  os.FileMode
	log       *slog.Logger

	mu    sync.Mutex
	files map[string]*os.File
}

var fieldReference = regexp.MustCompile(`%\{[^}]+\}`)

func newFileOutput(b *build) (output, error) {
	b.required("path")
	path := b.pipeline.path(b.str("path", ""))
	o := &fileOutput{
		codec:     b.codec("json_lines"),
		path:      b.parseTemplate("path", path),
		create:    b.boolean("create_if_deleted", true),
		overwrite: b.oneOf("write_behavior", "append", "append", "overwrite") == "overwrite",
		dirMode:   b.mode("dir_mode", 0o755),
		fileMode:  b.mode("file_mode", 0o644),
		log:       b.log,
		files:     map[string]*os.File{},
	}
	o.root = filepath.Dir(path)
	if !o.path.Plain() {
		var fixed []string
		for _, part := range strings.Split(path, string(filepath.Separator)) {
			if fieldReference.MatchString(part) {
				break
			}
			fixed = append(fixed, part)
		}
		if o.root = strings.Join(fixed, string(filepath.Separator)); len(fixed) < 2 {
			b.fail("path", "the start of the path must not come from the event")
		}
	}
	o.failure = filepath.Join(o.root, b.str("filename_failure", "_filepath_failures"))
	if b.boolean("gzip", false) {
		b.fail("gzip", "not supported")
	}
	b.ignore("flush_interval", "stale_cleanup_interval")
	b.outputCommon()
	return o, b.done()
}

// mode is a file mode in decimal, as Logstash takes it, or in octal with a leading zero; -1 is the default.
func (b *build) mode(name string, def os.FileMode) os.FileMode {
	text := b.str(name, "-1")
	if text == "-1" {
		return def
	}
	n, err := strconv.ParseUint(text, 0, 32)
	if err != nil {
		b.fail(name, "expected a file mode such as 0644")
	}
	return os.FileMode(n)
}

func (o *fileOutput) send(ctx context.Context, events []*event.Event) error {
	c := o.codec()
	byPath := map[string][]byte{}
	for _, e := range events {
		text, err := c.encode(e)
		if err != nil {
			return err
		}
		path := o.eventPath(e)
		if o.overwrite {
			byPath[path] = text
		} else {
			byPath[path] = append(byPath[path], text...)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, path := range sortedKeys(byPath) {
		// A full disk may have room again later: what cannot be written is not acknowledged.
		for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
			err := o.write(path, byPath[path])
			if err == nil {
				break
			}
			o.log.Error("file output: cannot write, tried again", "file", path, "error", err)
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// eventPath is the file of an event; one outside of the path's fixed part is refused.
func (o *fileOutput) eventPath(e *event.Event) string {
	path := filepath.Clean(o.path.Fill(e))
	if o.path.Plain() {
		return path
	}
	if !strings.HasPrefix(path, o.root+string(filepath.Separator)) {
		o.log.Warn("file output: an event names a file outside of the path", "path", path)
		return o.failure
	}
	return path
}

func (o *fileOutput) write(path string, text []byte) error {
	f := o.files[path]
	if f != nil {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			_ = f.Close()
			f = nil
			if !o.create && path != o.failure {
				return o.write(o.failure, text)
			}
		}
	}
	if f == nil {
		if err := os.MkdirAll(filepath.Dir(path), o.dirMode); err != nil {
			return err
		}
		var err error
		if f, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, o.fileMode); err != nil {
			return err
		}
		o.files[path] = f
	}
	if o.overwrite {
		if err := f.Truncate(0); err != nil {
			return err
		}
	}
	if _, err := f.Write(text); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func (o *fileOutput) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var errs []error
	for _, f := range o.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
