package elastic

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// logs are the files of a node's write-ahead log that hold something, in order.
func logs(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*", "wal", "*.wal"))
	require.NoError(t, err)
	more, err := filepath.Glob(filepath.Join(dir, "wal", "*.wal"))
	require.NoError(t, err)
	names = append(names, more...)
	slices.Sort(names)
	return names
}

// TestDamagedLog kills a node and damages its log: an unfinished record at the end is cut and everything acknowledged
// is there; damage before that ends the start with file and offset.
func TestDamagedLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	node := startChild(t, dir)
	for _, id := range []string{"1", "2", "3"} {
		_, err := node.post("/_bulk", `{"index":{"_index":"logs-a","_id":"`+id+`"}}`+"\n"+`{"message":"event of some length"}`+"\n")
		require.NoError(t, err)
	}
	require.NoError(t, node.cmd.Process.Kill())
	_ = node.cmd.Wait()
	files := logs(t, dir)
	require.NotEmpty(t, files)
	last := files[len(files)-1]
	data, err := os.ReadFile(last)
	require.NoError(t, err)
	require.NotEmpty(t, data)

	torn := append(slices.Clone(data), data[:20]...)
	require.NoError(t, os.WriteFile(last, torn, 0o600))
	node = startChild(t, dir)
	raw, err := node.post("/logs-a/_count", "{}")
	require.NoError(t, err)
	require.Contains(t, string(raw), `"count":3`)
	require.NoError(t, node.cmd.Process.Kill())
	_ = node.cmd.Wait()

	bad := slices.Clone(data)
	bad[len(bad)/2] ^= 1
	require.NoError(t, os.WriteFile(last, bad, 0o600))
	err = Run(context.Background(), Config{Listen: "127.0.0.1:0", Data: dir}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	require.ErrorContains(t, err, "the write-ahead log "+last+" is damaged at offset ")

	require.NoError(t, os.WriteFile(last, data, 0o600))
	n := start(t, Config{Data: dir})
	require.EqualValues(t, 3, n.ok("GET", "/logs-a/_count", "")["count"])
}

// TestFullDisk lets the disk run full: writes are answered with an error, alone and in bulk, what is there stays
// readable, and a restart finds exactly what was acknowledged.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := start(t, Config{Data: dir})
	n.ok("PUT", "/logs-a/_doc/1?refresh=true", `{"message":"before"}`)
	files := logs(t, dir)
	require.NotEmpty(t, files)
	// The log's next file is one that takes nothing.
	full := filepath.Join(filepath.Dir(files[0]), "000000000002.wal")
	require.NoError(t, os.Symlink("/dev/full", full))
	n.ok("POST", "/_flush", "")
	status, body := n.do("PUT", "/logs-a/_doc/2", `{"message":"after"}`)
	require.GreaterOrEqual(t, status, 500, body)
	require.Contains(t, body, "no space left on device")
	status, body = n.do("POST", "/_bulk", `{"index":{"_index":"logs-a","_id":"3"}}`+"\n"+`{"message":"after"}`+"\n")
	var res struct {
		Errors bool
		Items  []map[string]struct{ Status int }
	}
	if status == http.StatusOK {
		require.NoError(t, json.Unmarshal([]byte(body), &res))
		require.True(t, res.Errors, body)
		require.GreaterOrEqual(t, res.Items[0]["index"].Status, 500, body)
	} else {
		require.GreaterOrEqual(t, status, 500, body)
	}
	n.ok("GET", "/logs-a/_doc/1", "")
	require.Error(t, n.stop(), "what could not be written is told at the end, too")
	require.NoError(t, os.Remove(full))
	n = start(t, Config{Data: dir})
	n.ok("GET", "/logs-a/_doc/1", "")
	require.EqualValues(t, 1, n.ok("GET", "/logs-a/_count", "")["count"])
}
