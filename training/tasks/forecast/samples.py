"""Random inputs of a forecaster's graph, to trace an export and to check it with."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.golden import Arrays
from bundle.tasks.forecast.series import FREQUENCIES
from training.models.forecaster import WEEK


@dataclass(frozen=True)
class SeriesSamples:
    """Random daily series with a week's shape, to check an export with."""

    past: tuple[str, ...]
    horizon: int
    num_day_types: int

    def draw(self, rng: np.random.Generator, batch: int, time: int) -> dict[str, NDArray[Any]]:
        """Some rows begin late, some values are missing, some day types unknown."""
        shape = np.tile([1.0, 1, 1, 1, 1, 0.6, 0.4], time // WEEK + 1)[:time]
        begins = rng.integers(0, time, size=(batch, 1)) * (rng.random((batch, 1)) < 0.5)
        hidden = (np.arange(time) < begins) & (np.arange(time) < time - 1)
        rows: dict[str, NDArray[Any]] = {}
        for name in ("history", *(f"past_{name}" for name in self.past)):
            values = 5e5 * shape * rng.uniform(0.8, 1.2, size=(batch, time))
            values[rng.random(values.shape) < 0.05] = np.nan
            values[hidden] = np.nan
            values[:, -1] = 5e5
            rows[name] = values.astype(np.float32)
        codes = rng.integers(0, self.num_day_types + 1, size=(batch, time + self.horizon))
        codes[:, :time][hidden] = 0
        rows["future_day_type"] = codes.astype(np.int64)
        return rows

    def pad(self, inputs: Arrays, extra: int) -> dict[str, NDArray[Any]]:
        """Padded on the left: NaN before the series, unknown before the day types."""
        return {
            name: np.pad(array, ((0, 0), (extra, 0)), constant_values=0 if array.dtype == np.int64 else np.nan)
            for name, array in inputs.items()
        }


@dataclass(frozen=True)
class HistorySamples:
    """Random series of any spacing, scale and season, to check an export with."""

    any_freq: bool

    def draw(self, rng: np.random.Generator, batch: int, time: int) -> dict[str, NDArray[Any]]:
        """Some rows begin late, some values are missing."""
        steps = np.arange(time)
        seasons = rng.choice([1, 4, 7, 12, 24], size=(batch, 1))
        walks = rng.normal(size=(batch, time)).cumsum(axis=1) * rng.random((batch, 1))
        shapes = 3 * np.sin(2 * np.pi * steps / seasons) * rng.random((batch, 1))
        values = (rng.normal(0, 20, size=(batch, 1)) + walks + shapes) * 10.0 ** rng.integers(-3, 5, size=(batch, 1))
        begins = rng.integers(0, time, size=(batch, 1)) * (rng.random((batch, 1)) < 0.5)
        hidden = (steps < begins) | (rng.random(values.shape) < 0.05)
        hidden[:, -1] = False
        rows: dict[str, NDArray[Any]] = {"history": np.where(hidden, np.nan, values).astype(np.float32)}
        if self.any_freq:
            rows["freq"] = rng.integers(0, 1 + len(FREQUENCIES), size=(batch, 1))
        return rows

    def pad(self, inputs: Arrays, extra: int) -> dict[str, NDArray[Any]]:
        """Padded on the left with NaN."""
        padded = np.pad(inputs["history"], ((0, 0), (extra, 0)), constant_values=np.nan)
        return {name: padded if name == "history" else np.asarray(array) for name, array in inputs.items()}
