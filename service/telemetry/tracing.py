"""OpenTelemetry traces: a span for each request and one for each of its phases, sent where `OTEL_*` says.

The packages come with the extra `tracing` and are imported only when an endpoint is configured.
"""

import importlib.util
import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from service.telemetry.request_record import RequestRecord

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

CLOSING_SECONDS = 2.0
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""Either of these variables switches tracing on; OpenTelemetry reads them itself."""


def missing() -> str | None:
    """What to do where tracing is configured, but not installed."""
    configured = _configured()
    if configured is None or importlib.util.find_spec("opentelemetry") is not None:
        return None
    return f"{configured} is set, but OpenTelemetry is not installed: pip install 'seqserve[tracing]', or unset it"


def from_environment(service_version: str) -> "Tracer | None":
    """The tracer that `OTEL_*` asks for; None when no endpoint is configured."""
    if _configured() is None:
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: "seqserve"}
    resource = Resource.create({"service.version": service_version, **named})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracer(provider)


def _configured() -> str | None:
    return next((name for name in ENDPOINTS if os.environ.get(name)), None)


class Tracer:
    """Writes the spans of finished requests."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("seqserve")
        self._propagator = TraceContextTextMapPropagator()
        self._trace = trace

    def trace(self, method: str, route: str, status: int, record: RequestRecord, headers: Mapping[str, str]) -> str:
        """Write the spans of one request, below the `traceparent` of its headers. Returns the trace's id."""
        span = self._tracer.start_span(
            f"{method} {route}",
            context=self._propagator.extract(headers),
            kind=self._trace.SpanKind.SERVER,
            start_time=record.started_ns,
            attributes={
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": status,
                "seqserve.request_id": record.id,
                **({"seqserve.model": record.model, "seqserve.version": record.version or 0} if record.model else {}),
                **({"seqserve.rows": record.num_rows} if record.num_rows is not None else {}),
            },
        )
        if status >= 500:
            span.set_status(self._trace.StatusCode.ERROR)
        inside = self._trace.set_span_in_context(span)
        for name, begin, end in record.phases():
            child = self._tracer.start_span(name, context=inside, start_time=record.started_ns + round(begin * 1e9))
            child.end(record.started_ns + round(end * 1e9))
        span.end(record.started_ns + round(record.total_seconds * 1e9))
        return self._trace.format_trace_id(span.get_span_context().trace_id)

    def close(self) -> None:
        """Send what is left, for at most `CLOSING_SECONDS`: an unreachable collector must not delay the stop."""
        sender = threading.Thread(target=self._provider.shutdown, daemon=True)
        sender.start()
        sender.join(CLOSING_SECONDS)
