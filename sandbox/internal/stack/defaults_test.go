package stack

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheckDefaults(t *testing.T) {
	t.Parallel()
	s, _ := checkedIn(t)
	for _, c := range []struct{ text, want string }{
		{"a => \"${A:kafka:9092}\"", ""},
		{"a => \"${A:http://elasticsearch:9200,http://elasticsearch:9200}\"", ""},
		{"a => \"${A:broker.example.com:1}\" b => \"${B:localhost:1}\" c => \"${C:two}\" d => 12:30", ""},
		{"# ${A:kafka:1}", ""},
		{"\na => \"${A:kafka:9093}\"", "defaults.conf:2: ${A:kafka:9093}: kafka has no port 9093"},
		{"a => \"${A:kafk:9092}\"", `defaults.conf:1: ${A:kafk:9092}: no component "kafk"`},
		{"a => \"${A:http://elasticsearch:9200,http://elasticsearch:9201}\"", "elasticsearch has no port 9201"},
	} {
		file := filepath.Join(t.TempDir(), "defaults.conf")
		require.NoError(t, os.WriteFile(file, []byte(c.text), 0o600))
		err := s.CheckDefaults(file)
		if c.want == "" {
			assert.NoError(t, err, c.text)
			continue
		}
		assert.ErrorContains(t, err, c.want)
	}
	assert.ErrorContains(t, s.CheckDefaults(filepath.Join(t.TempDir(), "none.conf")), "none.conf")
}
