"""The service under trial: `python -m service` in a process of its own, on a copy of the shipped store."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from benchmarks.serving.preload import preloaded
from benchmarks.serving.server import free_port
from bundle.store import list_versions, version_folder

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "models_store"
FAULTY = Path(__file__).with_name("faulty")
START_SECONDS = 120


def copy_store(folder: Path, *bundles: str) -> Path:
    """A store of one's own with the shipped aliases, and all bundles, or those that are named."""
    store = folder / "store"
    names = bundles or tuple(list_versions(SHIPPED))
    for name in names:
        shutil.copytree(SHIPPED / name, store / name)
    aliases = json.loads((SHIPPED / "aliases.json").read_text())
    kept = {alias: target for alias, target in aliases.items() if target["name"] in names}
    (store / "aliases.json").write_text(json.dumps(kept))
    return store


def publish_copy(store: Path, source: Path, name: str, version: int) -> Path:
    """Publish a bundle under another name and version: one rename, as publishing does it."""
    unfinished = store / f".unfinished-{name}-{version}"
    shutil.copytree(source, unfinished)
    manifest = json.loads((unfinished / "manifest.json").read_text("utf-8"))
    (unfinished / "manifest.json").write_text(json.dumps({**manifest, "name": name, "version": version}), "utf-8")
    target = version_folder(store, name, version)
    target.parent.mkdir(exist_ok=True)
    return unfinished.rename(target)


class Service:
    """A running service, for a `with` block; ready when it is entered.

    Args:
        folder: for its log, its store if none is given, and its temporary files.
        store: what it serves.
        fault: of `faulty`, put into its processes; none unless the promise is to be broken.
        settings: by their names, in lower case.
    """

    def __init__(self, folder: Path, store: Path, fault: str | None = None, **settings: object) -> None:
        self.port = free_port()
        self.store = store
        self._folder = folder
        self._num_workers = int(str(settings.get("workers", 1)))
        self._log = folder / f"service-{self.port}.log"
        self._environment = (
            os.environ
            | preloaded()
            | {
                "SEQSERVE_STORE": str(store),
                "SEQSERVE_PORT": str(self.port),
                "SEQSERVE_LOG_LEVEL": "warning",
                **{f"SEQSERVE_{name.upper()}": str(value) for name, value in settings.items()},
            }
        )
        if fault is not None:
            self._environment |= {"PYTHONPATH": os.pathsep.join([str(FAULTY), str(ROOT)]), "PROVE_FAULT": fault}

    def __enter__(self) -> "Service":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, **environment: str) -> None:
        """Start, and wait until every model has proved itself. Raises `RuntimeError` with the log's end."""
        with open(self._log, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service"],
                cwd=ROOT,
                env=self._environment | environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.get("/readyz")[0] == 200 and not self.models()["pending"]:
                    return
            time.sleep(0.03)
        self.stop()
        raise RuntimeError(f"the service did not get ready:\n{self.printed()[-3000:]}")

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for what is left of its group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGCONT)
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(40)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def get(self, path: str, patience_seconds: float = 10) -> tuple[int, bytes]:
        """Status and body, on a connection of its own. Raises `OSError` or `HTTPException`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience_seconds)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def models(self) -> dict[str, Any]:
        """`GET /models`."""
        found: dict[str, Any] = json.loads(self.get("/models")[1])
        return found

    def answers_with(self, model: str) -> tuple[str, int]:
        """Bundle and version that answer a text, as one worker sees it. Raises `OSError` or `HTTPException`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            asked = json.dumps({"model": model, "inputs": "hello"})
            connection.request("POST", "/classify", asked, {"Content-Type": "application/json"})
            given = json.loads(connection.getresponse().read())
            return given.get("model", given.get("detail")), given.get("version", 0)
        finally:
            connection.close()

    def processes(self) -> list[psutil.Process]:
        """All of its processes, what helps Python's `multiprocessing` keep its books left out."""
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(self.process.pid)
            for process in [root, *root.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    if "resource_tracker" not in " ".join(process.cmdline()):
                        found.append(process)
        return found

    def workers(self) -> list[psutil.Process]:
        """Those that answer: of several the children that hold the port, never the process that keeps them.

        Waits while all are being replaced. Raises `RuntimeError` with the log's end when the service has ended.
        """
        until = time.monotonic() + START_SECONDS
        while (found := self.processes()) and time.monotonic() < until:
            holding = found[:1] if self._num_workers == 1 else [one for one in found[1:] if self._holds_port(one)]
            if holding:
                return holding
            time.sleep(0.05)
        raise RuntimeError(f"no worker is left:\n{self.printed()[-3000:]}")

    def _holds_port(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            return any(held.laddr.port == self.port for held in process.net_connections("tcp") if held.laddr)
        return False

    def clients_of(self, worker: psutil.Process) -> set[int]:
        """Local ports of the connections that a worker has accepted."""
        held = worker.net_connections("tcp")
        return {one.raddr.port for one in held if one.laddr.port == self.port and one.raddr}

    def rss_mb(self) -> float:
        """Memory of all its processes, in MB of 10⁶ bytes."""
        total = 0.0
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss / 1e6
        return total

    def printed(self) -> str:
        """Its log so far."""
        return self._log.read_text("utf-8", errors="replace")

    def num_tracebacks(self) -> int:
        """Exceptions that nothing foresaw, by its log: JSON lines hold theirs escaped."""
        return self.printed().count("Traceback (most recent call last)")
