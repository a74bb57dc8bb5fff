package logstash

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// remembered reads the sincedb: lines of inode, major, minor, position, time and path.
func (in *fileInput) remembered() map[string]int64 {
	out := map[string]int64{}
	data, err := os.ReadFile(in.sincedb)
	if err != nil {
		return out
	}
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) < 4 {
			continue
		}
		if n, err := strconv.ParseInt(f[3], 10, 64); err == nil {
			out[strings.Join(f[:3], " ")] = n
		}
	}
	return out
}

func (in *fileInput) remember(files map[string]*watched, known map[string]int64) {
	if in.sincedb == os.DevNull {
		return
	}
	changed := false
	for id, w := range files {
		if place, ok := w.acks.take(); ok {
			w.behind = place
			changed = true
		}
		known[id] = w.behind
	}
	if !changed {
		return
	}
	var out strings.Builder
	for _, id := range sortedKeys(known) {
		path := ""
		if w := files[id]; w != nil {
			path = w.path
		}
		fmt.Fprintf(&out, "%s %d %.3f %s\n", id, known[id], float64(time.Now().UnixMilli())/1000, path)
	}
	if err := writeAtomic(in.sincedb, []byte(out.String())); err != nil {
		in.log.Warn("file input: the sincedb cannot be written", "file", in.sincedb, "error", err)
	}
}
