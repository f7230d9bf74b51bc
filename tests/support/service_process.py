"""A service in a process of its own, as `python -m service` starts it."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.serving.preload import preloaded
from service.__main__ import healthcheck
from service.settings import Settings
from tests.support.retry import retry_until

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for_self_tests(address: str, headers: dict[str, str] | None = None) -> None:
    """Wait until a running service has tested all that its store holds."""

    def is_nothing_pending() -> bool:
        with urllib.request.urlopen(urllib.request.Request(f"{address}/models", headers=headers or {})) as response:
            return not json.load(response)["pending"]

    retry_until(is_nothing_pending)


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
            retry_until(lambda: healthcheck(Settings(port=port)) == 0 or server.poll() is not None)
            assert server.poll() is None, "the service stopped"
            yield server
        finally:
            if server.poll() is None:  # asked first, so that nothing is left in the temporary folder
                server.terminate()
                with suppress(subprocess.TimeoutExpired):
                    server.wait(10)
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)  # its workers too
