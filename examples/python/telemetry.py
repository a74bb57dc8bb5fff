"""What the service says of itself: metrics of the platform's catalogue, spans over OTLP, lines of the log standard."""

import json
import logging
import os
import sys
from datetime import datetime, timezone

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily

TOPIC = "application-logs"
# The bounds are the catalogue's: quantiles over all services need the same ones everywhere.
DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 2.5, 5, 10, 30)
HTTP_DURATIONS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# Where partners may push events.
EVENTS_ROUTE = "/api/v1/events"

log = logging.getLogger("service")
tracer = trace.get_tracer("shipping-collector")


class NetworkCollector:
    """Adds the bytes received and sent by the process's network, which the client library does not know (Linux)."""

    def collect(self):
        received = sent = 0
        try:
            with open("/proc/self/net/dev", encoding="ascii") as file:
                for line in file.readlines()[2:]:
                    fields = line.split(":", 1)[1].split()
                    received, sent = received + int(fields[0]), sent + int(fields[8])
        except OSError:
            return
        yield CounterMetricFamily("process_network_receive_bytes", "Bytes received.", value=received)
        yield CounterMetricFamily("process_network_transmit_bytes", "Bytes sent.", value=sent)


class Metrics:
    """The metrics of stack/metrics.yaml that a collector has."""

    def __init__(self):
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(NetworkCollector())
        self.received = Counter("collector_messages_received_total", "Messages received.", ["status"], registry=registry)
        self.failed = Counter("collector_errors_total", "Messages that were not collected.", ["error_type"], registry=registry)
        self.published = Counter("collector_messages_published_total", "Messages published.", registry=registry)
        self.rate_limited = Counter("collector_rate_limit_exceeded_total", "Requests refused by the partner.", registry=registry)
        self.processing = Histogram("collector_processing_duration_seconds", "Arrival to publication.", buckets=DURATIONS, registry=registry)
        self.api_requests = Histogram("collector_api_request_duration_seconds", "Requests to the partner.", buckets=DURATIONS, registry=registry)
        self.in_flight = Gauge("kafka_producer_records_in_flight", "Records not yet acknowledged.", registry=registry)
        self.sent = Counter("kafka_producer_record_send_total", "Records handed to the producer.", registry=registry)
        self.acked = Counter("kafka_producer_record_ack_total", "Records acknowledged.", registry=registry)
        self.requests = Counter("http_requests_total", "Requests answered.", ["method", "handler", "code"], registry=registry)
        self.answered = Histogram("http_request_duration_seconds", "Requests answered.", ["method", "handler"], buckets=HTTP_DURATIONS, registry=registry)
        # Known values are there from the start: rate() sees the first error only if there was a 0 before it.
        for status in ("success", "error"):
            self.received.labels(status)
        for kind in ("api_timeout", "rate_limited", "publish_failed", "invalid_payload"):
            self.failed.labels(kind)
        self.requests.labels("POST", EVENTS_ROUTE, "202")
        self.answered.labels("POST", EVENTS_ROUTE)


class Standard(logging.Formatter):
    """The log standard, with the ids of the current span, so that a line opens its trace."""

    def __init__(self, service, layer):
        super().__init__()
        self.service, self.layer = service, layer

    def format(self, record):
        at = datetime.fromtimestamp(record.created, timezone.utc)
        line = {
            "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": {"WARNING": "WARN", "CRITICAL": "FATAL"}.get(record.levelname, record.levelname),
            "service": self.service,
            "layer": self.layer,
            "message": record.getMessage(),
        }
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line["trace_id"] = trace.format_trace_id(span.trace_id)
            line["span_id"] = trace.format_span_id(span.span_id)
        for key in ("event_id", "processing_time_ms", "metadata"):
            if hasattr(record, key):
                line[key] = getattr(record, key)
        if record.exc_info:
            line["message"] += "\n" + self.formatException(record.exc_info)
        return json.dumps(line)


class Kafka(logging.Handler):
    """Sends lines as records whose key is the service, and never waits for them."""

    def __init__(self, producer, service):
        super().__init__()
        self.producer, self.service = producer, service

    def emit(self, record):
        try:
            self.producer.produce(TOPIC, key=self.service, value=self.format(record))
            self.producer.poll(0)
        except BufferError:
            pass  # Kafka is not there and the buffer is full: the newest lines are lost


def setup(service, layer, producer):
    provider = TracerProvider(resource=Resource.create({"service.name": service, "service.namespace": "data-ingestion"}))
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=1000))
    trace.set_tracer_provider(provider)

    handlers = [logging.StreamHandler(sys.stdout)] + ([Kafka(producer, service)] if producer else [])
    for handler in handlers:
        handler.setFormatter(Standard(service, layer))
        log.addHandler(handler)
    log.setLevel(logging.INFO)


def shutdown(producer):
    trace.get_tracer_provider().shutdown()
    if producer:
        producer.flush(2)
