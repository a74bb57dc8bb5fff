// Package ports finds ports of loopback for servers that have to be told theirs before they listen.
package ports

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
)

// Host is where everything listens.
const Host = "127.0.0.1"

// Free ports come from below what Linux (32768) and macOS (49152) give to outgoing connections, so that nobody gets one by
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

// HoldFree takes a port that nobody has, until it is closed.
func HoldFree(ctx context.Context, udp bool) (io.Closer, int, error) {
	var err error
	for range 200 {
		port := first + rand.IntN(last-first)
		var held io.Closer
		if held, err = Hold(ctx, port, udp); err == nil {
			return held, port, nil
		}
	}
	return nil, 0, fmt.Errorf("no free port from %d to %d: %w", first, last, err)
}

// Free is the number of a TCP port that nobody has now.
func Free(ctx context.Context) (int, error) {
	held, port, err := HoldFree(ctx, false)
	if err != nil {
		return 0, err
	}
	return port, held.Close()
}

// Address is where nobody listens now, "host:port", for a test's server.
func Address(t interface {
	Helper()
	Context() context.Context
	Fatal(...any)
}) string {
	t.Helper()
	port, err := Free(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(Host, strconv.Itoa(port))
}
