package scenarios

import (
	"context"

	"obsandbox/sandbox/internal/stack"
)

// Realtime plays against a running stack.
func Realtime(addr stack.Addresses, factor float64, progress func(string)) func(context.Context, *stack.Stack, *Scenario) (*Course, error) {
	return func(ctx context.Context, st *stack.Stack, s *Scenario) (*Course, error) { return nil, nil }
}
