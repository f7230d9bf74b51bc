"""The task of forecasting a daily series: batches, loss, calibration, metrics, baselines.

One run: a network is fitted to random stretches of the training days, with a loss at every step of a stretch, and
stops early on the selection days, whose forecasts decide the epoch. The calibration days, all those after the training
days and up to the end of the selection, decide how wide the intervals are. The reporting days, later than all, are read
once, at the end.
"""

import contextlib
import dataclasses
import datetime as dt
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from statsforecast.models import ARIMA, AutoETS
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler

from bundle.golden import Arrays, Run
from bundle.manifest import ForecastSpec, FutureCovariate, Manifest, PastCovariate, TensorSpec
from bundle.series import category_codes, day_type, interval_levels, quantiles_at
from training import metrics, plots
from training.data import COVARIATE_SERIES
from training.data.covariate_series import CovariateSeries
from training.data.source import DataUnavailable
from training.data.windows import window_matrix
from training.fit import Schedule, seed_everything
from training.fit import fit as fit_network
from training.models.forecaster import WEEK, Forecaster, ForecasterConfig, LastStep
from training.tasks import Period, TrainedModel, count_parameters

logger = logging.getLogger(__name__)

REPORTED_LEVELS = (80, 95)


@dataclass(frozen=True)
class ForecastRecipe:
    """Everything that decides a published forecaster."""

    task: ClassVar[str] = "forecast"
    name: str
    alias: str
    data: str
    """Name of a data set in `training.data.COVARIATE_SERIES`."""
    target: str
    unit: str
    past: tuple[str, ...]
    day_types: tuple[str, ...]
    calibration_start: dt.date
    """First target day the width of the intervals is fitted to; training uses the days before it."""
    selection_start: dt.date
    """First target day the epoch is chosen by."""
    selection_end: dt.date
    """Last target day of both."""
    reporting_start: dt.date
    """First target day of the held-out figures."""
    reporting_end: dt.date
    """Last target day of the held-out figures."""
    context_length: int
    architecture: str
    settings: Any
    """Of the architecture."""
    network: ForecasterConfig
    stretch_days: int
    """Days of one training stretch."""
    stretches_per_epoch: int
    steps_per_stretch: int
    """Steps of a stretch that the loss is taken at, drawn anew each time."""
    warm_up_days: int
    """Steps at the beginning of a stretch that the loss leaves out."""
    first_step_weight: float
    """Weight of the next day's loss relative to that of each later day."""
    spoiling: float
    """How often training hides values, a past series or day types, relative to the shares in `_Stretches`."""
    schedule: Schedule
    intended_use: str
    limits: str


