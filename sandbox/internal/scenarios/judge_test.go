package scenarios

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/simulate"
	"obsandbox/sandbox/internal/stack"
)

func TestWhenAnAlertChangesItsState(t *testing.T) {
	t.Parallel()
	start := time.Unix(0, 0)
	var all []simulate.Transition
	for _, c := range []struct {
		at    time.Duration
		state string
	}{{1, "pending"}, {2, "firing"}, {4, "inactive"}, {10, "pending"}, {12, "firing"}, {20, "inactive"}} {
		all = append(all, simulate.Transition{At: start.Add(c.at * time.Minute), Alert: "Down", Labels: model.LabelSet{"job": "a"}, State: c.state})
	}
	const m = stack.Duration(time.Minute)
	const story = "it is pending at 1m0s, firing at 2m0s, inactive at 4m0s, pending at 10m0s, firing at 12m0s, inactive at 20m0s"
	for name, c := range map[string]struct {
		expect AlertExpectation
		want   string
	}{
		"the first":              {AlertExpectation{Pending: &Window{By: m}, Firing: &Window{m, 2 * m}, Resolved: &Window{4 * m, 20 * m}}, ""},
		"pending once more":      {AlertExpectation{Pending: &Window{9 * m, 11 * m}}, ""},
		"firing once more":       {AlertExpectation{Firing: &Window{10 * m, 12 * m}}, "Down is firing before 10m: " + story},
		"firing too late":        {AlertExpectation{Firing: &Window{0, m}}, "Down is not firing between 0s and 1m: " + story},
		"resolved, but not last": {AlertExpectation{Resolved: &Window{3 * m, 5 * m}}, "Down is not resolved between 3m and 5m: " + story},
		"another one":            {AlertExpectation{Labels: map[string]string{"job": "b"}, Firing: &Window{0, 30 * m}}, "Down[job:b] is not firing between 0s and 30m: " + story},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := &judgement{s: &Scenario{}, c: &Course{start: start, factor: 1, Transitions: all}}
			c.expect.Alert = "Down"
			j.alert(c.expect)
			if c.want == "" {
				require.Empty(t, j.faults)
				return
			}
			require.Len(t, j.faults, 1)
			require.Equal(t, c.want, j.faults[0].text)
		})
	}
}

func TestScenariosAreFoundByEitherName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"a.yml", "b.yaml", "c.txt"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	files, err := Files([]string{dir})
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(dir, "a.yml"), filepath.Join(dir, "b.yaml")}, files)
	_, err = Files([]string{filepath.Join(dir, "none")})
	require.ErrorContains(t, err, "none: no such file or directory")
	_, err = Files([]string{t.TempDir()})
	require.ErrorContains(t, err, "no scenario there")
}
