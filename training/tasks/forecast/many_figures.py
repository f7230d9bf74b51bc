"""Figures of forecasts of many series, and the simple forecasts they stand beside."""

import dataclasses
import itertools
import logging
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from training import metrics
from training.data.series_set import SeriesSet
from training.tasks import Figures
from training.tasks.forecast.statistical import Forecast, sampled, statistical_forecasts

MEAN = "mase_mean_of_data_sets"
MAX_HISTORY = 1_000
"""Values before the held-out horizon that a statistical model is fitted to, the newest."""

logger = logging.getLogger(__name__)


Forecasts = NDArray[np.floating]
"""Of the held-out horizons of a set, `[series, horizon]`."""


def mase_figures(forecasts: Sequence[tuple[SeriesSet, Forecasts]], num_sets: int) -> dict[str, float]:
    """MASE by data set, all its series counting alike; by spacing, where it has several; and the data sets' mean.

    Args:
        forecasts: of some or all of the sets.
        num_sets: of all; figures of a whole are left out where a part of it is.

    There is none of what has no series with a scale.
    """
    by_set = {whole.name: mases(whole, predicted) for whole, predicted in forecasts}
    if len(by_set) < num_sets:
        return _means(by_set)
    by_data: dict[str, dict[str, list[float]]] = {}
    for whole, _ in forecasts:
        by_data.setdefault(whole.data, {})[whole.name] = by_set[whole.name]
    figures: dict[str, float] = {}
    of_data = _means({data: list(itertools.chain(*sets.values())) for data, sets in by_data.items()})
    for data, sets in by_data.items():
        figures |= {key: of_data[key] for key in [_key(data)] if key in of_data}
        figures |= _means(sets) if len(sets) > 1 else {}
    return figures | ({MEAN: float(np.mean(list(of_data.values())))} if of_data else {})


def _key(name: str) -> str:
    return f"mase_{name.replace(' ', '_')}"


def _means(mases_by_name: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The mean of each name, series without a scale left out, and names that have no other."""
    return {
        _key(name): float(np.nanmean(values)) for name, values in mases_by_name.items() if np.isfinite(values).any()
    }


def mases(whole: SeriesSet, forecast: Forecasts) -> list[float]:
    """MASE of the held-out horizon of each series; NaN where a series has no scale."""
    return [
        metrics.mase(series.values[-whole.horizon :], predicted, series.values[: -whole.horizon], whole.season)
        for series, predicted in zip(whole.series, forecast, strict=True)
    ]


def baseline_figures(sets: Sequence[SeriesSet]) -> Figures:
    """MASE of each baseline.

    Statistical models are fitted to a sample of each set's series, and their names say so: a fit takes up to seconds.
    """
    predicted: dict[str, list[tuple[SeriesSet, Forecasts]]] = {}
    for whole in sets:
        predicted.setdefault("naive", []).append((whole, seasonal_naive(whole, 1)))
        predicted.setdefault("seasonal_naive", []).append((whole, seasonal_naive(whole, whole.season)))
        sample = dataclasses.replace(whole, series=sampled(whole.series))
        longest = max(len(series.values) for series in sample.series)
        for name, forecast in statistical_forecasts(whole.season, longest).items():
            if name not in predicted:
                logger.info("baseline %s: %s, %d series", name, whole.name, len(sample.series))
                predicted.setdefault(f"{name}_on_a_sample", []).append((sample, _forecasts(sample, forecast)))
    return {name: mase_figures(forecasts, len(sets)) for name, forecasts in predicted.items()}


def _forecasts(whole: SeriesSet, forecast: Forecast) -> NDArray[np.float64]:
    """Of the last horizon of every series; gaps before it are bridged by straight lines."""
    rows = []
    for series in whole.series:
        past = series.values[: -whole.horizon][-MAX_HISTORY:]
        known = np.flatnonzero(np.isfinite(past))
        rows.append(forecast(np.interp(np.arange(known[0], len(past)), known, past[known]), whole.horizon))
    return np.stack(rows)


def seasonal_naive(whole: SeriesSet, season: int) -> NDArray[np.float64]:
    """The last known season of each series, repeated: `[series, horizon]`; for a missing value, the season before."""
    forecasts = []
    for series in whole.series:
        past = series.values[: -whole.horizon].copy()
        for step in np.flatnonzero(np.isnan(past)):
            past[step] = past[step - season] if step >= season else np.nan
        past = np.where(np.isnan(past), np.nanmean(past), past)
        forecasts.append(np.resize(past[-season:] if len(past) >= season else past[-1:], whole.horizon))
    return np.stack(forecasts)
