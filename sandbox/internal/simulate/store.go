package simulate

import (
	"context"
	"errors"
	"slices"
	"sort"
	"sync"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"
)

// Store keeps series of floats in memory, for rules that ask for the same hours again and again. It answers as a
// Prometheus database does, with one exception: a rate over half an hour and more is worked out from few of the samples,
// the first and the last, those around each restart of the counter and some between. A rate needs no others, where the
// series is there all the time; where it begins or ends in between, what Prometheus adds for the edges differs by less
// than 1 % of the series.
//
// It is written by one goroutine at a time, and read by many in between.
type Store struct {
	mu     sync.RWMutex
	byHash map[uint64][]*Series
	byName map[string][]*Series
	all    []*Series
	exact  bool
}

// Series is one series of a Store.
type Series struct {
	labels  labels.Labels
	samples []sample
	// resets are the places at which the value is lower than before.
	resets []int32
}

type sample struct {
	t int64
	v float64
}

// NewStore makes an empty Store; an exact one thins nothing out.
func NewStore(exact bool) *Store {
	return &Store{byHash: map[uint64][]*Series{}, byName: map[string][]*Series{}, exact: exact}
}

// Open finds a series, or makes it.
func (st *Store) Open(lset labels.Labels) *Series {
	st.mu.Lock()
	defer st.mu.Unlock()
	hash := lset.Hash()
	for _, s := range st.byHash[hash] {
		if labels.Equal(s.labels, lset) {
			return s
		}
	}
	s := &Series{labels: lset.Copy()}
	st.byHash[hash] = append(st.byHash[hash], s)
	name := lset.Get(model.MetricNameLabel)
	// Those of a metric in the order of their labels: a database returns them so, and sums of floats depend on it.
	list := st.byName[name]
	at := sort.Search(len(list), func(i int) bool { return labels.Compare(list[i].labels, lset) >= 0 })
	st.byName[name] = slices.Insert(list, at, s)
	st.all = append(st.all, s)
	return s
}

// Add appends a sample; one that is not after the last is refused, as a database does.
func (s *Series) Add(t int64, v float64) error {
	if n := len(s.samples); n > 0 {
		switch last := s.samples[n-1]; {
		case t < last.t:
			return storage.ErrOutOfOrderSample
		case t == last.t:
			if v == last.v || value.IsStaleNaN(v) && value.IsStaleNaN(last.v) {
				return nil
			}
			return storage.ErrDuplicateSampleForTimestamp
		case v < last.v || last.v != last.v || v != v:
			s.resets = append(s.resets, int32(n))
		}
	}
	s.samples = append(s.samples, sample{t, v})
	return nil
}

// Count is the number of series and of samples.
func (st *Store) Count() (series, samples int) {
	for _, s := range st.all {
		samples += len(s.samples)
	}
	return len(st.all), samples
}

// Each calls fn for every series.
func (st *Store) Each(fn func(lset labels.Labels, times []int64, values []float64)) {
	for _, s := range st.all {
		times, values := make([]int64, len(s.samples)), make([]float64, len(s.samples))
		for i, p := range s.samples {
			times[i], values[i] = p.t, p.v
		}
		fn(s.labels, times, values)
	}
}

// forget drops what is older than t, once it is half of all.
func (s *Series) forget(t int64) {
	n := sort.Search(len(s.samples), func(i int) bool { return s.samples[i].t >= t })
	if n == 0 || n < len(s.samples)/2 {
		return
	}
	s.samples = append([]sample(nil), s.samples[n:]...)
	var resets []int32
	for _, r := range s.resets {
		if int(r) >= n {
			resets = append(resets, r-int32(n))
		}
	}
	s.resets = resets
}

// Querier implements storage.Queryable.
func (st *Store) Querier(mint, maxt int64) (storage.Querier, error) {
	return &querier{store: st, mint: mint, maxt: maxt}, nil
}

type querier struct {
	store      *Store
	mint, maxt int64
}

var errUnused = errors.New("the simulation's storage does not do this")

func (*querier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, errUnused
}

func (*querier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, errUnused
}

func (*querier) Close() error { return nil }

// Select implements storage.Querier; the series come in the order of their labels.
func (q *querier) Select(_ context.Context, _ bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	q.store.mu.RLock()
	defer q.store.mu.RUnlock()
	candidates, named := q.store.all, false
	for _, m := range matchers {
		if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
			candidates, named = q.store.byName[m.Value], true
		}
	}
	mint, maxt := q.mint, q.maxt
	few := false
	if hints != nil {
		mint, maxt = max(mint, hints.Start), min(maxt, hints.End)
		few = !q.store.exact && hints.Range >= thinFrom && hints.End-hints.Start <= hints.Range && (hints.Func == "rate" || hints.Func == "increase")
	}
	set := &seriesSet{at: -1}
	for _, s := range candidates {
		if !matches(s.labels, matchers) {
			continue
		}
		from := sort.Search(len(s.samples), func(i int) bool { return s.samples[i].t >= mint })
		to := from + sort.Search(len(s.samples)-from, func(i int) bool { return s.samples[from+i].t > maxt })
		if from == to {
			continue
		}
		found := s.samples[from:to]
		if few && len(found) > 4*thinTo {
			found = s.thinned(from, to, mint, maxt)
		}
		set.entries = append(set.entries, entry{s.labels, found})
	}
	if !named {
		slices.SortFunc(set.entries, func(a, b entry) int { return labels.Compare(a.lset, b.lset) })
	}
	return set
}

