"""Stopping: every accepted request gets an answer, and no connection is reset."""

import asyncio
import collections
import contextlib
import json
import re
import signal
import socket
import struct
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from service.server.protocol import REQUESTS_PER_ITERATION
from tests.prove.served import copy_store
from tests.support.metric_samples import Samples, parse, value
from tests.support.raw_http import LIVEZ, READYZ, connect, exchange, read_answers, request
from tests.support.retry import retry_until
from tests.support.service_process import free_port, serving


async def send_requests(
    port: int, pause_seconds: float, tally: collections.Counter[str], stopped: asyncio.Event
) -> None:
    """Send requests on one connection, on a new one when it is closed, until the port is closed."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            if stopped.is_set():
                return
            raise
        try:
            is_last = False
            while not is_last:
                await asyncio.sleep(pause_seconds)
                if reader.at_eof():
                    break
                writer.write(request())
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = re.search(rb"content-length: (\d+)", head)
                assert length is not None
                await reader.readexactly(int(length[1]))
                is_last = b"connection: close" in head
                tally[head[9:12].decode() + (" and close" if is_last else "")] += 1
        except (OSError, asyncio.IncompleteReadError) as error:
            tally[type(error).__name__] += 1
        finally:
            writer.close()


async def stop_under_load(port: int, server: "subprocess.Popen[bytes]") -> collections.Counter[str]:
    tally: collections.Counter[str] = collections.Counter()
    stopped = asyncio.Event()
    clients = [asyncio.create_task(send_requests(port, pause, tally, stopped)) for pause in [0.0, 0.03] * 12]
    await asyncio.sleep(0.5)
    stopped.set()
    server.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(server.wait, 60) == 0
    await asyncio.wait_for(asyncio.gather(*clients), 60)
    return tally


@pytest.mark.parametrize("workers", ["1", "2"])
def test_stopping_under_load_loses_nothing(tiny_store: Path, workers: str) -> None:
    port = free_port()
    with serving(tiny_store, port, SEQSERVE_WORKERS=workers, SEQSERVE_LOG_LEVEL="warning") as server:
        tally = asyncio.run(stop_under_load(port, server))
    assert tally["200 and close"] >= 12  # of 24 clients
    assert set(tally) <= {"200", "200 and close", "503 and close"}


def test_requests_under_way_are_answered_and_idle_connections_get_503(tiny_store: Path) -> None:
    port = free_port()
    with (
        serving(tiny_store, port, SEQSERVE_DRAIN_DELAY_SECONDS="5") as server,
        connect(port) as half,
        connect(port) as idle,
        connect(port) as silent,
    ):
        half.sendall(request()[:-10])
        idle.sendall(LIVEZ)
        assert read_answers(idle, 1).statuses == [200]
        time.sleep(0.1)
        server.send_signal(signal.SIGTERM)
        while exchange(port, READYZ, 1).statuses == [200]:
            pass
        not_ready = exchange(port, READYZ)  # the port is still open
        assert (not_ready.statuses, not_ready.says_close, not_ready.is_closed) == ([503], True, True)
        assert b"going down" in not_ready.content
        answered = exchange(port, request())
        assert (answered.statuses, answered.says_close, answered.is_closed) == ([200], True, True)
        for connection in (idle, silent):
            last = read_answers(connection)
            assert (last.statuses, last.says_close, last.is_closed) == ([503], True, True)
        half.sendall(request()[-10:])
        late = read_answers(half)
        assert (late.statuses, late.says_close, late.is_closed) == ([200], True, True)
        with pytest.raises(ConnectionRefusedError):
            connect(port)
        assert server.wait(60) == 0


def test_a_request_that_takes_too_long_is_refused(tiny_store: Path) -> None:
    port = free_port()
    with serving(tiny_store, port, SEQSERVE_DRAIN_SECONDS="1") as server:
        with connect(port) as half:
            half.sendall(request()[:-10])
            time.sleep(0.2)
            server.send_signal(signal.SIGTERM)
            last = read_answers(half)
        assert (last.statuses, last.says_close, last.is_closed) == ([503], True, True)
        assert json.loads(last.content.partition(b"\r\n\r\n")[2])["status"] == 503
        assert server.wait(60) == 0


def test_connections_that_wait_at_the_port_are_answered(tiny_store: Path) -> None:
    """The process is suspended, so that it can't accept them before it is told to stop."""
    port = free_port()
    with serving(tiny_store, port) as server, contextlib.ExitStack() as connections:
        server.send_signal(signal.SIGSTOP)
        waiting = [connections.enter_context(connect(port)) for _ in range(30)]
        for connection in waiting:
            connection.sendall(request())
        server.send_signal(signal.SIGTERM)
        server.send_signal(signal.SIGCONT)
        received = [read_answers(connection) for connection in waiting]
        assert server.wait(60) == 0
    assert [(own.statuses[0], own.says_close, own.is_closed) for own in received] == [(200, True, True)] * len(waiting)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_many_connections_at_the_port_are_answered_before_it_closes(tmp_path: Path, workers: str) -> None:
    port, store = free_port(), copy_store(tmp_path, "spam-cnn")  # a model that takes seconds for all of them
    body = json.dumps({"model": "spam", "inputs": ["are you free for lunch today or tomorrow"] * 64}).encode()
    with serving(store, port, SEQSERVE_WORKERS=workers, SEQSERVE_LOG_LEVEL="warning") as server:
        clients = [connect(port) for _ in range(400)]
        for client in clients:
            client.sendall(request(body=body))
        server.send_signal(signal.SIGTERM)
        # One answered before the signal may also read the 503 with which its idle connection ends.
        statuses = collections.Counter(read_answers(client, 1).statuses[0] for client in clients)
        assert server.wait(60) == 0
    for client in clients:
        client.close()
    assert set(statuses) <= {200, 503}
    assert statuses[200] > 300


def samples_after(port: int, num_requests: int) -> Samples:
    """The metrics after so many classify requests have ended."""

    def attempt() -> Samples | None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
            samples = parse(response.read().decode())
        return samples if value(samples, "seqserve_requests_total", route="/classify") >= num_requests else None

    return retry_until(attempt) or {}


def test_rows_of_disconnected_clients_are_not_computed(tmp_path: Path) -> None:
    port, store = free_port(), copy_store(tmp_path, "spam-cnn")
    body = json.dumps({"model": "spam", "inputs": ["are you free for lunch today or tomorrow " * 60] * 100}).encode()
    with serving(store, port, SEQSERVE_LOG_LEVEL="warning"):
        clients = [connect(port) for _ in range(16)]
        for client in clients:
            client.sendall(request(body=body))
        time.sleep(0.1)
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset
            client.close()
        samples = samples_after(port, len(clients))
    assert value(samples, "seqserve_rows_total", model="spam-cnn") < 1600


def test_requests_whose_client_disconnects_before_they_start_are_counted(tmp_path: Path) -> None:
    port, store = free_port(), copy_store(tmp_path, "spam-cnn")
    with serving(store, port, SEQSERVE_LOG_LEVEL="warning") as server:
        clients = [connect(port) for _ in range(4 * REQUESTS_PER_ITERATION)]
        for client in clients:
            client.sendall(LIVEZ)
            assert read_answers(client, 1).statuses == [200]
        server.send_signal(signal.SIGSTOP)  # all requests are read in one iteration, more than may start in it
        for client in clients:
            client.sendall(request(body=b'{"model": "spam", "inputs": "hello"}'))
            client.close()
        server.send_signal(signal.SIGCONT)
        samples = samples_after(port, len(clients))
    assert value(samples, "seqserve_requests_total", route="/classify", status="499") > 0
