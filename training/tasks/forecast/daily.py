"""The task of forecasting a daily series: from data to figures beside baselines.

One run: a network is fitted to random stretches of the training days, with a loss at every step of a stretch, and
stops early on the selection days, whose forecasts decide the epoch. The calibration days, all those after the training
days and up to the end of the selection, decide how wide the intervals are. The reporting days, later than all, are read
once, at the end.
"""

import contextlib
import dataclasses
import datetime as dt
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from bundle.golden import Run
from bundle.manifest import Manifest
from bundle.tasks.forecast.spec import ForecastSpec
from training import plots
from training.data.covariate_series import CovariateSeries
from training.data.loaders import COVARIATE_SERIES
from training.data.source import DataUnavailable
from training.fit import fit as fit_network
from training.fit import seed_everything
from training.models.forecaster import WEEK, Forecaster, LastStep
from training.tasks import Figures, Measure, Measures, Period, TrainedModel, count_parameters
from training.tasks.forecast import calibration as widening
from training.tasks.forecast.daily_baselines import baseline_figures
from training.tasks.forecast.daily_figures import describe, point_figures, seasonal_naive
from training.tasks.forecast.daily_recipe import ForecastRecipe
from training.tasks.forecast.origins import OriginRows, Origins, predict
from training.tasks.forecast.quantile_forecasts import fan, run_in_batches
from training.tasks.forecast.samples import SeriesSamples
from training.tasks.forecast.windows import StretchLoss, references, training_batches

logger = logging.getLogger(__name__)


def fit(
    recipe: ForecastRecipe, seed: int, folder: Path, *, progress: bool = True, baselines: Figures | None = None
) -> TrainedModel:
    """Run the recipe: see the module's docstring."""
    split = COVARIATE_SERIES[recipe.data].load()
    series, config, spec = split.series, recipe.network, recipe.spec()
    training_days = series.until(recipe.calibration_start)
    seed_everything(seed)
    network = Forecaster(config, recipe.architecture, recipe.settings, references(training_days, recipe))
    selection = Origins.of(series, spec, recipe.selection_start, recipe.selection_end)
    fitted = fit_network(
        network,
        StretchLoss(recipe),
        training_batches(training_days, recipe, seed),
        DataLoader(OriginRows(selection.complete()), batch_size=64),
        recipe.schedule,
        folder,
        progress=progress,
    )
    graph = LastStep(network).eval()
    levels = config.quantile_levels
    calibration = Origins.of(series, spec, recipe.calibration_start, recipe.selection_end)
    factors = widening.from_median(calibration.actual, predict(graph, calibration), levels)
    network.calibrate(torch.from_numpy(factors))
    selected = describe(selection.actual, predict(graph, selection), levels)
    calibrated = describe(calibration.actual, predict(graph, calibration), levels)

    reporting = Origins.of(series, spec, recipe.reporting_start, recipe.reporting_end)
    quantiles = predict(graph, reporting)
    figures = {"model": describe(reporting.actual, quantiles, levels)}
    figures |= baseline_figures(series.target, reporting) if baselines is None else baselines
    logger.info("validation: %s", figures)
    learning = [dataclasses.asdict(epoch) for epoch in fitted.epochs]
    drawn = _fan(reporting, quantiles, levels, recipe)
    return TrainedModel(
        graph=graph,
        inputs=spec.inputs(),
        outputs=spec.outputs(),
        samples=_samples(recipe),
        golden=_golden(training_days, recipe),
        golden_texts=[],
        spec=spec,
        parameters=count_parameters(network),
        data=[split.described],
        metrics=figures,
        calibration={
            "widening": [round(float(value), 4) for value in factors],
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
            "fan": dataclasses.asdict(drawn),
        },
        files={
            "fan.svg": plots.forecast_fan(drawn),
            "error_by_horizon.svg": plots.error_by_horizon(
                {name: values["mae_by_horizon"] for name, values in figures.items()}
            ),
            "epochs.svg": plots.epochs([learning]),
        },
    )


