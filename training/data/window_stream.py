"""Stream of windows: chunks of sources in, windows out, in numpy alone, so that little memory is all it takes.

`stream` holds one window and one chunk; `training.data.windows.WindowStream` makes a torch data set of it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.generic]

Source = Callable[[], Iterable[Values]]
"""Opens one source: an iterable of chunks, each an array with time along its first axis, of any length.

A table of text is one too, by the column: `lambda: (chunk["rail"].to_numpy() for chunk in pandas.read_csv(path,
chunksize=100_000))`.
"""


@dataclass(frozen=True)
class BinaryFile:
    """A source: the numbers of a file without header, read chunk by chunk.

    Reading raises `ValueError` for a file that ends within a number.
    """

    path: Path
    dtype: str = "float32"
    chunk_length: int = 1_000_000
    """Numbers read at a time."""

    def __call__(self) -> Iterator[Values]:
        """Read the file once."""
        size, itemsize = self.path.stat().st_size, np.dtype(self.dtype).itemsize
        if size % itemsize:
            raise ValueError(f"{self.path.name} has {size} bytes, no multiple of the {itemsize} of a {self.dtype}")
        with open(self.path, "rb") as file:
            while len(chunk := np.fromfile(file, self.dtype, self.chunk_length)):
                yield chunk


def check_window(length: int, shift: int, stride: int) -> None:
    """Raise `ValueError` for a length, shift or stride below 1."""
    for name, value in (("length", length), ("shift", shift), ("stride", stride)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")


def stream(
    chunks: Iterable[Values], length: int, shift: int | None = None, stride: int = 1, drop_remainder: bool = True
) -> Iterator[Values]:
    """Windows of one source, each a copy; only the points that a coming window still needs are kept.

    The windows are those of `training.data.windows.window` over the chunks laid end to end. Raises `ValueError` for a
    length, shift or stride below 1.
    """
    shift = length if shift is None else shift
    check_window(length, shift, stride)
    span = (length - 1) * stride + 1
    kept: Values | None = None  # from point `offset` of the source on
    offset, start = 0, 0
    for chunk in chunks:
        kept = chunk if kept is None else np.concatenate([kept, chunk])
        while start - offset + span <= len(kept):
            yield np.array(kept[start - offset : start - offset + span : stride])
            start += shift
        passed = min(start - offset, len(kept))
        kept, offset = kept[passed:].copy(), offset + passed
    if kept is None or drop_remainder:
        return
    while start - offset < len(kept):
        yield np.array(kept[start - offset : start - offset + span : stride])
        start += shift


def shuffled(windows: Iterable[Values], buffer_size: int, rng: np.random.Generator) -> Iterator[Values]:
    """Each window once, drawn at random from a buffer of `buffer_size` waiting ones."""
    waiting: list[Values] = []
    places = _places(buffer_size, rng)
    for found in windows:
        waiting.append(found)
        if len(waiting) == buffer_size:
            place = next(places)
            waiting[place], waiting[-1] = waiting[-1], waiting[place]  # taking the last of a list moves no other
            yield waiting.pop()
    for place in rng.permutation(len(waiting)):
        yield waiting[place]


def _places(bound: int, rng: np.random.Generator) -> Iterator[int]:
    """Numbers from 0 up to below `bound`, drawn many at a time: one by one would take longer than cutting a window."""
    while True:
        yield from rng.integers(bound, size=1024).tolist()
