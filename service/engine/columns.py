"""Rows that travel as columns: an array for each tensor, the rows along the first axis of each, all of one length."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bundle.golden import Arrays
from service.engine.batcher import Batcher, Part, RowIndices, Timed

STATE = "state."
"""Tensors of this prefix are state: a graph that has steps reads them and gives them anew, of the same names."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows of several tensors, `arrays` by name."""

    arrays: Arrays

    def __len__(self) -> int:
        """How many rows."""
        return len(next(iter(self.arrays.values())))

    def __getitem__(self, rows: slice) -> "Columns":
        """Some of the rows."""
        return Columns({name: array[rows] for name, array in self.arrays.items()})


class ColumnEngine:
    """For `Batcher`: the graph's inputs to its outputs, row by row.

    Args:
        run: the graph.
    """

    def __init__(self, run: Callable[[Arrays], Arrays]) -> None:
        self._run = run

    def parts(self, rows: Columns) -> Iterator[Part[Columns]]:
        """All in one: their size is that of their largest tensor."""
        num_rows = len(rows)
        yield Part(max(array.size for array in rows.arrays.values()) // num_rows, slice(0, num_rows), rows)

    def compute(self, parts: Sequence[Columns]) -> tuple[Columns, float]:
        """One batch; nothing of it is padding."""
        arrays = parts[0].arrays
        if len(parts) > 1:
            arrays = {name: np.concatenate([part.arrays[name] for part in parts]) for name in arrays}
        return Columns(self._run(arrays)), 0.0

    def gather(self, pieces: Sequence[tuple[RowIndices, Columns]], num_rows: int) -> Columns:
        """Answers in the order of the rows."""
        answers = {
            name: np.empty((num_rows, *array.shape[1:]), array.dtype) for name, array in pieces[0][1].arrays.items()
        }
        for rows, own in pieces:
            for name, array in own.arrays.items():
                answers[name][rows] = array
        return Columns(answers)


async def step(
    batcher: Batcher[Columns, Columns], state: Columns, inputs: Columns, deadline: float, timed: Timed
) -> tuple[Columns, Columns]:
    """One step of a graph with state, for beam search, captions and live streams: the next state, and the outputs.

    State travels with its rows, so the steps of many requests share batches, each with its own state.

    Args:
        batcher: of a `ColumnEngine`.
        state: tensors named with the prefix `STATE`, one row per sequence.
        inputs: all other tensors, as many rows.
        deadline: see `Batcher.submit`, likewise `timed` and what it raises.
    """
    answers = await batcher.submit(Columns({**state.arrays, **inputs.arrays}), deadline, timed)
    outputs = {name: array for name, array in answers.arrays.items() if not name.startswith(STATE)}
    return Columns({name: answers.arrays[name] for name in state.arrays}), Columns(outputs)
