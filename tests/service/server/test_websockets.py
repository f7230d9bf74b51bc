"""Websockets: limits, timeouts and the stop hold for handshakes as for requests; open ones are closed at the stop."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.support import raw_http
from tests.support.raw_http import LIVEZ, READYZ, exchange, read_answers, request
from tests.support.service_process import free_port, serving

SERVICE_WITH_ECHO = """
import sys
from starlette.websockets import WebSocket
from service import app
from service.__main__ import main

build = app.from_environment

def build_with_echo():
    application = build()

    async def with_echo(scope, receive, send):
        if scope.get("path") != "/echo":
            await application(scope, receive, send)
            return
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    return with_echo

app.from_environment = build_with_echo
sys.exit(main([]))
"""

HANDSHAKE = (
    b"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@contextlib.contextmanager
def serving_echo(store: Path, port: int, **settings: str) -> Iterator["subprocess.Popen[bytes]"]:
    with serving(store, port, ("-c", SERVICE_WITH_ECHO), **settings) as server:
        yield server


@pytest.fixture(scope="module")
def port(tiny_store: Path) -> Iterator[int]:
    port = free_port()
    with serving_echo(tiny_store, port, SEQSERVE_HEADER_TIMEOUT_SECONDS="1", SEQSERVE_MAX_CONNECTIONS="3"):
        yield port


def open_websocket(port: int, path: str = "/echo") -> ClientConnection:
    return connect(f"ws://127.0.0.1:{port}{path}", proxy=None, open_timeout=60)


def opened_or_refused(port: int) -> ClientConnection | None:
    try:
        return open_websocket(port)
    except InvalidStatus:
        return None


def refused_with(port: int, path: str = "/echo") -> int:
    with pytest.raises(InvalidStatus) as refused:
        open_websocket(port, path)
    return refused.value.response.status_code


def test_messages_go_both_ways(port: int) -> None:
    with open_websocket(port) as websocket:
        for text in ("one", "two" * 100_000):
            websocket.send(text)
            assert websocket.recv(60) == text


def test_a_path_without_websocket_is_refused(port: int) -> None:
    assert refused_with(port, "/nowhere") == refused_with(port, "/classify") == 403


def test_a_handshake_follows_a_request_on_the_same_connection(port: int) -> None:
    with raw_http.connect(port) as connection:
        connection.sendall(LIVEZ)
        assert read_answers(connection, 1).statuses == [200]
        connection.sendall(HANDSHAKE)
        assert connection.recv(1000).startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize(
    ("content", "statuses"),
    [
        (HANDSHAKE + b"\x81\x00", [400]),
        (LIVEZ + HANDSHAKE, [200, 400]),
        (HANDSHAKE.replace(b"Host: x\r\n", b""), [400]),
        (HANDSHAKE[:-2] + b"X: " + b"a" * 100_000 + b"\r\n\r\n", [431]),
        (HANDSHAKE[:-2], [408]),
        (HANDSHAKE.replace(b"Version: 13", b"Version: 12"), [400]),
    ],
    ids=["data before the answer", "pipelined", "no Host", "large headers", "too slow", "another version"],
)
def test_a_handshake_that_is_malformed_or_late_is_refused(port: int, content: bytes, statuses: list[int]) -> None:
    received = exchange(port, content)
    assert (received.statuses, received.is_closed) == (statuses, True)


def test_what_only_looks_like_a_handshake_is_answered_as_plain_http(port: int) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket"
    assert exchange(port, request(upgrade) + LIVEZ, 2).statuses == [200, 200]


def test_websockets_count_as_connections(port: int) -> None:
    with contextlib.ExitStack() as opened:
        for _ in range(3):
            while (websocket := opened_or_refused(port)) is None:  # connections of earlier tests are closing
                time.sleep(0.05)
            opened.enter_context(websocket)
        assert refused_with(port) == 503
        assert exchange(port, request()).statuses == [503]
        assert exchange(port, LIVEZ, 1).statuses == [200]


def test_the_stop_closes_open_websockets_and_refuses_handshakes(tiny_store: Path) -> None:
    port = free_port()
    with (
        serving_echo(tiny_store, port, SEQSERVE_DRAIN_DELAY_SECONDS="2") as server,
        open_websocket(port) as websocket,
        raw_http.connect(port) as late,
    ):
        server.send_signal(signal.SIGTERM)
        while exchange(port, READYZ, 1).statuses == [200]:
            pass
        websocket.send("still served")
        assert websocket.recv(60) == "still served"
        late.sendall(HANDSHAKE)
        assert read_answers(late).statuses == [503]
        with pytest.raises(ConnectionClosed) as closed:
            websocket.recv(60)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        assert server.wait(60) == 0
