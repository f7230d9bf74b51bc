"""The tail while requests come at half of capacity, whatever the server does, beside the median of an idle server."""

from collections.abc import Mapping
from typing import Any

from benchmarks.serving import usage, wrk
from benchmarks.serving.server import Server
from benchmarks.serving.spread import ratio, spread
from benchmarks.serving.table import at_most, markdown
from benchmarks.serving.workload import SHORT, Workload

WORKLOAD = Workload("texts", 1, SHORT)
AIM = 4
"""p99 at half of capacity is so many times the unloaded median, at most."""


def measure(servers: Mapping[str, Server], rounds: int, seconds: float) -> dict[str, list[dict[str, float]]]:
    """By contender and round: capacity at 64 connections, median at one, p50 and p99 at half of capacity."""
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
    for number in range(rounds):
        for name, server in servers.items():
            dialect = server.contender.texts
            assert dialect is not None, name
            requests, port = WORKLOAD.requests(dialect), server.launch.port
            capacity = wrk.closed(port, requests, 64, seconds).rate
            unloaded = wrk.closed(port, requests, 1, max(1, seconds / 2))
            half = wrk.opened(port, requests, capacity / 2, 2.5 * seconds, seed=number)
            usage.settle(server.process)
            measured[name].append(
                {
                    "capacity": capacity,
                    "unloaded_p50_ms": unloaded.p50_ms,
                    "rate": half.rate,
                    "p50_ms": half.p50_ms,
                    "p99_ms": half.p99_ms,
                }
            )
    return measured


def show(measured: Mapping[str, list[dict[str, Any]]], first: str) -> str:
    """As Markdown."""
    lines = []
    for name, rounds in measured.items():
        columns = {key: [one[key] for one in rounds] for key in rounds[0]}
        tail = ratio(columns["p99_ms"], columns["unloaded_p50_ms"])
        lines.append(
            [
                name,
                *(f"{spread(columns[key]).median:,.0f}" for key in ("capacity", "rate")),
                *(f"{spread(columns[key]).median:.2f}" for key in ("unloaded_p50_ms", "p50_ms", "p99_ms")),
                f"{tail.show()} ×",
                at_most(tail, AIM) if name == first else "",
            ]
        )
    header = ("", "capacity/s", "arrivals/s", "unloaded p50 ms", "p50 ms", "p99 ms", "p99 / unloaded p50", "")
    title = f"**open-loop**: Poisson arrivals at half of capacity, one short text, {len(measured[first])} rounds"
    return f"\n{title}\n\n{markdown(header, lines)}\n"
