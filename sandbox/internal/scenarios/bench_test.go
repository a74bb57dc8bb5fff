package scenarios

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/stack"
)

// BenchmarkTwoHours plays an incident of two hours with every rule of the stack; what was promised is 5 s.
func BenchmarkTwoHours(b *testing.B) {
	st, err := stack.Load("../../../stack")
	require.NoError(b, err)
	for b.Loop() {
		c, err := Simulate(b.Context(), st, &Scenario{
			Seed: 1, Start: defaultStart(), Duration: stack.Duration(2 * time.Hour),
			Timeline: []Event{{At: stack.Duration(time.Hour), Fault: "query-errors", For: stack.Duration(20 * time.Minute)}},
		})
		require.NoError(b, err)
		require.NotEmpty(b, c.Notifications)
		require.NoError(b, c.close())
	}
}
