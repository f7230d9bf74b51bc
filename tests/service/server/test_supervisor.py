"""Several workers: those that end or hang are replaced, and none outlives the supervisor."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import NoReturn

import psutil
import pytest

from service.server import supervisor
from service.settings import Settings
from tests.support.retry import retry_until
from tests.support.service_process import ROOT, free_port, serving


def workers_of(server: "subprocess.Popen[bytes]") -> set[int]:
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
    return set(map(int, children.split()))


def num_serving(port: int) -> int:
    """Workers that are alive and have written their metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
        return len(re.findall(r"^seqserve_resident_memory_bytes\{", response.read().decode(), re.MULTILINE))


def test_workers_that_end_or_hang_are_replaced_and_none_is_left_behind(tiny_store: Path) -> None:
    port = free_port()
    settings = {"SEQSERVE_WORKERS": "2", "SEQSERVE_WORKER_TIMEOUT_SECONDS": "5", "SEQSERVE_LOG_LEVEL": "error"}
    with serving(tiny_store, port, **settings) as server:
        retry_until(lambda: num_serving(port) == 2)
        killed, hanging = workers_of(server)
        os.kill(killed, signal.SIGKILL)
        retry_until(lambda: len(workers_of(server) - {killed}) == 2)
        retry_until(lambda: num_serving(port) == 2)
        os.kill(hanging, signal.SIGSTOP)
        retry_until(lambda: hanging not in workers_of(server))
        retry_until(lambda: num_serving(port) == 2)
        left = workers_of(server)
        server.kill()
        retry_until(lambda: not any(map(psutil.pid_exists, left)))


FAILING = """
import sys
from service.server import supervisor
from service.settings import Settings
supervisor.MIN_PAUSE_SECONDS, supervisor.MAX_PAUSE_SECONDS = 0.1, 0.5
sys.executable = "/bin/false"
sys.exit(supervisor.Supervisor(Settings()).run())
"""


def test_workers_that_never_start_are_given_up() -> None:
    settings = {"SEQSERVE_WORKERS": "2", "SEQSERVE_PORT": str(free_port())}
    ended = subprocess.run(
        [sys.executable, "-c", FAILING],
        cwd=ROOT,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 3
    assert 4 <= len(re.findall("before it served; the next is started in", ended.stdout)) < 10
    assert "no worker can start" in ended.stdout


def test_a_worker_that_the_system_refuses_is_started_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_files: int) -> NoReturn:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(supervisor, "_start", refuse)
    starting = supervisor.Supervisor(Settings(workers=2))
    now = time.monotonic()
    assert starting._start_missing(now, listening=0)
    assert [start - now for start in starting._starts] == [0.5, 1.0]