def fit(recipe: ForecastRecipe, seed: int, folder: Path, *, progress: bool = True) -> TrainedModel:
    """Run the recipe: see the module's docstring."""
    split = COVARIATE_SERIES[recipe.data].load()
    series, config = split.series, recipe.network
    training_days = series.until(recipe.calibration_start)
    seed_everything(seed)
    network = Forecaster(config, recipe.architecture, recipe.settings, _references(training_days, recipe))
    selection = Origins.of(series, recipe, recipe.selection_start, recipe.selection_end)
    fitted = fit_network(
        network,
        _Loss(recipe),
        _training_batches(training_days, recipe, seed),
        DataLoader(_Rows(selection.complete()), batch_size=64),
        recipe.schedule,
        folder,
        progress=progress,
    )
    graph = LastStep(network).eval()
    levels = config.quantile_levels
    calibration = Origins.of(series, recipe, recipe.calibration_start, recipe.selection_end)
    widening = fit_widening(calibration.actual, _predict(graph, calibration), levels)
    network.calibrate(torch.from_numpy(widening))
    selected = describe(selection.actual, _predict(graph, selection), levels)
    calibrated = describe(calibration.actual, _predict(graph, calibration), levels)

    reporting = Origins.of(series, recipe, recipe.reporting_start, recipe.reporting_end)
    quantiles = _predict(graph, reporting)
    figures = {"model": describe(reporting.actual, quantiles, levels), **baselines(series, reporting)}
    logger.info("validation: %s", figures)
    learning = [dataclasses.asdict(epoch) for epoch in fitted.epochs]
    return TrainedModel(
        graph=graph,
        inputs=[
            TensorSpec(name="history", dtype="float32", shape=["batch", "context"]),
            *(TensorSpec(name=f"past_{name}", dtype="float32", shape=["batch", "context"]) for name in recipe.past),
            TensorSpec(name="future_day_type", dtype="int64", shape=["batch", "context_and_horizon"]),
        ],
        outputs=[TensorSpec(name="quantiles", dtype="float32", shape=["batch", config.horizon, len(levels)])],
        samples=SeriesSamples(recipe.past, config.horizon, len(recipe.day_types)),
        golden=_golden(training_days, recipe),
        golden_texts=[],
        spec=ForecastSpec(
            target=recipe.target,
            unit=recipe.unit,
            freq="D",
            season=WEEK,
            context_length=recipe.context_length,
            horizon=config.horizon,
            quantile_levels=list(levels),
            past_covariates=[PastCovariate(name=name, unit=recipe.unit) for name in recipe.past],
            future_covariates=[
                FutureCovariate(name="day_type", categories=list(recipe.day_types), derived_from_dates="day_type")
            ],
        ),
        parameters=count_parameters(network),
        data=[split.described],
        metrics=figures,
        calibration={
            "widening": [round(float(value), 4) for value in widening],
            "coverage_80_on_calibration_days": calibrated["coverage_80"],
            "coverage_95_on_calibration_days": calibrated["coverage_95"],
            "calibrated_on": f"targets from {recipe.calibration_start} to {recipe.selection_end}",
        },
        report={
            "evaluated_on": f"targets from {recipe.reporting_start} to {recipe.reporting_end}: the next day from "
            f"{len(reporting)} origins, {config.horizon} days from {len(reporting.complete())}",
            "receptive_field_days": getattr(network.body, "receptive_field", None),
            "selection": {
                "epoch_chosen_on": f"targets from {recipe.selection_start} to {recipe.selection_end}",
                "best_epoch": fitted.best_epoch,
                "mae_next_day_on_selection_days": selected["mae_next_day"],
                "mae_mean_of_14_on_selection_days": selected["mae_mean_of_14"],
            },
            "epochs": learning,
        },
        files={
            "fan.svg": _fan(reporting, quantiles, levels, recipe),
            "error_by_horizon.svg": plots.error_by_horizon(
                {name: values["mae_by_horizon"] for name, values in figures.items()}
            ),
            "epochs.svg": plots.epochs([learning]),
        },
    )


