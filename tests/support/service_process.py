"""A service in a process of its own, as `python -m service` starts it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.serving.preload import preloaded
from service.__main__ import healthcheck
from service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for_self_tests(address: str, headers: dict[str, str] | None = None) -> None:
    """Wait until nothing in the store of a running service is left to prove itself."""
    for _ in range(1200):
        with urllib.request.urlopen(urllib.request.Request(f"{address}/models", headers=headers or {})) as response:
            if not json.load(response)["pending"]:
                return
        time.sleep(0.05)
    raise TimeoutError("the service proves its models for more than a minute")


@contextmanager
def serving(
    store: Path, port: int, command: Sequence[str] = ("-m", "service"), **settings: str
) -> Iterator[subprocess.Popen[bytes]]:
    """The service on a port, ready; `settings` are environment variables. What it prints goes where the test's does.

    With the allocator that the image has, where this machine has it too.
    """
    chosen = preloaded() | {"SEQSERVE_STORE": str(store), "SEQSERVE_PORT": str(port), **settings}
    with subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env=os.environ | chosen, start_new_session=True
    ) as server:
        try:
            for _ in range(600):
                if healthcheck(Settings(port=port)) == 0:
                    break
                assert server.poll() is None, "the service stopped"
                time.sleep(0.05)
            yield server
        finally:
            if server.poll() is None:  # asked first, so that nothing is left in the temporary folder
                server.terminate()
                with suppress(subprocess.TimeoutExpired):
                    server.wait(10)
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)  # its workers too
