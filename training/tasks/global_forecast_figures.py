"""Figures of forecasts of many series, and the simple forecasts they stand beside."""

import dataclasses
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training import metrics
from training.data.series_set import SeriesSet
from training.tasks import Figures
from training.tasks.statistical import Forecast, sampled, statistical_forecasts

MEAN = "mase_mean_of_sets"
MAX_HISTORY = 1_000
"""Values before the held-out horizon that a statistical model is fitted to, the newest."""

logger = logging.getLogger(__name__)


def mase_key(whole: SeriesSet) -> str:
    """Name of a set's figure."""
    return f"mase_{whole.name.replace(' ', '_')}"


def baseline_figures(sets: Sequence[SeriesSet]) -> Figures:
    """MASE by set and baseline, and the mean where a baseline has every set.

    Statistical models are fitted to a sample of each set's series, and their names say so: a fit takes up to seconds.
    """
    figures: dict[str, dict[str, Any]] = {"naive": {}, "seasonal_naive": {}}
    for whole in sets:
        figures["naive"][mase_key(whole)] = mean_mase(whole, seasonal_naive(whole, 1))
        figures["seasonal_naive"][mase_key(whole)] = mean_mase(whole, seasonal_naive(whole, whole.season))
        sample = dataclasses.replace(whole, series=sampled(whole.series))
        longest = max(len(series.values) for series in sample.series)
        for name, forecast in statistical_forecasts(whole.season, longest).items():
            if name not in figures:
                logger.info("baseline %s: %s, %d series", name, whole.name, len(sample.series))
                figure = mean_mase(sample, _forecasts(sample, forecast))
                figures.setdefault(f"{name}_on_a_sample", {})[mase_key(whole)] = figure
    for values in figures.values():
        if len(values) == len(sets):
            values[MEAN] = float(np.mean(list(values.values())))
    return figures


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


def mean_mase(whole: SeriesSet, forecast: NDArray[np.floating]) -> float:
    """Mean over the series of the MASE of their held-out horizon, series without a scale left out."""
    values = [
        metrics.mase(series.values[-whole.horizon :], said, series.values[: -whole.horizon], whole.season)
        for series, said in zip(whole.series, forecast, strict=True)
    ]
    return float(np.nanmean(values))
