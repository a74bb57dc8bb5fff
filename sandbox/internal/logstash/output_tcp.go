package logstash

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"obsandbox/sandbox/internal/logstash/event"
)

// tcpOutput writes events to connections: to everyone who connects (server), or to one address (client).
type tcpOutput struct {
	codec     codecMaker
	addr      string
	server    bool
	reconnect time.Duration
	log       *slog.Logger

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
}

func newTCPOutput(b *build) (output, error) {
	b.required("host", "port")
	o := &tcpOutput{
		codec:     b.codec("json"),
		addr:      net.JoinHostPort(b.str("host", ""), strconv.Itoa(b.integer("port", 0))),
		server:    b.oneOf("mode", "client", "server", "client") == "server",
		reconnect: time.Duration(b.number("reconnect_interval", 10) * float64(time.Second)),
		log:       b.log,
		conns:     map[net.Conn]bool{},
	}
	if b.boolean("ssl_enabled", false) {
		b.fail("ssl_enabled", "TLS is not supported")
	}
	b.outputCommon()
	return o, b.done()
}

// start listens, where this is the server.
func (o *tcpOutput) start(ctx context.Context) error {
	if !o.server {
		return nil
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", o.addr)
	if err != nil {
		return fmt.Errorf("tcp output: %w", err)
	}
	o.listener = listener
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			o.mu.Lock()
			o.conns[conn] = true
			o.mu.Unlock()
		}
	}()
	return nil
}

func (o *tcpOutput) send(ctx context.Context, events []*event.Event) error {
	text, err := o.codec.encodeAll(events)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.server {
		// Who is not connected gets nothing, as in Logstash.
		for conn := range o.conns {
			if _, err := conn.Write(text); err != nil {
				o.drop(conn, err)
			}
		}
		return nil
	}
	for {
		for conn := range o.conns {
			if _, err := conn.Write(text); err == nil {
				return nil
			} else {
				o.drop(conn, err)
			}
		}
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", o.addr)
		if err == nil {
			o.conns[conn] = true
			continue
		}
		o.log.Warn("tcp output: cannot connect, it is tried again", "address", o.addr, "in", o.reconnect, "error", err)
		select {
		case <-time.After(o.reconnect):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (o *tcpOutput) drop(conn net.Conn, err error) {
	o.log.Warn("tcp output: a connection ended", "to", conn.RemoteAddr(), "error", err)
	_ = conn.Close()
	delete(o.conns, conn)
}

func (o *tcpOutput) close() error {
	if o.listener != nil {
		_ = o.listener.Close()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for conn := range o.conns {
		_ = conn.Close()
	}
	return nil
}
