"""How many connections each of several workers has, for all of them to see: a few numbers in memory that they share.

None waits for another: each writes its own number only, and reads what the others wrote last. Of one that has ended the
supervisor says so in its place.
"""

import mmap
import os
import tempfile
from array import array

ABSENT = 2**31 - 1
"""In place of the number of a worker that takes none."""


def make_counts(num_workers: int) -> int:
    """An open file with a number for each worker, for them to inherit. Raises `OSError`."""
    file = _memory_file()
    os.write(file, array("i", [ABSENT] * num_workers).tobytes())
    return file


def _memory_file() -> int:
    """Needs no folder that can be written to, where the system has such."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("seqserve-connections")
    with tempfile.TemporaryFile(prefix="seqserve-") as file:
        return os.dup(file.fileno())


class ConnectionCounts:
    """The numbers, as one worker sees them.

    Args:
        file: from `make_counts`; may be closed afterwards.
        place: which of them is the worker's own.
    """

    def __init__(self, file: int, place: int) -> None:
        self._counts = memoryview(mmap.mmap(file, os.fstat(file).st_size)).cast("i")
        self._place = place

    def tell(self, number: int) -> None:
        """Let the others see one's own."""
        self._counts[self._place] = number

    def fewest_elsewhere(self) -> int:
        """The least that another has; `ABSENT` where no other takes any."""
        return min((number for place, number in enumerate(self._counts) if place != self._place), default=ABSENT)
