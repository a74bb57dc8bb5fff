package embedded

import (
	"net"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/ports"
	"obsandbox/sandbox/internal/stack"
)

func componentAt(name string, at ...stack.Port) stack.Component {
	return stack.Component{Name: name, Ports: at, Ready: stack.Ready{Port: at[0].Name, Path: "/"}}
}

func TestTakenPortsAreNamedWithTheirHolder(t *testing.T) {
	t.Parallel()
	tcp, err := net.Listen("tcp", "0.0.0.0:0") // taken on loopback too
	require.NoError(t, err)
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer udp.Close()
	tcpPort, udpPort := tcp.Addr().(*net.TCPAddr).Port, udp.LocalAddr().(*net.UDPAddr).Port
	free := ports.Number(t)

	_, err = reserve(t.Context(), []stack.Component{
		componentAt("prometheus", stack.Port{Name: "http", Number: tcpPort}, stack.Port{Name: "other", Number: free}),
		componentAt("jaeger", stack.Port{Name: "thrift", Number: udpPort, UDP: true}),
	}, false)
	me := "process " + strconv.Itoa(os.Getpid()) + " ("
	require.ErrorContains(t, err, "port "+strconv.Itoa(tcpPort)+" of prometheus (http) is taken by "+me)
	require.ErrorContains(t, err, "UDP port "+strconv.Itoa(udpPort)+" of jaeger (thrift) is taken by "+me)
	require.ErrorContains(t, err, "--without jaeger")
	again, err := ports.Hold(t.Context(), free, false)
	require.NoError(t, err, "what could be taken is given back")
	again.Close()
}

func TestAutomaticPorts(t *testing.T) {
	t.Parallel()
	c := componentAt("a", stack.Port{Name: "one", Number: 1}, stack.Port{Name: "two", Number: 1}, stack.Port{Name: "udp", Number: 1, UDP: true})
	r, err := reserve(t.Context(), []stack.Component{c}, true)
	require.NoError(t, err)
	defer r.releaseAll()
	other, err := reserve(t.Context(), []stack.Component{c}, true)
	require.NoError(t, err)
	defer other.releaseAll()
	seen := map[string]bool{}
	for _, res := range []*reservation{r, other} {
		for name, address := range res.addresses["a"] {
			_, text, err := net.SplitHostPort(address)
			require.NoError(t, err)
			port, err := strconv.Atoi(text)
			require.NoError(t, err)
			assert.Less(t, port, 32768, "no outgoing connection gets it by chance")
			if name != "udp" {
				assert.False(t, seen[text], "given twice")
				seen[text] = true
				_, err = ports.Hold(t.Context(), port, false)
				assert.Error(t, err, "it is held")
			}
		}
	}
	r.release("a")
	for range 2 { // it may start again
		l, err := net.Listen("tcp", r.addresses["a"]["one"])
		require.NoError(t, err, "the component can have it")
		l.Close()
		r.release("a")
	}
}
