"""A fresh process: time to its first answer, memory with every model in use, CPU while nobody asks.

Each round starts the service once for every alias of the store and asks for that alias at once, again and again until
it answers. Times count from the start of the process; the first answer must be the one that is given later, too.
`python -m benchmarks.start [--rounds 5] [--models 200] [--idle-seconds 60]`
"""

import argparse
import contextlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.serving.preload import preloaded
from bundle.manifest import Manifest
from bundle.store import list_versions, publish, read_aliases, read_bundle, set_alias, version_folder

ROOT = Path(__file__).resolve().parents[1]
SHORT = "can you pick up some milk on the way home, and call me when you are there"
SERIES = [float(500_000 + 1_000 * (day % 7)) for day in range(112)]


def main() -> None:
    """Print medians of the rounds, each with its spread."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", type=int, help="of one shipped model so many copies instead of the shipped store")
    parser.add_argument("--idle-seconds", type=float, default=60)
    chosen = parser.parse_args()
    with contextlib.ExitStack() as stack:
        store = ROOT / "models_store"
        if chosen.models:
            store = copies(Path(stack.enter_context(tempfile.TemporaryDirectory())), chosen.models)
        measure(store, chosen.rounds, chosen.idle_seconds)


def copies(store: Path, count: int) -> Path:
    """A store of `count` models, each a copy of the shipped `spam-cnn`."""
    shipped = ROOT / "models_store"
    bundle = read_bundle(version_folder(shipped, "spam-cnn", list_versions(shipped)["spam-cnn"][-1]))
    for number in range(count):
        name = f"copy-{number}"

        def describe(version: int, checksums: dict[str, str], name: str = name) -> Manifest:
            return bundle.manifest.model_copy(update={"name": name, "version": version, "files": checksums})

        publish(store, name, bundle.files, describe)
    set_alias(store, "copy", "copy-0")
    return store


def measure(store: Path, rounds: int, idle_seconds: float) -> None:
    """Start, ask, look at memory; the last process is left alone for a while at the end."""
    asked = {name: request_to(store, name, found[-1]) for name, found in list_versions(store).items()}
    aliases = {alias: asked[target.name] for alias, target in read_aliases(store).items()}
    figures: dict[str, list[float]] = {}
    for number in range(rounds):
        for alias, (path, body) in aliases.items():
            with Process(store) as service:
                first = service.until_answered("POST", path, body)
                note(figures, f"s to the first answer of {alias}", service.age_seconds)
                note(figures, "s of CPU to the first answer, of whichever", service.cpu_seconds())
                service.until_answered("GET", "/readyz")
                note(figures, "s to readiness", service.age_seconds)
                if service.until_answered("POST", path, body) != first:
                    raise SystemExit(f"the first answer of {alias} is not that of later")
                for other, content in asked.values():
                    service.until_answered("POST", other, content)
                time.sleep(2)  # what is freed comes back within a poll of the store
                for kind, megabytes in service.memory_megabytes().items():
                    note(figures, f"MB of memory ({kind}), every model used", megabytes)
                if number == rounds - 1 and alias == list(aliases)[-1]:
                    before = service.cpu_seconds()
                    time.sleep(idle_seconds)
                    note(figures, "% of a CPU while idle", (service.cpu_seconds() - before) / idle_seconds * 100)
    for what, values in figures.items():
        print(f"{statistics.median(values):8.2f} {what}  ({min(values):.2f} to {max(values):.2f})")


def note(figures: dict[str, list[float]], what: str, value: float) -> None:
    """Add one value."""
    figures.setdefault(what, []).append(value)


def request_to(store: Path, name: str, version: int) -> tuple[str, dict[str, object]]:
    """Path and body that ask one model."""
    manifest = Manifest.model_validate_json((version_folder(store, name, version) / "manifest.json").read_bytes())
    if manifest.spec.task == "classify":
        return "/classify", {"model": name, "inputs": SHORT}
    return "/forecast", {"model": name, "values": SERIES}


class Process:
    """The service on a free port, from its start; stopped when left."""

    def __init__(self, store: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        settings = {"SEQSERVE_PORT": str(self._port), "SEQSERVE_STORE": str(store), "SEQSERVE_LOG_LEVEL": "warning"}
        self._started = time.perf_counter()
        environment = os.environ | preloaded() | settings
        self._process = subprocess.Popen([sys.executable, "-m", "service"], cwd=ROOT, env=environment)

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_raised: object) -> None:
        self._process.terminate()
        self._process.wait(30)

    @property
    def age_seconds(self) -> float:
        """Since the start."""
        return time.perf_counter() - self._started

    def until_answered(self, method: str, path: str, body: object = None) -> Any:
        """The answer, once it is a 200."""
        content = None if body is None else json.dumps(body).encode()
        for _ in self._attempts():
            connection = http.client.HTTPConnection("127.0.0.1", self._port)
            try:
                connection.request(method, path, content, {"Content-Type": "application/json"})
                response = connection.getresponse()
                answer = response.read()
                if response.status == 200:
                    return json.loads(answer)
            except OSError:
                pass
            finally:
                connection.close()
        raise SystemExit(f"{path} was not answered within a minute")

    def _attempts(self) -> Iterator[None]:
        until = time.perf_counter() + 60
        while time.perf_counter() < until:
            yield
            if self._process.poll() is not None:
                raise SystemExit("the service stopped")
            time.sleep(0.002)

    def memory_megabytes(self) -> dict[str, float]:
        """RSS; PSS, where pages shared with other processes count in part; USS, what only this process holds."""
        lines = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text().splitlines()[1:]
        kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
        own = kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]
        return {
            kind: size * 1024 / 1e6
            for kind, size in {"RSS": kilobytes["Rss"], "PSS": kilobytes["Pss"], "USS": own}.items()
        }

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
