"""Global forecaster: one network for series of any spacing and scale, which weighs simple forecasts and mends them.

Inputs: `history_BT` in the series' own units, NaN where missing and before the series begins; `freq_B1` its spacing as
a code of `series.freq_code`, 0 unknown. Output: `quantiles_BHQ` of the next H steps, ascending over Q.

1. `_window`: the history relative to its last value, in units of its usual change from one season to the next (the
   scale of MASE), missing values filled by the season before. The season follows from the spacing; where that is
   unknown, the lag at which the changes of the series resemble each other most.
2. `_Simple`: K forecasts that need no training — last value, seasonal naive, drifts, smoothed levels, means
   of seasons, growth by season.
3. the architecture reads the window, and a small network, the same for every step ahead, gives each simple forecast a
   weight, adds a correction, and the distances between neighbouring quantiles, which can't be negative.

So an untrained network already forecasts sensibly, and a trained one is as good as the simple forecast that suits.

Sources: R. Hyndman, A. Koehler, "Another look at measures of forecast accuracy", International Journal of Forecasting
22, 2006 (the scale); P. Montero-Manso, R. Hyndman, "Principles and algorithms for forecasting groups of time series",
ibid. 37, 2021 (global models); P. Montero-Manso et al., "FFORMA", ibid. 36, 2020 (learning to weigh simple forecasts).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it

from bundle.tasks.forecast.series import FREQUENCIES, SEASONS
from training.models import ARCHITECTURES, Config
from training.models.quantiles import delayed, outwards

DETECTED_SEASONS = (4, 5, 7, 12, 24, 48, 52, 96)
"""Lags among which the season is looked for where the spacing is unknown."""
MIN_RESEMBLANCE = 0.3
"""Least autocorrelation of the changes at a lag that is taken for a season."""
LONGEST_CONTEXT = 512
NUM_SEASONS_BACK = 8
WEEKS_OF_A_YEAR = 52
LARGEST = 3e38


@dataclass(frozen=True)
class GlobalForecasterConfig:
    """Settings of `GlobalForecaster`, the architecture's own apart."""

    horizon: int
    quantile_levels: tuple[float, ...]
    """Ascending, symmetric, the median in the middle."""
    read_length: int
    """Newest steps that the architecture reads; the simple forecasts look back as far as the history goes."""
    context_size: int
    """Outputs of the architecture that all steps ahead share."""
    hidden: int
    """Units of the head's two layers."""
    dropout: float


