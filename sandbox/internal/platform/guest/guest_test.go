package guest_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/platform/guest"
	"obsandbox/sandbox/internal/platform/world"
	"obsandbox/sandbox/internal/stack"
)

func simulated() []string {
	return []string{"inventory-collector", "query-api", "shipping-collector", "storage-router", "supplier-collector"}
}

func TestParse(t *testing.T) {
	t.Parallel()
	got, err := guest.Parse([]string{"shipping-collector=:8080"}, []string{"shipping-collector=laptop.local:9000", "billing=[::1]:1"},
		simulated(), []string{"billing"})
	require.NoError(t, err)
	require.Equal(t, []guest.Guest{
		{Service: "shipping-collector", Address: "127.0.0.1:8080", Replaces: true},
		{Service: "shipping-collector", Address: "laptop.local:9000"}, {Service: "billing", Address: "[::1]:1"},
	}, got)

	for _, tt := range []struct {
		replace, join []string
		want          string
	}{
		{[]string{"shipping-collector"}, nil, "--replace shipping-collector: expected SERVICE=HOST:PORT"},
		{[]string{"Shipping=127.0.0.1:80"}, nil, "expected SERVICE=HOST:PORT"},
		{[]string{"query-api=127.0.0.1"}, nil, "expected SERVICE=HOST:PORT"},
		{[]string{"query-api=http://127.0.0.1:80"}, nil, "expected SERVICE=HOST:PORT"},
		{[]string{"query-api=127.0.0.1:0"}, nil, "expected 1 to 65535"},
		{[]string{"query-api=127.0.0.1:http"}, nil, "expected 1 to 65535"},
		{[]string{"billing=127.0.0.1:80"}, nil, `no simulated service "billing" to replace: there are inventory-collector, query-api`},
		{[]string{"flink=127.0.0.1:80"}, nil, `no simulated service "flink" to replace`},
		{[]string{"query-api=127.0.0.1:1", "query-api=127.0.0.1:2"}, nil, "give its second pod with --join"},
		{[]string{"query-api=127.0.0.1:1"}, []string{"query-api=127.0.0.1:1"}, "--join query-api=127.0.0.1:1: 127.0.0.1:1 is named twice"},
		{nil, []string{"shop=127.0.0.1:1"}, `nobody would look at a service "shop"`},
	} {
		_, err := guest.Parse(tt.replace, tt.join, simulated(), nil)
		require.ErrorContains(t, err, tt.want)
	}
}

func newWorld(t *testing.T) *world.World {
	t.Helper()
	dir, err := stack.Find(".")
	require.NoError(t, err)
	cat, err := stack.LoadMetrics(filepath.Join(dir, stack.MetricsFile))
	require.NoError(t, err)
	w, err := world.New(world.Config{Seed: 3, Start: time.Unix(1_700_000_000, 0)}, cat)
	require.NoError(t, err)
	w.Advance(w.Now().Add(time.Minute))
	return w
}

func count(hosts []world.Host, service string) int {
	n := 0
	for _, h := range hosts {
		if h.Service == service {
			n++
		}
	}
	return n
}

func TestCluster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := guest.NewCluster(w, []guest.Guest{
		{Service: "shipping-collector", Address: "127.0.0.1:1", Replaces: true}, {Service: "query-api", Address: "127.0.0.1:2"},
	}, w.Now())
	hosts := c.Hosts()
	require.IsNonDecreasing(t, names(hosts))
	require.Equal(t, 1, count(hosts, "shipping-collector"), "the guest alone")
	require.Equal(t, 3, count(hosts, "query-api"), "two simulated and the guest")
	require.Equal(t, 3, count(hosts, "kafka"))
	require.Equal(t, map[string]string{"10.244.9.1:8080": "127.0.0.1:1", "10.244.9.2:8080": "127.0.0.1:2"}, c.Upstreams())

	h, ok := c.Host("10.244.9.1:8080")
	require.True(t, ok)
	require.Equal(t, "shipping-collector-local-1", h.Name)
	g, ok := c.Guest(h.Name)
	require.True(t, ok)
	require.Equal(t, "127.0.0.1:1", g.Address)
	for _, h := range w.Hosts() {
		_, there := c.Host(h.Address)
		require.Equal(t, h.Service != "shipping-collector", there, h.Name)
		_, own := c.Guest(h.Name)
		require.False(t, own)
	}
	_, gone := c.Replaced("shipping-collector")
	_, joined := c.Replaced("query-api")
	require.True(t, gone)
	require.False(t, joined, "one that joins replaces nobody")
}

func names(hosts []world.Host) (all []string) {
	for _, h := range hosts {
		all = append(all, h.Name)
	}
	return all
}

// TestNobodySpeaksForAReplacedService: neither hosts nor events of it are told of.
func TestNobodySpeaksForAReplacedService(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plain := guest.NewCluster(w, nil, w.Now()).Simulated()
	require.True(t, collected(plain.Events(200))["shipping-collector"], "without a guest it speaks")
	s := guest.NewCluster(w, []guest.Guest{{Service: "shipping-collector", Address: "127.0.0.1:1", Replaces: true}}, w.Now()).Simulated()
	require.Zero(t, count(s.Hosts(), "shipping-collector"))
	events := s.Events(200)
	require.Len(t, events, 200)
	require.Equal(t, map[string]bool{"inventory-collector": true, "supplier-collector": true}, collected(events))

	var everyone []guest.Guest
	for i, name := range []string{"shipping-collector", "inventory-collector", "supplier-collector"} {
		everyone = append(everyone, guest.Guest{Service: name, Address: string(rune('a'+i)) + ":1", Replaces: true})
	}
	require.Empty(t, guest.NewCluster(w, everyone, w.Now()).Simulated().Events(3))
}

func collected(events []world.Event) map[string]bool {
	by := map[string]bool{}
	for _, e := range events {
		by[e.Collector.Service] = true
	}
	return by
}
