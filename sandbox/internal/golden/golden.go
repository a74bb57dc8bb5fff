// Package golden compares what a test made with a file that is checked in. With -update the test writes the file.
// Only tests import it: it adds the flag.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Update says whether golden files are written instead of compared.
var Update = flag.Bool("update", false, "write the golden files")

// Check holds what a test made against testdata/NAME of its package.
func Check(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", filepath.FromSlash(name))
	if *Update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, got, 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run the test with -update to write it")
	require.Equal(t, string(want), string(got), "run the test with -update if this is what it should be")
}
