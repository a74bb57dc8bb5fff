package front_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/front"
)

// echo answers each line with the prefix and the line.
func echo(t *testing.T, prefix string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				lines := bufio.NewScanner(conn)
				for lines.Scan() {
					if _, err := io.WriteString(conn, prefix+lines.Text()+"\n"); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

func TestServe(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	gone := echo(t, "")
	forwards := []front.Forward{{To: echo(t, "a ")}, {To: echo(t, "b ")}, {To: gone}}
	at := map[string]string{}
	listening, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- front.Serve(ctx, "127.0.0.1", forwards, slog.New(slog.DiscardHandler), func(f front.Forward, addr net.Addr) {
			at[f.To] = addr.String()
			if len(at) == len(forwards) {
				close(listening)
			}
		})
	}()
	<-listening

	for i, prefix := range []string{"a ", "b "} {
		conn, err := net.Dial("tcp", at[forwards[i].To])
		require.NoError(t, err)
		_, err = io.WriteString(conn, "one\ntwo\n")
		require.NoError(t, err)
		// The end of what a client has to say is led on, and the rest of the answer comes back.
		require.NoError(t, conn.(*net.TCPConn).CloseWrite())
		answer, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.Equal(t, prefix+"one\n"+prefix+"two\n", string(answer))
	}

	open, err := net.Dial("tcp", at[forwards[0].To])
	require.NoError(t, err)
	_, err = io.WriteString(open, "three\n")
	require.NoError(t, err)
	_, err = bufio.NewReader(open).ReadString('\n')
	require.NoError(t, err)
	cancel()
	require.NoError(t, <-done, "open connections do not keep it")
	_, err = io.ReadAll(open)
	assert.NoError(t, err, "they are closed")
}

func TestServeRefusesTakenPort(t *testing.T) {
	t.Parallel()
	taken := echo(t, "")
	_, port, err := net.SplitHostPort(taken)
	require.NoError(t, err)
	f, err := front.ParseForward(port + "=prometheus:9090")
	require.NoError(t, err)
	err = front.Serve(t.Context(), "127.0.0.1", []front.Forward{f}, slog.New(slog.DiscardHandler), nil)
	assert.ErrorContains(t, err, "listen for prometheus:9090")
}

func TestParseForward(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]front.Forward{
		"9090=prometheus:9090":    {Port: 9090, To: "prometheus:9090"},
		"9092=kafka-0.kafka:2909": {Port: 9092, To: "kafka-0.kafka:2909"},
	} {
		got, err := front.ParseForward(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "9090", "9090=prometheus", "http=prometheus:9090", "70000=a:1", "prometheus:9090"} {
		_, err := front.ParseForward(text)
		assert.ErrorContains(t, err, "expected PORT=HOST:PORT", text)
	}
}
