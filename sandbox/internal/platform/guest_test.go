package platform_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/platform"
)

// own is a service of the user's: ready or not, alive or not, as it is told.
type own struct {
	ready, alive atomic.Bool
	// host is the last request's header Host.
	host atomic.Value
}

func (o *own) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.host.Store(r.Host)
	switch ok := r.URL.Path == "/health/ready" && o.ready.Load() || r.URL.Path == "/health/live" && o.alive.Load(); {
	case r.URL.Path == "/metrics":
		fmt.Fprintln(w, "own_metric 1")
	case ok:
		fmt.Fprintln(w, "{}")
	default:
		http.Error(w, "down", http.StatusServiceUnavailable)
	}
}

// withLiveness gives shipping-collector a liveness probe as well.
func withLiveness() string {
	return strings.Replace(quickHealth, "shipping-collector: &service\n",
		"shipping-collector: &service\n    livenessProbe: {httpGet: {path: /health/live, port: http}, periodSeconds: 1, failureThreshold: 1}\n", 1)
}

func TestARealServiceTakesTheSimulatedPodsPlace(t *testing.T) {
	t.Parallel()
	service := &own{}
	service.ready.Store(true)
	service.alive.Store(true)
	server := httptest.NewServer(service)
	t.Cleanup(server.Close)
	address := strings.TrimPrefix(server.URL, "http://")
	r := start(t, platform.Config{StackDir: stackDir(t, withLiveness()), Replace: []string{"shipping-collector=" + address}})

	pod := func(c require.TestingT) platform.PodState {
		var state struct{ Pods []platform.PodState }
		require.NoError(c, json.Unmarshal([]byte(ask(c, http.DefaultClient, http.MethodGet, r.api+"/api/state", http.StatusOK)), &state))
		for _, p := range state.Pods {
			if p.Service == "shipping-collector" {
				return p
			}
		}
		require.Fail(c, "no pod of shipping-collector")
		return platform.PodState{}
	}
	eventually := func(what string, holds func(platform.PodState) bool) {
		t.Helper()
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			p := pod(c)
			require.True(c, holds(p), "%s: %+v", what, p)
		}, time.Minute, 20*time.Millisecond)
	}
	eventually("ready and alive", func(p platform.PodState) bool { return p.Ready && p.Live != nil && *p.Live })
	require.Equal(t, address, pod(t).Address)

	var targets []string
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		var ready []bool
		ready, targets = r.pods(c, "shipping-collector")
		require.Equal(c, all(true, 1), ready, "one pod, in the place of three")
	}, time.Minute, 20*time.Millisecond)
	require.Equal(t, "own_metric 1\n", ask(t, r.client(t), http.MethodGet, targets[0], http.StatusOK))
	require.Equal(t, strings.TrimSuffix(strings.TrimPrefix(targets[0], "http://"), "/metrics"), service.host.Load(), "it is asked by the pod's address, as in a cluster")
	_, others := r.pods(t, "inventory-collector")
	require.Len(t, others, 2)

	service.ready.Store(false)
	eventually("not ready", func(p platform.PodState) bool { return !p.Ready && *p.Live && strings.Contains(p.Probe, "503") })
	service.ready.Store(true)
	service.alive.Store(false)
	eventually("not alive", func(p platform.PodState) bool { return p.Ready && !*p.Live && strings.Contains(p.LiveProbe, "503") })

	refused := ask(t, http.DefaultClient, http.MethodPut, r.api+"/api/faults/pod-gone?service=shipping-collector", http.StatusBadRequest)
	require.Contains(t, refused, "it runs at "+address+", so break it there")
	ask(t, http.DefaultClient, http.MethodPut, r.api+"/api/faults/pod-gone?service=inventory-collector", http.StatusOK)

	server.Close()
	eventually("gone", func(p platform.PodState) bool { return !p.Ready && strings.Contains(p.Probe, "502") })
	require.Contains(t, ask(t, r.client(t), http.MethodGet, targets[0], http.StatusBadGateway), "runs at "+address+" and does not answer")
}

func TestARealServiceJoins(t *testing.T) {
	t.Parallel()
	service := &own{}
	service.ready.Store(true)
	server := httptest.NewServer(service)
	t.Cleanup(server.Close)
	health := quickHealth + "  billing: *service\n"
	address := strings.TrimPrefix(server.URL, "http://")
	// One server has two addresses here: names are told apart as they are written.
	r := start(t, platform.Config{StackDir: stackDir(t, health), Join: []string{"query-api=" + address, "billing=" + strings.Replace(address, "127.0.0.1", "localhost", 1)}})
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		for name, n := range map[string]int{"query-api": 3, "billing": 1} {
			ready, _ := r.pods(c, name)
			require.Equal(c, all(true, n), ready, name)
		}
	}, time.Minute, 20*time.Millisecond)
	own, simulated := 0, 0
	_, targets := r.pods(t, "query-api")
	for _, target := range targets {
		if body := ask(t, r.client(t), http.MethodGet, target, http.StatusOK); strings.Contains(body, "own_metric") {
			own++
		} else if strings.Contains(body, "storage_query_duration_seconds") {
			simulated++
		}
	}
	require.Equal(t, [2]int{1, 2}, [2]int{own, simulated})
}

func TestGuestsAreRefused(t *testing.T) {
	t.Parallel()
	dir := stackDir(t, quickHealth)
	require.NoError(t, platform.Check(platform.Config{StackDir: dir, Replace: []string{"query-api=127.0.0.1:1"}}))
	require.ErrorContains(t, platform.Check(platform.Config{StackDir: dir, Replace: []string{"shop=127.0.0.1:1"}}), `no simulated service "shop"`)
	require.ErrorContains(t, platform.Check(platform.Config{StackDir: stackDir(t, quickHealth+"  billing: *service\n"), Replace: []string{"query-api=127.0.0.1:1"}}),
		"no pods of: billing")
}
