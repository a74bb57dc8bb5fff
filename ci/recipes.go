package main

import "fmt"

// The renderer draws Grafana's panels as pictures; Grafana's own image cannot.
const (
	rendererImage = "docker.io/grafana/grafana-image-renderer:v5.12.6"
	rendererName  = "renderer"
	rendererPort  = 8081
	rendererToken = "sandbox"
)

// golangImage has the Go version of go.mod; a test holds it there.
const golangImage = "docker.io/library/golang:1.26-alpine"

// hostListener is where Kafka listens for clients on this machine: a broker tells its clients where to find it, and
// "kafka:9092" is a name that only containers know.
const hostListener = 29092

// recipe is what an official image wants to be told and stack.yaml does not say: where its files lie, its flags and
// variables. Nothing in it is a setting of the stack.
type recipe struct {
	// dirs leads directories of stack/ to directories of the image.
	dirs map[string]string
	args []string
	env  func(o options, node string, index int) map[string]string
	// needs are needed in containers only.
	needs []string
	// production are the nodes of the production topology.
	production []string
	// checks are the program's own checks of its configuration, by name; they run in the image that will run.
	checks map[string][]string
	// checkRunning says that the checks want the component to run.
	checkRunning bool
}

func recipes() map[string]recipe {
	return map[string]recipe{
		"kafka": {
			dirs:       map[string]string{"kafka": "/etc/kafka"},
			env:        kafkaEnv,
			production: []string{"kafka-0.kafka", "kafka-1.kafka", "kafka-2.kafka"},
		},
		"elasticsearch": {
			dirs:       map[string]string{"elasticsearch": "/usr/share/elasticsearch/config"},
			env:        elasticsearchEnv,
			production: []string{"es-node-1", "es-node-2", "es-node-3"},
			checks: map[string][]string{"elasticsearch takes its policy and template, and simulates an index": {
				"curl", "-sS", "--fail-with-body", "-X", "POST", "http://elasticsearch:9200/_index_template/_simulate_index/logs-collection-2026.01.01",
			}},
			checkRunning: true,
		},
		"logstash": {
			dirs: map[string]string{"logstash": "/usr/share/logstash/config", "logstash/pipeline": "/usr/share/logstash/pipeline"},
			env: func(o options, _ string, _ int) map[string]string {
				return map[string]string{"LS_JAVA_OPTS": heap(o), "HOSTNAME": "logstash"}
			},
			checks: map[string][]string{"logstash --config.test_and_exit": {"logstash", "--config.test_and_exit"}},
		},
		"jaeger": {
			dirs:  map[string]string{"jaeger": "/etc/jaeger"},
			args:  []string{"--config=/etc/jaeger/config.yaml"},
			needs: []string{"elasticsearch"}, // where it keeps its spans
			// Its own traces would go to Dagger's collector, whose address every container has in its environment.
			env: func(options, string, int) map[string]string {
				return map[string]string{"OTEL_TRACES_SAMPLER": "always_off"}
			},
			checks: map[string][]string{"jaeger validate": {"validate", "--config=/etc/jaeger/config.yaml"}},
		},
		"prometheus": {
			dirs: map[string]string{"prometheus": "/etc/prometheus"},
			args: []string{
				"--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus", "--web.enable-lifecycle",
				"--web.external-url=http://localhost:9090/", "--web.route-prefix=/",
				// An alert that fires before Alertmanager is known is sent again after a second, not after a minute.
				"--rules.alert.resend-delay=1s",
			},
			checks: map[string][]string{
				"promtool check config": {"promtool", "check", "config", "/etc/prometheus/prometheus.yml"},
				"promtool test rules":   {"sh", "-c", "promtool test rules $(grep -l '^tests:' tests/rules/*.yml)"},
			},
		},
		"alertmanager": {
			dirs: map[string]string{"alertmanager": "/etc/alertmanager"},
			args: []string{
				"--config.file=/etc/alertmanager/alertmanager.yml", "--storage.path=/alertmanager",
				"--web.external-url=http://localhost:9093/", "--web.route-prefix=/", "--cluster.listen-address=",
			},
			checks: map[string][]string{"amtool check-config": {"amtool", "check-config", "/etc/alertmanager/alertmanager.yml"}},
		},
		"grafana": {
			dirs: map[string]string{"grafana/provisioning": "/etc/grafana/provisioning", "grafana/dashboards": "/var/lib/grafana/dashboards"},
			env: func(options, string, int) map[string]string {
				return map[string]string{
					"GF_AUTH_ANONYMOUS_ENABLED": "true", "GF_AUTH_ANONYMOUS_ORG_ROLE": "Admin", "GF_ANALYTICS_REPORTING_ENABLED": "false",
					"GF_ANALYTICS_CHECK_FOR_UPDATES": "false", "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
					"GF_RENDERING_SERVER_URL": fmt.Sprintf("http://%s:%d/render", rendererName, rendererPort), "GF_RENDERING_CALLBACK_URL": "http://grafana:3000/",
					"GF_RENDERING_RENDERER_TOKEN": rendererToken,
				}
			},
		},
	}
}

// heap is what Java's programs are given: as much at the start as ever.
func heap(o options) string { return fmt.Sprintf("-Xms%s -Xmx%s", o.memory, o.memory) }

// hostPort is where clients on this machine find a broker.
func hostPort(broker int) int {
	if broker == 0 {
		return 9092
	}
	return 19091 + broker
}

func kafkaEnv(o options, node string, id int) map[string]string {
	replicas, voters := 1, "0@kafka:9093"
	if o.production {
		replicas, voters = 3, "0@kafka-0.kafka:9093,1@kafka-1.kafka:9093,2@kafka-2.kafka:9093"
	}
	return map[string]string{
		"CLUSTER_ID":                                     "c2FuZGJveC1zYW5kYm94LQ",
		"KAFKA_NODE_ID":                                  fmt.Sprint(id),
		"KAFKA_PROCESS_ROLES":                            "broker,controller",
		"KAFKA_LISTENERS":                                fmt.Sprintf("PLAINTEXT://:9092,HOST://:%d,CONTROLLER://:9093", hostListener),
		"KAFKA_ADVERTISED_LISTENERS":                     fmt.Sprintf("PLAINTEXT://%s:9092,HOST://localhost:%d", node, hostPort(id)),
		"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP":           "PLAINTEXT:PLAINTEXT,HOST:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"KAFKA_CONTROLLER_LISTENER_NAMES":                "CONTROLLER",
		"KAFKA_CONTROLLER_QUORUM_VOTERS":                 voters,
		"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR":         fmt.Sprint(replicas),
		"KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": fmt.Sprint(replicas),
		"KAFKA_TRANSACTION_STATE_LOG_MIN_ISR":            "1",
		"KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS":         "0",
		// Topics are those of kafka/topics.yml; a slip in a name must not make another.
		"KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
		"KAFKA_HEAP_OPTS":                 heap(o),
	}
}

func elasticsearchEnv(o options, node string, _ int) map[string]string {
	env := map[string]string{
		"HOSTNAME": node, "ES_JAVA_OPTS": heap(o), "xpack.security.enabled": "false",
		// Memory-mapped files need vm.max_map_count of the machine that runs the engine.
		"node.store.allow_mmap": "false",
		// A laptop's disk is often fuller than a server's may be.
		"cluster.routing.allocation.disk.threshold_enabled": "false",
	}
	if !o.production {
		env["ES_DISCOVERY_TYPE"], env["ES_SEED_HOSTS"], env["ES_INITIAL_MASTER_NODES"] = "single-node", "", ""
	}
	return env
}
