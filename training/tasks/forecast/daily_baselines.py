"""The simple forecasts of a daily series that a network's figures stand beside, from the same origins."""

import logging

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV

from training.data.windows import window_matrix
from training.models.forecaster import WEEK
from training.tasks import Figures
from training.tasks.forecast.daily_figures import point_figures
from training.tasks.forecast.origins import Origins
from training.tasks.forecast.statistical import statistical_forecasts

HISTORY_DAYS = 730
"""Days before an origin that the statistical models are fitted to."""
LAG_DAYS = 8 * WEEK
"""Days before an origin that the ridge regression reads."""

logger = logging.getLogger(__name__)


def baseline_figures(target: NDArray[np.float64], origins: Origins) -> Figures:
    """Figures by baseline.

    The statistical models are fitted anew at each origin, to the two years before it; the ridge regression once, to
    all days before the first.
    """
    horizon = origins.actual.shape[1]
    figures = {}
    for name, forecast in statistical_forecasts(WEEK, HISTORY_DAYS).items():
        logger.info("baseline %s: %d forecasts", name, len(origins))
        forecasts = [
            forecast(target[max(0, last + 1 - HISTORY_DAYS) : last + 1], horizon)
            for last in range(origins.first, origins.first + len(origins))
        ]
        figures[name] = point_figures(origins.actual, np.stack(forecasts))
    figures["ridge_on_lags"] = point_figures(origins.actual, ridge_on_lags(target, origins))
    return figures


def ridge_on_lags(target: NDArray[np.float64], origins: Origins) -> NDArray[np.float64]:
    """Each day ahead as a weighted sum of the last eight weeks, relative to their mean; no calendar, no second series.

    The strength of the penalty is chosen by leaving out one training day at a time.
    """
    horizon = origins.actual.shape[1]
    known = target[: origins.first + 1]
    windows = window_matrix(known, LAG_DAYS + horizon, 1)
    lags, ahead = windows[:, :LAG_DAYS], windows[:, LAG_DAYS:]
    scale = lags.mean(axis=1, keepdims=True)
    model = RidgeCV(alphas=np.logspace(-3, 3, 13)).fit(lags / scale, ahead / scale)
    last = np.arange(origins.first, origins.first + len(origins))
    read = window_matrix(target, LAG_DAYS, 1)[last - LAG_DAYS + 1]
    scale = read.mean(axis=1, keepdims=True)
    forecasts: NDArray[np.float64] = model.predict(read / scale) * scale
    return forecasts
