"""`make bench`: the service beside others that do the same work, in interleaved rounds, and their ratios.

The load generator runs on the same machine, so on two CPUs the servers share them with it. An answer that is an error
fails the run, as does a contender whose first answer isn't onnxruntime's own.
"""

import argparse
import contextlib
import json
import shutil
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks import request_path
from benchmarks.serving import footprint, open_loop
from benchmarks.serving.alone import alone
from benchmarks.serving.contenders import ALONE, CONTENDERS, INLINE, RAW, SERVICE
from benchmarks.serving.grid import GRID, Row
from benchmarks.serving.machine import machine
from benchmarks.serving.measure import measure
from benchmarks.serving.server import serving
from benchmarks.serving.table import show

OTHERS = ("footprint", "open-loop", "overhead")
"""Measured beside the rows of the grid."""
RESULTS = Path(__file__).resolve().parents[1] / "results"


def main() -> None:
    """Print a table for each row that is asked for, and write them all to a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    names = [row.name for row in GRID]
    parser.add_argument("--rows", nargs="+", choices=[*names, *OTHERS], default=[*names, *OTHERS], metavar="ROW")
    parser.add_argument("--contenders", nargs="+", choices=[*CONTENDERS, ALONE], metavar="NAME", help="beside seqserve")
    parser.add_argument("--rounds", type=int, help="instead of each row's own number")
    parser.add_argument("--seconds", type=float, help="of one contender in one round, instead of each row's own")
    parser.add_argument("--list", action="store_true", help="say what can be asked for")
    parser.add_argument("--output", type=Path, default=RESULTS / "serving.json")
    chosen = parser.parse_args()
    if chosen.list:
        print("rows:", *names, *OTHERS, sep="\n  ")
        print("contenders:", *CONTENDERS, ALONE, sep="\n  ")
        return
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed: apt-get install wrk")
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = {"machine": machine(), "rows": {}}

    def keep(name: str, measured: Any, shown: str) -> None:
        print(shown, flush=True)
        document["rows"][name] = measured
        chosen.output.write_text(json.dumps(document, indent=1))

    if "footprint" in chosen.rows:
        apart = footprint.measure(
            {name: CONTENDERS[name] for name in _taking(chosen, (RAW, INLINE))}, chosen.rounds or 5
        )
        keep("footprint", apart, footprint.show(apart))
    if "overhead" in chosen.rows:
        cases = request_path.measure(chosen.rounds or 5)
        keep("overhead", cases, request_path.show(cases))
    rows = [row for row in GRID if row.name in chosen.rows]
    for (workers, bundle), group in groupby(
        sorted(rows, key=lambda row: (row.workload.bundle, -row.workers)),
        lambda row: (row.workers, row.workload.bundle),
    ):
        own = list(group)
        with contextlib.ExitStack() as running:
            taking = [name for name in _taking(chosen, CONTENDERS) if any(name in _of(row) for row in own)]
            first = own[0].workload.rows()[0]
            servers = {
                name: running.enter_context(serving(CONTENDERS[name], bundle, workers, first)) for name in taking
            }
            in_process = running.enter_context(alone(bundle, workers))
            for row in own:
                measured = measure(
                    row,
                    {name: server for name, server in servers.items() if name in _of(row)},
                    in_process if ALONE in _taking(chosen, row.against) else None,
                    chosen.rounds or row.rounds,
                    chosen.seconds or row.seconds,
                )
                rounds = {name: [one.document() for one in every] for name, every in measured.items()}
                keep(row.name, rounds, show(row, measured, SERVICE))
    if "open-loop" in chosen.rows:
        with contextlib.ExitStack() as running:
            workload = open_loop.WORKLOAD
            half = open_loop.measure(
                {
                    name: running.enter_context(serving(CONTENDERS[name], workload.bundle, 2, workload.rows()[0]))
                    for name in _taking(chosen, (RAW,))
                },
                chosen.rounds or 5,
                chosen.seconds or 2,
            )
        keep("open-loop", half, open_loop.show(half, SERVICE))
    print(f"written to {chosen.output}")


def _of(row: Row) -> tuple[str, ...]:
    return (SERVICE, *row.against)


def _taking(chosen: argparse.Namespace, able: Sequence[str] | dict[str, Any]) -> list[str]:
    """The service, and those of `able` that were asked for."""
    wanted = chosen.contenders or list(able)
    return [SERVICE, *(name for name in able if name in wanted and name != SERVICE)]


if __name__ == "__main__":
    main()
