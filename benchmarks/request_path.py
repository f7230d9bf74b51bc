"""What the service adds: requests over HTTP beside onnxruntime alone, request by request, in microseconds a row.

One connection, one client thread, the service in a process of its own. A request is sent, then its rows are computed in
this process, then the next; the difference is taken between neighbours, so that a machine that gets slower or faster
meanwhile moves both. For texts the tokeniser counts to what is computed alone. `python -m benchmarks.request_path`
"""

import argparse
import http.client
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.serving import usage
from benchmarks.serving.contender import Dialect, Rows
from benchmarks.serving.contenders import CONTENDERS, SERVICE
from benchmarks.serving.engine import Engine, SeriesEngine, engine
from benchmarks.serving.server import serving
from benchmarks.serving.spread import spread
from benchmarks.serving.table import at_most, markdown
from benchmarks.serving.workload import LONG, SHORT, Workload

CASES = {
    "one short text": Workload("texts", 1, SHORT),
    "32 short texts": Workload("texts", 32, SHORT),
    "one long text": Workload("texts", 1, LONG),
    "one series of 56": Workload("series", 1, 56),
    "100 series of 56": Workload("series", 100, 56),
    "one series of 512": Workload("series", 1, 512),
    "100 series of 512": Workload("series", 100, 512),
}
AIMS = {"100 series of 56": 12, "100 series of 512": 45}
"""Microseconds a series that the service adds, at most."""
ROUND_SECONDS = 1.0
"""Of one case in one round."""

Turn = tuple[Callable[[], object], Callable[[], object]]
"""A request, and its rows alone."""


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    print(show(measure(parser.parse_args().rounds)))


def measure(rounds: int) -> dict[str, list[dict[str, float]]]:
    """By case and round: microseconds a request of the service, the same alone, and what is added a row.

    What is added in CPU time leaves out the wire and this client, and stands where others use the machine meanwhile.
    """
    contender = CONTENDERS[SERVICE]
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in CASES}
    engines = {workload.bundle: engine(workload.bundle) for workload in CASES.values()}
    first = next(iter(CASES.values()))
    with serving(contender, first.bundle, 1, first.rows()[0]) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.launch.port)
        for _ in range(rounds):
            for name, workload in CASES.items():
                dialect = contender.dialect(workload.rows()[0])
                assert dialect is not None
                turns = _turns(connection, dialect, workload, engines[workload.bundle])
                _once(turns)
                before = usage.cpu_seconds(server.process)
                pairs = _pairs(turns)
                cpu = (usage.cpu_seconds(server.process) - before) / len(pairs) / workload.count * 1e6
                served, bare, bare_cpu = (statistics.median(column) for column in zip(*pairs, strict=True))
                measured[name].append(
                    {
                        "served_us": served,
                        "alone_us": bare,
                        "added_us_a_row": statistics.median(own - other for own, other, _ in pairs) / workload.count,
                        "added_cpu_us_a_row": cpu - bare_cpu / workload.count,
                    }
                )
    return measured


def show(measured: Mapping[str, list[dict[str, Any]]]) -> str:
    """As Markdown."""
    lines = []
    for name, rounds in measured.items():
        columns = {key: spread(one[key] for one in rounds) for key in rounds[0]}
        added = columns["added_us_a_row"]
        aim = at_most(added, AIMS[name]) if name in AIMS else ""
        times = (columns["served_us"].show(0), columns["alone_us"].show(0), added.show(1))
        lines.append([name, *times, columns["added_cpu_us_a_row"].show(1), aim])
    header = ("", "service µs", "alone µs", "added µs a row", "added CPU µs a row", "aim, µs a row")
    title = "**overhead**: one connection, one worker, beside the same rows computed alone in process"
    return f"\n{title}\n\n{markdown(header, lines)}\n"


def _turns(connection: http.client.HTTPConnection, dialect: Dialect, workload: Workload, own: Engine) -> list[Turn]:
    rows = workload.rows()[:8]
    return list(zip(_requests(connection, dialect, workload, rows), _alone(own, rows), strict=True))


def _pairs(turns: list[Turn]) -> list[tuple[float, float, float]]:
    """Microseconds of each request, and of its rows alone with the CPU time in them, taken in turn."""
    pairs: list[tuple[float, float, float]] = []
    until = time.perf_counter() + ROUND_SECONDS
    while time.perf_counter() < until:
        pairs += _once(turns)
    return pairs


def _once(turns: list[Turn]) -> list[tuple[float, float, float]]:
    return [(_microseconds(ask)[0], *_microseconds(compute)) for ask, compute in turns]


def _microseconds(call: Callable[[], object]) -> tuple[float, float]:
    """On the clock, and on this process's CPU."""
    started, cpu = time.perf_counter(), time.process_time()
    call()
    return (time.perf_counter() - started) * 1e6, (time.process_time() - cpu) * 1e6


def _requests(
    connection: http.client.HTTPConnection, dialect: Dialect, workload: Workload, rows: list[Rows]
) -> list[Callable[[], object]]:
    def asker(own: Rows) -> Callable[[], object]:
        request = dialect.ask(workload.bundle.parent.name, own)

        def ask() -> None:
            connection.request("POST", request.path, request.body, dict(request.headers))
            response = connection.getresponse()
            answer = response.read()
            if response.status != 200:
                raise RuntimeError(answer)

        return ask

    return [asker(own) for own in rows]


def _alone(own: Engine, rows: list[Rows]) -> list[Callable[[], object]]:
    """Series are arrays beforehand: a graph reads nothing else, and to make them is the service's part."""

    def computer(one: Rows) -> Callable[[], object]:
        if isinstance(own, SeriesEngine):
            arrays = own.arrays(one)  # type: ignore[arg-type]
            return lambda: own.run(arrays)
        return lambda: own.compute(one)

    return [computer(one) for one in rows]


if __name__ == "__main__":
    main()
