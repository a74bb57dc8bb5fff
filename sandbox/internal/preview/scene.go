// Package preview draws dashboards without a running stack: the simulated platform runs on simulated time, Prometheus'
// own database and engine watch it and evaluate the stack's rules, and the viewer's pages draw what the panels' queries
// answer. Start, seed and clock are fixed: the same input gives the same bytes.
//
//	scenes, err := preview.Record(ctx, stack)                  // what happened, once
//	page, err := preview.Page(ctx, scenes, head, base)         // one self-contained HTML file
//	changes := preview.Compare(base, head)                     // panels added, removed, moved, changed
//	pictures, err := preview.Shoot(ctx, chromium, file, page)  // PNGs, by Chromium
package preview

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"

	"obsandbox/sandbox/internal/platform/logs"
	"obsandbox/sandbox/internal/platform/traces"
	"obsandbox/sandbox/internal/platform/world"
	"obsandbox/sandbox/internal/stack"
)

// The simulated time: what is drawn is the hour before now. The world is watched for a while before that, as rates and
// alerts look back.
const (
	shown  = time.Hour
	before = 10 * time.Minute
	scrape = 15 * time.Second
	// slow is the interval of recording rules, of which there are many; drawn over an hour nobody sees the difference.
	slow = time.Minute
	// storiesPerScrape are written as log lines.
	storiesPerScrape = 2
	seed             = 1
)

// now is the moment that all dashboards show.
func now() time.Time { return time.Date(2026, time.January, 14, 13, 3, 0, 0, time.UTC) }

// fault is one that a scene sets, some time before now.
type fault struct {
	name, service string
	ago           time.Duration
}

// Scene is an hour of the platform as Prometheus and the log store know it.
type Scene struct {
	// Name is "realistic" or "incident", Title what people read.
	Name, Title string
	faults      []fault

	dir    string
	db     *tsdb.DB
	engine *promql.Engine
	lines  []logLine

	mu       sync.Mutex
	answered map[question][]series
}

// logLine is a document of the log store.
type logLine struct {
	at     time.Time
	source map[string]any
}

// Scenes are what dashboards are drawn with: a usual hour, and one in which every layer has something to show.
func scenes() []*Scene {
	return []*Scene{
		{Name: "realistic", Title: "A usual hour"},
		{Name: "incident", Title: "An incident in every layer", faults: []fault{
			{"api-timeouts", "supplier-collector", 28 * time.Minute},
			{"schema-violations", "flink", 26 * time.Minute},
			{"slow-writes", "storage-router", 24 * time.Minute},
			{"query-errors", "query-api", 22 * time.Minute},
			{"kafka-broker-down", "kafka", 12 * time.Minute},
		}},
	}
}

