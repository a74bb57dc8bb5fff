package platform

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/platform/logs"
	"obsandbox/sandbox/internal/platform/traces"
	"obsandbox/sandbox/internal/platform/world"
	"obsandbox/sandbox/internal/stack"
)

// linesOfAStory is how many lines a story of these tests has.
const linesOfAStory = 7

// minute runs an activity for a minute's beats; it returns how many lines were sent, how many of them are of a story
// that is traced, and how many traces there are.
func minute(t *testing.T, lineRate, traceRate float64, there func(second int) bool) (lines, linked, tales int) {
	t.Helper()
	traced := map[string]bool{}
	var sent []string
	stories, second := byte(0), 0
	a := &activity{
		lineRate: lineRate, traceRate: traceRate,
		next: func(time.Time) (traces.Story, bool) {
			stories++
			return traces.Story{ID: [16]byte{0: stories, 1: byte(tales), 2: byte(tales >> 8), 3: byte(len(sent)), 4: byte(len(sent) >> 8)}}, there(second)
		},
		write: func(s traces.Story) []logs.Line {
			out := make([]logs.Line, linesOfAStory)
			for i := range out {
				out[i].Text = s.ID.String()
			}
			return out
		},
		sendLine: func(l logs.Line) { sent = append(sent, l.Text) },
		sendTale: func(s traces.Story) { traced[s.ID.String()] = true; tales++ },
	}
	for i := range int(time.Minute / beat) {
		second = i / int(time.Second/beat)
		a.step(time.Unix(int64(second), 0), beat)
	}
	for _, id := range sent {
		if traced[id] {
			linked++
		}
	}
	return len(sent), linked, tales
}

func always(int) bool { return true }

func TestPace(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lineRate, traceRate float64
		lines, tales        float64
		// linked is the least share of lines that are of a traced story.
		linked float64
	}{
		"the usual":             {20, 2, 1200, 120, 0.65},
		"every story is traced": {20, 20, 1200, 1200, 0.95},
		"few traces":            {20, 0.1, 1200, 6, 0.025},
		"no traces":             {20, 0, 1200, 0, 0},
		"no lines":              {0, 2, 0, 120, 0},
		"less than one a beat":  {0.5, 0.5, 30, 30, 0.9},
		"many":                  {2000, 200, 120_000, 12_000, 0.65},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines, linked, tales := minute(t, test.lineRate, test.traceRate, always)
			require.InDelta(t, test.lines, lines, 2)
			require.InDelta(t, test.tales, tales, test.traceRate+2, "a second's worth may wait")
			require.GreaterOrEqual(t, float64(linked), test.linked*float64(lines))
		})
	}
}

// While no collector is there nothing is written, and it is not made up for with a burst.
func TestPaceAfterSilence(t *testing.T) {
	t.Parallel()
	lines, _, tales := minute(t, 20, 2, func(second int) bool { return second < 10 || second >= 50 })
	require.InDelta(t, 20*20, lines, 20+linesOfAStory+2)
	require.InDelta(t, 20*2, tales, 5)
}

// The rates are those of the world: some ten thousand events a second, as many at the end as at the beginning.
func TestFlow(t *testing.T) {
	t.Parallel()
	dir, err := stack.Find(".")
	require.NoError(t, err)
	catalogue, err := stack.LoadMetrics(dir + "/metrics.yaml")
	require.NoError(t, err)
	start := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	w, err := world.New(world.Config{Seed: 1, Start: start}, catalogue)
	require.NoError(t, err)
	f := newFlow(w)
	w.Advance(start.Add(time.Minute))
	f.look(w)
	r := f.rates()
	require.InDelta(t, 12_000, r.Received, 4_000)
	for _, rate := range []float64{r.Published, r.Processed, r.Stored} {
		require.InEpsilon(t, r.Received, rate, 0.05, "%+v", r)
	}
	f.look(w)
	require.Equal(t, r, f.rates(), "nothing is concluded from no time")

	require.NoError(t, w.Set("flink-job-down", "", time.Time{}))
	w.Advance(start.Add(2 * time.Minute))
	f.look(w)
	require.InEpsilon(t, r.Received, f.rates().Received, 0.05)
	require.Less(t, f.rates().Processed, 0.05*r.Processed)
}
