package world

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/stack"
)

// TestAHealthyWeekIsQuiet lets a week pass, second by second, and asks every alert's expression every two minutes: none is
// ever true. Every objective is kept in every hour.
func TestAHealthyWeekIsQuiet(t *testing.T) {
	t.Parallel()
	slos, err := stack.LoadSLOs(stackDir + "slos.yaml")
	require.NoError(t, err)
	rules := alerts(t)
	var exprs []string
	for _, a := range rules {
		exprs = append(exprs, a.Expr)
	}
	for _, s := range slos.SLOs {
		exprs = append(exprs, s.SLI.ErrorRatio("5m"))
	}
	w := newWorld(t, 1, 0)
	m := watch(t, w, exprs...)
	m.scrape()
	// Two minutes are enough for the rules' windows of five, and the shortest time that an alert waits.
	const week, step = 7 * 24 * time.Hour, 2 * time.Minute
	m.advance(week, step)

	// That nothing is true says something only of what was there to be asked.
	up := m.over("count(up)", start.Add(step), start.Add(week), step)
	require.Len(t, up, 1)
	require.Len(t, up[0].Floats, 7*24*30)
	for _, f := range up[0].Floats {
		require.Equal(t, 21.0, f.F, "eleven pods and ten fixed hosts at %s", time.UnixMilli(f.T))
	}
	pods := m.over(`count(count by (pod) (count_over_time(up{pod!=""}[7d])))`, start.Add(week), start.Add(week), step)
	require.Len(t, pods, 1)
	assert.Greater(t, pods[0].Floats[0].F, 30.0, "services were rolled out")

	for _, a := range rules {
		for _, s := range m.over(a.Expr, start.Add(step), start.Add(week), step) {
			assert.Empty(t, s.Floats, "%s is true of %s", a.Alert, s.Metric)
		}
	}
	for _, s := range slos.SLOs {
		ratios := m.over(s.SLI.ErrorRatio("1h"), start.Add(2*time.Hour), start.Add(week), time.Hour)
		if assert.Len(t, ratios, 1, s.Name) {
			assert.Len(t, ratios[0].Floats, 7*24-1, s.Name)
			for _, f := range ratios[0].Floats {
				assert.Less(t, f.F, (100-s.Objective)/100, "%s at %s", s.Name, time.UnixMilli(f.T))
			}
		}
	}
}

// TestEveryFaultFiresItsAlert sets each fault for each service that it is about, and waits for the alert that it says. After
// the fault the alert resolves. Where a fault names no alert, none fires.
func TestEveryFaultFiresItsAlert(t *testing.T) {
	t.Parallel()
	rules := alerts(t)
	var exprs []string
	unfired := map[string]bool{}
	for _, a := range rules {
		exprs = append(exprs, a.Expr)
		unfired[a.Alert] = true
	}
	for _, f := range Faults() {
		delete(unfired, f.Alert)
		if f.Alert == "" {
			t.Run(f.Name, func(t *testing.T) {
				t.Parallel()
				scenario(t, rules, exprs, f, "")
			})
			continue
		}
		for _, service := range f.Services {
			t.Run(f.Name+" of "+service, func(t *testing.T) {
				t.Parallel()
				scenario(t, rules, exprs, f, service)
			})
		}
	}
	assert.Empty(t, unfired, "alerts that no fault fires")
}

// scenario is a healthy time, a fault, and the time after it.
func scenario(t *testing.T, rules []alert, exprs []string, f Fault, service string) {
	w := newWorld(t, 2, 0)
	m := watch(t, w, exprs...)
	g := newGuard(m, rules)
	// until goes on until the alerts are as wanted, and says after how long they were.
	until := func(most time.Duration, done func(firing map[string]bool) bool) (time.Duration, map[string]bool) {
		began := w.Now()
		for {
			m.advance(30*time.Second, 15*time.Second)
			if firing := g.firing(); done(firing) || w.Now().Sub(began) >= most {
				return w.Now().Sub(began), firing
			}
		}
	}
	_, firing := until(6*time.Minute, func(map[string]bool) bool { return false })
	require.Empty(t, firing, "before the fault")
	require.NoError(t, w.Set(f.Name, service, time.Time{}))
	want := f.Fires(service)
	if want == "" {
		_, firing := until(16*time.Minute, func(firing map[string]bool) bool { return len(firing) > 0 })
		require.Empty(t, firing, "the fault names no alert")
		return
	}
	after, firing := until(25*time.Minute, func(firing map[string]bool) bool { return firing[want] })
	require.True(t, firing[want], "%s does not fire; there are: %s", want, names(firing))
	require.NoError(t, w.Clear(f.Name, service))
	mended, firing := until(40*time.Minute, func(firing map[string]bool) bool { return len(firing) == 0 })
	require.Empty(t, firing, "after the fault")
	t.Logf("%s fires after %s and resolves after %s", want, after, mended)
}
