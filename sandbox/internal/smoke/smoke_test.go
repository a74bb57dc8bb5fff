package smoke

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/report"
)

// testID is the id of every run in these tests: each has a world of its own.
const testID = "smoketest"

func run(t *testing.T, w *world, opt Options) *report.Report {
	t.Helper()
	opt.id, opt.pause, opt.probeSpeed = testID, 5*time.Millisecond, 5000
	if opt.Deadline == 0 {
		opt.Deadline = 20 * time.Second
	}
	rep, err := Run(t.Context(), w.addr, w.stack, opt)
	require.NoError(t, err)
	return rep
}

func with(rep *report.Report, status report.Status) []string {
	var names []string
	for _, r := range rep.Results {
		if r.Status == status {
			names = append(names, r.Name)
		}
	}
	slices.Sort(names)
	return names
}

func TestAWholeStackIsGreen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var announced []string
	rep := run(t, w, Options{OnResult: func(r report.Result) { announced = append(announced, r.Name) }})
	for _, r := range rep.Results {
		assert.Equal(t, report.Pass, r.Status, "%s: %s", r.Name, r.Detail)
		assert.Equal(t, Suite, r.Suite)
	}
	assert.True(t, rep.OK())
	assert.Greater(t, len(rep.Results), 30)
	names := with(rep, report.Pass)
	assert.Len(t, slices.Compact(slices.Clone(names)), len(names), "names are unique")
	slices.Sort(announced)
	assert.Equal(t, names, announced)

	w.mu.Lock()
	defer w.mu.Unlock()
	assert.Empty(t, w.firing, "no alert is left firing")
}

// TestEachBreakageIsCaught breaks one thing of a whole stack at a time. What must fail is exactly what is named: a check
// that fails with everything says nothing.
func TestEachBreakageIsCaught(t *testing.T) {
	t.Parallel()
	for _, c := range slices.Concat(brokenMetrics, brokenLogs, brokenTraces, brokenAlerts, brokenPlatform) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.mu.Lock()
			c.breaks(w)
			w.mu.Unlock()
			rep := run(t, w, Options{attempts: 8, Deadline: cmp.Or(c.deadline, time.Minute)})
			slices.Sort(c.fails)
			assert.Equal(t, c.fails, with(rep, report.Fail))
			var details []string
			for _, r := range rep.Results {
				if r.Status == report.Fail {
					details = append(details, r.Detail)
				}
			}
			assert.Contains(t, strings.Join(details, "\n"), c.says)
			if c.at != "" {
				places := []string{}
				for _, r := range rep.Results {
					if r.Status == report.Fail {
						places = append(places, filepath.Base(r.Place()))
					}
				}
				assert.Contains(t, places, c.at)
			}
		})
	}
}

// breakage is a fault of the stack, the checks that must notice it and words that their details must have; no words
// where the check's name says it all.
type breakage struct {
	name   string
	breaks func(*world)
	fails  []string
	says   string
	// deadline is for one whose checks wait until it; others end by themselves, on a slow machine too.
	deadline time.Duration
	// at is the file and line that one of them leads to; empty where it is not looked at.
	at string
}

func TestWhatDoesNotRunIsSkipped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	delete(w.addr.Components, "jaeger")
	delete(w.addr.Components, "kafka")
	rep := run(t, w, Options{})
	assert.Empty(t, with(rep, report.Fail))
	skipped := 0
	for _, r := range rep.Results {
		if r.Status == report.Skip {
			skipped++
			assert.Contains(t, r.Detail, "not run in this stack")
		}
	}
	assert.Greater(t, skipped, 10)
	assert.Contains(t, with(rep, report.Pass), "grafana answers")
}

func TestAStackThatIsGoneFailsEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for component, ports := range w.addr.Components {
		for port := range ports {
			// Port 1 of loopback: nothing listens there.
			w.addr.Components[component][port] = "127.0.0.1:1"
		}
	}
	rep := run(t, w, Options{attempts: 2, Deadline: time.Second})
	assert.Empty(t, with(rep, report.Pass))
	assert.Empty(t, with(rep, report.Skip))
	assert.False(t, rep.OK())
}

func TestRunSelectsChecksAndSendsOnlyTheirInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := len(w.stored)
	rep := run(t, w, Options{Run: regexp.MustCompile("^prometheus answers$|^kafka answers$")})
	assert.Equal(t, []string{"kafka answers", "prometheus answers"}, with(rep, report.Pass))
	w.mu.Lock()
	defer w.mu.Unlock()
	assert.Len(t, w.stored, before)
	assert.Empty(t, w.recorded)
	assert.Len(t, w.found, 1)

	_, err := Run(t.Context(), w.addr, w.stack, Options{Run: regexp.MustCompile("no such check")})
	assert.ErrorContains(t, err, "no smoke check")
}

func TestASelectedAlertIsResolvedAtTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rep := run(t, w, Options{Run: regexp.MustCompile("^a critical alert pages")})
	assert.True(t, rep.OK())
	w.mu.Lock()
	defer w.mu.Unlock()
	assert.Empty(t, w.firing)
}

func TestAnUnreadableFileIsAResult(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := *w.stack
	s.Dir = t.TempDir()
	w.stack = &s
	rep := run(t, w, Options{attempts: 1})
	failed := strings.Join(with(rep, report.Fail), "\n")
	for _, want := range []string{"what to scrape is known", "which rules to load is known", "which topics to expect is known", "which receivers to expect is known"} {
		assert.Contains(t, failed, want)
	}
}

