package unittest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
)

// suite is where a case's series live: in memory, or in promqltest's database for the notations that only it reads.
type suite struct {
	// store is nil where the series are in a database.
	store     *store
	engine    *promql.Engine
	queryable storage.Queryable
	appender  storage.Appendable
	// loadTill brings in the input samples up to a time.
	loadTill func(time.Time) error
	close    func() error
}

// notInMemory says whether an input series uses what only promqltest's own database keeps or reads.
func notInMemory(s Series) bool {
	line := s.Text + " " + s.Values
	return strings.ContainsAny(line, "\n\r") || strings.Contains(line, "@st ") || strings.Contains(s.Values, "{{") ||
		strings.HasPrefix(strings.TrimSpace(line), "#")
}

// newSuite makes the place of a case's series: in memory where that is enough, else, or where database is set, the
// one that promtool uses.
func newSuite(c *Case, subqueryInterval time.Duration, database bool) (*suite, error) {
	text := &strings.Builder{}
	fmt.Fprintf(text, "load %s\n", shortDuration(c.interval))
	for _, s := range c.Input {
		fmt.Fprintf(text, "  %s %s\n", s.Text, s.Values)
		database = database || notInMemory(s)
	}
	if database {
		return lazySuite(c, text.String(), subqueryInterval)
	}
	loaded, err := parseInput(c)
	if err != nil {
		return nil, err
	}
	st := newStore()
	engine := promql.NewEngine(promql.EngineOpts{
		// The limits of promqltest, by which a test may fail.
		MaxSamples:               10000,
		Timeout:                  100 * time.Second,
		NoStepSubqueryIntervalFn: func(int64) int64 { return subqueryInterval.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
	})
	return &suite{
		store: st, engine: engine, queryable: st, appender: st, close: engine.Close,
		loadTill: func(ts time.Time) error {
			till := ts.UnixMilli()
			for _, in := range loaded {
				if in.into == nil && len(in.samples) > 0 && in.samples[0].t <= till {
					in.into = st.series(in.lset)
				}
				for len(in.samples) > 0 && in.samples[0].t <= till {
					if err := in.into.add(in.samples[0]); err != nil {
						return err
					}
					in.samples = in.samples[1:]
				}
			}
			return nil
		},
	}, nil
}

func lazySuite(c *Case, text string, subqueryInterval time.Duration) (*suite, error) {
	lazy, err := promqltest.NewLazyLoader(text, promqltest.LazyLoaderOpts{EnableAtModifier: true, EnableNegativeOffset: true, StartTime: c.start})
	if err != nil {
		return nil, err
	}
	lazy.SubqueryInterval = subqueryInterval
	return &suite{
		engine: lazy.QueryEngine(), queryable: lazy.Queryable(), appender: lazy.Storage(), close: lazy.Close,
		loadTill: func(ts time.Time) (err error) {
			lazy.WithSamplesTill(ts, func(e error) { err = e })
			return err
		},
	}, nil
}

type input struct {
	lset    labels.Labels
	samples []sample
	into    *series
}

// parseInput expands the input series. One that stands twice counts as its last form, as in promqltest.
func parseInput(c *Case) ([]*input, error) {
	p := parser.NewParser(promqltest.TestParserOpts)
	byLabels := map[string]*input{}
	var all []*input
	start := c.begin()
	for _, s := range c.Input {
		lset, values, err := p.ParseSeriesDesc(strings.TrimSpace(s.Text + " " + s.Values))
		if err != nil {
			return nil, fmt.Errorf("input series %s: %w", s.Text, err)
		}
		key := lset.String()
		in, ok := byLabels[key]
		if !ok {
			in = &input{lset: lset}
			byLabels[key] = in
			all = append(all, in)
		}
		in.samples = make([]sample, 0, len(values))
		ts := start
		for _, v := range values {
			if !v.Omitted {
				in.samples = append(in.samples, sample{t: ts.UnixMilli(), f: v.Value, fh: v.Histogram})
			}
			ts = ts.Add(time.Duration(c.interval))
		}
	}
	return all, nil
}

// query evaluates an expression at a time.
func (s *suite) query(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	q, err := s.engine.NewInstantQuery(ctx, s.queryable, nil, expr, at)
	if err != nil {
		return nil, err
	}
	// Not closed: that would give the result's memory to the next query.
	res := q.Exec(ctx)
	if res.Err != nil {
		return nil, res.Err
	}
	switch v := res.Value.(type) {
	case promql.Vector:
		return v, nil
	case promql.Scalar:
		return promql.Vector{{T: v.T, F: v.V}}, nil
	default:
		return nil, fmt.Errorf("rule result is not a vector or scalar")
	}
}

// shortDuration writes 5m instead of 5m0s, which the notation of promqltest does not read.
func shortDuration(d model.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
