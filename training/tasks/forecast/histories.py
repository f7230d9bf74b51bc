"""Histories and what followed them: what a forecaster of many series is trained on, chosen by and measured on.

Of each series, the last horizon is held out to report. Training sees what comes before — in small sets what comes
before one horizon more, which then chooses the epoch; in large ones a tenth of the series choose it, and train nothing.
"""

import dataclasses
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from bundle.tasks.forecast.series import FREQUENCIES, fixed_context, freq_code
from training.data.series_set import Series, SeriesSet

SMALL_SET = 50
"""Series of the largest set that is parted by time."""
MAX_ROWS = 256
"""Rows of one batch that chooses the epoch, or is measured."""
NOISE_SHARE = 0.08
"""Of the batches: random walks, so that a network learns to see no pattern where there is none."""
NOISE_TAILS = 4
"""Degrees of freedom of their steps: as heavy-tailed as those of prices."""
EARLIEST = 3
"""Values of the shortest history trained on."""

Batch = tuple[Tensor, Tensor, Tensor]
"""`history:float32[batch,context]`, `freq:int64[batch,1]`, `target:float32[batch,horizon]`, NaN where unknown."""


@dataclass(frozen=True)
class Rows:
    """Histories of one set, with what followed."""

    history: NDArray[np.float32]  # (B, T)
    freq: NDArray[np.int64]  # (B, 1)
    target: NDArray[np.float64]  # (B, H)

    def batch(self) -> Batch:
        """As tensors."""
        return torch.from_numpy(self.history), torch.from_numpy(self.freq), torch.from_numpy(self.target).float()


def rows_of(
    series: Sequence[NDArray[np.float64]], origins: Sequence[int], horizon: int, code: int, context_length: int
) -> Rows:
    """Each series up to its origin, exclusive, and the `horizon` values that follow it."""
    width = min(context_length, max(origins, default=1))
    history = np.stack([fixed_context(values[:origin], width) for values, origin in zip(series, origins, strict=True)])
    target = np.full((len(series), horizon), np.nan)
    for row, (values, origin) in enumerate(zip(series, origins, strict=True)):
        following = values[origin : origin + horizon]
        target[row, : len(following)] = following
    return Rows(history, np.full((len(series), 1), code, dtype=np.int64), target)


def held_out(whole: SeriesSet, context_length: int) -> Rows:
    """The last horizon of every series, and what came before it."""
    series = [one.values for one in whole.series]
    origins = [len(values) - whole.horizon for values in series]
    return rows_of(series, origins, whole.horizon, freq_code(whole.freq), context_length)


@dataclass(frozen=True)
class SplitSet:
    """A set parted into what is trained on, what chooses the epoch, and what is reported."""

    whole: SeriesSet
    train: list[NDArray[np.float64]]
    """Values that may be trained on."""
    select: list[NDArray[np.float64]]
    """Series whose last horizon chooses the epoch."""

    @classmethod
    def of(cls, whole: SeriesSet) -> "SplitSet":
        """See the module's docstring; the same series are chosen each time."""
        known = [series.values[: -whole.horizon] for series in whole.series]
        if len(known) > SMALL_SET:
            chooses = [zlib.crc32(f"{whole.name} {series.id}".encode()) % 10 == 0 for series in whole.series]
            train = [values for values, chosen in zip(known, chooses, strict=True) if not chosen]
            select = [values for values, chosen in zip(known, chooses, strict=True) if chosen]
        else:
            long_enough = [len(values) >= 3 * whole.horizon for values in known]
            train = [
                values[: -whole.horizon] if enough else values
                for values, enough in zip(known, long_enough, strict=True)
            ]
            select = [values for values, enough in zip(known, long_enough, strict=True) if enough]
        return cls(
            whole,
            [values for values in train if np.isfinite(values).sum() > EARLIEST],
            [values for values in select if len(values) >= whole.horizon + EARLIEST],
        )

    def selection(self, context_length: int) -> Rows | None:
        """The rows that choose the epoch, if there are any."""
        if not self.select:
            return None
        chosen = [Series("", values) for values in self.select[:MAX_ROWS]]
        return held_out(dataclasses.replace(self.whole, series=chosen), context_length)


