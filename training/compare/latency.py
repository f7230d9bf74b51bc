"""Latency: microseconds of one answer in onnxruntime, on one thread, of several models beside one another.

A machine that is shared is fast one second and slow the next. So the models take turns, round after round, and each
one's time is the median of its rounds' medians: what slows all of them down for a while shifts none against another.
"""

import statistics
import time
from collections.abc import Mapping

from bundle.golden import Arrays, Run

ROUNDS = 9
ROUND_SECONDS = 0.05
MIN_RUNS = 5
"""Of a round, however slow the model."""


def microseconds_per_answer(models: Mapping[str, tuple[Run, Arrays]], rounds: int = ROUNDS) -> dict[str, float]:
    """Microseconds by model, each with the inputs it is to answer."""
    for run, inputs in models.values():
        for _ in range(MIN_RUNS):
            run(inputs)
    medians: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(rounds):
        for name, (run, inputs) in models.items():
            medians[name].append(_round(run, inputs))
    return {name: statistics.median(found) for name, found in medians.items()}


def _round(run: Run, inputs: Arrays) -> float:
    times: list[float] = []
    end = time.perf_counter() + ROUND_SECONDS
    while len(times) < MIN_RUNS or time.perf_counter() < end:
        started = time.perf_counter_ns()
        run(inputs)
        times.append((time.perf_counter_ns() - started) / 1_000)
    return statistics.median(times)
