"""Recursive forecasting beyond the model's own horizon, over sampled trajectories.

Trajectories are sampled from the quantiles of a block of steps and appended to the history; the model forecasts the
next block of each, whose quantiles are those of the mixture (`docs/decisions/0005-sampled-paths.md`).
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bundle.golden import Arrays
from bundle.tasks.forecast.spec import ForecastSpec

Quantiles = NDArray[np.float32]
"""`[rows, horizon, levels]`."""

Compute = Callable[[Arrays], Awaitable[Quantiles]]
"""Rows as the graph reads them to its quantiles, in order."""

NUM_TRAJECTORIES = 64
STEP_CORRELATION = 0.7
"""Of the noise of two neighbouring steps of a trajectory, within a block; between blocks the model links them."""
POOLED_LEVELS = 32
"""Levels that each trajectory's quantile function is read at when trajectories are pooled."""
SERIES_AT_ONCE = 4
"""Series of one request that are computed at a time: enough to keep the engine busy, few enough for other requests."""
SEED = 0


@dataclass(frozen=True)
class KnownSteps:
    """A series whose first block is known."""

    row: Arrays
    """What the graph read for the first block, without the row axis."""
    codes: Arrays
    """Its future covariates, `int64[context_length + steps]`, with all steps up to the end of the last block."""
    quantiles: NDArray[np.float64]
    """`[spec.horizon, levels]`, what the graph answered."""


async def forecast_recursively(
    known: Sequence[KnownSteps], spec: ForecastSpec, horizon: int, compute: Compute
) -> NDArray[np.float64]:
    """Quantiles `[series, horizon, levels]`, the same whatever shares the batch; NaN where the model gives no numbers.

    The first `spec.horizon` steps are the known ones. Raises the first of what `compute` raises.
    """
    room = asyncio.Semaphore(SERIES_AT_ONCE)

    async def in_turn(beginning: KnownSteps) -> NDArray[np.float64]:
        async with room:
            return await _forecast_one(beginning, spec, horizon, compute)

    try:
        async with asyncio.TaskGroup() as group:  # if one fails or the request is cancelled, all stop
            tasks = [group.create_task(in_turn(beginning)) for beginning in known]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return np.stack([task.result() for task in tasks])


async def _forecast_one(
    beginning: KnownSteps, spec: ForecastSpec, horizon: int, compute: Compute
) -> NDArray[np.float64]:
    generator = np.random.default_rng(SEED)
    context_length, levels = spec.context_length, np.asarray(spec.quantile_levels)
    shared = dict(beginning.row)
    histories = np.tile(shared.pop("history"), (NUM_TRAJECTORIES, 1))
    conditional = np.broadcast_to(beginning.quantiles, (NUM_TRAJECTORIES, *beginning.quantiles.shape)).astype(
        np.float64
    )
    steps = np.full((horizon, len(levels)), np.nan)
    steps[: spec.horizon] = beginning.quantiles
    for first in range(spec.horizon, horizon, spec.horizon):
        drawn = quantile_function(conditional, levels, draw_levels(generator, spec.horizon)[:, :, None])[:, :, 0]
        with np.errstate(over="ignore"):  # beyond float32 they turn infinite, and the model gives no numbers
            histories = np.concatenate([histories, drawn.astype(np.float32)], axis=1)[:, -context_length:]
        for covariate in spec.past_covariates:
            name = f"past_{covariate.name}"
            unknown = np.full(spec.horizon, np.nan, dtype=np.float32)
            shared[name] = np.concatenate([shared[name], unknown])[-context_length:]
        for name, codes in beginning.codes.items():
            shared[name] = codes[first : first + context_length + spec.horizon]
        repeated = {name: np.repeat(array[None], NUM_TRAJECTORIES, axis=0) for name, array in shared.items()}
        answers = await compute({"history": histories, **repeated})
        conditional = answers.astype(np.float64)
        if not np.isfinite(conditional).all():
            break
        block = pooled(conditional, levels)
        steps[first : first + spec.horizon] = block[: horizon - first]
    return steps


def draw_levels(generator: "np.random.Generator", num_steps: int) -> NDArray[np.float64]:
    """Levels `[NUM_TRAJECTORIES, num_steps]` to sample at: dependent along a trajectory, equally spaced in each step.

    Normal noise, an autoregression of order one, decides which trajectory gets which level: a Gaussian copula by ranks.
    """
    noise = generator.standard_normal((NUM_TRAJECTORIES, num_steps))
    for before, step in itertools.pairwise(range(num_steps)):
        fresh = np.sqrt(1 - STEP_CORRELATION**2) * noise[:, step]
        noise[:, step] = STEP_CORRELATION * noise[:, before] + fresh
    return (noise.argsort(axis=0).argsort(axis=0) + 0.5) / NUM_TRAJECTORIES


def quantile_function(
    quantiles: NDArray[np.float64], levels: NDArray[np.float64], wanted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Quantiles `[..., wanted]` at levels within (0, 1): linear between the model's own, exponential tails beyond.

    `quantiles` are `[..., levels]`, ascending. A tail falls off as it does between its two outermost levels.
    """
    above = np.clip(np.searchsorted(levels, wanted), 1, len(levels) - 1)
    share = (wanted - levels[above - 1]) / (levels[above] - levels[above - 1])
    lower = np.log(wanted / levels[0]) / np.log(levels[1] / levels[0])
    upper = 1 - np.log((1 - wanted) / (1 - levels[-1])) / np.log((1 - levels[-2]) / (1 - levels[-1]))
    share = np.where(wanted < levels[0], lower, np.where(wanted > levels[-1], upper, share))
    axes = (*np.broadcast_shapes(quantiles.shape[:-1], wanted.shape[:-1]), wanted.shape[-1])
    spread = np.broadcast_to(quantiles, (*axes[:-1], quantiles.shape[-1]))
    low = np.take_along_axis(spread, np.broadcast_to(above - 1, axes), axis=-1)
    high = np.take_along_axis(spread, np.broadcast_to(above, axes), axis=-1)
    return low + (high - low) * share


def pooled(conditional: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quantiles `[steps, levels]` of the mixture, with equal weights, of what `[paths, steps, levels]` say.

    The levels read are spaced equally over all paths: where all agree, their common quantiles come back.
    """
    num_trajectories, num_steps, _ = conditional.shape
    dealt = (np.arange(POOLED_LEVELS) + (np.arange(num_trajectories)[:, None] + 0.5) / num_trajectories) / POOLED_LEVELS
    values = quantile_function(conditional, levels, dealt[:, None, :])
    together = values.transpose(1, 0, 2).reshape(num_steps, -1)
    mixture = np.quantile(together, levels, axis=1, method="hazen").T
    return np.maximum.accumulate(mixture, axis=-1)  # rounding must not disturb the order
