package probes_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"obsandbox/sandbox/internal/platform/probes"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func probe(delay, period, success, failure int32) corev1.Probe {
	return corev1.Probe{InitialDelaySeconds: delay, PeriodSeconds: period, TimeoutSeconds: 1, SuccessThreshold: success, FailureThreshold: failure}
}

// A probe's attempts as letters: + succeeded, - failed; the states as u(p) and d(own).
func TestWorker(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		kind     probes.Kind
		probe    corev1.Probe
		outcomes string
		states   string
	}{
		"ready at the first success":              {probes.Readiness, probe(0, 5, 1, 3), "-+", "du"},
		"unready after three failures":            {probes.Readiness, probe(0, 5, 1, 3), "+---+", "uuudu"},
		"a success between starts the count anew": {probes.Readiness, probe(0, 5, 1, 3), "+--+--+", "uuuuuuu"},
		"ready after two successes":               {probes.Readiness, probe(0, 5, 2, 1), "+-++", "dddu"},
		"live before any result":                  {probes.Liveness, probe(0, 5, 1, 3), "--+", "uuu"},
		"dead after three failures":               {probes.Liveness, probe(0, 5, 1, 3), "---", "uud"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := probes.NewWorker(test.kind, test.probe, start)
			var states strings.Builder
			up, since := w.State().Up, start
			for i, o := range test.outcomes {
				now := w.Next()
				changed := w.Record(now, probes.Outcome{OK: o == '+'})
				require.Equal(t, w.State().Up != up, changed, "attempt %d", i)
				if changed {
					since = now
				}
				up = w.State().Up
				require.Equal(t, since, w.State().Since)
				states.WriteString(map[bool]string{true: "u", false: "d"}[up])
			}
			require.Equal(t, test.states, states.String())
			require.Equal(t, len(test.outcomes), w.State().Attempts)
		})
	}
}

func TestWorkerTimes(t *testing.T) {
	t.Parallel()
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	require.Equal(t, at(0), probes.NewWorker(probes.Readiness, probe(0, 5, 1, 3), start).Next())
	require.Equal(t, at(10), probes.NewWorker(probes.Readiness, probe(10, 5, 1, 3), start).Next())
	require.Equal(t, at(14), probes.NewWorker(probes.Readiness, probe(10, 7, 1, 3), start).Next(), "the first period that is not within the delay")

	w := probes.NewWorker(probes.Readiness, probe(10, 5, 1, 3), start)
	require.False(t, w.Due(at(9)))
	require.True(t, w.Due(at(10)))
	w.Record(at(10), probes.Outcome{})
	require.Equal(t, at(15), w.Next())
	w.Record(at(27), probes.Outcome{})
	require.Equal(t, at(30), w.Next(), "missed attempts are not made up for")
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("/live", func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() != "kube-probe/1.37" || r.Host != "api.example" || r.Header.Get("X-Probe") != "yes" {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	mux.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"status":"not_ready"}` + strings.Repeat(" long", 100)))
	})
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://elsewhere.invalid/", http.StatusFound)
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ready", http.StatusFound) })
	mux.HandleFunc("/circle", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/circle", http.StatusFound) })
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	port, err := strconv.ParseInt(u.Port(), 10, 32)
	require.NoError(t, err)
	target := probes.Target{IP: u.Hostname(), Ports: map[string]int32{"http": int32(port)}}

	for path, want := range map[string]struct {
		ok      bool
		message string
	}{
		"/live":   {true, "HTTP status 200:"},
		"/ready":  {false, `HTTP status 503: {"status":"not_ready"}`},
		"/away":   {true, "HTTP status 302"},
		"/moved":  {false, "HTTP status 503"},
		"/circle": {false, "stopped after 10 redirects"},
		"/none":   {false, "HTTP status 404"},
		"/slow":   {false, "no answer within 1s"},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			p := probe(0, 1, 1, 1)
			p.HTTPGet = &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("http"), HTTPHeaders: []corev1.HTTPHeader{
				{Name: "host", Value: "api.example"}, {Name: "X-Probe", Value: "yes"},
			}}
			got := probes.HTTP(t.Context(), http.DefaultTransport, p, target)
			require.Equal(t, want.ok, got.OK, got.Message)
			require.Contains(t, got.Message, want.message)
			require.Less(t, len(got.Message), 300)
		})
	}
	t.Run("a port that the container does not have", func(t *testing.T) {
		t.Parallel()
		p := probe(0, 1, 1, 1)
		p.HTTPGet = &corev1.HTTPGetAction{Path: "/", Port: intstr.FromString("metrics")}
		require.Equal(t, probes.Outcome{Message: `the container has no port named "metrics"`}, probes.HTTP(t.Context(), http.DefaultTransport, p, target))
	})
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		gone := httptest.NewServer(nil)
		gone.Close()
		p := probe(0, 1, 1, 1)
		p.HTTPGet = &corev1.HTTPGetAction{Path: "/", Port: intstr.Parse(strings.Split(gone.URL, ":")[2])}
		got := probes.HTTP(t.Context(), http.DefaultTransport, p, target)
		require.False(t, got.OK)
		require.Contains(t, got.Message, "connection refused")
	})
}

// manual is a clock that jumps to whatever time is waited for.
type manual struct{ now time.Time }

func (c *manual) Now() time.Time { return c.now }

func (c *manual) Sleep(ctx context.Context, t time.Time) error {
	if t.After(c.now) {
		c.now = t
	}
	return ctx.Err()
}

// A container that is ready from its 22nd second on, and again not from its 40th on.
func TestRun(t *testing.T) {
	t.Parallel()
	clock := &manual{now: start}
	w := probes.NewWorker(probes.Readiness, probe(10, 5, 1, 3), start)
	var changes []string
	err := probes.Run(t.Context(), w, clock,
		func(context.Context) probes.Outcome {
			age := clock.now.Sub(start)
			return probes.Outcome{OK: age >= 22*time.Second && age < 40*time.Second}
		},
		func(s probes.State, changed bool) bool {
			if changed {
				changes = append(changes, s.Since.Sub(start).String()+" "+strconv.FormatBool(s.Up))
			}
			return len(changes) < 2
		})
	require.NoError(t, err)
	require.Equal(t, []string{"25s true", "50s false"}, changes)
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	w := probes.NewWorker(probes.Readiness, probe(0, 5, 1, 3), start)
	err := probes.Run(ctx, w, &manual{now: start}, func(context.Context) probes.Outcome {
		cancel()
		return probes.Outcome{OK: true}
	}, func(probes.State, bool) bool { t.Error("an attempt that was cut short counts"); return true })
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, w.State().Up)
}

// At a thousand times the speed, 10 s of delay and two periods of 5 s take some 20 ms.
func TestFaster(t *testing.T) {
	t.Parallel()
	began := time.Now()
	w := probes.NewWorker(probes.Readiness, probe(10, 5, 3, 1), start)
	require.NoError(t, probes.Run(t.Context(), w, probes.Faster(start, 1000),
		func(context.Context) probes.Outcome { return probes.Outcome{OK: true} },
		func(_ probes.State, changed bool) bool { return !changed }))
	require.GreaterOrEqual(t, time.Since(began), 20*time.Millisecond)
	require.Less(t, time.Since(began), 5*time.Second)
	require.Equal(t, 3, w.State().Attempts)
	require.False(t, w.State().Since.Before(start.Add(20*time.Second)))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, probes.Wall().Sleep(ctx, time.Now().Add(time.Hour)), context.Canceled)
}
