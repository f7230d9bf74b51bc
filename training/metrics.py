"""Metrics: pure numpy functions of actual and predicted values."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


# --- classification --------------------------------------------------------------------------------------------------


def confusion(actual: NDArray[np.int64], predicted: NDArray[np.int64], num_classes: int) -> NDArray[np.int64]:
    """Counts `[actual class, predicted class]`."""
    counts = np.zeros((num_classes, num_classes), dtype=np.int64)
    np.add.at(counts, (actual, predicted), 1)
    return counts


def accuracy(counts: NDArray[np.int64]) -> float:
    """Share of rows labelled right, from confusion counts."""
    return float(np.trace(counts) / max(counts.sum(), 1))


def macro_recall(counts: NDArray[np.int64]) -> float:
    """Mean over classes of the share of a class that was found, from confusion counts."""
    sizes = counts.sum(axis=1)
    return float(np.mean(np.diag(counts)[sizes > 0] / sizes[sizes > 0]))


def matthews(counts: NDArray[np.int64]) -> float:
    """Matthews correlation coefficient of confusion counts, 0 where it is undefined.

    Source: J. Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient", Computational
    Biology and Chemistry 28, 2004.
    """
    right, total = float(np.trace(counts)), float(counts.sum())
    actual, predicted = counts.sum(axis=1).astype(float), counts.sum(axis=0).astype(float)
    covariance = right * total - float(actual @ predicted)
    spread = np.sqrt(total**2 - float(predicted @ predicted)) * np.sqrt(total**2 - float(actual @ actual))
    return float(covariance / spread) if spread > 0 else 0.0


def precision_recall(actual: Bools, predicted: Bools) -> tuple[float, float]:
    """Precision and recall of the positive class; 0 where it is undefined."""
    hits = float((actual & predicted).sum())
    return hits / max(float(predicted.sum()), 1.0), hits / max(float(actual.sum()), 1.0)


def log_loss(actual: NDArray[np.int64], probabilities: Floats, weights: Floats | None = None) -> float:
    """Mean negative log-likelihood, in nats, of `probabilities[rows, classes]`; each row weighed, if wanted."""
    likelihood = np.clip(probabilities[np.arange(len(actual)), actual], 1e-12, 1)
    return float(np.average(-np.log(likelihood), weights=weights))


def calibration_bins(correct: Bools, confidence: Floats, num_bins: int = 10) -> list[tuple[float, float, int]]:
    """Reliability diagram: mean confidence, share correct and count, per bin of equal width that isn't empty."""
    places = np.clip((confidence * num_bins).astype(int), 0, num_bins - 1)
    return [
        (
            float(confidence[places == place].mean()),
            float(correct[places == place].mean()),
            int((places == place).sum()),
        )
        for place in range(num_bins)
        if (places == place).any()
    ]


def expected_calibration_error(correct: Bools, confidence: Floats, num_bins: int = 10) -> float:
    """Mean distance of confidence and accuracy over the bins of a reliability diagram, weighted by their rows.

    Source: C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    bins = calibration_bins(correct, confidence, num_bins)
    return sum(count * abs(predicted - true) for predicted, true, count in bins) / max(len(correct), 1)


def best_threshold(actual: Bools, score: Floats) -> float:
    """The threshold on `score` around which the Matthews correlation is highest; among equals, the one nearest 0.5.

    Each candidate, from 0.02 to 0.98, is judged by the mean over the thresholds within 0.06 of it: the single best one
    hangs on a few rows, and is another with every seed.
    """
    candidates = np.linspace(0.02, 0.98, 193)
    values = np.array(
        [
            matthews(confusion(actual.astype(np.int64), (score >= threshold).astype(np.int64), 2))
            for threshold in candidates
        ]
    )
    around = np.array([values[np.abs(candidates - candidate) <= 0.06 + 1e-9].mean() for candidate in candidates])
    best = candidates[np.isclose(around, around.max())]
    return float(best[np.argmin(np.abs(best - 0.5))])


# --- forecasting -----------------------------------------------------------------------------------------------------


def pinball(actual: Floats, quantiles: Floats, levels: Sequence[float]) -> float:
    """Mean pinball loss: `actual[...]`, `quantiles[..., levels]`, in the series' units."""
    error = actual[..., None] - quantiles
    weights = np.asarray(levels)
    return float(np.maximum(weights * error, (weights - 1) * error).mean())


def absolute_error_by_horizon(actual: Floats, forecast: Floats) -> Floats:
    """Mean absolute error of each step ahead: both `[origins, horizon]` -> `[horizon]`."""
    errors: Floats = np.abs(actual - forecast).mean(axis=0)
    return errors


def coverage(actual: Floats, lower: Floats, upper: Floats) -> float:
    """Share of the values within their interval."""
    return float(((actual >= lower) & (actual <= upper)).mean())


def mase(actual: Floats, forecast: Floats, in_sample: Floats, season: int) -> float:
    """Mean absolute scaled error of one series: of the known `actual[horizon]`, in mean seasonal changes of its past.

    NaN where nothing is known, or the past repeats itself exactly or is shorter than a season, so that there is no
    scale. Source: R. Hyndman, A. Koehler, "Another look at measures of forecast accuracy", International Journal of
    Forecasting 22, 2006.
    """
    changes = np.abs(in_sample[season:] - in_sample[:-season])
    errors = np.abs(actual - forecast)
    if not np.isfinite(changes).any() or not np.isfinite(errors).any():
        return float("nan")
    scale = float(np.nanmean(changes))
    return float(np.nanmean(errors)) / scale if scale > 0 else float("nan")
