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
from training.models.quantiles import delayed, outwards

WEEK = 7
STEPS_TOGETHER = 8
"""Steps whose memory is computed side by side."""


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
    kinds: Tensor
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
        self.register_buffer("kinds", torch.arange(num_codes), persistent=False)
        ages = torch.arange(config.memory_days - 1, -1, -1, dtype=torch.float32)
        weights = 0.5 ** (ages / config.half_life_days)
        kernels = [F.pad(weights, (step, STEPS_TOGETHER - 1 - step)) for step in range(STEPS_TOGETHER)]
        self.register_buffer("memory", torch.stack(kernels)[:, None, None], persistent=False)
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
        return self._forecast(past, steps_N, read_BTD.index_select(1, steps_N))

    def last(self, history_BT: Tensor, past_BPT: Tensor, codes_BS: Tensor) -> Tensor:
        """Quantiles `[B, H, Q]` at the last step, the same, from the steps that the architecture sees there."""
        past = self._past(history_BT, past_BPT, codes_BS)
        every_step = torch.arange(history_BT.shape[1], device=history_BT.device)
        seen = self.body.receptive_field
        # One more: what each step was expected to be is the first forecast of the step before it.
        newest = slice(None) if seen is None else slice(-(seen + 1), None)
        next_day = self._first_forecast(past, every_step[newest], self.ahead_days[:1])
        read_BD = self.body.last(self._features(past, next_day, newest), past.started[:, newest])
        return self._forecast(past, every_step[-1:], read_BD.unsqueeze(1))[0][:, 0]

    def _forecast(self, past: "_Past", steps_N: Tensor, read_BND: Tensor) -> tuple[Tensor, Tensor]:
        """Quantiles and level at the steps, from what the architecture made of them."""
        first = self._first_forecast(past, steps_N, self.ahead_days)
        level_BN = past.level[:, 0].index_select(1, steps_N)
        deviation_BHNQ = self._head(read_BND, first, level_BN)
        quantiles_BHNQ = first.anchor.unsqueeze(3) + level_BN[:, None, :, None] * deviation_BHNQ
        return quantiles_BHNQ.transpose(1, 2), level_BN

    def _past(self, history_BT: Tensor, past_BPT: Tensor, codes_BS: Tensor) -> "_Past":
        """What is known of each step: values and whether observed, levels, deviations from them, day types."""
        values_BVT = torch.cat([history_BT.unsqueeze(1), past_BPT], dim=1)  # target first
        observed_BVT = (~torch.isnan(values_BVT)).to(torch.float32)
        values_BVT = torch.nan_to_num(values_BVT)
        started_BT = (observed_BVT.sum(dim=1).cumsum(dim=1) > 0).to(torch.float32)
        codes_BS = self._day_types(codes_BS, started_BT)
        today_BKT = self._one_hot(codes_BS[:, : history_BT.shape[1]])
        usual_BVT = self.references @ today_BKT
        level_BVT = self._level(values_BVT, observed_BVT, usual_BVT)
        return _Past(
            values=values_BVT,
            observed=observed_BVT,
            started=started_BT,
            level=level_BVT,
            relative=(values_BVT / level_BVT - usual_BVT / self.references[:, 1].view(1, -1, 1)) * observed_BVT,
            day_types=codes_BS,
            today=today_BKT,
            of_type=self._level_of_each_type(values_BVT[:, 0], observed_BVT[:, 0], today_BKT, level_BVT[:, 0]),
            reach=self._weeks * WEEK,
        )

    def _features(self, past: "_Past", next_day: "_FirstForecast", steps: slice = slice(None)) -> Tensor:
        """What the architecture reads of each past day `[B, T, C]`: how it deviated from what was expected.

        Of the newest steps alone, where those are asked for; `next_day` is theirs.
        """
        started_B1T = past.started.unsqueeze(1)
        surprise_BT = (past.values[:, 0, steps] - delayed(next_day.anchor[:, 0], 1)) / past.level[:, 0, steps]
        surprise_BT = surprise_BT * past.observed[:, 0, steps] * delayed(past.started, 1)[:, steps]
        changes_BVT = (past.values - delayed(past.values, WEEK)) / past.level
        changes_BVT = changes_BVT * past.observed * delayed(past.observed, WEEK)
        features_BCT = torch.cat(
            [
                5 * surprise_BT.unsqueeze(1),
                5 * changes_BVT[:, 1:, steps],
                3 * past.relative[..., steps],
                past.observed[..., steps],
                *(3 * self._trend(past.level[:, :1], started_B1T, days)[..., steps] for days in (7, 28)),
            ],
            dim=1,
        ).clamp(-6, 6)
        tomorrow_BKT = self._one_hot(next_day.day_types[:, 0])
        features_BCT = torch.cat([features_BCT, past.today[..., steps], tomorrow_BKT], dim=1)
        return (features_BCT * started_B1T[..., steps]).transpose(1, 2)

    def _head(self, read_BND: Tensor, first: "_FirstForecast", level_BN: Tensor) -> Tensor:
        """Deviation from the anchor, in levels `[B, H, N, Q]`: one small network for every day ahead."""
        config = self.config
        level_B1N = level_BN.unsqueeze(1)
        read_BNC = self.context(self.dropout(read_BND))
        shared_BNC, own_BNC = read_BNC[..., : config.context_size], read_BNC[..., config.context_size :]
        own_BNHC = own_BNC.reshape(*own_BNC.shape[:2], config.horizon, config.step_size)
        weeks = [x_BWHN[:, : config.lag_weeks] for x_BWHN in (first.lags, first.observed, first.alike, *first.relative)]
        lags_BHNW, observed_BHNW, alike_BHNW, *relative = [x_BWHN.permute(0, 2, 3, 1) for x_BWHN in weeks]
        deviation_BHNW = (lags_BHNW - first.anchor.unsqueeze(3)) / level_B1N.unsqueeze(3) * observed_BHNW
        around_BHNC = torch.cat(
            [
                (first.anchor / level_B1N - 0.75).unsqueeze(3) * 2,
                ((first.expected - first.anchor) / level_B1N * 3).clamp(-4, 4).unsqueeze(3),
                first.weight.unsqueeze(3) / 2,
                (3 * deviation_BHNW).clamp(-4, 4),
                alike_BHNW,
                observed_BHNW,
                *((3 * relative_BHNW).clamp(-4, 4) for relative_BHNW in relative),
                first.calendar,
                own_BNHC.transpose(1, 2),
            ],
            dim=3,
        )
        same_for_all = torch.zeros_like(around_BHNC[..., :1])
        of_steps = [shared_BNC.unsqueeze(1) + same_for_all, self.step_embedding.unsqueeze(1) + same_for_all]
        hidden = torch.cat([around_BHNC, *of_steps], dim=3)
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
        day_HN = ahead_H.unsqueeze(1) + steps_N
        types_BHN = past.days(day_HN)
        # The week-th latest known day that is the same weekday: for the second week ahead as for the first.
        weekday_H1 = ((ahead_H - 1) % WEEK + 1).unsqueeze(1)
        weeks_W11 = self.weeks.view(-1, 1, 1)
        same_WHN = weekday_H1 + steps_N - WEEK * weeks_W11
        lags_BWHN, observed_BWHN = past.of(past.values[:, 0], same_WHN), past.of(past.observed[:, 0], same_WHN)
        alike_BWHN = self._alike(past.days(same_WHN), types_BHN.unsqueeze(1)) * observed_BWHN
        weights_BWHN = config.anchor_decay ** (weeks_W11 - 1) * alike_BWHN
        of_type_BKN = past.of_type.index_select(2, steps_N)
        expected_BHN = (self._one_hot(types_BHN) * of_type_BKN.unsqueeze(2)).sum(dim=1)
        weight_BHN = weights_BWHN.sum(dim=1)
        anchor_BHN = ((weights_BWHN * lags_BWHN).sum(dim=1) + 0.2 * expected_BHN) / (weight_BHN + 0.2)
        return _FirstForecast(
            anchor=anchor_BHN,
            weight=weight_BHN,
            expected=expected_BHN,
            day_types=types_BHN,
            lags=lags_BWHN,
            observed=observed_BWHN,
            alike=alike_BWHN,
            relative=[past.of(past.relative[:, series], same_WHN) for series in range(1, past.relative.shape[1])],
            calendar=self._calendar(past, day_HN),
        )

    def _day_types(self, codes_BS: Tensor, started_BT: Tensor) -> Tensor:
        """Codes of day types `[B, S]`, -1 before the series starts.

        In use, an unknown one is taken to be that of a week before; in training it is left unknown, so that the
        network learns what little can be said without it.
        """
        codes_BS = codes_BS.masked_fill(
            F.pad(started_BT, (0, codes_BS.shape[1] - started_BT.shape[1]), value=1.0) == 0, -1
        )
        for _ in range(0 if self.training else 3):
            before_BS = delayed(codes_BS, WEEK, -1)
            codes_BS = torch.where((codes_BS == 0) & (before_BS > 0), before_BS, codes_BS)
        return codes_BS

    def _one_hot(self, codes: Tensor) -> Tensor:
        """`[B, K, …]` of codes `[B, …]`; all zero before the series starts."""
        return (codes.unsqueeze(1) == self.kinds.view(-1, *[1] * (codes.dim() - 1))).to(torch.float32)

    def _calendar(self, past: "_Past", day_HN: Tensor) -> Tensor:
        """Day types around the days, one-hot: `[B, H, N, lags x K]`."""
        codes_BHNL = past.days(day_HN.unsqueeze(2) - self.day_type_lags)
        return (codes_BHNL.unsqueeze(4) == self.kinds).to(torch.float32).flatten(3)

    def _remembered(self, x_BCT: Tensor) -> Tensor:
        """Sum of each channel over the past, weighted by `memory`: a causal convolution with one fixed kernel.

        All rows and channels are one picture, of which several steps are computed side by side, from the same stretch
        of the past: so it takes one product of matrices, and little is copied together for it.
        """
        num_steps = x_BCT.shape[2]
        padding = (self.config.memory_days - 1, STEPS_TOGETHER - 1)
        picture_11RT = F.pad(x_BCT.flatten(0, 1), padding)[None, None]
        sums_RNS = F.conv2d(picture_11RT, self.memory, stride=(1, STEPS_TOGETHER))[0].permute(1, 2, 0)
        return sums_RNS.flatten(1)[:, :num_steps].reshape(x_BCT.shape)

    def _level(self, values_BVT: Tensor, observed_BVT: Tensor, usual_BVT: Tensor) -> Tensor:
        """What a day of the first type would be, as the past goes; positive."""
        little = 1e-3 * self.references[:, :1].unsqueeze(0)
        ratio = (self._remembered(values_BVT.abs()) + little) / (self._remembered(observed_BVT * usual_BVT) + little)
        return self.references[:, 1].view(1, -1, 1) * ratio

    def _level_of_each_type(self, x_BT: Tensor, observed_BT: Tensor, today_BKT: Tensor, level_BT: Tensor) -> Tensor:
        """The target's weighted mean over past days of each type `[B, K, T]`; over all days for the unknown type."""
        sums = self._remembered(x_BT.unsqueeze(1) * today_BKT)
        counts = self._remembered(observed_BT.unsqueeze(1) * today_BKT)
        sums = torch.cat([sums.sum(dim=1, keepdim=True), sums[:, 1:]], dim=1)
        counts = torch.cat([counts.sum(dim=1, keepdim=True), counts[:, 1:]], dim=1)
        prior = level_BT.unsqueeze(1) * (self.references[0] / self.references[0, 1]).view(1, -1, 1)
        return (sums + 0.1 * prior) / (counts + 0.1)

    def _trend(self, level_B1T: Tensor, started_B1T: Tensor, days: int) -> Tensor:
        """Logarithm of the level now over the level so many days ago."""
        logarithm = torch.log(level_B1T.clamp(min=1e-6))
        return (logarithm - delayed(logarithm, days)) * delayed(started_B1T, days)

    @staticmethod
    def _alike(before: Tensor, ahead: Tensor) -> Tensor:
        """1 where two days are of one type, 0.3 where either is unknown, else 0."""
        either_unknown = 0.3 * ((before == 0) | (ahead == 0)).to(torch.float32)
        return torch.where(before == ahead, 1.0, either_unknown)

    def _ordered(self, x_BHNQ: Tensor) -> Tensor:
        """Ascending quantiles: the median, and distances outwards that a softplus keeps positive, summed up."""
        middle = x_BHNQ.shape[-1] // 2
        median = x_BHNQ[..., middle : middle + 1]
        return 0.1 * (median + outwards(0.3 * F.softplus(x_BHNQ)) * self.widening)


