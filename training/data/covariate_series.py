"""What every loader of a series with covariates returns."""

import datetime as dt
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bundle.manifest import TrainingData


@dataclass(frozen=True)
class CovariateSeries:
    """A daily series of one value a day, in its own units, with what is known beside it.

    `target`, each of `past` and each of `future` have one entry a day from `start` on.
    """

    start: dt.date
    target: NDArray[np.float64]
    past: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    future: dict[str, list[str]] = field(default_factory=dict)

    def index_of(self, date: dt.date) -> int:
        """Position of a date. Raises `ValueError` outside the series; its length is the day after the last."""
        index = (date - self.start).days
        if not 0 <= index <= len(self.target):
            raise ValueError(f"{date} is outside the series, {self.start} to {self.date_at(len(self.target) - 1)}")
        return index

    def date_at(self, index: int) -> dt.date:
        """Date of a position."""
        return self.start + dt.timedelta(days=index)

    def preceded_by(self, earlier: "CovariateSeries") -> "CovariateSeries":
        """The series with the days of `earlier` put before it; unchanged where they don't reach up to its start."""
        if not earlier.start < self.start <= earlier.start + dt.timedelta(days=len(earlier.target)):
            return self
        before = earlier.until(self.start)
        return CovariateSeries(
            before.start,
            np.concatenate([before.target, self.target]),
            {name: np.concatenate([before.past[name], values]) for name, values in self.past.items()},
            {name: [*before.future[name], *values] for name, values in self.future.items()},
        )

    def until(self, date: dt.date) -> "CovariateSeries":
        """The series up to and without `date`."""
        end = self.index_of(date)
        return CovariateSeries(
            self.start,
            self.target[:end],
            {name: values[:end] for name, values in self.past.items()},
            {name: values[:end] for name, values in self.future.items()},
        )


@dataclass(frozen=True)
class SeriesSplit:
    """Days of training and validation, and where they come from; a recipe names the dates that part them."""

    series: CovariateSeries
    described: TrainingData
