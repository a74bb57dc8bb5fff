package embedded

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRunningStacksAreListed(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	list, err := List(cache)
	require.NoError(t, err)
	require.Empty(t, list)

	d, err := openRunDir(cache, "")
	require.NoError(t, err)
	require.NoError(t, d.announce(cache, "/stack"))
	list, err = List(cache)
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, d.path, list[0].Dir)
	assert.Equal(t, os.Getpid(), list[0].PID)
	assert.Equal(t, "/stack", list[0].StackDir)
	assert.True(t, Alive(d.path))

	d.unlock() // as when the process has died: nobody has tidied up
	list, err = List(cache)
	require.NoError(t, err)
	assert.Empty(t, list)
	assert.NoFileExists(t, d.entry)
	assert.False(t, Alive(d.path))
}

func TestRunDirectories(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	own, err := openRunDir(cache, "")
	require.NoError(t, err)
	data := filepath.Join(t.TempDir(), "data")
	kept, err := openRunDir(cache, data)
	require.NoError(t, err)
	_, err = openRunDir(cache, data)
	require.ErrorContains(t, err, "belongs to a stack that is running")

	require.NoError(t, os.WriteFile(filepath.Join(data, "state"), nil, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(data, addressesFile), nil, 0o644))
	kept.close(true)
	own.close(true)
	assert.FileExists(t, filepath.Join(data, "state"))
	assert.NoFileExists(t, filepath.Join(data, addressesFile), "it says where nobody answers any more")
	assert.NoDirExists(t, own.path)

	failed, err := openRunDir(cache, "")
	require.NoError(t, err)
	failed.close(false)
	assert.DirExists(t, filepath.Join(failed.path, "logs"), "whoever wants to know why can read them")
	live, err := openRunDir(cache, "")
	require.NoError(t, err)
	defer live.close(true)
	assert.DirExists(t, failed.path)
	long := time.Now().Add(-2 * keepDead)
	require.NoError(t, os.Chtimes(failed.path, long, long))
	require.NoError(t, os.Chtimes(live.path, long, long))
	removeDead(filepath.Join(cache, "run"))
	assert.NoDirExists(t, failed.path)
	assert.DirExists(t, live.path)
}

// Runs that end badly one after the other, for instance while a stack is being broken on purpose, do not fill the disk.
func TestOnlyTheLastDeadRunsAreKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var paths []string
	for i := range keepDeadMost + 5 {
		path := filepath.Join(dir, strconv.Itoa(i))
		require.NoError(t, os.Mkdir(path, 0o755))
		ended := time.Now().Add(-time.Duration(i+2) * time.Minute)
		require.NoError(t, os.Chtimes(path, ended, ended))
		paths = append(paths, path)
	}
	removeDead(dir)
	for i, path := range paths {
		if i < keepDeadMost {
			assert.DirExists(t, path)
		} else {
			assert.NoDirExists(t, path)
		}
	}
}
