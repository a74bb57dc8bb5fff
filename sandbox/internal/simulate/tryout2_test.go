package simulate

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/stack"
)

func TestWeekTryout(t *testing.T) {
	st, err := stack.Load("../../../stack")
	require.NoError(t, err)
	start := time.Date(2025, 1, 6, 0, 0, 0, 0, time.UTC)
	ctx := context.Background()
	began := time.Now()
	s, err := New(ctx, Config{Stack: st, Start: start, Seed: 1, Slow: 5 * time.Minute})
	require.NoError(t, err)
	defer s.Close()
	for i := 1; i <= 4; i++ {
		require.NoError(t, s.Leap(ctx, start.Add(time.Duration(i)*6*time.Hour)))
		a, b := s.Stored()
		t.Log(i, time.Since(began), a, b)
	}
	for _, x := range s.Transitions() {
		t.Log(x.At.Sub(start), x.Alert, x.State, x.Labels)
	}
}
