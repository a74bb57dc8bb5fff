package viewer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/stack"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	dir, err := stack.Find(".")
	require.NoError(t, err)
	own, err := stack.Load(dir)
	require.NoError(t, err)
	require.NoError(t, Check(own))

	const sources, providers, board = "provisioning/datasources/datasources.yaml", "provisioning/dashboards/dashboards.yaml", "dashboards/storage.json"
	for _, c := range []struct{ name, file, old, new, want string }{
		{"an unknown key", sources, "isDefault: true", "isDefalt: true", `unknown key "isDefalt"`},
		{"no YAML", sources, "datasources:", "datasources: [", "datasources.yaml:"},
		{"no uid", sources, "uid: prometheus\n", "database: none\n", "name, uid and type are needed"},
		{"a uid twice", sources, "uid: jaeger\n", "uid: prometheus\n", `another one has the uid "prometheus"`},
		{"a link to nowhere", sources, "alertmanagerUid: alertmanager", "alertmanagerUid: alerts", `alertmanagerUid: no data source has the uid "alerts"`},
		{"a component that is none", sources, "http://jaeger:16686", "http://tempo:3200", "leads out of the stack"},
		{"a port that is none", sources, "http://jaeger:16686", "http://jaeger:16687", "jaeger has no port 16687"},
		{"another type of provider", providers, "type: file", "type: http", "type: file"},
		{"a dashboard that is no JSON", board, `"uid": "storage",`, `"uid": "storage"`, "storage.json:2: not JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			broken := &stack.Stack{Dir: t.TempDir(), Components: own.Components}
			require.NoError(t, os.CopyFS(broken.Path("grafana"), os.DirFS(own.Path("grafana"))))
			file := filepath.Join(broken.Path("grafana"), filepath.FromSlash(c.file))
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Contains(t, string(data), c.old)
			require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(data), c.old, c.new, 1)), 0o644))
			err = Check(broken)
			require.ErrorContains(t, err, c.want)
			assert.ErrorContains(t, err, filepath.Base(c.file)+":")
		})
	}
}
