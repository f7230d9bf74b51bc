"""Keeps several workers on one port: starts them, replaces those that end or hang, and stops them all.

The listening socket is opened here and shared: what waits at the port while a worker is replaced waits for the others.
uvicorn's own supervisor asks each worker in turn whether its process is there, up to five seconds each, sees signals
twice a second, waits for ever for a worker that hangs while stopping, and leaves workers behind when it is killed.
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
from service.server.connection_counts import ABSENT, ConnectionCounts, make_counts
from service.server.sockets import BACKLOG, refuse_handshakes
from service.settings import Settings

START_SECONDS = 60.0
"""Until a new worker serves, at most; reading from a slow disk counted."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0
"""Between attempts to start a worker that doesn't come up; doubled each time."""

SPARE_SECONDS = 8.0
"""That a worker has beyond its draining, for callers to read their last answer, and to end."""

TICK_SECONDS = 1.0

START_FAILURE = 3
"""Exit status when no worker has ever come up; uvicorn has the same."""

logger = logging.getLogger(__name__)


@dataclass
class Worker:
    """One worker process."""

    process: "subprocess.Popen[bytes]"
    line: socket.socket
    place: int
    last_beat: float
    serves: bool = False

    def end(self) -> int:
        """Make sure that it has ended; its status."""
        self.line.close()
        with suppress(ProcessLookupError):
            self.process.kill()
        return self.process.wait()


class Supervisor:
    """Keeps `settings.workers` of them. To be run in the main thread of a process of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._selector = selectors.DefaultSelector()
        self._workers: list[Worker] = []
        self._counts_file = make_counts(settings.workers)
        self._counts = [ConnectionCounts(self._counts_file, place) for place in range(settings.workers)]
        """By place."""
        self._starts: list[float] = [0.0] * settings.workers
        """When the missing workers are to be started."""
        self._pause = 0.0
        self._has_served = False
        self._told_to_stop = False

    def run(self) -> int:
        """Until SIGTERM or SIGINT; the exit status."""
        signalled, waker = socket.socketpair()
        for end in (signalled, waker):
            end.setblocking(False)
        signal.set_wakeup_fd(waker.fileno())
        for stopping in (signal.SIGTERM, signal.SIGINT):
            signal.signal(stopping, self._stop)
        self._selector.register(signalled, selectors.EVENT_READ)
        listening = configuration(self._settings).bind_socket()
        listening.listen(BACKLOG)
        last_turn = time.monotonic()
        while not self._told_to_stop:
            now = time.monotonic()
            if now - last_turn > 2 * TICK_SECONDS:  # it was we who stood still, and perhaps the workers with us
                for worker in self._workers:
                    worker.last_beat = now
            last_turn = now
            self._replace_hanging(now)
            if not self._start_missing(now, listening.fileno()):
                logger.error("no worker can start; its messages are above")
                return START_FAILURE
            self._wait_for_news(min([*self._starts, now + TICK_SECONDS]) - now)
            with suppress(BlockingIOError):
                signalled.recv(64)
        return self._stop_all(listening)

    def _stop(self, *_signal: object) -> None:
        self._told_to_stop = True

    def _start_missing(self, now: float, listening: int) -> bool:
        """Start those whose time has come; False when it is no use."""
        if self._pause > LONGEST_PAUSE_SECONDS and not self._has_served:
            return False
        for start in [start for start in self._starts if start <= now]:
            self._starts.remove(start)
            try:
                worker = _start(listening, self._counts_file, self._free_place())
            except OSError as error:  # no memory, processes or files are left
                again = self._pause_longer()
                logger.error("no worker can be started (%s); it is tried again in %g seconds", error, again)
                self._starts.append(now + again)
                continue
            self._workers.append(worker)
            self._selector.register(worker.line, selectors.EVENT_READ, worker)
        return True

    def _free_place(self) -> int:
        return min(set(range(self._settings.workers)) - {worker.place for worker in self._workers})

    def _wait_for_news(self, seconds: float) -> None:
        """Take note of beats and ends, for so long at most."""
        for key, _ in self._selector.select(max(seconds, 0)):
            worker: Worker | None = key.data
            if worker is None:
                continue
            try:
                beats = worker.line.recv(1024)
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
            patience = self._settings.worker_timeout_seconds if worker.serves else START_SECONDS
            if now - worker.last_beat > patience:
                self._replace(worker, f"has shown no sign of life for {patience:g} seconds")

    def _replace(self, worker: Worker, why: str) -> None:
        self._selector.unregister(worker.line)
        self._workers.remove(worker)
        # Its line is closed a moment before it ends. A clock that jumps can end the wait with an error of the system.
        with suppress(subprocess.TimeoutExpired, OSError):
            worker.process.wait(0.2)
        status = worker.end()
        self._counts[worker.place].tell(ABSENT)
        ended = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        if worker.serves:
            logger.error("worker %d %s (%s); another takes its place", worker.process.pid, why, ended)
        else:
            again = self._pause_longer()
            logger.error(
                "worker %d %s (%s) before it served; the next is started in %g seconds",
                worker.process.pid,
                why,
                ended,
                again,
            )
        self._starts.append(time.monotonic() + min(self._pause, LONGEST_PAUSE_SECONDS))

    def _pause_longer(self) -> float:
        """Seconds until the next attempt."""
        self._pause = max(2 * self._pause, FIRST_PAUSE_SECONDS)
        return min(self._pause, LONGEST_PAUSE_SECONDS)

    def _stop_all(self, listening: socket.socket) -> int:
        """Let all drain, then end; 1 if any had to be ended by force."""
        settings = self._settings
        began = time.monotonic()
        for worker in self._workers:
            worker.process.terminate()
        closes = began + settings.drain_delay_seconds
        deadline = closes + settings.drain_seconds + SPARE_SECONDS
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


def _start(listening: int, counts: int, place: int) -> Worker:
    ours, its = socket.socketpair()
    with its:
        process = subprocess.Popen(  # noqa: S603 - this program itself
            [sys.executable, "-m", "service.server.worker", *map(str, (listening, its.fileno(), counts, place))],
            pass_fds=(listening, its.fileno(), counts),
            env=os.environ,
        )
    ours.setblocking(False)
    return Worker(process, ours, place, time.monotonic())
