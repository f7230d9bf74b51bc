"""How long what waits at a model will take, learnt from how fast its batches went lately.

Not by the number of requests: a thousand short texts are a moment, ten requests of a thousand long ones are not. Time
is that of the clock, so whatever else the process does between two batches counts: other models, reading, refusing.
"""

import math

from service.errors import QueueFull

HOPE = 0.7
"""Share of a caller's time that the rows ahead of its own may take; with more, it is refused at once rather than in
vain later. The rest is for what can't be foreseen."""

WEIGHT = 0.2
"""Of the latest batch."""

MOST = 4
"""Times what is known, one batch counts for no more: a process that stood still for seconds isn't slow."""


class Backlog:
    """The rows at one model that are yet to be answered, and what a row takes."""

    __slots__ = ("_num_rows", "_row_seconds")

    def __init__(self) -> None:
        self._num_rows = 0
        self._row_seconds: float | None = None

    @property
    def seconds(self) -> float:
        """Until all that is here is answered; 0 while nothing is known."""
        return self._num_rows * (self._row_seconds or 0.0)

    def refuse_if_long(self, seconds: float) -> None:
        """Raises `QueueFull` when what is here takes too much of the time of a caller with so many seconds."""
        if self.seconds > HOPE * max(seconds, 0.0):
            raise QueueFull(
                "What waits for this model takes longer than this request has time; try again later.",
                retry_after_seconds=math.ceil(self.seconds * (1 - HOPE)),
            )

    def enter(self, num_rows: int) -> None:
        """Rows come."""
        self._num_rows += num_rows

    def leave(self, num_rows: int) -> None:
        """Rows are answered, or given up."""
        self._num_rows -= num_rows

    def learn(self, num_rows: int, seconds: float, *, more_wait: bool) -> None:
        """So many rows took so long, and what was between them and those before.

        Only where more rows wait the batch was as large as can be; a smaller one takes longer for a row.
        """
        row_seconds, known = seconds / num_rows, self._row_seconds
        if known is None:
            self._row_seconds = row_seconds
        elif more_wait or row_seconds < known:
            self._row_seconds = known + WEIGHT * (min(row_seconds, MOST * known) - known)
