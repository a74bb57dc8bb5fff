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
	const template = "elasticsearch/index-template.json"
	const logstash, elasticsearch = "logstash/logstash.yml", "elasticsearch/elasticsearch.yml"
	for _, c := range []struct{ name, file, old, new, want string }{
		{"a secret that is elsewhere", alertmanager, slack, "slack_api_url_file: /etc/secrets/slack", "alertmanager.yml:4: slack_api_url_file: /etc/secrets/slack is not mounted: containers.yaml has the secret slack at /etc/alertmanager/secrets/slack_api_url"},
		{"another secret", alertmanager, key, "routing_key_file: /etc/alertmanager/secrets/slack_api_url", "alertmanager.yml:38: routing_key_file: /etc/alertmanager/secrets/slack_api_url is not mounted"},
		{"a secret in the file", alertmanager, slack, "slack_api_url: https://hooks.slack.com/services/T0/B0/abc", "alertmanager.yml:4: slack_api_url: no secret may stand in a checked-in file: mount it as a file, and write slack_api_url_file: /etc/alertmanager/secrets/slack_api_url"},
		{"a key in the file", alertmanager, key, "routing_key: 0123456789abcdef0123456789abcdef", "alertmanager.yml:38: routing_key: no secret may stand in a checked-in file"},
		{"a secret that nobody reads", alertmanager, slack, "http_config: {}", `containers.yaml:145: container "alertmanager": nothing in alertmanager/alertmanager.yml reads the secret slack`},
		{"a mount of nothing", FileName, "{kafka: /etc/kafka}", "{kafk: /etc/kafka}", `containers.yaml:17: container "kafka": mounts kafk, which is not there`},
		{"a mount at nothing", FileName, "{kafka: /etc/kafka}", `{kafka: ""}`, `containers.yaml:17: container "kafka": mounts kafka at "", expected a directory of its image`},
		{"a file of nothing", FileName, "/etc/prometheus/prometheus.yml\n      - --storage", "/etc/prometheus/prom.yml\n      - --storage", `containers.yaml:101: container "prometheus": --config.file=/etc/prometheus/prom.yml: no mount has /etc/prometheus/prom.yml`},
		{"a component that is none", FileName, "  logstash:\n", "  logstsh:\n", `container "logstsh": no component "logstsh"`},
		{"a need that is none", FileName, "needs: [elasticsearch]", "needs: [elastic]", `container "jaeger": needs "elastic", which is no component`},
		{"an unknown key", FileName, "    args: [sandbox", "    arg: [sandbox", `containers.yaml:13: unknown key "arg"`},
		{"no mounts", FileName, "mounts: {kafka: /etc/kafka}", "mounts: {}", `stack.yaml:30: component "kafka": its image would not see its files`},
		{"an image of no release", stack.FileName, "apache/kafka:4.1.0", "apache/kafka:latest", `stack.yaml:31: component "kafka": the image docker.io/apache/kafka:latest is of no release`},
		{"an image without a tag", stack.FileName, "apache/kafka:4.1.0", "apache/kafka", `stack.yaml:31: component "kafka": the image docker.io/apache/kafka is of no release`},
		{"a port of nobody", logstash, "api.http.port: 9600", "api.http.port: 9700", "logstash.yml:6: api.http.port: 9700 is no port of logstash in stack.yaml"},
		{"a range of ports", logstash, "api.http.port: 9600", "api.http.port: 9601-9700", "logstash.yml:6: api.http.port: 9601-9700 is no port of logstash"},
		{"a server for itself", logstash, "api.http.host: 0.0.0.0", "api.http.host: 127.0.0.1", "logstash.yml:5: api.http.host: 127.0.0.1 is the container's own loopback, where no other reaches logstash"},
		{"a server for itself, by default", logstash, "api.http.host: 0.0.0.0", "# alone", "logstash.yml:1: api.http.host is not set: logstash would listen on its container's loopback"},
		{"a node for itself", elasticsearch, "network.host: 0.0.0.0", "network.host: _local_", "elasticsearch.yml:9: network.host: _local_ is the container's own loopback"},
		{"a node elsewhere", elasticsearch, "network.host: 0.0.0.0", "network: {host: 0.0.0.0}\nhttp: {port: 9201}", "elasticsearch.yml:10: http.port: 9201 is no port of elasticsearch"},
		{"a node elsewhere, by its variables", FileName, "xpack.security.enabled: false", "http.port: 9201", `containers.yaml:53: http.port: 9201 is no port of elasticsearch`},
		{"a node that is none", elasticsearch, "NODES:es-node-1,", "NODES:es-node-0,", "elasticsearch.yml:13: cluster.initial_master_nodes: es-node-0 is no node: containers.yaml has es-node-1, es-node-2, es-node-3"},
		{"nodes that are none", elasticsearch, "discovery.seed_hosts: ${ES_SEED_HOSTS:es-node-1,es-node-2,es-node-3}", "discovery.seed_hosts: [es-node-1, es-nodes-2:9300]", "elasticsearch.yml:12: discovery.seed_hosts: es-nodes-2:9300 is no node"},
		{"a node of another name", FileName, "ES_INITIAL_MASTER_NODES: es-node-1,", "ES_INITIAL_MASTER_NODES: es-1,", `containers.yaml:63: container "elasticsearch": ES_INITIAL_MASTER_NODES, for cluster.initial_master_nodes: es-1 is none of its nodes`},
		{"a node that is never alone", elasticsearch, "${ES_DISCOVERY_TYPE:", "${ES_DISCOVERY_TIPE:", `elasticsearch.yml:11: discovery.type is "multi-node": a node by itself would wait for others for ever`},
		{"a node that is alone and is not", FileName, `ES_INITIAL_MASTER_NODES: ""`, "ES_INITIAL_MASTER_NODES: elasticsearch", "containers.yaml:52: cluster.initial_master_nodes: elasticsearch, and discovery.type is single-node: Elasticsearch refuses both"},
		{"a node by itself that knows others", FileName, `ES_SEED_HOSTS: ""`, "ES_SEED_HOSTS: es-node-1", `containers.yaml:51: container "elasticsearch": ES_SEED_HOSTS, for discovery.seed_hosts: es-node-1 is no node`},
		{"nodes that know nobody", elasticsearch, "${ES_SEED_HOSTS:es-node-1,es-node-2,es-node-3}", `""`, "elasticsearch.yml:12: discovery.seed_hosts is empty in production: 3 nodes"},
		{"three clusters", FileName, "ES_DISCOVERY_TYPE: multi-node", "ES_DISCOVERY_TYPE: single-node", "containers.yaml:61: discovery.type is single-node in production: each of 3 nodes would be a cluster of its own"},
		{"an address that is none", elasticsearch, "network.host: 0.0.0.0", "network.host: 0.0.0.0x", "elasticsearch.yml:9: network.host: 0.0.0.0x is no address"},
		{"no doors", FileName, "    doors: [9092, 19092, 19093]\n", "", `container "kafka": every node needs a door`},
		{"an empty argument", FileName, "run: [promtool, check, config,", `run: [promtool, "", config,`, `container "prometheus": an empty argument stands among promtool  config`},
		{"a check without a name", FileName, "name: promtool check config", `name: ""`, `container "prometheus": a check needs a name`},
		{"a server that is none", FileName, "http://renderer:8081", "http://rendrer:8081", `containers.yaml:163: container "grafana": http://rendrer:8081/render: no container is called rendrer`},
		{"a server elsewhere", FileName, "http://grafana:3000/", "http://grafana:3001/", `containers.yaml:164: container "grafana": http://grafana:3001/: grafana has no port 3001`},
		{"a check of a server elsewhere", FileName, "http://elasticsearch:9200/_index", "http://elasticsearch:9201/_index", `container "elasticsearch": http://elasticsearch:9201/_index`},
		{"a secret without a value", FileName, "value: 0123456789abcdef0123456789abcdef, ", "", `containers.yaml:146: container "alertmanager": secret pagerduty needs a file, and a value`},
		{"one copy", FileName, "        KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: 3\n", "", `container "kafka": KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR is 1 in production: what one of 3 nodes keeps alone is lost with it`},
		{"more copies than nodes", FileName, "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: 3", "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: 30", `containers.yaml:42: container "kafka": KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR is 30, and there are 3 nodes`},
		{"a production of no nodes", FileName, "      nodes: [es-node-1, es-node-2, es-node-3]\n", "", `container "elasticsearch": production has variables and no nodes`},
		{"more acknowledgements than brokers", "kafka/topics.yml", "cleanup.policy: delete", "min.insync.replicas: 4", `topics.yml:4: topic "application-logs": min.insync.replicas is 4, and production has 3 brokers`},
		{"more replicas than nodes beside a primary", template, `"auto_expand_replicas": "0-1"`, `"number_of_replicas": 3`, "index-template.json:12: number_of_replicas is 3, and production has 3 nodes (containers.yaml): there is room for 2 beside the primary"},
		{"as many replicas, as text and with dots", template, `"index": {
        "number_of_shards": 1,
        "auto_expand_replicas": "0-1",`, `"index.number_of_replicas": "5",
      "index": {`, "index-template.json:10: number_of_replicas is 5"},
		{"as many replicas, and none of them by itself", template, `"auto_expand_replicas": "0-1"`, `"auto_expand_replicas": false, "number_of_replicas": 9`, "index-template.json:12: number_of_replicas is 9"},
		{"another first file", stack.FileName, "      - prometheus/prometheus.yml\n", "", `stack.yaml:87: component "prometheus": prometheus/alerts/collection-layer.yml is the first file of its config, and its container is started with prometheus/prometheus.yml`},
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
	for name, replicas := range map[string]string{
		"replicas that have room": `"number_of_replicas": 2`, "no replicas": `"number_of_replicas": "0"`,
		"replicas by the nodes": `"number_of_replicas": 9, "auto_expand_replicas": "0-all"`, "nothing of replicas": `"codec": "default"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir() + "/stack"
			require.NoError(t, os.CopyFS(dir, os.DirFS(stackDir)))
			data, err := os.ReadFile(dir + "/" + template)
			require.NoError(t, err)
			changed := strings.Replace(string(data), `"auto_expand_replicas": "0-1"`, replicas, 1)
			require.NotEqual(t, string(data), changed)
			require.NoError(t, os.WriteFile(dir+"/"+template, []byte(changed), 0o644))
			s, err := stack.Load(dir)
			require.NoError(t, err)
			assert.NoError(t, Judge(s))
		})
	}
	t.Run("a file of a cluster alone", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir() + "/stack"
		require.NoError(t, os.CopyFS(dir, os.DirFS(stackDir)))
		require.NoError(t, os.WriteFile(dir+"/"+elasticsearch, []byte("network.host: 0.0.0.0\ndiscovery.seed_hosts: [es-node-1, es-node-2]\n"), 0o644))
		s, err := stack.Load(dir)
		require.NoError(t, err)
		assert.NoError(t, Judge(s))
	})
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
