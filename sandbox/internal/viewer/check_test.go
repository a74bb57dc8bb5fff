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
		{"no time", sources, `timeField: "@timestamp"`, `timeField: ""`, `datasources.yaml:30: data source "Elasticsearch": jsonData needs a timeField`},
		{"a time that is no date", sources, `timeField: "@timestamp"`, "timeField: message", `datasources.yaml:30: data source "Elasticsearch": timeField is message, of type text in the index template, and no date`},
		{"a server of something else", sources, "http://elasticsearch:9200", "http://prometheus:9090", `data source "Elasticsearch": its url leads to prometheus, and its type is elasticsearch`},
		{"a link on nothing", sources, "field: trace_id", `field: ""`, `datasources.yaml:34: data source "Elasticsearch": a link of dataLinks needs the field`},
		{"a nested setting that is none", sources, "customQuery:", "custmQuery:", `jsonData has no setting "tracesToLogsV2.custmQuery"`},
		{"a variable that provisioning eats", sources, "$${__value.raw}", "${__value.raw}", `datasources.yaml:35: data source "Elasticsearch": Grafana's provisioning`},
		{"a field that is not mapped", sources, "field: trace_id", "field: trce_id", `datasources.yaml:34: data source "Elasticsearch": the mapping of the index template has no field "trce_id"`},
		{"indices that nobody writes", sources, "index: logs-*", "index: log-*", `datasources.yaml:29: data source "Elasticsearch": index log-* reads none`},
		{"a query that does not parse", sources, "sum(rate(http", "sum(rte(http", `datasources.yaml:65: data source "Jaeger": query: `},
		{"a query for a metric that is none", sources, "http_requests_total", "http_request_total", `datasources.yaml:65: data source "Jaeger": query: `},
		{"a tag that is no label", sources, "value: service", "value: servce", `datasources.yaml:65: data source "Jaeger": query: `},
		{"a variable that no value has", sources, "$${__value.raw}", "$${__value.rw}", `datasources.yaml:35: data source "Elasticsearch": Grafana has no variable ${__value.rw} of a value`},
		{"a variable that no span has", sources, "__trace.traceId", "__trace.id", `datasources.yaml:55: data source "Jaeger": Grafana has no variable ${__trace.id} of a span`},
		{"a link by a field that is not mapped", sources, `trace_id:"`, `trace:"`, `datasources.yaml:55: data source "Jaeger": query: no field trace`},
		{"a link whose query does not parse", sources, `traceId}"`, `traceId}`, `datasources.yaml:55: data source "Jaeger": query: `},
		{"a link to logs that leads to metrics", sources, "datasourceUid: elasticsearch", "datasourceUid: prometheus", `datasources.yaml:51: data source "Jaeger": it leads to a data source of type prometheus`},
		{"a link to a trace that leads to logs", sources, "datasourceUid: jaeger", "datasourceUid: elasticsearch", `datasources.yaml:37: data source "Elasticsearch": it leads to`},
		{"a time without the span", sources, "spanStartTimeShift: -5m", "spanStartTimeShift: 5m", `datasources.yaml:52: data source "Jaeger": spanStartTimeShift is 5m, and then`},
		{"a time that is none", sources, "spanEndTimeShift: 5m", "spanEndTimeShift: 5", `datasources.yaml:53: data source "Jaeger": spanEndTimeShift is "5", expected a time`},
		{"an interval that is none", sources, "timeInterval: 15s", "timeInterval: 15", `datasources.yaml:18: data source "Prometheus": timeInterval is "15", expected a time`},
		{"a method that is none", sources, "httpMethod: POST", "httpMethod: PUT", `datasources.yaml:15: data source "Prometheus": httpMethod is "PUT", expected one of GET, POST`},
		{"an implementation that is none", sources, "implementation: prometheus", "implementation: promtheus", `implementation is "promtheus", expected one of`},
		{"an access that is none", sources, "access: proxy", "access: direkt", `datasources.yaml:7: data source "Prometheus": access is "direkt"`},
		{"two defaults", sources, "type: alertmanager", "type: alertmanager\n    isDefault: true", `data source "Alertmanager": another one is the default already`},
		{"dashboards that are elsewhere", providers, "/var/lib/grafana/dashboards", "/var/lib/grafana/boards", "dashboards.yaml:4: options.path is /var/lib/grafana/boards"},
		{"dashboards that are looked for before", providers, "updateIntervalSeconds: 10", "updateIntervalSeconds: -10", "dashboards.yaml:4: updateIntervalSeconds is -10"},
		{"another type of provider", providers, "type: file", "type: http", "type: file"},
		{"a dashboard that is no JSON", board, `"uid": "storage",`, `"uid": "storage"`, "storage.json:2: not JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			broken := &stack.Stack{Dir: t.TempDir(), Components: own.Components}
			require.NoError(t, os.CopyFS(broken.Path("grafana"), os.DirFS(own.Path("grafana"))))
			for _, name := range []string{stack.MetricsFile, "prometheus"} {
				require.NoError(t, copyTo(broken.Path(name), own.Path(name)))
			}
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

// copyTo copies a file or a directory.
func copyTo(to, from string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return os.CopyFS(to, os.DirFS(from))
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}
