"""Rows that travel as columns: an array for each tensor, the rows along the first axis of each, all of one length."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bundle.golden import Arrays
from service.engine.batcher import Batcher, Part, RowIndices, Timed

STATE = "state."
"""Begins the names of a graph's inputs and outputs that hold state."""


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


@dataclass(eq=False)
class ColumnEngine:
    """For `Batcher`: the graph's inputs to its outputs, row by row."""

    run: Callable[[Arrays], Arrays]

    def parts(self, rows: Columns) -> Iterator[Part[Columns]]:
        """All in one: their size is that of their largest tensor."""
        num_rows = len(rows)
        yield Part(max(array.size for array in rows.arrays.values()) // num_rows, slice(0, num_rows), rows)

    def compute(self, parts: Sequence[Columns]) -> tuple[Columns, float]:
        """One batch; nothing of it is padding."""
        arrays = parts[0].arrays
        if len(parts) > 1:
            arrays = {name: np.concatenate([part.arrays[name] for part in parts]) for name in arrays}
        return Columns(self.run(arrays)), 0.0

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
    """One step of live streams, beams and the like: state and inputs to new state and outputs.

    The graph reads `state.<name>` for each column of the state, and gives it for the next step. Raises as `submit`.
    """
    read = {STATE + name: array for name, array in state.arrays.items()}
    answers = (await batcher.submit(Columns({**inputs.arrays, **read}), deadline, timed)).arrays
    following = {name.removeprefix(STATE): array for name, array in answers.items() if name.startswith(STATE)}
    return Columns(following), Columns({name: array for name, array in answers.items() if not name.startswith(STATE)})
