"""A shipping-collector as small as it can be that keeps the platform's whole contract: metrics, health probes, log lines
and traces. It makes up the events that a real one would fetch from a partner.

Environment: KAFKA_BOOTSTRAP_SERVERS, OTEL_EXPORTER_OTLP_ENDPOINT; DATABASE_ADDRESS and CACHE_ADDRESS as HOST:PORT. What
is not set is not used.

    uvicorn app:app --port 8080 --no-access-log --log-level warning
"""

import os
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from confluent_kafka import KafkaException, Producer
from fastapi import FastAPI, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

import telemetry
from telemetry import log, tracer

SERVICE = "shipping-collector"
# Less than the readiness probe's timeout, so that the answer says which dependency is slow.
PATIENCE = 2.0

brokers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
producer = Producer({"bootstrap.servers": brokers, "client.id": SERVICE}) if brokers else None
metrics = telemetry.Metrics()
telemetry.setup(SERVICE, "collection", producer)


def validate(event):
    time.sleep(random.uniform(0.001, 0.004))


def transform(event):
    time.sleep(random.uniform(0.001, 0.004))
    return event


def enrich(event):
    time.sleep(random.uniform(0.001, 0.004))
    return event


def process_event(event):
    began = time.monotonic()
    with tracer.start_as_current_span("process_event") as span:
        span.set_attribute("event.id", event["event_id"])
        span.set_attribute("event.type", event["type"])
        with tracer.start_as_current_span("validate"):
            validate(event)
        with tracer.start_as_current_span("transform"):
            transformed = transform(event)
        with tracer.start_as_current_span("enrich"):
            enriched = enrich(transformed)
        took = time.monotonic() - began
        metrics.processing.observe(took)
        metrics.sent.inc()
        metrics.acked.inc()
        metrics.published.inc()
        log.info(
            "Event processed successfully",
            extra={
                "event_id": event["event_id"],
                "processing_time_ms": round(took * 1000, 3),
                "metadata": {"tracking_id": event["tracking_id"], "carrier": event["carrier"]},
            },
        )
        return enriched


def collect(stop):
    """Has an event now and then, until stop is set."""
    number = 0
    while not stop.wait(0.25):
        number += 1
        metrics.api_requests.observe(random.uniform(0.02, 0.07))  # what the partner's API would take
        metrics.received.labels("success").inc()
        process_event(
            {"event_id": f"evt-local-{number}", "type": "shipment.updated", "tracking_id": f"LOC{number:09d}", "carrier": "fedex"}
        )


@asynccontextmanager
async def lifespan(_app):
    stop = threading.Event()
    worker = threading.Thread(target=collect, args=(stop,), daemon=True)
    worker.start()
    yield
    stop.set()
    worker.join()
    telemetry.shutdown(producer)


app = FastAPI(lifespan=lifespan)


@app.middleware("http")
async def count(request: Request, call_next):
    """Counts requests of users, under their route, not under the path that was asked for; probes and scrapes are none."""
    began = time.monotonic()
    response = await call_next(request)
    route = request.scope.get("route")
    if route is not None and route.path == telemetry.EVENTS_ROUTE:
        metrics.requests.labels(request.method, route.path, str(response.status_code)).inc()
        metrics.answered.labels(request.method, route.path).observe(time.monotonic() - began)
    return response


class Event(BaseModel):
    event_id: str
    type: str
    tracking_id: str = ""
    carrier: str = ""


@app.post(telemetry.EVENTS_ROUTE, status_code=202)
def push(event: Event):
    """Takes an event that a partner sends."""
    metrics.received.labels("success").inc()
    process_event(event.model_dump())


@app.exception_handler(RequestValidationError)
async def refused(_request: Request, error: RequestValidationError):
    metrics.received.labels("error").inc()
    metrics.failed.labels("invalid_payload").inc()
    return JSONResponse(status_code=400, content={"detail": jsonable_encoder(error.errors())})


@app.get("/metrics")
def scrape():
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


@app.get("/health/live")
def liveness():
    """Answers as long as the process does; it looks at nothing else."""
    return {"status": "alive"}


def check_kafka_connection():
    if producer is None:
        return True
    try:
        producer.list_topics(timeout=PATIENCE)
        return True
    except KafkaException:
        return False


def check_address(address):
    """Connects; without an address there is no such dependency."""
    if not address:
        return True
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()
        return True
    except OSError:
        return False


def check_database_connection():
    return check_address(os.environ.get("DATABASE_ADDRESS"))


def check_cache_connection():
    return check_address(os.environ.get("CACHE_ADDRESS"))


@app.get("/health/ready")
def readiness():
    """Answers 503 while a dependency does not answer, and says which. They are asked side by side."""
    wanted = {"kafka": check_kafka_connection, "database": check_database_connection, "cache": check_cache_connection}
    with ThreadPoolExecutor(len(wanted)) as pool:
        futures = {name: pool.submit(check) for name, check in wanted.items()}
    checks = {name: future.result() for name, future in futures.items()}
    healthy = all(checks.values())
    return JSONResponse(
        status_code=200 if healthy else 503, content={"status": "ready" if healthy else "not_ready", "checks": checks}
    )
