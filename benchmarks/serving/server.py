"""A contender in processes of its own: started, asked until it answers right, stopped with its whole group."""

import contextlib
import http.client
import math
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from benchmarks.serving.contender import Answers, Contender, Dialect, Launch, Request, Rows
from benchmarks.serving.engine import engine

ROOT = Path(__file__).resolve().parents[2]


class Unfit(RuntimeError):
    """A server that doesn't start, doesn't answer, or answers wrong; the message holds the end of what it printed."""


@dataclass(frozen=True)
class Server:
    """A contender that answers."""

    contender: Contender
    launch: Launch
    process: psutil.Process
    first_answer_seconds: float
    """From the start of the process to the first right answer."""


@dataclass(frozen=True)
class Question:
    """A request whose answer is known."""

    dialect: Dialect
    request: Request
    right: Answers

    def is_answered(self, body: bytes) -> bool:
        """Whether this is the right answer."""
        try:
            given = self.dialect.read(body)
        except Exception:
            return False
        return alike(given, self.right)


def question(contender: Contender, bundle: Path, rows: Rows) -> Question:
    """Rows and what onnxruntime alone answers to them; made before a server starts, which it would slow down."""
    dialect = contender.dialect(rows)
    assert dialect is not None, f"{contender.name} can't do such rows"
    return Question(dialect, dialect.ask(bundle.parent.name, rows), engine(bundle).right(rows))


@contextlib.contextmanager
def serving(contender: Contender, bundle: Path, workers: int, rows: Rows) -> Iterator[Server]:
    """Start a contender; it is ready when `rows` are answered as onnxruntime alone answers them.

    Raises `Unfit`.
    """
    asked, launch = question(contender, bundle, rows), Launch(free_port(), workers, bundle)
    with tempfile.TemporaryFile() as log:
        began = time.perf_counter()
        started = subprocess.Popen(
            contender.command(launch),
            cwd=ROOT,
            env=os.environ | contender.environment(launch),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_until_right(asked, contender, launch, started, log)
            yield Server(contender, launch, psutil.Process(started.pid), time.perf_counter() - began)
        finally:
            stop(started)


def stop(started: subprocess.Popen[bytes]) -> None:
    """Ask it to end, then end what is left of its group."""
    if started.poll() is None:
        started.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.wait(15)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(started.pid, signal.SIGKILL)
    started.wait()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def post(port: int, request: Request) -> tuple[int, bytes]:
    """Status and body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", request.path, request.body, dict(request.headers))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def alike(given: Answers, right: Answers) -> bool:
    """Whether labels are the same, and medians, but for the digits that float32 doesn't hold."""
    return len(given) == len(right) and all(map(_alike, given, right))


def _alike(given: str | list[float], right: str | list[float]) -> bool:
    if isinstance(given, str) or isinstance(right, str):
        return given == right
    close = (math.isclose(own, wanted, rel_tol=1e-4) for own, wanted in zip(given, right, strict=False))
    return len(given) == len(right) and all(close)


def wait_until_right(
    asked: Question, contender: Contender, launch: Launch, started: subprocess.Popen[bytes], log: IO[bytes]
) -> None:
    """Ask until the answer is right, or any 200 of a contender that doesn't compute. Raises `Unfit`, with the `log`."""
    until = time.perf_counter() + contender.patience_seconds
    last = "nobody listens"
    while time.perf_counter() < until and started.poll() is None:
        try:
            status, body = post(launch.port, asked.request)
        except (OSError, http.client.HTTPException):
            time.sleep(0.005)
            continue
        last = f"{status} {body[:300]!r}"
        if status == 200 and (not contender.computes or asked.is_answered(body)):
            return
        time.sleep(0.005)
    log.seek(max(0, log.seek(0, os.SEEK_END) - 2000))
    printed = log.read().decode(errors="replace")
    how = "gave no right answer" if started.poll() is None else f"ended with status {started.returncode}"
    raise Unfit(f"{contender.name} {how}; last: {last}\n{printed}")
