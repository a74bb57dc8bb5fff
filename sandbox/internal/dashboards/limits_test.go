package dashboards

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadLimits(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../stack/prometheus/*/*.yml")
	require.NoError(t, err)
	got, err := ReadLimits(files)
	require.NoError(t, err)
	for alert, want := range limits {
		assert.Equal(t, want, got[alert], alert)
	}
	bad := filepath.Join(t.TempDir(), "bad.yml")
	require.NoError(t, os.WriteFile(bad, []byte("groups: [{rules: [{alert: Broken, expr: 'rate(x['}]}]"), 0o644))
	_, err = ReadLimits([]string{bad})
	assert.ErrorContains(t, err, "alert Broken")
}
