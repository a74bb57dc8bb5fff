package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/stack"
)

// In a container a kind of test has the files that it reads, and empty ones in the place of the others that stack.yaml
// names: that is a stack.
func TestWhatKindsReadIsAStack(t *testing.T) {
	t.Parallel()
	s, err := stackFlag{}.load()
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, (&kindsCmd{}).Run(&console{out: &out}))
	var all []kindReads
	require.NoError(t, json.Unmarshal(out.Bytes(), &all))
	require.Len(t, all, len(kinds()))
	for _, k := range all {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for _, path := range k.Reads {
				at := filepath.Join(root, path)
				if !strings.HasSuffix(path, "/") {
					data, err := os.ReadFile(filepath.Join(s.Root(), path))
					require.NoError(t, err)
					require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o755))
					require.NoError(t, os.WriteFile(at, data, 0o644))
				} else if strings.HasPrefix(path, "stack/") {
					require.NoError(t, os.CopyFS(at, os.DirFS(filepath.Join(s.Root(), path))))
				}
			}
			for _, path := range k.Named {
				at := filepath.Join(root, path)
				assert.NoFileExists(t, at, "it is read, and not only named")
				require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o755))
				require.NoError(t, os.WriteFile(at, nil, 0o644))
			}
			// The programs' modules have nothing to do with it.
			require.NoError(t, os.Symlink(filepath.Join(s.Root(), "tools"), filepath.Join(root, "tools")))
			_, err := stack.Load(filepath.Join(root, "stack"))
			require.NoError(t, err)
		})
	}
}