class GlobalForecaster(nn.Module):
    """See the module's docstring."""

    season_of_code: Tensor
    widening: Tensor
    detected: Tensor

    def __init__(self, config: GlobalForecasterConfig, architecture: str, settings: Config) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("season_of_code", torch.tensor([0, *(SEASONS[freq] for freq in FREQUENCIES)]))
        self.register_buffer("detected", torch.tensor(DETECTED_SEASONS), persistent=False)
        num_codes, num_quantiles = 1 + len(FREQUENCIES), len(config.quantile_levels)
        self.body = ARCHITECTURES[architecture].build(_Window.NUM_FEATURES + num_codes, settings)
        seen = self.body.receptive_field
        if seen is not None and seen < 2:
            raise ValueError(f"{architecture} sees {seen} step: a forecast needs at least two")
        self.context = nn.Linear(2 * self.body.num_outputs, config.context_size)
        num_inputs = config.context_size + _Simple.NUM_FEATURES + num_codes + _Window.NUM_STATISTICS + 3
        self.first = nn.Linear(num_inputs, config.hidden)
        self.second = nn.Linear(config.hidden, config.hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.weights = nn.Linear(config.hidden, _Simple.NUM)
        self.output = nn.Linear(config.hidden, num_quantiles)
        for layer in (self.weights, self.output):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
        self.register_buffer("widening", torch.ones(num_quantiles))  # calibration; see `calibrate`

    def calibrate(self, widening: Tensor) -> None:
        """Multiply the distance of each quantile from its inner neighbour, `[Q]`, positive, so that order is kept."""
        self.widening.copy_(widening)

    def forward(self, history_BT: Tensor, freq_B1: Tensor, horizon: int | None = None) -> tuple[Tensor, Tensor]:
        """Quantiles `[B, H, Q]` of the next `horizon` steps (all by default), and the scale `[B]` of errors."""
        window = self._window(history_BT, freq_B1)
        ahead_H = torch.arange(1, (horizon or self.config.horizon) + 1, device=history_BT.device)
        simple = _Simple.of(window, ahead_H)
        codes_BF = F.one_hot(freq_B1[:, 0], len(self.season_of_code)).to(torch.float32)
        relative_BHQ = self._head(self._read(window, codes_BF), simple, window, codes_BF, ahead_H)
        quantiles_BHQ = window.last.unsqueeze(2) + window.scale.unsqueeze(2) * relative_BHQ
        return quantiles_BHQ.clamp(-LARGEST, LARGEST), window.scale[:, 0]

    def _window(self, history_BT: Tensor, freq_B1: Tensor) -> "_Window":
        """See the module's docstring, 1."""
        num_steps = history_BT.shape[1]
        steps_T = torch.arange(num_steps, device=history_BT.device)
        observed_BT = ~torch.isnan(history_BT)
        started_BT = observed_BT.to(torch.float32).cumsum(dim=1) > 0
        newest_BT = torch.where(observed_BT, steps_T.to(torch.float32), -1.0)  # place of the newest value so far
        reach = 1
        while reach < LONGEST_CONTEXT:
            newest_BT = torch.maximum(newest_BT, delayed(newest_BT, reach, -1.0))
            reach *= 2
        newest_BT = newest_BT.clamp(min=0).to(torch.int64)
        # A quarter, so that no difference can overflow.
        values_BT = torch.nan_to_num(history_BT).clamp(-LARGEST, LARGEST) / 4
        last_B1 = values_BT.gather(1, newest_BT[:, -1:])
        filled_BT = (values_BT.gather(1, newest_BT) - last_B1) * started_BT
        largest_B1 = filled_BT.abs().amax(dim=1, keepdim=True)
        unit_B1 = torch.maximum(largest_B1, 1e-6 * last_B1.abs()).clamp(min=1e-37)
        filled_BT = filled_BT / unit_B1

        start_B1 = (~started_BT).sum(dim=1, keepdim=True)
        known_B1 = self.season_of_code[freq_B1]
        season_B1 = torch.where(known_B1 > 0, known_B1, self._detected_season(filled_BT, started_BT))
        before_BT = steps_T - season_B1
        has_before_BT = before_BT >= start_B1
        season_before_BT = torch.where(has_before_BT, filled_BT.gather(1, before_BT.clamp(min=0)), filled_BT)
        filled_BT = torch.where(observed_BT, filled_BT, season_before_BT)

        has_before = has_before_BT.to(torch.float32)
        has_previous = (steps_T > start_B1).to(torch.float32)
        seasonal_BT = (filled_BT - filled_BT.gather(1, before_BT.clamp(min=0))) * has_before
        change_BT = (filled_BT - delayed(filled_BT, 1)) * has_previous
        usual_change_B1 = _mean(change_BT.abs(), has_previous)
        usual_seasonal_B1 = _mean(seasonal_BT.abs(), has_before)
        scale_B1 = torch.where(has_before.sum(dim=1, keepdim=True) >= 3, usual_seasonal_B1, usual_change_B1)
        # A series that hardly ever changes might: by a hundred-thousandth of itself.
        scale_B1 = scale_B1.clamp(min=1e-4) + 1e-5 * last_B1.abs() / unit_B1
        return _Window(
            last=4 * last_B1,
            scale=4 * (scale_B1 * unit_B1),
            relative=filled_BT / scale_B1,
            seasonal=seasonal_BT / scale_B1,
            change=change_BT / scale_B1,
            has_before=has_before,
            observed=observed_BT.to(torch.float32),
            started=started_BT.to(torch.float32),
            start=start_B1,
            season=season_B1,
        )

    def _detected_season(self, filled_BT: Tensor, started_BT: Tensor) -> Tensor:
        """`[B, 1]`: the shortest lag nearly as good as the best at which changes resemble each other; else 1."""
        known_BT = (started_BT & delayed(started_BT.to(torch.float32), 1).to(torch.bool)).to(torch.float32)
        change_BT = (filled_BT - delayed(filled_BT, 1)) * known_BT
        change_BT = change_BT - _mean(change_BT, known_BT) * known_BT
        resemblances = [torch.full_like(filled_BT[:, :1], MIN_RESEMBLANCE)]
        for lag in DETECTED_SEASONS:
            earlier_BT, both_BT = delayed(change_BT, lag), known_BT * delayed(known_BT, lag)
            product_B1 = (change_BT * earlier_BT).sum(dim=1, keepdim=True)
            power_B1 = (change_BT.square() * both_BT).sum(dim=1, keepdim=True)
            power_B1 = power_B1 * (earlier_BT.square() * both_BT).sum(dim=1, keepdim=True)
            enough_B1 = (both_BT.sum(dim=1, keepdim=True) > lag).to(torch.float32)
            resemblances.append(product_B1 / (power_B1.sqrt() + 1e-9) * enough_B1)
        resemblance_BP = torch.cat(resemblances, dim=1)
        best_B1 = resemblance_BP.amax(dim=1, keepdim=True)
        near_BP = ((resemblance_BP >= best_B1 - 0.1) & (resemblance_BP >= MIN_RESEMBLANCE)).to(torch.float32)
        is_first_BP = near_BP[:, 1:] * (near_BP[:, 1:].cumsum(dim=1) == 1)
        found_B1 = is_first_BP.sum(dim=1, keepdim=True)
        season_B1 = (is_first_BP * self.detected).sum(dim=1, keepdim=True) + (1 - found_B1)
        return season_B1.round().to(torch.int64)

    def _read(self, window: "_Window", codes_BF: Tensor) -> Tensor:
        """What the architecture makes of the window, at its last step and on average: `[B, context_size]`."""
        newest = slice(-self.config.read_length, None)
        started_BT = window.started[:, newest]
        features_BTC = window.features(newest)
        codes_BTF = codes_BF.unsqueeze(1).expand(-1, features_BTC.shape[1], -1)
        features_BTC = torch.cat([features_BTC, codes_BTF], dim=2) * started_BT.unsqueeze(2)
        h_BTD = self.body(features_BTC, started_BT)
        num_steps_B1 = started_BT.sum(dim=1, keepdim=True).clamp(min=1)
        mean_BD = (h_BTD * started_BT.unsqueeze(2)).sum(dim=1) / num_steps_B1
        context_BC: Tensor = self.context(self.dropout(torch.cat([h_BTD[:, -1], mean_BD], dim=1)))
        return context_BC

    def _head(
        self, context_BC: Tensor, simple: "_Simple", window: "_Window", codes_BF: Tensor, ahead_H: Tensor
    ) -> Tensor:
        """Quantiles relative to the last value, in scales: `[B, H, Q]`."""
        ahead = ahead_H.to(torch.float32)
        cycles_BH = ahead / window.season
        of_row = torch.cat([context_BC, codes_BF, window.statistics()], dim=1).unsqueeze(1)
        step_BH3 = torch.stack(
            [torch.log(ahead).expand_as(cycles_BH) / 3, cycles_BH.clamp(max=8) / 4, torch.log1p(cycles_BH)], dim=2
        )
        hidden = torch.cat([simple.features(), step_BH3, of_row + torch.zeros_like(step_BH3[:, :, :1])], dim=2)
        hidden = self.dropout(F.silu(self.first(hidden)))
        hidden = hidden + F.silu(self.second(hidden))
        weights_BHK = torch.softmax(self.weights(hidden), dim=2)
        weighed_BH = (weights_BHK * simple.forecasts).sum(dim=2)
        return self._quantiles(weighed_BH, self.output(hidden), ahead)

    def _quantiles(self, weighed_BH: Tensor, x_BHQ: Tensor, ahead_H: Tensor) -> Tensor:
        """The weighed forecast, mended, and distances outwards that a softplus keeps positive, summed up."""
        middle = x_BHQ.shape[2] // 2
        median_BH1 = weighed_BH.unsqueeze(2) + x_BHQ[..., middle : middle + 1]
        distance_BHQ = 0.3 * F.softplus(x_BHQ - 0.5) * ahead_H.sqrt().clamp(max=4).view(1, -1, 1) * self.widening
        return median_BH1 + outwards(distance_BHQ)


@dataclass(frozen=True)
class _Window:
    """The history as the network sees it. Relative values are in scales; 0 at the last value and before the start."""

    NUM_FEATURES = 6
    NUM_STATISTICS = 5

    last: Tensor  # (B, 1)
    scale: Tensor  # (B, 1)
    relative: Tensor  # (B, T)
    seasonal: Tensor  # (B, T)
    """Change since a season before."""
    change: Tensor  # (B, T)
    """Change since a step before."""
    has_before: Tensor  # (B, T)
    """Whether the series reaches a season back from there."""
    observed: Tensor  # (B, T)
    started: Tensor  # (B, T)
    start: Tensor  # (B, 1)
    """Steps before the series begins."""
    season: Tensor  # (B, 1)

    @property
    def num_steps(self) -> int:
        """T, which the graph keeps dynamic."""
        return self.relative.shape[1]

    def features(self, steps: slice) -> Tensor:
        """What the architecture reads of each of these steps: `[B, T, 6]`."""
        steps_T = torch.arange(self.num_steps, device=self.relative.device)[steps]
        angle_BT = 2 * torch.pi * (((self.num_steps - 1 - steps_T) % self.season) / self.season)
        return torch.stack(
            [
                _squashed(self.relative[:, steps]) / 2,
                _squashed(self.change[:, steps]),
                _squashed(self.seasonal[:, steps]),
                self.observed[:, steps],
                torch.sin(angle_BT),
                torch.cos(angle_BT),
            ],
            dim=2,
        )

    def statistics(self) -> Tensor:
        """What the head reads of the series as a whole: `[B, 5]`."""
        resemblance_B1 = 1 - (self.seasonal.square().sum(dim=1, keepdim=True) + 0.1) / (
            ((self.relative - self.mean(self.started)) * self.has_before).square().sum(dim=1, keepdim=True) + 0.1
        )
        return torch.cat(
            [
                torch.log1p(self.started.sum(dim=1, keepdim=True)) / 3,
                resemblance_B1.clamp(-2, 1),
                _squashed(self.last / self.scale) / 5,
                torch.log(_mean(self.change.abs(), self.started) + 0.05),
                torch.log(self.mean(self.started).abs() + 0.1) / 3,
            ],
            dim=1,
        )

    def mean(self, weights_BT: Tensor) -> Tensor:
        """Weighted mean of the relative values `[B, 1]`."""
        return _mean(self.relative, weights_BT)

    def of_season(self, seasons_back: int) -> tuple[Tensor, Tensor]:
        """Mean `[B, 1]` of the season that ends so many seasons before now, and whether all of it is there."""
        age_BT = self.num_steps - 1 - torch.arange(self.num_steps, device=self.relative.device)
        age_BT = age_BT - seasons_back * self.season
        within_BT = ((age_BT >= 0) & (age_BT < self.season)).to(torch.float32) * self.started
        return self.mean(within_BT), within_BT.sum(dim=1, keepdim=True) >= self.season

    def at(self, ages_BH: Tensor) -> tuple[Tensor, Tensor]:
        """Relative values so many steps before the last one, and whether the series reaches that far back."""
        places_BH = self.num_steps - 1 - ages_BH
        return self.relative.gather(1, places_BH.clamp(0, self.num_steps - 1)), places_BH >= self.start


@dataclass(frozen=True)
class _Simple:
    """The simple forecasts, relative to the last value, in scales."""

    NUM = 14
    NUM_FEATURES = 2 * 14

    forecasts: Tensor  # (B, H, K)
    available: Tensor  # (B, H, K)

    @classmethod
    def of(cls, window: _Window, ahead_H: Tensor) -> "_Simple":
        """K forecasts of every step ahead; the seasonal naive one where one of them can't be made."""
        season_B1 = window.season
        cycles_BH = (ahead_H + season_B1 - 1) // season_B1  # 1 within the first season ahead
        steps = ahead_H.to(torch.float32)
        zero_BH = 0.0 * (cycles_BH + window.last)
        always = zero_BH == 0
        same = [window.at(cycles_BH * season_B1 - ahead_H + back * season_B1) for back in range(NUM_SEASONS_BACK)]
        naive_BH = torch.where(same[0][1], same[0][0], zero_BH)
        has_season = same[0][1]
        reached_SBH = torch.stack([reached.to(torch.float32) for _, reached in same])
        usual_BH = (torch.stack([value for value, _ in same]) * reached_SBH).sum(dim=0)
        usual_BH = usual_BH / reached_SBH.sum(dim=0).clamp(min=1)
        seventh_BH, has_seventh = window.at(((ahead_H - 1) // (7 * season_B1) + 1) * 7 * season_B1 - ahead_H)
        newest_B1, _ = window.of_season(0)
        before_B1, has_before = window.of_season(1)
        third_B1, has_third = window.of_season(2)
        three_means_B1 = (newest_B1 + before_B1 + third_B1) / 3
        age_BT = (window.num_steps - 1 - torch.arange(window.num_steps, device=zero_BH.device)).to(torch.float32)
        fast_BT, slow_BT = (0.5 ** (age_BT / half_life) for half_life in (1.0, 4.0))
        by_season_BT = 0.5 ** (age_BT / season_B1)
        num_known_B1 = window.started.sum(dim=1, keepdim=True)
        first_B1 = window.relative.gather(1, window.start.clamp(max=window.num_steps - 1))
        drift_B1 = -first_B1 / (num_known_B1 - 1).clamp(min=1)
        growth_B1 = window.last / window.scale  # the last value in scales: relative values + it are the values
        ratio_B1 = ((newest_B1 + growth_B1) / (before_B1 + growth_B1 + 1e-9)).clamp(0.7, 1.4)
        positive_B1 = ((before_B1 + growth_B1) > 0) & ((newest_B1 + growth_B1) > 0) & has_before
        growing_BH = (naive_BH + growth_B1) * ratio_B1 ** cycles_BH.clamp(max=4) - growth_B1
        pairs = [
            (zero_BH, always),  # last value
            (naive_BH, has_season),  # seasonal naive
            (naive_BH + cycles_BH * (newest_B1 - before_B1), has_before & has_season),  # … with the trend of seasons
            (growing_BH, positive_B1 & has_season),  # … growing as the last season did
            (naive_BH + _mean(window.seasonal, fast_BT * window.has_before), has_season),  # … at today's level
            (naive_BH + _mean(window.seasonal, slow_BT * window.has_before), has_season),
            ((same[0][0] + same[1][0] + same[2][0]) / 3 + newest_B1 - three_means_B1, has_third & same[2][1]),
            (torch.where(has_season, usual_BH, zero_BH), has_season),  # mean of the same step of eight seasons
            (zero_BH + steps * drift_B1, always),  # the line through both ends
            (zero_BH + steps * _mean(window.change, slow_BT * window.started), always),  # the newest slope
            (zero_BH + window.mean(fast_BT * window.started), always),  # smoothed level
            (zero_BH + window.mean(by_season_BT * window.started), always),  # mean of the last seasons
            (torch.where(has_seventh, seventh_BH, naive_BH), has_seventh),  # seven seasons ago: a week of hours
            _after_a_year(window, naive_BH, ahead_H),
        ]
        forecasts = [torch.where(there & always, forecast, naive_BH) for forecast, there in pairs]
        available = [(there & always).to(torch.float32) for _, there in pairs]
        return cls(torch.stack(forecasts, dim=2), torch.stack(available, dim=2))

    def features(self) -> Tensor:
        """What the head reads of them: `[B, H, 2 K]`."""
        return torch.cat([_squashed(self.forecasts), self.available], dim=2)


def _after_a_year(window: _Window, naive_BH: Tensor, ahead_H: Tensor) -> tuple[Tensor, Tensor]:
    """Of days: the seasonal naive forecast, and what the level of a week did in the same weeks a year ago."""
    season_B1 = window.season
    change_BH = torch.zeros_like(naive_BH)
    for day in range(7):
        within_B1 = (day < season_B1).to(torch.float32) / season_B1
        then_BH, _ = window.at(WEEKS_OF_A_YEAR * season_B1 - ahead_H + day)
        start_B1, _ = window.at(WEEKS_OF_A_YEAR * season_B1 + day)
        change_BH = change_BH + (then_BH - start_B1) * within_B1
    of_days_B1 = (season_B1 == 7) | (season_B1 == 5)
    _, reached_B1 = window.at((WEEKS_OF_A_YEAR + 1) * season_B1)
    return naive_BH + change_BH, of_days_B1 & reached_B1


def _mean(x_BT: Tensor, weights_BT: Tensor) -> Tensor:
    """Weighted mean over the steps `[B, 1]`, 0 where nothing has weight."""
    return (x_BT * weights_BT).sum(dim=1, keepdim=True) / weights_BT.sum(dim=1, keepdim=True).clamp(min=1e-6)


def _squashed(x: Tensor) -> Tensor:
    """As it is near 0, as its logarithm far from it."""
    return torch.sign(x) * torch.log1p(x.abs())


class AnyFreq(nn.Module):
    """The graph of a bundle for any spacing: `history`, `freq` -> `quantiles:float32[batch,horizon,levels]`."""

    def __init__(self, forecaster: GlobalForecaster) -> None:
        super().__init__()
        self.forecaster = forecaster

    def forward(self, history: Tensor, freq: Tensor) -> Tensor:
        quantiles: Tensor = self.forecaster(history, freq)[0]
        return quantiles


class OneFreq(nn.Module):
    """The graph of a bundle for one spacing: `history` -> `quantiles:float32[batch,horizon,levels]`."""

    code: Tensor

    def __init__(self, forecaster: GlobalForecaster, code: int) -> None:
        super().__init__()
        self.forecaster = forecaster
        self.register_buffer("code", torch.tensor([[code]]))

    def forward(self, history: Tensor) -> Tensor:
        freq_B1 = self.code + torch.zeros_like(history[:, :1]).nan_to_num().to(torch.int64)
        quantiles: Tensor = self.forecaster(history, freq_B1)[0]
        return quantiles
