"""A figure of several rounds: its median and how far the rounds went apart."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Median, least and most of the rounds."""

    median: float
    low: float
    high: float

    def show(self, digits: int = 2) -> str:
        """`1.05 (0.98 to 1.20)`."""
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f} to {self.high:,.{digits}f})"


def spread(values: Iterable[float]) -> Spread:
    """Of at least one value."""
    every = list(values)
    return Spread(statistics.median(every), min(every), max(every))


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Of what was measured side by side: the ratio is taken within each round."""
    return spread(own / other for own, other in zip(ours, theirs, strict=True))
