"""Steps with state: several streams share batches, and each keeps its own state."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from bundle.golden import Arrays
from service.engine.batcher import Batcher, Limits
from service.engine.columns import ColumnEngine, Columns, step
from service.telemetry.request_record import RequestRecord

batch_sizes: list[int] = []


def running_sum(arrays: Arrays) -> Arrays:
    """A graph: adds its input to its state, and gives the mean so far."""
    batch_sizes.append(len(arrays["x"]))
    total, count = arrays["state.total"] + arrays["x"], arrays["state.count"] + 1
    return {"mean": total / count, "state.total": total, "state.count": count}


async def stream(batcher: Batcher[Columns, Columns], values: list[float]) -> list[float]:
    state = Columns({"state.total": np.zeros((1, 1)), "state.count": np.zeros((1, 1))})
    means = []
    for value in values:
        inputs = Columns({"x": np.array([[value]])})
        state, outputs = await step(batcher, state, inputs, time.monotonic() + 60, RequestRecord())
        assert state.arrays.keys() == {"state.total", "state.count"}
        means.append(float(outputs.arrays["mean"][0, 0]))
    return means


def test_streams_share_batches_and_keep_their_own_state() -> None:
    streams = [[float(number * place) for place in range(1, 6)] for number in range(1, 9)]

    async def together() -> list[list[float]]:
        with ThreadPoolExecutor(1) as executor:
            batcher: Batcher[Columns, Columns] = Batcher(ColumnEngine(running_sum), executor, Limits(64, 10_000, 64))
            return await asyncio.gather(*(stream(batcher, values) for values in streams))

    expected = [[float(np.mean(values[:length])) for length in range(1, 6)] for values in streams]
    batch_sizes.clear()
    assert asyncio.run(together()) == expected
    assert max(batch_sizes) == len(streams)
