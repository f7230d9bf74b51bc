"""Series in batches: rows travel as columns, an array for each tensor, and all have one length."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bundle.golden import Arrays
from service.engine.batcher import Part, Places


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows of several tensors, `arrays` by name, the rows along the first axis of each."""

    arrays: Arrays

    def __len__(self) -> int:
        """How many rows."""
        return len(next(iter(self.arrays.values())))

    def __getitem__(self, place: slice) -> "Columns":
        """Some of the rows."""
        return Columns({name: array[place] for name, array in self.arrays.items()})


Quantiles = NDArray[np.float32]
"""`[rows, horizon, levels]`."""


class SeriesEngine:
    """For `Batcher`: answers are quantiles.

    Args:
        run: the graph's inputs to its outputs.
    """

    def __init__(self, run: Callable[[Arrays], Arrays]) -> None:
        self._run = run

    def parts(self, rows: Columns) -> Iterator[Part[Columns]]:
        """All in one: their size is that of their largest tensor."""
        num_rows = len(rows)
        yield Part(max(array.size for array in rows.arrays.values()) // num_rows, slice(0, num_rows), rows)

    def compute(self, parts: Sequence[Columns]) -> tuple[Quantiles, float]:
        """One batch; nothing of it is padding."""
        arrays = parts[0].arrays
        if len(parts) > 1:
            arrays = {name: np.concatenate([part.arrays[name] for part in parts]) for name in arrays}
        return self._run(arrays)["quantiles"], 0.0

    def gather(self, pieces: Sequence[tuple[Places, Quantiles]], num_rows: int) -> Quantiles:
        """Answers in the order of the series."""
        first = pieces[0][1]
        answers = np.empty((num_rows, *first.shape[1:]), first.dtype)
        for places, own in pieces:
            answers[places] = own
        return answers
