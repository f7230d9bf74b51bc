"""`make bench-all`: the service beside servers of others' that hold the same bundle, and their ratios.

One peer is up at a time, beside the service and the raw ASGI application, and all three are loaded in turn, round after
round. What is measured is kept after each table; a run that was cut short goes on where it stopped. A peer that can't
be had here, doesn't start, or answers anything but 200 is left out with its reason, and tried again by the next run.
"""

import argparse
import contextlib
import datetime as dt
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from benchmarks.peers.environment import Unavailable, make
from benchmarks.peers.peer import Peer
from benchmarks.peers.peers import PEERS
from benchmarks.peers.report import ROWS, brief, report
from benchmarks.serving import usage
from benchmarks.serving.__main__ import RESULTS
from benchmarks.serving.contenders import CONTENDERS, RAW, SERVICE
from benchmarks.serving.grid import Row
from benchmarks.serving.machine import machine
from benchmarks.serving.measure import measure
from benchmarks.serving.server import Server, Unfit, serving
from benchmarks.serving.wrk import LoadFailed


def main() -> None:
    """Measure what isn't measured yet, then print every table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--peers", nargs="+", choices=[*PEERS], default=[*PEERS], metavar="NAME")
    parser.add_argument("--rounds", type=int, help="instead of each row's own number")
    parser.add_argument("--seconds", type=float, help="of one contender in one round, instead of each row's own")
    parser.add_argument("--afresh", action="store_true", help="forget what was measured")
    parser.add_argument("--output", type=Path, default=RESULTS / "peers.json")
    chosen = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed: apt-get install wrk")
    document: dict[str, Any] = {"machine": machine(), "peers": {}}
    if chosen.output.exists() and not chosen.afresh:
        document = json.loads(chosen.output.read_text("utf-8"))
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as running:
        own: dict[str, Server] = {}
        for peer in (PEERS[name] for name in chosen.peers):
            entry = document["peers"][peer.name] = kept(document["peers"].get(peer.name, {}), peer)
            left = [row for row in ROWS if row.name not in entry["rows"]]
            if not left:
                print(f"{peer.name}: measured {entry['when']}", flush=True)
                continue
            workload = left[0].workload
            try:
                make(peer)
                for name in (SERVICE, RAW):
                    if name not in own:
                        started = serving(CONTENDERS[name], workload.bundle, left[0].workers, workload.rows()[0])
                        own[name] = running.enter_context(started)
                with _up(peer, left[0]) as server:
                    for row in left:
                        print(f"{peer.name}: {row.name}", flush=True)
                        rounds, seconds = chosen.rounds or row.rounds, chosen.seconds or row.seconds
                        measured = measure(row, {**own, peer.name: server}, None, rounds, seconds)
                        entry["rows"][row.name] = {
                            name: [one.document() for one in every] for name, every in measured.items()
                        }
                        entry["when"] = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
                        chosen.output.write_text(json.dumps(document, indent=1), "utf-8")
            except (Unavailable, Unfit, LoadFailed) as error:
                entry["skipped"] = brief(str(error))
                print(f"{peer.name}: left out: {error}", flush=True)
            chosen.output.write_text(json.dumps(document, indent=1), "utf-8")
    print(report(document["peers"]))
    print(f"written to {chosen.output}")


def kept(entry: Mapping[str, Any], peer: Peer) -> dict[str, Any]:
    """What an earlier run measured of a peer: nothing if it was another version."""
    if entry.get("version") == peer.version:
        return {key: value for key, value in entry.items() if key != "skipped"}
    return {"version": peer.version, "rows": {}}


@contextlib.contextmanager
def _up(peer: Peer, row: Row) -> Iterator[Server]:
    """The peer, ended with all its processes: some leave the group they were started in."""
    below: list[psutil.Process] = []
    try:
        with serving(peer.contender(), row.workload.bundle, row.workers, row.workload.rows()[0]) as server:
            try:
                yield server
            finally:
                below = usage.tree(server.process)
    finally:
        for process in below:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


if __name__ == "__main__":
    main()
