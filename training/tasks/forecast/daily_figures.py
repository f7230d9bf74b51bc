"""Figures of forecasts, in the series' own units, and the forecast that every figure is read against."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training import metrics
from training.models.forecaster import WEEK
from training.tasks.forecast.origins import Origins
from training.tasks.forecast.quantile_forecasts import REPORTED_LEVELS, interval


def describe(
    actual: NDArray[np.floating], quantiles: NDArray[np.floating], levels: tuple[float, ...]
) -> dict[str, Any]:
    """All figures of quantile forecasts `[origins, horizon, levels]`, in the series' units.

    Where no origin's whole horizon came true, those of the next day alone.
    """
    figures = point_figures(actual, quantiles[..., len(levels) // 2])
    complete = np.isfinite(actual).all(axis=1)
    if complete.any():
        figures["pinball"] = metrics.pinball(actual[complete], quantiles[complete], levels)
    for level in REPORTED_LEVELS:
        lower, upper = interval(quantiles, levels, level)
        if complete.any():
            figures[f"coverage_{level}"] = metrics.coverage(actual[complete], lower[complete], upper[complete])
        figures[f"coverage_{level}_next_day"] = metrics.coverage(actual[:, 0], lower[:, 0], upper[:, 0])
    return figures


def point_figures(actual: NDArray[np.floating], forecast: NDArray[np.floating]) -> dict[str, Any]:
    """Errors of point forecasts `[origins, horizon]`: of the next day, and by horizon where a whole one came true."""
    figures: dict[str, Any] = {"mae_next_day": float(np.abs(actual[:, 0] - forecast[:, 0]).mean())}
    complete = np.isfinite(actual).all(axis=1)
    if complete.any():
        by_horizon = metrics.absolute_error_by_horizon(actual[complete], forecast[complete])
        figures |= {"mae_mean_of_14": float(by_horizon.mean()), "mae_by_horizon": by_horizon.tolist()}
    return figures


def seasonal_naive(origins: Origins) -> NDArray[np.float64]:
    """The last known week, repeated."""
    week = origins.inputs["history"][:, -WEEK:].astype(np.float64)
    return np.tile(week, (1, origins.actual.shape[1] // WEEK))
