"""How much wider intervals must be to cover what they say, from days or series that the network wasn't fitted to.

Split-conformal: an interval is as wide as it takes to cover its share of the calibration targets, one more for the
finite sample. Steps ahead of one origin resemble each other, so the promise is that of the report's coverage, not that
of the theorem. Source: Y. Romano, E. Patterson, E. Candès, "Conformalized Quantile Regression", NeurIPS 2019.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

NARROWEST = 0.05
"""Least factor on the distance between neighbours, so that quantiles stay apart."""


def from_median(actual: Floats, quantiles: Floats, levels: Sequence[float]) -> NDArray[np.float32]:
    """Factor `[levels]` on the distance of each quantile from the median; growing outwards, so that order is kept.

    Args:
        actual: `[...]`, NaN where unknown.
        quantiles: `[..., levels]`.
        levels: ascending, symmetric, the median in the middle.
    """
    values, predicted, middle = _known(actual, quantiles, levels)
    median = predicted[:, middle]
    widening = np.ones(len(levels), dtype=np.float32)
    factor = 0.0
    for step in range(1, middle + 1):
        lower, upper = predicted[:, middle - step], predicted[:, middle + step]
        needed = np.maximum((median - values) / (median - lower), (values - median) / (upper - median))
        factor = max(factor, _covering(needed, levels[middle + step] - levels[middle - step]))
        widening[[middle - step, middle + step]] = factor
    return widening


def from_neighbour(actual: Floats, quantiles: Floats, levels: Sequence[float]) -> NDArray[np.float32]:
    """Factor `[levels]` on the distance of each quantile from its inner neighbour; so inner ones may grow alone.

    Arguments as those of `from_median`.
    """
    values, predicted, middle = _known(actual, quantiles, levels)
    widening = np.ones(len(levels), dtype=np.float32)
    below = above = predicted[:, middle].copy()
    for step in range(1, middle + 1):
        down = predicted[:, middle - step + 1] - predicted[:, middle - step]
        up = predicted[:, middle + step] - predicted[:, middle + step - 1]
        needed = np.maximum((below - values) / down, (values - above) / up)
        factor = max(NARROWEST, _covering(needed, levels[middle + step] - levels[middle - step]))
        widening[[middle - step, middle + step]] = factor
        below, above = below - factor * down, above + factor * up
    return widening


def _known(actual: Floats, quantiles: Floats, levels: Sequence[float]) -> tuple[Floats, Floats, int]:
    known = np.isfinite(actual)
    return actual[known], quantiles[known], len(levels) // 2


def _covering(needed: Floats, share: float) -> float:
    """The factor that is enough for this share of the targets."""
    covered = min(1.0, np.ceil((len(needed) + 1) * share) / len(needed))
    return float(np.quantile(needed, covered, method="inverted_cdf"))
