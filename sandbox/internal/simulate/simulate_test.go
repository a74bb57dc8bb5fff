package simulate

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/stack"
)

func TestTryout(t *testing.T) {
	st, err := stack.Load("../../../stack")
	require.NoError(t, err)
	start := time.Date(2025, 1, 6, 9, 0, 0, 0, time.UTC)
	ctx := context.Background()
	began := time.Now()
	s, err := New(ctx, Config{Stack: st, Start: start, Seed: 1})
	require.NoError(t, err)
	defer s.Close()
	t.Log("new", time.Since(began))
	require.NoError(t, s.Advance(ctx, start.Add(10*time.Minute)))
	t.Log("10m", time.Since(began))
	require.NoError(t, s.World.Set("pod-gone", "shipping-collector", start.Add(40*time.Minute)))
	require.NoError(t, s.Advance(ctx, start.Add(2*time.Hour)))
	t.Log("2h", time.Since(began))
	a, b := s.Stored()
	t.Log("series", a, "samples", b)
	for _, x := range s.Transitions() {
		t.Log(x.At.Sub(start), x.Alert, x.State, x.Labels)
	}
	for _, x := range s.Notifications() {
		t.Log(x.At.Sub(start), x.Receiver, x.Group, x.Status, x.Title, "|", x.Text)
	}
	for _, x := range s.Inhibitions() {
		t.Log(x.From.Sub(start), x.To.Sub(start), x.Receiver, x.Labels)
	}
}
