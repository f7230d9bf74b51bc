"""Traces: spans of requests and their phases, received by a collector as OpenTelemetry's protocol has it."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from service.__main__ import main
from service.access.keys import Limits, new_key, write_keys
from service.settings import Settings
from service.telemetry import tracing
from tests.support.running_app import running_app

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"


class Collector:
    """What was sent to `/v1/traces`."""

    def __init__(self) -> None:
        self.exports: list[ExportTraceServiceRequest] = []
        received = self.exports

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for export in self.exports
            for resource in export.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever)
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server.server_port}")
    yield collector
    collector.server.shutdown()
    thread.join()
    collector.server.server_close()


def test_nothing_is_traced_unless_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tracing.ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    assert tracing.from_environment("1") is None


def test_a_request_is_a_span_and_its_phases_are_spans_inside(collector: Collector, tiny_store: Path) -> None:
    with running_app(Settings(store=tiny_store)) as client:
        client.post(
            "/classify",
            json={"model": "spam", "inputs": ["secret text", "hello"]},
            headers={"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01", "X-Request-ID": "mine"},
        )
    [request] = [span for span in collector.spans if span.name == "POST /classify"]
    phases = [span for span in collector.spans if span is not request]
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE_ID, PARENT_ID)
    names = ["read", "validate", "encode", "queue", "inference", "decode", "respond"]
    assert [span.name for span in sorted(phases, key=lambda span: span.start_time_unix_nano)] == names
    for span in phases:
        assert span.parent_span_id == request.span_id
        assert request.start_time_unix_nano <= span.start_time_unix_nano
        assert span.start_time_unix_nano <= span.end_time_unix_nano <= request.end_time_unix_nano
    told = {pair.key: pair.value for pair in request.attributes}
    assert told["seqserve.model"].string_value == "spam-cnn"
    assert told["seqserve.rows"].int_value == 2
    assert told["http.response.status_code"].int_value == 200
    assert told["seqserve.request_id"].string_value == "mine"
    assert "secret" not in str(collector.exports)
    [resource] = {str(export.resource_spans[0].resource) for export in collector.exports}
    assert "seqserve" in resource


def test_the_log_line_names_the_trace(
    collector: Collector, tiny_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_app(Settings(store=tiny_store)) as client:
        client.get("/livez", headers={"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"})
    [line] = map(json.loads, capsys.readouterr().out.splitlines())
    assert line["trace_id"] == TRACE_ID


def test_tracing_without_its_packages_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:1/v1/traces")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["serve"]) == 2
    assert "pip install 'seqserve[tracing]'" in capsys.readouterr().err


def test_a_collector_that_cannot_be_reached_does_not_hold_a_stop_up(
    monkeypatch: pytest.MonkeyPatch, tiny_store: Path
) -> None:
    with socket.socket() as deaf:  # takes connections and never answers
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "600")
        with running_app(Settings(store=tiny_store)) as client:
            client.get("/livez")
            stopped = time.monotonic()
        assert time.monotonic() - stopped < 30 * tracing.CLOSING_SECONDS


def test_no_key_is_traced(collector: Collector, tiny_store: Path, tmp_path: Path) -> None:
    made = new_key("shop", ["predict"], None, Limits())
    write_keys(tmp_path / "keys.json", [made.key])
    with running_app(Settings(store=tiny_store, api_keys_file=tmp_path / "keys.json")) as client:
        for headers in ({"X-API-Key": made.text}, {"Authorization": f"Bearer {made.text}"}, {"X-API-Key": "other"}):
            client.post(f"/classify?key={made.text}", json={"model": "spam", "inputs": "zebra"}, headers=headers)
    assert len([span for span in collector.spans if span.name == "POST /classify"]) == 3
    for secret in (made.text, made.text[-64:], "zebra"):
        assert not [span for span in collector.spans if secret in str(span)]
