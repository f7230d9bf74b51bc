"""Stopping: whoever has been let in gets an answer, and nobody is reset."""

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
from tests.support.raw_http import LIVEZ, connect, exchange, read_answers, request
from tests.support.service_process import free_port, serving


async def ask_on(port: int, pause_seconds: float, tally: collections.Counter[str], stopped: asyncio.Event) -> None:
    """Ask again and again on one connection, on a new one when it is closed, until nobody listens any more."""
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
    callers = [asyncio.create_task(ask_on(port, pause, tally, stopped)) for pause in [0.0, 0.03] * 12]
    await asyncio.sleep(0.5)
    stopped.set()
    server.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(server.wait, 30) == 0
    await asyncio.wait_for(asyncio.gather(*callers), 30)
    return tally


@pytest.mark.parametrize("workers", ["1", "2"])
def test_stopping_under_load_loses_nothing(tiny_store: Path, workers: str) -> None:
    port = free_port()
    with serving(tiny_store, port, SEQSERVE_WORKERS=workers, SEQSERVE_LOG_LEVEL="warning") as server:
        tally = asyncio.run(stop_under_load(port, server))
    assert tally["200 and close"] >= 12  # each caller was told
    assert set(tally) <= {"200", "200 and close", "503 and close"}


def test_what_has_begun_is_answered_and_the_rest_is_told_to_go(tiny_store: Path) -> None:
    port = free_port()
    with (
        serving(tiny_store, port, SEQSERVE_DRAIN_DELAY_SECONDS="1.5") as server,
        connect(port) as half,
        connect(port) as idle,
        connect(port) as silent,
    ):
        half.sendall(request()[:-10])
        idle.sendall(LIVEZ)
        assert read_answers(idle, 5, 1).statuses == [200]
        time.sleep(0.1)
        server.send_signal(signal.SIGTERM)
        time.sleep(0.4)
        not_ready = exchange(port, LIVEZ.replace(b"livez", b"readyz"))  # the port is open still
        assert (not_ready.statuses, not_ready.says_close, not_ready.is_closed) == ([503], True, True)
        assert b"going down" in not_ready.content
        answered = exchange(port, request())
        assert (answered.statuses, answered.says_close, answered.is_closed) == ([200], True, True)
        for connection in (idle, silent):
            told = read_answers(connection, 5)
            assert (told.statuses, told.says_close, told.is_closed) == ([503], True, True)
        half.sendall(request()[-10:])
        late = read_answers(half, 5)
        assert (late.statuses, late.says_close, late.is_closed) == ([200], True, True)
        with pytest.raises(ConnectionRefusedError):
            connect(port)
        assert server.wait(10) == 0


def test_what_takes_too_long_is_refused(tiny_store: Path) -> None:
    port = free_port()
    with serving(tiny_store, port, SEQSERVE_DRAIN_SECONDS="1") as server:
        with connect(port) as half:
            half.sendall(request()[:-10])
            time.sleep(0.2)
            server.send_signal(signal.SIGTERM)
            told = read_answers(half, 10)
        assert (told.statuses, told.says_close, told.is_closed) == ([503], True, True)
        assert json.loads(told.content.partition(b"\r\n\r\n")[2])["status"] == 503
        assert server.wait(10) == 0


def test_who_waits_at_the_port_is_let_in(tiny_store: Path) -> None:
    """Connections that the service hasn't taken when it is told to stop: it can't, since it is stopped meanwhile."""
    port = free_port()
    with serving(tiny_store, port) as server, contextlib.ExitStack() as connections:
        server.send_signal(signal.SIGSTOP)
        waiting = [connections.enter_context(connect(port)) for _ in range(30)]
        for connection in waiting:
            connection.sendall(request())
        server.send_signal(signal.SIGTERM)
        server.send_signal(signal.SIGCONT)
        received = [read_answers(connection, 10) for connection in waiting]
        assert server.wait(10) == 0
    assert [(own.statuses[0], own.says_close, own.is_closed) for own in received] == [(200, True, True)] * len(waiting)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_crowd_at_the_port_is_let_in_before_it_closes(tmp_path: Path, workers: str) -> None:
    port, store = free_port(), copy_store(tmp_path, "spam-cnn")  # a model with which a crowd takes seconds
    body = json.dumps({"model": "spam", "inputs": ["are you free for lunch today or tomorrow"] * 64}).encode()
    with serving(store, port, SEQSERVE_WORKERS=workers, SEQSERVE_LOG_LEVEL="warning") as server:
        crowd = [connect(port) for _ in range(400)]
        for caller in crowd:
            caller.sendall(request(body=body))
        server.send_signal(signal.SIGTERM)
        statuses = collections.Counter(tuple(read_answers(caller, 20, 1).statuses) for caller in crowd)
        assert server.wait(40) == 0
    for caller in crowd:
        caller.close()
    assert set(statuses) <= {(200,), (503,)}
    assert statuses[200,] > 300


def samples_after(port: int, num_requests: int) -> Samples:
    """What `/metrics` says once so many requests to label texts have ended."""
    samples: Samples = {}
    until = time.monotonic() + 30
    while value(samples, "seqserve_requests_total", route="/classify") < num_requests:
        assert time.monotonic() < until
        time.sleep(0.1)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
            samples = parse(response.read().decode())
    return samples


def test_rows_of_callers_who_have_gone_are_not_computed(tmp_path: Path) -> None:
    port, store = free_port(), copy_store(tmp_path, "spam-cnn")
    body = json.dumps({"model": "spam", "inputs": ["are you free for lunch today or tomorrow " * 60] * 100}).encode()
    with serving(store, port, SEQSERVE_LOG_LEVEL="warning"):
        callers = [connect(port) for _ in range(8)]
        for caller in callers:
            caller.sendall(request(body=body))
        time.sleep(0.1)
        for caller in callers:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset
            caller.close()
        samples = samples_after(port, len(callers))
    assert value(samples, "seqserve_rows_total", model="spam-cnn", version="3") <= 200


def test_who_has_gone_before_anybody_worked_on_the_request_is_counted_too(tmp_path: Path) -> None:
    port, store = free_port(), copy_store(tmp_path, "spam-cnn")
    with serving(store, port, SEQSERVE_LOG_LEVEL="warning") as server:
        callers = [connect(port) for _ in range(4 * REQUESTS_PER_ITERATION)]
        for caller in callers:
            caller.sendall(LIVEZ)
            assert read_answers(caller, 5, 1).statuses == [200]
        server.send_signal(signal.SIGSTOP)  # all requests are read in one turn, more than may begin in it
        for caller in callers:
            caller.sendall(request(body=b'{"model": "spam", "inputs": "hello"}'))
            caller.close()
        server.send_signal(signal.SIGCONT)
        samples = samples_after(port, len(callers))
    assert value(samples, "seqserve_requests_total", route="/classify", status="499") > 0
