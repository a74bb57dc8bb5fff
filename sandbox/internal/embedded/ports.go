package embedded

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"

	"obsandbox/sandbox/internal/ports"
	"obsandbox/sandbox/internal/stack"
)

// reservation holds every port of a run until its component starts.
type reservation struct {
	mu sync.Mutex
	// claims are by component.
	claims map[string][]*ports.Claim
	// addresses maps component and port name to host:port.
	addresses map[string]map[string]string
}

// reserve takes the ports of the components: the usual ones, or free ones. All taken ports are one error.
func reserve(ctx context.Context, components []stack.Component, auto bool) (*reservation, error) {
	r := &reservation{claims: map[string][]*ports.Claim{}, addresses: map[string]map[string]string{}}
	var taken []error
	for _, c := range components {
		r.addresses[c.Name] = map[string]string{}
		for _, port := range c.Ports {
			claim, err := r.take(ctx, c.Name, port, auto)
			if err != nil {
				taken = append(taken, portError(c, port, err))
				continue
			}
			r.addresses[c.Name][port.Name] = claim.Address()
		}
	}
	if len(taken) > 0 {
		r.releaseAll()
		return nil, errors.Join(taken...)
	}
	return r, nil
}

func (r *reservation) take(ctx context.Context, component string, port stack.Port, auto bool) (claim *ports.Claim, err error) {
	if auto {
		claim, err = ports.Take(ctx, port.UDP)
	} else {
		claim, err = ports.TakeNumber(ctx, port.Number, port.UDP)
	}
	if err == nil {
		r.claims[component] = append(r.claims[component], claim)
	}
	return claim, err
}

// release lets go of a component's ports, right before it takes them itself. Automatic ones stay claimed: other runs leave
// them alone until this one ends.
func (r *reservation) release(component string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, claim := range r.claims[component] {
		_ = claim.Let()
	}
}

// releaseAll gives everything up, at the end of the run.
func (r *reservation) releaseAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, all := range r.claims {
		for _, claim := range all {
			_ = claim.Close()
		}
	}
	clear(r.claims)
}

// portError says which port, of which component, and who has it.
func portError(c stack.Component, port stack.Port, err error) error {
	kind := "port"
	if port.UDP {
		kind = "UDP port"
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s %d of %s (%s): %w", kind, port.Number, c.Name, port.Name, err)
	}
	who := "another process (whose, this user may not see)"
	if holders := portHolders(port.Number, port.UDP); len(holders) > 0 {
		who = strings.Join(holders, " and ")
	}
	return fmt.Errorf("%s %d of %s (%s) is taken by %s: end it, leave the component out (--without %s), or run with --ports auto",
		kind, port.Number, c.Name, port.Name, who, c.Name)
}
