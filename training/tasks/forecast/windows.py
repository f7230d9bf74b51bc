"""Windows: random parts of the training days, corrupted as clients' series are, and the loss at their steps."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler

from bundle.tasks.forecast.series import category_codes
from training.data.covariate_series import CovariateSeries
from training.data.windows import window_matrix
from training.models.forecaster import WEEK
from training.tasks.forecast.daily_recipe import ForecastRecipe


def references(days: CovariateSeries, recipe: ForecastRecipe) -> Tensor:
    """Mean of the target and of each past series: over all training days, then over those of each day type."""
    codes = category_codes(days.future["day_type"], recipe.day_types)
    rows = [days.target, *(days.past[name] for name in recipe.past)]
    means = [[row.mean(), *(row[codes == code + 1].mean() for code in range(len(recipe.day_types)))] for row in rows]
    return torch.tensor(means, dtype=torch.float32)


def training_batches(days: CovariateSeries, recipe: ForecastRecipe, seed: int) -> DataLoader[Any]:
    """Stretches drawn at random, as many an epoch as the recipe says; the same for the same seed."""
    stretches = Stretches(days, recipe, np.random.default_rng(seed))
    drawn = RandomSampler(
        stretches,
        replacement=True,
        num_samples=recipe.stretches_per_epoch,
        generator=torch.Generator().manual_seed(seed),
    )
    return DataLoader(stretches, batch_size=recipe.schedule.batch_size, sampler=drawn)


class Stretches(Dataset[tuple[Tensor, ...]]):
    """Every stretch of the training days, spoiled at random: history, each past series, codes, unspoiled target."""

    def __init__(self, days: CovariateSeries, recipe: ForecastRecipe, rng: np.random.Generator) -> None:
        length, horizon = recipe.stretch_days, recipe.network.horizon
        rows = [days.target, *(days.past[name] for name in recipe.past)]
        self.values = window_matrix(np.stack(rows, axis=1).astype(np.float32), length + horizon, 1)
        codes = category_codes(days.future["day_type"], recipe.day_types)
        self.codes = window_matrix(codes, length + horizon, 1)
        self.length, self.share, self.rng = length, recipe.spoiling, rng

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        values, codes = self.values[index].copy(), self.codes[index].copy()
        target = values[:, 0].copy()
        self._spoil(values[: self.length], codes)
        known = torch.from_numpy(values[: self.length].T.copy())
        return (*known, torch.from_numpy(codes), torch.from_numpy(target))

    def _spoil(self, values: NDArray[np.float32], codes: NDArray[np.int64]) -> None:
        """Hide in place what clients may not have: early days, single days, a gap, a past series, day types."""
        rng, share, length = self.rng, self.share, self.length
        if rng.random() < 0.15 * share:  # a short history
            values[: rng.integers(0, length // 2)] = np.nan
        if rng.random() < 0.2 * share:  # days missing here and there, of the target or of all
            missing = rng.random(length) < 0.2 * rng.random()
            values[missing, : 1 if rng.random() < 0.5 else None] = np.nan
        if rng.random() < 0.1 * share:  # a gap
            begin, days = rng.integers(0, length - 21), rng.integers(3, 21)
            values[begin : begin + days, : 1 if rng.random() < 0.5 else None] = np.nan
        if rng.random() < 0.1 * share:  # no past series
            values[:, 1:] = np.nan
        chance = rng.random()
        if chance < 0.04 * share:  # day types all unknown, some, or from a day on
            codes[:] = 0
        elif chance < 0.08 * share:
            codes[rng.random(len(codes)) < 0.5 * rng.random()] = 0
        elif chance < 0.12 * share:
            codes[rng.integers(length // 2, len(codes)) :] = 0


class StretchLoss:
    """Pinball loss in tenths of the level: at steps drawn from a stretch, or at the last step of a context."""

    def __init__(self, recipe: ForecastRecipe) -> None:
        config = recipe.network
        self.recipe = recipe
        self.levels = torch.tensor(config.quantile_levels)
        weights = torch.ones(config.horizon)
        weights[0] = recipe.first_step_weight
        self.weights_H = weights / weights.mean()
        self.ahead_H = torch.arange(1, config.horizon + 1)

    def __call__(self, network: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        """Mean over the batch; at drawn steps of a stretch in training, at the last step of a context otherwise."""
        history, *past, codes, target = batch
        if network.training:
            drawn = torch.randperm(self.recipe.stretch_days - self.recipe.warm_up_days)
            steps = self.recipe.warm_up_days + drawn[: self.recipe.steps_per_stretch].sort().values
            actual_BNH = target[:, steps.unsqueeze(1) + self.ahead_H]
        else:
            steps = torch.tensor([history.shape[1] - 1])
            actual_BNH = target.unsqueeze(1)
        quantiles, level_BN = network(history, torch.stack(past, dim=1), codes, steps)
        error = (actual_BNH.unsqueeze(3) - quantiles) / level_BN.detach()[:, :, None, None]
        pinball_BNH = torch.maximum(self.levels * error, (self.levels - 1) * error).mean(dim=3)
        # Early steps of a stretch know little: they count less.
        weights_N = torch.where(steps < 8 * WEEK, 0.3, 1.0)
        weighted = pinball_BNH * self.weights_H * weights_N[:, None]
        return 10 * weighted.mean() / weights_N.mean()
