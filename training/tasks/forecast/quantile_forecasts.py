"""What both forecasting tasks do with quantiles `[…, horizon, levels]`: compute them in batches, take intervals."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bundle.golden import Run
from bundle.tasks.forecast.series import interval_levels, quantiles_at
from training import plots

QUANTILE_LEVELS = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975)
"""Of the shipped forecasters."""
REPORTED_LEVELS = (80, 95)
BATCH_ROWS = 64


def run_in_batches(run: Run, inputs: Mapping[str, NDArray[np.generic]]) -> NDArray[np.floating]:
    """`quantiles[rows, horizon, levels]` of a published graph for at least one row."""
    num_rows = len(next(iter(inputs.values())))
    batches = np.array_split(np.arange(num_rows), -(-num_rows // BATCH_ROWS))
    return np.concatenate([run({name: array[rows] for name, array in inputs.items()})["quantiles"] for rows in batches])


def interval(
    quantiles: NDArray[np.floating], levels: Sequence[float], level: float
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Lower and upper end of the central interval of `level` percent, without the axis of levels."""
    lower, upper = np.moveaxis(quantiles_at(quantiles, levels, interval_levels(level)), -1, 0)
    return lower, upper


def fan(
    title: str,
    unit: str,
    history: NDArray[np.floating],
    actual: NDArray[np.floating],
    quantiles: NDArray[np.floating],
    levels: Sequence[float],
    naive: NDArray[np.floating],
) -> plots.Fan:
    """One forecast `[horizon, levels]` as a report draws it, between its history and the naive forecast."""
    return plots.Fan(
        title=title,
        unit=unit,
        history=plots.known(history),
        actual=plots.known(actual),
        median=quantiles[:, len(levels) // 2].tolist(),
        intervals=drawn_intervals(quantiles, levels),
        naive=plots.known(naive),
    )


def drawn_intervals(
    quantiles: NDArray[np.floating], levels: Sequence[float]
) -> dict[str, tuple[list[float], list[float]]]:
    """The reported intervals of one forecast `[horizon, levels]`, widest first, as `plots.Fan` draws them."""
    ends = {str(level): interval(quantiles, levels, level) for level in reversed(REPORTED_LEVELS)}
    return {level: (lower.tolist(), upper.tolist()) for level, (lower, upper) in ends.items()}
