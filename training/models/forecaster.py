"""Forecaster of a daily series with a calendar: raw values -> causal anchor + any causal architecture -> quantiles.

Inputs, in the series' own units, NaN where missing, NaN too before a series shorter than the context begins:
`history_BT` target, `past_BPT` further series known up to now, `codes_BS` day-type codes of the T past and H future
days (0 unknown). Output: `quantiles_BNHQ`, at each of N steps the next H days, ascending over Q; a bundle serves the
last step.

Everything is scaled inside and by nothing that comes later than the step it is for:

1. `level`: how busy a weekday is just now — an exponentially weighted mean of the past, each day divided by what its
   day type usually is. Errors and features are measured in it, so the model follows a series that grows or shrinks.
2. `anchor`: a first forecast of each day ahead — the mean of the last weeks' same weekday, as far as its day type was
   the one of the day ahead, the newest counting most, leaning on that day type's own level where few are alike.
3. the architecture reads how each past day deviated from expectation, and a small network, the same for every step
   ahead, turns its outputs and the calendar around the day ahead into the deviation from the anchor: a median, and
   distances between neighbouring quantiles that can't be negative.

A forecast of step h uses day types up to that day only, so it doesn't depend on how far ahead one asks.

Sources: quantile loss, R. Koenker, G. Bassett, "Regression Quantiles", Econometrica 46, 1978; direct multi-horizon
forecasts at every step, R. Wen et al., "A Multi-Horizon Quantile Recurrent Forecaster", 2017, arXiv:1711.11053.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it

from training.models import ARCHITECTURES, Config

WEEK = 7


@dataclass(frozen=True)
class ForecasterConfig:
    """Settings of `Forecaster`, the architecture's own apart."""

    horizon: int
    """Steps ahead, two whole weeks."""
    quantile_levels: tuple[float, ...]
    """Ascending, symmetric, the median in the middle."""
    half_life_days: float
    """Of the weights of the level."""
    memory_days: int
    """Days the level looks back."""
    anchor_weeks: int
    """Weeks the anchor looks back."""
    anchor_decay: float
    """Weight of a week's value relative to that of the week after it."""
    lag_weeks: int
    """Weeks whose values the head sees one by one."""
    context_size: int
    """Outputs of the architecture that all steps ahead share."""
    step_size: int
    """Outputs of the architecture for each step ahead alone."""
    step_embedding: int
    hidden: int
    """Units of the head's two layers."""
    dropout: float
    day_type_lags: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6, 7, 8, 14)
    """The calendar around a day ahead: day types of so many days before it."""


