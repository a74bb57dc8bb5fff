package ports

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAClaimIsKeptWhileItsServerComesAndGoes(t *testing.T) {
	t.Parallel()
	for _, udp := range []bool{false, true} {
		c, err := Take(t.Context(), udp)
		require.NoError(t, err)
		assert.Less(t, c.Number, 32768, "no outgoing connection gets it by chance")
		_, err = Hold(t.Context(), c.Number, udp)
		require.Error(t, err, "it is held")

		require.NoError(t, c.Let())
		require.NoError(t, c.Let())
		server, err := Hold(t.Context(), c.Number, udp)
		require.NoError(t, err, "its server can have it")
		require.NoError(t, server.Close())
		guard, err := Hold(t.Context(), c.Number, !udp)
		require.Error(t, err, "and whoever takes a claim cannot, while the server is away: %v", guard)

		require.NoError(t, c.Close())
		again, err := Hold(t.Context(), c.Number, !udp)
		require.NoError(t, err)
		require.NoError(t, again.Close())
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		at := Address(t)
		assert.False(t, seen[at], "given twice")
		seen[at] = true
	}
}
