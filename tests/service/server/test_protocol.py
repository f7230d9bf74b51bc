"""Malformed, late and excess requests are refused and their connections closed; unusual ones are answered."""

import http.client
import json
import socket
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.page.routes import CHART_LIBRARY_FILE
from tests.support.raw_http import BODY, CHUNKED, LIVEZ, MALFORMED, chunked, connect, exchange, read_answers, request
from tests.support.retry import retry_until
from tests.support.service_process import free_port, serving

UPGRADE = b"Connection: Upgrade\r\nUpgrade: h2c"


@pytest.fixture(scope="module")
def port(tiny_store: Path) -> Iterator[int]:
    """A service with short timeouts."""
    port = free_port()
    timeouts = {
        "SEQSERVE_HEADER_TIMEOUT_SECONDS": "2",
        "SEQSERVE_BODY_TIMEOUT_SECONDS": "2",
        "SEQSERVE_SEND_TIMEOUT_SECONDS": "2",
        "SEQSERVE_KEEP_ALIVE_SECONDS": "4",
        "SEQSERVE_MAX_CONNECTIONS": "40",
    }
    with serving(tiny_store, port, **timeouts):
        yield port


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_request_is_refused_and_its_connection_closed(port: int, name: str) -> None:
    received = exchange(port, MALFORMED[name] + LIVEZ)
    assert (received.statuses, received.kinds) == ([400], ["not-http"])
    assert received.says_close
    assert received.is_closed


@pytest.mark.parametrize(
    "content",
    [
        b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 3_000_000,
        b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 20_000 + b"\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["one header", "one without end", "many headers", "path"],
)
def test_large_headers_are_a_431(port: int, content: bytes) -> None:
    received = exchange(port, content)
    assert (received.statuses, received.kinds, received.is_closed) == ([431], ["headers-too-large"], True)


ANSWERED = {
    "two at once": (request() + LIVEZ, [200, 200]),
    "chunks": (request(CHUNKED, length=False, body=chunked()) + LIVEZ, [200, 200]),
    "a chunk's extension": (request(CHUNKED, length=False, body=chunked(extension=b";a=b")) + LIVEZ, [200, 200]),
    "headers of 30 KB": (request(b"X: " + b"a" * 30_000), [200]),
    "an empty line before": (b"\r\n\r\n" + LIVEZ, [200]),
    "a whole address": (b"GET http://x/livez HTTP/1.1\r\nHost: x\r\n\r\n", [200]),
    "a body nobody waits for": (request(path=b"/nowhere") + LIVEZ, [404, 200]),
    "100-continue": (request(b"Expect: 100-continue") + LIVEZ, [100, 200, 200]),
    "an upgrade, as Java's client asks for": (request(UPGRADE) + LIVEZ, [200, 200]),
    "an upgrade without body": (LIVEZ.replace(b"Host: x", b"Host: x\r\n" + UPGRADE) + LIVEZ, [200, 200]),
}


@pytest.mark.parametrize("name", ANSWERED)
def test_an_unusual_request_is_answered(port: int, name: str) -> None:
    content, statuses = ANSWERED[name]
    assert exchange(port, content, len(statuses)).statuses == statuses


def test_an_upgrade_on_a_connection_that_is_to_close_is_answered_and_closed(port: int) -> None:
    received = exchange(port, request(UPGRADE.replace(b"Upgrade\r", b"Upgrade, close\r")))
    assert (received.statuses, received.says_close, received.is_closed) == ([200], True, True)


def test_fault_behind_a_request_is_refused_after_its_answer(port: int) -> None:
    assert exchange(port, request() + b"garbage\r\n\r\n").statuses == [200, 400]
    assert exchange(port, request() + request(CHUNKED, length=False, body=b"zz\r\n")).statuses == [200, 400]


def test_trailer_is_no_header(port: int) -> None:
    trailer = b"%x\r\n%s\r\n0\r\nX-Request-ID: smuggled\r\n\r\n" % (len(BODY), BODY)
    received = exchange(port, request(CHUNKED, length=False, body=trailer), 1)
    assert received.statuses == [200]
    assert b"smuggled" not in received.content


def test_refused_expectation_ends_the_connection(port: int) -> None:
    """What follows may be the body or the next request."""
    received = exchange(
        port,
        request(b"Expect: 100-continue", path=b"/nowhere", body=b"", length=False).replace(
            b"\r\n\r\n", b"\r\nContent-Length: 44\r\n\r\n"
        )
        + LIVEZ,
    )
    assert (received.statuses, received.is_closed) == ([404], True)


def test_too_large_a_body_is_refused_while_it_is_sent(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(request(b"Content-Length: 99999999", length=False, body=b"x" * 1000))
        connection.sendall(b"x" * 1_000_000)
        received = read_answers(connection)
    assert (received.statuses, received.is_closed) == ([413], True)


def send_slowly(port: int, content: bytes, slow: bytes) -> tuple[list[int], list[str], bool]:
    """Send some bytes at once, and then ten a second."""
    with connect(port) as connection:
        connection.sendall(content)
        for byte in slow:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)
        received = read_answers(connection)
        return received.statuses, received.kinds, received.is_closed


def test_slow_requests_get_408(port: int) -> None:
    half = request(body=BODY + b" " * 100)[:-90]
    slow = [(b"", b""), (b"GET /livez HT", b""), (b"GET ", b"/" + b"a" * 35), (half, b""), (half, b" " * 35)]
    with ThreadPoolExecutor(len(slow)) as pool:
        answers = list(pool.map(lambda pair: send_slowly(port, *pair), slow))
        assert exchange(port, LIVEZ, 1).statuses == [200]
    assert answers == [([408], ["request-timeout"], True)] * len(slow)


def test_a_client_that_does_not_read_is_disconnected(port: int) -> None:
    library = b"GET /assets/%s HTTP/1.1\r\nHost: x\r\n\r\n" % CHART_LIBRARY_FILE.encode()  # megabytes
    counted = b'seqserve_connections_dropped_total{reason="send-timeout"} 1.0'
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        connection.sendall(library * 8)
        retry_until(lambda: counted in urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read())


def test_an_idle_connection_is_closed_without_an_answer(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(LIVEZ)
        received = read_answers(connection)
    assert (received.statuses, received.says_close, received.is_closed) == ([200], False, True)


def test_beyond_the_connection_limit_only_health_is_answered(port: int) -> None:
    clients = []
    for _ in range(40):
        clients.append(connect(port))
        clients[-1].sendall(LIVEZ)
        assert read_answers(clients[-1], 1).statuses == [200]
    refused = exchange(port, request())
    assert (refused.statuses, refused.kinds, refused.is_closed) == ([503], ["not-ready"], True)
    assert b"retry-after: 1" in refused.content.lower()
    for path in ("/livez", "/readyz", "/metrics"):
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        client.request("GET", path)
        answer = client.getresponse()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        content = answer.read()
        client.close()
    assert b'seqserve_connections_dropped_total{reason="too-many"}' in content
    for connection in clients:
        connection.close()
    retry_until(lambda: exchange(port, request(), 1).statuses == [200])
    with connect(port) as connection:
        connection.sendall(request())
        head, _, content = read_answers(connection, 1).content.partition(b"\r\n\r\n")
        assert b"connection: close" not in head.lower()
        assert json.loads(content)["model"] == "spam-cnn"
