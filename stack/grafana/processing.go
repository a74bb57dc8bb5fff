package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func processing(l *limits) *dashboard.DashboardBuilder {
	down := l.of("FlinkJobDown")
	failures := l.of("HighValidationFailureRate")
	latency := l.of("ProcessingLatencyHigh")
	return board{
		uid: "processing", title: "Processing layer", layer: "processing",
		description: "The Flink pipeline: validation, transformation and enrichment of events, and the job that runs them.",
		panels: []cog.Builder[dashboard.Panel]{
			panel{
				title:       "Flink job uptime",
				description: "Time since the job runs without a restart; 0 or less is a job that does not run.",
				unit:        "ms", height: 6, limit: down,
				queries: []query{{`flink_jobmanager_job_uptime`, "{{job_name}}"}},
			}.number(),
			panel{
				title:       "Checkpoint success rate",
				description: "Share of the checkpoints of the last hour that were completed.",
				unit:        "percentunit", height: 6, limit: &limit{value: 1, below: true},
				queries: []query{{`sum by (job_name) (increase(flink_jobmanager_job_numberOfCompletedCheckpoints[1h]))
/
(sum by (job_name) (increase(flink_jobmanager_job_numberOfCompletedCheckpoints[1h])) + sum by (job_name) (increase(flink_jobmanager_job_numberOfFailedCheckpoints[1h])))`, "{{job_name}}"}},
			}.number(),
			panel{
				title:       "Enrichment cache hit rate",
				description: "Share of the lookups that the cache answers; the rest goes to the enrichment API.",
				unit:        "percentunit", height: 6,
				queries: []query{{share("pipeline_enrichment_cache_hits_total", "pipeline_enrichment_cache_misses_total", "", "service"), "{{service}}"}},
			}.number(),
			panel{
				title:       "Processing throughput",
				description: "Events a second that leave each stage.",
				unit:        "eps",
				queries:     []query{{`sum by (stage) (rate(pipeline_messages_processed_total{status="success"}[$__rate_interval]))`, "{{stage}}"}},
			}.lines(),
			panel{
				title:       "Validation pass and fail rates",
				description: "Events a second that pass and that fail validation.",
				unit:        "eps", stacked: true,
				queries: []query{{`sum by (status) (rate(pipeline_messages_processed_total{stage="validation"}[$__rate_interval]))`, "{{status}}"}},
			}.lines(),
			panel{
				title:       "Validation failures",
				description: "Events a second that fail validation. Above the line for 5 minutes, HighValidationFailureRate fires.",
				unit:        "eps", limit: failures,
				queries: []query{{`sum by (service) (rate(pipeline_validation_failures_total[$__rate_interval]))`, "all types"}},
			}.lines(),
			panel{
				title:       "Transformation latency",
				description: "Time that the transformation of an event takes.",
				unit:        "s",
				queries:     quantiles("pipeline_processing_duration_seconds", `{stage="transformation"}`, ""),
			}.lines(),
			panel{
				title:       "Latency by stage (p95)",
				description: "Time within which 95 % of the events pass a stage. Above the line for 10 minutes, ProcessingLatencyHigh fires.",
				unit:        "s", limit: latency,
				queries: []query{{`histogram_quantile(0.95, sum by (le, stage) (rate(pipeline_processing_duration_seconds_bucket[$__rate_interval])))`, "{{stage}}"}},
			}.lines(),
			panel{
				title:       "Checkpoint duration",
				description: "Time that the last completed checkpoint took.",
				unit:        "ms",
				queries:     []query{{`max by (job_name) (flink_jobmanager_job_lastCheckpointDuration)`, "{{job_name}}"}},
			}.lines(),
			panel{
				title:       "Backpressure: input buffers",
				description: "Share of a task's input buffers that are full. A full one marks the task after the slow one.",
				unit:        "percentunit", width: 12, from: ptr(0.0), to: ptr(1.0),
				queries: []query{{`max by (task_name) (flink_taskmanager_job_task_buffers_inPoolUsage)`, "{{task_name}}"}},
			}.lines(),
			panel{
				title:       "Backpressure: checkpoint alignment",
				description: "Time that a task waits for the barriers of a checkpoint on all its inputs.",
				unit:        "ns", width: 12,
				queries: []query{{`max by (task_name) (flink_taskmanager_job_task_checkpointAlignmentTime)`, "{{task_name}}"}},
			}.lines(),
			logLines("Warnings and errors", "The newest log lines of the processing layer that are warnings or worse.",
				`layer:processing AND level:(WARN OR ERROR OR FATAL)`),
		},
	}.build()
}