class Forecaster(nn.Module):
    """See the module's docstring.

    Args:
        references: `[1 + P, 1 + K]` mean of the target and of each past series in the training days: overall, then for
            each of the K day types.
    """

    references: Tensor
    ahead_days: Tensor
    weeks: Tensor
    day_type_lags: Tensor
    memory: Tensor
    widening: Tensor

    def __init__(self, config: ForecasterConfig, architecture: str, settings: Config, references: Tensor) -> None:
        super().__init__()
        if config.horizon != 2 * WEEK:
            raise ValueError(f"the anchor repeats one week for the next: horizon must be {2 * WEEK}")
        if config.lag_weeks > config.anchor_weeks:
            raise ValueError("lag_weeks must not exceed anchor_weeks")
        self.config = config
        num_past, num_codes = references.shape[0] - 1, references.shape[1]
        self.register_buffer("references", references)
        self.register_buffer("ahead_days", torch.arange(1, config.horizon + 1))
        self.register_buffer("weeks", torch.arange(1, config.anchor_weeks + 1))
        self.register_buffer("day_type_lags", torch.tensor(config.day_type_lags))
        ages = torch.arange(config.memory_days - 1, -1, -1, dtype=torch.float32)
        self.register_buffer("memory", (0.5 ** (ages / config.half_life_days)).view(1, 1, -1))
        num_features = 3 * (1 + num_past) + 2 + 2 * num_codes
        self.body = ARCHITECTURES[architecture].build(num_features, settings)
        if not self.body.causal:
            raise ValueError(f"{architecture} is not causal: a forecaster's step may not see the steps after it")
        horizon, num_quantiles = config.horizon, len(config.quantile_levels)
        seen = self.body.receptive_field
        if seen is not None and seen < horizon:
            raise ValueError(f"{architecture} sees {seen} steps, fewer than the {horizon} it is to forecast")
        self.context = nn.Linear(self.body.num_outputs, config.context_size + horizon * config.step_size)
        self.step_embedding = nn.Parameter(0.1 * torch.randn(horizon, config.step_embedding))
        num_inputs = (
            config.context_size
            + config.step_size
            + config.step_embedding
            + num_codes * len(config.day_type_lags)
            + config.lag_weeks * (3 + num_past)
            + 3
        )
        self.first = nn.Linear(num_inputs, config.hidden)
        self.second = nn.Linear(config.hidden, config.hidden)
        self.output = nn.Linear(config.hidden, num_quantiles)
        nn.init.normal_(self.output.weight, std=0.01)
        nn.init.constant_(self.output.bias, -1.0)
        with torch.no_grad():
            self.output.bias[num_quantiles // 2] = 0.0
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("widening", torch.ones(num_quantiles))  # calibration; see `calibrate`

    def calibrate(self, widening: Tensor) -> None:
        """Multiply the distance of each quantile from the median, `[Q]`; growing outwards, so that order is kept."""
        self.widening.copy_(widening)

    def forward(
        self, history_BT: Tensor, past_BPT: Tensor, codes_BS: Tensor, steps: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Quantiles `[B, N, H, Q]` at the given steps (all by default), and the level `[B, N]` they are scaled by."""
        past = self._past(history_BT, past_BPT, codes_BS)
        every_step = torch.arange(history_BT.shape[1], device=history_BT.device)
        next_day = self._first_forecast(past, every_step, self.ahead_days[:1])
        read_BTD = self.body(self._features(past, next_day), past.started)

        steps_N = every_step if steps is None else steps
        first = self._first_forecast(past, steps_N, self.ahead_days)
        level_BN = past.level[:, 0].index_select(1, steps_N)
        deviation_BNHQ = self._head(read_BTD.index_select(1, steps_N), first, level_BN)
        return first.anchor.unsqueeze(3) + level_BN[:, :, None, None] * deviation_BNHQ, level_BN

    def _past(self, history_BT: Tensor, past_BPT: Tensor, codes_BS: Tensor) -> "_Past":
        """What is known of each step: values and whether observed, levels, deviations from them, day types."""
        values_BVT = torch.cat([history_BT.unsqueeze(1), past_BPT], dim=1)  # target first
        observed_BVT = (~torch.isnan(values_BVT)).to(torch.float32)
        values_BVT = torch.nan_to_num(values_BVT)
        started_BT = (observed_BVT.sum(dim=1).cumsum(dim=1) > 0).to(torch.float32)
        days_BSK = self._day_types(codes_BS, started_BT)
        today_BTK = days_BSK[:, : history_BT.shape[1]]
        usual_BVT = torch.einsum("btk,vk->bvt", today_BTK, self.references)
        level_BVT = self._level(values_BVT, observed_BVT, usual_BVT)
        return _Past(
            values=values_BVT,
            observed=observed_BVT,
            started=started_BT,
            level=level_BVT,
            relative=(values_BVT / level_BVT - usual_BVT / self.references[:, 1].view(1, -1, 1)) * observed_BVT,
            day_types=days_BSK,
            of_type=self._level_of_each_type(values_BVT[:, 0], observed_BVT[:, 0], today_BTK, level_BVT[:, 0]),
            reach=self._weeks * WEEK,
        )

    def _features(self, past: "_Past", next_day: "_FirstForecast") -> Tensor:
        """What the architecture reads of each past day `[B, T, C]`: how it deviated from what was expected."""
        started_B1T = past.started.unsqueeze(1)
        surprise_BT = (past.values[:, 0] - _delayed(next_day.anchor[:, :, 0], 1)) / past.level[:, 0]
        surprise_BT = surprise_BT * past.observed[:, 0] * _delayed(past.started, 1)
        changes_BVT = (past.values - _delayed(past.values, WEEK)) / past.level
        changes_BVT = changes_BVT * past.observed * _delayed(past.observed, WEEK)
        features_BCT = torch.cat(
            [
                5 * surprise_BT.unsqueeze(1),
                5 * changes_BVT[:, 1:],
                3 * past.relative,
                past.observed,
                *(3 * self._trend(past.level[:, :1], started_B1T, days) for days in (7, 28)),
            ],
            dim=1,
        ).clamp(-6, 6)
        today_BTK = past.day_types[:, : past.started.shape[1]]
        features_BTC = torch.cat([features_BCT.transpose(1, 2), today_BTK, next_day.day_types[:, :, 0]], dim=2)
        return features_BTC * past.started.unsqueeze(2)

    def _head(self, read_BND: Tensor, first: "_FirstForecast", level_BN: Tensor) -> Tensor:
        """Deviation from the anchor, in levels `[B, N, H, Q]`: one small network for every day ahead."""
        config = self.config
        level_BN1 = level_BN.unsqueeze(2)
        read_BNC = self.context(self.dropout(read_BND))
        shared_BN1C, own_BNC = read_BNC[..., : config.context_size].unsqueeze(2), read_BNC[..., config.context_size :]
        lags = slice(0, config.lag_weeks)
        deviation_BNHW = (first.lags - first.anchor.unsqueeze(3)) / level_BN1.unsqueeze(3) * first.observed
        around_BNHC = torch.cat(
            [
                (first.anchor / level_BN1 - 0.75).unsqueeze(3) * 2,
                ((first.expected - first.anchor) / level_BN1 * 3).clamp(-4, 4).unsqueeze(3),
                first.weight.unsqueeze(3) / 2,
                (3 * deviation_BNHW[..., lags]).clamp(-4, 4),
                first.alike[..., lags],
                first.observed[..., lags],
                *((3 * relative[..., lags]).clamp(-4, 4) for relative in first.relative_past),
                first.calendar,
                own_BNC.reshape(*own_BNC.shape[:2], config.horizon, config.step_size),
            ],
            dim=3,
        )
        same_for_all = torch.zeros_like(around_BNHC[..., :1])
        hidden = torch.cat([around_BNHC, shared_BN1C + same_for_all, self.step_embedding + same_for_all], dim=3)
        hidden = self.dropout(F.silu(self.first(hidden)))
        hidden = hidden + F.silu(self.second(hidden))
        return self._ordered(self.output(hidden))

    @property
    def _weeks(self) -> int:
        """Weeks that the first forecast and the calendar look back."""
        config = self.config
        return max(config.anchor_weeks, config.lag_weeks, max(config.day_type_lags) // WEEK + 1)

    def _first_forecast(self, past: "_Past", steps_N: Tensor, ahead_H: Tensor) -> "_FirstForecast":
        """The anchor of the days `ahead` of the steps, and what it was made of."""
        config = self.config
        day_NH = steps_N.unsqueeze(1) + ahead_H
        types_BNHK = past.days(day_NH)
        # The week-th latest known day that is the same weekday: for the second week ahead as for the first.
        weekday_H = (ahead_H - 1) % WEEK + 1
        same_NHW = (steps_N.unsqueeze(1) + weekday_H).unsqueeze(2) - WEEK * self.weeks
        lags_BNHW, observed_BNHW = past.of(past.values[:, 0], same_NHW), past.of(past.observed[:, 0], same_NHW)
        alike_BNHW = self._alike(past.days(same_NHW), types_BNHK.unsqueeze(3)) * observed_BNHW
        weights_BNHW = config.anchor_decay ** (self.weeks - 1) * alike_BNHW
        expected_BNH = (types_BNHK * past.of_type.index_select(1, steps_N).unsqueeze(2)).sum(dim=3)
        weight_BNH = weights_BNHW.sum(dim=3)
        anchor_BNH = ((weights_BNHW * lags_BNHW).sum(dim=3) + 0.2 * expected_BNH) / (weight_BNH + 0.2)
        return _FirstForecast(
            anchor=anchor_BNH,
            weight=weight_BNH,
            expected=expected_BNH,
            day_types=types_BNHK,
            lags=lags_BNHW,
            observed=observed_BNHW,
            alike=alike_BNHW,
            relative_past=[past.of(past.relative[:, series], same_NHW) for series in range(1, past.relative.shape[1])],
            calendar=past.days(day_NH.unsqueeze(2) - self.day_type_lags).flatten(3),
        )

    def _day_types(self, codes_BS: Tensor, started_BT: Tensor) -> Tensor:
        """One-hot day types `[B, S, K]`, zero before the series starts.

        In use, an unknown one is taken to be that of a week before; in training it is left unknown, so that the
        network learns what little can be said without it.
        """
        num_steps = started_BT.shape[1]
        started_BS = torch.cat([started_BT, torch.ones_like(codes_BS[:, num_steps:], dtype=started_BT.dtype)], dim=1)
        days_BSK = F.one_hot(codes_BS, self.references.shape[1]).to(torch.float32) * started_BS.unsqueeze(2)
        for _ in range(0 if self.training else 3):
            week_before = F.pad(days_BSK, (0, 0, WEEK, 0))[:, : days_BSK.shape[1]]
            unknown_BS1 = days_BSK[..., :1]
            known_before_BS1 = week_before[..., 1:].sum(dim=2, keepdim=True)
            days_BSK = days_BSK + unknown_BS1 * known_before_BS1 * (week_before - days_BSK)
        return days_BSK

    def _remembered(self, x_BCT: Tensor) -> Tensor:
        """Sum of each channel over the past, weighted by `memory`: a causal convolution with one fixed kernel."""
        one_by_one = F.pad(x_BCT.flatten(0, 1).unsqueeze(1), (self.config.memory_days - 1, 0))
        return F.conv1d(one_by_one, self.memory).reshape(x_BCT.shape)

    def _level(self, values_BVT: Tensor, observed_BVT: Tensor, usual_BVT: Tensor) -> Tensor:
        """What a day of the first type would be, as the past goes; positive."""
        little = 1e-3 * self.references[:, :1].unsqueeze(0)
        ratio = (self._remembered(values_BVT.abs()) + little) / (self._remembered(observed_BVT * usual_BVT) + little)
        return self.references[:, 1].view(1, -1, 1) * ratio

    def _level_of_each_type(self, x_BT: Tensor, observed_BT: Tensor, today_BTK: Tensor, level_BT: Tensor) -> Tensor:
        """The target's weighted mean over past days of each type `[B, T, K]`; over all days for the unknown type."""
        today_BKT = today_BTK.transpose(1, 2)
        sums = self._remembered(x_BT.unsqueeze(1) * today_BKT)
        counts = self._remembered(observed_BT.unsqueeze(1) * today_BKT)
        sums = torch.cat([sums.sum(dim=1, keepdim=True), sums[:, 1:]], dim=1)
        counts = torch.cat([counts.sum(dim=1, keepdim=True), counts[:, 1:]], dim=1)
        prior = level_BT.unsqueeze(1) * (self.references[0] / self.references[0, 1]).view(1, -1, 1)
        return ((sums + 0.1 * prior) / (counts + 0.1)).transpose(1, 2)

    def _trend(self, level_B1T: Tensor, started_B1T: Tensor, days: int) -> Tensor:
        """Logarithm of the level now over the level so many days ago."""
        logarithm = torch.log(level_B1T.clamp(min=1e-6))
        return (logarithm - _delayed(logarithm, days)) * _delayed(started_B1T, days)

    @staticmethod
    def _alike(before_BTHK: Tensor, ahead_BTHK: Tensor) -> Tensor:
        """1 where two days are of one type, 0.3 where either is unknown, else 0."""
        same = (before_BTHK * ahead_BTHK).sum(dim=-1)
        either_unknown = before_BTHK[..., 0] + ahead_BTHK[..., 0] - before_BTHK[..., 0] * ahead_BTHK[..., 0]
        return (same + 0.3 * either_unknown).clamp(max=1.0)

    def _ordered(self, x_BNHQ: Tensor) -> Tensor:
        """Ascending quantiles: the median, and distances outwards that a softplus keeps positive, summed up."""
        middle = x_BNHQ.shape[-1] // 2
        median = x_BNHQ[..., middle : middle + 1]
        distance = 0.3 * F.softplus(x_BNHQ)
        up = distance[..., middle + 1 :].cumsum(dim=-1)
        down = distance[..., :middle].flip(-1).cumsum(dim=-1).flip(-1)
        offsets = torch.cat([-down, torch.zeros_like(median), up], dim=-1) * self.widening
        return 0.1 * (median + offsets)


@dataclass(frozen=True)
class _Past:
    """What is known of each step, to be looked up by its position; zero before the first one."""

    values: Tensor  # (B, V, T), target first
    observed: Tensor  # (B, V, T)
    started: Tensor  # (B, T)
    level: Tensor  # (B, V, T)
    relative: Tensor  # (B, V, T)
    day_types: Tensor  # (B, S, K)
    of_type: Tensor  # (B, T, K)
    reach: int
    """How far before the first step a position may lie."""

    def of(self, x_BT: Tensor, positions: Tensor) -> Tensor:
        """Entries of `x_BT` at these positions: `[B, *positions]`."""
        found = F.pad(x_BT, (self.reach, 0)).index_select(1, positions.flatten() + self.reach)
        return found.reshape(found.shape[0], *positions.shape)

    def days(self, positions: Tensor) -> Tensor:
        """One-hot day types at these positions: `[B, *positions, K]`."""
        found = F.pad(self.day_types, (0, 0, self.reach, 0)).index_select(1, positions.flatten() + self.reach)
        return found.reshape(found.shape[0], *positions.shape, found.shape[2])


@dataclass(frozen=True)
class _FirstForecast:
    """The anchor `[B, N, H]` and what it was made of; W weeks, newest first."""

    anchor: Tensor  # (B, N, H)
    weight: Tensor  # (B, N, H)
    expected: Tensor  # (B, N, H)
    day_types: Tensor  # (B, N, H, K)
    lags: Tensor  # (B, N, H, W)
    observed: Tensor  # (B, N, H, W)
    alike: Tensor  # (B, N, H, W)
    relative_past: list[Tensor]  # each (B, N, H, W)
    calendar: Tensor  # (B, N, H, lags x K)


def _delayed(x_T: Tensor, steps: int) -> Tensor:
    """The last axis, `steps` later; zero before it begins."""
    return F.pad(x_T, (steps, 0))[..., : x_T.shape[-1]]


class LastStep(nn.Module):
    """The graph of a bundle: `history`, each `past_…`, one `future_…` -> `quantiles:float32[batch,horizon,levels]`."""

    def __init__(self, forecaster: Forecaster) -> None:
        super().__init__()
        self.forecaster = forecaster

    def forward(self, history: Tensor, *further: Tensor) -> Tensor:
        *past, codes = further
        last = torch.full_like(codes[0, :1], 0) + history.shape[1] - 1
        quantiles, _ = self.forecaster(history, torch.stack(past, dim=1), codes, last)
        last_step: Tensor = quantiles[:, 0]
        return last_step


class EveryStep(LastStep):
    """The same weights with the forecasts of every step: `quantiles:float32[batch,context,horizon,levels]`."""

    def forward(self, history: Tensor, *further: Tensor) -> Tensor:
        *past, codes = further
        quantiles: Tensor = self.forecaster(history, torch.stack(past, dim=1), codes)[0]
        return quantiles
