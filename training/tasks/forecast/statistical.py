"""Statistical forecasts, and those a child could make: what a network has to beat to be worth its keep.

Each reads one history and nothing else, and is fitted anew to every history. Where the numerics of a fit fail, as they
do now and then on a history that hardly varies, the seasonal naive forecast stands in and the log says so.

Sources: automatic exponential smoothing, R. Hyndman et al., "A State Space Framework for Automatic Forecasting Using
Exponential Smoothing Methods", International Journal of Forecasting 18, 2002; theta, V. Assimakopoulos,
K. Nikolopoulos, "The Theta Model", International Journal of Forecasting 16, 2000; the seasonal ARIMA is that of
A. Géron, "Hands-On Machine Learning", 3rd edition, chapter 15.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.series_set import Series

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Forecast = Callable[[Floats, int], Floats]
"""A history without gaps and the steps ahead -> one value a step."""

MAX_ARIMA_SEASON = 12
MAX_ARIMA_LENGTH = 1_000
MAX_ETS_SEASON = 24
MAX_SERIES = 200


def statistical_forecasts(season: int, length: int) -> dict[str, Forecast]:
    """Forecasts by name, for histories of up to `length` steps with `season` steps in a season, 1 for none.

    A seasonal ARIMA is among them where it can be fitted in reasonable time: seasons of 2 to 12 steps, histories of up
    to 1,000. Exponential smoothing leaves seasons of more than 24 steps out, as its library does.
    """
    from statsforecast.models import ARIMA, AutoETS, AutoTheta  # not above: it takes seconds

    models: dict[str, Any] = {
        "auto_ets": AutoETS(season_length=season if season <= MAX_ETS_SEASON else 1),
        "auto_theta": AutoTheta(season_length=season),
    }
    if 1 < season <= MAX_ARIMA_SEASON and length <= MAX_ARIMA_LENGTH:
        models["seasonal_arima"] = ARIMA(order=(1, 0, 0), season_length=season, seasonal_order=(0, 1, 1))
    return {
        "naive": _last_season(1),
        "seasonal_naive": _last_season(season),
        **{name: _fitted_anew(name, model, _last_season(season)) for name, model in models.items()},
    }


def sampled(series: Sequence[Series], count: int = MAX_SERIES) -> list[Series]:
    """At most `count` of the series, the same ones each time: statistical models take seconds a series."""
    if len(series) <= count:
        return list(series)
    rows = np.random.default_rng(0).choice(len(series), size=count, replace=False)
    return [series[row] for row in sorted(rows)]


def _last_season(season: int) -> Forecast:
    return lambda history, horizon: np.resize(history[-season:], horizon)


def _fitted_anew(name: str, model: Any, otherwise: Forecast) -> Forecast:
    def forecast(history: Floats, horizon: int) -> Floats:
        try:
            values: Floats = model.forecast(y=history, h=horizon)["mean"]
        except Exception as error:  # whatever its numerics ran into; they raise what numpy raises
            logger.warning("%s can't be fitted to a history of %d values: %s", name, len(history), error)
            return otherwise(history, horizon)
        return values if np.isfinite(values).all() else otherwise(history, horizon)

    return forecast
