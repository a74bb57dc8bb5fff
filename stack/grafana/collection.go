package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func collection(l *limits) *dashboard.DashboardBuilder {
	errors := l.of("HighCollectorErrorRate")
	inFlight := l.of("KafkaProducerLag")
	return board{
		uid: "collection", title: "Collection layer", layer: "collection", services: ".+-collector",
		description: "The collectors: what they receive from partners' APIs and publish to Kafka.",
		panels: []cog.Builder[dashboard.Panel]{
			panel{
				title:       "Messages received per collector",
				description: "Messages a second that each collector receives.",
				unit:        "eps", stacked: true,
				queries: []query{{`sum by (service) (rate(collector_messages_received_total{service=~"$service"}[$__rate_interval]))`, "{{service}}"}},
			}.lines(),
			panel{
				title:       "Kafka publish rate",
				description: "Messages a second that each collector publishes to Kafka.",
				unit:        "eps", stacked: true,
				queries: []query{{`sum by (service) (rate(collector_messages_published_total{service=~"$service"}[$__rate_interval]))`, "{{service}}"}},
			}.lines(),
			panel{
				title:       "API response times",
				description: "Time that the partners' APIs take to answer a collector.",
				unit:        "s",
				queries:     quantiles("collector_api_request_duration_seconds", `{service=~"$service"}`, ""),
			}.lines(),
			panel{
				title:       "Error rates by type",
				description: "Errors a second by type, of the chosen collectors together.",
				unit:        "eps", stacked: true,
				queries: []query{{`sum by (error_type) (rate(collector_errors_total{service=~"$service"}[$__rate_interval]))`, "{{error_type}}"}},
			}.lines(),
			panel{
				title:       "Errors per collector",
				description: "Errors a second of each collector. Above the line for 5 minutes, HighCollectorErrorRate fires.",
				unit:        "eps", limit: errors,
				queries: []query{{`sum by (service) (rate(collector_errors_total{service=~"$service"}[$__rate_interval]))`, "{{service}}"}},
			}.lines(),
			panel{
				title:       "Rate limiting incidents",
				description: "Requests that a partner's API refused because of its rate limit, in each interval.",
				unit:        "short", bars: true,
				queries: []query{{`sum by (service) (increase(collector_rate_limit_exceeded_total{service=~"$service"}[$__rate_interval]))`, "{{service}}"}},
			}.lines(),
			panel{
				title:       "Records that wait for Kafka",
				description: "Records sent and not yet acknowledged, of each pod. Above the line for 5 minutes, KafkaProducerLag fires.",
				unit:        "short", limit: inFlight, width: 12, many: true,
				queries: []query{{`sum by (service, pod) (kafka_producer_records_in_flight{service=~"$service"})`, "{{pod}}"}},
			}.lines(),
			panel{
				title:       "Processing time",
				description: "Time that a collector needs for a message. The objective: 95 % within 500 ms.",
				unit:        "s", width: 12,
				queries: quantiles("collector_processing_duration_seconds", `{service=~"$service"}`, ""),
			}.lines(),
			logLines("Warnings and errors", "The newest log lines of the collection layer that are warnings or worse.",
				`layer:collection AND level:(WARN OR ERROR OR FATAL)`),
		},
	}.build()
}
