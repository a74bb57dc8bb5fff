package picture

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/simulate"
)

func TestTimesAreShort(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0", 10 * time.Second: "10s", 70 * time.Second: "1m10s", 20 * time.Minute: "20m", time.Hour: "1h", 90 * time.Minute: "1h30m", 48 * time.Hour: "2d",
	} {
		assert.Equal(t, want, short(d))
	}
}

// TestStates draws an alert that ends and one that does not, and a mark for a notification.
func TestStates(t *testing.T) {
	t.Parallel()
	start := time.Date(2025, 1, 6, 9, 0, 0, 0, time.UTC)
	since := func(at time.Time) time.Duration { return at.Sub(start) }
	at := func(m int) time.Time { return start.Add(time.Duration(m) * time.Minute) }
	p := Timeline{Title: "a < b", End: 10 * time.Minute}
	p.AddStates([]simulate.Transition{
		{At: at(1), Alert: "A", State: "pending"}, {At: at(3), Alert: "A", State: "firing"}, {At: at(5), Alert: "A", State: "inactive"},
		{At: at(6), Alert: "B", State: "firing"},
	}, since)
	p.Add("slack", Bar{From: 3 * time.Minute, To: 3 * time.Minute, Kind: "firing", Text: "A is told"})
	svg := p.SVG()
	for _, want := range []string{"a &lt; b", "pending 1m0s to 3m0s", "firing 3m0s to 5m0s", "firing 6m0s to 10m0s", "<circle", "A is told", ">pending</text>"} {
		require.Contains(t, svg, want)
	}
	require.NotContains(t, svg, ">inhibited</text>", "the legend has what the picture has")
	require.Equal(t, 1, strings.Count(svg, "<circle"))
}
