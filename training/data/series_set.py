"""What every loader of many series returns: sets of series that share spacing, season and horizon."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bundle.manifest import TrainingData
from bundle.tasks.forecast.series import Freq


@dataclass(frozen=True)
class Series:
    """One regularly spaced series, oldest value first."""

    id: str
    values: NDArray[np.float64]
    """In the series' own units, NaN where missing."""
    start: dt.datetime | None = None
    """Of the first value, where it is known."""


def counts(series: Sequence[Series]) -> dict[str, int]:
    """What a manifest says of their number."""
    return {"series": len(series), "values": sum(len(one.values) for one in series)}


@dataclass(frozen=True)
class SeriesSet:
    """Series that are forecast and measured alike."""

    name: str
    """Data set and spacing, e.g. `m3 monthly`."""
    series: list[Series]
    freq: Freq | None
    """Spacing by its pandas name; None where it is none of those the service knows."""
    season: int
    """Steps in one season, 1 for none: of the seasonal naive forecast and of the scale of MASE."""
    horizon: int
    """Steps ahead that are measured; the last so many values of each series are held out."""
    described: TrainingData

    @property
    def data(self) -> str:
        """Name of the data set alone."""
        return self.name.split(" ", 1)[0]
