"""Where the microseconds of a request go: `python -m benchmarks.microseconds [CHECKOUT …]`, old and new in turns.

The service of each checkout is loaded with one short text a request over 64 connections, while py-spy looks at its
stack; its CPU time an answer is divided by what it was seen doing. Sampling costs a few percent, so the sums are a
little above those of `benchmarks.serving`.
"""

import argparse
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.serving import usage, wrk
from benchmarks.serving.contenders import CONTENDERS, SERVICE
from benchmarks.serving.preload import preloaded
from benchmarks.serving.server import ROOT, free_port, post, stop
from benchmarks.serving.spread import spread
from benchmarks.serving.table import markdown
from benchmarks.serving.workload import SHORT, Workload

WORK = {
    "onnxruntime": r"\(onnxruntime/",
    "tokeniser": r"\(bundle/text",
    "batches: queue, padding, handing back": r"\(service/(\w*batcher|series_engine|admission|backlog|runtime)",
    "metrics": r"\(prometheus_client/|\(service/(metrics|tally|drift|exposition)",
    "log line, phases, request id": r"\(logging/|\(service/(logs|request_record|observer)",
    "reading and validating the body": r"_validated \(|\(service/(payload|schema)",
    "HTTP server": r"\(uvicorn/|\(service/server/",
    "labels, scores, answer": r"\((service|bundle)/(?!__main__)",
}
"""What a function does, by its name and file."""
REST = "event loop and all else"

CONNECTIONS, SECONDS, SAMPLES_A_SECOND = 64, 8, 400


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.microseconds", description=__doc__)
    parser.add_argument("checkouts", type=Path, nargs="*", default=[ROOT], metavar="CHECKOUT")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    found: dict[tuple[Path, str], list[float]] = defaultdict(list)
    for _ in range(chosen.rounds):
        for checkout in chosen.checkouts:
            for work, microseconds in measure(checkout).items():
                found[checkout, work].append(microseconds)
    works = [*WORK, REST, "in all"]
    cells = [[work, *(_cell(found[checkout, work]) for checkout in chosen.checkouts)] for work in works]
    print(markdown(["µs of CPU a request", *(checkout.resolve().name for checkout in chosen.checkouts)], cells))


def _cell(values: list[float]) -> str:
    return spread(values).show(0) if values else "0"


def measure(checkout: Path) -> dict[str, float]:
    """Microseconds a request by what they went to, and `in all`."""
    workload = Workload("texts", 1, SHORT)
    dialect = CONTENDERS[SERVICE].dialect(workload.rows()[0])
    assert dialect is not None
    requests = workload.requests(dialect)
    with _service(checkout) as (process, port), tempfile.NamedTemporaryFile(suffix=".raw") as sampled:
        for _ in range(300):
            with contextlib.suppress(OSError):
                if post(port, requests[0])[0] == 200:
                    break
            time.sleep(0.1)
        wrk.closed(port, requests, CONNECTIONS, 3)  # it learns how long a row takes
        sampler = threading.Thread(target=_sample, args=(process.pid, sampled.name))
        before = usage.cpu_seconds(process)
        sampler.start()
        load = wrk.closed(port, requests, CONNECTIONS, SECONDS)
        spent = (usage.cpu_seconds(process) - before) / load.requests * 1e6
        sampler.join()
        seen = classify(Path(sampled.name).read_text())
    return {work: spent * count / seen.total() for work, count in seen.items()} | {"in all": spent}


def classify(stacks: str) -> Counter[str]:
    """Samples by what the innermost function does that `WORK` knows; idle threads don't count.

    Args:
        stacks: py-spy's format `raw`: a stack, outermost first, and its count a line.
    """
    seen: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")[::-1]
        if "_worker (" in frames[0]:  # a pool's thread that waits for work
            continue
        known = (work for frame in frames for work, pattern in WORK.items() if re.search(pattern, frame))
        seen[next(known, REST)] += int(count)
    return seen


def _sample(pid: int, path: str) -> None:
    how = ["--nonblocking", "--rate", str(SAMPLES_A_SECOND), "--duration", str(SECONDS), "--format", "raw"]
    command = [str(Path(sys.executable).with_name("py-spy")), "record", *how, "--output", path, "--pid", str(pid)]
    subprocess.run(command, check=True, capture_output=True)


@contextlib.contextmanager
def _service(checkout: Path) -> Iterator[tuple[psutil.Process, int]]:
    port = free_port()
    started = subprocess.Popen(
        [sys.executable, "-m", "service"],
        cwd=checkout,
        env=os.environ | preloaded() | {"SEQSERVE_PORT": str(port)},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield psutil.Process(started.pid), port
    finally:
        stop(started)


if __name__ == "__main__":
    main()