// Record simulates all scenes, at the same time. They have to be closed.
func Record(ctx context.Context, s *stack.Stack) ([]*Scene, error) {
	catalogue, err := stack.LoadMetrics(s.Path(stack.MetricsFile))
	if err != nil {
		return nil, err
	}
	files, err := s.RuleFiles()
	if err != nil {
		return nil, err
	}
	all := scenes()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, sc := range all {
		wg.Go(func() {
			if err := sc.record(ctx, catalogue, files); err != nil {
				errs[i] = fmt.Errorf("simulate %q: %w", sc.Name, err)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		for _, sc := range all {
			err = errors.Join(err, sc.Close())
		}
		return nil, err
	}
	return all, nil
}

// Close removes the scene's database.
func (sc *Scene) Close() error {
	var errs []error
	if sc.engine != nil {
		errs = append(errs, sc.engine.Close())
	}
	if sc.db != nil {
		errs = append(errs, sc.db.Close())
	}
	if sc.dir != "" {
		errs = append(errs, os.RemoveAll(sc.dir))
	}
	return errors.Join(errs...)
}

func (sc *Scene) record(ctx context.Context, catalogue *stack.Catalogue, files []string) (err error) {
	if sc.dir, err = os.MkdirTemp("", "preview-"); err != nil {
		return err
	}
	opts := tsdb.DefaultOptions()
	opts.RetentionDuration = 0
	opts.WALSegmentSize = -1 // the database lives as long as this process: no log
	if sc.db, err = tsdb.Open(sc.dir, promslog.NewNopLogger(), nil, opts, nil); err != nil {
		return err
	}
	sc.engine = promql.NewEngine(promql.EngineOpts{
		MaxSamples: 50_000_000, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, Parser: newParser(),
	})
	start := now().Add(-shown - before)
	w, err := world.New(world.Config{Seed: seed, Start: start}, catalogue)
	if err != nil {
		return err
	}
	groups, err := sc.groups(ctx, files)
	if err != nil {
		return err
	}
	m := &monitor{world: w, db: sc.db, series: map[*world.Series][]stored{}, ups: map[string]*stored{}}
	tell, write := traces.NewTeller(w, seed, start).Next, logs.NewWriter(w, seed).Lines
	for at := start.Add(scrape); !at.After(now()); at = at.Add(scrape) {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, f := range sc.faults {
			if since := at.Sub(now().Add(-f.ago)); since >= 0 && since < scrape {
				if err := w.Set(f.name, f.service, time.Time{}); err != nil {
					return err
				}
			}
		}
		w.Advance(at)
		if err := m.scrape(ctx); err != nil {
			return err
		}
		for _, g := range groups {
			if at.Sub(start)%g.every == 0 {
				g.group.Eval(ctx, at)
				for _, r := range g.group.Rules() {
					if err := r.LastError(); err != nil {
						return fmt.Errorf("evaluate the rule %s: %w", r.Name(), err)
					}
				}
			}
		}
		for range storiesPerScrape {
			if story, ok := tell(at); ok {
				for _, line := range write(story) {
					sc.log(at, line)
				}
			}
		}
	}
	return nil
}

// log keeps a line as the log store would have it; lines that are no JSON are left out.
func (sc *Scene) log(at time.Time, line logs.Line) {
	var source map[string]any
	if json.Unmarshal([]byte(line.Text), &source) != nil {
		return
	}
	if text, ok := source["timestamp"].(string); ok {
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			at = t
		}
	}
	source["@timestamp"] = at.UTC().Format("2006-01-02T15:04:05.000Z")
	sc.lines = append(sc.lines, logLine{at, source})
}

func newParser() parser.Parser {
	return parser.NewParser(parser.Options{ExperimentalDurationExpr: true})
}

// ruleGroup is a group of the stack's rules, and how often it is evaluated.
type ruleGroup struct {
	group *rules.Group
	every time.Duration
}

func (sc *Scene) groups(ctx context.Context, files []string) ([]ruleGroup, error) {
	manager := rules.NewManager(&rules.ManagerOptions{
		Context: ctx, Appendable: sc.db, Queryable: sc.db, QueryFunc: rules.EngineQueryFunc(sc.engine, sc.db),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {}, ExternalURL: &url.URL{},
		Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(), Parser: newParser(),
	})
	var all []ruleGroup
	for _, file := range files { // one by one: their order counts
		loaded, errs := manager.LoadGroups(scrape, labels.EmptyLabels(), "", nil, false, file)
		if len(errs) > 0 {
			return nil, fmt.Errorf("load the rules: %w", errors.Join(errs...))
		}
		from := len(all)
		for _, g := range loaded {
			every := g.Interval()
			if !begin(g) {
				every = max(every, slow)
			}
			all = append(all, ruleGroup{g, every})
		}
		slices.SortFunc(all[from:], func(a, b ruleGroup) int { return strings.Compare(a.group.Name(), b.group.Name()) })
	}
	return all, nil
}

// begin tells alerts that there is no state of a former run to wait for, and says whether there are alerts.
func begin(g *rules.Group) bool {
	found := false
	for _, r := range g.Rules() {
		if alert, ok := r.(*rules.AlertingRule); ok {
			alert.SetRestored(true)
			found = true
		}
	}
	return found
}
