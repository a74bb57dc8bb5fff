package logstash

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/logstash/lang"
)

func TestJavaOrder(t *testing.T) {
	t.Parallel()
	require.Equal(t, uint32(954925063), javaHashCode("message"))
	require.Equal(t, uint32(196), javaHashCode("Ä"))
	for want, keys := range map[string][]string{
		"[a b z m]":   {"z", "b", "m", "a"},
		"[a message]": {"message", "a"},
	} {
		var h lang.Hash
		for _, k := range keys {
			h = append(h, lang.Entry{Key: k})
		}
		var got []string
		for _, e := range javaOrder(h) {
			got = append(got, e.Key)
		}
		require.Equal(t, want, fmt.Sprint(got))
	}
}
