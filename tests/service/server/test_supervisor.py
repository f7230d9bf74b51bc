"""Several workers: those that end or hang are replaced, none outlives its keeper, none is started without pause."""

import contextlib
import errno
import http.client
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import psutil
import pytest

from service.server import supervisor
from service.settings import Settings
from tests.support.service_process import ROOT, free_port, serving


def workers_of(server: "subprocess.Popen[bytes]") -> set[int]:
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
    return set(map(int, children.split()))


def wait_until(what: Callable[[], bool], seconds: float = 15) -> float:
    """How long it took."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < seconds
        time.sleep(0.02)
    return time.monotonic() - began


def num_figures(port: int) -> int:
    """Workers that have told of their memory and are alive."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
        return len(re.findall(r"^seqserve_resident_memory_bytes\{", response.read().decode(), re.MULTILINE))


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_workers_that_end_or_hang_are_replaced_and_none_is_left_behind(tiny_store: Path) -> None:
    port = free_port()
    settings = {"SEQSERVE_WORKERS": "2", "SEQSERVE_WORKER_TIMEOUT_SECONDS": "2", "SEQSERVE_LOG_LEVEL": "error"}
    with serving(tiny_store, port, **settings) as server:
        wait_until(lambda: num_figures(port) == 2)
        killed, hanging = workers_of(server)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: len(workers_of(server) - {killed}) == 2, 2)
        wait_until(lambda: num_figures(port) == 2)
        os.kill(hanging, signal.SIGSTOP)
        wait_until(lambda: hanging not in workers_of(server), 6)
        wait_until(lambda: num_figures(port) == 2)
        left = workers_of(server)
        server.kill()
        wait_until(lambda: all(map(is_gone, left)))


def num_connections(worker: int, port: int) -> int:
    held = psutil.Process(worker).net_connections("tcp")
    return sum(one.status == psutil.CONN_ESTABLISHED and one.laddr.port == port for one in held)


def test_connections_are_shared_also_with_a_worker_that_came_later(tiny_store: Path) -> None:
    port = free_port()
    with (
        serving(tiny_store, port, SEQSERVE_WORKERS="2", SEQSERVE_LOG_LEVEL="error") as server,
        contextlib.ExitStack() as callers,
    ):
        wait_until(lambda: num_figures(port) == 2)
        stays, killed = workers_of(server)

        def call() -> None:
            """As callers do who come one after the other and stay."""
            for _ in range(40):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                callers.callback(connection.close)
                connection.request("GET", "/livez")
                assert connection.getresponse().read()

        call()
        assert num_connections(stays, port) == pytest.approx(20, abs=5)
        assert num_connections(killed, port) == pytest.approx(20, abs=5)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: len(workers_of(server) - {killed}) == 2 and num_figures(port) == 2)
        call()
        came = (workers_of(server) - {stays}).pop()
        assert num_connections(stays, port) == pytest.approx(30, abs=6)
        assert num_connections(came, port) == pytest.approx(30, abs=6)


FAILING = """
import sys
from service.server import supervisor
from service.settings import Settings
supervisor.FIRST_PAUSE_SECONDS, supervisor.LONGEST_PAUSE_SECONDS = 0.1, 0.5
sys.executable = "/bin/false"
sys.exit(supervisor.Supervisor(Settings()).run())
"""


def test_workers_that_never_start_are_given_up() -> None:
    began = time.monotonic()
    settings = {"SEQSERVE_WORKERS": "2", "SEQSERVE_PORT": str(free_port())}
    ended = subprocess.run(
        [sys.executable, "-c", FAILING], cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == 3
    assert 4 <= len(re.findall("before it served; the next is started in", ended.stdout)) < 10
    assert "no worker can start" in ended.stdout
    assert time.monotonic() - began < 20


def test_a_worker_that_the_system_refuses_is_started_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_files: int) -> NoReturn:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(supervisor, "_start", refuse)
    keeper = supervisor.Supervisor(Settings(workers=2))
    now = time.monotonic()
    assert keeper._start_missing(now, listening=0)
    assert [start - now for start in keeper._starts] == [0.5, 1.0]
