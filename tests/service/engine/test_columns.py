"""Steps with state: a running sum as the graph."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from bundle.golden import Arrays
from service.engine.batcher import Batcher, Limits
from service.engine.columns import ColumnEngine, Columns, step
from service.telemetry.request_record import RequestRecord

STREAMS = [[1.0, 2.0, 3.0], [10.0, 20.0, 30.0], [-1.0, 0.5, 100.0]]


def running_sums(streams: list[list[float]]) -> tuple[list[list[float]], list[int]]:
    """The sums so far of each stream, all at once, and how many rows each batch had."""
    num_rows: list[int] = []

    def run(arrays: Arrays) -> Arrays:
        num_rows.append(len(arrays["value"]))
        total = arrays["state.total"] + arrays["value"]
        return {"state.total": total, "doubled": 2 * total}

    async def follow(batcher: Batcher[Columns, Columns], values: list[float]) -> list[float]:
        state, doubled = Columns({"total": np.zeros(1)}), []
        deadline = asyncio.get_running_loop().time() + 5
        for value in values:
            inputs = Columns({"value": np.array([value])})
            state, outputs = await step(batcher, state, inputs, deadline, RequestRecord())
            assert state.arrays.keys() == {"total"}
            assert outputs.arrays.keys() == {"doubled"}
            doubled.append(float(outputs.arrays["doubled"][0]))
        return doubled

    async def follow_all() -> list[list[float]]:
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(ColumnEngine(run), executor, Limits(8, 1000, 8))
            return await asyncio.gather(*(follow(batcher, values) for values in streams))

    return asyncio.run(follow_all()), num_rows


def test_streams_share_batches_and_each_keeps_its_own_state() -> None:
    together, num_rows = running_sums(STREAMS)
    assert together == [(2 * np.cumsum(values)).tolist() for values in STREAMS]
    assert together == [running_sums([values])[0][0] for values in STREAMS]
    assert max(num_rows) == len(STREAMS)