def shares(sets: Sequence[SplitSet]) -> NDArray[np.float64]:
    """How often each set is drawn: by the fourth root of its number of values, so that small sets count too."""
    sizes = np.array([sum(len(values) for values in one.train) for one in sets]) ** 0.25
    return np.asarray(sizes / sizes.sum())


class RandomHistories(Dataset[Batch]):
    """Batches drawn at random, each of one set, spoiled at random; the same ones in the same order for the same rng."""

    def __init__(
        self,
        sets: Sequence[SplitSet],
        num_batches: int,
        batch_size: int,
        context_length: int,
        max_horizon: int,
        spoiling: float,
        rng: np.random.Generator,
    ) -> None:
        self.sets = [one for one in sets if one.train]
        self.num_batches, self.batch_size = num_batches, batch_size
        self.context_length, self.max_horizon = context_length, max_horizon
        self.spoiling, self.rng = spoiling, rng
        self.shares = shares(self.sets)

    def __len__(self) -> int:
        return self.num_batches

    def __getitem__(self, _index: int) -> Batch:
        rows = self._noise() if self.rng.random() < NOISE_SHARE else self._of_a_set()
        self._spoil(rows)
        return rows.batch()

    def _of_a_set(self) -> Rows:
        rng = self.rng
        one = self.sets[rng.choice(len(self.sets), p=self.shares)]
        # Now and then further ahead than the set is measured, so that the model's whole horizon is learned.
        reach = 1 if rng.random() < 0.7 else rng.uniform(1, 4)
        horizon = min(int(one.whole.horizon * reach), self.max_horizon)
        series = [one.train[place] for place in rng.integers(len(one.train), size=self.batch_size)]
        origins = []
        for values in series:
            latest = max(len(values) - one.whole.horizon, (len(values) + EARLIEST) // 2)  # whole targets where possible
            origins.append(int(rng.integers(EARLIEST, max(latest, EARLIEST) + 1)))
        return rows_of(series, origins, horizon, freq_code(one.whole.freq), self.context_length)

    def _noise(self) -> Rows:
        """Random walks, of which nothing but the last value is worth knowing, whatever their spacing."""
        rng = self.rng
        length, horizon = int(rng.integers(8, self.context_length + 1)), int(rng.integers(1, self.max_horizon // 2 + 1))
        steps = rng.standard_t(NOISE_TAILS, size=(self.batch_size, length + horizon))
        walks = 10.0 ** rng.uniform(0, 3, size=(self.batch_size, 1)) + steps.cumsum(axis=1)
        freq = rng.integers(0, 1 + len(FREQUENCIES), size=(self.batch_size, 1))
        return Rows(walks[:, :length].astype(np.float32), freq, walks[:, length:])

    def _spoil(self, rows: Rows) -> None:
        """Hide in place what clients may not have: the spacing, early values, values here and there."""
        rng, width = self.rng, rows.history.shape[1]
        for history, freq in zip(rows.history, rows.freq, strict=True):
            if rng.random() < 0.3 * self.spoiling:
                freq[:] = 0
            if rng.random() < 0.3 * self.spoiling:
                history[: width - rng.integers(EARLIEST, max(width, EARLIEST + 1))] = np.nan
            if rng.random() < 0.1 * self.spoiling:
                history[:-1][rng.random(width - 1) < 0.3 * rng.random()] = np.nan


class ScaledPinballLoss:
    """Pinball loss in units of the window's usual seasonal change, the scale of MASE; unknown targets don't count."""

    def __init__(self, quantile_levels: tuple[float, ...]) -> None:
        self.levels = torch.tensor(quantile_levels)

    def __call__(self, network: nn.Module, batch: Batch) -> Tensor:
        """Mean over the known targets of the batch, each row counting alike."""
        history, freq, target_BH = batch
        quantiles_BHQ, scale_B = network(history, freq, target_BH.shape[1])
        known_BH = ~torch.isnan(target_BH)
        error = (torch.nan_to_num(target_BH).unsqueeze(2) - quantiles_BHQ) / scale_B[:, None, None]
        pinball_BH = torch.maximum(self.levels * error, (self.levels - 1) * error).mean(dim=2).clamp(max=30.0)
        by_row_B = (pinball_BH * known_BH).sum(dim=1) / known_BH.sum(dim=1).clamp(min=1)
        return by_row_B.mean()