def baselines(recipe: ForecastRecipe) -> Figures:
    """The same figures for simple forecasts of the same days."""
    series = COVARIATE_SERIES[recipe.data].load().series
    reporting = Origins.of(series, recipe.spec(), recipe.reporting_start, recipe.reporting_end)
    return baseline_figures(series.target, reporting)


def measures(_recipe: ForecastRecipe) -> Measures:
    """Mean absolute errors first; intervals should hold what they promise."""
    return Measures(
        main=Measure("mae_mean_of_14", "MAE over 14 days", "low"),
        selection=Measure("mae_mean_of_14_on_selection_days", "MAE over 14 days", "low"),
        selected_on="selection days",
        further=(
            Measure("mae_next_day", "next-day MAE", "low"),
            Measure("pinball", "pinball loss", "low"),
            Measure("coverage_80", "inside 80 % intervals", 0.8),
            Measure("coverage_95", "inside 95 % intervals", 0.95),
        ),
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
    source = COVARIATE_SERIES[recipe.data]
    series = source.load_file(path)
    last = series.date_at(len(series.target) - 1)
    unseen = recipe.reporting_end + dt.timedelta(days=1)
    first = series.start
    start = period.start or max(first, unseen if last >= unseen else recipe.reporting_start)
    if start < first:
        raise ValueError(f"{start} is before the first day of the file, {first}")
    if series.start > start - dt.timedelta(days=spec.context_length):
        with contextlib.suppress(DataUnavailable):
            series = series.preceded_by(source.load().series)
    if period.start is None:
        start = max(start, series.start + dt.timedelta(days=WEEK))
    end = period.end or last
    origins = Origins.of(series, spec, start, end)
    quantiles = run_in_batches(run, origins.inputs)
    return {
        "first_target": start.isoformat(),
        "last_target": end.isoformat(),
        "next_day_origins": len(origins),
        "complete_origins": len(origins.complete()),
        "model": describe(origins.actual, quantiles, tuple(spec.quantile_levels)),
        "seasonal_naive": point_figures(origins.actual, seasonal_naive(origins)),
    }


def rebuilt(recipe: ForecastRecipe, _manifest: Manifest, _files: Mapping[str, bytes]) -> tuple[LastStep, SeriesSamples]:
    """The graph of a bundle, its weights still to be loaded, and inputs to check it."""
    means = torch.ones(1 + len(recipe.past), 1 + len(recipe.day_types))  # to be loaded as well
    network = Forecaster(recipe.network, recipe.architecture, recipe.settings, means)
    return LastStep(network).eval(), _samples(recipe)


def _samples(recipe: ForecastRecipe) -> SeriesSamples:
    return SeriesSamples(recipe.past, recipe.network.horizon, len(recipe.day_types))


def _fan(
    origins: Origins, quantiles: NDArray[np.floating], levels: tuple[float, ...], recipe: ForecastRecipe
) -> plots.Fan:
    """The first reported fortnight."""
    title = f"{recipe.target} a day, the two weeks from {recipe.reporting_start}"
    history, naive = origins.inputs["history"][0, -8 * WEEK :], seasonal_naive(origins)[0]
    return fan(title, "days", history, origins.actual[0], quantiles[0], levels, naive)


def _golden(days: CovariateSeries, recipe: ForecastRecipe) -> dict[str, NDArray[Any]]:
    """The last training weeks, whole and with what clients leave out: a short history, gaps, no bus, no day types."""
    end = days.date_at(len(days.target) - recipe.network.horizon)
    origins = Origins.of(days, recipe.spec(), end - dt.timedelta(days=5), end)
    rows = {name: array.copy() for name, array in origins.inputs.items()}
    rows["history"][1, :-20] = np.nan
    rows["history"][2, ::5] = np.nan
    for name in recipe.past:
        rows[f"past_{name}"][1, :-20] = np.nan
        rows[f"past_{name}"][3] = np.nan
    rows["future_day_type"][4] = 0
    rows["future_day_type"][1, : recipe.context_length - 20] = 0
    return rows
