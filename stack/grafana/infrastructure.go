package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func infrastructure(*limits) *dashboard.DashboardBuilder {
	return board{
		uid: "infrastructure", title: "Infrastructure",
		services:    "shipping-collector|inventory-collector|supplier-collector|storage-router|query-api",
		description: "What the layers stand on: Kafka, the databases, Redis, and the pods' own resources.",
		panels: []cog.Builder[dashboard.Panel]{
			panel{
				title:       "Kafka lag by consumer group",
				description: "Records that a consumer group has not read yet.",
				unit:        "short",
				queries:     []query{{`sum by (consumergroup) (kafka_consumergroup_lag)`, "{{consumergroup}}"}},
			}.lines(),
			panel{
				title:       "Kafka broker health",
				description: "Whether each broker answers the scrapes of its metrics.",
				unit:        "short", limit: &limit{value: 1, below: true}, words: []word{{"1", "up", good}, {"0", "down", bad}},
				queries: []query{{`up{job="kafka"}`, "{{instance}}"}},
			}.number(),
			panel{
				title:       "Kafka partitions in danger",
				description: "Partitions that have fewer replicas in sync than they should, or no leader.",
				unit:        "short",
				queries: []query{
					{`sum(kafka_server_replicamanager_underreplicatedpartitions)`, "under-replicated"},
					{`max(kafka_controller_kafkacontroller_offlinepartitionscount)`, "offline"},
				},
			}.lines(),
			panel{
				title:       "Database connections",
				description: "Connections that are open to each database.",
				unit:        "short",
				queries:     []query{{`sum by (service, datname) (pg_stat_database_numbackends)`, "{{service}} {{datname}}"}},
			}.lines(),
			panel{
				title:       "Database connections, share of the limit",
				description: "Open connections of a server as a share of those it allows.",
				unit:        "percentunit", from: ptr(0.0), to: ptr(1.0),
				queries: []query{{`sum by (service) (pg_stat_database_numbackends) / max by (service) (pg_settings_max_connections)`, "{{service}}"}},
			}.gauges(),
			panel{
				title:       "Redis memory usage",
				description: "Memory that Redis uses, and how much it may use.",
				unit:        "bytes",
				queries: []query{
					{`sum(redis_memory_used_bytes)`, "used"},
					{`sum(redis_memory_max_bytes)`, "limit"},
				},
			}.lines(),
			panel{
				title:       "Pod CPU usage",
				description: "Cores that each pod uses.",
				unit:        "suffix: cores", width: 24, height: 11, many: true,
				queries: []query{{`sum by (service, pod) (rate(process_cpu_seconds_total{service=~"$service"}[$__rate_interval]))`, "{{pod}}"}},
			}.lines(),
			panel{
				title:       "Pod memory usage",
				description: "Resident memory of each pod.",
				unit:        "bytes", width: 24, height: 11, many: true,
				queries: []query{{`sum by (service, pod) (process_resident_memory_bytes{service=~"$service"})`, "{{pod}}"}},
			}.lines(),
			panel{
				title:       "Network I/O",
				description: "Bytes a second that the chosen services receive and send.",
				unit:        "Bps", width: 24, height: 9, many: true,
				queries: []query{
					{`sum by (service) (rate(process_network_receive_bytes_total{service=~"$service"}[$__rate_interval]))`, "{{service}} in"},
					{`-sum by (service) (rate(process_network_transmit_bytes_total{service=~"$service"}[$__rate_interval]))`, "{{service}} out"},
				},
			}.lines(),
		},
	}.build()
}
