// Package front is what the stack needs when its parts run in containers: one door to every component's port (Serve), the
// cluster's network for programs that are told of no proxy (ServeCluster), and the wait until a component is ready (Await).
package front

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// dialTimeout is how long the front tries to reach a component for one connection.
const dialTimeout = 5 * time.Second

// Forward leads a port of the front to a component.
type Forward struct {
	Port int
	// To is the "host:port" that connections are led to; it is resolved anew for each of them.
	To string
}

// ParseForward reads PORT=HOST:PORT.
func ParseForward(text string) (Forward, error) {
	port, to, _ := strings.Cut(text, "=")
	number, err := strconv.Atoi(port)
	_, _, toErr := net.SplitHostPort(to)
	if err != nil || number < 0 || number > 65535 || toErr != nil {
		return Forward{}, fmt.Errorf("forward %q: expected PORT=HOST:PORT, as in 9090=prometheus:9090", text)
	}
	return Forward{Port: number, To: to}, nil
}

// Serve listens on host (empty: every address) and forwards until ctx ends; then it closes every connection and returns
// nil. onListen, where it is given, learns the address of each forward.
func Serve(ctx context.Context, host string, forwards []Forward, log *slog.Logger, onListen func(Forward, net.Addr)) error {
	var listeners []net.Listener
	closeAll := func() {
		for _, l := range listeners {
			l.Close()
		}
	}
	for _, f := range forwards {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(f.Port)))
		if err != nil {
			closeAll()
			return fmt.Errorf("listen for %s: %w", f.To, err)
		}
		listeners = append(listeners, l)
		if onListen != nil {
			onListen(f, l.Addr())
		}
	}
	stop := context.AfterFunc(ctx, closeAll)
	defer stop()
	var wg sync.WaitGroup
	for i, l := range listeners {
		wg.Go(func() { accept(ctx, l, forwards[i].To, log) })
	}
	wg.Wait()
	return nil
}

func accept(ctx context.Context, l net.Listener, to string, log *slog.Logger) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			log.Error("accept a connection", "for", to, "error", err)
			return
		}
		wg.Go(func() {
			if err := pipe(ctx, conn, to); err != nil {
				log.Warn("a connection could not be led on", "to", to, "error", err)
			}
		})
	}
}

// pipe copies both ways until both ends have said all they had to say, or ctx ends.
func pipe(ctx context.Context, in net.Conn, to string) error {
	defer in.Close()
	dial, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	out, err := (&net.Dialer{}).DialContext(dial, "tcp", to)
	if err != nil {
		return err
	}
	defer out.Close()
	stop := context.AfterFunc(ctx, func() {
		in.Close()
		out.Close()
	})
	defer stop()
	var wg sync.WaitGroup
	half := func(dst, src net.Conn) {
		_, _ = io.Copy(dst, src) // either end may go at any time: that is how connections end
		if c, ok := dst.(interface{ CloseWrite() error }); ok {
			_ = c.CloseWrite()
		}
	}
	wg.Go(func() { half(out, in) })
	wg.Go(func() { half(in, out) })
	wg.Wait()
	return nil
}

// OwnAddress is the first address of this machine that others can reach: in a container, the container's.
func OwnAddress() (string, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return "", fmt.Errorf("find this container's address: %w", err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String(), nil
		}
	}
	return "", errors.New("find this container's address: it has none but loopback")
}
