package containers

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/stack"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	own, err := stack.Load(stackDir)
	require.NoError(t, err)
	require.NoError(t, Judge(own))
	const alertmanager, slack, key = "alertmanager/alertmanager.yml", "slack_api_url_file: /etc/alertmanager/secrets/slack_api_url", "routing_key_file: /etc/alertmanager/secrets/pagerduty_routing_key"
	for _, c := range []struct{ name, file, old, new, want string }{
		{"a secret that is elsewhere", alertmanager, slack, "slack_api_url_file: /etc/secrets/slack", "alertmanager.yml:4: slack_api_url_file: /etc/secrets/slack is not mounted: containers.yaml has the secret slack at /etc/alertmanager/secrets/slack_api_url"},
		{"another secret", alertmanager, key, "routing_key_file: /etc/alertmanager/secrets/slack_api_url", "alertmanager.yml:38: routing_key_file: /etc/alertmanager/secrets/slack_api_url is not mounted"},
		{"a secret in the file", alertmanager, slack, "slack_api_url: https://hooks.slack.com/services/T0/B0/abc", "alertmanager.yml:4: slack_api_url: no secret may stand in a checked-in file: mount it as a file, and write slack_api_url_file: /etc/alertmanager/secrets/slack_api_url"},
		{"a key in the file", alertmanager, key, "routing_key: 0123456789abcdef0123456789abcdef", "alertmanager.yml:38: routing_key: no secret may stand in a checked-in file"},
		{"a secret that nobody reads", alertmanager, slack, "http_config: {}", `containers.yaml:145: container "alertmanager": nothing in alertmanager/alertmanager.yml reads the secret slack`},
		{"a mount of nothing", FileName, "{kafka: /etc/kafka}", "{kafk: /etc/kafka}", `containers.yaml:17: container "kafka": mounts kafk, which is not there`},
		{"a file of nothing", FileName, "/etc/prometheus/prometheus.yml\n      - --storage", "/etc/prometheus/prom.yml\n      - --storage", `containers.yaml:101: container "prometheus": --config.file=/etc/prometheus/prom.yml: no mount has /etc/prometheus/prom.yml`},
		{"a component that is none", FileName, "  logstash:\n", "  logstsh:\n", `container "logstsh": no component "logstsh"`},
		{"a need that is none", FileName, "needs: [elasticsearch]", "needs: [elastic]", `container "jaeger": needs "elastic", which is no component`},
		{"an unknown key", FileName, "    args: [sandbox", "    arg: [sandbox", `containers.yaml:13: unknown key "arg"`},
		{"no mounts", FileName, "mounts: {kafka: /etc/kafka}", "mounts: {}", `stack.yaml:30: component "kafka": its image would not see its files`},
		{"an image of no release", stack.FileName, "apache/kafka:4.1.0", "apache/kafka:latest", `stack.yaml:31: component "kafka": the image docker.io/apache/kafka:latest is of no release`},
		{"an image without a tag", stack.FileName, "apache/kafka:4.1.0", "apache/kafka", `stack.yaml:31: component "kafka": the image docker.io/apache/kafka is of no release`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir() + "/stack"
			require.NoError(t, os.CopyFS(dir, os.DirFS(stackDir)))
			data, err := os.ReadFile(dir + "/" + c.file)
			require.NoError(t, err)
			require.Contains(t, string(data), c.old)
			require.NoError(t, os.WriteFile(dir+"/"+c.file, []byte(strings.Replace(string(data), c.old, c.new, 1)), 0o644))
			s, err := stack.Load(dir)
			require.NoError(t, err)
			assert.ErrorContains(t, Judge(s), c.want)
		})
	}
	t.Run("a stack that runs in no container", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir() + "/stack"
		require.NoError(t, os.CopyFS(dir, os.DirFS(stackDir)))
		require.NoError(t, os.Remove(dir+"/"+FileName))
		s, err := stack.Load(dir)
		require.NoError(t, err)
		assert.NoError(t, Judge(s))
	})
}
