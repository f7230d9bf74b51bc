"""Ten million requests, and the memory they leave: `python -m benchmarks.soak`. Stop it with Ctrl-C, start it to go on.

Of a hundred requests ninety carry one short text, nine one series, one 32 texts. The service runs apart from the load:
stopped, the load goes on later against the same processes, whose memory is what counts. Should they be gone, because
the machine was restarted or `--end` was said, new ones start, and with them a new segment with its own first and last
memory: the record never joins the memory of two. An answer that is an error ends the run.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.serving import usage, wrk
from benchmarks.serving.contender import Launch, Request
from benchmarks.serving.contenders import CONTENDERS, SERVICE
from benchmarks.serving.machine import machine
from benchmarks.serving.server import ROOT, free_port, question, wait_until_right
from benchmarks.serving.table import markdown
from benchmarks.serving.workload import SHORT, Workload

RECORD = ROOT / "benchmarks" / "results" / "soak.json"
CONNECTIONS = 64
BURST_SECONDS = 10
"""Of load between two looks at memory."""
LOG_BYTES = 100_000_000
"""What the service writes is thrown away beyond so much: a line a request makes gigabytes."""
WARM_REQUESTS = 100_000
"""What memory is compared with: the first look after so many."""
MIX = {Workload("texts", 1, SHORT): 90, Workload("series", 1, 56): 9, Workload("texts", 32, SHORT): 1}
"""Requests of each kind in a hundred."""


@dataclass
class Look:
    """Memory at one moment."""

    requests: int
    """Answered by these processes so far."""
    rss_mb: list[float]
    """Of each process, the largest first."""
    uss_mb: list[float]


@dataclass
class Segment:
    """The load that one set of processes got."""

    pid: int
    created: float
    """When the process was created, by which it is told from another of the same number."""
    port: int
    workers: int
    looks: list[Look] = field(default_factory=list)

    @property
    def requests(self) -> int:
        """Answered so far."""
        return self.looks[-1].requests if self.looks else 0

    @property
    def warm(self) -> Look | None:
        """The look that later ones are compared with; None so far."""
        return next((look for look in self.looks if look.requests >= WARM_REQUESTS), None)

    def process(self) -> psutil.Process | None:
        """The service, if it still runs."""
        try:
            found = psutil.Process(self.pid)
            return found if found.create_time() == self.created and found.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def main() -> None:
    """Load until the requests are answered, then say what happened to memory."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000_000, help="of all segments together")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--record", type=Path, default=RECORD)
    parser.add_argument("--end", action="store_true", help="end the service and say how far it came")
    chosen = parser.parse_args()
    segments, log = read(chosen.record), chosen.record.with_suffix(".log")
    if not chosen.end:
        chosen.record.parent.mkdir(parents=True, exist_ok=True)
        mix = mixed()
        while sum(segment.requests for segment in segments) < chosen.requests:
            if not segments or segments[-1].process() is None:
                segments.append(_start(chosen.workers, log))
            _burst(segments[-1], mix)
            write(chosen.record, segments)
            if log.exists() and log.stat().st_size > LOG_BYTES:
                os.truncate(log, 0)
    print(show(segments))
    if segments and (service := segments[-1].process()):
        service.send_signal(signal.SIGTERM)


def mixed() -> list[Request]:
    """A thousand requests in the proportions of `MIX`, in random order."""
    requests = []
    for workload, share in MIX.items():
        dialect = CONTENDERS[SERVICE].dialect(workload.rows()[0])
        assert dialect is not None
        different = workload.requests(dialect)
        requests += [different[index % len(different)] for index in range(share * 10)]
    random.Random(0).shuffle(requests)
    return requests


def read(record: Path) -> list[Segment]:
    """What was recorded; nothing where there is no record."""
    if not record.exists():
        return []
    segments = json.loads(record.read_text())["segments"]
    return [Segment(**{**segment, "looks": [Look(**look) for look in segment["looks"]]}) for segment in segments]


def write(record: Path, segments: Sequence[Segment]) -> None:
    """Replace the record in one step: a run can be stopped at any moment."""
    unfinished = record.with_suffix(".unfinished")
    document: dict[str, Any] = {"machine": machine(), "segments": [asdict(segment) for segment in segments]}
    unfinished.write_text(json.dumps(document, indent=1))
    unfinished.rename(record)


def show(segments: Sequence[Segment]) -> str:
    """As Markdown: memory of each process after the first hundred thousand requests and at the end of its segment."""
    lines = []
    for number, segment in enumerate(segments, start=1):
        warm = segment.warm
        if warm is None:
            lines.append([str(number), f"{segment.requests:,}", "too few to tell", "", "", ""])
            continue
        last = segment.looks[-1]
        most = max(max(look.rss_mb) for look in segment.looks)
        grown = max(last.rss_mb) - max(warm.rss_mb)
        cells = (_several(warm.rss_mb), _several(last.rss_mb), f"{grown:+.1f}", f"{most:.0f}")
        lines.append([str(number), f"{segment.requests:,}", *cells])
    total = sum(segment.requests for segment in segments)
    header = ("segment", "requests", f"RSS MB at {WARM_REQUESTS:,}", "RSS MB at the end", "largest, grown by", "peak")
    return f"{markdown(header, lines)}\n\n{total:,} requests, none failed"


def _several(megabytes: Sequence[float]) -> str:
    return " ".join(f"{one:.0f}" for one in megabytes)


def _start(workers: int, log: Path) -> Segment:
    """The service, in a session of its own: it stays when the load is stopped. Raises `Unfit`."""
    workload = next(iter(MIX))
    launch, contender = Launch(free_port(), workers, workload.bundle), CONTENDERS[SERVICE]
    asked = question(contender, launch.bundle, workload.rows()[0])
    log.unlink(missing_ok=True)
    with open(log, "a+b") as printed:  # it may be cut while it is written
        started = subprocess.Popen(
            contender.command(launch),
            cwd=ROOT,
            env=os.environ | contender.environment(launch),
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        wait_until_right(asked, contender, launch, started, printed)
    return Segment(started.pid, psutil.Process(started.pid).create_time(), launch.port, workers)


def _burst(segment: Segment, mix: Sequence[Request]) -> None:
    load = wrk.closed(segment.port, mix, CONNECTIONS, BURST_SECONDS)
    process = segment.process()
    if process is None:
        sys.exit("the service ended under load")
    time.sleep(0.5)
    memory = sorted(usage.memory(process), key=lambda one: one.rss, reverse=True)
    look = Look(segment.requests + load.requests, [one.rss for one in memory], [one.uss for one in memory])
    segment.looks.append(look)
    print(f"{look.requests:12,} requests, {load.rate:6,.0f}/s, RSS MB {_several(look.rss_mb)}", flush=True)


if __name__ == "__main__":
    main()
