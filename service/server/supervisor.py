"""Runs several workers on one port: starts them, replaces those that end or hang, and stops them all.

The listening socket is opened here and shared. Each worker has a socket pair to the supervisor: a byte a second from
its event loop, and its end when either side ends. uvicorn's own supervisor waits for ever for a worker that hangs.
"""

import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass

from service.server.configuration import configuration
from service.server.sockets import BACKLOG, refuse_handshakes
from service.settings import Settings

START_SECONDS = 60.0
"""Until a new worker serves, at most, on a slow disk too."""

MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.5, 30.0
"""Between attempts to start a worker that fails to start; doubled each time."""

EXIT_SECONDS = 8.0
"""That a worker has after its drain, for clients to read their last answer, and to end."""

TICK_SECONDS = 1.0

START_FAILURE = 3
"""Exit status when no worker has ever served; the same as uvicorn's."""

logger = logging.getLogger(__name__)


@dataclass
class Worker:
    """One worker process."""

    process: "subprocess.Popen[bytes]"
    heartbeat: socket.socket
    last_beat: float
    serves: bool = False

    def end(self) -> int:
        """Kill it unless it has ended; its exit status."""
        self.heartbeat.close()
        with suppress(ProcessLookupError):
            self.process.kill()
        return self.process.wait()


class Supervisor:
    """Runs `settings.workers` workers. Needs the main thread of a process of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._selector = selectors.DefaultSelector()
        self._workers: list[Worker] = []
        self._starts: list[float] = [0.0] * settings.workers
        """When the missing workers are due."""
        self._pause = 0.0
        self._has_served = False
        self._stopping = False

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; the exit status."""
        signalled, waker = socket.socketpair()
        for end in (signalled, waker):
            end.setblocking(False)
        signal.set_wakeup_fd(waker.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._selector.register(signalled, selectors.EVENT_READ)
        listening = configuration(self._settings).bind_socket()
        listening.listen(BACKLOG)
        last_iteration = time.monotonic()
        while not self._stopping:
            now = time.monotonic()
            if now - last_iteration > 2 * TICK_SECONDS:  # this process was stopped, and perhaps the workers with it
                for worker in self._workers:
                    worker.last_beat = now
            last_iteration = now
            self._replace_hanging(now)
            if not self._start_missing(now, listening.fileno()):
                logger.error("no worker can start; its messages are above")
                return START_FAILURE
            self._read_heartbeats(min([*self._starts, now + TICK_SECONDS]) - now)
            with suppress(BlockingIOError):
                signalled.recv(64)
        return self._stop_all(listening)

    def _stop(self, *_signal: object) -> None:
        self._stopping = True

    def _start_missing(self, now: float, listening: int) -> bool:
        """Start the workers that are due; False when none has ever served and the attempts are used up."""
        if self._pause > MAX_PAUSE_SECONDS and not self._has_served:
            return False
        for start in [start for start in self._starts if start <= now]:
            self._starts.remove(start)
            try:
                worker = _start(listening)
            except OSError as error:  # no memory, processes or files are left
                self._start_later(now, f"no worker can be started ({error})")
                continue
            self._workers.append(worker)
            self._selector.register(worker.heartbeat, selectors.EVENT_READ, worker)
        return True

    def _start_later(self, now: float, reason: str) -> None:
        """Start a worker after a pause that is longer each time."""
        self._pause = max(2 * self._pause, MIN_PAUSE_SECONDS)
        pause = min(self._pause, MAX_PAUSE_SECONDS)
        logger.error("%s; the next is started in %g seconds", reason, pause)
        self._starts.append(now + pause)

    def _read_heartbeats(self, seconds: float) -> None:
        """Wait for bytes of workers, and for their ends, for so long at most."""
        for key, _ in self._selector.select(max(seconds, 0)):
            worker: Worker | None = key.data
            if worker is None:
                continue
            try:
                beats = worker.heartbeat.recv(1024)
            except OSError:
                beats = b""
            if not beats:
                self._replace(worker, "ended")
                continue
            worker.last_beat = time.monotonic()
            if not worker.serves:
                worker.serves = self._has_served = True
                self._pause = 0.0
                logger.info("worker %d serves", worker.process.pid)

    def _replace_hanging(self, now: float) -> None:
        for worker in list(self._workers):
            timeout = self._settings.worker_timeout_seconds if worker.serves else START_SECONDS
            if now - worker.last_beat > timeout:
                self._replace(worker, f"has sent no heartbeat for {timeout:g} seconds")

    def _replace(self, worker: Worker, why: str) -> None:
        self._selector.unregister(worker.heartbeat)
        self._workers.remove(worker)
        # Its socket closes a moment before the process ends. A clock that jumps makes the wait fail with an `OSError`.
        with suppress(subprocess.TimeoutExpired, OSError):
            worker.process.wait(0.2)
        status = worker.end()
        ended = f"worker {worker.process.pid} {why} "
        ended += f"(by {signal.Signals(-status).name})" if status < 0 else f"(with status {status})"
        if worker.serves:
            logger.error("%s; another one is started", ended)
            self._starts.append(time.monotonic())
        else:
            self._start_later(time.monotonic(), f"{ended} before it served")

    def _stop_all(self, listening: socket.socket) -> int:
        """Let all workers drain and end; 1 if any had to be killed."""
        settings = self._settings
        began = time.monotonic()
        for worker in self._workers:
            worker.process.terminate()
        closes = began + settings.drain_delay_seconds
        deadline = closes + settings.drain_seconds + EXIT_SECONDS
        is_closed = False
        while time.monotonic() < deadline and any(worker.process.poll() is None for worker in self._workers):
            if not is_closed and time.monotonic() >= closes:
                refuse_handshakes(listening.fileno())
                is_closed = True
            with suppress(OSError):  # as above
                time.sleep(0.02)
        forced = [worker for worker in self._workers if worker.process.poll() is None]
        for worker in forced:
            logger.error("worker %d hasn't ended in time and is killed", worker.process.pid)
        for worker in self._workers:
            worker.end()
        listening.close()
        return 1 if forced else 0


def _start(listening: int) -> Worker:
    ours, its = socket.socketpair()
    with its:
        process = subprocess.Popen(  # noqa: S603 - this program itself
            [sys.executable, "-m", "service.server.worker", str(listening), str(its.fileno())],
            pass_fds=(listening, its.fileno()),
            env=os.environ,
        )
    ours.setblocking(False)
    return Worker(process, ours, time.monotonic())
