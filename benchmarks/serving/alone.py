"""Tokeniser and onnxruntime alone, without HTTP, in as many processes as a server has workers.

The processes are kept and told what to do, so that no round pays for their start.
"""

import contextlib
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.serving.contender import Rows
from benchmarks.serving.engine import engine


class Alone:
    """The processes."""

    def __init__(self, pipes: Sequence["Connection[object, tuple[int, float, float]]"]) -> None:
        self._pipes = pipes

    def run(self, requests: Sequence[Rows], seconds: float) -> tuple[float, float]:
        """Requests' worth of rows a second, each computed as one batch, and CPU seconds per thousand of them."""
        for pipe in self._pipes:
            pipe.send((requests, seconds))
        counted = [pipe.recv() for pipe in self._pipes]
        cpu = sum(own for _, _, own in counted)
        return sum(count / spent for count, spent, _ in counted), cpu / sum(count for count, _, _ in counted) * 1000


@contextlib.contextmanager
def alone(bundle: Path, processes: int) -> Iterator[Alone]:
    """Start them and, in the end, stop them."""
    context = multiprocessing.get_context("spawn")
    pairs = [context.Pipe() for _ in range(processes)]
    running = [context.Process(target=_serve, args=(bundle, theirs), daemon=True) for _, theirs in pairs]
    for process in running:
        process.start()
    try:
        yield Alone([ours for ours, _ in pairs])
    finally:
        for process in running:
            process.terminate()
            process.join()


def _serve(bundle: Path, pipe: "Connection[tuple[int, float, float], tuple[Sequence[Rows], float]]") -> None:
    own = engine(bundle)
    while True:
        requests, seconds = pipe.recv()
        own.compute(requests[0])
        count, began, cpu = 0, time.perf_counter(), time.process_time()
        while (spent := time.perf_counter() - began) < seconds:
            own.compute(requests[count % len(requests)])
            count += 1
        pipe.send((count, spent, time.process_time() - cpu))
