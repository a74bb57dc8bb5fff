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
		{"a type that is none", sources, "type: jaeger", "type: jager", `datasources.yaml:41: data source "Jaeger": type "jager" is not known here`},
		{"a setting that is none", sources, "timeField:", "timeFeld:", `datasources.yaml:30: data source "Elasticsearch": jsonData has no setting "timeFeld"`},
		{"a nested setting that is none", sources, "customQuery:", "custmQuery:", `jsonData has no setting "tracesToLogsV2.custmQuery"`},
		{"a variable that provisioning eats", sources, "$${__value.raw}", "${__value.raw}", `datasources.yaml:35: data source "Elasticsearch": Grafana's provisioning`},
		{"a field that is not mapped", sources, "field: trace_id", "field: trce_id", `datasources.yaml:34: data source "Elasticsearch": the mapping of the index template has no field "trce_id"`},
		{"indices that nobody writes", sources, "index: logs-*", "index: log-*", `datasources.yaml:29: data source "Elasticsearch": index log-* reads none`},
		{"a query that does not parse", sources, "sum(rate(http", "sum(rte(http", `datasources.yaml:65: data source "Jaeger": query: `},
		{"dashboards that are elsewhere", providers, "/var/lib/grafana/dashboards", "/var/lib/grafana/boards", "dashboards.yaml:4: options.path is /var/lib/grafana/boards"},
		{"another type of provider", providers, "type: file", "type: http", "type: file"},
		{"a dashboard that is no JSON", board, `"uid": "storage",`, `"uid": "storage"`, "storage.json:2: not JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			broken := &stack.Stack{Dir: t.TempDir(), Components: own.Components}
			require.NoError(t, os.CopyFS(broken.Path("grafana"), os.DirFS(own.Path("grafana"))))
			require.NoError(t, os.CopyFS(broken.Path("elasticsearch"), os.DirFS(own.Path("elasticsearch"))))
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
