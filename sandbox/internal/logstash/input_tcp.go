package logstash

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"

	"obsandbox/sandbox/internal/logstash/event"
)

// tcpInput listens and reads a stream of events from each connection.
type tcpInput struct {
	codec                 codecMaker
	deco                  inputDecorator
	addr                  string
	fieldHost, fieldIP    event.Ref
	fieldPort             event.Ref
	log                   *slog.Logger
	listening             func(addr string)
	keepAlive, lookupName bool
}

func newTCP(b *build) (input, error) {
	b.required("port")
	in := &tcpInput{
		codec:      b.streamCodec("line"),
		deco:       b.inputDecorator(),
		addr:       net.JoinHostPort(b.str("host", "0.0.0.0"), strconv.Itoa(b.integer("port", 0))),
		log:        b.log,
		keepAlive:  b.boolean("tcp_keep_alive", false),
		lookupName: b.boolean("dns_reverse_lookup_enabled", true),
	}
	if b.oneOf("mode", "server", "server", "client") != "server" {
		b.fail("mode", "client is not supported")
	}
	if b.boolean("ssl_enabled", false) {
		b.fail("ssl_enabled", "TLS is not supported")
	}
	if b.boolean("proxy_protocol", false) {
		b.fail("proxy_protocol", "not supported")
	}
	in.fieldHost, in.fieldIP, in.fieldPort = event.MustRef("host"), event.MustRef("[@metadata][ip_address]"), event.MustRef("port")
	if b.ecs() != "disabled" {
		in.fieldHost = event.MustRef("[@metadata][input][tcp][source][name]")
		in.fieldIP = event.MustRef("[@metadata][input][tcp][source][ip]")
		in.fieldPort = event.MustRef("[@metadata][input][tcp][source][port]")
	}
	return in, b.done()
}

func (in *tcpInput) run(ctx context.Context, q *queue) error {
	config := net.ListenConfig{}
	if !in.keepAlive {
		config.KeepAlive = -1
	}
	listener, err := config.Listen(ctx, "tcp", in.addr)
	if err != nil {
		return fmt.Errorf("tcp input: %w", err)
	}
	if in.listening != nil {
		in.listening(listener.Addr().String())
	}
	var open sync.WaitGroup
	defer open.Wait()
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	for {
		conn, err := listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) && ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("tcp input: %w", err)
		}
		open.Go(func() {
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
			if err := in.serve(ctx, conn, q); err != nil && ctx.Err() == nil {
				in.log.Warn("tcp input: a connection ended", "from", conn.RemoteAddr(), "error", err)
			}
		})
	}
}

func (in *tcpInput) serve(ctx context.Context, conn net.Conn, q *queue) error {
	ip, port, err := net.SplitHostPort(conn.RemoteAddr().String())
	if err != nil {
		return err
	}
	number, _ := strconv.ParseInt(port, 10, 64)
	name := ip
	if in.lookupName {
		if names, err := net.DefaultResolver.LookupAddr(ctx, ip); err == nil && len(names) > 0 {
			name = names[0]
		}
	}
	return readStream(ctx, conn, in.codec(), func(e *event.Event) {
		for _, f := range []struct {
			ref   event.Ref
			value any
		}{{in.fieldHost, name}, {in.fieldIP, ip}, {in.fieldPort, number}} {
			if e.Get(f.ref) == nil {
				_ = e.Set(f.ref, f.value)
			}
		}
		in.deco.decorate(e)
		_ = q.push(ctx, e, nil)
	})
}
