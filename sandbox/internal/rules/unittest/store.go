package unittest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// store keeps the series of one test case in memory. promtool opens a time series database on disk for every case,
// which takes longer than the case itself; what rules see is the same, and the tests hold one against the other.
//
// A store is used by one goroutine at a time.
type store struct {
	byHash map[uint64][]*series
	// byName has the series of each metric in the order of their creation: most selectors name their metric.
	byName map[string][]*series
	all    []*series
	// histograms says that a native histogram came in. A database also keeps where their counters start again, which
	// this store does not: such a case is evaluated again with a database.
	histograms bool
}

type series struct {
	lset    labels.Labels
	samples sampleList
}

// sampleList implements storage.Samples.
type sampleList []sample

// Get points into the list: a copy in an interface would have to be allocated, for every sample that is read.
func (l sampleList) Get(i int) chunks.Sample { return &l[i] }
func (l sampleList) Len() int                { return len(l) }

// sample is one value; fh, where it is set, stands for f. It implements chunks.Sample.
type sample struct {
	t  int64
	f  float64
	fh *histogram.FloatHistogram
}

func (*sample) ST() int64                       { return 0 }
func (s *sample) T() int64                      { return s.t }
func (s *sample) F() float64                    { return s.f }
func (*sample) H() *histogram.Histogram         { return nil }
func (s *sample) FH() *histogram.FloatHistogram { return s.fh }

func (s *sample) Copy() chunks.Sample {
	c := *s
	if c.fh != nil {
		c.fh = c.fh.Copy()
	}
	return &c
}

func (s *sample) Type() chunkenc.ValueType {
	if s.fh != nil {
		return chunkenc.ValFloatHistogram
	}
	return chunkenc.ValFloat
}

func newStore() *store {
	return &store{byHash: map[uint64][]*series{}, byName: map[string][]*series{}}
}

func (st *store) series(lset labels.Labels) *series {
	hash := lset.Hash()
	for _, s := range st.byHash[hash] {
		if labels.Equal(s.lset, lset) {
			return s
		}
	}
	s := &series{lset: lset.Copy()}
	st.byHash[hash] = append(st.byHash[hash], s)
	name := lset.Get(model.MetricNameLabel)
	st.byName[name] = append(st.byName[name], s)
	st.all = append(st.all, s)
	return s
}

// add appends a sample, with the errors of a time series database that takes no sample out of order.
func (s *series) add(n sample) error {
	if len(s.samples) > 0 {
		last := s.samples[len(s.samples)-1]
		switch {
		case n.t < last.t:
			return storage.ErrOutOfOrderSample
		case n.t == last.t:
			if n.fh == nil && last.fh == nil && math.Float64bits(n.f) == math.Float64bits(last.f) {
				return nil
			}
			if n.fh != nil && last.fh != nil && n.fh.Equals(last.fh) {
				return nil
			}
			return storage.ErrDuplicateSampleForTimestamp
		}
	}
	s.samples = append(s.samples, n)
	return nil
}

// Querier implements storage.Queryable.
func (st *store) Querier(mint, maxt int64) (storage.Querier, error) {
	return &querier{store: st, mint: mint, maxt: maxt}, nil
}

type querier struct {
	store      *store
	mint, maxt int64
}

var errUnused = errors.New("rules do not ask for labels")

func (*querier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, errUnused
}

func (*querier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, errUnused
}

func (*querier) Close() error { return nil }

// Select always sorts: a database returns series in the order of their labels, and sums of floats depend on the order.
func (q *querier) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	candidates := q.store.all
	for _, m := range matchers {
		if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
			candidates = q.store.byName[m.Value]
		}
	}
	set := &seriesSet{at: -1}
	for _, s := range candidates {
		if !matches(s.lset, matchers) {
			continue
		}
		from, _ := slices.BinarySearchFunc(s.samples, q.mint, func(s sample, t int64) int { return compareTimes(s.t, t) })
		to, _ := slices.BinarySearchFunc(s.samples, q.maxt+1, func(s sample, t int64) int { return compareTimes(s.t, t) })
		if from < to {
			set.entries = append(set.entries, entry{lset: s.lset, samples: s.samples[from:to]})
		}
	}
	slices.SortFunc(set.entries, func(a, b entry) int { return labels.Compare(a.lset, b.lset) })
	return set
}

func compareTimes(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func matches(lset labels.Labels, matchers []*labels.Matcher) bool {
	for _, m := range matchers {
		if !m.Matches(lset.Get(m.Name)) {
			return false
		}
	}
	return true
}

type entry struct {
	lset    labels.Labels
	samples sampleList
}

func (e entry) Labels() labels.Labels { return e.lset }

// Iterator copies histograms: the engine changes the ones it is given.
func (e entry) Iterator(chunkenc.Iterator) chunkenc.Iterator {
	return storage.NewListSeriesIteratorWithCopy(e.samples)
}

type seriesSet struct {
	entries []entry
	at      int
}

func (s *seriesSet) Next() bool                      { s.at++; return s.at < len(s.entries) }
func (s *seriesSet) At() storage.Series              { return s.entries[s.at] }
func (*seriesSet) Err() error                        { return nil }
func (*seriesSet) Warnings() annotations.Annotations { return nil }

// Appender implements storage.Appendable.
func (st *store) Appender(context.Context) storage.Appender { return &appender{store: st} }

// appender writes at once: a rule group evaluates one rule after the other and commits each before the next. What a
// database would refuse only at the commit is refused here when it is appended, with the same effect on the rule.
type appender struct {
	store *store
}

func (a *appender) Append(_ storage.SeriesRef, l labels.Labels, t int64, v float64) (storage.SeriesRef, error) {
	return a.append(l, sample{t: t, f: v})
}

func (a *appender) append(l labels.Labels, s sample) (storage.SeriesRef, error) {
	l = l.WithoutEmpty()
	if l.IsEmpty() {
		return 0, fmt.Errorf("empty labelset: %w", errInvalidSample)
	}
	if name, dup := l.HasDuplicateLabelNames(); dup {
		return 0, fmt.Errorf("label name %q is not unique: %w", name, errInvalidSample)
	}
	return 0, a.store.series(l).add(s)
}

var errInvalidSample = errors.New("invalid sample")

func (a *appender) AppendHistogram(_ storage.SeriesRef, l labels.Labels, t int64, h *histogram.Histogram, fh *histogram.FloatHistogram) (storage.SeriesRef, error) {
	a.store.histograms = true
	if fh == nil {
		fh = h.ToFloat(nil)
	}
	return a.append(l, sample{t: t, fh: fh.Copy()})
}

func (*appender) SetOptions(*storage.AppendOptions) {}
func (*appender) Commit() error                     { return nil }
func (*appender) Rollback() error                   { return nil }

func (*appender) AppendExemplar(storage.SeriesRef, labels.Labels, exemplar.Exemplar) (storage.SeriesRef, error) {
	return 0, errUnused
}

func (*appender) UpdateMetadata(storage.SeriesRef, labels.Labels, metadata.Metadata) (storage.SeriesRef, error) {
	return 0, errUnused
}

func (*appender) AppendSTZeroSample(storage.SeriesRef, labels.Labels, int64, int64) (storage.SeriesRef, error) {
	return 0, errUnused
}

func (*appender) AppendHistogramSTZeroSample(storage.SeriesRef, labels.Labels, int64, int64, *histogram.Histogram, *histogram.FloatHistogram) (storage.SeriesRef, error) {
	return 0, errUnused
}