def evaluate(
    recipe: ForecastRecipe, manifest: Manifest, _files: dict[str, bytes], run: Run, path: Path, period: Period
) -> dict[str, Any]:
    """Figures of a published bundle on any file of the data set's form, beside the seasonal naive forecast.

    Targets are the days of `period`: by default those of the file after the reporting days or, where it has none, the
    reporting days themselves. The days before them are history; where the file begins too late for them, they are
    taken from the data set, if it can be read, and the first week of the file is history else.
    """
    spec = manifest.spec
    assert isinstance(spec, ForecastSpec)
    # What the bundle reads is in the bundle; today's recipe may read something else.
    recipe = dataclasses.replace(
        recipe,
        context_length=spec.context_length,
        past=tuple(covariate.name for covariate in spec.past_covariates),
        day_types=tuple(spec.future_covariates[0].categories),
    )
    source = COVARIATE_SERIES[recipe.data]
    series = source.load_file(path)
    last = series.date_at(len(series.target) - 1)
    unseen = recipe.reporting_end + dt.timedelta(days=1)
    first = series.start
    start = period.start or max(first, unseen if last >= unseen else recipe.reporting_start)
    if start < first:
        raise ValueError(f"{start} is before the first day of the file, {first}")
    if series.start > start - dt.timedelta(days=recipe.context_length):
        with contextlib.suppress(DataUnavailable):
            series = series.preceded_by(source.load().series)
    if period.start is None:
        start = max(start, series.start + dt.timedelta(days=WEEK))
    end = period.end or last
    origins = Origins.of(series, recipe, start, end)
    chunks = np.array_split(np.arange(len(origins)), -(-len(origins) // 64))
    quantiles = np.concatenate(
        [run({name: array[rows] for name, array in origins.inputs.items()})["quantiles"] for rows in chunks]
    )
    return {
        "first_target": start.isoformat(),
        "last_target": end.isoformat(),
        "next_day_origins": len(origins),
        "complete_origins": len(origins.complete()),
        "model": describe(origins.actual, quantiles, tuple(spec.quantile_levels)),
        "seasonal_naive": _point_figures(origins.actual, seasonal_naive(origins)),
    }


# --- origins ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Origins:
    """Consecutive days to forecast from: what the graph reads at each, and what came true.

    `inputs` by tensor name, origins first; `actual[origins, horizon]`, NaN beyond the last target day.
    """

    first: int
    """Position of the first origin's last known day in the series."""
    inputs: dict[str, NDArray[Any]]
    actual: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.actual)

    def complete(self) -> "Origins":
        """Those origins whose whole horizon came true by the last target day."""
        count = int(np.isfinite(self.actual).all(axis=1).sum())
        return Origins(self.first, {name: array[:count] for name, array in self.inputs.items()}, self.actual[:count])

    @staticmethod
    def of(series: CovariateSeries, recipe: ForecastRecipe, start: dt.date, end: dt.date) -> "Origins":
        """Origins whose next day is a day from `start` to `end`. Raises `ValueError` outside the series."""
        first_target, last_target = series.index_of(start), series.index_of(end)
        context, horizon = recipe.context_length, recipe.network.horizon
        if first_target < WEEK:
            raise ValueError(f"a week of history is needed before {start}; the file starts at {series.start}")
        if not first_target <= last_target < len(series.target):
            raise ValueError(f"the file has no day from {start} to {end}")
        known, ahead = slice(first_target, context + last_target), slice(first_target, last_target + horizon)
        dates = (series.date_at(index) for index in range(len(series.target), last_target + horizon))
        day_types = [*series.future["day_type"], *(day_type(date) for date in dates)]
        unknown: list[str | None] = [None] * context  # before the file begins
        codes = category_codes([*unknown, *day_types], recipe.day_types)[known.start : known.stop + horizon]
        actual = np.full(last_target + horizon, np.nan)
        actual[: last_target + 1] = series.target[: last_target + 1]
        rows = {"history": series.target, **{f"past_{name}": series.past[name] for name in recipe.past}}
        missing = np.full(context, np.nan)
        inputs: dict[str, NDArray[Any]] = {
            name: window_matrix(np.concatenate([missing, row])[known].astype(np.float32), context, 1).copy()
            for name, row in rows.items()
        }
        inputs["future_day_type"] = window_matrix(codes, context + horizon, 1).copy()
        return Origins(first_target - 1, inputs, window_matrix(actual[ahead], horizon, 1).astype(np.float64))


class _Rows(Dataset[tuple[Tensor, ...]]):
    """Origins one by one: history, each past series, codes, and what came true."""

    def __init__(self, origins: Origins) -> None:
        self.origins = origins

    def __len__(self) -> int:
        return len(self.origins)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        arrays = [array[index] for array in self.origins.inputs.values()]
        return tuple(torch.from_numpy(array) for array in [*arrays, self.origins.actual[index].astype(np.float32)])


@torch.no_grad()
def _predict(graph: nn.Module, origins: Origins) -> NDArray[np.float64]:
    """Quantiles `[origins, horizon, levels]`."""
    quantiles: Tensor = graph(*(torch.from_numpy(array) for array in origins.inputs.values()))
    return quantiles.double().numpy()


# --- training --------------------------------------------------------------------------------------------------------


def _references(days: CovariateSeries, recipe: ForecastRecipe) -> Tensor:
    """Mean of the target and of each past series: over all training days, then over those of each day type."""
    codes = category_codes(days.future["day_type"], recipe.day_types)
    rows = [days.target, *(days.past[name] for name in recipe.past)]
    means = [[row.mean(), *(row[codes == code + 1].mean() for code in range(len(recipe.day_types)))] for row in rows]
    return torch.tensor(means, dtype=torch.float32)


def _training_batches(days: CovariateSeries, recipe: ForecastRecipe, seed: int) -> DataLoader[Any]:
    stretches = _Stretches(days, recipe, np.random.default_rng(seed))
    drawn = RandomSampler(
        stretches,
        replacement=True,
        num_samples=recipe.stretches_per_epoch,
        generator=torch.Generator().manual_seed(seed),
    )
    return DataLoader(stretches, batch_size=recipe.schedule.batch_size, sampler=drawn)


class _Stretches(Dataset[tuple[Tensor, ...]]):
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
        """Hide in place what callers may not have: early days, single days, a gap, a past series, day types."""
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


class _Loss:
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


def fit_widening(
    actual: NDArray[np.floating], quantiles: NDArray[np.floating], levels: tuple[float, ...]
) -> NDArray[np.float32]:
    """Factor `[levels]` on the distance of each quantile from the median, so that intervals cover what they say.

    Split-conformal: an interval is as wide as it takes to cover its share of the calibration days, one value more for
    the finite sample. Factors grow outwards, so the order of the quantiles is kept. Days ahead of one origin resemble
    each other, so the promise is that of the report's coverage, not of the theorem.

    Source: Y. Romano, E. Patterson, E. Candès, "Conformalized Quantile Regression", NeurIPS 2019.
    """
    known = np.isfinite(actual)
    values, said = actual[known], quantiles[known]
    middle = len(levels) // 2
    median = said[:, middle]
    widening = np.ones(len(levels), dtype=np.float32)
    factor = 0.0
    for step in range(1, middle + 1):
        lower, upper = said[:, middle - step], said[:, middle + step]
        needed = np.maximum((median - values) / (median - lower), (values - median) / (upper - median))
        covered = min(1.0, np.ceil((len(values) + 1) * (levels[middle + step] - levels[middle - step])) / len(values))
        factor = max(factor, float(np.quantile(needed, covered, method="higher")))
        widening[[middle - step, middle + step]] = factor
    return widening


# --- figures ---------------------------------------------------------------------------------------------------------


def describe(
    actual: NDArray[np.floating], quantiles: NDArray[np.floating], levels: tuple[float, ...]
) -> dict[str, Any]:
    """All figures of quantile forecasts `[origins, horizon, levels]`, in the series' units.

    Where no origin's whole horizon came true, those of the next day alone.
    """
    figures = _point_figures(actual, quantiles[..., len(levels) // 2])
    complete = np.isfinite(actual).all(axis=1)
    if complete.any():
        figures["pinball"] = metrics.pinball(actual[complete], quantiles[complete], levels)
    for level in REPORTED_LEVELS:
        lower, upper = np.moveaxis(quantiles_at(quantiles, levels, interval_levels(level)), -1, 0)
        if complete.any():
            figures[f"coverage_{level}"] = metrics.coverage(actual[complete], lower[complete], upper[complete])
        figures[f"coverage_{level}_next_day"] = metrics.coverage(actual[:, 0], lower[:, 0], upper[:, 0])
    return figures


def _point_figures(actual: NDArray[np.floating], forecast: NDArray[np.floating]) -> dict[str, Any]:
    figures: dict[str, Any] = {"mae_next_day": float(np.abs(actual[:, 0] - forecast[:, 0]).mean())}
    complete = np.isfinite(actual).all(axis=1)
    if complete.any():
        by_horizon = metrics.absolute_error_by_horizon(actual[complete], forecast[complete])
        figures |= {"mae_mean_of_14": float(by_horizon.mean()), "mae_by_horizon": by_horizon.tolist()}
    return figures


def seasonal_naive(origins: Origins) -> NDArray[np.float64]:
    """The last known week, repeated."""
    week = origins.inputs["history"][:, -WEEK:].astype(np.float64)
    return np.tile(week, (1, origins.actual.shape[1] // WEEK))


def baselines(series: CovariateSeries, origins: Origins) -> dict[str, dict[str, Any]]:
    """The same figures for simple forecasts from the same origins.

    The statistical models are fitted anew at each origin, to the two years before it. The seasonal ARIMA is the
    lecture's (A. Géron, "Hands-On Machine Learning", 3rd edition, chapter 15).
    """
    models: dict[str, Any] = {
        "auto_ets": AutoETS(season_length=WEEK),
        "seasonal_arima": ARIMA(order=(1, 0, 0), season_length=WEEK, seasonal_order=(0, 1, 1)),
    }
    horizon = origins.actual.shape[1]
    figures = {"seasonal_naive": _point_figures(origins.actual, seasonal_naive(origins))}
    for name, model in models.items():
        logger.info("baseline %s: %d fits", name, len(origins))
        forecasts = []
        for last in range(origins.first, origins.first + len(origins)):
            history = series.target[max(0, last + 1 - 730) : last + 1]
            forecasts.append(model.forecast(y=history, h=horizon)["mean"])
        figures[name] = _point_figures(origins.actual, np.stack(forecasts))
    return figures


def _fan(origins: Origins, quantiles: NDArray[np.floating], levels: tuple[float, ...], recipe: ForecastRecipe) -> bytes:
    """The first reported fortnight."""
    intervals = {}
    for level in reversed(REPORTED_LEVELS):
        lower, upper = quantiles_at(quantiles[0], levels, interval_levels(level)).T
        intervals[str(level)] = (lower, upper)
    return plots.forecast_fan(
        history=origins.inputs["history"][0, -8 * WEEK :],
        actual=origins.actual[0],
        median=quantiles[0, :, len(levels) // 2],
        intervals=intervals,
        naive=seasonal_naive(origins)[0],
        title=f"{recipe.target} a day, the two weeks from {recipe.reporting_start}",
    )


# --- samples ---------------------------------------------------------------------------------------------------------


def _golden(days: CovariateSeries, recipe: ForecastRecipe) -> dict[str, NDArray[Any]]:
    """The last training weeks, whole and with what callers leave out: a short history, gaps, no bus, no day types."""
    end = days.date_at(len(days.target) - recipe.network.horizon)
    origins = Origins.of(days, recipe, end - dt.timedelta(days=5), end)
    rows = {name: array.copy() for name, array in origins.inputs.items()}
    rows["history"][1, :-20] = np.nan
    rows["history"][2, ::5] = np.nan
    for name in recipe.past:
        rows[f"past_{name}"][1, :-20] = np.nan
        rows[f"past_{name}"][3] = np.nan
    rows["future_day_type"][4] = 0
    rows["future_day_type"][1, : recipe.context_length - 20] = 0
    return rows


@dataclass(frozen=True)
class SeriesSamples:
    """Random daily series with a week's shape, to check an export with."""

    past: tuple[str, ...]
    horizon: int
    num_day_types: int

    def draw(self, rng: np.random.Generator, batch: int, time: int) -> dict[str, NDArray[Any]]:
        """Some rows begin late, some values are missing, some day types unknown."""
        shape = np.tile([1.0, 1, 1, 1, 1, 0.6, 0.4], time // WEEK + 1)[:time]
        begins = rng.integers(0, time, size=(batch, 1)) * (rng.random((batch, 1)) < 0.5)
        hidden = (np.arange(time) < begins) & (np.arange(time) < time - 1)
        rows: dict[str, NDArray[Any]] = {}
        for name in ("history", *(f"past_{name}" for name in self.past)):
            values = 5e5 * shape * rng.uniform(0.8, 1.2, size=(batch, time))
            values[rng.random(values.shape) < 0.05] = np.nan
            values[hidden] = np.nan
            values[:, -1] = 5e5
            rows[name] = values.astype(np.float32)
        codes = rng.integers(0, self.num_day_types + 1, size=(batch, time + self.horizon))
        codes[:, :time][hidden] = 0
        rows["future_day_type"] = codes.astype(np.int64)
        return rows

    def pad(self, inputs: Arrays, extra: int) -> dict[str, NDArray[Any]]:
        """Padded on the left: NaN before the series, unknown before the day types."""
        return {
            name: np.pad(array, ((0, 0), (extra, 0)), constant_values=0 if array.dtype == np.int64 else np.nan)
            for name, array in inputs.items()
        }
