package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func storage(l *limits) *dashboard.DashboardBuilder {
	latency := l.of("HighStorageWriteLatency")
	pool := l.of("DatabaseConnectionPoolExhausted")
	queries := l.of("QueryAPIHighErrorRate")
	// The alert is about the free share, the panel shows the used one.
	free := l.of("StorageCapacityLow")
	used := limit{value: 1 - free.value}
	return board{
		uid: "storage", title: "Storage layer", layer: "storage",
		description: "The storage router and its backends, and the query API that reads from them.",
		panels: []cog.Builder[dashboard.Panel]{
			panel{
				title:       "Write throughput by backend",
				description: "Writes a second to each backend.",
				unit:        "wps", stacked: true,
				queries: []query{{`sum by (backend) (rate(storage_writes_total[$__rate_interval]))`, "{{backend}}"}},
			}.lines(),
			panel{
				title:       "Write latency by backend (p95)",
				description: "Time within which 95 % of the writes to a backend are done. Above the line for 5 minutes, HighStorageWriteLatency fires.",
				unit:        "s", limit: latency,
				queries: []query{{`histogram_quantile(0.95, sum by (le, backend) (rate(storage_write_latency_seconds_bucket[$__rate_interval])))`, "{{backend}}"}},
			}.lines(),
			panel{
				title:       "Write errors",
				description: "Failed writes a second to each backend.",
				unit:        "wps",
				queries:     []query{{`sum by (backend) (rate(storage_write_errors_total[$__rate_interval]))`, "{{backend}}"}},
			}.lines(),
			panel{
				title:       "Query API response times",
				description: "Time that the query API takes to answer. The objective: 95 % within 50 ms.",
				unit:        "s",
				queries:     quantiles("storage_query_duration_seconds", "", ""),
			}.lines(),
			panel{
				title:       "Query API response times by endpoint (p95)",
				description: "Time within which 95 % of the queries to an endpoint are answered.",
				unit:        "s",
				queries:     []query{{`histogram_quantile(0.95, sum by (le, endpoint) (rate(storage_query_duration_seconds_bucket[$__rate_interval])))`, "{{endpoint}}"}},
			}.lines(),
			panel{
				title:       "Query errors",
				description: "Queries a second that are answered with an error. Above the line for 5 minutes, QueryAPIHighErrorRate fires.",
				unit:        "reqps", limit: queries,
				queries: []query{{`sum by (service, endpoint) (rate(storage_query_errors_total[$__rate_interval]))`, "{{endpoint}}"}},
			}.lines(),
			panel{
				title:       "Database connection pool usage",
				description: "Share of a router's connections that are in use. Above the line for 5 minutes, DatabaseConnectionPoolExhausted fires.",
				unit:        "percentunit", limit: pool, from: ptr(0.0), to: ptr(1.0), width: 12,
				queries: []query{{`storage_connection_pool_active / storage_connection_pool_max`, "{{backend}} {{pod}}"}},
			}.lines(),
			panel{
				title:       "Storage capacity utilization",
				description: "Share of each backend's space that is used. Less than a tenth free for 10 minutes, and StorageCapacityLow fires.",
				unit:        "percentunit", limit: &used, from: ptr(0.0), to: ptr(1.0), width: 6,
				queries: []query{{`max by (backend) (storage_capacity_utilization)`, "{{backend}}"}},
			}.gauges(),
			panel{
				title:       "Cache hit rates",
				description: "Share of the lookups that each cache of the query API answers.",
				unit:        "percentunit", from: ptr(0.0), to: ptr(1.0), width: 6,
				queries: []query{{share("storage_cache_hits_total", "storage_cache_misses_total", "", "cache"), "{{cache}}"}},
			}.lines(),
			logLines("Warnings and errors", "The newest log lines of the storage layer that are warnings or worse.",
				`layer:storage AND level:(WARN OR ERROR OR FATAL)`),
		},
	}.build()
}
