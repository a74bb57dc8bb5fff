package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func overview(*limits) *dashboard.DashboardBuilder {
	return board{
		uid: "overview", title: "Overview",
		description: "The whole platform at a glance: is every layer up, how much flows, how fast, with how many errors.",
		panels: []cog.Builder[dashboard.Panel]{
			panel{
				title:       "System health status",
				description: "Share of the scrape targets of each layer that answer. Less than all of them is a pod or an exporter that is gone.",
				unit:        "percentunit", width: 16, height: 6, limit: &limit{value: 1, below: true},
				queries: []query{
					{`avg(up{job=~".+-collector"})`, "Collection"},
					{`avg(up{job="flink-metrics"})`, "Processing"},
					{`avg(up{job=~"storage-router|query-api"})`, "Storage"},
					{`avg(up{job=~"kafka|postgres|timescaledb|redis"})`, "Infrastructure"},
				},
			}.number(),
			panel{
				title:       "Alerts firing",
				description: "Number of alerts that fire now, by severity.",
				unit:        "short", height: 6, limit: &limit{value: 1},
				queries: []query{
					{`count(ALERTS{alertstate="firing", severity="critical"}) or vector(0)`, "critical"},
					{`count(ALERTS{alertstate="firing", severity="warning"}) or vector(0)`, "warning"},
				},
			}.number(),
			panel{
				title:       "Total throughput",
				description: "Events a second that leave the pipeline enriched.",
				unit:        "eps",
				queries:     []query{{`sum(rate(pipeline_messages_processed_total{stage="enrichment", status="success"}[$__rate_interval]))`, "events"}},
			}.lines(),
			panel{
				title:       "End-to-end latency",
				description: "Time from an event's collection until it is stored.",
				unit:        "s",
				queries:     quantiles("pipeline_end_to_end_latency_seconds", "", ""),
			}.lines(),
			panel{
				title:       "Error rate by layer",
				description: "Errors a second in each layer: failed messages of the collectors, events that fail in a stage, failed writes and queries.",
				unit:        "eps",
				queries: []query{
					{`sum(rate(collector_errors_total[$__rate_interval]))`, "Collection"},
					{`sum(rate(pipeline_messages_processed_total{status="error"}[$__rate_interval]))`, "Processing"},
					{`sum(rate(storage_write_errors_total[$__rate_interval])) + sum(rate(storage_query_errors_total[$__rate_interval]))`, "Storage"},
				},
			}.lines(),
			panel{
				title:       "Active alerts",
				description: "Every alert that is pending or fires.",
				unit:        "short", width: 24, empty: "No alert is pending or fires.",
				queries: []query{{`ALERTS`, ""}},
			}.alerts("instance", "job", "namespace", "pod", "endpoint"),
		},
	}.build()
}