const (
	// thinFrom is the shortest window in ms of which a rate is worked out from few samples.
	thinFrom = 30 * 60 * 1000
	// thinTo is the number of samples in between where a series is not there all the time.
	thinTo = 60
)

// thinned are the samples of a window that a rate is made of.
func (s *Series) thinned(from, to int, mint, maxt int64) []sample {
	step := (to - from) / 3
	spacing := s.samples[from+1].t - s.samples[from].t
	if s.samples[from].t-mint > spacing || maxt-s.samples[to-1].t > spacing {
		step = (to - from) / thinTo
	}
	first := sort.Search(len(s.resets), func(i int) bool { return int(s.resets[i]) > from })
	resets := s.resets[first:]
	out := make([]sample, 0, thinTo+8)
	last := from - 1
	take := func(i int) {
		if i > last && i < to {
			out = append(out, s.samples[i])
			last = i
		}
	}
	for i := from; i < to-1; i += step {
		for len(resets) > 0 && int(resets[0]) <= i {
			take(int(resets[0]) - 1)
			take(int(resets[0]))
			resets = resets[1:]
		}
		take(i)
	}
	for len(resets) > 0 && int(resets[0]) < to {
		take(int(resets[0]) - 1)
		take(int(resets[0]))
		resets = resets[1:]
	}
	// What stands before the end may be a mark of staleness, which a rate passes over.
	take(to - 2)
	take(to - 1)
	return out
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
	samples []sample
}

func (e entry) Labels() labels.Labels { return e.lset }

func (e entry) Iterator(old chunkenc.Iterator) chunkenc.Iterator {
	if it, ok := old.(*iterator); ok {
		*it = iterator{samples: e.samples, at: -1}
		return it
	}
	return &iterator{samples: e.samples, at: -1}
}

type seriesSet struct {
	entries []entry
	at      int
}

func (s *seriesSet) Next() bool                      { s.at++; return s.at < len(s.entries) }
func (s *seriesSet) At() storage.Series              { return s.entries[s.at] }
func (*seriesSet) Err() error                        { return nil }
func (*seriesSet) Warnings() annotations.Annotations { return nil }

// iterator implements chunkenc.Iterator over floats.
type iterator struct {
	samples []sample
	at      int
}

func (it *iterator) Next() chunkenc.ValueType {
	it.at++
	if it.at >= len(it.samples) {
		return chunkenc.ValNone
	}
	return chunkenc.ValFloat
}

// millis keeps vet from taking the iterator's Seek for that of io.Seeker.
type millis = int64

func (it *iterator) Seek(t millis) chunkenc.ValueType {
	it.at = max(it.at, 0)
	if it.at >= len(it.samples) {
		return chunkenc.ValNone
	}
	if it.samples[it.at].t < t {
		rest := it.samples[it.at:]
		it.at += sort.Search(len(rest), func(i int) bool { return rest[i].t >= t })
	}
	if it.at >= len(it.samples) {
		return chunkenc.ValNone
	}
	return chunkenc.ValFloat
}

func (it *iterator) At() (int64, float64) { s := it.samples[it.at]; return s.t, s.v }
func (it *iterator) AtT() int64           { return it.samples[it.at].t }
func (*iterator) AtST() int64             { return 0 }
func (*iterator) Err() error              { return nil }

func (*iterator) AtHistogram(*histogram.Histogram) (int64, *histogram.Histogram) { return 0, nil }

func (*iterator) AtFloatHistogram(*histogram.FloatHistogram) (int64, *histogram.FloatHistogram) {
	return 0, nil
}

// Appender implements storage.Appendable, for the results of rules. What it is given can be read at once: a group
// commits one rule's results before it evaluates the next.
func (st *Store) Appender(context.Context) storage.Appender { return &appender{store: st} }

type appender struct{ store *Store }

func (a *appender) Append(_ storage.SeriesRef, l labels.Labels, t int64, v float64) (storage.SeriesRef, error) {
	s := a.store.Open(l.WithoutEmpty())
	a.store.mu.Lock() // groups are evaluated side by side
	defer a.store.mu.Unlock()
	return 0, s.Add(t, v)
}

func (*appender) AppendHistogram(storage.SeriesRef, labels.Labels, int64, *histogram.Histogram, *histogram.FloatHistogram) (storage.SeriesRef, error) {
	return 0, errUnused
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
