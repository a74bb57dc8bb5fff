package backtest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func ruleFile(t *testing.T, name, limit string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, []byte("groups:\n  - name: g\n    rules:\n      - {record: 'q:max', expr: 'max by (job) (queue)'}\n      - {alert: QueueLong, expr: 'max by (job) (queue) > "+limit+"', for: 1m}\n"), 0o600))
	return file
}

func start() time.Time { return time.Date(2025, 1, 6, 9, 0, 0, 0, time.UTC) }

// queue is 5 but for ten minutes, in which it is 15.
func queue(i int) float64 {
	if i >= 80 && i < 120 {
		return 15
	}
	return 5
}

func TestBeforeAgainstAfter(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("# TYPE queue gauge\n")
	dir := t.TempDir()
	db, err := tsdb.Open(dir, promslog.NewNopLogger(), nil, tsdb.DefaultOptions(), nil)
	require.NoError(t, err)
	app := db.Appender(context.Background())
	for i := range 240 {
		at := start().Add(time.Duration(i) * 15 * time.Second)
		fmt.Fprintf(&text, "queue{job=\"a\"} %g %d\n", queue(i), at.Unix())
		_, err := app.Append(0, labels.FromStrings("__name__", "queue", "job", "a"), at.UnixMilli(), queue(i))
		require.NoError(t, err)
	}
	require.NoError(t, app.Commit())
	require.NoError(t, db.CompactHead(tsdb.NewRangeHead(db.Head(), start().UnixMilli(), start().Add(time.Hour).UnixMilli())))
	require.NoError(t, db.Close())
	text.WriteString("# EOF\n")
	file := filepath.Join(t.TempDir(), "data.om")
	require.NoError(t, os.WriteFile(file, []byte(text.String()), 0o600))
	blocks, err := filepath.Glob(filepath.Join(dir, "*", "meta.json"))
	require.NoError(t, err)
	require.Len(t, blocks, 1)
	snapshot := t.TempDir() // as Prometheus' snapshots are: blocks, and no log
	require.NoError(t, os.CopyFS(filepath.Join(snapshot, filepath.Base(filepath.Dir(blocks[0]))), os.DirFS(filepath.Dir(blocks[0]))))
	for name, data := range map[string]string{"OpenMetrics": file, "a database": dir, "a snapshot": snapshot, "a block": filepath.Dir(blocks[0])} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := Run(t.Context(), Options{
				Rules: []string{ruleFile(t, "new.yml", "10")}, Base: []string{ruleFile(t, "old.yml", "20")}, Data: data, Interval: 15 * time.Second,
			})
			require.NoError(t, err)
			assert.Empty(t, out.Before)
			require.Len(t, out.After, 1)
			fired := out.After[0]
			assert.Equal(t, "QueueLong", fired.Alert)
			assert.WithinDuration(t, start().Add(21*time.Minute), fired.From, 30*time.Second, "twenty minutes, and one of waiting")
			assert.WithinDuration(t, start().Add(30*time.Minute), fired.To, 30*time.Second)
			var b bytes.Buffer
			require.NoError(t, out.Table(&b))
			assert.Regexp(t, `QueueLong\s+0\s+1\s+0s\s+9m`, b.String())
			assert.Contains(t, out.SVG(), "after: QueueLong")
		})
	}
}

func TestWhatCannotBeEvaluatedIsSaid(t *testing.T) {
	t.Parallel()
	write := func(text string) string {
		file := filepath.Join(t.TempDir(), "data.om")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	good := ruleFile(t, "r.yml", "10")
	for want, o := range map[string]Options{
		"no rules":                         {Data: "x"},
		"--to must be after --from":        {Rules: []string{good}, Data: "x", From: start(), To: start()},
		"from 2025-01-06T09:00:00Z":        {Rules: []string{good}, Data: write("queue 1 1\n# EOF\n"), From: start()},
		"has no series":                    {Rules: []string{good}, Data: write("other 1 1\n# EOF\n")},
		":1: queue has no time":            {Rules: []string{good}, Data: write("queue 1\n# EOF\n")},
		"an address needs --from and --to": {Rules: []string{good}, Data: "http://127.0.0.1:1"},
		"no such file":                     {Rules: []string{good}, Data: "/no/such/file"},
		"has no blocks of Prometheus":      {Rules: []string{good}, Data: t.TempDir()},
		"could not parse expression":       {Rules: []string{ruleFile(t, "bad.yml", "(")}, Data: write("# EOF\n")},
	} {
		_, err := Run(t.Context(), o)
		assert.ErrorContains(t, err, want)
	}
}
