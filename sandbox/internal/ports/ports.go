// Package ports finds ports of loopback for servers that have to be told theirs before they listen.
package ports

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
)

// Host is where everything listens.
const Host = "127.0.0.1"

// Claims come from below what Linux (32768) and macOS (49152) give to outgoing connections, so that nobody gets one by
// chance between the moment it is let go here and the moment its server has it.
const (
	first = 20000
	last  = 32000
)

// Hold takes a port until it is closed; the error is the operating system's.
func Hold(ctx context.Context, port int, udp bool) (io.Closer, error) {
	address := net.JoinHostPort(Host, strconv.Itoa(port))
	if udp {
		return new(net.ListenConfig).ListenPacket(ctx, "udp", address)
	}
	return new(net.ListenConfig).Listen(ctx, "tcp", address)
}

// Claim is a port until it is closed. One that Take found nobody else who asks this package gets, in this process or in
// another, whether its server listens just then or not.
type Claim struct {
	Number int
	// socket keeps the port from everybody. guard is the same number of the other protocol: it stays when the socket is let
	// go, and ends with the process at the latest. A port of a given number has none.
	socket, guard io.Closer
}

// TakeNumber claims the port of that number; the error is the operating system's.
func TakeNumber(ctx context.Context, number int, udp bool) (*Claim, error) {
	socket, err := Hold(ctx, number, udp)
	if err != nil {
		return nil, err
	}
	return &Claim{Number: number, socket: socket}, nil
}

// Take claims a TCP or UDP port that nobody has.
func Take(ctx context.Context, udp bool) (*Claim, error) {
	var err error
	for range 200 {
		c := &Claim{Number: first + rand.IntN(last-first)}
		if c.guard, err = Hold(ctx, c.Number, !udp); err != nil {
			continue
		}
		if c.socket, err = Hold(ctx, c.Number, udp); err == nil {
			return c, nil
		}
		_ = c.guard.Close()
	}
	return nil, fmt.Errorf("no free port from %d to %d: %w", first, last, err)
}

// Address is "host:port".
func (c *Claim) Address() string { return net.JoinHostPort(Host, strconv.Itoa(c.Number)) }

// Let lets go of the port, right before its server takes it. A second time it does nothing.
func (c *Claim) Let() error {
	if c.socket == nil {
		return nil
	}
	err := c.socket.Close()
	c.socket = nil
	return err
}

// Close gives the claim up.
func (c *Claim) Close() error {
	err := c.Let()
	if c.guard != nil {
		err = errors.Join(err, c.guard.Close())
	}
	return err
}

// Test is what is used of a test.
type Test interface {
	Helper()
	Context() context.Context
	Cleanup(func())
	Fatal(...any)
}

// Address is where nobody listens now, "host:port", for a server of a test: it is the test's until that ends.
func Address(t Test) string {
	t.Helper()
	return forTest(t).Address()
}

// Number is the port of such an address.
func Number(t Test) int {
	t.Helper()
	return forTest(t).Number
}

func forTest(t Test) *Claim {
	t.Helper()
	c, err := Take(t.Context(), false)
	if err == nil {
		t.Cleanup(func() { _ = c.Close() })
		err = c.Let()
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}