func TestTargetsThatAreNotDueYetAreReadHere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mu.Lock()
	w.unscraped("redis")
	w.mu.Unlock()
	rep := run(t, w, Options{Run: regexp.MustCompile("^prometheus|^metrics")})
	assert.Empty(t, with(rep, report.Fail))
	for _, r := range rep.Results {
		if r.Name == "prometheus scrapes redis" {
			assert.Equal(t, "0 targets up; 1 targets not yet due in Prometheus, their pages read here", r.Detail)
		}
	}

	w.mu.Lock()
	for i := range w.targets {
		w.targets[i].health = "unknown"
	}
	w.mu.Unlock()
	rep = run(t, w, Options{Run: regexp.MustCompile("^prometheus scrapes"), attempts: 2})
	assert.Empty(t, with(rep, report.Pass), "that Prometheus can scrape at all is not taken on trust")
}

func TestAPageThatPrometheusChangesIsNotReadHere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mu.Lock()
	w.checksIn("prometheus/prometheus.yml", "  - job_name: redis\n", "  - job_name: redis\n    sample_limit: 1\n")
	w.unscraped("redis")
	w.mu.Unlock()
	rep := run(t, w, Options{Run: regexp.MustCompile("^prometheus scrapes"), attempts: 2})
	assert.Equal(t, []string{"prometheus scrapes redis"}, with(rep, report.Fail))
}

func TestAPageIsWhatPrometheusWouldStore(t *testing.T) {
	t.Parallel()
	p, err := parsePage([]byte(`# TYPE h histogram
h_bucket{a="b",le="0.5"} 1
h_bucket{a="b",le="2"} 2
h_bucket{a="b",le="+Inf"} 2
h_sum{a="b"} 1
h_count{a="b"} 2
# TYPE c_total counter
c_total 1
`), map[string]string{"job": "j"})
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"h": "histogram", "c_total": "counter"}, p.types)
	assert.ElementsMatch(t, []map[string]string{
		{"__name__": "h_bucket", "a": "b", "le": "0.5", "job": "j"}, {"__name__": "h_bucket", "a": "b", "le": "+Inf", "job": "j"},
		{"__name__": "h_bucket", "a": "b", "le": "2.0", "job": "j"}, {"__name__": "up", "job": "j"},
		{"__name__": "h_sum", "a": "b", "job": "j"}, {"__name__": "h_count", "a": "b", "job": "j"}, {"__name__": "c_total", "job": "j"},
	}, p.series)
	for _, text := range []string{"", "<html>"} {
		_, err := parsePage([]byte(text), nil)
		assert.Error(t, err, text)
	}
}

// families are names of checks that there are several of, for each job, group, service or layer.
var families = regexp.MustCompile(`^(prometheus scrapes|prometheus evaluates rule group|prometheus has the series that the rules in|` +
	`the liveness probe of|the readiness probe of|the platform's log lines of) .*$`)

func TestEveryCheckHasItsBreakage(t *testing.T) {
	t.Parallel()
	family := func(name string) string { return families.ReplaceAllString(name, "$1 …") }
	caught := map[string]bool{
		"kafka gives back a log line byte for byte": true, // TestAChangedRecordIsSeen
	}
	for _, c := range slices.Concat(brokenMetrics, brokenLogs, brokenTraces, brokenAlerts, brokenPlatform) {
		require.NotEmpty(t, c.fails, c.name)
		for _, name := range c.fails {
			caught[family(name)] = true
		}
	}
	w := newWorld(t)
	e, err := newEnv(w.addr, w.stack, Options{id: testID})
	require.NoError(t, err)
	defer e.close()
	for _, c := range e.checks() {
		assert.True(t, caught[family(c.name)], "no breakage for %q", c.name)
	}
}

func TestAChangedRecordIsSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, err := newEnv(w.addr, w.stack, Options{id: testID, pause: time.Millisecond, Deadline: 10 * time.Second})
	require.NoError(t, err)
	defer e.close()
	_, err = e.lineComesBack(t.Context())
	require.NoError(t, err)
	e.logs.at(lineStandard).Value = []byte("another line")
	_, err = e.lineComesBack(t.Context())
	assert.ErrorContains(t, err, "expected: another line")
}

// What does not change any more is told long before the deadline; what the configuration waits for is waited for.
func TestAFaultThatStaysIsToldSoon(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	assert.Equal(t, 15*time.Second, ownTime(w.stack))
	e, err := newEnv(w.addr, w.stack, Options{id: testID, pause: time.Millisecond, Deadline: time.Minute, Patience: time.Second})
	require.NoError(t, err)
	defer e.close()
	assert.Equal(t, 16*time.Second, e.patience)
	e.patience = 20 * time.Millisecond
	asked := 0
	_, err = e.retry(t.Context(), &check{assert: func(context.Context) (string, error) {
		asked++
		return "", fmt.Errorf("it is the same after %d asks", min(asked, 3))
	}})
	require.ErrorContains(t, err, "it is the same after 3 asks\n(asked ")
	assert.ErrorContains(t, err, "and nothing has changed for ")
	assert.Greater(t, asked, 3)
}

func TestARunThatIsStoppedIsNoVerdict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.mu.Lock()
	w.silent = "storage_connection_pool_max" // one check would go on until the deadline
	w.mu.Unlock()
	time.AfterFunc(300*time.Millisecond, cancel)
	_, err := Run(ctx, w.addr, w.stack, Options{id: testID, pause: 5 * time.Millisecond, probeSpeed: 5000})
	assert.ErrorIs(t, err, context.Canceled)
}
