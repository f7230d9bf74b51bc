"""One row of the grid: every contender in turn, round after round, so that what is compared ran side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.serving import usage, wrk
from benchmarks.serving.alone import Alone
from benchmarks.serving.contenders import ALONE
from benchmarks.serving.grid import Row
from benchmarks.serving.server import Server

WARM_SECONDS = 1


@dataclass(frozen=True)
class Round:
    """One contender in one round."""

    rate: float
    """Requests a second."""
    cpu_seconds: float
    """Of the server, per thousand answers."""
    p50_ms: float | None = None
    p99_ms: float | None = None

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def measure(
    row: Row, servers: Mapping[str, Server], alone: Alone | None, rounds: int, seconds: float
) -> dict[str, list[Round]]:
    """By contender, one entry a round. Raises `LoadFailed` for any answer that is an error."""
    requests = {}
    for name, server in servers.items():
        dialect = server.contender.dialect(row.workload.rows()[0])
        assert dialect is not None, name
        requests[name] = row.workload.requests(dialect)
        wrk.closed(server.launch.port, requests[name], row.connections, WARM_SECONDS)
        usage.settle(server.process)
    measured: dict[str, list[Round]] = {name: [] for name in (*servers, *([ALONE] if alone else []))}
    for _ in range(rounds):
        for name, server in servers.items():
            before = usage.cpu_seconds(server.process)
            load = wrk.closed(server.launch.port, requests[name], row.connections, seconds)
            spent = usage.cpu_seconds(server.process) - before
            measured[name].append(Round(load.rate, spent / load.requests * 1000, load.p50_ms, load.p99_ms))
            usage.settle(server.process)
        if alone:
            measured[ALONE].append(Round(*alone.run(row.workload.rows(), seconds)))
    return measured


def rates(rounds: Sequence[Round]) -> list[float]:
    """Requests a second, a value a round."""
    return [one.rate for one in rounds]
