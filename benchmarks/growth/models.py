"""What the number of models in the store costs: time to the first answer, memory, and throughput over all of them.

The models are copies of one small shipped bundle under other names.
"""

import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.serving import usage, wrk
from benchmarks.serving.contender import SEQSERVE_TEXTS
from benchmarks.serving.contenders import CONTENDERS, SERVICE
from benchmarks.serving.server import Unfit, post, serving
from benchmarks.serving.workload import SHORT, Workload
from bundle.manifest import Manifest
from bundle.store import publish, read_bundle, version_folder

COUNTS = (1, 10, 50, 100, 200)
CONNECTIONS = 16
SETTLE_SECONDS = 3
PATIENCE_SECONDS = 300


def copies(source: Path, store: Path, count: int) -> list[str]:
    """Publish so many copies of a bundle's folder into a store, each under a name of its own; gives the names."""
    bundle = read_bundle(source)
    names = [f"copy-{number}" for number in range(count)]
    for name in names:

        def describe(version: int, checksums: dict[str, str], name: str = name) -> Manifest:
            return bundle.manifest.model_copy(update={"name": name, "version": version, "files": checksums})

        publish(store, name, bundle.files, describe)
    return names


def measure(rounds: int, seconds: float) -> dict[str, Any]:
    """Figures at each count: `{"at": […], "first_answer_seconds": [[round, …], …], …}`."""
    measured: dict[str, list[list[float]]] = {
        name: [[] for _ in COUNTS] for name in ("first_answer_seconds", "rss_fresh", "rss_all_asked", "requests_s")
    }
    with tempfile.TemporaryDirectory() as folder:
        for index, count in enumerate(COUNTS):
            store = Path(folder) / str(count)
            store.mkdir()
            names = copies(Workload("texts", 1, SHORT).bundle, store, count)
            for _ in range(rounds):
                for name, value in _once(store, names, seconds).items():
                    measured[name][index].append(value)
    return {"axis": "models in the store", "at": list(COUNTS), **measured}


def _once(store: Path, names: list[str], seconds: float) -> dict[str, float]:
    rows = Workload("texts", 1, SHORT).rows()
    service = dataclasses.replace(CONTENDERS[SERVICE], patience_seconds=PATIENCE_SECONDS)
    with serving(service, version_folder(store, names[0], 1), 1, rows[0]) as server:
        time.sleep(SETTLE_SECONDS)
        fresh = _largest(server.process)
        port = server.launch.port
        requests = [SEQSERVE_TEXTS.ask(names[index % len(names)], own) for index, own in enumerate(rows)]
        for request in requests[: len(names)]:
            status, body = post(port, request)
            if status != 200:
                raise Unfit(f"{status} {body[:300]!r}")
        load = wrk.closed(port, requests, CONNECTIONS, seconds)
        return {
            "first_answer_seconds": server.first_answer_seconds,
            "rss_fresh": fresh,
            "rss_all_asked": _largest(server.process),
            "requests_s": load.rate,
        }


def _largest(process: psutil.Process) -> float:
    return max(one.rss for one in usage.memory(process))
