package pipelines

import (
	"bytes"
	"flag"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write what comes out into the golden files")

const (
	ownSettings = "../../../stack/logstash"
	ownTests    = "../../../tests/pipelines"
)

// TestOwn runs our cases on our pipelines: all of them pass and reach everything.
func TestOwn(t *testing.T) {
	t.Parallel()
	start := time.Now()
	out, err := Run(t.Context(), Options{Settings: ownSettings, Tests: []string{ownTests}, Update: *update, Coverage: 100, Root: "../../.."})
	require.NoError(t, err)
	var text bytes.Buffer
	require.NoError(t, out.Report.Human(&text, false))
	require.True(t, out.Report.OK(), text.String())
	require.Empty(t, out.Updated)
	t.Logf("%s in %s", out.Report.Summary(), time.Since(start))
}
