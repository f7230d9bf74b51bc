"""What wrk is given, what it sends, and what its output says."""

import os
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.serving.contender import Request
from benchmarks.serving.wrk import LoadFailed, closed, lua_table, opened, parse

SUMMARY = (
    '{"requests": %d, "microseconds": 2000000, "connect": 0, "read": %d, "write": 0, "status": %d, "timeout": 0, '
    '"p50": 1500, "p99": 4000, "max": 9000, "mean": 1700.5}'
)


def printed(requests: int, read: int = 0, status: int = 0) -> str:
    return f"Running 2s test\n  Latency 1.70ms\n\nSUMMARY {SUMMARY % (requests, read, status)}\n"


def test_figures_are_read() -> None:
    load = parse(printed(1000))
    assert (load.rate, load.p50_ms, load.p99_ms, load.max_ms, load.mean_ms) == (500, 1.5, 4, 9, 1.7005)


@pytest.mark.parametrize(
    "output", [printed(1000, read=1), printed(1000, status=3), printed(0), "unable to connect to 127.0.0.1"]
)
def test_failed_requests_fail_the_run(output: str) -> None:
    with pytest.raises(LoadFailed):
        parse(output)


def test_bytes_beyond_ascii_are_written_as_numbers() -> None:
    table = lua_table([Request("/a", 'ä"\n1'.encode(), {})], 0, 0)
    assert r'body = "\195\164\034\0101"' in table


class Recorder(ThreadingHTTPServer):
    """Answers 200, or 500 to a body that says so, and keeps what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        self.sent: set[tuple[str, str, bytes]] = set()
        super().__init__(("127.0.0.1", 0), Answering)


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.sent.add((self.path, self.headers["X-Kind"], body))
        self.send_response(500 if body == b"fail" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    if shutil.which("wrk") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("wrk is not installed; the benchmarks use it")
    with Recorder() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_every_request_is_sent_as_it_is(recorder: Recorder) -> None:
    every_byte = bytes(range(256)) + b'"]==]\\n9'
    requests = [Request("/a", every_byte, {"X-Kind": 'a"b'}), Request("/b", "ä".encode(), {"X-Kind": "c"})]
    assert closed(recorder.server_port, requests, 2, 1).requests > 2
    assert recorder.sent == {("/a", 'a"b', every_byte), ("/b", "c", "ä".encode())}


def test_an_error_among_the_answers_fails_the_run(recorder: Recorder) -> None:
    requests = [Request("/", body, {"X-Kind": "x"}) for body in (b"fine", b"fine", b"fail")]
    with pytest.raises(LoadFailed, match="status"):
        closed(recorder.server_port, requests, 2, 1)


def test_open_loop_keeps_to_its_rate(recorder: Recorder) -> None:
    load = opened(recorder.server_port, [Request("/", b"fine", {"X-Kind": "x"})], rate=100, seconds=3)
    assert 60 < load.rate < 130  # Poisson arrivals: ±17 is the usual spread of 300
