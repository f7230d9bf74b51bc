"""Throughput of the service, and of onnxruntime alone, at each point of a curve, in interleaved rounds.

A round goes through all points, so that a machine that gets slower meanwhile widens every point instead of bending the
curve.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.serving import usage, wrk
from benchmarks.serving.alone import alone
from benchmarks.serving.contenders import ALONE, CONTENDERS, SERVICE
from benchmarks.serving.server import serving
from benchmarks.serving.workload import ANY_LENGTH_MODEL, SHORT, Workload

WARM_SECONDS = 1


@dataclass(frozen=True)
class Point:
    """One place on a curve."""

    workload: Workload
    workers: int = 2
    connections: int = 16


@dataclass(frozen=True)
class Curve:
    """What grows, and from what to what."""

    axis: str
    unit: str
    """What is counted a second."""
    at: tuple[int, ...]
    point: Callable[[int], Point]


_SHORT = Workload("texts", 1, SHORT)

CURVES = {
    "workers": Curve("workers", "texts/s", (1, 2, 3, 4), lambda workers: Point(_SHORT, workers, 64)),
    "texts": Curve(
        "texts a request",
        "texts/s",
        (1, 4, 16, 64, 256, 1024),
        # As many connections as keep both workers busy: of 16 requests of 1,024 texts none would be answered in time.
        lambda count: Point(replace(_SHORT, count=count), connections=max(2, 64 // count)),
    ),
    "words": Curve(
        "words a text",
        "texts/s",
        (3, 12, 50, 150, 300, 1000, 3000),
        lambda length: Point(replace(_SHORT, length=length)),
    ),
    "points": Curve(
        "points a series",
        "series/s",
        (7, 28, 56, 112, 224, 448, 1000, 4000, 10_000),
        lambda length: Point(Workload("series", 1, length, ANY_LENGTH_MODEL)),
    ),
}


def measure(curve: Curve, rounds: int, seconds: float) -> dict[str, Any]:
    """Rows a second at each point: `{"at": […], "seqserve": [[round, …], …], …}`. Raises `LoadFailed`."""
    points = [curve.point(at) for at in curve.at]
    measured: dict[str, list[list[float]]] = {name: [[] for _ in points] for name in (SERVICE, ALONE)}
    with contextlib.ExitStack() as running:
        first = points[0].workload
        by_workers = {point.workers: None for point in points}
        servers = {
            workers: running.enter_context(serving(CONTENDERS[SERVICE], first.bundle, workers, first.rows()[0]))
            for workers in by_workers
        }
        processes = {workers: running.enter_context(alone(first.bundle, workers)) for workers in by_workers}
        for number in range(rounds):
            for index, point in enumerate(points):
                count, server = point.workload.count, servers[point.workers]
                dialect = server.contender.dialect(point.workload.rows()[0])
                assert dialect is not None
                requests = point.workload.requests(dialect)
                if number == 0:
                    wrk.closed(server.launch.port, requests, point.connections, WARM_SECONDS)
                load = wrk.closed(server.launch.port, requests, point.connections, seconds)
                measured[SERVICE][index].append(load.rate * count)
                usage.settle(server.process)
                rate, _cpu = processes[point.workers].run(point.workload.rows(), seconds / 2)
                measured[ALONE][index].append(rate * count)
    return {"axis": curve.axis, "unit": curve.unit, "at": list(curve.at), **measured}
