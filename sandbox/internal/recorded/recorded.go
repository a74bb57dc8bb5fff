// Package recorded reads what a Prometheus has recorded, wherever it lies: the directory of its database, its address
// (over remote read, which also tells where series ended), or an OpenMetrics file with times.
package recorded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"obsandbox/sandbox/internal/stack"
)

// Series is a series with its samples; marks of staleness are among them.
type Series struct {
	Labels labels.Labels
	Times  []int64 // ms
	Values []float64
}

// Read reads the series that any of the selectors match, from one time to another; all times where they are zero, which
// an address does not offer. Native histograms are an error.
func Read(ctx context.Context, source string, from, to time.Time, selectors [][]*labels.Matcher) ([]Series, error) {
	mint, maxt := int64(math.MinInt64/2), int64(math.MaxInt64/2)
	if !from.IsZero() {
		mint = from.UnixMilli()
	}
	if !to.IsZero() {
		maxt = to.UnixMilli()
	}
	if isAddress(source) {
		if from.IsZero() || to.IsZero() {
			return nil, errors.New("an address needs --from and --to")
		}
		return readURL(ctx, source, mint, maxt, selectors)
	}
	info, err := os.Stat(source)
	if err != nil {
		return nil, fmt.Errorf("read recorded data: %w (an address begins with http://)", err)
	}
	if info.IsDir() {
		return readDir(ctx, source, mint, maxt, selectors)
	}
	return readFile(source, mint, maxt, selectors)
}

func isAddress(source string) bool {
	return strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://")
}

// readDir reads a database with its blocks and its log, blocks alone (a snapshot), or one block, and leaves them as they
// are.
func readDir(ctx context.Context, dir string, mint, maxt int64, selectors [][]*labels.Matcher) (out []Series, err error) {
	if _, err := os.Stat(filepath.Join(dir, "wal")); err != nil {
		return readBlocks(ctx, dir, mint, maxt, selectors)
	}
	tmp, err := os.MkdirTemp("", "recorded-")
	if err != nil {
		return nil, fmt.Errorf("read recorded data: %w", err)
	}
	defer os.RemoveAll(tmp)
	db, err := tsdb.OpenDBReadOnly(dir, tmp, promslog.NewNopLogger())
	if err != nil {
		return nil, fmt.Errorf("%s is no database of Prometheus: %w", dir, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	q, err := db.Querier(mint, maxt)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	return collect(selectors, func(ms []*labels.Matcher) (storage.SeriesSet, error) { return q.Select(ctx, false, nil, ms...), nil }, mint, maxt)
}

// readBlocks reads the blocks of a directory, or the one that it is.
func readBlocks(ctx context.Context, dir string, mint, maxt int64, selectors [][]*labels.Matcher) (out []Series, err error) {
	const meta = "meta.json" // of every block
	dirs, err := filepath.Glob(filepath.Join(dir, "*", meta))
	if err != nil {
		return nil, fmt.Errorf("read recorded data: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, meta)); err == nil {
		dirs = []string{filepath.Join(dir, meta)}
	}
	if len(dirs) == 0 {
		return nil, fmt.Errorf("%s has no blocks of Prometheus and no write-ahead log", dir)
	}
	var queriers []storage.Querier
	for _, d := range dirs {
		block, err := tsdb.OpenBlock(promslog.NewNopLogger(), filepath.Dir(d), nil, nil)
		if err != nil {
			return nil, fmt.Errorf("%s is no block of Prometheus: %w", filepath.Dir(d), err)
		}
		defer block.Close()
		q, err := tsdb.NewBlockQuerier(block, mint, maxt)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Dir(d), err)
		}
		queriers = append(queriers, q)
	}
	q := storage.NewMergeQuerier(queriers, nil, storage.ChainedSeriesMerge)
	defer func() { err = errors.Join(err, q.Close()) }()
	return collect(selectors, func(ms []*labels.Matcher) (storage.SeriesSet, error) { return q.Select(ctx, false, nil, ms...), nil }, mint, maxt)
}

// collect reads every series once, whichever selectors match it.
func collect(selectors [][]*labels.Matcher, sel func([]*labels.Matcher) (storage.SeriesSet, error), mint, maxt int64) ([]Series, error) {
	var out []Series
	seen := map[string]bool{}
	asked := map[string]bool{}
	for _, ms := range selectors {
		key := fmt.Sprint(ms)
		if asked[key] {
			continue
		}
		asked[key] = true
		set, err := sel(ms)
		if err != nil {
			return nil, err
		}
		for set.Next() {
			s := set.At()
			id := string(s.Labels().Bytes(nil))
			if seen[id] {
				continue
			}
			seen[id] = true
			one := Series{Labels: s.Labels().Copy()}
			it := s.Iterator(nil)
			for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
				if kind != chunkenc.ValFloat {
					return nil, fmt.Errorf("%s is a native histogram: only floats are read", one.Labels)
				}
				if t, v := it.At(); t >= mint && t <= maxt { // chunks reach over the edges
					one.Times, one.Values = append(one.Times, t), append(one.Values, v)
				}
			}
			if err := it.Err(); err != nil {
				return nil, fmt.Errorf("%s: %w", one.Labels, err)
			}
			if len(one.Times) > 0 {
				out = append(out, one)
			}
		}
		if err := set.Err(); err != nil {
			return nil, fmt.Errorf("read recorded data: %w", err)
		}
	}
	return out, nil
}

