"""Origins: the days to forecast from, with what the graph reads at each and what came true."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from bundle.tasks.forecast.series import category_codes, day_type
from bundle.tasks.forecast.spec import ForecastSpec
from training.data.covariate_series import CovariateSeries
from training.data.windows import window_matrix
from training.models.forecaster import WEEK


@dataclass(frozen=True)
class Origins:
    """Consecutive days to forecast from: what the graph reads at each, and what came true.

    `inputs` by tensor name, origins first; `actual[origins, horizon]`, NaN beyond the last target day.
    """

    first: int
    """Position of the first origin's last known day in the series."""
    inputs: dict[str, NDArray[Any]]
    actual: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.actual)

    def complete(self) -> "Origins":
        """Those origins whose whole horizon came true by the last target day."""
        count = int(np.isfinite(self.actual).all(axis=1).sum())
        return Origins(self.first, {name: array[:count] for name, array in self.inputs.items()}, self.actual[:count])

    @staticmethod
    def of(series: CovariateSeries, spec: ForecastSpec, start: dt.date, end: dt.date) -> "Origins":
        """Origins whose next day is a day from `start` to `end`. Raises `ValueError` outside the series."""
        first_target, last_target = series.index_of(start), series.index_of(end)
        context, horizon = spec.context_length, spec.horizon
        [calendar] = spec.future_covariates
        if first_target < WEEK:
            raise ValueError(f"a week of history is needed before {start}; the file starts at {series.start}")
        if not first_target <= last_target < len(series.target):
            raise ValueError(f"the file has no day from {start} to {end}")
        known, ahead = slice(first_target, context + last_target), slice(first_target, last_target + horizon)
        dates = (series.date_at(index) for index in range(len(series.target), last_target + horizon))
        day_types = [*series.future["day_type"], *(day_type(date) for date in dates)]
        unknown: list[str | None] = [None] * context  # before the file begins
        codes = category_codes([*unknown, *day_types], calendar.categories)[known.start : known.stop + horizon]
        actual = np.full(last_target + horizon, np.nan)
        actual[: last_target + 1] = series.target[: last_target + 1]
        past = [covariate.name for covariate in spec.past_covariates]
        rows = {"history": series.target, **{f"past_{name}": series.past[name] for name in past}}
        missing = np.full(context, np.nan)
        inputs: dict[str, NDArray[Any]] = {
            name: window_matrix(np.concatenate([missing, row])[known].astype(np.float32), context, 1).copy()
            for name, row in rows.items()
        }
        inputs["future_day_type"] = window_matrix(codes, context + horizon, 1).copy()
        return Origins(first_target - 1, inputs, window_matrix(actual[ahead], horizon, 1).astype(np.float64))


class OriginRows(Dataset[tuple[Tensor, ...]]):
    """Origins one by one: history, each past series, codes, and what came true."""

    def __init__(self, origins: Origins) -> None:
        self.origins = origins

    def __len__(self) -> int:
        return len(self.origins)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        arrays = [array[index] for array in self.origins.inputs.values()]
        return tuple(torch.from_numpy(array) for array in [*arrays, self.origins.actual[index].astype(np.float32)])


@torch.no_grad()
def predict(graph: nn.Module, origins: Origins) -> NDArray[np.float64]:
    """Quantiles `[origins, horizon, levels]`."""
    quantiles: Tensor = graph(*(torch.from_numpy(array) for array in origins.inputs.values()))
    return quantiles.double().numpy()