@dataclass(frozen=True)
class _Past:
    """What is known of each step, to be looked up by its position; zero before the first one."""

    values: Tensor  # (B, V, T), target first
    observed: Tensor  # (B, V, T)
    started: Tensor  # (B, T)
    level: Tensor  # (B, V, T)
    relative: Tensor  # (B, V, T)
    day_types: Tensor  # (B, S), codes
    today: Tensor  # (B, K, T), one-hot
    of_type: Tensor  # (B, K, T)
    reach: int
    """How far before the first step a position may lie."""

    def of(self, x_BT: Tensor, positions: Tensor, before: int = 0) -> Tensor:
        """Entries of `x_BT` at these positions, `before` ahead of the first step: `[B, *positions]`."""
        found = F.pad(x_BT, (self.reach, 0), value=before).index_select(1, positions.flatten() + self.reach)
        return found.reshape(found.shape[0], *positions.shape)

    def days(self, positions: Tensor) -> Tensor:
        """Codes of day types at these positions: `[B, *positions]`."""
        return self.of(self.day_types, positions, -1)


@dataclass(frozen=True)
class _FirstForecast:
    """The anchor `[B, H, N]` and what it was made of; W weeks, newest first."""

    anchor: Tensor  # (B, H, N)
    weight: Tensor  # (B, H, N)
    expected: Tensor  # (B, H, N)
    day_types: Tensor  # (B, H, N), codes
    lags: Tensor  # (B, W, H, N)
    observed: Tensor  # (B, W, H, N)
    alike: Tensor  # (B, W, H, N)
    relative: list[Tensor]  # of each past series (B, W, H, N)
    calendar: Tensor  # (B, H, N, lags x K)


class LastStep(nn.Module):
    """The graph of a bundle: `history`, each `past_…`, one `future_…` -> `quantiles:float32[batch,horizon,levels]`."""

    def __init__(self, forecaster: Forecaster) -> None:
        super().__init__()
        self.forecaster = forecaster

    def forward(self, history: Tensor, *further: Tensor) -> Tensor:
        *past, codes = further
        quantiles: Tensor = self.forecaster.last(history, torch.stack(past, dim=1), codes)
        return quantiles


class EveryStep(LastStep):
    """The same weights with the forecasts of every step: `quantiles:float32[batch,context,horizon,levels]`."""

    def forward(self, history: Tensor, *further: Tensor) -> Tensor:
        *past, codes = further
        quantiles: Tensor = self.forecaster(history, torch.stack(past, dim=1), codes)[0]
        return quantiles