// latest is the end of the year 9999, in ms: what is later was meant to be milliseconds.
const latest = 253402300799999

// readFile reads OpenMetrics text, in which every sample has its time.
func readFile(file string, mint, maxt int64, selectors [][]*labels.Matcher) ([]Series, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read recorded data: %w", err)
	}
	p := textparse.NewOpenMetricsParser(data, labels.NewSymbolTable())
	at := map[string]int{}
	var out []Series
	// The parser's texts are parts of data: how much of it is left behind one says on which line it is.
	line := 0
	place := func(text []byte) {
		if at := cap(data) - cap(text); at >= 0 && bytes.HasPrefix(data[at:], text) {
			line = 1 + bytes.Count(data[:at], []byte("\n"))
		}
	}
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, &stack.FileError{File: file, Line: max(line, 1), Msg: err.Error() + " (after this line)"}
		}
		if entry != textparse.EntrySeries {
			continue
		}
		text, t, v := p.Series()
		place(text)
		if t == nil {
			return nil, &stack.FileError{File: file, Line: line, Msg: fmt.Sprintf("%s has no time: recorded samples need one", text)}
		}
		if *t > latest {
			return nil, &stack.FileError{File: file, Line: line, Msg: fmt.Sprintf("%s is of the year %d: times of OpenMetrics are seconds", text, time.UnixMilli(*t).UTC().Year())}
		}
		var lset labels.Labels
		p.Labels(&lset)
		if *t < mint || *t > maxt || !anyOf(lset, selectors) {
			continue
		}
		id := string(lset.Bytes(nil))
		i, ok := at[id]
		if !ok {
			i = len(out)
			at[id] = i
			out = append(out, Series{Labels: lset.Copy()})
		}
		s := &out[i]
		if n := len(s.Times); n > 0 && s.Times[n-1] >= *t {
			return nil, &stack.FileError{File: file, Line: line, Msg: fmt.Sprintf("%s is not later than its sample before", lset)}
		}
		s.Times, s.Values = append(s.Times, *t), append(s.Values, v)
	}
	return out, nil
}

func anyOf(lset labels.Labels, selectors [][]*labels.Matcher) bool {
	for _, ms := range selectors {
		all := true
		for _, m := range ms {
			all = all && m.Matches(lset.Get(m.Name))
		}
		if all {
			return true
		}
	}
	return false
}

// Span is the time that series cover.
func Span(all []Series) (from, to time.Time) {
	for _, s := range all {
		if a := time.UnixMilli(s.Times[0]); from.IsZero() || a.Before(from) {
			from = a
		}
		if b := time.UnixMilli(s.Times[len(s.Times)-1]); b.After(to) {
			to = b
		}
	}
	return from, to
}
